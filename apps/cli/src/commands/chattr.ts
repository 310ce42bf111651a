/** `xip chattr`: set and clear flags of files, as chattr(1) does, and their project id. */
import { InvalidArgumentError } from "commander";
import { FsError, type Inode, isDirectory, isRegular, type Name, ROOT } from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imagePathArgument, mountOptions, numberArgument } from "../command.ts";
import { type Context } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { type Mounted, type ReadOptions, withMount } from "../image.ts";
import { DIRECTORY_FLAGS, type FlagChange, flagLetters, parseFlagChange } from "../inode-flags.ts";
import { type Found, treeBelow, withInode } from "../inodes.ts";
import { Problem, usage } from "../problem.ts";
import { count, showName } from "../text.ts";

/** Project ids have 32 bits. */
const PROJECT_MAX = 0xffffffff;

interface ChattrOptions extends ReadOptions {
  readonly project?: number;
  readonly recursive?: boolean;
}

/** What the command line asks for. */
interface Task {
  readonly change: FlagChange;
  readonly project: number | undefined;
  readonly recursive: boolean;
}

export function addChattr(cli: Cli): void {
  const command = cli.program
    .command("chattr")
    .summary("set and clear flags of files, and their project id")
    .description(
      "Change flags of files: + sets, - clears, = makes them exactly these. Letters are those of " +
        "chattr(1): i immutable, a append only, A no atime, d no dump, S synchronous; of " +
        "directories D synchronous, T top of a hierarchy, P project inherited.",
    )
    .usage("[options] <image> +-=[flags]... <path...>")
    .argument("<image>", "image file")
    .argument("<words...>", "flags to change, then paths inside the image")
    .option("-p, --project <id>", "set the project id", projectArgument)
    .option("-R, --recursive", "directories, and all files and directories below them")
    // "-i" and its like are flags to clear: told apart below.
    .allowUnknownOption()
    .action((image: string, words: string[], options: ChattrOptions) =>
      cli.run(chattr(cli.context, image, words, options)),
    );
  mountOptions(command);
  examples(command, [
    "xip chattr disk.img +i /docs/README.md",
    "xip chattr disk.img -i +a /docs/log",
    "xip chattr disk.img =dA /docs/cache",
    "xip chattr disk.img -R -p 42 +P /docs        (needs an image with the feature 'project')",
  ]);
}

function projectArgument(text: string): number {
  const id = numberArgument(0)(text);
  if (id > PROJECT_MAX) throw new InvalidArgumentError(`${PROJECT_MAX} is the largest.`);
  return id;
}

async function chattr(
  context: Context,
  image: string,
  words: readonly string[],
  options: ChattrOptions,
): Promise<number> {
  const unknown = words.find((word) => /^--|^-$/.test(word));
  if (unknown !== undefined) throw usage(`unknown option '${unknown}'`);
  const start = words.findIndex((word) => !/^[-+=]/.test(word));
  const flagsEnd = start < 0 ? words.length : start;
  const paths = words.slice(flagsEnd).map(imagePathArgument);
  if (flagsEnd === 0 && options.project === undefined) {
    throw usage("what is to be changed? give +, - or = and letters, or -p", EXAMPLE);
  }
  if (paths.length === 0) throw usage("chattr needs a path inside the image", EXAMPLE);
  const task: Task = {
    change: parseFlagChange(words.slice(0, flagsEnd)),
    project: options.project,
    recursive: options.recursive === true,
  };
  return withMount(context, image, { ...options, write: true }, (mounted) => {
    // A wrong path is found out before the first file is changed.
    const tops = paths.map((path) => ({ path, stat: mounted.task.lstat(path) }));
    for (const top of tops) {
      const found = task.recursive ? [...treeBelow(mounted, top, true)] : [top];
      for (const one of found) if (one === top || isPlain(one)) apply(mounted, one, task);
    }
    return EXIT_OK;
  });
}

const EXAMPLE = "xip chattr disk.img +i /docs/README.md";

/** On their way down chattr and its like leave out what is neither a file nor a directory. */
const isPlain = ({ stat }: Found): boolean => isRegular(stat.mode) || isDirectory(stat.mode);

function apply(mounted: Mounted, found: Found, task: Task): void {
  const { path, stat } = found;
  const { vfs, personality } = mounted;
  const { exact, set, clear } = task.change;
  withInode(mounted, found, (inode) => {
    const { settable } = vfs.getFlags(inode);
    // Of a whole tree, flags of directories go to its directories alone.
    const skipped = task.recursive && !isDirectory(stat.mode) ? DIRECTORY_FLAGS : 0;
    const wrong = (set | clear) & ~settable & ~skipped & ~(set & inode.flags);
    if (wrong !== 0) throw refusal(path, personality.name, wrong, settable);
    const kept = exact ? inode.flags & ~settable : inode.flags & ~clear;
    const flags = (kept | (set & ~skipped)) >>> 0;
    if (task.project !== undefined) setProject(mounted, inode, task.project);
    if (flags !== inode.flags >>> 0) vfs.setFlags(ROOT, inode, flags);
  });
}

function setProject({ vfs, personality }: Mounted, inode: Inode, project: number): void {
  try {
    vfs.setProjectId(ROOT, inode, project);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== "EOPNOTSUPP") throw error;
    const canHave = personality.capabilities.projectIds === true;
    const hint = canHave ? `give mkfs -O project to have them` : undefined;
    throw new Problem("this image has no place for project ids", hint, undefined, error);
  }
}

function refusal(path: Name, name: string, wrong: number, settable: number): Problem {
  const letters = flagLetters(wrong);
  const flags = letters.length === 1 ? `flag '${letters}'` : count(letters.length, "flag");
  const hint = `what can be changed of it: ${flagLetters(settable)}`;
  return new Problem(`${showName(path)}: ${name} does not let users change ${flags} here`, hint);
}
