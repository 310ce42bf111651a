/** Percentiles by the nearest-rank rule. */
import { assert } from "@xiplab/core";
import type { Percentiles } from "./row.ts";

/** Of `values`, which is sorted in place. All 0 where there are none. */
export function percentilesOf(values: Float64Array): Percentiles {
  if (values.length === 0) return { p50: 0, p99: 0, mean: 0 };
  values.sort();
  let sum = 0;
  for (const value of values) sum += value;
  return { p50: rank(values, 0.5), p99: rank(values, 0.99), mean: sum / values.length };
}

/** The smallest value that at least `share` of all values do not exceed. */
function rank(sorted: Float64Array, share: number): number {
  assert(share > 0, "a percentile is above 0");
  assert(share <= 1, "a percentile is at most 1");
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

export function median(values: readonly number[]): number {
  assert(values.length > 0, "a median needs a value");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle]!;
  return sorted.length % 2 === 1 ? upper : (upper + sorted[middle - 1]!) / 2;
}
