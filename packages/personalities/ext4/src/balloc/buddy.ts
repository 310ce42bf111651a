/**
 * The free blocks of one group as a buddy system: which aligned chunks of 2^order blocks are free
 * and not part of a larger one, so that a run of any length is found, taken and given back in a few
 * steps.
 *
 * Free here means free to be handed out: what is preallocated, or freed and not durable yet, counts
 * as used.
 *
 * Invariants: a block is free, and in one chunk, or used, and in none. Two buddies (the halves of an
 * aligned chunk of the next order) are not both chunks, up to the largest order.
 */
import { assert } from "@xiplab/core";

/** What all groups of a device have in common: where in `chunks` the bits of each order start. */
export class BuddyShape {
  /** Blocks of a full group. */
  readonly blocks: number;
  /** The largest chunk has 2^orderMax blocks. */
  readonly orderMax: number;
  /** By order from 1: the first word of its bits. */
  readonly wordOf: Uint32Array;
  readonly wordCount: number;

  constructor(blocks: number, orderMax: number) {
    this.blocks = blocks;
    this.orderMax = orderMax;
    this.wordOf = new Uint32Array(orderMax + 2);
    let words = 0;
    for (let order = 1; order <= orderMax; order++) {
      this.wordOf[order] = words;
      words += Math.ceil(Math.ceil(blocks / 2 ** order) / 32);
    }
    this.wordOf[orderMax + 1] = words;
    this.wordCount = words;
  }
}

/** Caller-owned result of `extentAt`. */
export interface Found {
  start: number;
  length: number;
}

export class Buddy {
  /** Blocks in the group: the last group of a device is shorter. */
  readonly length: number;
  /** Free blocks. */
  free = 0;
  /** Runs of free blocks. */
  fragments = 0;
  /** No block before it is free. */
  firstFree = 0;
  /** Order of the largest chunk; -1 where nothing is free. */
  largest = -1;
  /** Chunks of each order. */
  readonly counters: Uint16Array;
  private readonly shape: BuddyShape;
  /** One bit for each block: 1 is used. */
  private readonly used: Int32Array;
  /** One bit for each aligned chunk of each order from 1: 1 is free, and not in a larger one. */
  private readonly chunks: Int32Array;

  /** From a bitmap as the medium has it. */
  constructor(shape: BuddyShape, length: number, view: DataView, at: number) {
    this.shape = shape;
    this.length = length;
    this.counters = new Uint16Array(shape.orderMax + 1);
    this.used = new Int32Array(Math.ceil(shape.blocks / 32));
    this.chunks = new Int32Array(shape.wordCount);
    for (let word = 0; word < this.used.length; word++) {
      this.used[word] = view.getInt32(at + word * 4, true);
    }
    this.firstFree = length;
    for (let start = this.nextFree(0, length); start < length;) {
      const end = this.nextUsed(start, length);
      if (this.fragments === 0) this.firstFree = start;
      this.fragments++;
      this.free += end - start;
      this.split(start, end);
      start = this.nextFree(end, length);
    }
  }

  isFree(block: number): boolean {
    return ((this.used[block >>> 5]! >>> (block & 31)) & 1) === 0;
  }

  /** The first free block of [from, end), or `end`. HOT. */
  nextFree(from: number, end: number): number {
    const { used } = this;
    for (let bit = from; bit < end; bit += 32 - (bit & 31)) {
      const word = ~used[bit >>> 5]! & (-1 << (bit & 31));
      if (word !== 0) return Math.min(end, (bit & ~31) + 31 - Math.clz32(word & -word));
    }
    return end;
  }

  /** The first used block of [from, end), or `end`. HOT. */
  nextUsed(from: number, end: number): number {
    const { used } = this;
    for (let bit = from; bit < end; bit += 32 - (bit & 31)) {
      const word = used[bit >>> 5]! & (-1 << (bit & 31));
      if (word !== 0) return Math.min(end, (bit & ~31) + 31 - Math.clz32(word & -word));
    }
    return end;
  }

  /** Take free blocks. HOT. */
  take(start: number, length: number): void {
    const end = start + length;
    assert(length > 0, "a run has blocks");
    assert(end <= this.length, "a run is in its group");
    assert(this.nextUsed(start, end) === end, "blocks that are taken are free");
    const left = start > 0 && this.isFree(start - 1) ? 1 : 0;
    const right = end < this.length && this.isFree(end) ? 1 : 0;
    this.fragments += left + right - 1;
    this.free -= length;
    for (let at = start; at < end;) {
      const order = this.orderOf(at);
      const base = at - (at % (1 << order));
      const chunkEnd = base + (1 << order);
      this.remove(order, base);
      if (base < at) this.split(base, at);
      if (chunkEnd > end) this.split(end, chunkEnd);
      at = chunkEnd;
    }
    this.mark(start, end, true);
    if (start <= this.firstFree && this.firstFree < end) this.firstFree = end;
    while (this.largest >= 0 && this.counters[this.largest] === 0) this.largest--;
  }

