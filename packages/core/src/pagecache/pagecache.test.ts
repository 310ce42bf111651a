/**
 * Proves what the page cache adds: data and sizes move to the medium at writeback and in an order
 * that survives power cuts, delayed allocation keeps its promises of space, memory stays bounded.
 * That it is a file at all: data-path.fuzz.ts.
 */
import { describe, expect, it } from "vitest";
import { FsError } from "../spec/errors.ts";
import type { MapOptions } from "../spec/file-operations.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  FIEMAP_EXTENT_DELALLOC as DELALLOC,
  FIEMAP_EXTENT_LAST as LAST,
  FIEMAP_EXTENT_UNWRITTEN as UNWRITTEN,
  SEEK_DATA,
  SEEK_HOLE,
} from "../spec/mode.ts";
import type { PmemObserver } from "../pmem/observer.ts";
import { contents, FakeFs, oldContents, pattern, PowerCut, survivor } from "../xip/testing.ts";
import { PageCacheOperations } from "./operations.ts";

const PAGE = 4096;
const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const SHARED: MapOptions = { shared: true, writable: true, sync: false };
const BOTH = ["delalloc", "nodelalloc"] as const;

interface SetUp {
  readonly blocks?: number;
  readonly blockSize?: number;
  readonly limits?: { readonly foliosMax: number; readonly dirtyMax: number };
  readonly observers?: readonly PmemObserver[];
}

function setUp(name: "delalloc" | "nodelalloc", layout = "", options: SetUp = {}) {
  const { blocks = 64, blockSize = PAGE } = options;
  const watch = new PowerCut(blocks * blockSize);
  const fs = new FakeFs({ blocks, blockSize, observers: [watch, ...(options.observers ?? [])] });
  const operations = new PageCacheOperations(fs, name, options.limits);
  const inode = fs.build(layout, layout.length * blockSize);
  fs.log = [];
  return { watch, fs, operations, inode };
}

describe("what write() does", () => {
  it("delalloc promises blocks and chooses none; nodelalloc chooses them, unwritten", () => {
    const late = setUp("delalloc");
    late.operations.write(late.inode, 0, pattern(1, 3 * PAGE), 0, 3 * PAGE);
    expect([late.fs.promised, late.fs.log, late.fs.layout(late.inode)]).toEqual([3, [], "..."]);
    const early = setUp("nodelalloc");
    early.operations.write(early.inode, 0, pattern(1, 3 * PAGE), 0, 3 * PAGE);
    expect([early.fs.promised, early.fs.log]).toEqual([0, ["create 0+12288"]]);
    expect(early.fs.layout(early.inode)).toBe("uuu");
  });

  it.each(BOTH)("%s leaves the medium, and its size, alone until writeback", (name) => {
    const { fs, operations, inode, watch } = setUp(name, "w");
    operations.write(inode, 10, pattern(1, 2 * PAGE), 0, 2 * PAGE);
    expect([inode.size, inode.diskSize]).toEqual([2 * PAGE + 10, PAGE]);
    expect(survivor(fs, inode, watch.everything())).toEqual(oldContents("w", PAGE));
    operations.fsync(inode, false);
    expect(inode.diskSize).toBe(2 * PAGE + 10);
    expect(survivor(fs, inode, watch.nothing())).toEqual(contents(operations, inode));
    expect(fs.log.at(-1)).toBe("fsync 0+0");
  });

  it("delalloc allocates in one long run what came in pieces", () => {
    const { fs, operations, inode } = setUp("delalloc");
    for (const page of [3, 1, 0, 2]) {
      operations.write(inode, page * PAGE, pattern(page, PAGE), 0, PAGE);
    }
    operations.fsync(inode, true);
    expect(fs.log).toEqual(["create 0+16384", "convertAll 0+16384", "fdatasync 0+0"]);
    expect(operations.fiemap(inode, 0, 9 * PAGE)).toEqual([
      { logical: 0, physical: 0, length: 4 * PAGE, flags: LAST },
    ]);
  });

  it("does not read a page that is overwritten whole, or lies beyond the end", () => {
    let loads = 0;
    const counter = { onLoad: () => loads++ };
    const { operations, inode } = setUp("delalloc", "ww", { observers: [counter] });
    operations.write(inode, 0, pattern(1, PAGE), 0, PAGE);
    operations.write(inode, 2 * PAGE, pattern(1, 10), 0, 10);
    expect(loads).toBe(0);
    operations.write(inode, PAGE + 5, pattern(1, 10), 0, 10);
    expect(loads).toBe(1);
  });
});

