/**
 * Proves what mapped files do without a cache: faults, the shared page of zeros and its revocation
 * (I6), private copies, MAP_SYNC, what msync and fsync flush, and truncation under a mapping.
 */
import { describe, expect, it } from "vitest";
import { LINE_SIZE } from "../spec/units.ts";
import {
  type MapOptions,
  type MappedRegion,
  SoundProtocols,
  type WriteProtocolName,
  WriteProtocolNames,
} from "../spec/file-operations.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from "../spec/mode.ts";
import { XipOperations } from "./operations.ts";
import { contents, FakeFs, oldContents, pattern, PowerCut, STALE, survivor } from "./testing.ts";

const PAGE = 4096;
const SHARED: MapOptions = { shared: true, writable: true, sync: false };
const PRIVATE: MapOptions = { shared: false, writable: true, sync: false };
const ZEROS = new Uint8Array(PAGE);

function setUp(layout: string, size = layout.length * PAGE, protocol: WriteProtocolName = "zero") {
  const watch = new PowerCut(64 * PAGE);
  const fs = new FakeFs({ observers: [watch] });
  const operations = new XipOperations(fs, protocol);
  const inode = fs.build(layout, size);
  fs.log = [];
  return { watch, fs, operations, inode };
}

function load(region: MappedRegion, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  region.load(at, bytes, 0, length);
  return bytes;
}

describe("faults", () => {
  it("a read fault maps blocks, and zeros for holes and unwritten blocks; it allocates nothing", () => {
    const { operations, inode, fs } = setUp("w.u");
    const region = operations.map(inode, 0, 3 * PAGE, SHARED);
    expect(load(region, 0, 3 * PAGE)).toEqual(oldContents("w", 3 * PAGE));
    expect(fs.log).toEqual([]);
    expect(inode.mapping.dirty).toBeNull();
  });

  it.each(WriteProtocolNames)("under %s a write fault never shows old bytes", (protocol) => {
    const { operations, inode, fs } = setUp(".u", 2 * PAGE, protocol);
    const region = operations.map(inode, 0, 2 * PAGE, SHARED);
    region.store(PAGE - 2, pattern(1, 4), 0, 4);
    expect(fs.layout(inode)).toBe("ww");
    const after = contents(operations, inode);
    expect(after.subarray(PAGE - 2, PAGE + 2)).toEqual(pattern(1, 4));
    expect(after.includes(STALE)).toBe(false);
  });

  it("a file that ends inside a page is mapped to the end of the page, and no further", () => {
    const { operations, inode } = setUp("w", 100);
    const region = operations.map(inode, 0, 3 * PAGE, SHARED);
    region.store(PAGE - 1, pattern(1, 1), 0, 1);
    expect(() => load(region, PAGE, 1)).toThrow(expect.objectContaining({ code: "SIGBUS" }));
    expect(() => region.store(PAGE, ZEROS, 0, 1)).toThrow("beyond the end");
    expect(inode.size).toBe(100);
  });

  it("refuses stores to a read-only region, accesses outside, and odd positions", () => {
    const { operations, inode } = setUp("w");
    const region = operations.map(inode, 0, PAGE, { ...SHARED, writable: false });
    expect(() => region.store(0, ZEROS, 0, 1)).toThrow("EACCES");
    expect(() => load(region, PAGE - 1, 2)).toThrow("EFAULT");
    expect(() => load(region, -1, 2)).toThrow("EFAULT");
    expect(() => operations.map(inode, 100, PAGE, SHARED)).toThrow("EINVAL");
    expect(() => operations.map(inode, 0, 0, SHARED)).toThrow("EINVAL");
  });

  it("fails a write fault with ENOSPC where there is no space, and stays usable", () => {
    const { operations, inode, fs } = setUp(".");
    const region = operations.map(inode, 0, PAGE, SHARED);
    fs.fail = (method) => (method === "getXipMem" ? "ENOSPC" : null);
    expect(() => region.store(0, pattern(1, 4), 0, 4)).toThrow("ENOSPC");
    expect(load(region, 0, 4)).toEqual(new Uint8Array(4));
    fs.fail = () => null;
    region.store(0, pattern(1, 4), 0, 4);
    expect(load(region, 0, 4)).toEqual(pattern(1, 4));
  });

  it("with MAP_SYNC the metadata is durable when the fault returns", () => {
    const { operations, inode, fs } = setUp(".");
    const region = operations.map(inode, 0, PAGE, { ...SHARED, sync: true });
    load(region, 0, 1);
    expect(fs.log).toEqual([]);
    region.store(0, pattern(1, 8), 0, 8);
    expect(fs.log).toEqual(["create 0+4096", "fdatasync 0+0"]);
    region.store(8, pattern(1, 8), 0, 8);
    expect(fs.log.length).toBe(2);
  });
});

