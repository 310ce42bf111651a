/**
 * What is mounted, read from /proc/self/mountinfo, and where a path leads, without asking any mounted
 * file system: that of a server that died, or is stuck, would not answer.
 *
 * Ref: proc_pid_mountinfo(5).
 */
import { readFileSync, readlinkSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/** What /proc shows for mounts of ours. */
export const MOUNT_TYPE = "fuse.xip";

export interface MountEntry {
  readonly directory: string;
  /** "fuse.xip", "ext4". */
  readonly type: string;
  /** Of `xip mount`: the path of the image, unless fsname= said otherwise. */
  readonly source: string;
  /** Minor number of the mount's device: of a FUSE mount the number of its connection. */
  readonly minor: number;
}

/** All mounts that this process sees, in the order in which they were made. Empty without /proc. */
function readMountTable(): MountEntry[] {
  try {
    return parseMountTable(readFileSync("/proc/self/mountinfo", "utf8"));
  } catch {
    // Not Linux: there are no mounts that would be ours.
    return [];
  }
}

/** Pure. */
export function parseMountTable(text: string): MountEntry[] {
  return text.split("\n").flatMap((line) => {
    // id parent major:minor root directory options [tags] - type source options
    const [front, back] = line.split(" - ");
    const [, , device, , directory] = (front ?? "").split(" ");
    const [type, source] = (back ?? "").split(" ");
    if (device === undefined || directory === undefined || source === undefined) return [];
    const minor = Number(device.split(":")[1]);
    return [{ directory: unescape(directory), type: type!, source: unescape(source), minor }];
  });
}

/** Blanks, and what else would part the fields, stand as octal bytes. */
const unescape = (field: string): string =>
  field.replaceAll(/\\(\d{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );

/** What is seen at `directory`: the mount that was made last there. */
export const mountAt = (directory: string): MountEntry | undefined =>
  readMountTable().findLast((entry) => entry.directory === directory);

/** Mounts of images, by all `xip mount`s. */
export const imageMounts = (): MountEntry[] =>
  readMountTable().filter((entry) => entry.type === MOUNT_TYPE);

const LINKS_MAX = 40;

/** The absolute path of `path` without symbolic links; what is mounted on it is not asked.
 * @throws Node's ENOENT, ENOTDIR, ELOOP of what is in front of its last part */
export function realMountPoint(cwd: string, path: string): string {
  let at = resolve(cwd, path);
  for (let links = 0; links < LINKS_MAX; links++) {
    if (at === "/") return at;
    const directory = realpathSync(dirname(at));
    at = join(directory, basename(at));
    const target = linkTarget(at);
    if (target === null) return at;
    at = resolve(directory, target);
  }
  return at;
}

/** Reading a link needs no answer of what is mounted there. */
function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    // No link, or not there: whoever uses the path will be told.
    return null;
  }
}
