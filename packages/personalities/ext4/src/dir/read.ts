/** Blocks of a directory by their place in it. */
import { corrupt, type Pblk, verify } from "@xiplab/core";
import type { Buffer } from "../buffers.ts";
import { mapBlock } from "../file-map.ts";
import { FL_INDEX } from "../format/inode.ts";
import type { Ext4Inode } from "../inode.ts";
import type { Volume } from "../volume.ts";
import { DIR_BLOCK } from "./block.ts";

/** Length of the directory in blocks. @throws CorruptionError where it is none */
export function blocksOf(volume: Volume, directory: Ext4Inode): number {
  const { blockSize } = volume.geometry;
  const size = directory.diskSize;
  const blocks = size / blockSize;
  const sound = blocks >= 1 && size % blockSize === 0 && blocks < 2 ** 32;
  if (!sound) corrupt("ext4_inode", whereOf(directory), "size", size, "a number of blocks");
  return blocks;
}

/** Block `lblk`, verified. HOT. @throws CorruptionError; FsError EIO */
export function readBlock(volume: Volume, directory: Ext4Inode, lblk: number): Buffer {
  const pblk = mapBlock(volume, directory, lblk);
  if (pblk === 0) corrupt("ext4 directory", whereOf(directory), "block", lblk, "no hole");
  return volume.buffers.read(pblk as Pblk, DIR_BLOCK, directory.seed);
}

/** Has the directory a hash tree that this mount uses? */
export const isIndexed = (volume: Volume, directory: Ext4Inode): boolean =>
  volume.geometry.dirIndex && (directory.flags & FL_INDEX) !== 0;

export const whereOf = (directory: Ext4Inode): string => `inode ${directory.ino}`;

/** As verify, for a directory as a whole. */
export function verifyDirectory(
  right: boolean,
  directory: Ext4Inode,
  field: string,
  found: string | number,
  expected: string | number,
): void {
  verify(right, "ext4 directory", whereOf(directory), field, found, expected);
}
