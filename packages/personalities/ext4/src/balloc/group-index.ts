/**
 * Which groups are worth a look: sets of groups by the order of their largest chunk, and by the
 * order of their average run of free blocks. Finding the next one skips 32 groups at a time.
 *
 * A group whose bitmap nobody read yet is filed as if all that its descriptor calls free were one
 * run. Whoever picks it reads the bitmap, and it moves to where it belongs.
 */
import type { GroupTable } from "../groups.ts";
import type { Buddy } from "./buddy.ts";

const NOWHERE = -1;

export class GroupIndex {
  readonly count: number;
  readonly orderMax: number;
  /** By order: groups whose largest chunk has it. */
  private readonly byLargest: GroupSet[];
  /** By order: groups whose runs have about so many blocks on average. */
  private readonly byAverage: GroupSet[];
  /** Groups with anything free. */
  private readonly any: GroupSet;
  private readonly largestOf: Int8Array;
  private readonly averageOf: Int8Array;

  constructor(groups: GroupTable, orderMax: number) {
    this.count = groups.count;
    this.orderMax = orderMax;
    const sets = () => Array.from({ length: orderMax + 1 }, () => new GroupSet(groups.count));
    this.byLargest = sets();
    this.byAverage = sets();
    this.any = new GroupSet(groups.count);
    this.largestOf = new Int8Array(groups.count).fill(NOWHERE);
    this.averageOf = new Int8Array(groups.count).fill(NOWHERE);
    for (let group = 0; group < groups.count; group++) {
      const free = groups.freeBlocksOf(group);
      if (free > 0) this.file(group, Math.min(orderMax, 31 - Math.clz32(free)), free);
    }
  }

  /** The group has other free blocks than before. HOT. */
  update(group: number, buddy: Buddy): void {
    const average = buddy.free === 0 ? 0 : Math.floor(buddy.free / buddy.fragments);
    this.file(group, buddy.largest, average);
  }

  /** The list of groups in which runs of `length` blocks stand. */
  averageOrder(length: number): number {
    return Math.max(0, Math.min(this.orderMax, 30 - Math.clz32(length)));
  }

  /** The next group of [from, end) with a largest chunk of `order`, or `end`. HOT. */
  nextByLargest(order: number, from: number, end: number): number {
    return this.byLargest[order]!.next(from, end);
  }

  /** The next group of [from, end) in the list `order`, or `end`. HOT. */
  nextByAverage(order: number, from: number, end: number): number {
    return this.byAverage[order]!.next(from, end);
  }

  /** The next group of [from, end) with anything free, or `end`. HOT. */
  nextAny(from: number, end: number): number {
    return this.any.next(from, end);
  }

  private file(group: number, largest: number, average: number): void {
    const list = largest < 0 ? NOWHERE : this.averageOrder(average);
    const before = this.largestOf[group]!;
    if (before !== largest) {
      if (before >= 0) this.byLargest[before]!.delete(group);
      if (largest >= 0) this.byLargest[largest]!.add(group);
      if (before < 0) this.any.add(group);
      else if (largest < 0) this.any.delete(group);
      this.largestOf[group] = largest;
    }
    const listBefore = this.averageOf[group]!;
    if (listBefore !== list) {
      if (listBefore >= 0) this.byAverage[listBefore]!.delete(group);
      if (list >= 0) this.byAverage[list]!.add(group);
      this.averageOf[group] = list;
    }
  }
}

/** A set of groups, as bits. */
class GroupSet {
  private readonly words: Int32Array;

  constructor(count: number) {
    this.words = new Int32Array(Math.ceil(count / 32));
  }

  add(group: number): void {
    this.words[group >>> 5]! |= 1 << (group & 31);
  }

  delete(group: number): void {
    this.words[group >>> 5]! &= ~(1 << (group & 31));
  }

  next(from: number, end: number): number {
    for (let bit = from; bit < end; bit += 32 - (bit & 31)) {
      const word = this.words[bit >>> 5]! & (-1 << (bit & 31));
      if (word !== 0) return Math.min(end, (bit & ~31) + 31 - Math.clz32(word & -word));
    }
    return end;
  }
}
