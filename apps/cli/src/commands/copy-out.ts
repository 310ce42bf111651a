/** `xip copy-out`: from an image to the host. */
import { isRegular, type Name } from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imagePathArgument, jsonOption, mountOptions } from "../command.ts";
import type { Context } from "../context.ts";
import { hostArgument } from "../copy/host.ts";
import { copyOut, planOut, refuseHostConflicts, targetOut } from "../copy/out-of-image.ts";
import { Tally } from "../copy/tally.ts";
import { type ReadOptions, withMount } from "../image.ts";

interface CopyOutOptions extends ReadOptions {
  readonly force?: boolean;
  readonly json?: boolean;
}

export function addCopyOut(cli: Cli): void {
  const command = cli.program
    .command("copy-out")
    .summary("copy a file or directory out of an image")
    .description(
      "Copy a file or a whole directory of an image to the host: modes, times, symbolic and hard " +
        "links and holes are kept; owners and special files where you are root. Extended " +
        "attributes, access control lists and flags are not: Node cannot set them. " +
        "'xip getfattr' and 'xip lsattr' print them.",
    )
    .argument("<image>", "image file")
    .argument("<path>", "path inside the image", imagePathArgument)
    .argument("<destination>", "path on the host")
    .option("-f, --force", "replace files that exist already")
    .action((image: string, path: Name, destination: string, options: CopyOutOptions) =>
      cli.run(run(cli.context, image, path, destination, options)),
    );
  jsonOption(mountOptions(command));
  examples(command, [
    "xip copy-out disk.img /docs .              (makes ./docs)",
    "xip copy-out disk.img / ./everything",
    "xip copy-out disk.img /docs/a.txt b.txt    (under another name)",
  ]);
}

async function run(
  context: Context,
  image: string,
  path: Name,
  destination: string,
  options: CopyOutOptions,
): Promise<number> {
  const opening = { ...options, write: false, stoppable: true };
  return withMount(context, image, opening, async ({ task, interrupt }) => {
    const host = hostArgument(context.cwd, destination);
    const entries = planOut(task, path, targetOut(path, host, destination.endsWith("/")));
    refuseHostConflicts(entries, options.force === true);
    const total = entries.reduce(
      (sum, { stat }) => sum + (isRegular(stat.mode) ? stat.size : 0),
      0,
    );
    const tally = new Tally(context, "copy-out", total, interrupt);
    try {
      await copyOut(task, entries, tally);
    } finally {
      tally.stop();
    }
    return tally.finish(options.json === true);
  });
}
