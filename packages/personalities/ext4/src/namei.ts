/**
 * What happens to names: each call is one handle, so that a power cut leaves all of it or nothing.
 *
 *   room for the name, then the inode        what can fail for want of space comes first
 *   the name, link counts, times             cannot fail then
 *
 * An inode that loses its last name joins the orphans in the same handle: `freeInode` (evict.ts)
 * frees it when nobody uses it, in this mount or the next.
 */
import { assert, CTIME, type DirBatch, FsError, type Ino, isDirectory, MTIME } from "@xiplab/core";
import type { Name, NewInode } from "@xiplab/core";
import * as dir from "./dir.ts";
import { freeInode } from "./evict.ts";
import { FL_INDEX } from "./format/inode.ts";
import { initInode } from "./inode-init.ts";
import { writeInode } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import { addOrphan, ORPHAN_CREDITS, removeOrphan } from "./orphan.ts";
import type { Volume } from "./volume.ts";
import { XATTR_CREDITS } from "./xattr.ts";

/** Most names of an inode. A directory with dir_nlink has more subdirectories: it counts 1 then. */
export const LINK_MAX = 65_000;
/** Link count of a directory whose links are not counted. */
const MANY = 1;

/** Block of records of an inode. */
const RECORD_CREDITS = 1;
/** Bitmap and descriptor of the inode's group, its record, attributes that it starts with; of a
 * directory or long symlink the first block: itself, bitmap, descriptor. */
const INODE_CREDITS = 3 + XATTR_CREDITS + 3;

export function lookup(volume: Volume, directory: Ext4Inode, name: Name): Ino {
  return dir.lookupName(volume, directory, name);
}

/** @throws CorruptionError */
export function parentOf(volume: Volume, directory: Ext4Inode): Ino {
  return dir.parentInoOf(volume, directory) as Ino;
}

export function readdir(
  volume: Volume,
  directory: Ext4Inode,
  cookie: number,
  batch: DirBatch,
  max: number,
): boolean {
  return dir.listNames(volume, directory, cookie, batch, max);
}

export function isEmpty(volume: Volume, directory: Ext4Inode): boolean {
  return dir.isEmptyDirectory(volume, directory);
}

/** Make an inode of any type, with a name. @throws FsError ENOSPC, EMLINK */
export function create(
  volume: Volume,
  directory: Ext4Inode,
  name: Name,
  attributes: NewInode,
): Ext4Inode {
  const { mode } = attributes;
  const isDir = isDirectory(mode);
  if (isDir) requireRoomForLink(volume, directory);
  const credits = INODE_CREDITS + RECORD_CREDITS + dir.addCredits(volume, directory);
  return transact(volume, credits, () => {
    dir.reserveName(volume, directory, name);
    const inode = newInode(volume, directory, attributes, name);
    if (isDir) {
      fillDirectory(volume, inode, directory);
      addLink(volume, directory);
    }
    dir.fillName(volume, name, inode.ino, mode);
    touchDirectory(volume, directory);
    return inode;
  });
}

/** A number and its record. @throws FsError ENOSPC: the number was given back */
function newInode(volume: Volume, parent: Ext4Inode, attributes: NewInode, name?: Name): Ext4Inode {
  const { ialloc } = volume;
  const ino = ialloc.allocate(parent, attributes.mode, name);
  try {
    return initInode(volume, ino, parent, attributes);
  } catch (error) {
    if (error instanceof FsError) ialloc.free(ino, isDirectory(attributes.mode));
    throw error;
  }
}

/** "." and "..". @throws FsError ENOSPC: the inode was given back */
function fillDirectory(volume: Volume, inode: Ext4Inode, parent: Ext4Inode): void {
  try {
    dir.makeFirstBlock(volume, inode, parent.ino);
  } catch (error) {
    if (error instanceof FsError) {
      inode.nlink = 0;
      freeInode(volume, inode);
    }
    throw error;
  }
}

/** An inode without a name. @throws FsError ENOSPC */
export function tmpfile(volume: Volume, directory: Ext4Inode, attributes: NewInode): Ext4Inode {
  assert(!isDirectory(attributes.mode), "a file without a name is no directory");
  return transact(volume, INODE_CREDITS + ORPHAN_CREDITS, () => {
    const inode = newInode(volume, directory, attributes);
    inode.nlink = 0;
    addOrphan(volume, inode);
    writeInode(volume, inode, false);
    return inode;
  });
}

/** Another name, or the first one of a tmpfile. @throws FsError ENOSPC, EMLINK */
export function link(volume: Volume, directory: Ext4Inode, name: Name, inode: Ext4Inode): void {
  if (inode.nlink >= LINK_MAX) throw new FsError("EMLINK");
  const credits = 2 * RECORD_CREDITS + ORPHAN_CREDITS + dir.addCredits(volume, directory);
  transact(volume, credits, () => {
    dir.addName(volume, directory, name, inode.ino, inode.mode);
    inode.nlink++;
    inode.touch(CTIME, volume.clock);
    if (inode.nlink === 1) removeOrphan(volume, inode);
    writeInode(volume, inode, false);
    touchDirectory(volume, directory);
  });
}

