/**
 * The extents of a file on the medium. Up to 13 are in the inode record; more are in leaf blocks,
 * leaf n with extents 340 n to 340 n + 339. A commit writes the leaves with changed extents, out of
 * place, and keeps the others.
 */
import { crc32c, type Extent, ExtentMap, FsError, type PmemDevice } from "@xiplab/core";
import { PURPOSE_METADATA, SEGMENT_SIZE, sizeOf, verify } from "@xiplab/core";
import type { BlockAllocator } from "./balloc.ts";
import { EXTENT, EXTENTS_MAX, INLINE_MAX, INODE, LEAF, LEAF_MAX } from "./format/inode.ts";
import { leavesOf, seedOf, UNWRITTEN } from "./format/inode.ts";
import { BLOCK_SIZE, LBLK_MAX, pblkToDevByte, type Superblock } from "./geometry.ts";

const EXTENT_SIZE = sizeOf(EXTENT);
const LEAF_HEADER = sizeOf(LEAF);

export class Extents extends ExtentMap {
  /** Blocks of the leaves on the medium. */
  leaves: number[] = [];

  /**
   * Write the leaves that changed. Durable after the next fence. Returns whether there are any.
   * @throws FsError ENOSPC; EFBIG where the file has too many extents.
   */
  flushLeaves(device: PmemDevice, balloc: BlockAllocator, seed: number): boolean {
    const { leaves: old, list } = this;
    const wanted = leavesOf(list.length);
    if (list.length > EXTENTS_MAX) throw new FsError("EFBIG", `more than ${EXTENTS_MAX} extents`);
    this.leaves = old.slice(0, wanted);
    for (let leaf = 0; leaf < wanted; leaf++) {
      const end = (leaf + 1) * LEAF_MAX;
      const changed = end > this.changedFrom && end - LEAF_MAX < this.changedEnd;
      if (changed || leaf >= old.length) this.flushLeaf(device, balloc.allocateLeaf(), leaf, seed);
    }
    for (const block of old) if (!this.leaves.includes(block)) balloc.release(block, 1);
    this.settle();
    return wanted > 0;
  }

  private flushLeaf(device: PmemDevice, block: number, leaf: number, seed: number): void {
    const part = this.list.slice(leaf * LEAF_MAX, (leaf + 1) * LEAF_MAX);
    const bytes = new Uint8Array(LEAF_HEADER + part.length * EXTENT_SIZE);
    const view = new DataView(bytes.buffer);
    encode(part, view, LEAF_HEADER);
    LEAF.checksum.set(view, 0, crc32c(view, 4, bytes.length - 4, seed));
    device.store(pblkToDevByte(block), bytes, 0, bytes.length, PURPOSE_METADATA);
    device.flush(pblkToDevByte(block), bytes.length);
    this.leaves[leaf] = block;
  }

  /** Into the record at the start of `view`, which has been zeroed. */
  encode(view: DataView): void {
    INODE.extentCount.set(view, 0, this.list.length);
    const map = INODE.map.offset;
    if (this.leaves.length === 0) encode(this.list, view, map);
    for (const [leaf, block] of this.leaves.entries()) view.setUint32(map + 4 * leaf, block, true);
  }

  /** From the record of `ino` at `at`. Verifies all. @throws CorruptionError */
  load(device: PmemDevice, sb: Superblock, view: DataView, at: number, ino: number): void {
    const count = INODE.extentCount.get(view, at);
    const map = at + INODE.map.offset;
    verify(count <= EXTENTS_MAX, "plain inode", `inode ${ino}`, "extentCount", count, EXTENTS_MAX);
    if (count <= INLINE_MAX) this.decode(sb, view, map, count, ino);
    for (let leaf = 0; leaf < leavesOf(count); leaf++) {
      const block = view.getUint32(map + 4 * leaf, true);
      verify(isData(sb, block, 1), "plain inode", `inode ${ino}`, "leaf", block, "a data block");
      const byte = pblkToDevByte(block);
      const leafView = device.view(byte, BLOCK_SIZE);
      const leafAt = byte % SEGMENT_SIZE;
      const part = Math.min(LEAF_MAX, count - leaf * LEAF_MAX);
      const length = LEAF_HEADER - 4 + part * EXTENT_SIZE;
      const right = crc32c(leafView, leafAt + 4, length, seedOf(sb.seed, ino));
      const checksum = LEAF.checksum.get(leafView, leafAt);
      verify(checksum === right, "plain leaf", byte, "checksum", checksum, right);
      this.decode(sb, leafView, leafAt + LEAF_HEADER, part, ino);
      this.leaves.push(block);
    }
  }

  private decode(sb: Superblock, view: DataView, from: number, count: number, ino: number): void {
    for (let at = from; at < from + count * EXTENT_SIZE; at += EXTENT_SIZE) {
      const lblk = EXTENT.lblk.get(view, at);
      const word = EXTENT.length.get(view, at);
      const pblk = EXTENT.pblk.get(view, at);
      const length = word & ~UNWRITTEN;
      const last = this.list.at(-1);
      const sorted = last === undefined || lblk >= last.lblk + last.length;
      const right = sorted && length > 0 && lblk + length <= LBLK_MAX && isData(sb, pblk, length);
      const found = `${length} blocks: ${lblk} at ${pblk}`;
      verify(right, "plain extent", `inode ${ino}`, "lblk, pblk", found, "sorted, data blocks");
      this.list.push({ lblk, length, pblk, unwritten: word !== length });
    }
  }
}

function encode(list: readonly Extent[], view: DataView, from: number): void {
  for (const [index, { lblk, length, pblk, unwritten }] of list.entries()) {
    const at = from + index * EXTENT_SIZE;
    EXTENT.lblk.set(view, at, lblk);
    EXTENT.length.set(view, at, length + (unwritten ? UNWRITTEN : 0));
    EXTENT.pblk.set(view, at, pblk);
  }
}

const isData = (sb: Superblock, pblk: number, length: number): boolean =>
  pblk >= sb.dataStart && pblk + length <= sb.blocks;
