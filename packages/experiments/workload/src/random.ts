/** Seeded randomness: mulberry32, whose whole state is one 32-bit word. Same seed, same numbers. */
import { assert } from "@xiplab/core";

export class Random {
  private state: number;

  constructor(seed: number) {
    assert(Number.isSafeInteger(seed), "a seed is an integer");
    this.state = seed >>> 0;
  }

  /** An integer from 0 to `end` - 1. */
  below(end: number): number {
    assert(end >= 1, "the range is not empty");
    assert(end <= 0x1_0000_0000, "the range fits 32 bits");
    return Math.floor((this.next() / 0x1_0000_0000) * end);
  }

  /** An integer from `first` to `last`, both included. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** Fill with bytes that are never 0, so that what was never written shows. */
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) bytes[index] = 1 + (this.next() % 255);
    return bytes;
  }

  private next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
}
