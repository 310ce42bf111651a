/**
 * The blocks that mkfs has given out, as runs: a device of 16 TiB has none but a few thousand, where
 * bitmaps would take 512 MiB.
 *
 * Invariant: runs are sorted, do not overlap and do not touch.
 */
import { assert } from "@xiplab/core";

export class Space {
  /** First blocks of the runs that are taken, and the blocks behind them. */
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly blockCount: number;

  /** Of blocks `first` to `blockCount` - 1, all free. */
  constructor(first: number, blockCount: number) {
    this.blockCount = blockCount;
    if (first > 0) this.take(0, first);
  }

  take(start: number, length: number): void {
    if (length === 0) return;
    const end = start + length;
    assert(this.isFree(start, length), "a block is given out once");
    assert(end <= this.blockCount, "a block that is given out is on the device");
    const index = this.indexBehind(start);
    const joinsBefore = index > 0 && this.ends[index - 1] === start;
    const joinsBehind = this.starts[index] === end;
    if (joinsBefore && joinsBehind) {
      this.ends.splice(index - 1, 1);
      this.starts.splice(index, 1);
    } else if (joinsBefore) {
      this.ends[index - 1] = end;
    } else if (joinsBehind) {
      this.starts[index] = start;
    } else {
      this.starts.splice(index, 0, start);
      this.ends.splice(index, 0, end);
    }
  }

  isFree(start: number, length: number): boolean {
    const index = this.indexBehind(start);
    const before = index === 0 ? 0 : this.ends[index - 1]!;
    return before <= start && start + length <= (this.starts[index] ?? this.blockCount);
  }

  /** The first of `length` free blocks in a row in [from, end), or -1. */
  find(from: number, end: number, length: number): number {
    let index = this.indexBehind(from);
    let start = Math.max(from, index === 0 ? 0 : this.ends[index - 1]!);
    for (; start + length <= end; index++) {
      if (start + length <= (this.starts[index] ?? this.blockCount)) return start;
      if (index >= this.starts.length) return -1;
      start = this.ends[index]!;
    }
    return -1;
  }

  /** Free blocks in a row from `start` on, at most `most`. */
  lengthFrom(start: number, most: number): number {
    const next = this.starts[this.indexBehind(start)] ?? this.blockCount;
    return Math.min(most, next - start);
  }

  /** Blocks taken in [start, end). */
  usedIn(start: number, end: number): number {
    let used = 0;
    this.each(start, end, (from, to) => (used += to - from));
    return used;
  }

  /** The parts of runs that lie in [start, end). */
  each(start: number, end: number, visit: (from: number, to: number) => void): void {
    for (let i = Math.max(0, this.indexBehind(start) - 1); i < this.starts.length; i++) {
      const from = Math.max(start, this.starts[i]!);
      const to = Math.min(end, this.ends[i]!);
      if (this.starts[i]! >= end) return;
      if (from < to) visit(from, to);
    }
  }

  /** Index of the first run that starts behind `block`. */
  private indexBehind(block: number): number {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.starts[middle]! <= block) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
