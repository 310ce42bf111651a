/**
 * The extents of a file: which blocks of the device are its blocks, and whether they are written.
 * On the medium they are in the inode record, or, where those are too many, in leaf blocks: leaf n
 * has extents 340 n to 340 n + 339. A commit writes the leaves with changed extents, out of place,
 * and keeps the others.
 */
import { assert, crc32c, FsError, type PmemDevice, PURPOSE_METADATA } from "@xiplab/core";
import { SEGMENT_SIZE, sizeOf } from "@xiplab/core";
import type { BlockAllocator } from "./balloc.ts";
import { EXTENT, INLINE_MAX, INODE, LEAF, LEAF_MAX, LEAVES_MAX } from "./format/inode.ts";
import { seedOf, UNWRITTEN } from "./format/inode.ts";
import { BLOCK_SIZE, corrupt, LBLK_MAX, pblkToDevByte, type Superblock } from "./geometry.ts";

export interface Extent {
  /** First block, in the file. */
  lblk: number;
  /** Blocks; at least 1. */
  length: number;
  /** First block, on the device. */
  pblk: number;
  unwritten: boolean;
}

/** What `find` answers behind the last extent: begins where all files end. */
const BEHIND: Readonly<Extent> = { lblk: LBLK_MAX, length: 0, pblk: 0, unwritten: false };
const CLEAN = Number.MAX_SAFE_INTEGER;
const EXTENT_SIZE = sizeOf(EXTENT);
const LEAF_SIZE = sizeOf(LEAF);

export class Extents {
  /** Sorted by lblk, no overlap, no two neighbours that could be one. */
  readonly list: Extent[] = [];
  /** Leaf blocks on the medium; none where the extents are in the record. */
  leaves: number[] = [];
  /** Indices of the extents that differ from those in `leaves`. */
  private dirtyFrom = CLEAN;
  private dirtyEnd = 0;

