/**
 * Attributes in a block of their own. Inodes with the same attributes share one block, which counts
 * them and is copied when one of them changes. Blocks that were seen are found again by the hash of
 * their entries, through a small index in memory.
 */
import { assert, type Pblk, verify } from "@xiplab/core";
import type { BlockKind, Buffer } from "../buffers.ts";
import { crcRaw, crcU64, crcZeros } from "../checksum.ts";
import * as x from "../format/xattr.ts";
import { XATTR_HEADER, XATTR_HEADER_SIZE } from "../format/xattr.ts";
import type { Geometry } from "../geometry.ts";
import type { Ext4Inode } from "../inode.ts";
import type { BlockRun, Volume } from "../volume.ts";
import {
  areEqual,
  compareXattrs,
  readEntries,
  sizeOfEntries,
  writeEntries,
  type Xattr,
  type XattrArea,
} from "./entries.ts";

/** Blocks that the index knows. */
const INDEX_MAX = 1024;

const XATTR_BLOCK: BlockKind = {
  name: "ext4_xattr_header",
  verify(geometry, buffer) {
    const { view, at } = buffer;
    const where = `block ${buffer.pblk}`;
    const magic = XATTR_HEADER.magic.get(view, at);
    verify(magic === x.XATTR_MAGIC, this.name, where, "magic", magic, x.XATTR_MAGIC);
    if (geometry.metadataCsum) {
      const found = XATTR_HEADER.checksum.get(view, at);
      const expected = checksumOf(geometry, buffer);
      verify(found === expected, this.name, where, "checksum", found, expected);
    }
    const blocks = XATTR_HEADER.blocks.get(view, at);
    verify(blocks === 1, this.name, where, "blocks", blocks, 1);
    const count = XATTR_HEADER.refcount.get(view, at);
    const counts = count >= 1 && count <= x.XATTR_REFCOUNT_MAX;
    verify(counts, this.name, where, "refcount", count, `1 to ${x.XATTR_REFCOUNT_MAX}`);
    readEntries(areaOf(geometry, buffer));
  },
  stamp(geometry, buffer) {
    if (!geometry.metadataCsum) return;
    XATTR_HEADER.checksum.set(buffer.view, buffer.at, checksumOf(geometry, buffer));
  },
};

/** Of the block's number and the block, with the checksum taken as zero. */
function checksumOf(geometry: Geometry, { view, at, pblk }: Buffer): number {
  const { offset, size } = XATTR_HEADER.checksum;
  let crc = crcRaw(crcU64(geometry.csumSeed, pblk), view, at, offset);
  crc = crcZeros(crc, size);
  const rest = offset + size;
  return crcRaw(crc, view, at + rest, geometry.blockSize - rest);
}

function areaOf(geometry: Geometry, { view, at, pblk }: Buffer): XattrArea {
  const start = at + XATTR_HEADER_SIZE;
  return { view, start, end: at + geometry.blockSize, base: at, where: `block ${pblk}` };
}

/** Blocks by the hash of their entries: those that were seen last. */
export class XattrBlocks {
  private readonly byHash = new Map<number, number>();

  find(hash: number): number {
    return this.byHash.get(hash) ?? 0;
  }

  remember(hash: number, pblk: number): void {
    if (hash === 0) return;
    this.byHash.delete(hash);
    this.byHash.set(hash, pblk);
    if (this.byHash.size <= INDEX_MAX) return;
    for (const oldest of this.byHash.keys()) {
      this.byHash.delete(oldest);
      break;
    }
  }

  /** The block does not have these entries any more. */
  forget(hash: number, pblk: number): void {
    if (this.byHash.get(hash) === pblk) this.byHash.delete(hash);
  }
}

/** @throws CorruptionError */
export function readBlock(volume: Volume, inode: Ext4Inode): Xattr[] {
  if (inode.fileAcl === 0) return [];
  const buffer = bufferOf(volume, inode.fileAcl);
  volume.xattrBlocks.remember(XATTR_HEADER.hash.get(buffer.view, buffer.at), buffer.pblk);
  return readEntries(areaOf(volume.geometry, buffer));
}

export const fitsBlock = (volume: Volume, list: readonly Xattr[]): boolean =>
  sizeOfEntries(list) <= volume.geometry.blockSize - XATTR_HEADER_SIZE;

/**
 * Give the inode a block with these attributes, or none for an empty list. The caller writes the
 * inode. Inside a handle. @throws FsError ENOSPC: nothing changed
 */
