/** `xip lsattr`: the flags of files, as lsattr(1) prints them. */
import { isDirectory, type Name } from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imagePathArgument, jsonOption, mountOptions } from "../command.ts";
import { type Context, print, printJson } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { type Mounted, type ReadOptions, withMount } from "../image.ts";
import { flagLetters, flagWords, formatFlags } from "../inode-flags.ts";
import { entriesIn, type Found, treeBelow, withInode } from "../inodes.ts";
import { nameFields, showName } from "../text.ts";

interface LsattrOptions extends ReadOptions {
  readonly all?: boolean;
  readonly directory?: boolean;
  readonly long?: boolean;
  readonly project?: boolean;
  readonly recursive?: boolean;
  readonly json?: boolean;
}

export function addLsattr(cli: Cli): void {
  const command = cli.program
    .command("lsattr")
    .summary("flags of files: immutable, append only, ...")
    .description(
      "List the flags of files, or of what stands in directories, by the letters of lsattr(1): " +
        "i immutable, a append only, A no atime, d no dump, S and D synchronous, T top of a " +
        "hierarchy, P project inherited, e extents, I indexed directory.",
    )
    .argument("<image>", "image file")
    .argument("[path...]", "paths inside the image (default: /)")
    .option("-a, --all", "names that begin with a dot as well")
    .option("-d, --directory", "directories themselves, not what stands in them")
    .option("-l, --long", "flags in words")
    .option("-p, --project", "project ids as well")
    .option("-R, --recursive", "directories below as well")
    .action((image: string, paths: string[], options: LsattrOptions) =>
      cli.run(lsattr(cli.context, image, paths.map(imagePathArgument), options)),
    );
  jsonOption(mountOptions(command));
  examples(command, [
    "xip lsattr disk.img /docs",
    "xip lsattr -pd disk.img /docs",
    "xip lsattr -Ra disk.img --json",
  ]);
}

interface Attributes {
  readonly path: Name;
  /** The design's own too. */
  readonly flags: number;
  /** Null where the format has none. */
  readonly projectId: number | null;
}

async function lsattr(
  context: Context,
  image: string,
  paths: readonly Name[],
  options: LsattrOptions,
): Promise<number> {
  return withMount(context, image, { ...options, write: false }, (mounted) => {
    const found = (paths.length > 0 ? paths : ["/" as Name]).flatMap((path) =>
      chosen(mounted, path, options),
    );
    const list = found.map((one) => attributesOf(mounted, one));
    if (options.json === true) printJson(context, list.map(attributeFields));
    else for (const line of linesOf(list, options)) print(context, line);
    return EXIT_OK;
  });
}

/** What lsattr shows of one argument. */
function chosen(mounted: Mounted, path: Name, options: LsattrOptions): Found[] {
  const top = { path, stat: mounted.task.lstat(path) };
  if (options.directory === true || !isDirectory(top.stat.mode)) return [top];
  const all = options.all === true;
  if (options.recursive !== true) return entriesIn(mounted, path, all);
  return [...treeBelow(mounted, top, all)].slice(1);
}

/** Flags and project id of what was found. */
export function attributesOf(mounted: Mounted, found: Found): Attributes {
  const hasProjects = mounted.personality.capabilities.projectIds === true;
  return withInode(mounted, found, (inode) => {
    const projectId = hasProjects ? mounted.vfs.getProjectId(inode) : null;
    return { path: found.path, flags: inode.flags >>> 0, projectId };
  });
}

const attributeFields = ({ path, flags, projectId }: Attributes) => ({
  ...nameFields(path),
  flags: flagLetters(flags),
  ...(projectId === null ? {} : { projectId }),
});

function linesOf(list: readonly Attributes[], options: LsattrOptions): string[] {
  const width = Math.max(5, ...list.map(({ projectId }) => String(projectId ?? "-").length));
  return list.map(({ path, flags, projectId }) => {
    const project = options.project === true ? `${String(projectId ?? "-").padStart(width)} ` : "";
    const name = showName(path);
    if (options.long === true) return `${project}${name.padEnd(28)} ${flagWords(flags) || "---"}`;
    return `${project}${formatFlags(flags)} ${name}`;
  });
}
