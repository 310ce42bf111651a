/**
 * One writer or many readers of an image: an advisory lock of the whole file, which goes when the
 * descriptor is closed, however its process ends. And no writer while it is a loop device.
 *
 * Node has no flock(2). The lock belongs to the open file description, not to the process, so flock(1)
 * can take it for us on a descriptor that it inherits. Where there is no flock(1), or the file system
 * has no locks, images are opened without: nobody keeps two writers apart then.
 */
import { spawnSync } from "node:child_process";
import { fstatSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { imageMounts } from "./mount/mount-table.ts";
import { holdersInWords, holdersOfLine, lockPattern } from "./mount/processes.ts";
import { Problem } from "./problem.ts";

/** What flock(1) is told to say where somebody else has the lock: a status of nothing else. */
const CONFLICT = 75;

/**
 * Lock the image that is open as `fd`, until that is closed. `image` is its name for people.
 * @throws Problem where it is in use, which says by whom
 */
export function lockImage(image: string, path: string, fd: number, write: boolean): void {
  if (write) refuseLoopDevice(image, path);
  const mode = write ? "--exclusive" : "--shared";
  const { status } = spawnSync("flock", [mode, "--nonblock", "-E", String(CONFLICT), "3"], {
    stdio: ["ignore", "ignore", "ignore", fd],
  });
  if (status === CONFLICT) throw inUse(image, path, fd);
}

function inUse(image: string, path: string, fd: number): Problem {
  const { ino } = fstatSync(fd, { bigint: true });
  const holders = holdersOfLine(lockPattern(ino));
  const by = holders.length === 0 ? "another process" : holdersInWords(holders);
  const mounted = imageMounts().find(({ source }) => source === realpathSync(path));
  const hint =
    mounted === undefined
      ? "try again when it is done"
      : `its files are under ${mounted.directory}; 'xip umount ${mounted.directory}' unmounts it`;
  return new Problem(`${image}: in use by ${by}`, hint);
}

/** The kernel may have it mounted, and knows nothing of our locks. */
function refuseLoopDevice(image: string, path: string): void {
  const real = realpathSync(path);
  const device = loopDevices().find(({ file }) => file === real);
  if (device === undefined) return;
  throw new Problem(
    `${image}: in use as ${device.name}, a loop device of the kernel`,
    `unmount what is mounted from it, then: losetup -d ${device.name}`,
  );
}

const BLOCK_DEVICES = "/sys/block";

function loopDevices(): { name: string; file: string }[] {
  try {
    const names = readdirSync(BLOCK_DEVICES).filter((name) => name.startsWith("loop"));
    return names.flatMap((name) => {
      const file = backingFile(name);
      return file === null ? [] : [{ name: `/dev/${name}`, file }];
    });
  } catch {
    // No sysfs: no Linux, or none that shows its devices.
    return [];
  }
}

function backingFile(device: string): string | null {
  try {
    return readFileSync(`${BLOCK_DEVICES}/${device}/loop/backing_file`, "utf8").trimEnd();
  } catch {
    // The loop device has no file.
    return null;
  }
}
