/** For the tests of plain: a clock, images with a bit of everything, and a walk that uses it all. */
import {
  type Clock,
  createPmem,
  FaultInjector,
  type Ino,
  type MkfsContext,
  mount,
  type Name,
  nameFromUtf8,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_WRONLY,
  type OptionValues,
  Pmem,
  PowerCut,
  PURPOSE_DATA,
  readWordPair,
  RENAME_EXCHANGE,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFDIR,
  Task,
  type Vfs,
} from "@xiplab/core";
import { INTENT_AT } from "./format/superblock.ts";
import { readSuperblock } from "./geometry.ts";
import { plain } from "./index.ts";
import { flushInode, type PlainInode, readInode } from "./inode.ts";
import { mount as mountPlain } from "./mount.ts";
import type { PlainFileSystem } from "./namei.ts";

export const n = nameFromUtf8;
export const clock: Clock = { now: () => ({ sec: 1_386_300_000, nsec: 5 }) };
export const file = { mode: S_IFREG | 0o644, uid: 1, gid: 2, rdev: 0 };
export const directory = { mode: S_IFDIR | 0o755, uid: 1, gid: 2, rdev: 0 };
export const symlink = (target: string) => ({ ...file, mode: S_IFLNK | 0o777, target: n(target) });

export const context = (options: OptionValues = {}): MkfsContext => ({ clock, options });

/** A device that holds 0xee everywhere, so that nothing is zero by luck, and plain on it. */
export function makeImage(size: number, options: OptionValues = {}): Pmem {
  const device = new Pmem(size);
  device.store(0, new Uint8Array(size).fill(0xee), 0, size, PURPOSE_DATA);
  plain.mkfs(device, context(options));
  return device;
}

/** The file system itself, without a vfs above it. */
export const mountFs = (device: Pmem, readOnly = false, options: OptionValues = {}) =>
  mountPlain(device, { readOnly, clock, options });

/** Change the record of an inode, with a checksum that holds, whatever sense it makes. */
export function editInode(device: Pmem, ino: number, edit: (inode: PlainInode) => void): void {
  const sb = readSuperblock(device);
  const inode = readInode(device, sb, ino as Ino);
  edit(inode);
  flushInode(device, sb.seed, inode);
  device.fence();
}

export function copyDevice(source: Pmem, copy = new Pmem(source.size)): Pmem {
  const bytes = new Uint8Array(source.size);
  source.load(0, bytes, 0, source.size);
  copy.store(0, bytes, 0, source.size, PURPOSE_DATA);
  return copy;
}

export const lookup = (fs: PlainFileSystem, name: string, parent = fs.rootIno): Ino =>
  fs.lookup(fs.iget(parent), n(name));

/** Names of every shape, files with holes, unwritten extents and leaves, all types of inodes. */
function populate(vfs: Vfs): void {
  const task = new Task(vfs);
  const bytes = (length: number) => new Uint8Array(length).fill(7);
  task.mkdir(n("/d"));
  task.mkdir(n("/d/deep"));
  const small = task.open(n("/d/small"), O_CREAT | O_RDWR);
  task.pwrite(small, bytes(700), 0, 700, 0);
  task.close(small);
  const long = n(`/${"x".repeat(200)}`);
  const big = task.open(long, O_CREAT | O_RDWR);
  task.fallocate(big, 0, 0, 40_000);
  task.pwrite(big, bytes(4096), 0, 4096, 8192);
  task.close(big);
  const scattered = task.open(n("/d/scattered"), O_CREAT | O_RDWR);
  for (let index = 0; index < 20; index++) {
    task.pwrite(scattered, bytes(10), 0, 10, index * 8192);
  }
  task.close(scattered);
  task.link(n("/d/small"), n("/also"));
  task.symlink(n("/d/small"), n("/d/deep/link"));
  task.mknod(n("/fifo"), S_IFIFO | 0o600);
  for (let index = 0; index < 5; index++) task.mkdir(n(`/d/e${index}`));
  task.rmdir(n("/d/e3"));
  task.unlink(n("/fifo"));
  task.rename(n("/d/e1"), n("/moved"));
  task.rename(n("/moved"), n("/d/e2"), RENAME_EXCHANGE);
}

/** Populated and cleanly unmounted. */
export function populatedImage(size: number): Pmem {
  const device = makeImage(size);
  const vfs = mount(plain, device);
  populate(vfs);
  vfs.unmount();
  return device;
}

/** Populated, and as a power cut leaves it: two files without a name. */
export function dirtyImage(size: number): Pmem {
  const device = populatedImage(size);
  const task = new Task(mount(plain, device));
  const unnamed = task.open(n("/d"), O_TMPFILE | O_RDWR);
  task.pwrite(unnamed, new Uint8Array(9000), 0, 9000, 0);
  task.open(n("/d/scattered"), O_RDONLY);
  task.unlink(n("/d/scattered"));
  return device;
}

/**
 * What `work` leaves on a copy of `image` when the power fails at its n-th store, flush or fence,
 * with all stores before that in place; null if it ends before.
 */
export function cutAt(image: Pmem, n: number, work: (device: Pmem) => void): Pmem | null {
  const faults = new FaultInjector();
  const device = copyDevice(image, createPmem({ size: image.size, observers: [faults] }));
  faults.cutPowerAt(n);
  try {
    work(device);
    return null;
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  }
  faults.restorePower();
  return copyDevice(device);
}

/** Populated, and cut while a rename was under way: its intent is pending. */
export function interruptedImage(size: number): Pmem {
  const image = populatedImage(size);
  const work = (device: Pmem): void => {
    new Task(mount(plain, device)).rename(n("/d/e2"), n("/d/deep/new-name"));
  };
  for (let event = 1; ; event++) {
    const cut = cutAt(image, event, work);
    if (cut === null) throw new Error("the rename left no intent anywhere");
    if (readWordPair(cut, INTENT_AT).length > 0) return cut;
  }
}

/** At most so much of each file is read. */
const READ_MAX = 128 * 1024;

/**
 * Everything that a program can do with a mounted file system, once. What it throws is FsError.
 * Returns the number of names that it met.
 */
export function exercise(vfs: Vfs): number {
  const task = new Task(vfs);
  const names = walk(task, n("/"), 0);
  const made = task.open(n("/made-by-test"), O_CREAT | O_WRONLY);
  task.write(made, new Uint8Array(5000).fill(3));
  task.fsync(made);
  task.close(made);
  task.rename(n("/made-by-test"), n("/renamed-by-test"));
  task.truncate(n("/renamed-by-test"), 100);
  task.mkdir(n("/directory-by-test"));
  task.unlink(n("/renamed-by-test"));
  return names;
}

function walk(task: Task, path: Name, depth: number): number {
  let count = 0;
  const buffer = new Uint8Array(8192);
  for (const name of task.readdir(path)) {
    count++;
    const child = (path === "/" ? `/${name}` : `${path}/${name}`) as Name;
    const { mode, size } = task.lstat(child);
    const type = mode & S_IFMT;
    if (type === S_IFDIR && depth < 20) count += walk(task, child, depth + 1);
    if (type === S_IFLNK) task.readlink(child);
    if (type !== S_IFREG) continue;
    const open = task.open(child, O_RDONLY);
    for (let pos = 0; pos < Math.min(size, READ_MAX); pos += buffer.length) {
      task.pread(open, buffer, 0, buffer.length, pos);
    }
    task.fiemap(open, 0, size);
    task.close(open);
  }
  return count;
}
