/** `xip copy-in`: from the host into an image. */
import { type Name } from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imagePathArgument, jsonOption, mountOptions } from "../command.ts";
import { type Context, hostPath } from "../context.ts";
import { hostArgument } from "../copy/host.ts";
import { copyIn, planIn, refuseConflicts, targetIn } from "../copy/into-image.ts";
import { Tally } from "../copy/tally.ts";
import { imageIdentity, type ReadOptions, withMount } from "../image.ts";
import { usage } from "../problem.ts";

interface CopyInOptions extends ReadOptions {
  readonly force?: boolean;
  readonly json?: boolean;
}

export function addCopyIn(cli: Cli): void {
  const command = cli.program
    .command("copy-in")
    .summary("copy files and directories into an image")
    .description(
      "Copy files and directories of the host into an image: modes, owners, times, symbolic and " +
        "hard links, holes and special files are kept. Extended attributes, access control lists " +
        "and flags of the host are not: Node cannot read them. 'xip setfattr' and 'xip chattr' " +
        "set them in the image.",
    )
    .usage("[options] <image> <host...> <destination>")
    .argument("<image>", "image file")
    .argument("<paths...>", "paths on the host, then the destination inside the image")
    .option("-f, --force", "replace files that exist already")
    .action((image: string, paths: string[], options: CopyInOptions) =>
      cli.run(run(cli.context, image, paths, options)),
    );
  jsonOption(mountOptions(command));
  examples(command, [
    "xip copy-in disk.img ./docs /              (makes /docs)",
    "xip copy-in disk.img a.txt b.txt /docs",
    "xip copy-in disk.img a.txt /docs/b.txt     (under another name)",
  ]);
}

async function run(
  context: Context,
  image: string,
  paths: readonly string[],
  options: CopyInOptions,
): Promise<number> {
  if (paths.length < 2) {
    throw usage(
      "copy-in needs something to copy and a destination",
      "xip copy-in disk.img ./docs /",
    );
  }
  const sources = paths.slice(0, -1).map((path) => hostArgument(context.cwd, path));
  const destination: Name = imagePathArgument(paths.at(-1)!);
  const identity = imageIdentity(hostPath(context, image));
  const opening = { ...options, write: true, stoppable: true };
  return withMount(context, image, opening, async ({ task, interrupt }) => {
    const entries = sources.flatMap((source) =>
      planIn(source, targetIn(task, source, destination, sources.length > 1), identity),
    );
    refuseConflicts(task, entries, options.force === true);
    const total = entries.reduce(
      (sum, { stat }) => sum + (stat.isFile() ? Number(stat.size) : 0),
      0,
    );
    const tally = new Tally(context, "copy-in", total, interrupt);
    try {
      await copyIn(task, entries, tally);
      task.syncfs();
    } finally {
      tally.stop();
    }
    return tally.finish(options.json === true);
  });
}
