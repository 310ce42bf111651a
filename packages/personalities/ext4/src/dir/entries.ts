/**
 * Entries in one block: finding them, and room for them; putting them there and taking them away.
 *
 * A change of a few bytes keeps the checksum of the block right as it goes: a checksum is linear, so
 * that what the changed bytes add to it, moved to the end of the block, is what it changes by. That
 * takes a twentieth of the time of computing it anew, and names of a large directory come and go in
 * other blocks each time. A block that one transaction changes more often has it computed at commit.
 */
import { assert, NO_INO } from "@xiplab/core";
import type { Buffer } from "../buffers.ts";
import { crcRaw } from "../checksum.ts";
import { DIR_TAIL, DIRENT, DIRENT_HEAD, direntSize } from "../format/dirent.ts";
import type { Geometry } from "../geometry.ts";
import { crcZeroRun } from "../journal/crc-zeros.ts";
import type { Volume } from "../volume.ts";
import { DOT, entriesEnd, indexEntriesAt, initTail, isRewritten, rewrite } from "./block.ts";
import type { NameKey } from "./key.ts";

/** Is the entry in use, with a name of its own: neither "." nor ".."? */
export function isListed({ at, view }: Buffer, offset: number): boolean {
  const entry = at + offset;
  if (DIRENT.inode.get(view, entry) === 0) return false;
  if (view.getUint8(entry + DIRENT_HEAD) !== DOT) return true;
  const length = DIRENT.nameLen.get(view, entry);
  return length > 2 || view.getUint8(entry + DIRENT_HEAD + length - 1) !== DOT;
}

/** Has the block no names but "." and ".."? */
export function isUnlisted(geometry: Geometry, buffer: Buffer): boolean {
  for (let offset = 0; offset < geometry.blockSize;) {
    if (isListed(buffer, offset)) return false;
    offset += DIRENT.recLen.get(buffer.view, buffer.at + offset);
  }
  return true;
}

/** Of the entry that `findEntry` found last: the one before it, or 0. */
let entryBefore = 0;

/** See `entryBefore`: used before anybody looks again. */
export const lastEntryBefore = (): number => entryBefore;

/** The entry with that name, from the start of the block, or -1. HOT. */
export function findEntry(geometry: Geometry, buffer: Buffer, key: NameKey): number {
  const { at, view } = buffer;
  const { last, lastMask, length } = key;
  const end = at + geometry.blockSize;
  let before = at;
  for (let entry = at; entry < end;) {
    // recLen, nameLen and type in one load: literal offsets, see the field table.
    const head = view.getUint32(entry + 4, true);
    if (
      ((head >>> 16) & 0xff) === length &&
      (view.getInt32(entry + 4 + length) & lastMask) === last &&
      view.getUint32(entry, true) !== 0 &&
      key.equals(view, entry + DIRENT_HEAD)
    ) {
      entryBefore = before - at;
      return entry - at;
    }
    before = entry;
    entry += head & 0xffff;
  }
  return -1;
}

/** An entry that is free, or has room behind its name, for `size` bytes; or -1. HOT. */
export function findRoom(geometry: Geometry, buffer: Buffer, size: number): number {
  const { at, view } = buffer;
  // What was an index block before a writer that knows no indexes cleared the flag has no tail yet:
  // its last entry covers the place where it comes.
  const end = at + entriesEnd(geometry);
  for (let entry = at; entry < end;) {
    const head = view.getUint32(entry + 4, true);
    const length = Math.min(head & 0xffff, end - entry);
    // A free entry gives all it has.
    if (length >= size) {
      const used = view.getUint32(entry, true) === 0 ? 0 : direntSize((head >>> 16) & 0xff);
      if (length - used >= size) return entry - at;
    }
    entry += length;
  }
  return -1;
}

