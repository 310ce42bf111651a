/**
 * For tests of the vfs alone: a file system that lives in maps, with its own trivial data path, so
 * that what a test sees is the vfs and nothing else. Supports everything; keeps no medium.
 */
import { Pmem } from "../pmem/pmem.ts";
import { assert, CorruptionError, FsError } from "../spec/errors.ts";
import type { FiemapExtent, FileOperations, MappedRegion } from "../spec/file-operations.ts";
import { type Clock, CTIME, Inode, MTIME } from "../spec/inode.ts";
import {
  direntType,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  isDirectory,
  O_CREAT,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
  S_IFDIR,
  SEEK_DATA,
} from "../spec/mode.ts";
import type { Capabilities, DirBatch, FileSystem, NewInode, StatFs } from "../spec/personality.ts";
import { type Ino, type Name, NO_INO } from "../spec/units.ts";
import { counterClock } from "./clock.ts";
import type { Task } from "./task.ts";
import { Superblock, type SuperblockParts } from "./superblock.ts";
import { Vfs } from "./vfs.ts";

/** What the "medium" holds of an inode, apart from the object that the vfs has in memory. */
interface Stored {
  readonly ino: Ino;
  readonly generation: number;
  attributes: Partial<Inode>;
  data: Uint8Array;
  readonly names: Map<Name, { ino: Ino; cookie: number }>;
  parent: Ino;
  readonly target: Name;
  readonly xattrs: Map<Name, Uint8Array>;
}

export const EVERYTHING: Capabilities = {
  unwrittenExtents: true,
  hardLinks: true,
  symlinks: true,
  deviceNodes: true,
  xattrs: true,
  tmpfile: true,
  atomicRename: true,
  renameExchange: true,
  punchHole: true,
  zeroRange: true,
  collapseRange: true,
  insertRange: true,
  synchronousMetadata: true,
  posixAcls: true,
  projectIds: true,
};

const KEPT = ["mode", "uid", "gid", "nlink", "rdev", "flags", "projectId", "size"] as const;
const TIMES = [
  "atimeSec",
  "atimeNsec",
  "mtimeSec",
  "mtimeNsec",
  "ctimeSec",
  "ctimeNsec",
  "btimeSec",
  "btimeNsec",
] as const;
const BLOCK = 4096;

class MemoryInode extends Inode {
  stored!: Stored;
}
const storedOf = (inode: Inode): Stored => (inode as MemoryInode).stored;

type Unused = () => never;
const unused: Unused = () => {
  throw new Error("the test data path asks no personality");
};

export class MemoryFileSystem implements FileSystem {
  readonly device = new Pmem(BLOCK);
  readonly readOnly: boolean;
  readonly blockSize = BLOCK;
  readonly rootIno = 1 as Ino;
  readonly sizeMax = 2 ** 40;
  linkMax = 65_000;
  directoryLinkMax = 65_000;
  readonly counters = { transactions: 0 };
  readonly clock: Clock;
  /** The medium. Tests break it on purpose. */
  readonly inodes = new Map<Ino, Stored>();
  /** Calls by name, for tests of what the caches save. */
  readonly calls = new Map<string, number>();
  /** Thrown by the next change: to see that a failed operation leaves no trace. */
  failNext: Error | null = null;
  unmounted = false;
  private nextIno = 1;
  private nextCookie = 1;

  readonly getXipMem = unused;
  readonly xipComplete = unused;
  readonly xipConvert = unused;
  readonly setSize = unused;
  readonly xipStage = unused;
  readonly xipSwap = unused;
  readonly xipUnstage = unused;
  readonly reserve = unused;
  readonly unreserve = unused;

  constructor(clock: Clock, readOnly = false) {
    this.clock = clock;
    this.readOnly = readOnly;
    const root = this.make({ mode: S_IFDIR | 0o755, uid: 0, gid: 0, rdev: 0 });
    this.grow(root, 2);
    storedOf(root).parent = root.ino;
  }

  iget(ino: Ino): Inode {
    this.count("iget");
    const stored = this.inodes.get(ino);
    if (stored === undefined) throw new FsError("ESTALE");
    const inode = new MemoryInode(ino);
    inode.stored = stored;
    inode.generation = stored.generation;
    Object.assign(inode, stored.attributes);
    return inode;
  }

  updateInode(inode: Inode): void {
    this.change();
    this.keep(inode);
    inode.timesDirty = false;
  }

  evict(inode: Inode): void {
    this.count("evict");
    if (inode.nlink === 0) this.inodes.delete(inode.ino);
  }

  lookup(directory: Inode, name: Name): Ino {
    this.count("lookup");
    return storedOf(directory).names.get(name)?.ino ?? NO_INO;
  }

  /** A removed directory stands nowhere: the vfs must not ask. */
  parentOf(directory: Inode): Ino {
    assert(directory.nlink > 0, "the directory has a name");
    return storedOf(directory).parent;
  }

