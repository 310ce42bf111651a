/**
 * Files whose blocks are in an extent tree: the map in memory and the tree, changed in step.
 *
 * The tree may have more entries than memory: a run longer than an entry can be, or one that goes on
 * in the next leaf, is one extent here.
 */
import { assert, type Extent, FsError, PURPOSE_ZEROING, verify } from "@xiplab/core";
import { type ConvertOptions, FileMap, isData, LBLK_MAX, type LblkRange } from "./block-map.ts";
import {
  newTreeContext,
  nodesForRoom,
  releaseSpares,
  storeSpares,
  type TreeContext,
} from "./extents/edit.ts";
import { childOf, depthOf, entriesOf, entryAt, keyOf, type Level } from "./extents/nodes.ts";
import { maxOf, pathTo, rootOf, verifyHeader } from "./extents/nodes.ts";
import { extentOf, flip, insertRun, pathToMapped, removeRun } from "./extents/tree.ts";
import {
  leafStartsBehind,
  leavesIn,
  shiftRun,
  splitAt,
  type TreeExtent,
  trimEntry,
} from "./extents/tree.ts";
import * as f from "./format/extent.ts";
import type { Ext4Inode } from "./inode.ts";
import type { BlockRun, Volume } from "./volume.ts";

/** Bytes that the kernel rather zeroes than splits an extent for (s_extent_max_zeroout_kb). */
const ZEROOUT_MAX_BYTES = 32 * 1024;
const PAGE_SIZE = 4096;

const isFull = (error: unknown): boolean => error instanceof FsError && error.code === "ENOSPC";

export class ExtentTree extends FileMap {
  readonly unwrittenState = true;
  private readonly tree: TreeContext;

  /** `fanout`: entries of new nodes, for tests; by default what a block holds. */
  constructor(volume: Volume, inode: Ext4Inode, fanout = 0) {
    super(volume, inode);
    this.tree = newTreeContext(volume, inode, fanout);
  }

  /** Blocks of the tree. */
  get treeBlocks(): number {
    return this.tree.treeBlocks;
  }

  load(): void {
    const root = rootOf(this.volume, this.inode);
    const where = `inode ${this.inode.ino}`;
    verifyHeader(root.buffer.view, entryAt(root, -1), where, f.EXTENT_ROOT_MAX);
    this.list = [];
    this.loadNode(root, where, 0);
  }

  /** Everything below starts at or behind `from`. Returns where it ends. */
  private loadNode(level: Level, where: string | number, from: number): number {
    const entries = entriesOf(level);
    const depth = depthOf(level);
    if (depth === 0) return this.loadLeaf(level, where, from);
    verify(entries > 0, "ext4_extent_header", where, "entries", entries, "some above depth 0");
    let end = from;
    for (let index = 0; index < entries; index++) {
      level.index = index;
      const pblk = f.indexLeaf(level.buffer.view, entryAt(level, index));
      verify(isData(this.volume, pblk, 1), "ext4_extent_idx", where, "leaf", pblk, "a data block");
      const child = childOf(this.volume, this.inode, level);
      const home = this.volume.geometry.pblkToDevByte(pblk);
      const found = depthOf(child);
      verify(found === depth - 1, "ext4_extent_block", home, "depth", found, depth - 1);
      verify(entriesOf(child) > 0, "ext4_extent_block", home, "entries", 0, "some");
      const key = keyOf(level, index);
      const first = keyOf(child, 0);
      verify(key === first, "ext4_extent_idx", where, "block", key, first);
      this.tree.treeBlocks++;
      end = this.loadNode(child, home, end);
    }
    return end;
  }

