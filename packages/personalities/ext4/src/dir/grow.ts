/** One more block for a directory. */
import type { Pblk } from "@xiplab/core";
import type { Buffer } from "../buffers.ts";
import { addBlock } from "../file-map.ts";
import { writeInode } from "../inode-io.ts";
import type { Ext4Inode } from "../inode.ts";
import type { Volume } from "../volume.ts";
import { DIR_BLOCK, rewrite } from "./block.ts";
import { blocksOf } from "./read.ts";

/** Block `lblk`, which is the next, of zeros. Inside a handle; the inode is written.
 * @throws FsError ENOSPC: nothing changed */
export function growDirectory(volume: Volume, directory: Ext4Inode, lblk: number): Buffer {
  const pblk = addBlock(volume, directory, lblk);
  const buffer = volume.buffers.create(pblk as Pblk, DIR_BLOCK, directory.seed);
  rewrite(volume, buffer);
  directory.resize((lblk + 1) * volume.geometry.blockSize);
  writeInode(volume, directory);
  return buffer;
}

/** The next block of a directory that has some. */
export const appendBlock = (volume: Volume, directory: Ext4Inode): Buffer =>
  growDirectory(volume, directory, blocksOf(volume, directory));