describe("the page of zeros is revoked when a block appears", () => {
  it.each(SoundProtocols)("%s: by a write() to a hole or an unwritten block", (protocol) => {
    const { operations, inode } = setUp(".u", 2 * PAGE, protocol);
    const regions = [SHARED, PRIVATE].map((options) => operations.map(inode, 0, 2 * PAGE, options));
    for (const region of regions) expect(load(region, 0, PAGE)).toEqual(ZEROS);
    for (const region of regions) expect(load(region, PAGE, PAGE)).toEqual(ZEROS);
    operations.write(inode, PAGE - 4, pattern(1, 8), 0, 8);
    for (const region of regions) expect(load(region, PAGE - 4, 8)).toEqual(pattern(1, 8));
  });

  it("by a write fault of another region", () => {
    const { operations, inode } = setUp(".");
    const reader = operations.map(inode, 0, PAGE, SHARED);
    const writer = operations.map(inode, 0, PAGE, SHARED);
    expect(load(reader, 0, PAGE)).toEqual(ZEROS);
    writer.store(3, pattern(1, 8), 0, 8);
    expect(load(reader, 3, 8)).toEqual(pattern(1, 8));
  });

  it("own: blocks that moved are found again, with what was stored through the old ones", () => {
    const { operations, inode, fs } = setUp("ww", 2 * PAGE, "own");
    const region = operations.map(inode, 0, 2 * PAGE, SHARED);
    region.store(0, pattern(1, 8), 0, 8);
    region.store(PAGE, pattern(2, 8), 0, 8);
    operations.write(inode, 100, pattern(3, 8), 0, 8);
    expect([...inode.mapping.dirty!]).toEqual([1]);
    region.store(50, pattern(4, 8), 0, 8);
    expect(load(region, 0, 8)).toEqual(pattern(1, 8));
    const after = contents(operations, inode);
    expect(after.subarray(0, 8)).toEqual(pattern(1, 8));
    expect(after.subarray(50, 58)).toEqual(pattern(4, 8));
    expect(after.subarray(100, 108)).toEqual(pattern(3, 8));
    expect(fs.free.size).toBe(62);
  });
});

describe("private mappings", () => {
  it("keep stores to themselves, and show the file where there are none", () => {
    const { operations, inode, fs } = setUp("w.");
    const region = operations.map(inode, 0, 2 * PAGE, PRIVATE);
    region.store(PAGE - 4, pattern(1, 8), 0, 8);
    expect(load(region, PAGE - 4, 8)).toEqual(pattern(1, 8));
    expect(load(region, 0, 8)).toEqual(oldContents("w", 8));
    expect(contents(operations, inode)).toEqual(oldContents("w.", 2 * PAGE));
    expect(fs.log).toEqual([]);
    operations.write(inode, 0, pattern(2, 8), 0, 8);
    expect(load(region, 0, 8)).toEqual(oldContents("w", 8));
  });

  it("keep their copies over punched holes, and lose them with the end of the file", () => {
    const { operations, inode } = setUp("ww");
    const region = operations.map(inode, 0, 2 * PAGE, PRIVATE);
    region.store(0, pattern(1, 8), 0, 8);
    region.store(PAGE, pattern(2, 8), 0, 8);
    operations.fallocate(inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * PAGE);
    expect(load(region, PAGE, 8)).toEqual(pattern(2, 8));
    operations.truncate(inode, PAGE);
    expect(() => load(region, PAGE, 8)).toThrow("beyond the end");
    operations.truncate(inode, 2 * PAGE);
    expect(load(region, PAGE, 8)).toEqual(new Uint8Array(8));
    expect(load(region, 0, 8)).toEqual(pattern(1, 8));
  });
});