  private loadLeaf(leaf: Level, where: string | number, from: number): number {
    const { list, volume } = this;
    const { view } = leaf.buffer;
    const entries = entriesOf(leaf);
    let last = list.at(-1);
    let end = from;
    for (let index = 0; index < entries; index++) {
      const at = entryAt(leaf, index);
      const lblk = f.EXTENT.block.get(view, at);
      const length = f.extentLength(view, at);
      const pblk = f.extentStart(view, at);
      const unwritten = f.extentUnwritten(view, at);
      verify(lblk >= end, "ext4_extent", where, "block", lblk, "sorted");
      verify(length > 0, "ext4_extent", where, "length", length, "at least 1");
      end = lblk + length;
      verify(end <= LBLK_MAX, "ext4_extent", where, "block", lblk, "inside the largest file");
      verify(isData(volume, pblk, length), "ext4_extent", where, "start", pblk, "data blocks");
      const goesOn = last !== undefined && last.lblk + last.length === lblk;
      if (goesOn && last!.unwritten === unwritten && last!.pblk + last!.length === pblk) {
        last!.length += length;
      } else {
        last = { lblk, length, pblk, unwritten };
        list.push(last);
      }
    }
    return end;
  }

  private get depth(): number {
    return this.treeBlocks === 0 ? 0 : depthOf(rootOf(this.volume, this.inode));
  }

  runMax(): number {
    return f.UNWRITTEN_MAX;
  }

  insertCredits(): number {
    // Nodes on the way, as many new ones and a higher root; bitmap and descriptor for each new one
    // and for the blocks themselves; the inode.
    const levels = this.depth + 2;
    return 2 * levels + 2 * (levels + 1) + 1;
  }

  nodesNow(lblk: number): number {
    return nodesForRoom(pathTo(this.volume, this.inode, lblk));
  }

  nodesFor(blocks: number): number {
    const entries = this.list.length + blocks;
    if (blocks === 0 || entries <= f.EXTENT_ROOT_MAX) return 0;
    // Leaves that are split in the middle are half full.
    const half = Math.max(2, Math.floor(this.tree.fanout / 2));
    let nodes = 0;
    for (let level = entries; level > f.EXTENT_ROOT_MAX; nodes += level) {
      level = Math.ceil(level / half);
    }
    return Math.max(0, nodes - this.treeBlocks);
  }

  insertBlocks(lblk: number, length: number, pblk: number, unwritten: boolean): void {
    const { tree } = this;
    if (lblk + length > LBLK_MAX) throw new FsError("EFBIG");
    assert(length <= f.UNWRITTEN_MAX, "what is inserted is one entry, whole or not at all");
    insertRun(tree, lblk, length, pblk, unwritten);
    releaseSpares(tree);
    this.insert(lblk, length, pblk, unwritten);
  }

  /** Blocks in store so that `entries` more, one after the other, find room. @throws FsError ENOSPC */
  private storeFor(entries: number): void {
    storeSpares(this.tree, this.nodesAt(entries), 0);
  }

  /** New nodes that so many entries more, one after the other, may need. */
  private nodesAt(entries: number): number {
    const { depth, tree } = this;
    return (3 + Math.ceil(entries / tree.fanout)) * (depth + 2);
  }

  removeCredits(first: number, end: number): number {
    const touched = leavesIn(this.tree, first, end);
    const nodes = touched + Math.min(touched, this.treeBlocks) + this.depth;
    const freed = Math.min(nodes, this.volume.groups.count);
    return this.insertCredits() + nodes + 2 * freed;
  }

  removeBlocks(first: number, end: number): Extent[] {
    removeRun(this.tree, first, end);
    releaseSpares(this.tree);
    return this.remove(first, end);
  }

  convertCredits(first: number, end: number): number {
    return 2 * this.insertCredits() + leavesIn(this.tree, first, end);
  }

  makeWritten(first: number, end: number, options: ConvertOptions): Extent[] {
    const dropped: Extent[] = [];
    for (const part of this.partsOf(first, end, true)) {
      for (let at = part.first; at < part.end;) {
        at = this.writeExtent(at, part.end, options, dropped);
      }
    }
    releaseSpares(this.tree);
    return dropped;
  }