describe("writeback and power cuts", () => {
  it.each(BOTH)("%s: at any moment the file is old, or has new data under its size", (name) => {
    let look = () => {};
    const looker: PmemObserver = { onFence: () => look(), onStore: () => look() };
    const { fs, operations, inode, watch } = setUp(name, "w.uw", { observers: [looker] });
    const old = oldContents("w.uw", 4 * PAGE);
    operations.write(inode, PAGE - 100, pattern(7, 200), 0, 200);
    operations.write(inode, 2 * PAGE + 50, pattern(8, 100), 0, 100);
    operations.write(inode, 3 * PAGE + 500, pattern(9, 3 * PAGE), 0, 3 * PAGE);
    const made = contents(operations, inode);
    let states = 0;
    look = () => {
      for (const memory of [watch.nothing(), watch.everything()]) {
        states++;
        const found = survivor(fs, inode, memory);
        const isLegal = found.every((byte, pos) => byte === made[pos] || byte === (old[pos] ?? -1));
        expect(isLegal, "every byte is old or new").toBe(true);
      }
    };
    fs.onCommit = look;
    operations.fsync(inode, false);
    expect(states).toBeGreaterThan(10);
    expect(survivor(fs, inode, watch.nothing())).toEqual(made);
  });

  it("writes zeros beyond the end, whatever a mapping stored there", () => {
    const { fs, operations, inode, watch } = setUp("delalloc");
    operations.write(inode, 0, pattern(1, 10), 0, 10);
    operations.map(inode, 0, PAGE, SHARED).store(5, pattern(2, 100), 0, 100);
    operations.fsync(inode, false);
    expect(watch.nothing().subarray(10, PAGE)).toEqual(new Uint8Array(PAGE - 10));
    expect(fs.layout(inode)).toBe("w");
  });

  it("publishes no size by truncate or fallocate before the data under it", () => {
    for (const how of ["shrink", "grow", "allocate"]) {
      const { fs, operations, inode, watch } = setUp("delalloc");
      operations.write(inode, 0, pattern(1, 3 * PAGE), 0, 3 * PAGE);
      const data = contents(operations, inode);
      fs.onCommit = () => {
        const found = survivor(fs, inode, watch.nothing());
        const shown = Math.min(found.length, 2 * PAGE);
        expect(found.subarray(0, shown)).toEqual(data.subarray(0, shown));
      };
      if (how === "shrink") operations.truncate(inode, 2 * PAGE);
      else if (how === "grow") operations.truncate(inode, 9 * PAGE);
      else operations.fallocate(inode, 0, 0, 8 * PAGE);
      expect(inode.diskSize, how).toBe(inode.size);
    }
  });

  it("writes nothing of what truncate to zero gives up", () => {
    const { fs, operations, inode } = setUp("delalloc");
    operations.write(inode, 0, pattern(1, 3 * PAGE), 0, 3 * PAGE);
    operations.truncate(inode, 0);
    expect([fs.log, fs.promised]).toEqual([["truncate 0+0"], 0]);
    expect(fs.device.counters.bytes[0]).toBe(0);
  });

  it("reports a failure of fsync, keeps the data dirty, and succeeds later", () => {
    const { fs, operations, inode, watch } = setUp("delalloc");
    operations.write(inode, 0, pattern(1, 2 * PAGE), 0, 2 * PAGE);
    fs.fail = (method) => (method === "getXipMem" ? "EIO" : null);
    expect(() => operations.fsync(inode, false)).toThrow("EIO");
    expect([fs.promised, inode.diskSize]).toEqual([2, 0]);
    fs.fail = (method) => (method === "xipConvert" ? "EIO" : null);
    expect(() => operations.fsync(inode, false)).toThrow("EIO");
    fs.fail = () => null;
    operations.fsync(inode, false);
    expect(survivor(fs, inode, watch.nothing())).toEqual(pattern(1, 2 * PAGE));
    expect(fs.promised).toBe(0);
  });

  it("sync writes every file back, though one fails", () => {
    const { fs, operations, inode } = setUp("delalloc");
    const other = fs.newInode();
    operations.write(inode, 0, pattern(1, PAGE), 0, PAGE);
    operations.write(other, 0, pattern(2, PAGE), 0, PAGE);
    let failures = 1;
    fs.fail = (method) => (method === "xipConvert" && failures-- > 0 ? "EIO" : null);
    expect(() => operations.sync()).toThrow("EIO");
    expect([inode.diskSize, other.diskSize]).toEqual([0, PAGE]);
    operations.sync();
    expect(inode.diskSize).toBe(PAGE);
  });
});

