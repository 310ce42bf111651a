/** Operations on a mounted file system: the counterpart of `model/apply-to-model.ts`. */
import {
  BusError,
  FIEMAP_EXTENT_DELALLOC,
  FIEMAP_EXTENT_LAST,
  FsError,
  isDirectory,
  type MappedRegion,
  type Name,
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  type OpenFile,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_HOLE,
  SEEK_SET,
  type Stat,
  Task,
  type Timespec,
  UTIME_NOW,
  UTIME_OMIT,
  type Vfs,
} from "@xiplab/core";
import { firstNonZero } from "./bytes.ts";
import { timeText } from "./model/apply-to-model.ts";
import {
  type FileRef,
  OK,
  type Operation,
  type OperationTime,
  type Result,
  type StatValue,
  type Value,
} from "./operations.ts";
import { pattern } from "./pattern.ts";
import { UMASK, USERS } from "./users.ts";

/** Who plays operations on a mount: a task, its open files and its mapped regions, by slot. */
export class Program {
  readonly task: Task;
  readonly files = new Map<number, OpenFile>();
  readonly regions = new Map<number, MappedRegion>();

  constructor(vfs: Vfs) {
    this.task = new Task(vfs, { umask: UMASK });
  }

  /** Unmap and close everything, as the end of a process does. */
  exit(): void {
    this.task.credentials = USERS.root;
    for (const region of this.regions.values()) region.unmap();
    for (const file of this.files.values()) this.task.close(file);
    this.regions.clear();
    this.files.clear();
  }
}

/**
 * Do one operation. What the file system refuses is a result. Anything else that it throws, such as
 * a failed assertion, passes: it is a bug.
 */
export function applyOperation(program: Program, operation: Operation): Result {
  program.task.credentials = USERS[operation.as ?? "root"];
  try {
    const value = play(program, operation);
    return value === null ? OK : { ok: value };
  } catch (error) {
    if (error instanceof BusError) return { error: "SIGBUS" };
    if (!(error instanceof FsError)) throw error;
    const { code, detail } = error;
    return detail === undefined ? { error: code } : { error: code, detail };
  }
}

function play(program: Program, o: Operation): Value {
  const { task } = program;
  switch (o.op) {
    case "open":
      if (program.files.has(o.slot)) throw new FsError("EMFILE");
      program.files.set(o.slot, task.open(o.path as Name, o.flags, o.mode));
      return null;
    case "close":
      task.close(fileOf(program, o.slot));
      program.files.delete(o.slot);
      return null;
    case "create":
      task.close(task.open(o.path as Name, O_CREAT | O_EXCL | O_WRONLY, o.mode));
      return null;
    case "read":
      return withFile(program, o.file, O_RDONLY, (file) => read(task, file, o.pos, o.length));
    case "write": {
      const flags = o.pos === null ? O_WRONLY | O_APPEND : O_WRONLY;
      return withFile(program, o.file, flags, (file) => write(task, file, o));
    }
    case "seek":
      return task.lseek(fileOf(program, o.slot), o.offset, o.whence);
    case "truncate":
      if (typeof o.file === "string") task.truncate(o.file as Name, o.size);
      else task.ftruncate(fileOf(program, o.file), o.size);
      return null;
    case "fallocate":
      return withFile(program, o.file, O_WRONLY, (file) => {
        task.fallocate(file, o.mode, o.pos, o.length);
        return null;
      });
    case "fsync":
      return withFile(program, o.file, O_RDONLY, (file) => {
        if (o.datasync === true) task.fdatasync(file);
        else task.fsync(file);
        return null;
      });
    case "sync":
      task.syncfs();
      return null;
    default:
      return playMapping(program, o);
  }
}

function read(task: Task, file: OpenFile, pos: number | null, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const got = pos === null ? task.read(file, bytes) : task.pread(file, bytes, 0, length, pos);
  return bytes.subarray(0, got);
}

function write(task: Task, file: OpenFile, o: Extract<Operation, { op: "write" }>): number {
  const at = (file.flags & O_APPEND) !== 0 ? file.inode.size : (o.pos ?? file.position);
  const bytes = pattern(o.seed, at, o.length);
  if (o.pos === null) return task.write(file, bytes);
  return task.pwrite(file, bytes, 0, o.length, o.pos);
}