  create(directory: Inode, name: Name, attributes: NewInode): Inode {
    this.change();
    const inode = this.make(attributes);
    this.grow(inode, isDirectory(inode.mode) ? 2 : 1);
    this.enter(directory, name, inode);
    return inode;
  }

  tmpfile(_directory: Inode, attributes: NewInode): Inode {
    this.change();
    return this.make(attributes);
  }

  link(directory: Inode, name: Name, inode: Inode): void {
    this.change();
    this.grow(inode, 1);
    this.enter(directory, name, inode);
  }

  unlink(directory: Inode, name: Name, inode: Inode): void {
    this.change();
    this.leave(directory, name, inode);
    this.grow(inode, isDirectory(inode.mode) ? -inode.nlink : -1);
  }

  rename(
    oldDirectory: Inode,
    oldName: Name,
    newDirectory: Inode,
    newName: Name,
    inode: Inode,
    displaced: Inode | null,
    exchange: boolean,
  ): void {
    this.change();
    if (displaced !== null) this.leave(newDirectory, newName, displaced);
    this.leave(oldDirectory, oldName, inode);
    this.enter(newDirectory, newName, inode);
    if (displaced === null) return;
    if (exchange) this.enter(oldDirectory, oldName, displaced);
    else this.grow(displaced, isDirectory(displaced.mode) ? -displaced.nlink : -1);
  }

  readdir(directory: Inode, cookie: number, batch: DirBatch, max: number): boolean {
    let left = max;
    for (const [name, entry] of storedOf(directory).names) {
      if (entry.cookie <= cookie) continue;
      if (left-- === 0) return true;
      batch.names.push(name);
      batch.inos.push(entry.ino);
      batch.types.push(direntType(this.inodes.get(entry.ino)?.attributes.mode ?? 0));
      batch.cookies.push(entry.cookie);
    }
    return false;
  }

  isEmpty(directory: Inode): boolean {
    return storedOf(directory).names.size === 0;
  }

  readlink(inode: Inode): Name {
    return storedOf(inode).target;
  }

  truncate(inode: Inode, size: number): void {
    this.change();
    const data = new Uint8Array(size);
    data.set(storedOf(inode).data.subarray(0, size));
    storedOf(inode).data = data;
    inode.resize(size);
    this.touch(inode, MTIME | CTIME);
  }

  fallocate(inode: Inode, mode: number, pos: number, length: number): void {
    this.change();
    if ((mode & FALLOC_FL_PUNCH_HOLE) !== 0) storedOf(inode).data.fill(0, pos, pos + length);
    const grows = (mode & FALLOC_FL_KEEP_SIZE) === 0 && pos + length > inode.size;
    if (grows) this.truncate(inode, pos + length);
  }

  fsync(inode: Inode, _datasync: boolean): void {
    this.keep(inode);
  }

  getxattr(inode: Inode, name: Name): Uint8Array | null {
    return storedOf(inode).xattrs.get(name)?.slice() ?? null;
  }

  setxattr(inode: Inode, name: Name, value: Uint8Array | null): void {
    this.change();
    if (value === null) storedOf(inode).xattrs.delete(name);
    else storedOf(inode).xattrs.set(name, value.slice());
    this.touch(inode, CTIME);
  }

  listxattr(inode: Inode): Name[] {
    return [...storedOf(inode).xattrs.keys()];
  }

  statfs(): StatFs {
    return {
      type: 0x746d70,
      blockSize: BLOCK,
      blocks: 1000,
      blocksFree: 1000,
      blocksAvailable: 1000,
      files: this.inodes.size,
      filesFree: 1000,
      nameMax: 255,
    };
  }

  sync(): void {
    this.count("sync");
  }

  unmount(): void {
    this.unmounted = true;
  }

  private make(attributes: NewInode): Inode {
    const ino = this.nextIno++ as Ino;
    const { target = "" as Name } = attributes;
    const stored: Stored = {
      ino,
      generation: ino,
      attributes: {},
      data: new Uint8Array(0),
      names: new Map(),
      parent: NO_INO,
      target,
      xattrs: new Map(),
    };
    this.inodes.set(ino, stored);
    const inode = new MemoryInode(ino);
    inode.stored = stored;
    inode.generation = ino;
    const { mode, uid, gid, rdev } = attributes;
    const { sec, nsec } = this.clock.now();
    const times = [sec, nsec, sec, nsec, sec, nsec, sec, nsec];
    Object.assign(inode, { mode, uid, gid, rdev, size: target.length });
    Object.assign(inode, Object.fromEntries(TIMES.map((field, index) => [field, times[index]])));
    this.keep(inode);
    return inode;
  }

  private enter(directory: Inode, name: Name, inode: Inode): void {
    const { names } = storedOf(directory);
    assert(!names.has(name), "the vfs looks before it makes a name");
    names.set(name, { ino: inode.ino, cookie: this.nextCookie++ });
    if (isDirectory(inode.mode)) {
      storedOf(inode).parent = directory.ino;
      this.grow(directory, 1);
    }
    this.touch(directory, MTIME | CTIME);
  }

