/**
 * Block 0 holds three structures, apart from one another because each becomes durable alone: the
 * superblock, which mkfs writes and nobody changes; the state, one atomic 8-byte store; and the
 * intent of a rename (`word-pair.ts` of core), in a cache line of its own.
 */
import { crc32c, i64le, struct, text, u32le, uuid } from "@xiplab/core";

export const MAGIC = 0x4e4c5058; // "XPLN"
export const VERSION = 1;

/** What is where follows from `blocks` and `inodes`: see geometry.ts. */
export const SUPERBLOCK = struct("plain superblock", 0xc0, {
  magic: u32le(0x00),
  checksum: u32le(0x04),
  version: u32le(0x08),
  blocks: u32le(0x0c),
  inodes: u32le(0x10),
  timeNsec: u32le(0x14),
  timeSec: i64le(0x18),
  uuid: uuid(0x20),
  label: text(0x30, 32),
  defaultOptions: text(0x50, 112),
});

/** `clean` is CLEAN or 0. Inodes above `inodesEnd` were never used. */
export const STATE = struct("plain state", 8, { clean: u32le(0x0), inodesEnd: u32le(0x4) });
export const STATE_AT = 0xc0;
export const CLEAN = 0x4e41454c;

export const INTENT_AT = 0x100;

/** Of everything behind the checksum. */
export const superblockChecksum = (view: DataView): number => crc32c(view, 8, STATE_AT - 8);

/** Goes into all checksums, so that what an older file system left on the device does not hold. */
export const volumeSeed = (view: DataView): number =>
  crc32c(view, SUPERBLOCK.uuid.offset, SUPERBLOCK.uuid.size);
