/** Proves the bitmap, 32 bits at a time, against an array of booleans, and the allocator's rules. */
import { expect, test } from "vitest";
import { Bitmap, popcount } from "./bitmap.ts";
import { RunAllocator } from "./run-allocator.ts";

/** xorshift32: the same numbers in every run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

test("popcount", () => {
  for (const word of [0, 1, 0x80000000, -1, 0xf0f0f0f0, 0x12345678]) {
    const ones = (word >>> 0).toString(2).replaceAll("0", "").length;
    expect(popcount(word)).toBe(ones);
  }
});

test("marking and searching agree with an array, seed=7", () => {
  const random = randomNumbers(7);
  for (const size of [1, 31, 32, 33, 64, 100, 257]) {
    const bitmap = new Bitmap(size);
    const naive = Array.from({ length: size }, () => false);
    for (let round = 0; round < 400; round++) {
      const start = random(size);
      const length = random(size - start) + 1;
      const used = random(2) === 1;
      const changed = naive.slice(start, start + length).filter((bit) => bit !== used).length;
      expect(bitmap.mark(start, length, used)).toBe(changed);
      naive.fill(used, start, start + length);
      expect(bitmap.free).toBe(naive.filter((bit) => !bit).length);
      const from = random(size + 1);
      const end = from + random(size - from + 1);
      for (const wanted of [true, false]) {
        const found = naive.findIndex((bit, at) => at >= from && at < end && bit === wanted);
        expect(bitmap.next(wanted, from, end)).toBe(found < 0 ? end : found);
      }
    }
  }
});

function naiveRuns(naive: boolean[], from: number, stop: number): number[][] {
  const runs: number[][] = [];
  for (let at = from; at < stop; at++) {
    const last = runs.at(-1);
    if (naive[at]) continue;
    const end = last === undefined ? -1 : last[0]! + last[1]!;
    if (end === at) last![1]!++;
    else runs.push([at, 1]);
  }
  return runs;
}

test("free runs: the first, or with `whole` the first that is long enough or the longest", () => {
  const random = randomNumbers(11);
  for (let round = 0; round < 500; round++) {
    const size = random(150) + 1;
    const bitmap = new Bitmap(size);
    const naive = Array.from({ length: size }, () => random(3) === 0);
    for (const [at, used] of naive.entries()) if (used) bitmap.mark(at, 1, true);
    const from = random(size);
    const want = random(12) + 1;
    const runs = [...naiveRuns(naive, from, size), ...naiveRuns(naive, 0, from)];
    const first = runs[0];
    const some = bitmap.findFree(want, from, false);
    expect([some.start, some.length]).toEqual(
      first === undefined ? [from, 0] : [first[0], Math.min(first[1]!, want)],
    );
    const longest = Math.max(0, ...runs.map(([, length]) => length!));
    const whole = bitmap.findFree(want, from, true);
    const fitting = runs.find(([, length]) => length! >= Math.min(want, longest));
    expect([whole.start, whole.length]).toEqual(
      fitting === undefined ? [from, 0] : [fitting[0], Math.min(want, longest)],
    );
  }
});

test("a run beyond the bitmap is a bug", () => {
  expect(() => new Bitmap(40).mark(39, 2, true)).toThrow("ends inside");
  expect(() => new Bitmap(40).mark(-1, 2, true)).toThrow("starts inside");
});

test("what is given up is free at the commit, not before", () => {
  const allocator = new RunAllocator(10);
  expect(allocator.take(10, 0, true)).toEqual({ start: 0, length: 10 });
  expect(allocator.commit()).toBe(10);
  allocator.release(3, 2);
  expect(allocator.free).toBe(0);
  expect(() => allocator.take(1, 0, false)).toThrow("some bits are free");
  expect(allocator.commit()).toBe(-2);
  expect(allocator.free).toBe(2);
});

test("a rollback frees what was taken and keeps what was given up", () => {
  const allocator = new RunAllocator(10);
  allocator.take(4, 0, true);
  allocator.commit();
  allocator.release(0, 2);
  allocator.take(3, 4, true);
  allocator.rollback();
  expect(allocator.free).toBe(6);
  expect(allocator.commit()).toBe(0);
  expect(allocator.next(false, 0, 10)).toBe(4);
});

test("giving up what is free is a bug", () => {
  const allocator = new RunAllocator(10);
  allocator.release(0, 1);
  expect(() => allocator.commit()).toThrow("was used");
});

test("the cursor stands behind what was taken last", () => {
  const allocator = new RunAllocator(10);
  allocator.take(3, 5, true);
  expect(allocator.cursor).toBe(8);
});
