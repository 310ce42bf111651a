/**
 * Files whose blocks are named one by one, as before extents: twelve pointers in i_block, then one
 * each to a block of pointers, to a block of those, and to a block of those.
 * Ref: Linux Documentation/filesystems/ext4/ifork.rst "Direct/Indirect Block Addressing"
 *
 *   i_block 0 … 11   blocks 0 to 11
 *   i_block 12       p blocks (p = block size / 4)      "indirect"
 *   i_block 13       p² blocks                          "double indirect"
 *   i_block 14       p³ blocks                          "triple indirect"
 *
 * A pointer of 0 is a hole, at any level. There is no unwritten state: a block holds what the file
 * has before a pointer names it. Pointers have no checksum; they are verified when the file is
 * loaded, and a block of pointers that is named twice is refused, so that loops end.
 */
import { assert, type Extent, FsError, type Pblk, verify } from "@xiplab/core";
import { FileMap, isData, LBLK_MAX } from "./block-map.ts";
import type { BlockKind, Buffer } from "./buffers.ts";
import { newTreeContext, releaseSpares, storeSpares, type TreeContext } from "./extents/edit.ts";
import { I_BLOCK_AT } from "./format/inode.ts";
import { slotOf, writableSlotOf } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import type { BlockRun, Volume } from "./volume.ts";

const DIRECT = 12;
/** Pointers of i_block. */
const ROOTS = 15;
const POINTER_SIZE = 4;
/** A pointer has 32 bits. */
const PBLK_MAX = 2 ** 32;

const INDIRECT_BLOCK: BlockKind = {
  name: "ext4 indirect block",
  verify() {},
  stamp() {},
};

/** Where a pointer stands. Ask for `view` and `at` of the buffer each time. */
interface Pointer {
  readonly buffer: Buffer;
  readonly offset: number;
}

const pointerOf = ({ buffer, offset }: Pointer): number =>
  buffer.view.getUint32(buffer.at + offset, true);

export class IndirectTree extends FileMap {
  readonly unwrittenState = false;
  readonly endMax: number;
  /** Pointers of a block. */
  private readonly width: number;
  private readonly tree: TreeContext;

  constructor(volume: Volume, inode: Ext4Inode) {
    super(volume, inode);
    this.width = volume.geometry.blockSize / POINTER_SIZE;
    this.endMax = Math.min(LBLK_MAX, DIRECT + this.width + this.width ** 2 + this.width ** 3);
    this.tree = newTreeContext(volume, inode);
  }

  get treeBlocks(): number {
    return this.tree.treeBlocks;
  }

  runMax(lblk: number): number {
    // To the end of the block of pointers: all that one handle is sure to have credits for.
    if (lblk < DIRECT) return DIRECT - lblk;
    return this.width - ((lblk - DIRECT) % this.width);
  }

  load(): void {
    const { inode, volume } = this;
    const { buffer, at } = slotOf(volume, inode.ino);
    const seen = new Set<number>();
    this.list = [];
    for (let root = 0; root < ROOTS; root++) {
      const pblk = pointerOf({ buffer, offset: at + I_BLOCK_AT + POINTER_SIZE * root });
      const depth = Math.max(0, root - DIRECT + 1);
      this.loadPointer(pblk, depth, firstOf(root, this.width), seen, `inode ${inode.ino}`);
    }
    this.tree.treeBlocks = seen.size;
  }

  private loadPointer(
    pblk: number,
    depth: number,
    lblk: number,
    seen: Set<number>,
    where: string | number,
  ): void {
    if (pblk === 0) return;
    const { volume, width } = this;
    verify(isData(volume, pblk, 1), "ext4 block pointer", where, "block", pblk, "a data block");
    if (depth === 0) return this.loadBlock(lblk, pblk, where);
    verify(!seen.has(pblk), "ext4 indirect block", where, "block", pblk, "named once");
    seen.add(pblk);
    const buffer = volume.buffers.read(pblk as Pblk, INDIRECT_BLOCK, this.inode.seed);
    const home = volume.geometry.pblkToDevByte(pblk);
    const span = width ** (depth - 1);
    for (let index = 0; index < width; index++) {
      const child = pointerOf({ buffer, offset: POINTER_SIZE * index });
      if (child !== 0) this.loadPointer(child, depth - 1, lblk + index * span, seen, home);
    }
  }

