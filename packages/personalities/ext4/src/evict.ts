/**
 * The end of inodes: without a name and without a user, in this mount or found by the next one.
 *
 *   orphan → blocks freed (several transactions for large files) → attributes given back, record
 *   cleared, number freed, not an orphan any more: one transaction
 */
import { assert, isDirectory, isRegular, isSymlink, PURPOSE_ZEROING } from "@xiplab/core";
import type { Ino } from "@xiplab/core";
import { LBLK_MAX } from "./block-map.ts";
import { creditsForTruncate, fileMap, freeRange, truncateBlocks } from "./file-map.ts";
import { clearInode, readInode, writeInode } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import { addOrphan, loadOrphanList, ORPHAN_CREDITS, requireOrphan } from "./orphan.ts";
import { removeOrphan, setPresent } from "./orphan.ts";
import { openOrphanFile, orphansPresent } from "./orphan-file.ts";
import { isFast } from "./symlink.ts";
import type { Volume } from "./volume.ts";
import { dropXattrs, XATTR_CREDITS } from "./xattr.ts";

/** Bitmap and descriptor of the number, the record, attributes, the orphan list. */
const FREE_CREDITS = 3 + XATTR_CREDITS + ORPHAN_CREDITS;

/** Inodes of at most so many blocks are freed without counting how. */
const SMALL_BLOCKS = 32;

/** Free an inode without names, and everything that it has. @throws CorruptionError */
export function freeInode(volume: Volume, inode: Ext4Inode): void {
  assert(inode.nlink === 0, "an inode with names is not freed");
  const { balloc, journal } = volume;
  if (inode.preallocation !== null) balloc.discardPreallocation(inode);
  const mapped = hasBlocks(inode);
  const blocks = mapped ? creditsForBlocks(volume, inode) : 0;
  if (blocks + FREE_CREDITS <= journal.creditsMax) {
    journal.run(blocks + FREE_CREDITS, () => {
      if (mapped) freeRange(fileMap(volume, inode), 0, LBLK_MAX);
      freeRecord(volume, inode);
    });
    return;
  }
  journal.run(ORPHAN_CREDITS, () => {
    addOrphan(volume, inode);
    writeInode(volume, inode, false);
  });
  truncateBlocks(volume, inode, 0);
  journal.run(FREE_CREDITS, () => freeRecord(volume, inode));
}

/** Blocks that freeing those of the inode changes; of a small one at most, without a look at them:
 * each is in a group of its own. */
function creditsForBlocks(volume: Volume, inode: Ext4Inode): number {
  if (inode.blocks > SMALL_BLOCKS) return creditsForTruncate(volume, inode, 0);
  return 2 * Math.min(inode.blocks, volume.groups.count);
}

function freeRecord(volume: Volume, inode: Ext4Inode): void {
  dropXattrs(volume, inode);
  removeOrphan(volume, inode);
  clearInode(volume, inode);
  volume.ialloc.free(inode.ino, isDirectory(inode.mode));
}

/** Does i_block lead to blocks, rather than hold a target or a device number? */
function hasBlocks(inode: Ext4Inode): boolean {
  const { mode } = inode;
  return isRegular(mode) || isDirectory(mode) || (isSymlink(mode) && !isFast(inode));
}

/**
 * What a power cut left half done, read and verified, with the maps of its blocks. Nothing is
 * changed. @throws CorruptionError
 */
export function findOrphans(volume: Volume): Ext4Inode[] {
  const { geometry, orphans } = volume;
  const found = loadOrphanList(volume);
  orphans.file = openOrphanFile(volume);
  orphans.present = orphansPresent(geometry);
  if (orphans.present && orphans.file !== null) {
    for (const ino of orphans.file.load(volume)) {
      requireOrphan(volume, ino, "the orphan file");
      found.push(ino);
    }
  }
  const inodes = found.map((ino) => readInode(volume, ino as Ino, true));
  for (const inode of inodes) if (hasBlocks(inode)) fileMap(volume, inode);
  return inodes;
}

/** Free or truncate them. */
export function processOrphans(volume: Volume, inodes: readonly Ext4Inode[]): void {
  const { journal, orphans } = volume;
  for (const inode of inodes) {
    inode.orphan = true;
    if (inode.nlink === 0) freeInode(volume, inode);
    else finishTruncation(volume, inode);
  }
  assert(orphans.count === 0, "no orphan is left");
  if (orphans.present) journal.run(1, () => setPresent(volume, false));
}

/**
 * The mount ends: files with names may still be orphans, where a write failed after blocks were
 * linked beyond the end of the file (indirect.ts). Nobody uses their inodes any more.
 */
export function settleOrphans(volume: Volume): void {
  const { journal, orphans } = volume;
  journal.run(orphans.credits, () => orphans.run());
  const inos = [...orphans.nextOf.keys(), ...(orphans.file?.slotOf.keys() ?? [])];
  for (const ino of inos) {
    const inode = readInode(volume, ino as Ino, true);
    if (inode.nlink === 0) continue;
    inode.orphan = true;
    finishTruncation(volume, inode);
  }
}

/** A file with names was an orphan while it shrank or grew: the blocks behind its size are nobody's. */
export function finishTruncation(volume: Volume, inode: Ext4Inode): void {
  if (hasBlocks(inode)) {
    const end = Math.ceil(inode.diskSize / volume.geometry.blockSize);
    truncateBlocks(volume, inode, end);
    if (isRegular(inode.mode)) zeroTail(volume, inode);
  }
  volume.journal.run(ORPHAN_CREDITS, () => removeOrphan(volume, inode));
}

/** What stands behind the end of the file in its last block must not show when it grows. */
function zeroTail(volume: Volume, inode: Ext4Inode): void {
  const { blockSize } = volume.geometry;
  const within = inode.diskSize % blockSize;
  if (within === 0) return;
  const lblk = (inode.diskSize - within) / blockSize;
  const extent = fileMap(volume, inode).at(lblk);
  if (extent.lblk > lblk || extent.length === 0 || extent.unwritten) return;
  const at = volume.geometry.pblkToDevByte(extent.pblk + lblk - extent.lblk) + within;
  volume.device.zero(at, blockSize - within, PURPOSE_ZEROING);
  // Zeros are there before the inode stops being an orphan, which the next commit makes durable.
  volume.device.fence();
}
