/** `xip check`: a full fsck that only reads. */
import { CorruptionError, describeCorruption, FsError } from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imageOptions, jsonOption } from "../command.ts";
import { type Context, print, printJson, styleFor } from "../context.ts";
import { EXIT_DAMAGED, EXIT_OK } from "../exit-codes.ts";
import { type OpenedImage, refuseUnsupported, withDevice } from "../image.ts";
import { startPatience } from "../progress.ts";
import { count, formatSize } from "../text.ts";

interface CheckOptions {
  readonly type?: string;
  readonly json?: boolean;
}

export function addCheck(cli: Cli): void {
  const command = cli.program
    .command("check")
    .summary("look for errors in the file system; changes nothing")
    .description("Check the whole file system in an image. Reads only; exit status 3 on errors.")
    .argument("<image>", "image file")
    .action((image: string, options: CheckOptions) => cli.run(check(cli.context, image, options)));
  jsonOption(imageOptions(command));
  examples(command, ["xip check disk.img", "xip check disk.img --json"]);
}

async function check(context: Context, image: string, options: CheckOptions): Promise<number> {
  return withDevice(context, image, { write: false, type: options.type }, (opened) => {
    const { device, personality: design } = opened;
    const what = `checking ${image}, ${formatSize(device.size)}`;
    const patience = startPatience(context, what, device.size);
    const { findings, clean, inodesUsed, blocksUsed } = design.check(device);
    patience.stop();
    const sound = findings.length === 0;
    // The superblock alone: nothing behind it could be read.
    const isOpaque = findings.length === 1 && inodesUsed === 0;
    if (isOpaque) refuseUnsupportedFeatures(image, opened);
    if (options.json === true) {
      const messages = findings.map((finding) => describeCorruption(finding));
      const personality = design.name;
      const result = { image, personality, sound, clean, inodesUsed, blocksUsed };
      printJson(context, { ...result, findings, messages });
      return sound ? EXIT_OK : EXIT_DAMAGED;
    }
    const style = styleFor(context.out);
    for (const finding of findings) print(context, describeCorruption(finding));
    const verdict = sound ? style("green", "sound") : style("red", count(findings.length, "error"));
    const next = sound ? "the next mount recovers it" : "mounting it may mend that";
    const state = clean ? "cleanly unmounted" : `not cleanly unmounted: ${next}`;
    const used = `${count(inodesUsed, "inode")}, ${count(blocksUsed, "block")} in use`;
    const rest = isOpaque ? "; nothing behind could be looked at" : `, ${state}; ${used}`;
    print(context, `${image}: ${verdict}${rest}`);
    return sound ? EXIT_OK : EXIT_DAMAGED;
  });
}

/** That a driver cannot read an image is no error in the image. @throws Problem */
function refuseUnsupportedFeatures(image: string, opened: OpenedImage): void {
  try {
    refuseUnsupported(image, opened);
  } catch (error) {
    // Damage is what the findings tell.
    if (error instanceof CorruptionError || error instanceof FsError) return;
    throw error;
  }
}