function playMapping(program: Program, o: Operation): Value {
  switch (o.op) {
    case "extents":
      return withFile(program, o.file, O_RDONLY, (file) => walkExtents(program.task, file));
    case "map": {
      if (program.regions.has(o.region)) throw new FsError("EMFILE");
      const { shared, writable, sync } = o;
      const region = withFile(program, o.file, O_RDWR, (file) =>
        program.task.mmap(file, o.pos, o.length, { shared, writable, sync }),
      );
      program.regions.set(o.region, region);
      return null;
    }
    case "load":
      return load(regionFor(program, o), o.offset, o.length);
    case "store": {
      const region = regionFor(program, o);
      const bytes = pattern(o.seed, region.pos + o.offset, o.length);
      region.store(o.offset, bytes, 0, o.length);
      return null;
    }
    case "msync":
      regionFor(program, o).msync(o.offset, o.length);
      return null;
    case "unmap":
      regionOf(program, o.region).unmap();
      program.regions.delete(o.region);
      return null;
    default:
      return playNames(program.task, program, o);
  }
}

/** What lies beyond the end of the file is cut off: POSIX leaves open what it holds. */
function load(region: MappedRegion, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  region.load(offset, bytes, 0, length);
  const inFile = Math.max(0, region.inode.size - region.pos - offset);
  return bytes.subarray(0, Math.min(length, inFile));
}

const HOLE_READ_MAX = 2 ** 23;

/** Walk data and holes to the end; what is called a hole must read as zeros. */
function walkExtents(task: Task, file: OpenFile): Value {
  const { size } = file.inode;
  // The first question also refuses what is no regular file or not open for reading.
  task.pread(file, new Uint8Array(0), 0, 0, 0);
  const position = task.lseek(file, 0, SEEK_CUR);
  let pos = 0;
  while (pos < size) {
    const data = seekData(task, file, pos);
    const holeEnd = data ?? size;
    if (holeEnd < pos || holeEnd > size) return `SEEK_DATA from ${pos} gave ${holeEnd} of ${size}`;
    const hole = new Uint8Array(Math.min(holeEnd - pos, HOLE_READ_MAX));
    task.pread(file, hole, 0, hole.length, pos);
    const dirt = firstNonZero(hole);
    if (dirt >= 0) return `byte ${pos + dirt} lies in a hole and is not zero`;
    if (data === null) break;
    pos = task.lseek(file, data, SEEK_HOLE);
    if (pos <= data || pos > size) return `SEEK_HOLE from ${data} gave ${pos} of ${size}`;
  }
  task.lseek(file, position, SEEK_SET);
  return wrongExtent(task, file) ?? size;
}

/** What is wrong with the extents that fiemap lists, or null. */
function wrongExtent(task: Task, file: OpenFile): string | null {
  const extents = task.fiemap(file, 0, Number.MAX_SAFE_INTEGER);
  const { device } = task.vfs.superblock.fs;
  let end = 0;
  for (const [index, { logical, physical, length, flags }] of extents.entries()) {
    const isLast = index === extents.length - 1;
    const isPlaced = (flags & FIEMAP_EXTENT_DELALLOC) !== 0 || physical + length <= device.size;
    const isMarked = ((flags & FIEMAP_EXTENT_LAST) !== 0) === isLast;
    if (length > 0 && logical >= end && isPlaced && isMarked) end = logical + length;
    else return `fiemap: extent ${index} of ${JSON.stringify(extents)} cannot be`;
  }
  return null;
}

/** Null where nothing but a hole follows. */
function seekData(task: Task, file: OpenFile, pos: number): number | null {
  try {
    return task.lseek(file, pos, SEEK_DATA);
  } catch (error) {
    if (error instanceof FsError && error.code === "ENXIO") return null;
    throw error;
  }
}