  catchUp(first: number, end: number, options: ConvertOptions): Extent[] {
    const dropped: Extent[] = [];
    for (const part of this.partsOf(first, end, false)) {
      for (let at = part.first; at < part.end;) {
        at = this.writeExtent(at, part.end, options, dropped);
      }
    }
    releaseSpares(this.tree);
    const behind = this.partsOf(end, LBLK_MAX, false)[0];
    this.aheadFrom = behind === undefined ? LBLK_MAX : behind.first;
    return dropped;
  }

  /** What memory has in [first, end) in that state. */
  private partsOf(first: number, end: number, unwritten: boolean): LblkRange[] {
    const parts: LblkRange[] = [];
    for (let index = this.find(first); index < this.list.length; index++) {
      const { lblk, length, unwritten: state } = this.list[index]!;
      if (lblk >= end) break;
      if (state !== unwritten) continue;
      parts.push({ first: Math.max(first, lblk), end: Math.min(end, lblk + length) });
    }
    return parts;
  }

  /** Convert [at, end) as far as one extent of the tree has it. Returns the block behind that. */
  private writeExtent(at: number, end: number, options: ConvertOptions, dropped: Extent[]): number {
    const leaf = pathToMapped(this.tree, at).at(-1)!;
    const whole = extentOf(leaf, leaf.index);
    const range: LblkRange = { first: at, end: Math.min(end, whole.end) };
    const behind = range.end;
    if (whole.unwritten) {
      if (options.zeroout) this.widen(leaf, whole, range, options.endLblk);
      try {
        flip(this.tree, range.first, range.end);
      } catch (error) {
        if (!isFull(error)) throw error;
        this.writeAround(whole, range, options.endLblk, dropped);
        return behind;
      }
    }
    this.convert(range.first, range.end, false);
    return behind;
  }

  /**
   * The kernel's choice between splitting and zeroing: of an extent inside the file a small rest is
   * zeroed and converted too, unless a neighbour takes the blocks without a split.
   */
  private widen(leaf: Level, whole: TreeExtent, range: LblkRange, endLblk: number): void {
    const max = ZEROOUT_MAX_BYTES / this.volume.geometry.blockSize;
    const { first, end } = range;
    if (whole.end > Math.max(endLblk, end) || end === whole.end) return;
    if (this.joinsLeft(leaf, whole, range)) return;
    if (whole.end - first <= max) {
      this.zeroBlocks(whole, end, whole.end);
      range.end = whole.end;
    }
    if (range.end - whole.lblk < max && first > whole.lblk) {
      this.zeroBlocks(whole, whole.lblk, first);
      range.first = whole.lblk;
    }
  }

  private joinsLeft(leaf: Level, whole: TreeExtent, range: LblkRange): boolean {
    if (range.first !== whole.lblk || leaf.index === 0) return false;
    const left = extentOf(leaf, leaf.index - 1);
    const touches = left.end === whole.lblk && left.pblk + left.end - left.lblk === whole.pblk;
    return touches && !left.unwritten && range.end - left.lblk <= f.WRITTEN_MAX;
  }

  /**
   * There is no room to split: the rest of the extent is zeroed and converted too, as far as it is
   * inside the file; what is beyond its end must not be written, and is given up.
   */
  private writeAround(
    whole: TreeExtent,
    range: LblkRange,
    endLblk: number,
    dropped: Extent[],
  ): void {
    const end = Math.min(whole.end, Math.max(endLblk, range.end));
    this.zeroBlocks(whole, whole.lblk, range.first);
    this.zeroBlocks(whole, range.end, end);
    if (end < whole.end) {
      trimEntry(this.tree, whole.lblk, end);
      dropped.push(...this.remove(end, whole.end));
    }
    flip(this.tree, whole.lblk, end);
    this.convert(whole.lblk, end, false);
  }