  /** Give blocks back. HOT. */
  release(start: number, length: number): void {
    const end = start + length;
    assert(length > 0, "a run has blocks");
    assert(end <= this.length, "a run is in its group");
    assert(this.nextFree(start, end) === end, "blocks that are given back were taken");
    const left = start > 0 && this.isFree(start - 1) ? 1 : 0;
    const right = end < this.length && this.isFree(end) ? 1 : 0;
    this.fragments += 1 - left - right;
    this.free += length;
    // Chunks of the run first, each joined with its buddy as long as that is free. The buddy of a
    // single block is outside the run, so that the bitmap, which is changed last, tells of it.
    for (let at = start; at < end;) {
      const order = this.alignedOrder(at, end);
      this.join(order, at);
      at += 1 << order;
    }
    this.mark(start, end, false);
    if (start < this.firstFree) this.firstFree = start;
  }

  /** The free run at `block` as far as whole chunks go, until it has `needed` blocks: it may be
   * longer. HOT. */
  extentAt(block: number, needed: number, out: Found): void {
    out.start = block;
    out.length = 0;
    for (let at = block; at < this.length && out.length < needed && this.isFree(at);) {
      const order = this.orderOf(at);
      const end = at - (at % (1 << order)) + (1 << order);
      out.length += end - at;
      at = end;
    }
  }

  /** The first chunk of `order`. There is one: `counters` says so. */
  firstChunk(order: number): number {
    assert(this.counters[order]! > 0, "there is a chunk of the order");
    if (order === 0) return this.firstSingle();
    const { wordOf } = this.shape;
    const first = wordOf[order]!;
    for (let word = first; word < wordOf[order + 1]!; word++) {
      const bits = this.chunks[word]!;
      if (bits !== 0) return ((word - first) * 32 + 31 - Math.clz32(bits & -bits)) * (1 << order);
    }
    throw new Error("a counted chunk is in the bitmap");
  }

  private firstSingle(): number {
    let block = this.nextFree(this.firstFree, this.length);
    while (this.orderOf(block) !== 0) block = this.nextFree(block + 1, this.length);
    return block;
  }

  /** Order of the chunk that a free block is in. */
  private orderOf(block: number): number {
    for (let order = 1; order <= this.shape.orderMax; order++) {
      if (this.isChunk(order, block)) return order;
    }
    return 0;
  }

  private isChunk(order: number, block: number): boolean {
    const index = block >>> order;
    return ((this.chunks[this.shape.wordOf[order]! + (index >>> 5)]! >>> (index & 31)) & 1) === 1;
  }

  /** Order of the largest aligned chunk that starts at `at` and ends before `end`. */
  private alignedOrder(at: number, end: number): number {
    const fits = 31 - Math.clz32(end - at);
    const aligned = at === 0 ? 31 : 31 - Math.clz32(at & -at);
    return Math.min(fits, aligned, this.shape.orderMax);
  }

  /** Make chunks of a free run that has no free neighbours. */
  private split(start: number, end: number): void {
    for (let at = start; at < end;) {
      const order = this.alignedOrder(at, end);
      this.add(order, at);
      at += 1 << order;
    }
  }

  /** Add a chunk, joined with its buddies. */
  private join(order: number, start: number): void {
    let base = start;
    let joined = order;
    for (; joined < this.shape.orderMax; joined++) {
      const buddy = base ^ (1 << joined);
      if (buddy >= this.length) break;
      const free = joined === 0 ? this.isFree(buddy) : this.isChunk(joined, buddy);
      if (!free) break;
      this.remove(joined, buddy);
      base = Math.min(base, buddy);
    }
    this.add(joined, base);
  }

  private add(order: number, start: number): void {
    if (order > 0) this.flip(order, start);
    this.counters[order]!++;
    if (order > this.largest) this.largest = order;
  }

  private remove(order: number, start: number): void {
    if (order > 0) this.flip(order, start);
    this.counters[order]!--;
  }

  private flip(order: number, start: number): void {
    const index = start >>> order;
    this.chunks[this.shape.wordOf[order]! + (index >>> 5)]! ^= 1 << (index & 31);
  }

  private mark(start: number, end: number, used: boolean): void {
    for (let bit = start, bits = 0; bit < end; bit += bits) {
      bits = Math.min(32 - (bit & 31), end - bit);
      const mask = (bits === 32 ? -1 : (1 << bits) - 1) << (bit & 31);
      if (used) this.used[bit >>> 5]! |= mask;
      else this.used[bit >>> 5]! &= ~mask;
    }
  }
}