/** Put a name where `findRoom` found room. Inside a handle. */
export function placeEntry(
  volume: Volume,
  buffer: Buffer,
  offset: number,
  key: NameKey,
  ino: number,
  fileType: number,
): void {
  const { geometry } = volume;
  volume.buffers.write(buffer);
  if (geometry.metadataCsum && indexEntriesAt(geometry, buffer) > 0) cutTail(volume, buffer);
  const { at, view } = buffer;
  const host = at + offset;
  const isFree = DIRENT.inode.get(view, host) === NO_INO;
  const used = isFree ? 0 : direntSize(DIRENT.nameLen.get(view, host));
  const length = DIRENT.recLen.get(view, host) - used;
  assert(length >= direntSize(key.length), "the name has room");
  const changed = used + DIRENT_HEAD + key.length;
  beginEdit(volume, buffer, offset, changed);
  const entry = host + used;
  if (used > 0) DIRENT.recLen.set(view, host, used);
  DIRENT.inode.set(view, entry, ino);
  DIRENT.recLen.set(view, entry, length);
  DIRENT.nameLen.set(view, entry, key.length);
  DIRENT.fileType.set(view, entry, fileType);
  key.copyTo(view, entry + DIRENT_HEAD);
  endEdit(geometry, buffer, offset, changed);
}

/** Of a former index block: the last entry gives up the end of the block to a tail. */
function cutTail(volume: Volume, buffer: Buffer): void {
  const { geometry } = volume;
  rewrite(volume, buffer);
  const { at, view } = buffer;
  const end = at + entriesEnd(geometry);
  let entry = at;
  while (entry + DIRENT.recLen.get(view, entry) < end) entry += DIRENT.recLen.get(view, entry);
  DIRENT.recLen.set(view, entry, end - entry);
  initTail(geometry, buffer);
}

/** Have an entry lead to another inode. Inside a handle. */
export function pointEntry(
  volume: Volume,
  buffer: Buffer,
  offset: number,
  ino: number,
  fileType: number,
): void {
  const { geometry } = volume;
  volume.buffers.write(buffer);
  beginEdit(volume, buffer, offset, DIRENT_HEAD);
  DIRENT.inode.set(buffer.view, buffer.at + offset, ino);
  DIRENT.fileType.set(buffer.view, buffer.at + offset, fileType);
  endEdit(geometry, buffer, offset, DIRENT_HEAD);
}

/**
 * Make an entry free: `before`, the one in front of it, takes its bytes, where there is one. Inside a
 * handle.
 */
export function removeEntry(volume: Volume, buffer: Buffer, offset: number, before: number): void {
  const { geometry } = volume;
  volume.buffers.write(buffer);
  const { at, view } = buffer;
  if (offset > 0) {
    const behind = before + DIRENT.recLen.get(view, at + before);
    assert(behind === offset, "entries follow each other");
  }
  const entry = at + offset;
  const length = DIRENT.recLen.get(view, entry);
  const end = offset + direntSize(DIRENT.nameLen.get(view, entry));
  beginEdit(volume, buffer, before, end - before);
  // What the name was is nobody's business any more.
  for (let byte = entry; byte < at + end; byte++) view.setUint8(byte, 0);
  if (offset === 0) DIRENT.recLen.set(view, entry, length);
  else DIRENT.recLen.set(view, at + before, DIRENT.recLen.get(view, at + before) + length);
  endEdit(geometry, buffer, before, end - before);
}

/** Changes of a block in one transaction after which its checksum waits for the commit. */
const EDITS_MAX = 8;

/** Checksum of the bytes that are being changed, as they were. */
let checksumBefore = 0;

const keepsChecksum = (geometry: Geometry, buffer: Buffer): boolean =>
  geometry.metadataCsum && !isRewritten(buffer);

/** Bytes `offset` to `offset + length` of a block that is being written are about to change. */
function beginEdit(volume: Volume, buffer: Buffer, offset: number, length: number): void {
  const { geometry } = volume;
  assert(buffer.bytes !== null, "the buffer is being written");
  if (!keepsChecksum(geometry, buffer)) return;
  if (++buffer.edits > EDITS_MAX) return rewrite(volume, buffer);
  checksumBefore = crcRaw(0, buffer.view, buffer.at + offset, length);
}

/** They were changed: the checksum follows. */
function endEdit(geometry: Geometry, buffer: Buffer, offset: number, length: number): void {
  if (!keepsChecksum(geometry, buffer)) return;
  const { at, view } = buffer;
  const end = entriesEnd(geometry);
  assert(offset + length <= end, "entries end before the tail");
  const change = (checksumBefore ^ crcRaw(0, view, at + offset, length)) >>> 0;
  const moved = crcZeroRun(change, end - offset - length);
  const checksum = DIR_TAIL.checksum.get(view, at + end);
  DIR_TAIL.checksum.set(view, at + end, (checksum ^ moved) >>> 0);
}
