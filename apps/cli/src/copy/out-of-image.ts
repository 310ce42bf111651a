/**
 * Copy from an image to the host: modes, times, symbolic and hard links, holes, names of any bytes;
 * owners and special files where the user is root.
 *
 * Times of the host are set to about a microsecond: Node takes them as floating-point seconds.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import {
  FsError,
  isDirectory,
  isRegular,
  isSymlink,
  type Name,
  O_RDONLY,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFSOCK,
  SEEK_DATA,
  SEEK_HOLE,
  type Stat,
  type Task,
} from "@xiplab/core";
import { EXIT_DAMAGED } from "../exit-codes.ts";
import { isHostError, Problem } from "../problem.ts";
import { baseName, joinPath, showName } from "../text.ts";
import { bytesOf, joinHost, lstatHost, shown } from "./host.ts";
import type { Tally } from "./tally.ts";

const CHUNK_BYTES = 1024 * 1024;
const PERMISSIONS = 0o7777;
const NSEC_PER_SEC = 1e9;

export interface OutEntry {
  readonly source: Name;
  readonly target: Buffer;
  readonly stat: Stat;
}

/** Everything below `source`, parents first, as it will be called on the host. */
export function planOut(task: Task, source: Name, target: Buffer): OutEntry[] {
  const entries: OutEntry[] = [];
  const pending: OutEntry[] = [{ source, target, stat: task.lstat(source) }];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    entries.push(entry);
    if (!isDirectory(entry.stat.mode)) continue;
    const names = task.readdir(entry.source).filter((name) => name !== "." && name !== "..");
    for (const name of names.sort().toReversed()) {
      refuseEscape(name, entry.source);
      const path = joinPath(entry.source, name);
      pending.push({
        source: path,
        target: joinHost(entry.target, bytesOf(name)),
        stat: task.lstat(path),
      });
    }
  }
  return entries;
}

/** A damaged image must not choose where on the host its files go. */
function refuseEscape(name: Name, directory: Name): void {
  if (name !== "" && !name.includes("/") && !name.includes("\0")) return;
  throw new Problem(
    `${showName(directory)}: holds the name '${showName(name)}', which no file can have`,
    "'xip check' lists what is wrong with the image",
    EXIT_DAMAGED,
  );
}

/** Where `source` goes: into `destination` if that is a directory, else under that very name. */
export function targetOut(source: Name, destination: Buffer, wantsDirectory: boolean): Buffer {
  const there = lstatHost(destination);
  if (there?.isDirectory() === true) {
    const name = baseName(source);
    return name === "" ? destination : joinHost(destination, bytesOf(name));
  }
  if (wantsDirectory) throw new Problem(`${shown(destination)}: no such directory`);
  return destination;
}

/** @throws Problem where an entry would replace something, and must not. */
export function refuseHostConflicts(entries: readonly OutEntry[], force: boolean): void {
  const conflicts: Buffer[] = [];
  for (const { target, stat } of entries) {
    const there = lstatHost(target);
    if (there === null) continue;
    if (there.isDirectory() !== isDirectory(stat.mode)) {
      const kind = there.isDirectory() ? "is a directory" : "is no directory";
      throw new Problem(`${shown(target)}: ${kind}; what is to be copied there is of another kind`);
    }
    if (!there.isDirectory()) conflicts.push(target);
  }
  if (conflicts.length === 0 || force) return;
  const more = conflicts.length > 1 ? `, and ${conflicts.length - 1} more` : "";
  throw new Problem(
    `${shown(conflicts[0]!)}: exists already${more}`,
    "--force replaces files; nothing has been copied",
  );
}

/** Copy all entries. @throws FsError, HostError, Problem (interrupted). */
export async function copyOut(
  task: Task,
  entries: readonly OutEntry[],
  tally: Tally,
): Promise<void> {
  const links = new Map<number, Buffer>();
  const directories: OutEntry[] = [];
  for (const entry of entries) {
    await tally.turn();
    if (isDirectory(entry.stat.mode)) {
      if (lstatHost(entry.target) === null) mkdirSync(entry.target, 0o700);
      directories.push(entry);
      tally.directories++;
    } else {
      await copyOne(task, entry, links, tally);
    }
  }
  // Last, and innermost first: making an entry moves the times of its directory.
  for (const entry of directories.toReversed()) setAttributes(entry.target, entry.stat);
}

