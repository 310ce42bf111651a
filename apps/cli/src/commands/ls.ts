/** `xip ls`: names in a directory. */
import { isDirectory, type Name, type Stat, type Task } from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imagePathArgument, jsonOption, mountOptions } from "../command.ts";
import { type Context, print, printJson, type Style, styleFor } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { type ReadOptions, withMount } from "../image.ts";
import { formatMinute, formatMode, joinPath, showName, typeLetter } from "../text.ts";
import { linkTarget, statFields } from "./stat.ts";

interface LsOptions extends ReadOptions {
  readonly long?: boolean;
  readonly recursive?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
}

export function addLs(cli: Cli): void {
  const command = cli.program
    .command("ls")
    .summary("list a directory")
    .description("List a directory in an image, sorted by name.")
    .argument("<image>", "image file")
    .argument("[path]", "path inside the image", imagePathArgument, "/" as Name)
    .option("-l, --long", "mode, links, owner, size and time of each")
    .option("-R, --recursive", "directories below as well")
    .option("-a, --all", "names that begin with a dot as well")
    .action((image: string, path: Name, options: LsOptions) =>
      cli.run(ls(cli.context, image, path, options)),
    );
  jsonOption(mountOptions(command));
  examples(command, [
    "xip ls disk.img",
    "xip ls -l disk.img /docs",
    "xip ls -aR disk.img / --json",
  ]);
}

/** One directory, or one file that was named itself. */
interface Listing {
  readonly directory: Name | null;
  readonly entries: readonly Entry[];
}

interface Entry {
  readonly path: Name;
  /** As it is shown: the name in its directory, or the path that was given. */
  readonly label: Name;
  readonly stat: Stat;
  readonly target: Name | null;
}

async function ls(
  context: Context,
  image: string,
  path: Name,
  options: LsOptions,
): Promise<number> {
  return withMount(context, image, { ...options, write: false }, ({ task }) => {
    const listings = list(task, path, options);
    if (options.json === true) {
      const entries = listings.flatMap((listing) => listing.entries);
      printJson(
        context,
        entries.map((entry) => statFields(entry.path, entry.stat, entry.target)),
      );
      return EXIT_OK;
    }
    const style = styleFor(context.out);
    listings.forEach((listing, index) => {
      if (options.recursive === true && listing.directory !== null) {
        print(context, `${index > 0 ? "\n" : ""}${showName(listing.directory)}:`);
      }
      for (const line of listingLines(listing, options.long === true, style)) print(context, line);
    });
    return EXIT_OK;
  });
}

function list(task: Task, path: Name, options: LsOptions): Listing[] {
  const stat = task.stat(path);
  if (!isDirectory(stat.mode)) {
    const own = task.lstat(path);
    const entry = { path, label: path, stat: own, target: linkTarget(task, path, own) };
    return [{ directory: null, entries: [entry] }];
  }
  const listings: Listing[] = [];
  const pending = [path];
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const entries = entriesOf(task, next, options.all === true);
    listings.push({ directory: next, entries });
    if (options.recursive !== true) break;
    const below = entries.filter((entry) => isDirectory(entry.stat.mode));
    pending.unshift(...below.map((entry) => entry.path));
  }
  return listings;
}

function entriesOf(task: Task, directory: Name, all: boolean): Entry[] {
  const names = task.readdir(directory).filter((name) => name !== "." && name !== "..");
  return names
    .filter((name) => all || !name.startsWith("."))
    .sort()
    .map((name) => {
      const path = joinPath(directory, name);
      const stat = task.lstat(path);
      return { path, label: name, stat, target: linkTarget(task, path, stat) };
    });
}

function listingLines(listing: Listing, long: boolean, style: Style): string[] {
  const { entries } = listing;
  if (!long) return entries.map((entry) => colouredName(entry, style));
  const wide = (field: (entry: Entry) => number): number =>
    Math.max(0, ...entries.map((entry) => String(field(entry)).length));
  const links = wide((entry) => entry.stat.nlink);
  const uids = wide((entry) => entry.stat.uid);
  const gids = wide((entry) => entry.stat.gid);
  const sizes = wide((entry) => entry.stat.size);
  return entries.map((entry) => {
    const { stat } = entry;
    const owner = `${String(stat.uid).padStart(uids)} ${String(stat.gid).padStart(gids)}`;
    const size = String(stat.size).padStart(sizes);
    const arrow = entry.target === null ? "" : ` -> ${showName(entry.target)}`;
    const head = `${formatMode(stat.mode)} ${String(stat.nlink).padStart(links)} ${owner}`;
    return `${head} ${size} ${formatMinute(stat.mtimeSec)} ${colouredName(entry, style)}${arrow}`;
  });
}

function colouredName(entry: Entry, style: Style): string {
  const name = showName(entry.label);
  const letter = typeLetter(entry.stat.mode);
  if (letter === "d") return style(["bold", "blue"], name);
  if (letter === "l") return style("cyan", name);
  if (letter !== "-") return style("yellow", name);
  return entry.stat.mode & 0o111 ? style("green", name) : name;
}
