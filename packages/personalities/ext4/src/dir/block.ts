/**
 * One block of a directory: its verifier, its checksum, and entries in it.
 *
 * Linear blocks, leaves and index blocks are one kind of buffer, because a block turns from one into
 * another when a directory becomes indexed. With metadata_csum the chain of entries tells which it
 * is: only index blocks have no tail. Without, an index block cannot be told from an empty leaf here;
 * index.ts verifies what it uses as one.
 */
import { assert, corrupt, verify } from "@xiplab/core";
import type { BlockKind, Buffer } from "../buffers.ts";
import { crcRaw, crcZeros } from "../checksum.ts";
import {
  DIR_TAIL,
  DIR_TAIL_FT,
  DIR_TAIL_SIZE,
  DIRENT,
  DIRENT_ALIGN,
  DIRENT_HEAD,
  DIRENT_MIN,
  direntSize,
} from "../format/dirent.ts";
import {
  DX_COUNT_LIMIT,
  DX_ENTRY_SIZE,
  DX_NODE_ENTRIES_AT,
  DX_ROOT_ENTRIES_AT,
  DX_TAIL,
  dxLimit,
} from "../format/htree.ts";
import type { Geometry } from "../geometry.ts";
import type { Volume } from "../volume.ts";

const NAME = "ext4_dir_block";
/** In `Buffer.slots`: the checksum is to be computed at commit. Else every change kept it right. */
const WHOLE = 0;

export const DIR_BLOCK: BlockKind = {
  name: NAME,
  verify(geometry: Geometry, buffer: Buffer): void {
    if (geometry.metadataCsum) verifyChecksum(geometry, buffer);
    verifyChain(geometry, buffer);
  },
  stamp(geometry: Geometry, buffer: Buffer): void {
    if (!geometry.metadataCsum) return;
    if (!buffer.slots.delete(WHOLE)) return;
    const { at, owner, view } = buffer;
    const entriesAt = indexEntriesAt(geometry, buffer);
    if (entriesAt === 0) {
      assert(hasTail(geometry, buffer), "a block of entries has a tail");
      const end = entriesEnd(geometry);
      DIR_TAIL.checksum.set(view, at + end, crcRaw(owner, view, at, end));
    } else {
      const tail = indexTailAt(geometry, entriesAt);
      DX_TAIL.checksum.set(view, at + tail, indexChecksum(buffer, entriesAt, tail));
    }
  },
  covered(geometry: Geometry, buffer: Buffer): number {
    const isLeaf = geometry.metadataCsum && indexEntriesAt(geometry, buffer) === 0;
    return isLeaf ? entriesEnd(geometry) : 0;
  },
};

/** Does the block end in a tail with a checksum? */
function hasTail(geometry: Geometry, { at, view }: Buffer): boolean {
  const tail = at + geometry.blockSize - DIR_TAIL_SIZE;
  return (
    DIR_TAIL.reservedZero1.get(view, tail) === 0 &&
    DIR_TAIL.recLen.get(view, tail) === DIR_TAIL_SIZE &&
    DIR_TAIL.reservedZero2.get(view, tail) === 0 &&
    DIR_TAIL.reservedFt.get(view, tail) === DIR_TAIL_FT
  );
}

/**
 * Where index entries begin if the block is shaped as an index block; else 0. Asked before `hasTail`:
 * what a tail left behind may stand in a root that the kernel made of a block of entries.
 */
export function indexEntriesAt(geometry: Geometry, { at, view }: Buffer): number {
  const { blockSize } = geometry;
  const length = DIRENT.recLen.get(view, at);
  if (DIRENT.inode.get(view, at) === 0) return length === blockSize ? DX_NODE_ENTRIES_AT : 0;
  if (length !== DIRENT_MIN) return 0;
  const second = DIRENT.recLen.get(view, at + DIRENT_MIN);
  return second === blockSize - DIRENT_MIN ? DX_ROOT_ENTRIES_AT : 0;
}

const indexTailAt = (geometry: Geometry, entriesAt: number): number =>
  entriesAt + dxLimit(geometry.blockSize, entriesAt, true) * DX_ENTRY_SIZE;

/** Of what the entries cover, then the tail with a checksum of zero. */
function indexChecksum({ at, owner, view }: Buffer, entriesAt: number, tail: number): number {
  const count = DX_COUNT_LIMIT.count.get(view, at + entriesAt);
  const covered = crcRaw(owner, view, at, entriesAt + count * DX_ENTRY_SIZE);
  return crcZeros(crcRaw(covered, view, at + tail, 4), 4);
}

