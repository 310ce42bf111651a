/** `xip stat`: everything that an inode says. */
import {
  isDevice,
  isRegular,
  isSymlink,
  type Name,
  nameToUtf8,
  O_RDONLY,
  type Stat,
  type Task,
} from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imagePathArgument, jsonOption, mountOptions } from "../command.ts";
import { type Context, print, printJson } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { type Mounted, type ReadOptions, withMount } from "../image.ts";
import { flagLetters, flagWords, formatFlags } from "../inode-flags.ts";
import { formatInstant, formatMode, formatOctal, nameFields, showName, typeWord } from "../text.ts";
import { attributesOf } from "./lsattr.ts";

interface StatOptions extends ReadOptions {
  readonly follow?: boolean;
  readonly json?: boolean;
}

export function addStat(cli: Cli): void {
  const command = cli.program
    .command("stat")
    .summary("everything that the inode of a file says")
    .description(
      "Print the inode of a file: type, mode, owner, sizes, links, flags, extents, times.",
    )
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
  return withMount(context, image, { ...options, write: false }, (mounted) => {
    const { task } = mounted;
    const stat = options.follow === true ? task.stat(path) : task.lstat(path);
    const target = isSymlink(stat.mode) ? task.readlink(path) : null;
    const more = moreOf(mounted, path, stat);
    if (options.json === true) {
      const { flags, projectId, extents, attributes } = more;
      printJson(context, {
        ...statFields(path, stat, target),
        flags: flagLetters(flags),
        ...(projectId === null ? {} : { projectId }),
        ...(extents === null ? {} : { extents }),
        ...(attributes === null ? {} : { attributes: attributes.map(showName) }),
      });
    } else {
      for (const line of statLines(path, stat, target, more)) print(context, line);
    }
    return EXIT_OK;
  });
}

/** What stat(2) does not say. */
interface More {
  readonly flags: number;
  /** Null, as below, where the format or the kind of file has none. */
  readonly projectId: number | null;
  readonly extents: number | null;
  readonly attributes: readonly Name[] | null;
}

function moreOf(mounted: Mounted, path: Name, stat: Stat): More {
  const { task, personality } = mounted;
  const { flags, projectId } = attributesOf(mounted, { path, stat });
  const hasAttributes = personality.capabilities.xattrs === true;
  const follow = !isSymlink(stat.mode);
  return {
    flags,
    projectId,
    extents: isRegular(stat.mode) ? extentsOf(task, path) : null,
    attributes: hasAttributes ? task.listxattr(path, follow).sort() : null,
  };
}

function extentsOf(task: Task, path: Name): number {
  const file = task.open(path, O_RDONLY, 0);
  try {
    return task.fiemap(file, 0, Number.MAX_SAFE_INTEGER).length;
  } finally {
    task.close(file);
  }
}

/** Linux's makedev, taken apart: 12 bits of major, 20 of minor. */
const major = (rdev: number): number => (rdev >>> 8) & 0xfff;
const minor = (rdev: number): number => (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);

const instant = (stat: Stat, which: "atime" | "mtime" | "ctime" | "btime"): string =>
  formatInstant(stat[`${which}Sec`], stat[`${which}Nsec`]);

function statLines(path: Name, stat: Stat, target: Name | null, more: More): string[] {
  const arrow = target === null ? "" : ` -> ${showName(target)}`;
  const words = flagWords(more.flags);
  const { projectId, extents, attributes } = more;
  const facts: Array<readonly [label: string, value: string]> = [
    ["file", `${showName(path)}${arrow}`],
    ["type", typeWord(stat.mode)],
    ["size", `${stat.size} bytes, ${stat.blocks} sectors of 512 allocated`],
    ["inode", `${stat.ino}, ${stat.nlink} ${stat.nlink === 1 ? "link" : "links"}`],
    ["mode", `${formatOctal(stat.mode)} ${formatMode(stat.mode)}`],
    ["owner", `${stat.uid}:${stat.gid}`],
    ["flags", `${formatFlags(more.flags)}${words === "" ? "" : ` (${words})`}`],
  ];
  if (isDevice(stat.mode)) facts.push(["device", `${major(stat.rdev)}, ${minor(stat.rdev)}`]);
  if (projectId !== null && projectId !== 0) facts.push(["project", String(projectId)]);
  if (extents !== null) facts.push(["extents", String(extents)]);
  if (attributes !== null && attributes.length > 0) {
    facts.push(["xattrs", attributes.map(showName).join(" ")]);
  }
  const times = ["atime", "mtime", "ctime", "btime"] as const;
  const labels = { atime: "access", mtime: "modify", ctime: "change", btime: "birth" };
  for (const time of times) facts.push([labels[time], instant(stat, time)]);
  return facts.map(([label, value]) => `${label.padStart(LABEL_WIDTH)}: ${value}`);
}

/** As wide as "extents" and "project". */
const LABEL_WIDTH = 7;

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
