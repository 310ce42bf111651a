/**
 * Extent trees: a header, then entries of 12 bytes, in the 60 bytes of i_block (the root: 4 entries)
 * or in a block of its own (340 entries where blocks have 4 KiB). Entries are leaves at depth 0 and
 * lead to nodes above. Little-endian.
 * Ref: Linux Documentation/filesystems/ext4/ifork.rst "Extent Tree"
 *
 * Invariants: 1 <= max <= what the room has; entries <= max; a child's depth is one less than its
 * parent's, at most 5 at the root; entries are sorted by block and do not overlap; an index entry's
 * block is at most the first block below it, and greater than every block of the entry before.
 */
import { type Pblk, struct, u16le, u32le } from "@xiplab/core";

export const EXTENT_HEADER = struct("ext4_extent_header", 12, {
  magic: u16le(0x0),
  entries: u16le(0x2),
  max: u16le(0x4),
  /** 0 where the entries are extents. */
  depth: u16le(0x6),
  generation: u32le(0x8),
});

/** Entry of a node above the leaves. */
export const EXTENT_INDEX = struct("ext4_extent_idx", 12, {
  /** First block of the file that is found below. */
  block: u32le(0x0),
  leafLo: u32le(0x4),
  leafHi: u16le(0x8),
  unused: u16le(0xa),
});

/** Entry of a leaf: `length` blocks of the file from `block` on. */
export const EXTENT = struct("ext4_extent", 12, {
  block: u32le(0x0),
  length: u16le(0x4),
  startHi: u16le(0x6),
  startLo: u32le(0x8),
});

/** Behind the last of `max` entries of a block, where metadata_csum is on. */
export const EXTENT_TAIL = struct("ext4_extent_tail", 4, { checksum: u32le(0x0) });

export const EXTENT_MAGIC = 0xf30a;
export const EXTENT_DEPTH_MAX = 5;
/** Header and entries have the same size. */
export const EXTENT_ENTRY_SIZE = 12;
/** Entries of the root in i_block. */
export const EXTENT_ROOT_MAX = 4;
/** Most blocks of a written extent: its length field is at most this. */
export const WRITTEN_MAX = 32768;
/** Most blocks of an unwritten extent: its length field has WRITTEN_MAX added. */
export const UNWRITTEN_MAX = 32767;

const TWO_32 = 2 ** 32;

/** Entries of a node that is a block. */
export const extentsPerBlock = (blockSize: number): number =>
  Math.floor((blockSize - EXTENT_ENTRY_SIZE) / EXTENT_ENTRY_SIZE);

/** Blocks of the extent at `at`. HOT. */
export function extentLength(view: DataView, at: number): number {
  const length = EXTENT.length.get(view, at);
  return length > WRITTEN_MAX ? length - WRITTEN_MAX : length;
}

/** HOT. */
export const extentUnwritten = (view: DataView, at: number): boolean =>
  EXTENT.length.get(view, at) > WRITTEN_MAX;

/** First device block of the extent at `at`. HOT. */
export const extentStart = (view: DataView, at: number): Pblk =>
  (EXTENT.startLo.get(view, at) + EXTENT.startHi.get(view, at) * TWO_32) as Pblk;

/** The node that the index entry at `at` leads to. */
export const indexLeaf = (view: DataView, at: number): Pblk =>
  (EXTENT_INDEX.leafLo.get(view, at) + EXTENT_INDEX.leafHi.get(view, at) * TWO_32) as Pblk;

/** Store a whole leaf entry. */
export function setExtent(
  view: DataView,
  at: number,
  lblk: number,
  length: number,
  pblk: number,
  unwritten: boolean,
): void {
  EXTENT.block.set(view, at, lblk);
  EXTENT.length.set(view, at, unwritten ? length + WRITTEN_MAX : length);
  EXTENT.startHi.set(view, at, Math.floor(pblk / TWO_32));
  EXTENT.startLo.set(view, at, pblk % TWO_32);
}

/** Store a whole index entry. */
export function setIndex(view: DataView, at: number, lblk: number, leaf: number): void {
  EXTENT_INDEX.block.set(view, at, lblk);
  EXTENT_INDEX.leafLo.set(view, at, leaf % TWO_32);
  EXTENT_INDEX.leafHi.set(view, at, Math.floor(leaf / TWO_32));
  EXTENT_INDEX.unused.set(view, at, 0);
}

/** Store the header of an empty node. */
export function setHeader(view: DataView, at: number, max: number, depth: number): void {
  EXTENT_HEADER.magic.set(view, at, EXTENT_MAGIC);
  EXTENT_HEADER.entries.set(view, at, 0);
  EXTENT_HEADER.max.set(view, at, max);
  EXTENT_HEADER.depth.set(view, at, depth);
  EXTENT_HEADER.generation.set(view, at, 0);
}
