/** Proves that written bytes say who wrote them, and never look like nothing or like MARK. */
import { expect, test } from "vitest";
import { DATA_MAX, describeByte, MARK, pattern, patternByte } from "./pattern.ts";

test("a pattern is its bytes, from any position", () => {
  for (const [seed, pos, length] of [
    [0, 0, 10_000],
    [7, 4095, 2],
    [99, 2 ** 40 + 1234, 5000],
  ] as const) {
    const bytes = pattern(seed, pos, length);
    const expected = Uint8Array.from({ length }, (_, index) => patternByte(seed, pos + index));
    expect(bytes).toEqual(expected);
  }
});

test("no byte is zero or MARK", () => {
  for (let seed = 0; seed < 300; seed++) {
    const bytes = pattern(seed, seed * 1000, 300);
    expect(Math.min(...bytes)).toBeGreaterThan(0);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(DATA_MAX);
  }
  expect(MARK).toBeGreaterThan(DATA_MAX);
});

test("another seed, page or position gives another byte", () => {
  expect(patternByte(1, 0)).not.toBe(patternByte(2, 0));
  expect(patternByte(1, 0)).not.toBe(patternByte(1, 4096));
  expect(patternByte(1, 0)).not.toBe(patternByte(1, 1));
});

test("messages tell stale and lost bytes apart", () => {
  expect(describeByte(MARK)).toContain("stale");
  expect(describeByte(0)).toContain("never written");
});
