/**
 * The inode table: for each inode the two copies of its record (`twin.ts` of core), so that any
 * number of its fields changes at once, or not at all.
 */
import { bytes, i64le, type Ino, pad, sizeOf, struct, u16le, u32le, u64le } from "@xiplab/core";

export const INODE_SIZE = 256;
export const ROOT_INO = 1 as Ino;

/**
 * A free inode has mode 0. `map` has the extents; or, where there are more than INLINE_MAX, the block
 * numbers of leaves.
 */
export const INODE = struct("plain inode", INODE_SIZE, {
  checksum: u32le(0x00),
  sequence: u32le(0x04),
  generation: u32le(0x08),
  mode: u16le(0x0c),
  extentCount: u16le(0x0e),
  flags: u32le(0x10),
  uid: u32le(0x14),
  gid: u32le(0x18),
  nlink: u32le(0x1c),
  size: u64le(0x20),
  rdev: u32le(0x28),
  parentIno: u32le(0x2c),
  atimeSec: i64le(0x30),
  mtimeSec: i64le(0x38),
  ctimeSec: i64le(0x40),
  btimeSec: i64le(0x48),
  atimeNsec: u32le(0x50),
  mtimeNsec: u32le(0x54),
  ctimeNsec: u32le(0x58),
  btimeNsec: u32le(0x5c),
  map: bytes(0x60, 160),
});
export const INLINE_MAX = 13;

/** Sorted by lblk, not overlapping. The top bit of `length` says: unwritten. */
const extent = { lblk: u32le(0x0), length: u32le(0x4), pblk: u32le(0x8) };
export const EXTENT = struct("plain extent", 12, extent);
export const UNWRITTEN = 0x80000000;

/** First in a block of extents, all of them but the last block full. Covers what is behind it. */
export const LEAF = struct("plain leaf", 16, { checksum: u32le(0x0), reserved: pad(0x4, 12) });
export const LEAF_MAX = 340;
export const EXTENTS_MAX = 40 * LEAF_MAX;

/** Leaves that so many extents take. */
export const leavesOf = (count: number): number =>
  count <= INLINE_MAX ? 0 : Math.ceil(count / LEAF_MAX);

/** What of `map` is not used is not written: it holds whatever was there before. */
function lengthOf(view: DataView, at: number): number {
  const count = INODE.extentCount.get(view, at);
  return INODE.map.offset + (count <= INLINE_MAX ? count * sizeOf(EXTENT) : leavesOf(count) * 4);
}
export const INODE_TWIN = { size: INODE_SIZE, lengthOf };

/** The seed of the checksums of inode `ino`. */
export const seedOf = (volumeSeed: number, ino: number): number => (volumeSeed ^ ino) >>> 0;
