/** What statfs shows of space that no file can have. */
import { type Ino, readOr } from "@xiplab/core";
import { readInode } from "./inode-io.ts";
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