describe("promises of space", () => {
  it("delalloc: what write() accepted can be written back on a full device", () => {
    const { fs, operations, inode, watch } = setUp("delalloc", "w", { blocks: 5 });
    const data = pattern(1, 9 * PAGE);
    expect(operations.write(inode, PAGE, data, 0, data.length)).toBe(4 * PAGE);
    // Not even a neighbour takes the promised blocks.
    const other = fs.newInode();
    expect(() => operations.write(other, 0, data, 0, 10)).toThrow("ENOSPC");
    operations.fsync(inode, false);
    expect(survivor(fs, inode, watch.nothing()).subarray(PAGE)).toEqual(data.subarray(0, 4 * PAGE));
    expect([fs.free.size, fs.promised]).toEqual([0, 0]);
  });

  it("delalloc: writes back before it refuses, since promises are careful estimates", () => {
    const { fs, operations, inode } = setUp("delalloc", "", { blocks: 8 });
    // Promise twice what is needed, as metadata may need it.
    const reserve = fs.reserve.bind(fs);
    const unreserve = fs.unreserve.bind(fs);
    fs.reserve = (mapping, blocks) => reserve(mapping, 2 * blocks);
    fs.unreserve = (mapping, blocks) => unreserve(mapping, 2 * blocks);
    const data = pattern(1, 6 * PAGE);
    expect(operations.write(inode, 0, data, 0, data.length)).toBe(6 * PAGE);
    expect(contents(operations, inode)).toEqual(data);
  });

  it.each(BOTH)("%s: a write that finds no space leaves nothing behind in the cache", (name) => {
    const { fs, operations, inode } = setUp(name, "w", { blocks: 1 });
    expect(() => operations.write(inode, PAGE, pattern(1, PAGE), 0, PAGE)).toThrow("ENOSPC");
    expect([inode.size, inode.mapping.folios?.size ?? 0]).toEqual([PAGE, 0]);
    expect(operations.cache.dirtyCount).toBe(0);
    expect(fs.promised).toBe(0);
  });

  it("truncate, punch and release take promises back", () => {
    const { fs, operations, inode } = setUp("delalloc");
    const write = () => operations.write(inode, 0, pattern(1, 4 * PAGE), 0, 4 * PAGE);
    write();
    operations.release(inode, true);
    expect([fs.promised, inode.mapping.folios!.size]).toEqual([0, 0]);
    operations.truncate(inode, 0);
    operations.truncate(inode, 4 * PAGE);
    write();
    expect(fs.promised).toBe(4);
    operations.fallocate(inode, PUNCH, PAGE, PAGE);
    expect(fs.promised).toBe(3);
    operations.truncate(inode, 2 * PAGE);
    expect(fs.promised).toBe(1);
    operations.release(inode, false);
    expect([fs.promised, fs.layout(inode)]).toEqual([0, "w."]);
  });

  it("counts small blocks one by one", () => {
    const { fs, operations, inode } = setUp("delalloc", "", { blockSize: 1024 });
    operations.write(inode, 1500, pattern(1, 10), 0, 10);
    operations.write(inode, 1600, pattern(1, 10), 0, 10);
    operations.write(inode, 3072, pattern(1, 10), 0, 10);
    expect(fs.promised).toBe(2);
    operations.fsync(inode, false);
    expect(fs.layout(inode)).toBe(".w.w");
  });

  it("blocks that fallocate made meanwhile give their promises back at writeback", () => {
    const { fs, operations, inode } = setUp("delalloc");
    operations.truncate(inode, 4 * PAGE);
    operations.write(inode, PAGE, pattern(1, PAGE), 0, PAGE);
    operations.fallocate(inode, 0, 0, 4 * PAGE);
    operations.fsync(inode, false);
    expect([fs.promised, fs.layout(inode)]).toEqual([0, "uwuu"]);
    expect(contents(operations, inode).subarray(PAGE, 2 * PAGE)).toEqual(pattern(1, PAGE));
  });
});

