/** `xip stat`: everything that an inode says. */
import { isDevice, isSymlink, type Name, nameToUtf8, type Stat, type Task } from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imagePathArgument, jsonOption, mountOptions } from "../command.ts";
import { type Context, print, printJson } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { type ReadOptions, withMount } from "../image.ts";
import { formatInstant, formatMode, formatOctal, nameFields, showName, typeWord } from "../text.ts";

interface StatOptions extends ReadOptions {
  readonly follow?: boolean;
  readonly json?: boolean;
}

export function addStat(cli: Cli): void {
  const command = cli.program
    .command("stat")
    .summary("everything that the inode of a file says")
    .description("Print the inode of a file: type, mode, owner, sizes, links, times.")
    .argument("<image>", "image file")
    .argument("<path>", "path inside the image", imagePathArgument)
    .option("-L, --follow", "follow a symbolic link")
    .action((image: string, path: Name, options: StatOptions) =>
      cli.run(stat(cli.context, image, path, options)),
    );
  jsonOption(mountOptions(command));
  examples(command, ["xip stat disk.img /docs", "xip stat disk.img /docs/README.md --json"]);
}

async function stat(
  context: Context,
  image: string,
  path: Name,
  options: StatOptions,
): Promise<number> {
  return withMount(context, image, { ...options, write: false }, ({ task }) => {
    const stat = options.follow === true ? task.stat(path) : task.lstat(path);
    const target = isSymlink(stat.mode) ? task.readlink(path) : null;
    if (options.json === true) printJson(context, statFields(path, stat, target));
    else for (const line of statLines(path, stat, target)) print(context, line);
    return EXIT_OK;
  });
}

/** Linux's makedev, taken apart: 12 bits of major, 20 of minor. */
const major = (rdev: number): number => (rdev >>> 8) & 0xfff;
const minor = (rdev: number): number => (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);

const instant = (stat: Stat, which: "atime" | "mtime" | "ctime" | "btime"): string =>
  formatInstant(stat[`${which}Sec`], stat[`${which}Nsec`]);

function statLines(path: Name, stat: Stat, target: Name | null): string[] {
  const arrow = target === null ? "" : ` -> ${showName(target)}`;
  const lines = [
    `  file: ${showName(path)}${arrow}`,
    `  type: ${typeWord(stat.mode)}`,
    `  size: ${stat.size} bytes, ${stat.blocks} sectors of 512 allocated`,
    ` inode: ${stat.ino}, ${stat.nlink} ${stat.nlink === 1 ? "link" : "links"}`,
    `  mode: ${formatOctal(stat.mode)} ${formatMode(stat.mode)}`,
    ` owner: ${stat.uid}:${stat.gid}`,
  ];
  if (isDevice(stat.mode)) lines.push(`device: ${major(stat.rdev)}, ${minor(stat.rdev)}`);
  const times = ["atime", "mtime", "ctime", "btime"] as const;
  const words = { atime: "access", mtime: "modify", ctime: "change", btime: " birth" };
  for (const time of times) lines.push(`${words[time]}: ${instant(stat, time)}`);
  return lines;
}

/** A stat for programs. Sizes in bytes, `blocks` in sectors of 512 bytes, times in UTC. */
export function statFields(path: Name, stat: Stat, target: Name | null): Record<string, unknown> {
  return {
    ...nameFields(path),
    type: typeWord(stat.mode),
    ino: stat.ino,
    mode: formatOctal(stat.mode),
    nlink: stat.nlink,
    uid: stat.uid,
    gid: stat.gid,
    size: stat.size,
    blocks: stat.blocks,
    ...(isDevice(stat.mode) ? { major: major(stat.rdev), minor: minor(stat.rdev) } : {}),
    atime: instant(stat, "atime"),
    mtime: instant(stat, "mtime"),
    ctime: instant(stat, "ctime"),
    btime: instant(stat, "btime"),
    ...(target === null ? {} : { target: nameToUtf8(target) }),
  };
}

/** Used by `ls` to follow nothing and still show where a link leads. */
export const linkTarget = (task: Task, path: Name, stat: Stat): Name | null =>
  isSymlink(stat.mode) ? task.readlink(path) : null;
