/**
 * What an inode record must be before anything believes it: checksum, then bounds of each field.
 * The map in i_block has its own verifiers (format/extent.ts, indirect.ts).
 */
import { assert, corrupt, FsError, isRegular, isSymlink, verify } from "@xiplab/core";
import { crcRaw, crcZeros, inodeSeed } from "./checksum.ts";
import { INCOMPAT_64BIT, INCOMPAT_EXTENTS } from "./format/features.ts";
import * as f from "./format/inode.ts";
import { covers, INODE, INODE_BASE_SIZE, INODE_EXTRA, inodeSizeBytes } from "./format/inode.ts";
import type { Geometry } from "./geometry.ts";

/** Bit n: there are files of type n (mode >> 12). */
const TYPES = 0b1_0101_0101_0110;

const TWO_32 = 2 ** 32;

/** Flags of features that no image has that gets this far. */
const FOREIGN_FLAGS: readonly (readonly [mask: number, name: string])[] = [
  [f.FL_INLINE_DATA, "INLINE_DATA"],
  [f.FL_ENCRYPT, "ENCRYPT"],
  [f.FL_CASEFOLD, "CASEFOLD"],
  [f.FL_EA_INODE, "EA_INODE"],
];
const FOREIGN = FOREIGN_FLAGS.reduce((all, [mask]) => all | mask, 0);

/**
 * The record of an inode that something of the system leads to: it must be in use.
 * @throws CorruptionError naming the field
 */
export function verifySystemInode(
  geometry: Geometry,
  view: DataView,
  at: number,
  ino: number,
): void {
  const links = INODE.linksCount.get(view, at);
  verify(links > 0, "ext4_inode", `inode ${ino}`, "linksCount", links, "an inode in use");
  verifyInode(geometry, view, at, ino, true, false);
}

/**
 * The record at `at`. `stamped`: its checksum is up to date. `orphan`: it may be without links.
 * @throws FsError ESTALE where it is free; CorruptionError naming the field
 */
export function verifyInode(
  geometry: Geometry,
  view: DataView,
  at: number,
  ino: number,
  stamped: boolean,
  orphan: boolean,
): void {
  const where = `inode ${ino}`;
  const links = INODE.linksCount.get(view, at);
  const mode = INODE.mode.get(view, at);
  verifyExtraSize(geometry, view, at, where);
  if (geometry.metadataCsum && stamped) verifyChecksum(geometry, view, at, ino);
  if (links === 0 && (mode === 0 || !orphan)) throw new FsError("ESTALE", `${where} is free`);
  const exists = ((TYPES >>> (mode >>> 12)) & 1) === 1;
  if (!exists) corrupt("ext4_inode", where, "mode", mode, "a type that there is");
  verifyFlags(geometry, view, at, where);
  verifyBlocks(geometry, view, at, where);
  verifySize(geometry, view, at, where);
}

/** What the checksum of the record should be: all of it, with both halves taken as zero. */
export function recordChecksum(
  geometry: Geometry,
  view: DataView,
  record: number,
  ino: number,
): number {
  const { inodeSize } = geometry;
  const generation = INODE.generation.get(view, record);
  const lo = INODE.checksumLo.offset;
  let crc = crcRaw(inodeSeed(geometry.csumSeed, ino, generation), view, record, lo);
  crc = crcZeros(crc, 2);
  if (inodeSize === INODE_BASE_SIZE) return crcRaw(crc, view, record + lo + 2, 128 - lo - 2);
  const hi = INODE_EXTRA.checksumHi.offset;
  if (!covers(INODE_EXTRA.extraIsize.get(view, record), INODE_EXTRA.checksumHi)) {
    return crcRaw(crc, view, record + lo + 2, inodeSize - lo - 2);
  }
  crc = crcRaw(crc, view, record + lo + 2, hi - lo - 2);
  crc = crcZeros(crc, 2);
  return crcRaw(crc, view, record + hi + 2, inodeSize - hi - 2);
}

