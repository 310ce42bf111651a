/**
 * The inode cache: which inodes are in memory, and when one leaves.
 *
 * Life of an inode: `iget` (or creation) puts it into the cache, names and open files lead to it,
 * `release` of the last reference evicts it if it has no name left, and `shrink` drops what nobody
 * refers to once there are too many.
 */
import { assert, FsError } from "../spec/errors.ts";
import type { Inode } from "../spec/inode.ts";
import { isRegular } from "../spec/mode.ts";
import type { Ino } from "../spec/units.ts";
import type { Superblock } from "./superblock.ts";

/** The inode of that number, from memory or from the medium; no reference is taken.
 * @throws FsError ESTALE where the number is free; CorruptionError */
export function iget(sb: Superblock, ino: Ino): Inode {
  const cached = sb.icache.get(ino);
  if (cached !== undefined) return cached;
  const inode = sb.fs.iget(ino);
  assert(inode.ino === ino, "iget gives the inode that was asked for");
  sb.icache.add(ino, inode);
  return inode;
}

/** A personality made a new inode: remember it. */
export function adopt(sb: Superblock, inode: Inode): void {
  sb.icache.add(inode.ino, inode);
}

/** Give a reference back. The last one of a file without a name frees the file. */
export function release(sb: Superblock, inode: Inode): void {
  assert(inode.references > 0, "what is released was referenced");
  inode.references--;
  if (inode.references === 0 && inode.nlink === 0) evict(sb, inode);
}

/** A name of the inode went away: free it if that was the last and nobody has it open. */
export function evictIfUnused(sb: Superblock, inode: Inode): void {
  if (inode.references === 0 && inode.nlink === 0) evict(sb, inode);
}

/** The inode has no name and no user: free it on the medium and forget it. */
function evict(sb: Superblock, inode: Inode): void {
  assert(inode.references === 0, "an inode in use is not evicted");
  assert(inode.dentries === 0, "an inode with a cached name is not evicted");
  forgetChildren(sb, inode);
  sb.icache.delete(inode.ino);
  sb.paths.forget(inode);
  if (inode.timesListed) sb.unlistTimes(inode);
  const { parent } = inode;
  inode.parent = null;
  if (isRegular(inode.mode)) sb.files.release(inode, true);
  // After corruption nothing is written: the inode stays behind as an orphan for the next check.
  if (!sb.readOnly) sb.fs.evict(inode);
  // A removed directory held the one that it stood in, so that ".." works to the end.
  if (parent !== null) release(sb, parent);
}

/** Forget the cached names of a directory that is gone: they all say that there is none. */
function forgetChildren(sb: Superblock, directory: Inode): void {
  if (directory.children === null) return;
  for (const child of directory.children.values()) {
    assert(child === null, "a removed directory has no names");
    sb.dentryCount--;
  }
  directory.children = null;
  directory.childrenComplete = false;
}

/**
 * First act of every operation that may bring inodes in. Between operations only references keep
 * an inode, so here, and nowhere in the middle, is the place to drop some.
 * @throws FsError ESTALE after unmount
 */
export function begin(sb: Superblock): void {
  if (!sb.live) throw new FsError("ESTALE", "the file system is unmounted");
  if (sb.icache.size > sb.inodesMax || sb.dentryCount > sb.inodesMax) shrink(sb);
}

/**
 * Drop unreferenced inodes and cached names until a sixteenth is free again. The hand goes from the
 * oldest entry of the cache to the youngest; what must stay moves behind the youngest, so that one
 * pass looks at each inode once.
 */
export function shrink(sb: Superblock): void {
  const goal = sb.inodesMax - Math.ceil(sb.inodesMax / 16);
  let left = sb.icache.size;
  for (const inode of sb.icache.values()) {
    if (left-- === 0) break;
    if (sb.icache.size <= goal && sb.dentryCount <= goal) break;
    if (inode.children !== null) trimChildren(sb, inode, goal);
    if (isDroppable(inode)) {
      drop(sb, inode);
    } else {
      sb.icache.renew(inode.ino);
    }
  }
}

/** Forget cached names of a directory, and the inodes that nothing else leads to. */
function trimChildren(sb: Superblock, directory: Inode, goal: number): void {
  const children = directory.children!;
  for (const [name, child] of children) {
    if (sb.icache.size <= goal && sb.dentryCount <= goal) break;
    if (child !== null) {
      const busy = child.references > 0 || child.children !== null || isDirty(child);
      if (busy) continue;
      child.dentries--;
      directory.childrenComplete = false;
      if (child.dentries === 0) drop(sb, child);
    }
    children.delete(name);
    sb.dentryCount--;
  }
  if (children.size === 0) directory.children = null;
}

function isDroppable(inode: Inode): boolean {
  return (
    inode.references === 0 && inode.dentries === 0 && inode.children === null && !isDirty(inode)
  );
}

/** Data in memory alone: writing it back may fail, and here nobody could be told. */
function isDirty(inode: Inode): boolean {
  const { mapping } = inode;
  if (mapping.regions !== null && mapping.regions.size > 0) return true;
  if (mapping.dirty !== null && mapping.dirty.size > 0) return true;
  if (mapping.folios !== null) {
    for (const folio of mapping.folios.values()) if (folio.dirty !== 0) return true;
  }
  return false;
}

/** The inode leaves memory; the file stays. */
function drop(sb: Superblock, inode: Inode): void {
  assert(inode.references === 0, "an inode in use is not dropped");
  assert(inode.nlink > 0, "a file without a name is evicted, not dropped");
  if (inode.timesDirty && !sb.readOnly) sb.fs.updateInode(inode);
  if (inode.timesListed) sb.unlistTimes(inode);
  sb.icache.delete(inode.ino);
  sb.paths.forget(inode);
  if (isRegular(inode.mode)) sb.files.release(inode, false);
  sb.fs.evict(inode);
}