  /** Index of the extent that holds `lblk`, or else of the first behind it. HOT. */
  find(lblk: number): number {
    const { list } = this;
    let low = 0;
    for (let high = list.length; low < high;) {
      const middle = (low + high) >>> 1;
      const extent = list[middle]!;
      if (extent.lblk + extent.length <= lblk) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  at(index: number): Readonly<Extent> {
    return index < this.list.length ? this.list[index]! : BEHIND;
  }

  /** Where the extent before `index` ends on the device: the place to go on at; or 0. */
  goal(index: number): number {
    if (index === 0) return 0;
    const { length, pblk } = this.at(index - 1);
    return pblk + length;
  }

  /** Is a block of [first, end) unwritten? */
  hasUnwritten(first: number, end: number): boolean {
    for (let index = this.find(first); this.at(index).lblk < end; index++) {
      if (this.at(index).unwritten) return true;
    }
    return false;
  }

  /** The device block of block `lblk`, which is mapped. */
  map(lblk: number): number {
    const extent = this.at(this.find(lblk));
    assert(extent.lblk <= lblk, "the block is mapped");
    return extent.pblk + lblk - extent.lblk;
  }

  /** Map [lblk, lblk + length), a hole until now. @throws FsError EFBIG */
  insert(lblk: number, length: number, pblk: number, unwritten: boolean): void {
    if (lblk + length > LBLK_MAX) throw new FsError("EFBIG");
    const index = this.find(lblk);
    assert(this.at(index).lblk >= lblk + length, "blocks are put into holes");
    this.splice(index, 0, { lblk, length, pblk, unwritten });
    this.join(index, index + 1);
  }

  /** Make [first, end) a hole; its blocks are given up with the commit. */
  remove(first: number, end: number, balloc: BlockAllocator): void {
    const from = this.split(first);
    for (const extent of this.splice(from, this.split(end) - from)) {
      balloc.release(extent.pblk, extent.length);
    }
  }

  /** Make all blocks of [first, end) written, or all unwritten. */
  convert(first: number, end: number, unwritten: boolean): void {
    const from = this.split(first);
    const to = this.split(end);
    for (const extent of this.list.slice(from, to)) extent.unwritten = unwritten;
    this.join(from, to);
  }

  /** Move everything from block `first` on by `by` blocks. @throws FsError EFBIG */
  shift(first: number, by: number): void {
    const from = this.split(first);
    const moved = this.list.slice(from);
    const last = moved.at(-1) ?? { lblk: 0, length: 0 };
    if (last.lblk + last.length + by > LBLK_MAX) throw new FsError("EFBIG");
    for (const extent of moved) extent.lblk += by;
    this.join(from, this.list.length);
  }

  /** Cut the extent that `lblk` is inside of. Returns the first extent at or behind `lblk`. */
  private split(lblk: number): number {
    const index = this.find(lblk);
    const { lblk: start, length, pblk, unwritten } = this.at(index);
    if (start >= lblk) return index;
    const head = lblk - start;
    const tail = { lblk, length: length - head, pblk: pblk + head, unwritten };
    this.splice(index, 1, { lblk: start, length: head, pblk, unwritten }, tail);
    return index + 1;
  }

  /** The extents in [from, to) changed: make one of each and the one before it, where possible. */
  private join(from: number, to: number): void {
    this.dirtyFrom = Math.min(this.dirtyFrom, from);
    this.dirtyEnd = Math.max(this.dirtyEnd, to);
    for (let index = Math.min(to, this.list.length - 1); index >= Math.max(from, 1); index--) {
      const extent = this.list[index]!;
      const { lblk, length, pblk, unwritten } = this.list[index - 1]!;
      const touch = lblk + length === extent.lblk && pblk + length === extent.pblk;
      if (touch && unwritten === extent.unwritten) {
        this.splice(index - 1, 2, { lblk, length: length + extent.length, pblk, unwritten });
      }
    }
  }

  private splice(index: number, removed: number, ...added: Extent[]): Extent[] {
    if (removed === 0 && added.length === 0) return [];
    this.dirtyFrom = Math.min(this.dirtyFrom, index);
    // Where the number changes, everything behind moves.
    const end = added.length === removed ? index + removed : CLEAN;
    this.dirtyEnd = Math.max(this.dirtyEnd, end);
    return this.list.splice(index, removed, ...added);
  }

  /**
   * Write the changed leaves, if the extents need leaves. Durable after the next fence. Returns
   * whether there were any. @throws FsError ENOSPC; EFBIG where the file has too many extents.
   */
  flushLeaves(device: PmemDevice, balloc: BlockAllocator, seed: number): boolean {
    const old = this.leaves;
    const count = this.list.length <= INLINE_MAX ? 0 : Math.ceil(this.list.length / LEAF_MAX);
    if (count > LEAVES_MAX) throw new FsError("EFBIG", "the file has too many extents");
    this.leaves = old.slice(0, count);
    for (let leaf = 0; leaf < count; leaf++) {
      const first = leaf * LEAF_MAX;
      const changed = first < this.dirtyEnd && first + LEAF_MAX > this.dirtyFrom;
      if (!changed && leaf < old.length) continue;
      this.leaves[leaf] = balloc.allocateLeaf();
      const part = this.list.slice(first, first + LEAF_MAX);
      const view = new DataView(new ArrayBuffer(LEAF_SIZE + part.length * EXTENT_SIZE));
      LEAF.count.set(view, 0, part.length);
      encode(part, view, LEAF_SIZE);
      LEAF.checksum.set(view, 0, crc32c(view, 4, view.byteLength - 4, seed));
      const at = pblkToDevByte(this.leaves[leaf]!);
      device.store(at, new Uint8Array(view.buffer), 0, view.byteLength, PURPOSE_METADATA);
      device.flush(at, view.byteLength);
    }
    for (const [leaf, block] of old.entries()) {
      if (this.leaves[leaf] !== block) balloc.release(block, 1);
    }
    this.dirtyFrom = CLEAN;
    this.dirtyEnd = 0;
    return count > 0;
  }

  /** Into a record that is being written. */
  encode(view: DataView, at: number): void {
    const inline = this.leaves.length === 0;
    const map = at + INODE.map.offset;
    INODE.extentCount.set(view, at, inline ? this.list.length : 0);
    INODE.leafCount.set(view, at, this.leaves.length);
    if (inline) encode(this.list, view, map);
    for (const [leaf, block] of this.leaves.entries()) view.setUint32(map + 4 * leaf, block, true);
  }

  /** Read and verify the extents of the record of `ino` at `at`. @throws CorruptionError */
  load(device: PmemDevice, sb: Superblock, view: DataView, at: number, ino: number): void {
    const count = INODE.extentCount.get(view, at);
    const leaves = INODE.leafCount.get(view, at);
    const map = at + INODE.map.offset;
    if (count > INLINE_MAX)
      corrupt("plain inode", `inode ${ino}`, "extentCount", count, INLINE_MAX);
    if (leaves > LEAVES_MAX)
      corrupt("plain inode", `inode ${ino}`, "leafCount", leaves, LEAVES_MAX);
    this.list.length = 0;
    this.leaves = [];
    this.decode(sb, ino, view, map, count);
    for (let leaf = 0; leaf < leaves; leaf++) {
      this.loadLeaf(device, sb, ino, view.getUint32(map + 4 * leaf, true), leaf === leaves - 1);
    }
    this.dirtyFrom = CLEAN;
    this.dirtyEnd = 0;
  }

  private loadLeaf(device: PmemDevice, sb: Superblock, ino: number, block: number, last: boolean) {
    requireData(sb, ino, block, 1);
    const byte = pblkToDevByte(block);
    const view = device.view(byte, BLOCK_SIZE);
    const at = byte % SEGMENT_SIZE;
    const count = LEAF.count.get(view, at);
    // All but the last are full, so that an extent's index says which leaf it is in.
    const right = last ? count <= LEAF_MAX : count === LEAF_MAX;
    if (!right) corrupt("plain leaf", byte, "count", count, LEAF_MAX);
    const sum = crc32c(view, at + 4, LEAF_SIZE - 4 + count * EXTENT_SIZE, seedOf(sb.seed, ino));
    const checksum = LEAF.checksum.get(view, at);
    if (checksum !== sum) corrupt("plain leaf", byte, "checksum", checksum, sum);
    this.decode(sb, ino, view, at + LEAF_SIZE, count);
    this.leaves.push(block);
  }

  private decode(sb: Superblock, ino: number, view: DataView, from: number, count: number): void {
    for (let at = from; at < from + count * EXTENT_SIZE; at += EXTENT_SIZE) {
      const lblk = EXTENT.lblk.get(view, at);
      const word = EXTENT.length.get(view, at);
      const pblk = EXTENT.pblk.get(view, at);
      const length = word & ~UNWRITTEN;
      const last = this.list.at(-1);
      const least = last === undefined ? 0 : last.lblk + last.length;
      if (lblk < least || length === 0 || lblk + length > LBLK_MAX) {
        corrupt(
          "plain extent",
          `inode ${ino}`,
          "lblk, length",
          `${lblk}, ${length}`,
          `>= ${least}`,
        );
      }
      requireData(sb, ino, pblk, length);
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

function requireData(sb: Superblock, ino: number, pblk: number, length: number): void {
  if (pblk >= sb.dataStart && pblk + length <= sb.blocks) return;
  corrupt("plain extent", `inode ${ino}`, "pblk", pblk, `${sb.dataStart} to ${sb.blocks - length}`);
}