function verifyExtraSize(geometry: Geometry, view: DataView, at: number, where: string): void {
  if (geometry.inodeSize === INODE_BASE_SIZE) return;
  const extra = INODE_EXTRA.extraIsize.get(view, at);
  const max = geometry.inodeSize - INODE_BASE_SIZE;
  verify(extra <= max, "ext4_inode", where, "extraIsize", extra, `<= ${max}`);
  verify(extra % 4 === 0, "ext4_inode", where, "extraIsize", extra, "a multiple of 4");
}

function verifyChecksum(geometry: Geometry, view: DataView, at: number, ino: number): void {
  const wanted = recordChecksum(geometry, view, at, ino);
  let found = INODE.checksumLo.get(view, at);
  const wide =
    geometry.inodeSize > INODE_BASE_SIZE &&
    covers(INODE_EXTRA.extraIsize.get(view, at), INODE_EXTRA.checksumHi);
  if (wide) found += INODE_EXTRA.checksumHi.get(view, at) * 0x10000;
  const expected = wide ? wanted : wanted & 0xffff;
  if (found !== expected) corrupt("ext4_inode", `inode ${ino}`, "checksum", found, expected);
}

function verifyFlags(geometry: Geometry, view: DataView, at: number, where: string): void {
  const flags = INODE.flags.get(view, at);
  if ((flags & FOREIGN) !== 0) {
    const foreign = FOREIGN_FLAGS.find(([mask]) => (flags & mask) !== 0);
    assert(foreign !== undefined, "a flag of the mask has a name");
    corrupt("ext4_inode", where, "flags", foreign[1], "flags of features that the image has");
  }
  const mapped = (flags & f.FL_EXTENTS) === 0 || (geometry.incompat & INCOMPAT_EXTENTS) !== 0;
  verify(mapped, "ext4_inode", where, "flags", "EXTENTS", "block pointers, without the feature");
  const huge = (flags & f.FL_HUGE_FILE) === 0 || geometry.hugeFile;
  verify(huge, "ext4_inode", where, "flags", "HUGE_FILE", "sectors, without the feature");
}

function verifyBlocks(geometry: Geometry, view: DataView, at: number, where: string): void {
  let acl = INODE.fileAclLo.get(view, at);
  if ((geometry.incompat & INCOMPAT_64BIT) !== 0) acl += INODE.fileAclHi.get(view, at) * TWO_32;
  if (acl === 0) return;
  const { blockCount, firstDataBlock } = geometry;
  const inside = acl > firstDataBlock && acl < blockCount;
  if (!inside) {
    corrupt("ext4_inode", where, "fileAcl", acl, `${firstDataBlock + 1} to ${blockCount - 1}`);
  }
}

function verifySize(geometry: Geometry, view: DataView, at: number, where: string): void {
  const mode = INODE.mode.get(view, at);
  const size = inodeSizeBytes(view, at);
  let max = TWO_32 - 1;
  if (isRegular(mode)) {
    const extents = (INODE.flags.get(view, at) & f.FL_EXTENTS) !== 0;
    max = fileSizeMax(geometry, extents);
  } else if (isSymlink(mode)) {
    max = geometry.blockSize - 1;
    verify(size > 0, "ext4_inode", where, "size", size, "a target of at least one byte");
  }
  if (size > max) corrupt("ext4_inode", where, "size", size, `<= ${max}`);
}

/** Bytes of the largest file: 2^32 - 1 blocks in extents; as far as the pointers lead; and below
 * what the count of sectors can say where the image has no huge_file. */
export function fileSizeMax(geometry: Geometry, extents: boolean): number {
  const { blockSize } = geometry;
  if (extents) return (TWO_32 - 1) * blockSize;
  const perBlock = blockSize / 4;
  const blocks = 12 + perBlock + perBlock ** 2 + perBlock ** 3;
  return Math.min(blocks, TWO_32 - 1) * blockSize;
}

/** Have new inodes room for nanoseconds and the bits beyond 2038? */
export const hasWideTimes = (geometry: Geometry): boolean =>
  geometry.inodeSize > INODE_BASE_SIZE && covers(geometry.extraIsize, INODE_EXTRA.atimeExtra);

/** Nanoseconds: old records have whole seconds alone. */
export const timeGranularity = (geometry: Geometry): number =>
  hasWideTimes(geometry) ? 1 : 1_000_000_000;