async function copyOne(
  task: Task,
  entry: OutEntry,
  links: Map<number, Buffer>,
  tally: Tally,
): Promise<void> {
  const { stat, target } = entry;
  const existing = stat.nlink > 1 ? links.get(stat.ino) : undefined;
  const replaces = lstatHost(target) !== null;
  const path = replaces ? temporaryName(target) : target;
  try {
    if (existing !== undefined) linkSync(existing, path);
    else if (!(await makeFile(task, path, entry, tally))) return;
    if (replaces) renameSync(path, target);
  } catch (error) {
    if (!isHostError(error) || error.code !== "EEXIST") rmSync(path, { force: true });
    throw error;
  }
  if (stat.nlink > 1) links.set(stat.ino, existing ?? target);
  if (isRegular(stat.mode) && existing === undefined) tally.files++;
  else tally.others++;
}

/** False where the entry was left out. */
async function makeFile(task: Task, path: Buffer, entry: OutEntry, tally: Tally): Promise<boolean> {
  const { stat, source } = entry;
  if (isRegular(stat.mode)) await copyContents(task, path, entry, tally);
  else if (isSymlink(stat.mode)) symlinkSync(bytesOf(task.readlink(source)), path);
  else {
    const refusal = makeSpecial(path, stat);
    if (refusal !== null) {
      tally.skip(showName(source), refusal);
      return false;
    }
  }
  setAttributes(path, stat);
  return true;
}

/** Node has no mknod(2): the program does it. Returns why it cannot be done, or null. */
function makeSpecial(path: Buffer, stat: Stat): string | null {
  const type = stat.mode & S_IFMT;
  if (type === S_IFSOCK) return "a socket comes into being with the program that listens on it";
  const text = path.toString();
  if (!Buffer.from(text).equals(path)) return "a special file whose name is not UTF-8";
  const device = [String((stat.rdev >>> 8) & 0xfff)];
  device.push(String((stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00)));
  const args = type === S_IFIFO ? ["p"] : [type === S_IFCHR ? "c" : "b", ...device];
  try {
    execFileSync("mknod", ["-m", "600", "--", text, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    return null;
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? "").trim();
    return said === "" ? "mknod could not be run" : said;
  }
}

function setAttributes(path: Buffer, stat: Stat): void {
  if (process.geteuid?.() === 0) lchownSync(path, stat.uid, stat.gid);
  // Owner before mode: chown clears setuid.
  if (!isSymlink(stat.mode)) chmodSync(path, stat.mode & PERMISSIONS);
  const atime = stat.atimeSec + stat.atimeNsec / NSEC_PER_SEC;
  const mtime = stat.mtimeSec + stat.mtimeNsec / NSEC_PER_SEC;
  lutimesSync(path, atime, mtime);
}

async function copyContents(
  task: Task,
  path: Buffer,
  entry: OutEntry,
  tally: Tally,
): Promise<void> {
  const target = openSync(path, "wx", 0o600);
  try {
    const file = task.open(entry.source, O_RDONLY, 0);
    try {
      const { size } = entry.stat;
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size));
      for (let data = seekData(task, file, 0); data < size;) {
        const hole = Math.min(size, task.lseek(file, data, SEEK_HOLE));
        for (let pos = data; pos < hole;) {
          const length = task.pread(file, chunk, 0, Math.min(chunk.length, hole - pos), pos);
          if (length === 0) break;
          writeAll(target, chunk, length, pos);
          pos += length;
          tally.bytes += length;
          await tally.turn();
        }
        data = hole < size ? seekData(task, file, hole) : size;
      }
      ftruncateSync(target, size);
    } finally {
      task.close(file);
    }
  } finally {
    closeSync(target);
  }
}

/** The next byte that is no hole; infinity where there is none. */
function seekData(task: Task, file: ReturnType<Task["open"]>, pos: number): number {
  try {
    return task.lseek(file, pos, SEEK_DATA);
  } catch (error) {
    if (error instanceof FsError && error.code === "ENXIO") return Number.POSITIVE_INFINITY;
    throw error;
  }
}

function writeAll(target: number, chunk: Uint8Array, length: number, pos: number): void {
  for (let done = 0; done < length;) {
    done += writeSync(target, chunk, done, length - done, pos + done);
  }
}

/** In the same directory; the process id keeps two copies apart. */
function temporaryName(target: Buffer): Buffer {
  const directory = target.subarray(0, target.lastIndexOf(0x2f) + 1);
  return Buffer.concat([directory, Buffer.from(`.xip-copy-out-${process.pid}`)]);
}
