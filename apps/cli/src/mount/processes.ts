/**
 * Who uses what, looked up in /proc: links and tables of the kernel alone, so that nothing here waits
 * for a mounted file system. Processes of others are seen by root only.
 *
 * Ref: proc_pid_fd(5), proc_pid_fdinfo(5), proc_pid_maps(5).
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename } from "node:path";
import { splitNul } from "../raw-arguments.ts";
import type { MountEntry } from "./mount-table.ts";

/** A process, and what it has to do with what was asked. */
export interface Holder {
  readonly pid: number;
  readonly command: string;
  /** "works in it", "has /mnt/file open": in words; empty where there is but one way. */
  readonly use: string;
}

/** As `FUSE_DEVICE` of @xiplab/fuse, which would be much to load for those who lock an image. */
const FUSE_DEVICE = "/dev/fuse";
/** Most characters of a command line that are shown. */
const COMMAND_MAX = 60;

/** Processes with a directory, a file or a mapping at or below `directory`, and how. */
export function usersBelow(directory: string): Holder[] {
  const isBelow = (path: string): boolean =>
    path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
  return processIds().flatMap((pid) => {
    const use = useOf(pid, isBelow);
    return use === null ? [] : [{ pid, command: commandOf(pid), use }];
  });
}

function useOf(pid: number, isBelow: (path: string) => boolean): string | null {
  const at = `/proc/${pid}`;
  const under = (link: string): string | null => {
    const path = linkOf(`${at}/${link}`);
    return path !== null && isBelow(path) ? path : null;
  };
  const cwd = under("cwd");
  if (cwd !== null) return `works in ${cwd}`;
  const root = under("root");
  if (root !== null) return `has its root at ${root}`;
  const program = under("exe");
  if (program !== null) return `runs ${program}`;
  for (const fd of namesIn(`${at}/fd`)) {
    const path = under(`fd/${fd}`);
    if (path !== null) return `has ${path} open`;
  }
  for (const line of textOf(`${at}/maps`).split("\n")) {
    // address perms offset device inode path
    const slash = line.indexOf("/");
    if (slash >= 0 && isBelow(line.slice(slash))) return `has ${line.slice(slash)} mapped`;
  }
  return null;
}

/** The processes in whose descriptors' tables a line matches. */
export function holdersOfLine(pattern: RegExp): Holder[] {
  return processIds().flatMap((pid) => {
    const at = `/proc/${pid}/fdinfo`;
    const has = namesIn(at).some((fd) => pattern.test(textOf(`${at}/${fd}`)));
    return has ? [{ pid, command: commandOf(pid), use: "" }] : [];
  });
}

/** Who serves a mount of ours; nobody where its server is dead, or not visible. */
export const serverOf = ({ minor, source }: MountEntry): Holder | undefined =>
  holdersOfLine(new RegExp(`^fuse_connection:\\s*${minor}$`, "m"))[0] ?? serverByLock(source);

/** Who has the image locked and serves with an older kernel, which does not tell of connections. */
function serverByLock(image: string): Holder | undefined {
  const stat = statSync(image, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile()) return undefined;
  return holdersOfLine(lockPattern(stat.ino)).find(({ pid }) => servesUntold(pid));
}

/** /dev/fuse is open, and its table has no number of a connection. */
function servesUntold(pid: number): boolean {
  return namesIn(`/proc/${pid}/fd`).some((fd) => {
    if (linkOf(`/proc/${pid}/fd/${fd}`) !== FUSE_DEVICE) return false;
    return !/^fuse_connection:/m.test(textOf(`/proc/${pid}/fdinfo/${fd}`));
  });
}

/**
 * What the table of a descriptor that holds an flock has, of the file with this inode number:
 * "lock: 1: FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF". The device may go by another number
 * there than stat(2) gives, so the inode's has to do.
 */
export const lockPattern = (ino: bigint): RegExp =>
  new RegExp(`^lock:.* FLOCK .*:${ino} 0 EOF$`, "m");

/** As "name (pid 12, has /mnt/file open)". */
function holderInWords({ pid, command, use }: Holder): string {
  return `${command} (pid ${pid}${use === "" ? "" : `, ${use}`})`;
}

/** Holders in one line, at most `max` of them by name. */
export function holdersInWords(holders: readonly Holder[], max = 5): string {
  const shown = holders.slice(0, max).map(holderInWords);
  const rest = holders.length - shown.length;
  return [...shown, ...(rest > 0 ? [`${rest} more`] : [])].join(", ");
}

/** What tells a process from a later one with its number; null where there is none any more. */
export function processStart(pid: number): string | null {
  const stat = textOf(`/proc/${pid}/stat`);
  // The name, in parentheses, may hold anything. Behind it: state, ..., start time as the 20th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const isOver = stat === "" || fields[0] === "Z" || fields[0] === "X";
  return isOver ? null : fields[19]!;
}

/** The command line, short. Programs of ours go by the name that the user knows. */
function commandOf(pid: number): string {
  const words = splitNul(Buffer.from(textOf(`/proc/${pid}/cmdline`))).map(String);
  const [program = "", script = ""] = words;
  const ours = basename(program).startsWith("node") ? nameOfOurs(script) : null;
  const named = ours === null ? words : [ours, ...words.slice(2)];
  const line = named.join(" ").trim() || textOf(`/proc/${pid}/comm`).trim() || "a process";
  return line.length > COMMAND_MAX ? `${line.slice(0, COMMAND_MAX - 3)}...` : line;
}

function nameOfOurs(script: string): string | null {
  if (/[/\\]cli[/\\](src|dist)[/\\]mount[/\\]daemon\.[jt]s$/.test(script)) return "xip mount";
  if (/[/\\]cli[/\\](src|dist)[/\\]main\.[jt]s$|[/\\]xip$/.test(script)) return "xip";
  return null;
}

/** In numerical order, ours not. */
function processIds(): number[] {
  const ids = namesIn("/proc").filter((name) => /^\d+$/.test(name));
  return ids
    .map(Number)
    .filter((pid) => pid !== process.pid)
    .sort((one, other) => one - other);
}

// Processes end while one looks, and those of others may not be looked at: nothing is seen then.
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
