/** Proven here: how a wide table is cut into panels, and how figures are written. */
import { describe, expect, test } from "vitest";
import { formatBytes, formatCount, formatNs, formatRatio, formatShare } from "./format.ts";
import { panels, renderTable } from "./table.ts";

describe("panels", () => {
  test("puts everything into one where it fits", () => {
    expect(panels([5, 5, 5], 19)).toEqual([[0, 1, 2]]);
  });
  test("repeats the first column in each", () => {
    expect(panels([5, 5, 5], 18)).toEqual([
      [0, 1],
      [0, 2],
    ]);
  });
  test("gives a column that never fits a panel of its own, instead of dropping it", () => {
    expect(panels([5, 50, 5], 20)).toEqual([
      [0, 1],
      [0, 2],
    ]);
  });
});

test("a table aligns its columns and puts short titles at the foot of the heading", () => {
  const text = renderTable(
    {
      columns: [
        { title: ["name"], align: "left" },
        { title: ["dram", "ns"], align: "right" },
      ],
      rows: [
        ["a", "1"],
        ["long name", "12345"],
      ],
    },
    80,
  );
  expect(text.split("\n")).toEqual([
    "            dram",
    "name          ns",
    "a              1",
    "long name  12345",
  ]);
});

test.each([
  [0, "0 ns"],
  [0.4, "0 ns"],
  [834, "834 ns"],
  [999.6, "1.00 µs"],
  [1234, "1.23 µs"],
  [45_600, "45.6 µs"],
  [999_600, "1.00 ms"],
  [123_456_789, "123 ms"],
  [2.5e12, "2500 s"],
])("%d ns is written %s", (ns, text) => {
  expect(formatNs(ns)).toBe(text);
});

test("bytes, counts, ratios and shares", () => {
  expect(formatBytes(0)).toBe("0 B");
  expect(formatBytes(4096)).toBe("4.00 K");
  expect(formatBytes(12.3 * 2 ** 20)).toBe("12.3 M");
  expect(formatCount(340)).toBe("340");
  expect(formatCount(12_345)).toBe("12.3 k");
  expect(formatRatio(1)).toBe("1.00");
  expect(formatRatio(12.34)).toBe("12.3");
  expect(formatRatio(Number.NaN)).toBe("-");
  expect(formatShare(0)).toBe("0 %");
  expect(formatShare(0.004)).toBe("0.4 %");
  expect(formatShare(0.52)).toBe("52 %");
});
