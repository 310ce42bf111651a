/** `xip umount`: unmount, and come back when the image is closed. */
import { existsSync, realpathSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { MountError, unmountFuse } from "@xiplab/fuse/mount";
import type { Cli } from "../cli.ts";
import { examples } from "../command.ts";
import { type Context, hostPath, note } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { lastWords, takeWord } from "../mount/failure-log.ts";
import {
  imageMounts,
  mountAt,
  type MountEntry,
  MOUNT_TYPE,
  realMountPoint,
} from "../mount/mount-table.ts";
import { holdersInWords, processStart, serverOf, usersBelow } from "../mount/processes.ts";
import { isDead } from "../mount/refusals.ts";
import { Problem } from "../problem.ts";
import { startWaiting } from "../progress.ts";

interface UmountOptions {
  readonly force?: boolean;
  readonly lazy?: boolean;
}

export function addUmount(cli: Cli): void {
  const command = cli.program
    .command("umount")
    .summary("unmount an image, and wait until it is closed")
    .description(
      "Unmount what 'xip mount' mounted, and wait until the image is closed: then it may be moved, " +
        "copied, checked, or mounted again. A mount whose server died is taken away.",
    )
    .argument("<directory>", "mount point, or the image")
    .option("-f, --force", "even if it is busy: cut off who uses it; what they wrote is kept")
    .option("-l, --lazy", "detach it now; the image is closed when its last user is gone")
    .action((directory: string, options: UmountOptions) =>
      cli.run(umount(cli.context, directory, options)),
    );
  examples(command, ["xip umount /mnt", "xip umount disk.img", "xip umount --force /mnt"]);
}

async function umount(context: Context, given: string, options: UmountOptions): Promise<number> {
  const mount = findMount(context, given);
  const { directory, source } = mount;
  const server = serverOf(mount);
  if (server === undefined && isDead(directory)) {
    await unmountFuse(directory, { lazy: true });
    const what = `the server of ${source} had died: its mount was removed`;
    note(context, `xip: ${given}: ${what}; the next mount recovers the image`);
    const words = lastWords(directory);
    if (words !== "") note(context, `     ${words}`);
    return EXIT_OK;
  }
  const since = server === undefined ? null : processStart(server.pid);
  // The server does it as it does for any signal: it can end the connection in order.
  if (options.force === true && server !== undefined) process.kill(server.pid, "SIGTERM");
  else await unmount(given, directory, options.lazy === true);
  if (server === undefined || options.lazy === true) return EXIT_OK;
  await untilOver(context, server.pid, since, source);
  const word = takeWord(directory);
  if (word === null || word === "" || options.force === true) return EXIT_OK;
  throw new Problem(`${given}: unmounted, but the server had to say`, word);
}

/** @throws Problem where nothing of ours is mounted there */
function findMount(context: Context, given: string): MountEntry {
  const directory = realMountPoint(context.cwd, given);
  const mounted = mountAt(directory);
  if (mounted?.type === MOUNT_TYPE) return mounted;
  if (mounted !== undefined) {
    const hint = `umount ${given} unmounts it`;
    throw new Problem(`${given}: a file system of type ${mounted.type}, not of xip mount`, hint);
  }
  const path = hostPath(context, given);
  const image = existsSync(path) ? realpathSync(path) : path;
  const ours = imageMounts();
  const ofImage = ours.findLast(({ source }) => source === image);
  if (ofImage !== undefined) return ofImage;
  const there = ours.map((one) => one.directory).join(", ");
  throw new Problem(
    `${given}: not mounted`,
    there === "" ? "xip has nothing mounted" : `mounted by xip: ${there}`,
  );
}

async function unmount(given: string, directory: string, lazy: boolean): Promise<void> {
  try {
    await unmountFuse(directory, { lazy });
  } catch (error) {
    if (!(error instanceof MountError)) throw error;
    if (!/busy/.test(error.told)) throw new Problem(`${given}: umount: ${error.told}`);
    const users = usersBelow(directory);
    const by = users.length === 0 ? "" : `, in use by ${holdersInWords(users)}`;
    throw new Problem(
      `${given}: busy${by}`,
      "end them, or leave the directory; --force cuts them off, --lazy waits for them",
      undefined,
      error,
    );
  }
}

const POLL_MS = 10;

/** Returns when the process that began at `since` is no more. */
async function untilOver(
  context: Context,
  pid: number,
  since: string | null,
  image: string,
): Promise<void> {
  const waiting = startWaiting(context, `waiting until ${image} is closed`);
  try {
    for (;;) {
      const start = processStart(pid);
      if (start === null || start !== since) return;
      await wait(POLL_MS);
    }
  } finally {
    waiting.stop();
  }
}
