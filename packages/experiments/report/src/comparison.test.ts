/**
 * Proven here: the comparison fits the terminal it is given, leaves no column out, names what it
 * must name, and carries colour codes only where a style adds them.
 */
import { stripVTControlCharacters, styleText } from "node:util";
import { describe, expect, test } from "vitest";
import { designLabel, formatVerdict, renderComparison } from "./comparison.ts";
import { bothMedia, control, row } from "./testing.ts";

const rows = [
  ...bothMedia(row()),
  ...bothMedia(control()),
  ...bothMedia(row({ data: "delalloc", unwritten: "writeback" })),
];

const widest = (text: string): number =>
  Math.max(
    ...stripVTControlCharacters(text)
      .split("\n")
      .map((line) => line.length),
  );

describe("renderComparison", () => {
  test.each([80, 100, 120, 200])("fits %i columns", (width) => {
    const text = renderComparison(rows, { width });
    expect(widest(text)).toBeLessThanOrEqual(width);
  });

  test.each([80, 120])("leaves no figure out at %i columns", (width) => {
    const text = renderComparison(rows, { width });
    for (const word of [
      "wall",
      "mean/op",
      "p50/op",
      "p99/op",
      "w.amp",
      "zeroing",
      "flush",
      "fence",
    ]) {
      expect(text).toContain(word);
    }
    for (const word of ["trans.", "extents", "space", "convicted", "dram", "optane"]) {
      expect(text).toContain(word);
    }
  });

  test("says every design once per panel, and marks the negative control", () => {
    const text = renderComparison(rows, { width: 400 });
    expect(text.match(/plain zero/g)).toHaveLength(1);
    expect(text).toContain("plain none †");
    expect(text).toContain("plain delalloc");
    expect(text).toContain("12 lost of 340");
    expect(text).toContain("wrong");
  });

  test("leaves out a purpose for which nobody stored a byte, and only that", () => {
    const without = renderComparison(rows, { width: 400 });
    expect(without).not.toContain("journal");
    const bytes = { data: 4096, metadata: 0, journal: 12_288, zeroing: 0, checkpoint: 0 };
    const text = renderComparison([row({ bytes })], { width: 400 });
    expect(text).toContain("journal");
    expect(text).toContain("12.0 K  75 %");
  });

  test("has no escape codes by default, and the same text with colour", () => {
    const plain = renderComparison(rows, { width: 100 });
    const coloured = renderComparison(rows, {
      width: 100,
      style: (format, text) => styleText(format, text, { validateStream: false }),
    });
    expect(plain).not.toContain("\u001b");
    expect(coloured).toContain("\u001b[31m");
    expect(stripVTControlCharacters(coloured).replaceAll(/ +$/gm, "")).toBe(plain);
  });

  test("obeys NO_COLOR through util.styleText", () => {
    const stream = Object.assign(process.stdout, {});
    const before = process.env["NO_COLOR"];
    process.env["NO_COLOR"] = "1";
    try {
      const text = renderComparison(rows, {
        width: 100,
        style: (format, part) => styleText(format, part, { stream }),
      });
      expect(text).not.toContain("\u001b");
    } finally {
      if (before === undefined) delete process.env["NO_COLOR"];
      else process.env["NO_COLOR"] = before;
    }
  });
});

test("a verdict names each finding and the number of states", () => {
  expect(formatVerdict(null)).toBe("-");
  expect(formatVerdict(row().crash)).toBe("0 of 340");
  const crash = { ...row().crash!, lost: 1, stale: 2, broken: 3 };
  expect(formatVerdict(crash)).toBe("1 lost, 2 stale, 3 broken of 340");
});

test("a design is labelled by its protocol under xip, else by its data path", () => {
  expect(designLabel(row())).toBe("plain zero");
  expect(designLabel(row({ data: "nodelalloc", unwritten: "writeback" }))).toBe("plain nodelalloc");
  expect(designLabel(control())).toBe("plain none †");
});
