/**
 * Proves the buddy against its definition, worked out anew from an array of booleans after each
 * random change: which chunks there are, runs, counts.
 */
import { describe, expect, test } from "vitest";
import { randomNumbers } from "../testing/space.ts";
import { Buddy, BuddyShape, type Found } from "./buddy.ts";

interface Naive {
  free: number;
  fragments: number;
  counters: number[];
  largest: number;
  /** First block of the first chunk of each order, or -1. */
  firsts: number[];
}

/** Chunks by their definition: aligned, all free, and not inside a larger one. */
function naiveFacts(used: readonly boolean[], orderMax: number): Naive {
  const counters = Array.from({ length: orderMax + 1 }, () => 0);
  const firsts = counters.map(() => -1);
  const covered = used.slice();
  for (let order = orderMax; order >= 0; order--) {
    const size = 2 ** order;
    for (let at = 0; at + size <= used.length; at += size) {
      if (covered.slice(at, at + size).includes(true)) continue;
      covered.fill(true, at, at + size);
      counters[order]!++;
      if (firsts[order] === -1) firsts[order] = at;
    }
  }
  return {
    free: used.filter((bit) => !bit).length,
    fragments: used.filter((bit, at) => !bit && (at === 0 || used[at - 1]!)).length,
    counters,
    largest: counters.findLastIndex((count) => count > 0),
    firsts,
  };
}

function factsOf(buddy: Buddy): Naive {
  const { free, fragments, largest } = buddy;
  const counters = [...buddy.counters];
  const firsts = counters.map((count, order) => (count > 0 ? buddy.firstChunk(order) : -1));
  return { free, fragments, counters, largest, firsts };
}

function fromUsed(shape: BuddyShape, used: readonly boolean[]): Buddy {
  const bytes = new Uint8Array(Math.ceil(shape.blocks / 32) * 4).fill(0xff);
  for (const [at, bit] of used.entries()) if (!bit) bytes[at >>> 3]! &= ~(1 << (at & 7));
  return new Buddy(shape, used.length, new DataView(bytes.buffer), 0);
}

describe.each([
  { blocks: 256, length: 256, orderMax: 9 },
  { blocks: 256, length: 256, orderMax: 4 },
  { blocks: 256, length: 163, orderMax: 6 },
])("groups of $length blocks, orders to $orderMax", ({ blocks, length, orderMax }) => {
  const shape = new BuddyShape(blocks, orderMax);

  test("taking and giving back keeps to the definition", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = randomNumbers(seed * 7919);
      const used = Array.from({ length }, () => random(4) === 0);
      const buddy = fromUsed(shape, used);
      expect(factsOf(buddy)).toEqual(naiveFacts(used, orderMax));
      for (let step = 0; step < 60; step++) {
        const start = random(length);
        const end = runEnd(used, start, random(40) + 1);
        if (used[start]) buddy.release(start, end - start);
        else buddy.take(start, end - start);
        used.fill(!used[start], start, end);
        expect(factsOf(buddy)).toEqual(naiveFacts(used, orderMax));
      }
    }
  });

  test("an extent goes as far as whole chunks do", () => {
    const random = randomNumbers(31);
    const used = Array.from({ length }, () => random(20) === 0);
    const buddy = fromUsed(shape, used);
    const out: Found = { start: 0, length: 0 };
    for (let at = 0; at < length; at++) {
      const needed = random(30) + 1;
      buddy.extentAt(at, needed, out);
      const run = used[at] ? 0 : runEnd(used, at, length) - at;
      expect(out.length).toBeGreaterThanOrEqual(Math.min(needed, run));
      expect(out.length).toBeLessThanOrEqual(run);
    }
  });
});

test("taking what is used, and giving back what is free, is our own mistake", () => {
  const buddy = fromUsed(
    new BuddyShape(64, 5),
    Array.from({ length: 64 }, (_, at) => at === 10),
  );
  expect(() => buddy.take(8, 4)).toThrow("blocks that are taken are free");
  expect(() => buddy.release(9, 2)).toThrow("blocks that are given back were taken");
});

/** End of the blocks from `start` on that are in the same state, at most `most` of them. */
function runEnd(used: readonly boolean[], start: number, most: number): number {
  let end = start + 1;
  while (end < used.length && end - start < most && used[end] === used[start]) end++;
  return end;
}