  private leave(directory: Inode, name: Name, inode: Inode): void {
    const { names } = storedOf(directory);
    assert(names.get(name)?.ino === inode.ino, "the vfs knows what a name leads to");
    names.delete(name);
    if (isDirectory(inode.mode)) this.grow(directory, -1);
    this.touch(directory, MTIME | CTIME);
  }

  private grow(inode: Inode, by: number): void {
    inode.nlink += by;
    this.touch(inode, CTIME);
  }

  private touch(inode: Inode, which: number): void {
    inode.touch(which, this.clock);
    inode.timesDirty = false;
    this.keep(inode);
  }

  private keep(inode: Inode): void {
    const fields = [...KEPT, ...TIMES].map((field) => [field, inode[field]]);
    storedOf(inode).attributes = Object.fromEntries(fields) as Partial<Inode>;
  }

  private change(): void {
    this.counters.transactions++;
    const error = this.failNext;
    this.failNext = null;
    if (error !== null) throw error;
  }

  private count(call: string): void {
    this.calls.set(call, (this.calls.get(call) ?? 0) + 1);
  }
}

/** The data of each file is one array. */
class MemoryFiles implements FileOperations {
  readonly name = "xip";
  private readonly fs: MemoryFileSystem;

  constructor(fs: MemoryFileSystem) {
    this.fs = fs;
  }

  read(inode: Inode, pos: number, target: Uint8Array, start: number, length: number): number {
    const part = storedOf(inode).data.subarray(pos, pos + length);
    target.set(part, start);
    return part.length;
  }

  readViews(inode: Inode, pos: number, length: number, views: Uint8Array[]): number {
    const part = storedOf(inode).data.subarray(pos, pos + length);
    views.push(part);
    return part.length;
  }

  write(inode: Inode, pos: number, source: Uint8Array, start: number, length: number): number {
    const end = pos + length;
    if (end > inode.size) {
      const stored = storedOf(inode);
      const data = new Uint8Array(end);
      data.set(stored.data);
      stored.data = data;
      inode.resize(end);
    }
    storedOf(inode).data.set(source.subarray(start, start + length), pos);
    return length;
  }

  map(inode: Inode, pos: number, length: number): MappedRegion {
    const { data } = storedOf(inode);
    return {
      inode,
      pos,
      length,
      load: (offset, target, start, count) =>
        target.set(data.subarray(pos + offset, pos + offset + count), start),
      store: (offset, source, start, count) =>
        data.set(source.subarray(start, start + count), pos + offset),
      msync: () => {},
      unmap: () => {},
      revoke: () => {},
      discard: () => undefined,
      protect: () => {},
    };
  }

  truncate(inode: Inode, size: number): void {
    this.fs.truncate(inode, size);
  }

  fallocate(inode: Inode, mode: number, pos: number, length: number): void {
    this.fs.fallocate(inode, mode, pos, length);
  }

  fsync(inode: Inode, datasync: boolean): void {
    this.fs.fsync(inode, datasync);
  }

  seek(inode: Inode, pos: number, whence: number): number {
    return whence === SEEK_DATA ? pos : inode.size;
  }

  fiemap(inode: Inode): FiemapExtent[] {
    return [{ logical: 0, physical: 0, length: inode.size, flags: 0 }];
  }

  sync(): void {}

  release(): void {}
}

/** A mount of an empty file system in maps. */
export function mountMemory(
  parts: Partial<SuperblockParts> = {},
  on?: MemoryFileSystem,
): {
  vfs: Vfs;
  fs: MemoryFileSystem;
} {
  const clock = parts.clock ?? counterClock();
  const fs = on ?? new MemoryFileSystem(clock);
  const superblock = new Superblock({
    fs,
    files: new MemoryFiles(fs),
    capabilities: EVERYTHING,
    clock,
    atime: "relatime",
    inodesMax: 2 ** 20,
    dev: 1,
    ...parts,
  });
  return { vfs: new Vfs(superblock), fs };
}

/** Damage of the medium, for tests of what follows. */
export const someCorruption = (): CorruptionError =>
  new CorruptionError({ structure: "test", at: 0, field: "magic", found: 1, expected: 2 });

/** A name from plain text. */
export const n = (text: string): Name => text as Name;

/** The error code that `run` fails with, or "ok". */
export function codeOf(run: () => unknown): string {
  try {
    run();
    return "ok";
  } catch (error) {
    if (error instanceof FsError) return error.code;
    throw error;
  }
}

/** Make a file with these contents; existing contents are replaced. */
export function writeFile(task: Task, path: string, text = ""): void {
  const file = task.open(n(path), O_CREAT | O_TRUNC | O_WRONLY);
  task.write(file, new TextEncoder().encode(text));
  task.close(file);
}

export function readFile(task: Task, path: string): string {
  const file = task.open(n(path), O_RDONLY);
  const bytes = new Uint8Array(task.fstat(file).size);
  const done = task.read(file, bytes);
  task.close(file);
  return new TextDecoder().decode(bytes.subarray(0, done));
}