function playNames(task: Task, program: Program, o: Operation): Value {
  switch (o.op) {
    case "mkdir":
      return none(task.mkdir(o.path as Name, o.mode));
    case "rmdir":
      return none(task.rmdir(o.path as Name));
    case "unlink":
      return none(task.unlink(o.path as Name));
    case "link":
      return none(task.link(o.existing as Name, o.path as Name));
    case "linkFile":
      return none(task.linkFile(fileOf(program, o.slot), o.path as Name));
    case "symlink":
      return none(task.symlink(o.target as Name, o.path as Name));
    case "readlink":
      return task.readlink(o.path as Name);
    case "rename":
      return none(task.rename(o.from as Name, o.to as Name, o.flags));
    case "mknod":
      return none(task.mknod(o.path as Name, o.mode, o.rdev));
    case "readdir":
      return task.readdir(o.path as Name).sort();
    case "access":
      return none(task.access(o.path as Name, o.mode));
    default:
      return playAttributes(task, program, o);
  }
}

function playAttributes(task: Task, program: Program, o: Operation): Value {
  switch (o.op) {
    case "stat":
      if (typeof o.file === "number") return toStatValue(task.fstat(fileOf(program, o.file)));
      return toStatValue(o.follow ? task.stat(o.file as Name) : task.lstat(o.file as Name));
    case "chmod":
      if (typeof o.file === "number") return none(task.fchmod(fileOf(program, o.file), o.mode));
      return none(task.chmod(o.file as Name, o.mode));
    case "chown":
      if (typeof o.file === "number") {
        return none(task.fchown(fileOf(program, o.file), o.uid, o.gid));
      }
      if (!o.follow) return none(task.lchown(o.file as Name, o.uid, o.gid));
      return none(task.chown(o.file as Name, o.uid, o.gid));
    case "utimens": {
      const [atime, mtime] = [timespec(o.atime), timespec(o.mtime)];
      if (typeof o.file !== "number") {
        return none(task.utimens(o.file as Name, atime, mtime, o.follow));
      }
      // The kernel does not even ask for the file where nothing is to be done.
      if (o.atime === null && o.mtime === null) return null;
      return none(task.futimens(fileOf(program, o.file), atime, mtime));
    }
    case "setxattr": {
      const value = pattern(o.seed, 0, o.length);
      return none(task.setxattr(o.path as Name, o.name as Name, value, o.flags));
    }
    case "getxattr":
      return task.getxattr(o.path as Name, o.name as Name);
    case "listxattr":
      return task.listxattr(o.path as Name).sort();
    case "removexattr":
      return none(task.removexattr(o.path as Name, o.name as Name));
    default:
      throw new TypeError(`no such operation: ${o.op}`);
  }
}

function withFile<T>(
  program: Program,
  file: FileRef,
  flags: number,
  use: (file: OpenFile) => T,
): T {
  if (typeof file === "number") return use(fileOf(program, file));
  const opened = program.task.open(file as Name, flags, 0);
  try {
    return use(opened);
  } finally {
    program.task.close(opened);
  }
}

function fileOf(program: Program, slot: number): OpenFile {
  const file = program.files.get(slot);
  if (file === undefined) throw new FsError("EBADF");
  return file;
}

function regionOf(program: Program, slot: number): MappedRegion {
  const region = program.regions.get(slot);
  if (region === undefined) throw new FsError("EBADF");
  return region;
}

/** The region of an operation on a range, which must lie inside: no program can ask otherwise. */
function regionFor(
  program: Program,
  o: { readonly region: number; readonly offset: number; readonly length: number },
): MappedRegion {
  const region = regionOf(program, o.region);
  if (o.offset < 0 || o.length < 0 || o.offset + o.length > region.length) {
    throw new FsError("EFAULT");
  }
  return region;
}

/** stat(2) without what depends on the design. */
export function toStatValue(stat: Stat): StatValue {
  const { mode, nlink, uid, gid, rdev } = stat;
  return {
    mode,
    nlink,
    uid,
    gid,
    rdev,
    size: isDirectory(mode) ? 0 : stat.size,
    mtime: timeText({ sec: stat.mtimeSec, nsec: stat.mtimeNsec }),
    ctime: timeText({ sec: stat.ctimeSec, nsec: stat.ctimeNsec }),
  };
}

/** For calls that give nothing. */
const none = (_nothing: void): null => null;

function timespec(time: OperationTime): Timespec {
  if (time === null) return { sec: 0, nsec: UTIME_OMIT };
  return time === "now" ? { sec: 0, nsec: UTIME_NOW } : { sec: time[0], nsec: time[1] };
}