describe("what lseek and fiemap know of the cache", () => {
  it("dirty pages over holes and unwritten blocks are data", () => {
    const { operations, inode } = setUp("delalloc", ".u..");
    operations.write(inode, PAGE, pattern(1, 10), 0, 10);
    operations.write(inode, 3 * PAGE, pattern(1, 10), 0, 10);
    expect(operations.seek(inode, 0, SEEK_DATA)).toBe(PAGE);
    expect(operations.seek(inode, PAGE, SEEK_HOLE)).toBe(2 * PAGE);
    expect(operations.seek(inode, 2 * PAGE, SEEK_DATA)).toBe(3 * PAGE);
    expect(operations.seek(inode, 3 * PAGE, SEEK_HOLE)).toBe(4 * PAGE);
    contents(operations, inode);
    expect(operations.seek(inode, 0, SEEK_HOLE)).toBe(0);
  });

  it("a hole that is dirty to its end goes on into the data behind it", () => {
    const { operations, inode } = setUp("delalloc", ".w.");
    operations.write(inode, 0, pattern(1, 10), 0, 10);
    expect(operations.seek(inode, 0, SEEK_HOLE)).toBe(2 * PAGE);
  });

  it("fiemap shows what is promised and what is unwritten", () => {
    const { operations, inode } = setUp("delalloc", "w.u");
    operations.write(inode, PAGE - 5, pattern(1, PAGE + 10), 0, PAGE + 10);
    operations.write(inode, 4 * PAGE, pattern(1, 2 * PAGE), 0, 2 * PAGE);
    expect(operations.fiemap(inode, 0, 9 * PAGE)).toEqual([
      { logical: 0, physical: 0, length: PAGE, flags: 0 },
      { logical: PAGE, physical: 0, length: PAGE, flags: DELALLOC },
      { logical: 2 * PAGE, physical: PAGE, length: PAGE, flags: UNWRITTEN },
      { logical: 4 * PAGE, physical: 0, length: 2 * PAGE, flags: DELALLOC | LAST },
    ]);
    expect(operations.fiemap(inode, 0, PAGE)[0]!.flags).toBe(0);
  });
});

