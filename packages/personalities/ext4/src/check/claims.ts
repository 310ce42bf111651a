/**
 * Who has which block, as far as a check has seen: a bitmap per block group, made when the first
 * block of the group is claimed. In the order of the bitmaps on the medium, so that the two can be
 * compared a word at a time.
 */
import { assert, popcount } from "@xiplab/core";
import type { Geometry } from "../geometry.ts";

export class Claims {
  /** Blocks claimed, each counted once. */
  total = 0;
  private readonly geometry: Geometry;
  private readonly groups: Array<Uint32Array | undefined>;

  constructor(geometry: Geometry) {
    this.geometry = geometry;
    // Sized at once, so that it stays a fast array.
    // oxlint-disable-next-line unicorn/no-new-array
    this.groups = new Array<Uint32Array | undefined>(geometry.groupCount);
  }

  /** Claim blocks of the device. Returns how many had been claimed before. HOT. */
  claim(start: number, length: number): number {
    const { firstDataBlock, blockCount, blocksPerGroup } = this.geometry;
    assert(start >= firstDataBlock, "claimed blocks begin on the device");
    assert(start + length <= blockCount, "claimed blocks end on the device");
    let before = 0;
    for (let at = start, left = length; left > 0;) {
      const group = this.geometry.groupOf(at);
      const first = at - this.geometry.groupStart(group);
      const count = Math.min(left, blocksPerGroup - first);
      before += this.claimIn(group, first, count);
      at += count;
      left -= count;
    }
    this.total += length - before;
    return before;
  }

  has(pblk: number): boolean {
    const group = this.geometry.groupOf(pblk);
    const bit = pblk - this.geometry.groupStart(group);
    return (((this.groups[group]?.[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) === 1;
  }

  /** Word n has the blocks 32 n to 32 n + 31 of the group, lowest first. Undefined: none. */
  wordsOf(group: number): Uint32Array | undefined {
    return this.groups[group];
  }

  private claimIn(group: number, first: number, count: number): number {
    const words = (this.groups[group] ??= this.makeGroup());
    let before = 0;
    const end = first + count;
    for (let at = first, bits = 0; at < end; at += bits) {
      bits = Math.min(32 - (at & 31), end - at);
      const mask = (bits === 32 ? -1 : (1 << bits) - 1) << (at & 31);
      const word = words[at >>> 5]!;
      if ((word & mask) !== 0) before += popcount(word & mask);
      words[at >>> 5] = word | mask;
    }
    return before;
  }

  private makeGroup(): Uint32Array {
    return new Uint32Array(Math.ceil(this.geometry.blocksPerGroup / 32));
  }
}
