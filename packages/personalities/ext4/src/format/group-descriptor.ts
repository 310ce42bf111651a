/**
 * struct ext4_group_desc: 32 bytes, or with the 64bit feature s_desc_size (64) of which the second
 * half holds high words. Little-endian, packed into the blocks behind the superblock and its copies.
 * Ref: Linux Documentation/filesystems/ext4/group_descr.rst
 */
import { pad, struct, u16le, u32le } from "@xiplab/core";

export const GROUP_DESC = struct("ext4_group_desc", 32, {
  blockBitmapLo: u32le(0x0),
  inodeBitmapLo: u32le(0x4),
  inodeTableLo: u32le(0x8),
  freeBlocksLo: u16le(0xc),
  freeInodesLo: u16le(0xe),
  usedDirsLo: u16le(0x10),
  flags: u16le(0x12),
  excludeBitmapLo: u32le(0x14),
  blockBitmapCsumLo: u16le(0x18),
  inodeBitmapCsumLo: u16le(0x1a),
  itableUnusedLo: u16le(0x1c),
  checksum: u16le(0x1e),
});

/** Bytes 32 to 63: only where s_desc_size is 64 or more. Read at `at` of the whole descriptor. */
export const GROUP_DESC_HIGH = struct("ext4_group_desc (64bit)", 64, {
  low: pad(0x0, 32),
  blockBitmapHi: u32le(0x20),
  inodeBitmapHi: u32le(0x24),
  inodeTableHi: u32le(0x28),
  freeBlocksHi: u16le(0x2c),
  freeInodesHi: u16le(0x2e),
  usedDirsHi: u16le(0x30),
  itableUnusedHi: u16le(0x32),
  excludeBitmapHi: u32le(0x34),
  blockBitmapCsumHi: u16le(0x38),
  inodeBitmapCsumHi: u16le(0x3a),
  reserved: u32le(0x3c),
});

/** bg_flags */
export const BG_INODE_UNINIT = 1;
export const BG_BLOCK_UNINIT = 2;
export const BG_ITABLE_ZEROED = 4;
