/**
 * struct ext4_inode: 128 bytes, then i_extra_isize more where inodes are larger (256 by default),
 * then extended attributes. Little-endian.
 * Ref: Linux Documentation/filesystems/ext4/inodes.rst
 */
import { bytes, pad, struct, u16le, u32le } from "@xiplab/core";

export const INODE = struct("ext4_inode", 128, {
  mode: u16le(0x0),
  uidLo: u16le(0x2),
  sizeLo: u32le(0x4),
  atime: u32le(0x8),
  ctime: u32le(0xc),
  mtime: u32le(0x10),
  /** Time of deletion; of an orphan the number of the next one. */
  dtime: u32le(0x14),
  gidLo: u16le(0x18),
  linksCount: u16le(0x1a),
  /** In units of 512 bytes, or of blocks with FLAG_HUGE_FILE. */
  blocksLo: u32le(0x1c),
  flags: u32le(0x20),
  versionLo: u32le(0x24),
  /** Root of the extent tree, or block pointers, or a short symlink, or a device number. */
  block: bytes(0x28, 60),
  generation: u32le(0x64),
  fileAclLo: u32le(0x68),
  sizeHi: u32le(0x6c),
  obsoleteFaddr: u32le(0x70),
  blocksHi: u16le(0x74),
  fileAclHi: u16le(0x76),
  uidHi: u16le(0x78),
  gidHi: u16le(0x7a),
  checksumLo: u16le(0x7c),
  reserved: u16le(0x7e),
});

/** What follows where inodes are larger than 128 bytes: each field only if extraIsize covers it.
 * Read at `at` of the whole inode. */
export const INODE_EXTRA = struct("ext4_inode (extra)", 160, {
  base: pad(0x0, 128),
  extraIsize: u16le(0x80),
  checksumHi: u16le(0x82),
  /** Low two bits: bits 32 and 33 of the seconds; the rest: nanoseconds. */
  ctimeExtra: u32le(0x84),
  mtimeExtra: u32le(0x88),
  atimeExtra: u32le(0x8c),
  crtime: u32le(0x90),
  crtimeExtra: u32le(0x94),
  versionHi: u32le(0x98),
  projectId: u32le(0x9c),
});

export const INODE_BASE_SIZE = 128;
/** Bytes from the start of an inode to its i_block. */
export const I_BLOCK_AT = 0x28;
export const I_BLOCK_SIZE = 60;

/** i_flags: values of FS_*_FL and EXT4_*_FL. */
export const FL_SYNC = 0x8;
export const FL_IMMUTABLE = 0x10;
export const FL_APPEND = 0x20;
export const FL_NODUMP = 0x40;
export const FL_NOATIME = 0x80;
export const FL_ENCRYPT = 0x800;
/** The directory has a hash tree. */
export const FL_INDEX = 0x1000;
export const FL_JOURNAL_DATA = 0x4000;
export const FL_DIRSYNC = 0x10000;
export const FL_TOPDIR = 0x20000;
export const FL_HUGE_FILE = 0x40000;
/** i_block holds an extent tree. */
export const FL_EXTENTS = 0x80000;
export const FL_VERITY = 0x100000;
export const FL_EA_INODE = 0x200000;
export const FL_INLINE_DATA = 0x10000000;
export const FL_PROJINHERIT = 0x20000000;
export const FL_CASEFOLD = 0x40000000;

/** Reserved inode numbers. */
export const INO_BAD_BLOCKS = 1;
export const INO_ROOT = 2;
export const INO_RESIZE = 7;
export const INO_JOURNAL = 8;