function verifyChecksum(geometry: Geometry, buffer: Buffer): void {
  const { at, owner, pblk, view } = buffer;
  const where = geometry.pblkToDevByte(pblk);
  const entriesAt = indexEntriesAt(geometry, buffer);
  if (entriesAt === 0) {
    verify(hasTail(geometry, buffer), NAME, where, "tail", "none", "a tail with a checksum");
    const end = entriesEnd(geometry);
    const found = DIR_TAIL.checksum.get(view, at + end);
    const expected = crcRaw(owner, view, at, end);
    verify(found === expected, "ext4_dir_entry_tail", where, "checksum", found, expected);
    return;
  }
  const limit = DX_COUNT_LIMIT.limit.get(view, at + entriesAt);
  const limitMax = dxLimit(geometry.blockSize, entriesAt, true);
  verify(limit === limitMax, "dx_countlimit", where, "limit", limit, limitMax);
  const count = DX_COUNT_LIMIT.count.get(view, at + entriesAt);
  verify(count <= limit, "dx_countlimit", where, "count", count, `<= ${limit}`);
  const tail = indexTailAt(geometry, entriesAt);
  const found = DX_TAIL.checksum.get(view, at + tail);
  const expected = indexChecksum(buffer, entriesAt, tail);
  verify(found === expected, "dx_tail", where, "checksum", found, expected);
}

/** The chain of entries: every step is positive, and it ends with the block. */
function verifyChain(geometry: Geometry, { at, pblk, view }: Buffer): void {
  const { blockSize, inodeCount } = geometry;
  const where = geometry.pblkToDevByte(pblk);
  for (let offset = 0; offset < blockSize;) {
    const entry = at + offset;
    const length = DIRENT.recLen.get(view, entry);
    const nameLength = DIRENT.nameLen.get(view, entry);
    const ino = DIRENT.inode.get(view, entry);
    const shaped =
      length % DIRENT_ALIGN === 0 &&
      length >= DIRENT_MIN &&
      length >= direntSize(nameLength) &&
      offset + length <= blockSize;
    if (!shaped) {
      const expected = `room for ${nameLength} bytes, in the block, a multiple of 4`;
      corrupt("ext4_dir_entry_2", where + offset, "recLen", length, expected);
    }
    if (ino !== 0) {
      if (ino > inodeCount) {
        corrupt("ext4_dir_entry_2", where + offset, "inode", ino, `<= ${inodeCount}`);
      }
      verifyName(view, entry + DIRENT_HEAD, nameLength, where + offset, offset);
    }
    offset += length;
  }
}

export const DOT = 0x2e;
const SLASH = 0x2f;

function verifyName(
  view: DataView,
  at: number,
  length: number,
  where: number,
  offset: number,
): void {
  if (length === 0) corrupt("ext4_dir_entry_2", where, "nameLen", 0, "at least 1");
  for (let index = 0; index < length; index++) {
    const byte = view.getUint8(at + index);
    if (byte === 0 || byte === SLASH) {
      corrupt("ext4_dir_entry_2", where, "name", `byte ${byte}`, "neither NUL nor a slash");
    }
  }
  // "." and ".." stand at the start of a directory, where the caller looks for them, and nowhere else.
  if (length > 2 || view.getUint8(at) !== DOT || view.getUint8(at + length - 1) !== DOT) return;
  const placed = offset === (length - 1) * DIRENT_MIN;
  verify(placed, "ext4_dir_entry_2", where, "name", length === 1 ? "." : "..", "another");
}

/** Where entries end: behind them is only the tail, if there is one. */
export const entriesEnd = (geometry: Geometry): number =>
  geometry.metadataCsum ? geometry.blockSize - DIR_TAIL_SIZE : geometry.blockSize;

/** The block is about to change, and its checksum is computed when the transaction commits. */
export function rewrite({ buffers }: Volume, buffer: Buffer): void {
  buffers.writeSlot(buffer, WHOLE);
}

/** Is the checksum computed at commit? */
export const isRewritten = (buffer: Buffer): boolean => buffer.slots.has(WHOLE);

/** Make a new block one free entry, and its tail. */
export function initBlock(geometry: Geometry, buffer: Buffer): void {
  const { at, view } = buffer;
  assert(buffer.bytes !== null, "the buffer is being written");
  DIRENT.inode.set(view, at, 0);
  DIRENT.recLen.set(view, at, entriesEnd(geometry));
  DIRENT.nameLen.set(view, at, 0);
  DIRENT.fileType.set(view, at, 0);
  initTail(geometry, buffer);
}

/** Put the tail in, where the format has one. */
export function initTail(geometry: Geometry, { at, view }: Buffer): void {
  if (!geometry.metadataCsum) return;
  const tail = at + entriesEnd(geometry);
  DIR_TAIL.reservedZero1.set(view, tail, 0);
  DIR_TAIL.recLen.set(view, tail, DIR_TAIL_SIZE);
  DIR_TAIL.reservedZero2.set(view, tail, 0);
  DIR_TAIL.reservedFt.set(view, tail, DIR_TAIL_FT);
  DIR_TAIL.checksum.set(view, tail, 0);
}