export function writeBlock(volume: Volume, inode: Ext4Inode, list: Xattr[]): void {
  assert(list.length === 0 || fitsBlock(volume, list), "the attributes fit");
  if (list.length === 0) {
    releaseBlock(volume, inode);
    return;
  }
  const sorted = list.toSorted(compareXattrs);
  const bytes = encode(volume.geometry, sorted);
  const hash = XATTR_HEADER.hash.get(new DataView(bytes.buffer), 0);
  const shared = findShared(volume, inode, sorted, hash);
  if (shared !== null) {
    if (shared.pblk === inode.fileAcl) return;
    addReferences(volume, shared, 1);
    replaceBlock(volume, inode, shared.pblk);
    return;
  }
  if (isOnlyOwner(volume, inode)) {
    const buffer = bufferOf(volume, inode.fileAcl);
    volume.xattrBlocks.forget(XATTR_HEADER.hash.get(buffer.view, buffer.at), buffer.pblk);
    volume.buffers.write(buffer);
    fill(buffer, bytes);
    volume.xattrBlocks.remember(hash, buffer.pblk);
    return;
  }
  const pblk = allocate(volume, inode);
  fill(volume.buffers.create(pblk, XATTR_BLOCK, 0), bytes);
  volume.xattrBlocks.remember(hash, pblk);
  replaceBlock(volume, inode, pblk);
}

/** The inode gives its block up. Inside a handle; the caller writes the inode. */
export function releaseBlock(volume: Volume, inode: Ext4Inode): void {
  if (inode.fileAcl !== 0) replaceBlock(volume, inode, 0);
}

function replaceBlock(volume: Volume, inode: Ext4Inode, pblk: number): void {
  const old = inode.fileAcl;
  inode.fileAcl = pblk;
  inode.blocks += Number(pblk !== 0) - Number(old !== 0);
  if (old === 0) return;
  const buffer = bufferOf(volume, old);
  if (XATTR_HEADER.refcount.get(buffer.view, buffer.at) > 1) {
    addReferences(volume, buffer, -1);
    return;
  }
  volume.xattrBlocks.forget(XATTR_HEADER.hash.get(buffer.view, buffer.at), old);
  volume.buffers.forget(old as Pblk);
  volume.balloc.free(old, 1);
}

function addReferences(volume: Volume, buffer: Buffer, by: number): void {
  volume.buffers.write(buffer);
  const count = XATTR_HEADER.refcount.get(buffer.view, buffer.at) + by;
  assert(count >= 1, "a shared block has an owner");
  XATTR_HEADER.refcount.set(buffer.view, buffer.at, count);
}

function isOnlyOwner(volume: Volume, inode: Ext4Inode): boolean {
  if (inode.fileAcl === 0) return false;
  const { view, at } = bufferOf(volume, inode.fileAcl);
  return XATTR_HEADER.refcount.get(view, at) === 1;
}

/** A block with the same attributes and room for one more owner. */
function findShared(
  volume: Volume,
  inode: Ext4Inode,
  list: readonly Xattr[],
  hash: number,
): Buffer | null {
  const pblk = volume.xattrBlocks.find(hash);
  if (pblk === 0) return null;
  const buffer = bufferOf(volume, pblk);
  const count = XATTR_HEADER.refcount.get(buffer.view, buffer.at);
  if (count >= x.XATTR_REFCOUNT_MAX && pblk !== inode.fileAcl) return null;
  return areEqual(readEntries(areaOf(volume.geometry, buffer)), list) ? buffer : null;
}

function encode(geometry: Geometry, list: readonly Xattr[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(geometry.blockSize);
  const view = new DataView(bytes.buffer);
  const end = geometry.blockSize;
  const area = { view, start: XATTR_HEADER_SIZE, end, base: 0, where: "a new block" };
  XATTR_HEADER.magic.set(view, 0, x.XATTR_MAGIC);
  XATTR_HEADER.refcount.set(view, 0, 1);
  XATTR_HEADER.blocks.set(view, 0, 1);
  XATTR_HEADER.hash.set(view, 0, writeEntries(area, list, true));
  return bytes;
}

function fill(buffer: Buffer, bytes: Uint8Array): void {
  new Uint8Array(buffer.view.buffer, buffer.view.byteOffset + buffer.at).set(bytes);
}

function allocate(volume: Volume, inode: Ext4Inode): Pblk {
  const run: BlockRun = { start: 0, length: 0 };
  volume.balloc.allocate(
    { inode, lblk: -1, length: 1, goal: 0, reserved: false, whole: false, noFail: false },
    run,
  );
  assert(run.length === 1, "one block was asked for");
  return run.start as Pblk;
}

const bufferOf = (volume: Volume, pblk: number): Buffer =>
  volume.buffers.read(pblk as Pblk, XATTR_BLOCK, 0);
