/**
 * Pass 1: extended attributes, in the rest of an inode and in blocks that inodes share.
 *
 * A block is verified when the first inode leads to it. Only blocks that claim several users are
 * remembered, to count them.
 */
import { crcRaw, crcU64, crcZeros } from "../checksum.ts";
import { COMPAT_EXT_ATTR } from "../format/features.ts";
import {
  padded,
  XATTR_BODY_HEADER,
  XATTR_BODY_HEADER_SIZE,
  XATTR_END_SIZE,
  XATTR_ENTRY,
  XATTR_ENTRY_SIZE,
  XATTR_HEADER,
  XATTR_HEADER_SIZE,
  XATTR_MAGIC,
} from "../format/xattr.ts";
import { Claims } from "./claims.ts";
import type { Image } from "./image.ts";

const ENTRY = "ext4_xattr_entry";
const HEADER = "ext4_xattr_header";

/** Largest block. */
const AREA_MAX = 4096;

/** A run of entries and values. */
interface Area {
  readonly view: DataView;
  /** First entry. */
  readonly start: number;
  readonly end: number;
  /** What value offsets count from. */
  readonly base: number;
  readonly where: string;
  readonly isBlock: boolean;
}

export class Xattrs {
  private readonly image: Image;
  private readonly claims: Claims;
  /** Blocks seen. */
  private readonly blocks: Claims;
  /** Users still to come, of blocks that claim more than one. */
  private readonly expected = new Map<number, number>();
  /** Bytes of the area that something stands in. */
  private readonly taken = new Uint8Array(AREA_MAX);

  constructor(image: Image, claims: Claims) {
    this.image = image;
    this.claims = claims;
    this.blocks = new Claims(image.geometry);
  }

  /** What stands behind the fields of the inode, from `start` to `end`. */
  checkBody(view: DataView, start: number, end: number, ino: number): void {
    if (end - start < XATTR_BODY_HEADER_SIZE + XATTR_END_SIZE) return;
    if (XATTR_BODY_HEADER.magic.get(view, start) !== XATTR_MAGIC) return;
    const first = start + XATTR_BODY_HEADER_SIZE;
    const where = `inode ${ino}`;
    this.checkArea({ view, start: first, end, base: first, where, isBlock: false });
  }

  /** i_file_acl of an inode leads to `pblk`. Returns whether the inode has that block. */
  checkBlock(pblk: number, ino: number): boolean {
    const { image, blocks } = this;
    const where = `inode ${ino}`;
    if (!image.isOnDevice(pblk)) {
      image.findings.add("ext4_inode", where, "fileAcl", pblk, "a block of the device");
      return false;
    }
    if ((image.geometry.compat & COMPAT_EXT_ATTR) === 0) {
      image.findings.add("ext4_inode", where, "fileAcl", pblk, "0 without ext_attr");
    }
    if (blocks.has(pblk)) {
      this.countUser(pblk, where);
      return true;
    }
    blocks.claim(pblk, 1);
    if (this.claims.claim(pblk, 1) > 0) {
      image.findings.add("ext4_inode", where, "fileAcl", pblk, "a block that nothing else has");
      return true;
    }
    if (image.open(pblk)) this.verifyBlock(pblk);
    return true;
  }

  /** All inodes were seen. */
  checkCounts(): void {
    for (const [pblk, left] of this.expected) {
      if (left === 0) continue;
      const expected = `${left} fewer`;
      this.image.findings.add(HEADER, `block ${pblk}`, "refcount", "too high", expected);
    }
  }

  private countUser(pblk: number, where: string): void {
    const left = this.expected.get(pblk) ?? 0;
    if (left === 0) {
      this.image.findings.add(HEADER, `block ${pblk}`, "refcount", "too low", `also ${where}`);
    } else {
      this.expected.set(pblk, left - 1);
    }
  }

  private verifyBlock(pblk: number): void {
    const { view, at, geometry, findings } = this.image;
    const where = `block ${pblk}`;
    const magic = XATTR_HEADER.magic.get(view, at);
    const refcount = XATTR_HEADER.refcount.get(view, at);
    const blocks = XATTR_HEADER.blocks.get(view, at);
    if (refcount !== 1) this.expected.set(pblk, Math.max(0, refcount - 1));
    if (refcount === 0) findings.add(HEADER, where, "refcount", 0, "at least 1");
    if (magic !== XATTR_MAGIC) {
      findings.add(HEADER, where, "magic", magic, XATTR_MAGIC);
      return;
    }
    if (blocks !== 1) findings.add(HEADER, where, "blocks", blocks, 1);
    if (geometry.metadataCsum) {
      const found = XATTR_HEADER.checksum.get(view, at);
      const expected = this.blockChecksum(view, at, pblk);
      if (found !== expected) findings.add(HEADER, where, "checksum", found, expected);
    }
    const end = at + geometry.blockSize;
    const start = at + XATTR_HEADER_SIZE;
    this.checkArea({ view, start, end, base: at, where, isBlock: true });
  }

  private blockChecksum(view: DataView, at: number, pblk: number): number {
    const { csumSeed, blockSize } = this.image.geometry;
    const { offset, size } = XATTR_HEADER.checksum;
    const head = crcRaw(crcU64(csumSeed, pblk), view, at, offset);
    const after = offset + size;
    return crcRaw(crcZeros(head, size), view, at + after, blockSize - after);
  }

