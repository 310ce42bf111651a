/**
 * Copy from the host into an image: modes, owners, times, symbolic and hard links, holes, special
 * files, names of any bytes.
 *
 * The whole list is made, and every conflict found, before anything is changed. A file that cannot
 * be completed is removed again; what was copied before it stays.
 */
import {
  type BigIntStats,
  closeSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";
import {
  FsError,
  isDirectory,
  type Name,
  O_CREAT,
  O_EXCL,
  O_WRONLY,
  PAGE_SIZE,
  S_IFMT,
  type Task,
} from "@xiplab/core";
import { Problem } from "../problem.ts";
import { baseName, joinPath, showName } from "../text.ts";
import { hostBaseName, joinHost, lstatHost, nameOf, shown, timespecOf } from "./host.ts";
import type { Tally } from "./tally.ts";

/** Bytes per read. */
const CHUNK_BYTES = 1024 * 1024;
/** st_blocks is in sectors. */
const SECTOR_BYTES = 512n;
const PERMISSIONS = 0o7777;

export interface InEntry {
  readonly source: Buffer;
  readonly target: Name;
  readonly stat: BigIntStats;
}

/** The image file itself, by device and inode: it may stand in the tree that goes into it. */
export interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** Everything below `source`, parents first, as it will be called in the image. */
export function planIn(source: Buffer, target: Name, image: Identity): InEntry[] {
  const stat = lstatHost(source);
  if (stat === null) throw new Problem(`${shown(source)}: no such file or directory`);
  const entries: InEntry[] = [];
  const pending: InEntry[] = [{ source, target, stat }];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    if (entry.stat.dev === image.dev && entry.stat.ino === image.ino) continue;
    entries.push(entry);
    if (!entry.stat.isDirectory()) continue;
    const names = readdirSync(entry.source, { encoding: "buffer" });
    names.sort((a, b) => Buffer.compare(b, a));
    for (const name of names) {
      const below = joinHost(entry.source, name);
      const stat = lstatHost(below);
      // Removed since the directory was read.
      if (stat === null) continue;
      pending.push({ source: below, target: joinPath(entry.target, nameOf(name)), stat });
    }
  }
  return entries;
}

/** Where `source` goes: into `destination` if that is a directory, else under that very name. */
export function targetIn(task: Task, source: Buffer, destination: Name, several: boolean): Name {
  const there = task.tryStat(destination);
  const name = nameOf(hostBaseName(source));
  if (there !== null && isDirectory(there.mode)) {
    // The root of the host has no name: its contents go into the directory itself.
    return name === "" ? destination : joinPath(destination, name);
  }
  const path = showName(destination);
  if (several || destination.endsWith("/")) {
    throw new Problem(`${path}: no such directory in the image`, "make it first by copying one in");
  }
  return destination;
}

/** @throws Problem where an entry would replace something, and must not. */
export function refuseConflicts(task: Task, entries: readonly InEntry[], force: boolean): void {
  const conflicts: Name[] = [];
  const absent = new Set<string>();
  for (const { target, stat } of entries) {
    // Parents come first: what is below a directory that is not there is not there either.
    const there = absent.has(parentOf(target)) ? null : task.tryStat(target, false);
    if (there === null) {
      absent.add(target);
      continue;
    }
    if (isDirectory(there.mode) !== stat.isDirectory()) {
      const kinds = stat.isDirectory() ? "a directory" : "no directory";
      throw new Problem(
        `${showName(target)}: what is to be copied is ${kinds}, what is there differs`,
      );
    }
    if (!stat.isDirectory()) conflicts.push(target);
  }
  if (conflicts.length === 0 || force) return;
  const more = conflicts.length > 1 ? `, and ${conflicts.length - 1} more` : "";
  throw new Problem(
    `${showName(conflicts[0]!)}: exists already in the image${more}`,
    "--force replaces files; nothing has been copied",
  );
}

/** Copy all entries. @throws FsError, HostError, Problem (interrupted); the image stays legal. */
export async function copyIn(task: Task, entries: readonly InEntry[], tally: Tally): Promise<void> {
  const links = new Map<string, Name>();
  const directories: InEntry[] = [];
  for (const entry of entries) {
    await tally.turn();
    if (entry.stat.isDirectory()) {
      makeDirectory(task, entry);
      directories.push(entry);
      tally.directories++;
    } else {
      await copyOne(task, entry, links, tally);
    }
  }
  // Last, and innermost first: making an entry moves the times of its directory.
  for (const entry of directories.toReversed()) setAttributes(task, entry.target, entry.stat);
}

function makeDirectory(task: Task, { target }: InEntry): void {
  if (task.tryStat(target, false) === null) task.mkdir(target, 0o700);
}