  private loadBlock(lblk: number, pblk: number, where: string | number): void {
    verify(lblk < LBLK_MAX, "ext4 block pointer", where, "place", lblk, "inside the largest file");
    const last = this.list.at(-1);
    const goesOn = last !== undefined && last.lblk + last.length === lblk;
    if (goesOn && last.pblk + last.length === pblk) last.length++;
    else this.list.push({ lblk, length: 1, pblk, unwritten: false });
  }

  insertCredits(): number {
    // Blocks of pointers on the way and new ones; bitmap and descriptor of these and of the blocks.
    return 3 + 3 + 2 * (3 + 1) + 1;
  }

  nodesNow(lblk: number): number {
    return this.missing(lblk, lblk + 1);
  }

  nodesFor(blocks: number): number {
    const { inode, volume, width } = this;
    const end = Math.ceil(inode.size / volume.geometry.blockSize) + blocks;
    const leaves = Math.ceil(Math.max(0, end - DIRECT) / width);
    const all = leaves + Math.ceil(leaves / width) + 1;
    return Math.min(3 * blocks, Math.max(0, all - this.treeBlocks));
  }

  insertBlocks(lblk: number, length: number, pblk: number, unwritten: boolean): void {
    assert(!unwritten, "blocks of a file without extents are written");
    this.checkRange(lblk, length, pblk);
    storeSpares(this.tree, this.missing(lblk, lblk + length), pblk);
    this.setPointers(lblk, length, pblk);
    releaseSpares(this.tree);
    this.insert(lblk, length, pblk, false);
  }

  private checkRange(lblk: number, length: number, pblk: number): void {
    if (lblk + length > this.endMax) throw new FsError("EFBIG");
    if (pblk + length > PBLK_MAX) throw new FsError("ENOSPC", "pointers have 32 bits");
  }

  /** Blocks of pointers that [first, end) needs and has not; never too few. */
  private missing(first: number, end: number): number {
    let missing = 0;
    for (let lblk = first; lblk < end; lblk += this.runMax(lblk)) {
      const way = wayTo(lblk, this.width);
      let pointer = this.rootPointer(way[0]!);
      for (let step = 1; step < way.length; step++) {
        const pblk = pointerOf(pointer);
        if (pblk === 0) {
          missing += way.length - step;
          break;
        }
        pointer = this.pointerIn(pblk, way[step]!);
      }
    }
    return missing;
  }

  private setPointers(lblk: number, length: number, pblk: number): void {
    for (let done = 0; done < length;) {
      const part = Math.min(length - done, this.runMax(lblk + done));
      const { buffer, offset } = this.makePointer(lblk + done);
      for (let index = 0; index < part; index++) {
        const at = buffer.at + offset + POINTER_SIZE * index;
        buffer.view.setUint32(at, pblk + done + index, true);
      }
      done += part;
    }
  }

  /** The pointer of a block, in the transaction; blocks of pointers on the way are made. */
  private makePointer(lblk: number): Pointer {
    const { inode, tree, volume } = this;
    const way = wayTo(lblk, this.width);
    let pointer = this.rootPointer(way[0]!);
    for (let step = 1; step < way.length; step++) {
      let pblk = pointerOf(pointer);
      if (pblk === 0) {
        const spare = tree.spares.pop();
        assert(spare !== undefined, "blocks of pointers were stored before they are taken");
        assert(spare < PBLK_MAX, "pointers have 32 bits");
        pblk = spare;
        volume.buffers.create(pblk as Pblk, INDIRECT_BLOCK, inode.seed);
        tree.treeBlocks++;
        this.writePointer(pointer, pblk);
      }
      pointer = this.pointerIn(pblk, way[step]!);
    }
    this.touch(pointer.buffer);
    return pointer;
  }

  private rootPointer(root: number): Pointer {
    const { buffer, at } = slotOf(this.volume, this.inode.ino);
    return { buffer, offset: at + I_BLOCK_AT + POINTER_SIZE * root };
  }

  private pointerIn(pblk: number, index: number): Pointer {
    const buffer = this.volume.buffers.read(pblk as Pblk, INDIRECT_BLOCK, this.inode.seed);
    return { buffer, offset: POINTER_SIZE * index };
  }

  private writePointer({ buffer, offset }: Pointer, pblk: number): void {
    this.touch(buffer);
    buffer.view.setUint32(buffer.at + offset, pblk, true);
  }

  /** The buffer is about to change. */
  private touch(buffer: Buffer): void {
    const { inode, volume } = this;
    if (buffer.kind === INDIRECT_BLOCK) volume.buffers.write(buffer);
    else writableSlotOf(volume, inode.ino);
  }

