/**
 * Images in the hands of the kernel: mounted through a loop device of their own, which is given back
 * whatever happens.
 */
import fs from "node:fs";
import path from "node:path";
import { withTempDirectory } from "./image-file.ts";
import { KernelLog } from "./kernel-log.ts";
import { run, runOrThrow } from "./run.ts";

export interface LoopMountOptions {
  /** Default: ext4. */
  readonly type?: string;
  /** For `mount -o`, such as `ro,noload`. */
  readonly options?: string;
  /** Default false: a mount about which the kernel complained is an error. */
  readonly complaintsAllowed?: boolean;
}

export interface LoopMount {
  /** Where it is mounted: an absolute path. */
  readonly directory: string;
  /** The loop device, such as `/dev/loop3`. */
  readonly device: string;
  /** What the kernel said of this device since before the mount; empty where it may not be read. */
  log(): string[];
  /** Those lines of the log that say something is wrong. */
  complaints(): string[];
}

/**
 * Mount the image in the file `image`, call `body`, unmount, give the loop device back.
 * @throws Error where mount refuses; where `body` left files open; where the kernel complained.
 */
export function withLoopMount<T>(
  image: string,
  options: LoopMountOptions,
  body: (mount: LoopMount) => T,
): T {
  return withTempDirectory((directory) => {
    const log = new KernelLog();
    try {
      const device = runOrThrow("losetup", ["-f", "--show", image]).stdout.trim();
      try {
        const name = path.basename(device);
        const value = withMount(device, directory, options, () =>
          body({
            directory,
            device,
            log: () => log.linesOf(name),
            complaints: () => log.complaintsOf(name),
          }),
        );
        const complaints = options.complaintsAllowed ? [] : log.complaintsOf(name);
        if (complaints.length > 0) throw new Error(`the kernel: ${complaints.join("\n")}`);
        return value;
      } finally {
        // Not -D, and no number that was guessed: other tests have loop devices too.
        run("losetup", ["-d", device]);
      }
    } finally {
      log.close();
    }
  });
}

function withMount<T>(
  device: string,
  directory: string,
  options: LoopMountOptions,
  body: () => T,
): T {
  const flags = options.options === undefined ? [] : ["-o", options.options];
  runOrThrow("mount", ["-t", options.type ?? "ext4", ...flags, device, directory]);
  let isUnmounted = false;
  try {
    const value = body();
    // Not lazily: what still holds a file would go on changing the image behind the test's back.
    runOrThrow("umount", [directory]);
    isUnmounted = true;
    return value;
  } finally {
    if (!isUnmounted) run("umount", ["-l", directory]);
  }
}

/**
 * Stop the file system as if the machine had stopped, its log written (`shutdown -f` of xfs_io):
 * what comes after it fails, and the image has a journal that waits for its replay.
 */
export function shutdownMount(directory: string): void {
  fs.accessSync(directory);
  runOrThrow("xfs_io", ["-x", "-c", "shutdown -f", directory]);
}
