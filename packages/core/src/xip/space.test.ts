/**
 * Proves truncate and fallocate of the XIP path: partial blocks, growth over what lies beyond the
 * end, the order against crashes, and Linux's errors. The page cache shares this code; its own
 * tests are in pagecache/.
 */
import { describe, expect, it } from "vitest";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  FALLOC_FL_ZERO_RANGE,
} from "../spec/mode.ts";
import { XipOperations } from "./operations.ts";
import { contents, FakeFs, oldContents, PowerCut, survivor } from "./testing.ts";

const BLOCK = 4096;
const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

function setUp(layout: string, size = layout.length * BLOCK) {
  const watch = new PowerCut(64 * BLOCK);
  const fs = new FakeFs({ observers: [watch] });
  const operations = new XipOperations(fs, "zero");
  const inode = fs.build(layout, size);
  fs.log = [];
  return { watch, fs, operations, inode };
}

/** Old contents with [pos, end) zeroed. */
function cleared(layout: string, pos: number, end: number, size = layout.length * BLOCK) {
  return oldContents(layout, size).fill(0, pos, end);
}

describe("truncate", () => {
  it.each([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])("to %d and back shows zeros", (size) => {
    for (const layout of ["www", "uuu", "...", "w.w", ".uw"]) {
      const { operations, inode, fs } = setUp(layout);
      operations.truncate(inode, size);
      expect(fs.blocksOf(inode).size).toBeLessThanOrEqual(Math.ceil(size / BLOCK));
      expect(contents(operations, inode)).toEqual(oldContents(layout, size));
      operations.truncate(inode, 3 * BLOCK);
      expect(contents(operations, inode)).toEqual(cleared(layout, size, 3 * BLOCK));
    }
  });

  it("zeroes the tail after the size is committed, not before", () => {
    const { operations, inode, fs, watch } = setUp("w");
    const states: Uint8Array[] = [];
    fs.onCommit = () => states.push(survivor(fs, inode, watch.everything()));
    let atTruncate: Uint8Array | null = null;
    fs.fail = (method) => {
      if (method === "truncate") atTruncate = survivor(fs, inode, watch.everything());
      return null;
    };
    operations.truncate(inode, 100);
    expect(atTruncate).toEqual(oldContents("w", BLOCK));
    expect(states).toEqual([oldContents("w", 100)]);
  });

  it("zeroes durably what lies beyond the end before a size covers it", () => {
    for (const grow of ["truncate", "fallocate", "write"]) {
      const { operations, inode, fs, watch } = setUp("wu.w", 100);
      let worst: Uint8Array | null = null;
      fs.onCommit = () => (worst = survivor(fs, inode, watch.nothing()));
      if (grow === "truncate") operations.truncate(inode, 4 * BLOCK);
      else if (grow === "fallocate") operations.fallocate(inode, 0, 3 * BLOCK, BLOCK);
      else operations.write(inode, 4 * BLOCK - 1, new Uint8Array(1), 0, 1);
      expect(worst, grow).toEqual(cleared("w", 100, 4 * BLOCK, 4 * BLOCK));
    }
  });

  it("to the same size still lets blocks beyond the end go", () => {
    const { operations, inode, fs } = setUp("wu", BLOCK);
    operations.truncate(inode, BLOCK);
    expect(fs.layout(inode)).toBe("w");
  });
});

