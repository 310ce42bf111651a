/**
 * The checksum of each structure: what it covers, with which seed. All are crc32c in its raw form:
 * the seed as it is given, no inversion at the end.
 * Ref: Linux Documentation/filesystems/ext4/checksums.rst
 */
import { crc32c } from "@xiplab/core";

/** Raw crc32c of `length` bytes from `at`, chained from `seed`. HOT. */
export function crcRaw(seed: number, view: DataView, at: number, length: number): number {
  return ~crc32c(view, at, length, ~seed >>> 0) >>> 0;
}

const words = new DataView(new ArrayBuffer(8));

/** Raw crc32c of a little-endian 32-bit number. */
export function crcU32(seed: number, value: number): number {
  words.setUint32(0, value, true);
  return crcRaw(seed, words, 0, 4);
}

/** Raw crc32c of a little-endian 64-bit number. */
export function crcU64(seed: number, value: number): number {
  words.setUint32(0, value % 2 ** 32, true);
  words.setUint32(4, Math.floor(value / 2 ** 32), true);
  return crcRaw(seed, words, 0, 8);
}

/** Raw crc32c of `count` zero bytes, at most 8. */
export function crcZeros(seed: number, count: number): number {
  words.setUint32(0, 0);
  words.setUint32(4, 0);
  return crcRaw(seed, words, 0, count);
}

/** Seed of everything that belongs to one inode: its own record, extent blocks, directory blocks. */
export function inodeSeed(fsSeed: number, ino: number, generation: number): number {
  return crcU32(crcU32(fsSeed, ino), generation);
}