/** Remove a name. @throws CorruptionError */
export function unlink(volume: Volume, directory: Ext4Inode, name: Name, inode: Ext4Inode): void {
  const credits = 2 * RECORD_CREDITS + ORPHAN_CREDITS + dir.REMOVE_CREDITS;
  volume.journal.run(credits, () => {
    dir.removeName(volume, directory, name, inode.ino);
    dropName(volume, directory, inode);
    touchDirectory(volume, directory);
  });
}

/** See FileSystem.rename. @throws FsError ENOSPC, EMLINK; CorruptionError */
export function rename(
  volume: Volume,
  oldDirectory: Ext4Inode,
  oldName: Name,
  newDirectory: Ext4Inode,
  newName: Name,
  inode: Ext4Inode,
  displaced: Ext4Inode | null,
  exchange: boolean,
): void {
  const moves = oldDirectory !== newDirectory && isDirectory(inode.mode);
  const replaces = displaced !== null && isDirectory(displaced.mode);
  if (moves && !replaces) requireRoomForLink(volume, newDirectory);
  const brings = exchange && oldDirectory !== newDirectory && replaces;
  if (brings && !moves) requireRoomForLink(volume, oldDirectory);
  const { ino, mode } = inode;
  const adding = displaced === null ? dir.addCredits(volume, newDirectory) : dir.REMOVE_CREDITS;
  const credits = adding + dir.REMOVE_CREDITS + 4 * RECORD_CREDITS + ORPHAN_CREDITS + 2;
  transact(volume, credits, () => {
    if (displaced === null) dir.addName(volume, newDirectory, newName, ino, mode);
    else dir.setName(volume, newDirectory, newName, displaced.ino, ino, mode);
    if (exchange) {
      assert(displaced !== null, "an exchange has two inodes");
      dir.setName(volume, oldDirectory, oldName, ino, displaced.ino, displaced.mode);
    } else {
      dir.removeName(volume, oldDirectory, oldName, ino);
    }
    if (exchange) touchInode(volume, displaced!);
    else if (displaced !== null) dropName(volume, newDirectory, displaced);
    if (moves) dir.setParentIno(volume, inode, newDirectory.ino);
    if (brings) dir.setParentIno(volume, displaced!, oldDirectory.ino);
    if (moves !== brings) {
      dropLink(moves ? oldDirectory : newDirectory);
      addLink(volume, moves ? newDirectory : oldDirectory);
    }
    touchInode(volume, inode);
    touchDirectory(volume, oldDirectory);
    if (newDirectory !== oldDirectory) touchDirectory(volume, newDirectory);
  });
}

/** A name of `inode` in `directory` is gone. The directory's record is written by the caller. */
function dropName(volume: Volume, directory: Ext4Inode, inode: Ext4Inode): void {
  inode.touch(CTIME, volume.clock);
  if (isDirectory(inode.mode)) {
    inode.nlink = 0;
    dropLink(directory);
  } else {
    assert(inode.nlink > 0, "an inode with a name has links");
    inode.nlink--;
  }
  if (inode.nlink === 0) addOrphan(volume, inode);
  writeInode(volume, inode, false);
}

/** May the directory have one more subdirectory? @throws FsError EMLINK */
function requireRoomForLink({ geometry }: Volume, directory: Ext4Inode): void {
  if (directory.nlink < LINK_MAX) return;
  const uncounted = geometry.dirNlink && (directory.flags & FL_INDEX) !== 0;
  if (!uncounted) throw new FsError("EMLINK");
}

/** One more subdirectory. More than can be counted are not counted from then on. */
function addLink({ geometry }: Volume, directory: Ext4Inode): void {
  if (directory.nlink === MANY) return;
  directory.nlink++;
  if (directory.nlink <= LINK_MAX) return;
  assert(geometry.dirNlink, "only with dir_nlink links are not counted");
  directory.nlink = MANY;
}

/** One subdirectory less. */
function dropLink(directory: Ext4Inode): void {
  if (directory.nlink > 2) directory.nlink--;
}

function touchInode(volume: Volume, inode: Ext4Inode): void {
  inode.touch(CTIME, volume.clock);
  writeInode(volume, inode, false);
}

/** Names in the directory changed. */
function touchDirectory(volume: Volume, directory: Ext4Inode): void {
  directory.touch(MTIME | CTIME, volume.clock);
  writeInode(volume, directory);
}

/**
 * Run `body` as a handle. Where space runs out that a commit would give, commit and try again: the
 * body left nothing behind.
 */
function transact<T>(volume: Volume, credits: number, body: () => T): T {
  const { balloc, journal } = volume;
  try {
    return journal.run(credits, body);
  } catch (error) {
    const full = error instanceof FsError && error.code === "ENOSPC";
    if (!full || journal.running || !balloc.wouldCommitHelp) throw error;
  }
  journal.commit();
  return journal.run(credits, body);
}