describe("memory", () => {
  it.each(BOTH)("%s: stays within its limits, and writers write back", (name) => {
    const limits = { foliosMax: 8, dirtyMax: 4 };
    const { fs, operations, inode } = setUp(name, "", { limits });
    const other = fs.newInode();
    for (let page = 0; page < 20; page++) {
      operations.write(page % 2 === 0 ? inode : other, page * PAGE, pattern(page, PAGE), 0, PAGE);
      expect(operations.cache.dirtyCount <= 4).toBe(true);
    }
    contents(operations, inode);
    const cached = inode.mapping.folios!.size + other.mapping.folios!.size;
    expect(cached <= 8).toBe(true);
    for (let page = 0; page < 20; page += 2) {
      const bytes = new Uint8Array(PAGE);
      operations.read(inode, page * PAGE, bytes, 0, PAGE);
      expect(bytes).toEqual(pattern(page, PAGE));
    }
  });

  it("keeps what is used and gives up what is not", () => {
    const limits = { foliosMax: 4, dirtyMax: 2 };
    let loads = 0;
    const observers = [{ onLoad: () => loads++ }];
    const { operations, inode } = setUp("delalloc", "wwwwwwww", { limits, observers });
    const touch = (page: number) => operations.read(inode, page * PAGE, new Uint8Array(1), 0, 1);
    for (let round = 0; round < 10; round++) {
      touch(0);
      touch(1 + (round % 7));
    }
    // Page 0 once, or again after a lap of the clock; never at every touch.
    expect(loads < 14).toBe(true);
  });

  it("never gives up dirty data that cannot be written, and tells at the next fsync", () => {
    const limits = { foliosMax: 4, dirtyMax: 2 };
    const { fs, operations, inode } = setUp("delalloc", "", { limits });
    fs.fail = (method) => (method === "xipConvert" ? "EIO" : null);
    const data = pattern(1, 10 * PAGE);
    for (let page = 0; page < 10; page++)
      operations.write(inode, page * PAGE, data, page * PAGE, PAGE);
    fs.fail = () => null;
    expect(contents(operations, inode)).toEqual(data);
    expect(() => operations.fsync(inode, false)).toThrow(FsError);
    operations.fsync(inode, false);
    expect(inode.diskSize).toBe(10 * PAGE);
  });

  it("leaves views as they are when it gives their pages up", () => {
    const limits = { foliosMax: 4, dirtyMax: 2 };
    const { operations, inode } = setUp("delalloc", "", { limits });
    const data = pattern(1, 16 * PAGE);
    for (let pos = 0; pos < 16 * PAGE; pos += PAGE) operations.write(inode, pos, data, pos, PAGE);
    operations.fsync(inode, false);
    const views: Uint8Array[] = [];
    expect(operations.readViews(inode, 10, 15 * PAGE, views)).toBe(15 * PAGE);
    expect(inode.mapping.folios!.size <= 4).toBe(true);
    const joined = views.flatMap((view) => [...view]);
    expect(Uint8Array.from(joined)).toEqual(data.subarray(10, 10 + 15 * PAGE));
  });

  it("shows nothing of what the memory of a page held before", () => {
    const limits = { foliosMax: 2, dirtyMax: 1 };
    const { fs, operations, inode } = setUp("delalloc", "www", { limits });
    const short = fs.build("w", 100);
    contents(operations, inode);
    const page = new Uint8Array(PAGE);
    operations.map(short, 0, PAGE, SHARED).load(0, page, 0, PAGE);
    expect(page.subarray(100)).toEqual(new Uint8Array(PAGE - 100));
  });
});

describe("blocks smaller than a page", () => {
  it.each([PUNCH, FALLOC_FL_ZERO_RANGE])("mode 0x%x clears blocks in a cached page", (mode) => {
    for (const isDirty of [true, false]) {
      const { operations, inode } = setUp("delalloc", "", { blockSize: 1024 });
      const data = pattern(1, PAGE);
      operations.write(inode, 0, data, 0, PAGE);
      if (!isDirty) operations.fsync(inode, false);
      operations.fallocate(inode, mode, 1024, 2048);
      expect(contents(operations, inode)).toEqual(data.fill(0, 1024, 3072));
      operations.release(inode, false);
      expect(contents(operations, inode)).toEqual(data);
    }
  });
});