describe("flushing", () => {
  it.each(["msync", "fsync", "sync", "release"] as const)("%s makes stores durable", (how) => {
    const { operations, inode, fs, watch } = setUp("ww");
    const region = operations.map(inode, 0, 2 * PAGE, SHARED);
    region.store(10, pattern(1, 8), 0, 8);
    region.store(PAGE + 300, pattern(2, 8), 0, 8);
    expect(survivor(fs, inode, watch.nothing())).toEqual(oldContents("ww", 2 * PAGE));
    if (how === "msync") region.msync(0, 2 * PAGE);
    else if (how === "fsync") operations.fsync(inode, false);
    else if (how === "sync") operations.sync();
    else operations.release(inode, false);
    const after = survivor(fs, inode, watch.nothing());
    expect(after.subarray(10, 18)).toEqual(pattern(1, 8));
    expect(after.subarray(PAGE + 300, PAGE + 308)).toEqual(pattern(2, 8));
    expect(operations.dirtyMappings.size).toBe(0);
  });

  it("marks a page again that is stored to after it was flushed", () => {
    const { operations, inode, fs, watch } = setUp("w");
    const region = operations.map(inode, 0, PAGE, SHARED);
    for (const round of [1, 2, 3]) {
      region.store(64 * round, pattern(round, 8), 0, 8);
      expect([...inode.mapping.dirty!]).toEqual([0]);
      operations.fsync(inode, true);
      expect(inode.mapping.dirty!.size).toBe(0);
      const after = survivor(fs, inode, watch.nothing());
      expect(after.subarray(64 * round, 64 * round + 8)).toEqual(pattern(round, 8));
    }
  });

  it("flushes only dirty pages, once, and only those that are asked for", () => {
    const { operations, inode, fs } = setUp("wwww");
    const region = operations.map(inode, PAGE, 3 * PAGE, SHARED);
    region.store(0, pattern(1, 8), 0, 8);
    region.store(2 * PAGE, pattern(1, 8), 0, 8);
    const before = fs.device.counters.flushes;
    region.msync(0, PAGE);
    expect(fs.device.counters.flushes - before).toBe(PAGE / LINE_SIZE);
    expect([...inode.mapping.dirty!]).toEqual([3]);
    operations.fsync(inode, true);
    operations.fsync(inode, true);
    expect(fs.device.counters.flushes - before).toBe((2 * PAGE) / LINE_SIZE);
  });

  it("keeps the mark of a page that write() also wrote: its other lines are not durable", () => {
    const { operations, inode, fs, watch } = setUp("w");
    const region = operations.map(inode, 0, PAGE, SHARED);
    region.store(2000, pattern(1, 8), 0, 8);
    operations.write(inode, 0, pattern(2, 8), 0, 8);
    operations.fsync(inode, false);
    const after = survivor(fs, inode, watch.nothing());
    expect(after.subarray(2000, 2008)).toEqual(pattern(1, 8));
    expect(after.subarray(0, 8)).toEqual(pattern(2, 8));
  });

  it("finds stores of a region that is not mapped any more", () => {
    const { operations, inode, fs, watch } = setUp("w");
    const region = operations.map(inode, 0, PAGE, SHARED);
    region.store(0, pattern(1, 8), 0, 8);
    region.unmap();
    expect(inode.mapping.regions?.size).toBe(0);
    operations.fsync(inode, false);
    expect(survivor(fs, inode, watch.nothing()).subarray(0, 8)).toEqual(pattern(1, 8));
  });

  it("flushes nothing of an inode that is given up", () => {
    const { operations, inode, fs } = setUp("w");
    operations.map(inode, 0, PAGE, SHARED).store(0, pattern(1, 8), 0, 8);
    const before = fs.device.counters.flushes;
    operations.release(inode, true);
    operations.sync();
    expect(fs.device.counters.flushes).toBe(before);
  });
});

