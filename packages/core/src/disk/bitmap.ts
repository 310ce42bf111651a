/**
 * A bitmap in memory, for blocks and inodes: 1 is used. Runs are found 32 bits at a time.
 *
 * `free` counts the zeros. Word n holds bits 32 n to 32 n + 31, lowest first, as the little-endian
 * bitmaps of ext4 do.
 */
import { assert } from "../spec/errors.ts";

/** Bits in a row. */
export interface Run {
  readonly start: number;
  readonly length: number;
}

export class Bitmap {
  readonly size: number;
  readonly words: Uint32Array<ArrayBuffer>;
  free: number;

  /** `size` bits, all free. */
  constructor(size: number) {
    this.size = size;
    this.words = new Uint32Array(Math.ceil(size / 32));
    this.free = size;
  }

  /** Set the bits of a run. Returns how many of them changed. HOT. */
  mark(start: number, length: number, used: boolean): number {
    const end = start + length;
    assert(start >= 0, "the run starts inside the bitmap");
    assert(end <= this.size, "the run ends inside the bitmap");
    let changed = 0;
    for (let at = start, bits = 0; at < end; at += bits) {
      bits = Math.min(32 - (at % 32), end - at);
      const mask = (bits === 32 ? -1 : (1 << bits) - 1) << (at % 32);
      const before = this.words[at >>> 5]!;
      const after = used ? before | mask : before & ~mask;
      changed += popcount(before ^ after);
      this.words[at >>> 5] = after;
    }
    this.free += used ? -changed : changed;
    return changed;
  }

  /** The first bit in [at, end) that is `used`, or `end`. HOT. */
  next(used: boolean, at: number, end: number): number {
    const flip = used ? 0 : -1;
    for (let bit = at; bit < end; bit += 32 - (bit % 32)) {
      const word = (this.words[bit >>> 5]! ^ flip) & (-1 << (bit % 32));
      if (word !== 0) return Math.min(end, bit - (bit % 32) + 31 - Math.clz32(word & -word));
    }
    return end;
  }

  /**
   * Find free bits, at most `want`: from `from` on, then from the start. The first run that there
   * is; with `whole` the first of `want` bits, or else the longest. Length 0 where nothing is free.
   */
  findFree(want: number, from: number, whole: boolean): Run {
    const ahead = this.search(want, from, this.size, whole);
    if (ahead.length === want || (ahead.length > 0 && !whole)) return ahead;
    const behind = this.search(want, 0, from, whole);
    return behind.length > ahead.length ? behind : ahead;
  }

  private search(want: number, from: number, end: number, whole: boolean): Run {
    let best: Run = { start: from, length: 0 };
    for (let start = this.next(false, from, end); start < end;) {
      const stop = this.next(true, start, Math.min(end, start + want));
      if (stop - start > best.length) best = { start, length: stop - start };
      if (best.length === want || !whole) break;
      start = this.next(false, stop, end);
    }
    return best;
  }
}

/** Ones among 32 bits. */
export function popcount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