describe("a page whose blocks find space only in part", () => {
  it.each(BOTH)("%s: is not written at all, whoever is asked to make room", (name) => {
    const { fs, operations, inode, watch } = setUp(name, "", { blocks: 8, blockSize: 1024 });
    const other = fs.newInode();
    operations.write(other, 0, pattern(1, 6 * 1024), 0, 6 * 1024);
    expect(() => operations.write(inode, 0, pattern(2, PAGE), 0, PAGE)).toThrow("ENOSPC");
    expect(inode.size).toBe(0);
    expect(fs.promised).toBe(operations.cache.reservedCount);
    expect(contents(operations, other)).toEqual(pattern(1, 6 * 1024));
    operations.sync();
    expect(survivor(fs, other, watch.nothing())).toEqual(pattern(1, 6 * 1024));
    expect(operations.write(inode, 0, pattern(2, 2048), 0, 2048)).toBe(2048);
  });

  it("stores of a mapping beyond the end of the file take no blocks", () => {
    const { fs, operations, inode } = setUp("delalloc", "", { blockSize: 1024 });
    operations.write(inode, 0, pattern(1, 100), 0, 100);
    const region = operations.map(inode, 0, PAGE, SHARED);
    region.store(500, pattern(2, 3000), 0, 3000);
    expect(fs.promised).toBe(1);
    operations.fsync(inode, false);
    expect(fs.layout(inode)).toBe("w");
  });
});

describe("mapped files", () => {
  it("store into the cache; msync writes the pages back that it names", () => {
    const { fs, operations, inode, watch } = setUp("delalloc", "w..");
    const region = operations.map(inode, 0, 3 * PAGE, SHARED);
    region.store(PAGE - 4, pattern(1, 8), 0, 8);
    region.store(2 * PAGE, pattern(2, 8), 0, 8);
    expect([fs.promised, fs.log]).toEqual([2, []]);
    region.msync(0, 2 * PAGE);
    const after = survivor(fs, inode, watch.nothing());
    expect(after.subarray(PAGE - 4, PAGE + 4)).toEqual(pattern(1, 8));
    expect(after.subarray(2 * PAGE, 2 * PAGE + 8)).toEqual(new Uint8Array(8));
    expect([...inode.mapping.dirty!]).toEqual([2]);
    region.unmap();
    expect(inode.mapping.regions?.size).toBe(0);
  });

  it("refuse MAP_SYNC", () => {
    const { operations, inode } = setUp("nodelalloc", "w");
    expect(() => operations.map(inode, 0, PAGE, { ...SHARED, sync: true })).toThrow("EOPNOTSUPP");
  });

  it("fail a store with ENOSPC where no block can be promised", () => {
    const { operations, inode } = setUp("delalloc", "w", { blocks: 1 });
    operations.truncate(inode, 2 * PAGE);
    const region = operations.map(inode, 0, 2 * PAGE, SHARED);
    expect(() => region.store(PAGE, pattern(1, 4), 0, 4)).toThrow("ENOSPC");
    expect(contents(operations, inode).subarray(PAGE)).toEqual(new Uint8Array(PAGE));
  });
});

describe("bugs that were", () => {
  it("punching the only dirty block beyond the published size kept that size from the medium", () => {
    const { fs, operations, inode, watch } = setUp("delalloc");
    operations.write(inode, 0, pattern(1, 10), 0, 10);
    operations.fallocate(inode, PUNCH, 0, PAGE);
    operations.fsync(inode, false);
    expect(survivor(fs, inode, watch.nothing())).toEqual(new Uint8Array(10));
  });

  it("collapsing from the middle of a page left zeros in the cached half", () => {
    const { operations, inode } = setUp("delalloc", "", { blockSize: 1024 });
    const data = pattern(1, 3 * PAGE);
    operations.write(inode, 0, data, 0, data.length);
    operations.fallocate(inode, FALLOC_FL_COLLAPSE_RANGE, 1024, PAGE);
    const want = [...data.subarray(0, 1024), ...data.subarray(1024 + PAGE)];
    expect(contents(operations, inode)).toEqual(Uint8Array.from(want));
  });

  it("truncating inside a block of several pages left dirty pages beyond the end", () => {
    const { operations, inode } = setUp("delalloc", "", { blockSize: 4 * PAGE });
    operations.write(inode, 0, pattern(1, 4 * PAGE), 0, 4 * PAGE);
    operations.truncate(inode, 10);
    expect([...inode.mapping.dirty!].filter((index) => index > 0)).toEqual([]);
    operations.fsync(inode, false);
  });
});
