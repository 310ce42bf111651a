/** `xip mkfs`: make an empty file system in a new image. */
import { lstatSync, realpathSync, renameSync, rmSync, statSync, type Stats } from "node:fs";
import {
  mount,
  mountOptionTable,
  OptionError,
  PAGE_SIZE,
  parseOptions,
  type Personality,
} from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, jsonOption, optionsArgument, sizeArgument } from "../command.ts";
import { type Context, hostPath, print, printJson } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { createImage, systemClock, whileLocked } from "../image.ts";
import { known, personalityNamed } from "../personalities.ts";
import { Problem, usage } from "../problem.ts";
import { startPatience } from "../progress.ts";
import { formatSize } from "../text.ts";
import { headFacts, printFacts } from "./info.ts";
import { addShortForms, optionsHelp, type ShortForms, shortForms } from "./mkfs-options.ts";
import { DEFAULT_OPTIONS } from "./option-lines.ts";

interface MkfsOptions extends ShortForms {
  readonly size?: number;
  readonly options?: Record<string, string>;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function addMkfs(cli: Cli): void {
  const command = cli.program
    .command("mkfs")
    .summary("make an empty file system in a new image")
    .description(
      "Make an empty file system in an image file. Options of mkfs shape the format; mount options " +
        "are stored in the image, and every later mount starts from them.",
    )
    .argument("<personality>", `kind of file system: ${known()}`)
    .argument("<image>", "image file to make")
    .option("-s, --size <size>", "of the device: 64M, 8G, 1T; files are sparse", sizeArgument)
    .option(
      "-o, --options <name=value,...>",
      "options of mkfs and mount: see below",
      optionsArgument,
    )
    .option("-f, --force", "replace an image that holds something")
    .action((name: string, image: string, options: MkfsOptions) =>
      cli.run(mkfs(cli.context, name, image, options)),
    );
  jsonOption(addShortForms(command));
  examples(command, [
    "xip mkfs plain disk.img --size 64M",
    "xip mkfs plain disk.img --size 8G -o unwritten=zero,data=xip",
    "xip mkfs ext4 disk.img --size 1G --label work --journal-size 64M",
    "xip mkfs ext4 disk.img --size 1G -O project,orphan_file,^resize_inode -N 100000",
    "xip mkfs ext4 disk.img --size 1T -U 01234567-89ab-cdef-0123-456789abcdef -o alloc=first-fit",
  ]);
  command.addHelpText("after", () => optionsHelp(cli.context.out.columns ?? 100));
}

async function mkfs(
  context: Context,
  name: string,
  image: string,
  options: MkfsOptions,
): Promise<number> {
  const personality = personalityNamed(name);
  const short = shortForms(options);
  const split = splitForMkfs(personality, { ...options.options, ...short });
  const { path, size } = await chooseTarget(context, image, options);
  const patience = startPatience(context, `making ${image}, ${formatSize(size)}`, size);
  let facts: ReturnType<Personality["describe"]> = [];
  // Made beside it and moved into its place: whatever goes wrong, what was there stays as it was.
  const making = `${path}.mkfs-${process.pid}`;
  try {
    await whileLocked(image, path, async () => {
      await createImage(making, size, (device) => {
        personality.mkfs(device, { clock: systemClock, options: split.mkfs });
        // Proves that the stored options can be mounted with, before anybody relies on them.
        mount(personality, device, { ro: "1" });
        facts = personality.describe(device);
      });
      renameSync(making, path);
    });
  } catch (error) {
    rmSync(making, { force: true });
    throw error;
  } finally {
    patience.stop();
  }
  const { defaults } = split;
  if (options.json === true) {
    const described = Object.fromEntries(facts);
    const { name: kind } = personality;
    printJson(context, { image, personality: kind, size, defaultOptions: defaults, described });
  } else {
    const stored = defaults === "" ? "" : `; mounts start from ${defaults}`;
    print(context, `${image}: ${personality.name}, ${formatSize(size)}${stored}`);
    printFacts(context, headFacts(facts), "  ");
  }
  return EXIT_OK;
}

interface SplitOptions {
  readonly mkfs: Record<string, string>;
  /** As `splitOptions` takes them. */
  readonly defaults: string;
}

/** Options that mkfs itself has go to mkfs; mount options become the image's defaults. */
function splitForMkfs(personality: Personality, given: Record<string, string>): SplitOptions {
  const { mkfsOptions } = personality;
  const mountTable = mountOptionTable(personality);
  const own: Record<string, string> = {};
  const forMount: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(mkfsOptions, name)) own[name] = value;
    else if (Object.hasOwn(mountTable, name)) forMount[name] = value;
    else {
      const valid = [...Object.keys(mkfsOptions), ...Object.keys(mountTable)].join(", ");
      throw new OptionError(`${personality.name} has no option '${name}'; valid options: ${valid}`);
    }
  }
  parseOptions(mountTable, forMount, personality.name);
  const defaults = Object.entries(forMount)
    .map(([name, value]) => (mountTable[name]!.values === "flag" ? name : `${name}=${value}`))
    .join(",");
  if (defaults !== "") {
    if (!Object.hasOwn(mkfsOptions, DEFAULT_OPTIONS)) {
      throw usage(
        `${personality.name} cannot store mount options in the image: ${defaults}`,
        "give them with -o to the commands that mount it",
      );
    }
    own[DEFAULT_OPTIONS] = defaults;
  }
  return { mkfs: parseOptions(mkfsOptions, own, personality.name), defaults };
}

async function chooseTarget(
  context: Context,
  image: string,
  options: MkfsOptions,
): Promise<{ path: string; size: number }> {
  const path = hostPath(context, image);
  const there = statSync(path, { throwIfNoEntry: false });
  if (there !== undefined) refuseTarget(image, there, options.force === true);
  const size = options.size ?? there?.size ?? 0;
  if (size === 0) throw usage("how large is the image to be?", "give --size, such as --size 64M");
  if (size % PAGE_SIZE !== 0) {
    throw usage(`the size, ${size} bytes, is not a multiple of the page size, ${PAGE_SIZE}`);
  }
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return { path: isLink ? realpathSync(path) : path, size };
}

/** A file without allocated blocks holds nothing: `truncate -s 64M disk.img` makes such. */
function refuseTarget(image: string, there: Stats, force: boolean): void {
  if (there.isDirectory()) throw new Problem(`${image}: is a directory, not an image`);
  if (!there.isFile()) throw new Problem(`${image}: is not a regular file`);
  if (there.size > 0 && there.blocks > 0 && !force) {
    throw new Problem(`${image}: holds something already`, "--force replaces it");
  }
}