describe("truncation and fallocate under a mapping", () => {
  it("truncate takes pages beyond the end away, and zeroes the rest of the last one", () => {
    const { operations, inode } = setUp("www");
    const region = operations.map(inode, 0, 3 * PAGE, SHARED);
    region.store(0, new Uint8Array(3 * PAGE).fill(7), 0, 3 * PAGE);
    operations.truncate(inode, PAGE + 5);
    expect([...inode.mapping.dirty!]).toEqual([0, 1]);
    expect(() => load(region, 2 * PAGE, 1)).toThrow("beyond the end");
    expect(load(region, PAGE + 4, 3)).toEqual(new Uint8Array([7, 0, 0]));
    operations.truncate(inode, 3 * PAGE);
    expect(load(region, 2 * PAGE, PAGE)).toEqual(ZEROS);
  });

  it("what was stored beyond the end does not appear when the file grows", () => {
    for (const grow of ["truncate", "write", "fallocate", "zero range"]) {
      const { operations, inode } = setUp("w", 100);
      const region = operations.map(inode, 0, PAGE, SHARED);
      region.store(200, pattern(1, 8), 0, 8);
      if (grow === "truncate") operations.truncate(inode, PAGE);
      else if (grow === "write") operations.write(inode, 2 * PAGE, pattern(2, 8), 0, 8);
      else if (grow === "fallocate") operations.fallocate(inode, 0, 2 * PAGE, PAGE);
      else operations.fallocate(inode, FALLOC_FL_ZERO_RANGE, 2 * PAGE, PAGE);
      const after = contents(operations, inode).subarray(100, PAGE);
      expect(
        after.every((byte) => byte === 0),
        grow,
      ).toBe(true);
      expect(load(region, 200, 8), grow).toEqual(new Uint8Array(8));
    }
  });

  it.each([
    ["punched", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE],
    ["zeroed", FALLOC_FL_ZERO_RANGE],
  ])("%s pages read as zeros, and take stores again", (_what, mode) => {
    const { operations, inode } = setUp("www");
    const region = operations.map(inode, 0, 3 * PAGE, SHARED);
    region.store(0, new Uint8Array(3 * PAGE).fill(7), 0, 3 * PAGE);
    operations.fallocate(inode, mode, PAGE - 1, PAGE + 2);
    expect(load(region, PAGE - 2, PAGE + 4)).toEqual(
      Uint8Array.from({ length: PAGE + 4 }, (_, at) => (at === 0 || at === PAGE + 3 ? 7 : 0)),
    );
    region.store(PAGE, pattern(1, 8), 0, 8);
    expect(contents(operations, inode).subarray(PAGE, PAGE + 8)).toEqual(pattern(1, 8));
    operations.fsync(inode, false);
  });

  it("collapsing moves what was stored, dirty or not", () => {
    const { operations, inode, fs, watch } = setUp("wwww");
    const region = operations.map(inode, 0, 4 * PAGE, SHARED);
    region.store(3 * PAGE, pattern(1, 8), 0, 8);
    operations.fallocate(inode, FALLOC_FL_COLLAPSE_RANGE, PAGE, PAGE);
    expect(load(region, 2 * PAGE, 8)).toEqual(pattern(1, 8));
    expect(() => load(region, 3 * PAGE, 8)).toThrow("beyond the end");
    expect(survivor(fs, inode, watch.nothing()).subarray(2 * PAGE, 2 * PAGE + 8)).toEqual(
      pattern(1, 8),
    );
  });

  it("keeps what a failing truncate did not take away", () => {
    const { operations, inode, fs } = setUp("ww");
    const region = operations.map(inode, 0, 2 * PAGE, SHARED);
    region.store(0, pattern(1, 8), 0, 8);
    fs.fail = (method) => (method === "truncate" ? "EIO" : null);
    expect(() => operations.truncate(inode, 0)).toThrow("EIO");
    expect(load(region, 0, 8)).toEqual(pattern(1, 8));
  });
});