async function copyOne(
  task: Task,
  entry: InEntry,
  links: Map<string, Name>,
  tally: Tally,
): Promise<void> {
  const { stat, target } = entry;
  const identity = `${stat.dev}:${stat.ino}`;
  const existing = stat.nlink > 1n ? links.get(identity) : undefined;
  // Written beside it and moved over it, so that what is replaced is never half there.
  const replaces = task.tryStat(target, false) !== null;
  const path = replaces ? temporaryName(target) : target;
  try {
    if (existing !== undefined) task.link(existing, path);
    else await makeFile(task, path, entry, tally);
    if (replaces) task.rename(path, target);
  } catch (error) {
    removeQuietly(task, path);
    if (error instanceof FsError && error.code === "EOPNOTSUPP") {
      tally.skip(showName(target), error.detail ?? "the format cannot hold it");
      return;
    }
    // Calls on an open file know no path, and that of what stands in for it says little.
    if (error instanceof FsError && (error.path === undefined || replaces)) {
      error.path = showName(target);
    }
    throw error;
  }
  if (stat.nlink > 1n) links.set(identity, existing ?? target);
  if (stat.isFile() && existing === undefined) tally.files++;
  else tally.others++;
}

async function makeFile(task: Task, path: Name, entry: InEntry, tally: Tally): Promise<void> {
  const { stat, source } = entry;
  if (stat.isFile()) await copyContents(task, path, entry, tally);
  else if (stat.isSymbolicLink()) {
    task.symlink(nameOf(readlinkSync(source, { encoding: "buffer" })), path);
  } else task.mknod(path, (Number(stat.mode) & S_IFMT) | 0o600, Number(stat.rdev));
  setAttributes(task, path, stat);
}

function setAttributes(task: Task, path: Name, stat: BigIntStats): void {
  task.lchown(path, Number(stat.uid), Number(stat.gid));
  // A symbolic link has no mode of its own. Owner before mode: chown clears setuid.
  if (!stat.isSymbolicLink()) task.chmod(path, Number(stat.mode) & PERMISSIONS);
  task.utimens(path, timespecOf(stat.atimeNs), timespecOf(stat.mtimeNs), false);
}

async function copyContents(task: Task, path: Name, entry: InEntry, tally: Tally): Promise<void> {
  const source = openSync(entry.source, "r");
  try {
    const file = task.open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    try {
      const sparse = entry.stat.blocks * SECTOR_BYTES < entry.stat.size;
      // Whole pages, and no more than a small file needs: many files are small.
      const pages = Math.ceil((Number(entry.stat.size) + 1) / PAGE_SIZE);
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, pages * PAGE_SIZE));
      let pos = 0;
      for (;;) {
        const length = readSync(source, chunk, 0, chunk.length, pos);
        if (length === 0) break;
        for (const [start, end] of sparse ? dataRuns(chunk, length) : [[0, length] as const]) {
          writeAll(task, file, chunk, start, end - start, pos + start);
        }
        pos += length;
        tally.bytes += length;
        await tally.turn();
      }
      if (sparse) task.ftruncate(file, pos);
    } finally {
      task.close(file);
    }
  } finally {
    closeSync(source);
  }
}

function writeAll(
  task: Task,
  file: ReturnType<Task["open"]>,
  bytes: Uint8Array,
  start: number,
  length: number,
  pos: number,
): void {
  for (let done = 0; done < length;) {
    // A short write is a device that became full on the way: the next one says ENOSPC.
    done += task.pwrite(file, bytes, start + done, length - done, pos + done);
  }
}

/** The runs of pages of a chunk that hold anything but zeros, as [start, end). */
export function dataRuns(chunk: Uint8Array, length: number): Array<readonly [number, number]> {
  const runs: Array<readonly [number, number]> = [];
  for (let start = 0; start < length; start += PAGE_SIZE) {
    const end = Math.min(length, start + PAGE_SIZE);
    if (isZero(chunk, start, end)) continue;
    const last = runs.at(-1);
    if (last !== undefined && last[1] === start) runs[runs.length - 1] = [last[0], end];
    else runs.push([start, end]);
  }
  return runs;
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index++) if (bytes[index] !== 0) return false;
  return true;
}

const parentOf = (path: Name): string => path.slice(0, path.lastIndexOf("/"));

/** In the same directory, and short enough whatever the name is. */
function temporaryName(target: Name): Name {
  const directory = target.slice(0, target.length - baseName(target).length);
  return `${directory}.xip-copy-in` as Name;
}

function removeQuietly(task: Task, path: Name): void {
  try {
    task.unlink(path);
  } catch (error) {
    // It was never made. Anything else is less than the error that brought us here.
    if (!(error instanceof FsError)) throw error;
  }
}
