/** Totals of a mount: what statfs shows, and what the superblock says of free space. */
import { type Ino, readOr } from "@xiplab/core";
import { INCOMPAT_64BIT } from "./format/features.ts";
import { SUPERBLOCK } from "./format/superblock.ts";
import { readInode } from "./inode-io.ts";
import { superBuffer } from "./super-buffer.ts";
import type { Volume } from "./volume.ts";

/** Blocks that no file can have: superblocks, descriptors, bitmaps, inode tables, the journal. */
export function overheadBlocks(volume: Volume): number {
  const { geometry } = volume;
  let blocks = geometry.firstDataBlock;
  for (let group = 0; group < geometry.groupCount; group++) {
    if (geometry.hasSuper(group)) blocks += 1 + geometry.gdtBlocks + geometry.reservedGdtBlocks;
    blocks += 2 + geometry.itableBlocks;
  }
  if (geometry.hasJournal) {
    const size = readOr<number>(0, () => readInode(volume, geometry.journalIno as Ino).size);
    blocks += Math.ceil(size / geometry.blockSize);
  }
  return blocks;
}

/** Put the free blocks and inodes into the superblock, where they are other than it says. They only
 * inform: who mounts counts the descriptors. */
export function writeTotals(volume: Volume): void {
  const { buffers, geometry, groups, journal } = volume;
  const s = SUPERBLOCK;
  const wide = (geometry.incompat & INCOMPAT_64BIT) !== 0;
  const buffer = superBuffer(buffers);
  const low = groups.freeBlocks % 2 ** 32;
  const high = Math.floor(groups.freeBlocks / 2 ** 32);
  const at = buffer.at + geometry.superOffset;
  const holds =
    s.freeBlocksLo.get(buffer.view, at) === low &&
    (!wide || s.freeBlocksHi.get(buffer.view, at) === high) &&
    s.freeInodes.get(buffer.view, at) === groups.freeInodes;
  if (holds) return;
  journal.run(1, () => {
    buffers.write(buffer);
    const own = buffer.at + geometry.superOffset;
    s.freeBlocksLo.set(buffer.view, own, low);
    if (wide) s.freeBlocksHi.set(buffer.view, own, high);
    s.freeInodes.set(buffer.view, own, groups.freeInodes);
  });
}
