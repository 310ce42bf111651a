/** `xip mount`: an image as a directory of the host, for every program. */
import { existsSync, realpathSync } from "node:fs";
import type { OptionValues } from "@xiplab/core/spec";
import { unmountFuse } from "@xiplab/fuse/mount";
import type { Cli } from "../cli.ts";
import { examples, imageOptions, jsonOption } from "../command.ts";
import { type Context, hostPath, note, print, printJson } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { refuseFile } from "../image-file.ts";
import { startDaemon } from "../mount/background.ts";
import { lastWords } from "../mount/failure-log.ts";
import { readyLine, serveToTheEnd, tellReady } from "../mount/foreground.ts";
import { imageMounts, mountAt, realMountPoint } from "../mount/mount-table.ts";
import { FACE_OPTIONS, mountOptionsArgument, splitMountOptions } from "../mount/options.ts";
import { serverOf } from "../mount/processes.ts";
import type { MountPlan } from "../mount/protocol.ts";
import { checkMountPoint, requireMounting } from "../mount/refusals.ts";
import { usage } from "../problem.ts";
import { startWaiting } from "../progress.ts";
import { optionTableLines } from "./option-lines.ts";

interface MountOptions {
  readonly type?: string;
  readonly options?: OptionValues;
  readonly foreground?: boolean;
  readonly allowOther?: boolean;
  readonly debug?: boolean;
  readonly stats?: boolean;
  readonly json?: boolean;
  readonly log?: string;
}

export function addMount(cli: Cli): void {
  const command = imageOptions(
    cli.program
      .command("mount")
      .summary("mount an image on a directory, for every program")
      .description(
        "Mount an image on a directory (FUSE). Returns when the mount answers; a process in the " +
          "background serves it until 'xip umount' or umount(8). An image that was not unmounted " +
          "cleanly is recovered. Without arguments: list what is mounted.",
      )
      .argument("[image]", "image file")
      .argument("[directory]", "where to mount it"),
  )
    .option(
      "-o, --options <name=value,...>",
      "mount options, as mount(8) has them: see below",
      mountOptionsArgument,
    )
    .option("-f, --foreground", "serve in this process, until it is unmounted or Ctrl-C")
    .option("--allow-other", "let other users use it; where root mounts, they always may")
    .option("--debug", "print every request and its answer to stderr (with -f or --log)")
    .option("--stats", "at the end print what the mount did (with -f or --log)")
    .option("--log <file>", "where the process in the background writes what it has to say")
    .action((image: string | undefined, directory: string | undefined, options: MountOptions) =>
      cli.run(mount(cli.context, image, directory, options)),
    );
  jsonOption(command);
  examples(command, [
    "xip mount disk.img /mnt",
    "xip mount -o ro,noatime disk.img /mnt",
    "xip mount -f --stats disk.img /mnt               (Ctrl-C unmounts)",
    "xip mount -f --debug disk.img /mnt 2> requests",
    "xip mount -o media=optane,unwritten=zero disk.img /mnt",
    "unshare --user --map-root-user --mount sh -c 'xip mount disk.img dir && ls dir'",
    "xip umount /mnt",
  ]);
  command.addHelpText("after", () => mountHelp(cli.context.out.columns ?? 100));
}

/** What `-o` takes beyond the options of the designs, which `mkfs --help` lists. */
const mountHelp = (width: number): string =>
  `\n-o, beyond what 'xip mkfs --help' lists for mount:\n${optionTableLines(FACE_OPTIONS, width)}
  nosuid, nodev, noexec and their like are for the kernel.

Signals: SIGINT and SIGTERM unmount; where it is busy they say by whom and detach it. A second one
ends the server at once, as a power cut would: the next mount recovers what was made durable.`;

async function mount(
  context: Context,
  image: string | undefined,
  directory: string | undefined,
  options: MountOptions,
): Promise<number> {
  if (image === undefined) return list(context, options.json === true);
  if (directory === undefined) throw usage("where is it to be mounted?", `xip mount ${image} /mnt`);
  const isForeground = options.foreground === true;
  if (!isForeground && options.log === undefined) refuseWithoutOutput(options);
  const plan = planMount(context, image, directory, options);
  requireMounting();
  await clearMountPoint(context, plan);
  refuseFile(image, hostPath(context, image));
  const json = options.json === true;
  if (isForeground) {
    return serveToTheEnd(context, plan, (facts) => tellReady(context, plan, facts, json));
  }
  const log = options.log === undefined ? null : hostPath(context, options.log);
  const waiting = startWaiting(context, `opening ${image}`);
  try {
    const { facts, pid } = await startDaemon(context, plan, log);
    waiting.stop();
    const { directory: at } = plan;
    if (json) printJson(context, { image, directory: at, pid, ...facts });
    else print(context, readyLine(plan, facts));
  } finally {
    waiting.stop();
  }
  return EXIT_OK;
}

/** A mount whose server died is taken away: nobody can use it. @throws Problem */
async function clearMountPoint(context: Context, plan: MountPlan): Promise<void> {
  const { mountPoint, directory } = plan;
  while (checkMountPoint(mountPoint, directory) === "dead") {
    const { source } = mountAt(directory)!;
    await unmountFuse(directory, { lazy: true });
    note(context, `xip: ${mountPoint}: the server of ${source} had died; its mount was removed`);
    const words = lastWords(directory);
    if (words !== "") note(context, `     ${words}`);
  }
}

/** What is mounted by xip, and by which process. */
function list(context: Context, json: boolean): number {
  const mounts = imageMounts().map((mount) => {
    const { source, directory } = mount;
    return { image: source, directory, pid: serverOf(mount)?.pid ?? null };
  });
  if (json) printJson(context, mounts);
  for (const { image, directory, pid } of json ? [] : mounts) {
    const server = pid === null ? "its server is dead or not visible" : `served by process ${pid}`;
    print(context, `${image} on ${directory}, ${server}`);
  }
  return EXIT_OK;
}

function refuseWithoutOutput(options: MountOptions): void {
  for (const name of ["debug", "stats"] as const) {
    if (options[name] !== true) continue;
    throw usage(
      `--${name} needs a place to print to`,
      "give -f to serve in the foreground, or --log FILE",
    );
  }
}

function planMount(
  context: Context,
  image: string,
  mountPoint: string,
  options: MountOptions,
): MountPlan {
  const split = splitMountOptions(options.options ?? {});
  const path = hostPath(context, image);
  return {
    cwd: context.cwd,
    image,
    mountPoint,
    directory: realMountPoint(context.cwd, mountPoint),
    type: options.type,
    readOnly: split.readOnly,
    design: split.design,
    kernel: split.kernel,
    media: split.media,
    cache: split.cache,
    access: split.access,
    allowOther: split.allowOther || options.allowOther === true,
    source: split.fsname ?? (existsSync(path) ? realpathSync(path) : path),
    debug: options.debug === true,
    hasLog: options.log !== undefined || options.foreground === true,
    stats: options.stats !== true ? null : options.json === true ? "json" : "text",
  };
}
