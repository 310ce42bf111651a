/**
 * Which blocks of the device are the blocks of a file, and whether they are written: the extents in
 * memory, for designs that keep extents on the medium in any form.
 *
 * Invariants: sorted by lblk, no overlap, none empty, none longer than `lengthMax`, no two
 * neighbours that could be one. Lookups are a binary search; `changedFrom` and `changedEnd` say
 * which indices an edit touched, so that a commit need not write the others.
 */
import { assert, FsError } from "../spec/errors.ts";
import { corrupt } from "./verify.ts";

export interface Extent {
  /** First block, in the file. */
  lblk: number;
  /** Blocks; at least 1. */
  length: number;
  /** First block, on the device. */
  pblk: number;
  /** Belongs to the file, and reads as zeros. */
  unwritten: boolean;
}

/** An index behind all others. Not Infinity: V8 would keep it, and so the field, in a box. */
export const INDEX_END = 2 ** 30;

/** For each length of files, what stands behind the last extent: one object for all maps. */
const behinds = new Map<number, Readonly<Extent>>();

export class ExtentMap {
  list: Extent[] = [];
  /** Indices that differ from those at the last `settle`: [changedFrom, changedEnd). */
  changedFrom = INDEX_END;
  changedEnd = 0;
  private readonly lblkMax: number;
  private readonly lengthMax: number;
  /** Behind the last extent, where `lblkMax` ends all files. */
  private readonly behind: Readonly<Extent>;
  /** The last answer: most questions are about the same extent again. */
  private last: Readonly<Extent>;

  /** Files have blocks 0 to `lblkMax` - 1, extents at most `lengthMax` of them. */
  constructor(lblkMax: number, lengthMax: number) {
    this.lblkMax = lblkMax;
    this.lengthMax = lengthMax;
    this.behind = behindOf(lblkMax);
    this.last = this.behind;
  }

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

  /** The extent that holds `lblk`, or else the first behind it; empty at the end. HOT. */
  at(lblk: number): Readonly<Extent> {
    const { last } = this;
    if (lblk >= last.lblk && lblk < last.lblk + last.length) return last;
    const index = this.find(lblk);
    this.last = index < this.list.length ? this.list[index]! : this.behind;
    return this.last;
  }

  /** The device block of `lblk`. @throws CorruptionError in a hole, for files that have none. */
  map(lblk: number): number {
    const extent = this.at(lblk);
    if (extent.lblk > lblk) corrupt("extents", `block ${lblk}`, "mapping", "hole", "a block");
    return extent.pblk + lblk - extent.lblk;
  }

  /** The device block behind what is mapped before `lblk`: the best place for it; or 0. */
  goal(lblk: number): number {
    const index = this.find(lblk);
    const here = this.list[index];
    if (here !== undefined && here.lblk < lblk) return here.pblk + lblk - here.lblk;
    const before = this.list[index - 1];
    return before === undefined ? 0 : before.pblk + before.length;
  }

  /** Is a block of [first, end) unwritten? */
  hasUnwritten(first: number, end: number): boolean {
    for (let index = this.find(first); index < this.list.length; index++) {
      const { lblk, unwritten } = this.list[index]!;
      if (lblk >= end) return false;
      if (unwritten) return true;
    }
    return false;
  }

  /** Blocks that are mapped. */
  blocks(): number {
    let blocks = 0;
    for (const { length } of this.list) blocks += length;
    return blocks;
  }

  /** Map [lblk, lblk + length), a hole until now. @throws FsError EFBIG */
  insert(lblk: number, length: number, pblk: number, unwritten: boolean): void {
    assert(length > 0, "no extent is empty");
    if (lblk + length > this.lblkMax) throw new FsError("EFBIG");
    const index = this.find(lblk);
    const next = this.list[index];
    assert(next === undefined || next.lblk >= lblk + length, "blocks are put into holes");
    this.splice(index, 0, { lblk, length, pblk, unwritten });
    this.join(index, index + 1);
  }

