/**
 * Blocks of the orphan file: inode numbers, 0 where free, then a tail of 8 bytes. Little-endian.
 * Ref: Linux Documentation/filesystems/ext4/orphan.rst
 *
 * The checksum covers the block's number on the device, as 64 bits, and the numbers, from the seed
 * of the orphan file's inode.
 */
import { struct, u32le } from "@xiplab/core";

/** At the end of each block. */
export const ORPHAN_TAIL = struct("ext4_orphan_block_tail", 8, {
  magic: u32le(0x0),
  checksum: u32le(0x4),
});

export const ORPHAN_TAIL_SIZE = 8;
export const ORPHAN_MAGIC = 0x0b10ca04;
export const ORPHAN_ENTRY_SIZE = 4;