  /**
   * Blocks [first, end) of an unwritten extent become written with what is asked for: zeros, before
   * that. The commit fences. Whoever sees the page of zeros there must look again (I6).
   */
  private zeroBlocks(whole: TreeExtent, first: number, end: number): void {
    if (first >= end) return;
    const { device, geometry } = this.volume;
    const { blockSize } = geometry;
    const at = geometry.pblkToDevByte(whole.pblk + first - whole.lblk);
    device.zero(at, (end - first) * blockSize, PURPOSE_ZEROING);
    const firstPage = Math.floor((first * blockSize) / PAGE_SIZE);
    const endPage = Math.ceil((end * blockSize) / PAGE_SIZE);
    for (const region of this.inode.mapping.regions ?? []) region.revoke(firstPage, endPage);
  }

  makeUnwritten(first: number, end: number): void {
    for (const part of this.partsOf(first, end, false)) {
      for (let at = part.first; at < part.end;) {
        const leaf = pathToMapped(this.tree, at).at(-1)!;
        const whole = extentOf(leaf, leaf.index);
        const to = Math.min(part.end, whole.end);
        this.clearExtent(whole, at, to);
        at = to;
      }
    }
    releaseSpares(this.tree);
  }

  /** Where there is no room to split the blocks stay written, and are zeroed. */
  private clearExtent(whole: TreeExtent, first: number, end: number): void {
    try {
      if (!whole.unwritten) flip(this.tree, first, end);
    } catch (error) {
      if (!isFull(error)) throw error;
      this.zeroBlocks(whole, first, end);
      return;
    }
    this.convert(first, end, true);
  }

  cutAt(lblk: number): void {
    splitAt(this.tree, lblk);
    releaseSpares(this.tree);
  }

  shiftCuts(first: number): number[] {
    return leafStartsBehind(this.tree, first);
  }

  shiftCredits(first: number, end: number): number {
    // Index nodes stand above some leaf each, or on the way to the first.
    return 2 * this.insertCredits() + leavesIn(this.tree, first, end) * 2 + this.depth;
  }

  shiftBlocks(first: number, end: number, by: number): void {
    const last = this.list.at(-1);
    const stop = last === undefined ? 0 : Math.min(last.lblk + last.length, end);
    if (stop <= first) return;
    if (stop + by > LBLK_MAX) throw new FsError("EFBIG", "blocks behind the end would not fit");
    this.cutAt(first);
    shiftRun(this.tree, first, end, by);
    this.shift(first, by, end);
  }

  replaceCredits(first: number, runs: readonly BlockRun[]): number {
    const { end, entries } = this.sizeOf(first, runs);
    const nodes = this.hasRoom(first, end, entries) ? 0 : this.nodesAt(entries);
    const groups = Math.min(nodes, this.volume.groups.count);
    return this.removeCredits(first, end) + nodes + 2 * groups + this.insertCredits();
  }

  /** Where runs from `first` on end, and how many entries more the tree may have for them. */
  private sizeOf(first: number, runs: readonly BlockRun[]): { end: number; entries: number } {
    let end = first;
    // One more where what is replaced is inside of an extent.
    let entries = 1;
    for (const { length } of runs) {
      end += length;
      entries += Math.ceil(length / f.WRITTEN_MAX);
    }
    return { end, entries };
  }

  replaceBlocks(first: number, runs: readonly BlockRun[]): Extent[] {
    const { tree } = this;
    const { end, entries } = this.sizeOf(first, runs);
    if (end > LBLK_MAX) throw new FsError("EFBIG");
    if (!this.hasRoom(first, end, entries)) this.storeFor(entries);
    removeRun(tree, first, end);
    const removed = this.remove(first, end);
    let at = first;
    for (const { start, length } of runs) {
      insertRun(tree, at, length, start, false);
      this.insert(at, length, start, false);
      at += length;
    }
    releaseSpares(tree);
    assert(at === end, "what is put in covers what was taken out");
    return removed;
  }

  /** Is [first, end) in one leaf that takes so many entries more? */
  private hasRoom(first: number, end: number, entries: number): boolean {
    const { inode, volume } = this;
    const leaf = pathTo(volume, inode, first).at(-1)!;
    const last = pathTo(volume, inode, end).at(-1)!;
    return leaf.buffer === last.buffer && maxOf(leaf) - entriesOf(leaf) >= entries;
  }
}
