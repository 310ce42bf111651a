/**
 * The inode table: for each inode a slot of two copies of its record. An update writes the whole
 * record, with the next sequence number, over the older copy: the newest copy whose checksum holds
 * is the inode. So any number of fields changes at once, or not at all.
 */
import { bytes, crc32c, i64le, type Ino, pad, struct, u16le, u32le } from "@xiplab/core";
import { u64le, u8 } from "@xiplab/core";

export const INODE_SIZE = 256;
export const SLOT_SIZE = 2 * INODE_SIZE;
export const ROOT_INO = 1 as Ino;

/**
 * A free inode has mode 0. The record with sequence number n is copy n % 2 of its slot. `map` holds
 * `extentCount` extents; or, where those are too many, `leafCount` block numbers of leaves.
 * The checksum covers what is behind it, seeded with `seedOf`: a record in the wrong place is bad.
 */
export const INODE = struct("plain inode", INODE_SIZE, {
  checksum: u32le(0x00),
  sequence: u32le(0x04),
  generation: u32le(0x08),
  mode: u16le(0x0c),
  extentCount: u8(0x0e),
  leafCount: u8(0x0f),
  flags: u32le(0x10),
  uid: u32le(0x14),
  gid: u32le(0x18),
  nlink: u32le(0x1c),
  size: u64le(0x20),
  rdev: u32le(0x28),
  /** Directories: the inode of the directory that this one stands in. */
  parent: u32le<Ino>(0x2c),
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
export const LEAVES_MAX = 40;

/** In `map` and in leaves: sorted by lblk, not overlapping. The top bit of length: unwritten. */
export const EXTENT = struct("plain extent", 12, {
  lblk: u32le(0x0),
  length: u32le(0x4),
  pblk: u32le(0x8),
});
export const UNWRITTEN = 0x80000000;

/** First in a block of extents. The checksum covers what is behind it, to the last extent. */
export const LEAF = struct("plain leaf", 16, {
  checksum: u32le(0x0),
  count: u32le(0x4),
  reserved: pad(0x8, 8),
});
export const LEAF_MAX = 340;

/** The seed of the checksums of inode `ino`; `volumeSeed` is the checksum of the uuid. */
export const seedOf = (volumeSeed: number, ino: number): number => (volumeSeed ^ ino) >>> 0;

export const recordChecksum = (view: DataView, at: number, seed: number): number =>
  crc32c(view, at + 4, INODE_SIZE - 4, seed);

export interface Slot {
  /** Where the inode's record is; -1 where no copy holds: an inode that was never used. */
  readonly at: number;
  /** Bits of the copies that an update left half-written. */
  readonly torn: number;
}

/** Find the record in the slot at `at`. */
export function readSlot(view: DataView, at: number, seed: number): Slot {
  const newest = at + INODE_SIZE * newestCopy(view, at);
  const first = stateOf(view, at, seed, 0);
  const second = stateOf(view, at + INODE_SIZE, seed, 1);
  const torn = (first === TORN ? 1 : 0) | (second === TORN ? 2 : 0);
  if (first === GOOD && second === GOOD) return { at: newest, torn };
  return { at: first === GOOD ? at : second === GOOD ? at + INODE_SIZE : -1, torn };
}

/** The copy with the later sequence number, whether its checksum holds or not. Numbers wrap. */
export const newestCopy = (view: DataView, at: number): 0 | 1 =>
  ((INODE.sequence.get(view, at + INODE_SIZE) - INODE.sequence.get(view, at)) | 0) > 0 ? 1 : 0;

const EMPTY = 0;
const GOOD = 1;
const TORN = 2;

function stateOf(view: DataView, at: number, seed: number, parity: 0 | 1): number {
  const checksum = INODE.checksum.get(view, at);
  const sequence = INODE.sequence.get(view, at);
  if (checksum === 0 && sequence === 0) return EMPTY;
  const good = sequence % 2 === parity && checksum === recordChecksum(view, at, seed);
  return good ? GOOD : TORN;
}