  /** Make [first, end) a hole. Returns what was mapped there. */
  remove(first: number, end: number): Extent[] {
    if (first === 0 && end === this.lblkMax) return this.removeAll();
    const from = this.split(first);
    const to = this.split(end);
    return from === to ? [] : this.splice(from, to - from);
  }

  private removeAll(): Extent[] {
    const { list } = this;
    if (list.length > 0) this.changed(0, INDEX_END);
    this.list = [];
    return list;
  }

  /** Make all blocks of [first, end) written, or all unwritten. */
  convert(first: number, end: number, unwritten: boolean): void {
    const from = this.split(first);
    const to = this.split(end);
    for (let index = from; index < to; index++) this.list[index]!.unwritten = unwritten;
    this.join(from, to);
  }

  /** Move what is in [first, end) by `by` blocks, into a hole. @throws FsError EFBIG */
  shift(first: number, by: number, end: number = this.lblkMax): void {
    const last = this.list.at(-1);
    const stop = last === undefined ? 0 : Math.min(last.lblk + last.length, end);
    if (stop > first && stop + by > this.lblkMax) {
      throw new FsError("EFBIG", "blocks behind the end of the file would not fit");
    }
    const from = this.split(first);
    const to = this.split(end);
    for (let index = from; index < to; index++) this.list[index]!.lblk += by;
    this.join(from, to);
  }

  /** Forget what changed: the medium has it. */
  settle(): void {
    this.changedFrom = INDEX_END;
    this.changedEnd = 0;
  }

  /** Cut the extent that `lblk` is inside of. Returns the first extent at or behind `lblk`. */
  private split(lblk: number): number {
    const index = this.find(lblk);
    const extent = this.list[index];
    if (extent === undefined || extent.lblk >= lblk) return index;
    const { lblk: start, length, pblk, unwritten } = extent;
    const head = { lblk: start, length: lblk - start, pblk, unwritten };
    const tail = { lblk, length: start + length - lblk, pblk: pblk + lblk - start, unwritten };
    this.splice(index, 1, head, tail);
    return index + 1;
  }

  /** The extents [from, to) changed: make one of each and the one before it, where possible. */
  private join(from: number, to: number): void {
    this.changed(from, to);
    for (let index = Math.min(to, this.list.length - 1); index >= Math.max(from, 1); index--) {
      const { lblk, length, pblk, unwritten } = this.list[index - 1]!;
      const extent = this.list[index]!;
      const total = length + extent.length;
      const touch = lblk + length === extent.lblk && pblk + length === extent.pblk;
      if (touch && unwritten === extent.unwritten && total <= this.lengthMax) {
        this.splice(index - 1, 2, { lblk, length: total, pblk, unwritten });
      }
    }
  }

  private splice(index: number, removed: number, ...added: Extent[]): Extent[] {
    // Where the number changes, all that follow get another index.
    this.changed(index, added.length === removed ? index + removed : INDEX_END);
    const { list } = this;
    if (removed < list.length) return this.list.splice(index, removed, ...added);
    // An array of its own size: one that grows has room for 16 more, and most files have one extent.
    this.list = added;
    return list;
  }

  private changed(from: number, end: number): void {
    this.last = this.behind;
    this.changedFrom = Math.min(this.changedFrom, from);
    this.changedEnd = Math.max(this.changedEnd, end);
  }
}

function behindOf(lblkMax: number): Readonly<Extent> {
  let behind = behinds.get(lblkMax);
  if (behind === undefined) {
    // Its fields in another order than those of extents: V8 gives it a shape of its own then. With
    // theirs, a limit beyond 2^31 would put `lblk` of every extent in a box, for `find` to open.
    behind = { length: 0, lblk: lblkMax, pblk: 0, unwritten: false };
    behinds.set(lblkMax, behind);
  }
  return behind;
}