  private checkArea(area: Area): void {
    const { view, start, end, where, isBlock } = area;
    this.taken.fill(0);
    let previous = -1;
    let total = 0;
    let last = start;
    for (let at = start; ; last = at) {
      if (at + XATTR_END_SIZE > end) {
        this.image.findings.add(ENTRY, where, "entries", at - start, "an end inside the area");
        return;
      }
      if (view.getUint32(at, true) === 0) break;
      if (!this.checkEntry(area, at)) return;
      if (isBlock && previous >= 0 && compareEntries(view, previous, at) >= 0) {
        this.image.findings.add(ENTRY, where, "name", at - start, "entries in order");
      }
      previous = at;
      const hash = XATTR_ENTRY.hash.get(view, at);
      total = hash === 0 || total < 0 ? -1 : ((total << 16) ^ (total >>> 16) ^ hash) >>> 0;
      at += XATTR_ENTRY_SIZE + padded(XATTR_ENTRY.nameLength.get(view, at));
    }
    if (isBlock) this.checkTotal(area, Math.max(0, total));
    if (!this.take(area, last, last + XATTR_END_SIZE)) {
      this.image.findings.add(ENTRY, where, "end", last - start, "zeros that no value stands in");
    }
  }

  private checkTotal({ view, base, where }: Area, expected: number): void {
    const found = XATTR_HEADER.hash.get(view, base);
    if (found !== expected && found !== 0) {
      this.image.findings.add(HEADER, where, "hash", found, expected);
    }
  }

  /** False where nothing behind the entry is to be believed. */
  private checkEntry(area: Area, at: number): boolean {
    const { view, start, end, base, where } = area;
    const { findings } = this.image;
    const place = `${where}, entry at ${at - start}`;
    const nameLength = XATTR_ENTRY.nameLength.get(view, at);
    const next = at + XATTR_ENTRY_SIZE + padded(nameLength);
    const nameIndex = XATTR_ENTRY.nameIndex.get(view, at);
    if (next > end || nameIndex === 0 || !this.take(area, at, next)) {
      findings.add(ENTRY, place, "nameLength", nameLength, "a name inside the area");
      return false;
    }
    const ino = XATTR_ENTRY.valueIno.get(view, at);
    if (ino !== 0) findings.add(ENTRY, place, "valueIno", ino, "0 without ea_inode");
    const size = XATTR_ENTRY.valueSize.get(view, at);
    const offset = XATTR_ENTRY.valueOffset.get(view, at);
    const value = base + offset;
    const room = end - base;
    if (size > room || offset > room || offset + padded(size) > room) {
      findings.add(ENTRY, place, "valueOffset", `${size} at ${offset}`, "a value inside the area");
      return false;
    }
    if (size > 0 && (value < start || !this.take(area, value, value + padded(size)))) {
      findings.add(ENTRY, place, "valueOffset", `${size} at ${offset}`, "a place of its own");
      return false;
    }
    const hash = XATTR_ENTRY.hash.get(view, at);
    const isRight = hash === 0 || isHashOf(view, at, value, size, hash);
    if (!isRight) findings.add(ENTRY, place, "hash", hash, "that of name and value");
    return true;
  }

  /** Take the bytes from `at` to `end`; false where something stands there. */
  private take({ view, end: areaEnd, base }: Area, at: number, end: number): boolean {
    if (at < base || end > areaEnd || end > view.byteLength) return false;
    for (let byte = at - base; byte < end - base; byte++) {
      if (this.taken[byte] === 1) return false;
      this.taken[byte] = 1;
    }
    return true;
  }
}

/** By index, length of name, name. */
function compareEntries(view: DataView, a: number, b: number): number {
  const { nameIndex, nameLength } = XATTR_ENTRY;
  const byIndex = nameIndex.get(view, a) - nameIndex.get(view, b);
  if (byIndex !== 0) return byIndex;
  const length = nameLength.get(view, a);
  const byLength = length - nameLength.get(view, b);
  if (byLength !== 0) return byLength;
  for (let byte = XATTR_ENTRY_SIZE; byte < XATTR_ENTRY_SIZE + length; byte++) {
    const difference = view.getUint8(a + byte) - view.getUint8(b + byte);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Is `hash` that of the entry at `at`? Bytes of names were once added as signed numbers: either is
 * right. */
function isHashOf(view: DataView, at: number, value: number, size: number, hash: number): boolean {
  return (
    hash === entryHash(view, at, value, size, false) ||
    hash === entryHash(view, at, value, size, true)
  );
}

function entryHash(
  view: DataView,
  at: number,
  value: number,
  size: number,
  signed: boolean,
): number {
  let hash = 0;
  const nameAt = at + XATTR_ENTRY_SIZE;
  const length = XATTR_ENTRY.nameLength.get(view, at);
  for (let byte = nameAt; byte < nameAt + length; byte++) {
    const next = signed ? view.getInt8(byte) : view.getUint8(byte);
    hash = (hash << 5) ^ (hash >>> 27) ^ next;
  }
  for (let done = 0; done < size; done += 4) {
    hash = (hash << 16) ^ (hash >>> 16) ^ view.getInt32(value + done, true);
  }
  return hash >>> 0;
}
