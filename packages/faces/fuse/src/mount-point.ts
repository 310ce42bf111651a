/**
 * Mounting and unmounting, by the mount(8) and umount(8) of the system: Node has no mount(2). The
 * descriptor of /dev/fuse goes to mount(8) as its descriptor 3, which is how fuse knows whose it is.
 *
 * Typical sequence: openFuse → mountFuse → (in the serving thread) serve(vfs, new DeviceChannel(fd))
 * → unmountFuse from anywhere else → serve returns → closeFuse.
 *
 * mount(8) returns before the kernel's first request is answered: requests wait until somebody serves.
 * For the same reason nobody may touch the mount from the thread that is to serve it.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

export const FUSE_DEVICE = "/dev/fuse";
/** /proc/mounts shows it as "fuse.xip". */
const SUBTYPE = "xip";
/** S_IFDIR in octal: a directory is what is mounted. */
const ROOT_MODE = "40000";

export interface FuseMount {
  /** /dev/fuse, from `openFuse`. */
  readonly fd: number;
  /** An existing directory. */
  readonly directory: string;
  /** What /proc/mounts shows as the device: the path of the image. */
  readonly source: string;
  /** May others than the mounting user use it? Default: true for root. */
  readonly allowOther?: boolean;
  /** Bytes of the longest READ. Default: what the kernel thinks best. */
  readonly maxRead?: number;
  /** Options of the vfs and of fuse, as mount(8) takes them: "ro", "nosuid", "noatime". */
  readonly options?: readonly string[];
}

/** mount(8) or umount(8) refused, or is not there. */
export class MountError extends Error {
  override readonly name = "MountError";
  /** What the program said, without its own name in front; one line or more. */
  readonly told: string;
  /** Its exit status; 127 where there is no such program. */
  readonly status: number;

  constructor(program: string, told: string, status: number) {
    super(`${program}: ${told}`);
    this.told = told;
    this.status = status;
  }
}

/** Open the device: what is mounted with it lives as long as the descriptor.
 * @throws Node's ENOENT, ENODEV, EACCES, EPERM */
export const openFuse = (): number => openSync(FUSE_DEVICE, "r+");

/** Give the device back. What is still mounted with it is dead from then on (ENOTCONN). */
export const closeFuse = (fd: number): void => closeSync(fd);

/** Mount. The first request waits in the device when this returns. @throws MountError */
export async function mountFuse(mount: FuseMount): Promise<void> {
  const options = mountOptions(mount).join(",");
  // mount(8) would resolve the source against its tables; "-i" keeps it from helpers of fuse.
  const args = ["-i", "-n", "-t", `fuse.${SUBTYPE}`, "-o", options, mount.source, mount.directory];
  await run("mount", args, mount.fd);
}

export interface UnmountOptions {
  /** Detach now, even when it is busy: it goes when its last user does. */
  readonly lazy?: boolean;
  /** Abort the connection first: no request is answered any more, and `serve` returns. What uses the
   * mount hears ECONNABORTED or ENOTCONN; what the kernel had not written back is lost. */
  readonly force?: boolean;
}

/** Unmount what is mounted on `directory`. @throws MountError, also where it is busy */
export async function unmountFuse(directory: string, options: UnmountOptions = {}): Promise<void> {
  const flags = [options.lazy === true ? "-l" : "", options.force === true ? "-f" : ""];
  await run("umount", ["-i", "-n", ...flags.filter((flag) => flag !== ""), directory]);
}

function mountOptions(mount: FuseMount): string[] {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const allowOther = mount.allowOther ?? uid === 0;
  return [
    ...(mount.options ?? []),
    "fd=3",
    `rootmode=${ROOT_MODE}`,
    `user_id=${uid}`,
    `group_id=${gid}`,
    "default_permissions",
    ...(allowOther ? ["allow_other"] : []),
    ...(mount.maxRead === undefined ? [] : [`max_read=${mount.maxRead}`]),
  ];
}

/** The program, with `fd` as its descriptor 3. */
function run(program: string, args: readonly string[], fd?: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "ignore", "pipe", ...(fd === undefined ? [] : [fd])],
      env: { ...process.env, LC_ALL: "C" },
    });
    const said: Buffer[] = [];
    child.stderr!.on("data", (chunk: Buffer) => said.push(chunk));
    child.on("error", (error) => reject(new MountError(program, error.message, 127)));
    child.on("close", (status) => {
      const told = Buffer.concat(said).toString().trim().replaceAll(`${program}: `, "");
      if (status === 0) resolve();
      else reject(new MountError(program, told || `exit status ${status}`, status ?? 128));
    });
  });
}