describe("fallocate", () => {
  it("allocates unwritten blocks over holes, within and beyond the end", () => {
    const { operations, inode, fs } = setUp("w..", 2 * BLOCK);
    operations.fallocate(inode, FALLOC_FL_KEEP_SIZE, 0, 3 * BLOCK);
    expect([fs.layout(inode), inode.size]).toEqual(["wuu", 2 * BLOCK]);
    operations.fallocate(inode, 0, 10, 3 * BLOCK);
    expect([fs.layout(inode), inode.size]).toEqual(["wuuu", 3 * BLOCK + 10]);
    expect(contents(operations, inode)).toEqual(oldContents("w", 3 * BLOCK + 10));
  });

  const RANGES = [
    [0, BLOCK],
    [10, 20],
    [BLOCK - 10, 20],
    [10, 3 * BLOCK],
    [0, 3 * BLOCK - 1],
    [BLOCK, BLOCK],
    [2 * BLOCK + 5, 5 * BLOCK],
    [9 * BLOCK, 10],
  ] as const;
  const LAYOUTS = ["wwww", "uuuu", "....", "w.uw"];

  it.each(RANGES)("punches %d+%d", (pos, length) => {
    for (const layout of LAYOUTS) {
      const { operations, inode, fs } = setUp(layout);
      operations.fallocate(inode, PUNCH, pos, length);
      expect(contents(operations, inode), layout).toEqual(cleared(layout, pos, pos + length));
      const end = Math.floor((pos + length) / BLOCK);
      for (let lblk = Math.ceil(pos / BLOCK); lblk < end; lblk++) {
        expect(fs.blocksOf(inode).has(lblk)).toBe(false);
      }
    }
  });

  it.each(RANGES)("zeroes %d+%d, and allocates all of it", (pos, length) => {
    for (const layout of LAYOUTS) {
      for (const keep of [0, FALLOC_FL_KEEP_SIZE]) {
        const { operations, inode, fs } = setUp(layout);
        operations.fallocate(inode, FALLOC_FL_ZERO_RANGE | keep, pos, length);
        const size = keep ? 4 * BLOCK : Math.max(4 * BLOCK, pos + length);
        expect(inode.size).toBe(size);
        const want = cleared(layout, pos, pos + length, size);
        expect(contents(operations, inode), layout).toEqual(want);
        for (let lblk = Math.floor(pos / BLOCK); lblk * BLOCK < pos + length; lblk++) {
          expect(fs.blocksOf(inode).has(lblk)).toBe(true);
        }
      }
    }
  });

  it("collapses and inserts whole blocks", () => {
    const { operations, inode, fs } = setUp("w.uw", 4 * BLOCK - 5);
    operations.fallocate(inode, FALLOC_FL_INSERT_RANGE, BLOCK, 2 * BLOCK);
    expect([fs.layout(inode), inode.size]).toEqual(["w...uw", 6 * BLOCK - 5]);
    operations.fallocate(inode, FALLOC_FL_COLLAPSE_RANGE, BLOCK, 2 * BLOCK);
    expect([fs.layout(inode), inode.size]).toEqual(["w.uw", 4 * BLOCK - 5]);
    expect(contents(operations, inode)).toEqual(oldContents("w.uw", 4 * BLOCK - 5));
  });

  it("drops private copies of pages that collapsing or inserting moves", () => {
    for (const mode of [FALLOC_FL_INSERT_RANGE, FALLOC_FL_COLLAPSE_RANGE]) {
      const { operations, inode } = setUp("wwww");
      const region = operations.map(inode, 0, 4 * BLOCK, {
        shared: false,
        writable: true,
        sync: false,
      });
      for (const lblk of [0, 2]) region.store(lblk * BLOCK, new Uint8Array(4).fill(1), 0, 4);
      operations.fallocate(inode, mode, BLOCK, BLOCK);
      const found = new Uint8Array(4 * BLOCK);
      region.load(0, found, 0, 3 * BLOCK);
      expect(found.subarray(0, 4)).toEqual(new Uint8Array(4).fill(1));
      expect(found.slice(BLOCK, 3 * BLOCK)).toEqual(
        contents(operations, inode).slice(BLOCK, 3 * BLOCK),
      );
    }
  });

  it.each([
    ["EINVAL", 0, -1, 10],
    ["EINVAL", 0, 0, 0],
    ["EFBIG", 0, 2 ** 40 - 5, 10],
    ["EOPNOTSUPP", FALLOC_FL_PUNCH_HOLE, 0, BLOCK],
    ["EOPNOTSUPP", PUNCH | FALLOC_FL_ZERO_RANGE, 0, BLOCK],
    ["EOPNOTSUPP", FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, BLOCK],
    ["EOPNOTSUPP", FALLOC_FL_INSERT_RANGE | FALLOC_FL_KEEP_SIZE, 0, BLOCK],
    ["EOPNOTSUPP", FALLOC_FL_INSERT_RANGE | FALLOC_FL_COLLAPSE_RANGE, 0, BLOCK],
    ["EOPNOTSUPP", FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_ZERO_RANGE, 0, BLOCK],
    ["EOPNOTSUPP", 0x80, 0, BLOCK],
    ["EINVAL", FALLOC_FL_COLLAPSE_RANGE, 1, BLOCK],
    ["EINVAL", FALLOC_FL_COLLAPSE_RANGE, 0, BLOCK + 1],
    ["EINVAL", FALLOC_FL_COLLAPSE_RANGE, BLOCK, 2 * BLOCK],
    ["EINVAL", FALLOC_FL_COLLAPSE_RANGE, 0, 9 * BLOCK],
    ["EINVAL", FALLOC_FL_INSERT_RANGE, 1, BLOCK],
    ["EINVAL", FALLOC_FL_INSERT_RANGE, 0, BLOCK - 1],
    ["EINVAL", FALLOC_FL_INSERT_RANGE, 3 * BLOCK, BLOCK],
    ["EFBIG", FALLOC_FL_INSERT_RANGE, 0, 2 ** 40 - BLOCK],
  ])("refuses with %s: mode 0x%x at %d+%d", (code, mode, pos, length) => {
    const { operations, inode, fs } = setUp("www");
    expect(() => operations.fallocate(inode, mode, pos, length)).toThrow(code);
    expect(fs.log).toEqual([]);
    expect(contents(operations, inode)).toEqual(oldContents("www", 3 * BLOCK));
  });
});
