/**
 * Directory entries: struct ext4_dir_entry_2, 8 bytes and the name, little-endian.
 * Ref: Linux Documentation/filesystems/ext4/directory.rst, "Linear (Classic) Directories".
 *
 * A block is a chain of entries: each `recLen` leads to the next, the last one to the end. An entry
 * with inode 0 is free space. Where metadata_csum is on, the last 12 bytes of a block hold the tail,
 * which looks like a free entry to readers that know nothing of it.
 *
 * Invariants: recLen is a multiple of 4, at least `direntSize(nameLen)`, and ends inside the block.
 */
import { direntType, struct, u16le, u32le, u8 } from "@xiplab/core";

export const DIRENT = struct("ext4_dir_entry_2", 8, {
  inode: u32le(0x0),
  recLen: u16le(0x4),
  nameLen: u8(0x6),
  /** FT_*. Without the filetype feature: the high byte of nameLen, which is 0. */
  fileType: u8(0x7),
});

/** struct ext4_dir_entry_tail: the last bytes of a block of entries. */
export const DIR_TAIL = struct("ext4_dir_entry_tail", 12, {
  reservedZero1: u32le(0x0),
  recLen: u16le(0x4),
  reservedZero2: u8(0x6),
  /** 0xde */
  reservedFt: u8(0x7),
  /** Of the block up to the tail, from the seed of the directory. */
  checksum: u32le(0x8),
});

/** Bytes before the name. */
export const DIRENT_HEAD = 8;
export const DIRENT_ALIGN = 4;
/** The smallest entry: one byte of name. */
export const DIRENT_MIN = 12;
export const DIR_TAIL_SIZE = 12;
export const DIR_TAIL_FT = 0xde;

export const FT_UNKNOWN = 0;
export const FT_DIR = 2;

/** DT_* of each FT_*: unknown, regular, directory, character and block device, fifo, socket, link. */
const DT_OF_FT = Uint8Array.of(0, 8, 4, 2, 6, 1, 12, 10);
/** FT_* of each DT_*. */
const FT_OF_DT = new Uint8Array(16);
DT_OF_FT.forEach((dt, ft) => (FT_OF_DT[dt] = ft));

/** Bytes that an entry with a name of `nameLength` bytes takes. HOT. */
export const direntSize = (nameLength: number): number => (nameLength + 11) & ~3;

/** FT_* of an inode's mode. */
export const fileTypeOf = (mode: number): number => FT_OF_DT[direntType(mode)]!;

/** DT_* of what an entry says; 0 for what it does not say. */
export const direntTypeOf = (fileType: number): number => DT_OF_FT[fileType] ?? 0;