  removeCredits(first: number, end: number): number {
    const stop = Math.min(end, this.endMax);
    const leaves = Math.max(0, Math.ceil((stop - first) / this.width)) + 1;
    const nodes = Math.min(this.treeBlocks, 2 * leaves + 3);
    return nodes + 2 * Math.min(nodes, this.volume.groups.count);
  }

  removeBlocks(first: number, end: number): Extent[] {
    const { width } = this;
    for (let root = 0; root < ROOTS; root++) {
      const depth = Math.max(0, root - DIRECT + 1);
      this.removeBelow(this.rootPointer(root), depth, firstOf(root, width), first, end);
    }
    return this.remove(first, end);
  }

  /** Clear what lies in [first, end) below a pointer whose first block is `lblk`. */
  private removeBelow(
    pointer: Pointer,
    depth: number,
    lblk: number,
    first: number,
    end: number,
  ): void {
    const pblk = pointerOf(pointer);
    const span = this.width ** depth;
    if (pblk === 0 || lblk >= end || lblk + span <= first) return;
    if (depth > 0 && !this.clearNode(pblk, depth, lblk, first, end)) return;
    if (depth > 0) {
      this.volume.buffers.forget(pblk as Pblk);
      this.volume.balloc.free(pblk, 1);
      this.inode.blocks--;
      this.tree.treeBlocks--;
    }
    this.writePointer(pointer, 0);
  }

  /** Returns whether nothing is left in the block of pointers. */
  private clearNode(
    pblk: number,
    depth: number,
    lblk: number,
    first: number,
    end: number,
  ): boolean {
    const span = this.width ** (depth - 1);
    const from = Math.max(0, Math.floor((first - lblk) / span));
    const to = Math.min(this.width, Math.ceil((end - lblk) / span));
    for (let index = from; index < to; index++) {
      this.removeBelow(this.pointerIn(pblk, index), depth - 1, lblk + index * span, first, end);
    }
    const { buffer } = this.pointerIn(pblk, 0);
    for (let index = 0; index < this.width; index++) {
      if (pointerOf({ buffer, offset: POINTER_SIZE * index }) !== 0) return false;
    }
    return true;
  }

  convertCredits(): number {
    return 0;
  }

  /** Nothing is unwritten. */
  makeWritten(): Extent[] {
    return [];
  }

  catchUp(): Extent[] {
    return [];
  }

  makeUnwritten(): void {
    throw new FsError("EOPNOTSUPP", "files without extents have no unwritten blocks");
  }

  cutAt(): void {}

  shiftCuts(): number[] {
    return [];
  }

  shiftCredits(): number {
    return 0;
  }

  shiftBlocks(): void {
    throw new FsError("EOPNOTSUPP", "blocks of files without extents do not move");
  }

  replaceCredits(first: number, runs: readonly BlockRun[]): number {
    const blocks = runs.reduce((sum, { length }) => sum + length, 0);
    const leaves = Math.ceil(blocks / this.width) + 1;
    return (leaves + 1) * this.insertCredits() + this.removeCredits(first, first + blocks);
  }

  replaceBlocks(first: number, runs: readonly BlockRun[]): Extent[] {
    let end = first;
    for (const { start, length } of runs) {
      this.checkRange(end, length, start);
      end += length;
    }
    storeSpares(this.tree, this.missing(first, end), 0);
    const removed = this.remove(first, end);
    let at = first;
    for (const { start, length } of runs) {
      this.setPointers(at, length, start);
      this.insert(at, length, start, false);
      at += length;
    }
    releaseSpares(this.tree);
    return removed;
  }
}

/** First block below pointer `root` of i_block. */
function firstOf(root: number, width: number): number {
  if (root <= DIRECT) return root;
  return root === DIRECT + 1 ? DIRECT + width : DIRECT + width + width ** 2;
}

/** The pointer of i_block, and then the index in each block of pointers, that lead to `lblk`. */
function wayTo(lblk: number, width: number): number[] {
  if (lblk < DIRECT) return [lblk];
  let depth = 1;
  let rest = lblk - DIRECT;
  for (; rest >= width ** depth; depth++) rest -= width ** depth;
  assert(depth <= 3, "a block is within reach of triple indirection");
  const way = [DIRECT + depth - 1];
  for (let level = depth - 1; level >= 0; level--) {
    const span = width ** level;
    way.push(Math.floor(rest / span));
    rest %= span;
  }
  return way;
}
