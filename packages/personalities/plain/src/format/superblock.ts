/**
 * Block 0 holds three structures, apart from one another because each becomes durable alone: the
 * superblock, which mkfs writes and nobody changes; the state, one atomic 8-byte store; and the
 * intent of a rename, in a cache line of its own.
 */
import { bytes, crc32c, i64le, pad, sizeOf, struct, type Struct, u32le, u64le } from "@xiplab/core";

export const MAGIC = 0x4e4c5058; // "XPLN"
export const VERSION = 1;

/** Where things are follows from `blocks` and `inodes`: see geometry.ts. */
export const SUPERBLOCK = struct("plain superblock", 0xc0, {
  magic: u32le(0x00),
  checksum: u32le(0x04),
  version: u32le(0x08),
  blocks: u32le(0x0c),
  inodes: u32le(0x10),
  timeNsec: u32le(0x14),
  timeSec: i64le(0x18),
  uuid: bytes(0x20, 16),
  label: bytes(0x30, 32),
  defaultOptions: bytes(0x50, 112),
});

/** `clean` is CLEAN or 0. Inodes above `inodesEnd` were never used. */
export const STATE = struct("plain state", 8, { clean: u32le(0x0), inodesEnd: u32le(0x4) });
export const STATE_AT = 0xc0;
export const CLEAN = 0x4e41454c;

/** A head word (dirent.ts) to store, and the device byte that it goes to. */
export const WORD = struct("plain word", 16, { at: u64le(0x0), ino: u32le(0x8), tail: u32le(0xc) });

/** Two words that change together. There is no intent where `first.at` is 0. */
export const INTENT = struct("plain intent", 0x28, {
  reserved: pad(0x00, 4),
  checksum: u32le(0x04),
  first: bytes(0x08, 16),
  second: bytes(0x18, 16),
});
export const INTENT_AT = 0x100;

/** The checksum of a superblock or an intent: of everything behind the checksum. */
export const checksumOf = (structure: Struct<object>, view: DataView, at: number): number =>
  crc32c(view, at + 8, sizeOf(structure) - 8);
