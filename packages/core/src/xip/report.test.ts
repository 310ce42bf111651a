/** Proves SEEK_DATA, SEEK_HOLE and fiemap of the XIP path, answered in long and short pieces. */
import { describe, expect, it } from "vitest";
import {
  FIEMAP_EXTENT_LAST as LAST,
  FIEMAP_EXTENT_UNWRITTEN as UNWRITTEN,
  SEEK_DATA,
  SEEK_HOLE,
} from "../spec/mode.ts";
import { XipOperations } from "./operations.ts";
import { FakeFs } from "./testing.ts";

const BLOCK = 4096;

function setUp(layout: string, size = layout.length * BLOCK, rangeMax = Infinity) {
  const fs = new FakeFs();
  const inode = fs.build(layout, size);
  fs.rangeMax = rangeMax;
  return { operations: new XipOperations(fs, "zero"), inode };
}

describe.each([Infinity, BLOCK])("seek, answered in %d bytes", (rangeMax) => {
  it("finds data and holes; unwritten blocks are a hole", () => {
    const { operations, inode } = setUp(".wwu.w", 6 * BLOCK - 100, rangeMax);
    const seek = (pos: number, whence: number) => operations.seek(inode, pos, whence);
    expect(seek(0, SEEK_DATA)).toBe(BLOCK);
    expect(seek(BLOCK + 5, SEEK_DATA)).toBe(BLOCK + 5);
    expect(seek(3 * BLOCK, SEEK_DATA)).toBe(5 * BLOCK);
    expect(seek(0, SEEK_HOLE)).toBe(0);
    expect(seek(7, SEEK_HOLE)).toBe(7);
    expect(seek(BLOCK, SEEK_HOLE)).toBe(3 * BLOCK);
    expect(seek(4 * BLOCK + 1, SEEK_HOLE)).toBe(4 * BLOCK + 1);
    expect(seek(5 * BLOCK, SEEK_HOLE)).toBe(6 * BLOCK - 100);
  });

  it("gives ENXIO outside the file, and where no data follows", () => {
    const { operations, inode } = setUp("w..", 3 * BLOCK, rangeMax);
    expect(() => operations.seek(inode, BLOCK, SEEK_DATA)).toThrow("ENXIO");
    for (const pos of [-1, 3 * BLOCK, 9 * BLOCK]) {
      expect(() => operations.seek(inode, pos, SEEK_DATA)).toThrow("ENXIO");
      expect(() => operations.seek(inode, pos, SEEK_HOLE)).toThrow("ENXIO");
    }
    expect(() => operations.seek(inode, 0, 2)).toThrow("EINVAL");
  });
});

describe.each([Infinity, BLOCK])("fiemap, answered in %d bytes", (rangeMax) => {
  it("lists extents, merged, the last one marked", () => {
    const { operations, inode } = setUp("ww.uuw", 5 * BLOCK, rangeMax);
    expect(operations.fiemap(inode, 0, Number.MAX_SAFE_INTEGER)).toEqual([
      { logical: 0, physical: 0, length: 2 * BLOCK, flags: 0 },
      { logical: 3 * BLOCK, physical: 2 * BLOCK, length: 2 * BLOCK, flags: UNWRITTEN },
      { logical: 5 * BLOCK, physical: 4 * BLOCK, length: BLOCK, flags: LAST },
    ]);
  });

  it("lists what touches the range, and knows whether more follows", () => {
    const { operations, inode } = setUp("www..w", 6 * BLOCK, rangeMax);
    expect(operations.fiemap(inode, BLOCK + 7, 10)).toEqual([
      { logical: BLOCK, physical: BLOCK, length: BLOCK, flags: 0 },
    ]);
    expect(operations.fiemap(inode, 5 * BLOCK, 10)).toEqual([
      { logical: 5 * BLOCK, physical: 3 * BLOCK, length: BLOCK, flags: LAST },
    ]);
    expect(operations.fiemap(inode, 3 * BLOCK, BLOCK)).toEqual([]);
  });

  it("lists nothing of a file without blocks", () => {
    const { operations, inode } = setUp("", 10 * BLOCK, rangeMax);
    expect(operations.fiemap(inode, 0, 10 * BLOCK)).toEqual([]);
  });
});
