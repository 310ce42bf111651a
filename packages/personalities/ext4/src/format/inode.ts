/**
 * struct ext4_inode: 128 bytes, then i_extra_isize more where inodes are larger (256 by default),
 * then extended attributes. Little-endian.
 * Ref: Linux Documentation/filesystems/ext4/inodes.rst
 */
import { bytes, type Field, pad, struct, u16le, u32le } from "@xiplab/core";

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
const FL_NOCOMPR = 0x400;
export const FL_ENCRYPT = 0x800;
/** The directory has a hash tree. */
export const FL_INDEX = 0x1000;
const FL_JOURNAL_DATA = 0x4000;
const FL_NOTAIL = 0x8000;
export const FL_DIRSYNC = 0x10000;
export const FL_TOPDIR = 0x20000;
export const FL_HUGE_FILE = 0x40000;
/** i_block holds an extent tree. */
export const FL_EXTENTS = 0x80000;
export const FL_VERITY = 0x100000;
export const FL_EA_INODE = 0x200000;
const FL_DAX = 0x2000000;
export const FL_INLINE_DATA = 0x10000000;
export const FL_PROJINHERIT = 0x20000000;
export const FL_CASEFOLD = 0x40000000;

/** What a new inode takes over from its directory: secrm, unrm and compr among them. */
export const FL_INHERITED =
  0x7 |
  FL_SYNC |
  FL_NODUMP |
  FL_NOATIME |
  FL_NOCOMPR |
  FL_JOURNAL_DATA |
  FL_NOTAIL |
  FL_DIRSYNC |
  FL_DAX |
  FL_PROJINHERIT |
  FL_CASEFOLD;
/** Flags that only directories have. */
export const FL_DIRECTORY_ONLY = FL_DIRSYNC | FL_TOPDIR | FL_PROJINHERIT | FL_CASEFOLD;
/** The only ones that symlinks, device nodes, fifos and sockets take over. */
export const FL_OTHER = FL_NODUMP | FL_NOATIME;

/** Reserved inode numbers. */
export const INO_BAD_BLOCKS = 1;
export const INO_ROOT = 2;
export const INO_RESIZE = 7;
export const INO_JOURNAL = 8;

const TWO_32 = 2 ** 32;

/** Earliest second that a record holds: 13 December 1901. */
export const SECONDS_MIN = -(2 ** 31);
/** Latest second of records without extra fields (2038), and of those with (2446). */
export const SECONDS_MAX_BASE = 2 ** 31 - 1;
export const SECONDS_MAX_EXTRA = 2 ** 31 - 1 + 3 * TWO_32;

/** Seconds of a time whose extra field is `extra` (0 where there is none). HOT. */
export const timeSeconds = (base: number, extra: number): number =>
  (base | 0) + (extra & 3) * TWO_32;

/** Nanoseconds of a time. HOT. */
export const timeNanoseconds = (extra: number): number => extra >>> 2;

/** The extra field of a time in SECONDS_MIN to SECONDS_MAX_EXTRA. HOT. */
export const timeExtra = (sec: number, nsec: number): number =>
  ((nsec << 2) | (Math.floor((sec - SECONDS_MIN) / TWO_32) & 3)) >>> 0;

/** A device number as the two words of i_block: the old form where it fits, else the new one. */
export function encodeDevice(rdev: number): readonly [old: number, wide: number] {
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return major < 256 && minor < 256 ? [(major << 8) | minor, 0] : [0, rdev >>> 0];
}

/** The other way round. */
export const decodeDevice = (old: number, wide: number): number =>
  old === 0 ? wide : old & 0xffff;

/** i_size, bytes. The high half counts for regular files alone. HOT. */
export function inodeSizeBytes(view: DataView, at: number): number {
  const low = INODE.sizeLo.get(view, at);
  if ((INODE.mode.get(view, at) & 0o170000) !== 0o100000) return low;
  return low + INODE.sizeHi.get(view, at) * TWO_32;
}

/** Does a record with so many extra bytes reach to the end of a field of INODE_EXTRA? HOT. */
export const covers = (extraIsize: number, field: Field<unknown>): boolean =>
  field.offset + field.size <= INODE_BASE_SIZE + extraIsize;
