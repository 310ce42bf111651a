/** Proven here: nearest rank, the edges of it, and that a seed always gives the same numbers. */
import { expect, test } from "vitest";
import { median, percentilesOf } from "./percentiles.ts";
import { Random } from "./random.ts";

test("percentiles by nearest rank", () => {
  const hundred = Float64Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(percentilesOf(hundred)).toEqual({ p50: 50, p99: 99, mean: 50.5 });
  expect(percentilesOf(Float64Array.of(7))).toEqual({ p50: 7, p99: 7, mean: 7 });
  expect(percentilesOf(new Float64Array())).toEqual({ p50: 0, p99: 0, mean: 0 });
  // Numbers, not words: 9 comes before 10.
  expect(percentilesOf(Float64Array.of(10, 9, 100)).p50).toBe(10);
});

test("the median of an even number of values lies between the middle two", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 100])).toBe(3);
});

test("a seed gives the same numbers for ever, another seed others", () => {
  const draw = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 5 }, () => random.below(1000));
  };
  expect(draw(1)).toEqual([627, 2, 527, 981, 968]);
  expect(draw(2)).not.toEqual(draw(1));
});

test("numbers stay in their range and reach both ends; bytes are never 0", () => {
  const random = new Random(5);
  const drawn = new Set(Array.from({ length: 200 }, () => random.between(3, 6)));
  expect([...drawn].sort()).toEqual([3, 4, 5, 6]);
  expect(new Random(5).bytes(4096)).not.toContain(0);
});
