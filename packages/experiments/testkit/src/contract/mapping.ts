/** Step 8: mapped files. What a fault finds comes from getXipMem with GXM_CREATE and GXM_ZERO. */
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  type MappedRegion,
  O_RDONLY,
  type Task,
} from "@xiplab/core";
import { pattern } from "../pattern.ts";
import type { Case, Group } from "./cases.ts";
import { bytesEqual, equal, fails, holds, zeros } from "./expect.ts";
import { BLOCK, type Fixture, n } from "./fixture.ts";

const STALE = "a write fault gets its block by GXM_CREATE | GXM_ZERO: zeroed, durably, and written";

export const mappingCases: Group<Case> = {
  title: "mapped files",
  cases: [
    { name: "loads see the file, the file sees stores", run: sharedMapping },
    { name: "a write is seen through a mapping", run: writeSeen },
    { name: "private stores stay private", run: privateMapping },
    { name: "the page of zeros is revoked when a block appears", run: zeroPage },
    { name: "a write fault shows no stale bytes", run: freshBlocks },
    {
      name: "a write fault in preallocated blocks",
      needs: ["unwrittenExtents"],
      run: preallocated,
    },
    { name: "beyond the end of the file there is nothing", run: beyondEnd },
    { name: "truncate takes pages away", run: truncated },
    { name: "stores beyond the end never become data", run: tail },
    { name: "nor do they by a write behind the end", run: tailAndGap },
    { name: "a punched hole is seen", needs: ["punchHole"], run: punched },
    { name: "msync makes stores durable", run: msyncDurable },
    { name: "fsync does, too", run: fsyncDurable },
    { name: "a store after msync is flushed by the next one", run: flushedAgain },
    { name: "MAP_SYNC", run: mapSync },
    { name: "a mapping outlives its file's name and opener", run: outlives },
    { name: "access modes bind", run: accessModes },
    { name: "a full device", run: fullDevice },
  ],
};

function load(region: MappedRegion, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  region.load(offset, bytes, 0, length);
  return bytes;
}

function store(region: MappedRegion, offset: number, bytes: Uint8Array): void {
  region.store(offset, bytes, 0, bytes.length);
}

function sharedMapping(f: Fixture): void {
  f.create("/f", pattern(1, 0, 5 * BLOCK));
  const file = f.open("/f");
  const region = f.map(file, BLOCK, 3 * BLOCK);
  bytesEqual(load(region, 0, 3 * BLOCK), pattern(1, BLOCK, 3 * BLOCK), "a region starts at pos");
  store(region, 100, pattern(2, 0, 2 * BLOCK));
  bytesEqual(f.get(file, BLOCK + 100, 2 * BLOCK), pattern(2, 0, 2 * BLOCK), "one content");
  f.remount();
  const found = f.content("/f").subarray(BLOCK + 100, 3 * BLOCK + 100);
  bytesEqual(found, pattern(2, 0, 2 * BLOCK), "unmount makes stores durable");
}

function writeSeen(f: Fixture): void {
  f.create("/f", pattern(1, 0, 4 * BLOCK));
  const file = f.open("/f");
  const [a, b] = [f.map(file, 0, 4 * BLOCK), f.map(file, 0, 4 * BLOCK, { shared: false })];
  load(a, 0, 4 * BLOCK);
  load(b, 0, 4 * BLOCK);
  const expected = f.putPattern(file, 2, 1000, 2 * BLOCK);
  const advice = "blocks that move (xipSwap) take the translations of mapped pages along";
  bytesEqual(load(a, 1000, 2 * BLOCK), expected, advice);
  bytesEqual(load(b, 1000, 2 * BLOCK), expected, advice);
}

function privateMapping(f: Fixture): void {
  f.create("/f", pattern(1, 0, 2 * BLOCK));
  const file = f.open("/f", O_RDONLY);
  const region = f.map(file, 0, 2 * BLOCK, { shared: false });
  store(region, 10, pattern(2, 0, 10));
  bytesEqual(load(region, 10, 10), pattern(2, 0, 10), "the region has a copy of the page");
  bytesEqual(load(region, 20, 100), pattern(1, 20, 100), "with the rest of it");
  bytesEqual(f.content("/f"), pattern(1, 0, 2 * BLOCK), "the file does not change");
}

function zeroPage(f: Fixture): void {
  f.mark();
  f.create("/f");
  const file = f.open("/f");
  f.task.ftruncate(file, 4 * BLOCK);
  const [a, b] = [f.map(file, 0, 4 * BLOCK), f.map(file, 0, 4 * BLOCK)];
  zeros(load(a, 0, 4 * BLOCK), "holes read as zeros");
  zeros(load(b, 0, 4 * BLOCK), "holes read as zeros");
  const advice = "XIP_FRESH tells core to revoke translations of the range (I6)";
  store(b, 100, pattern(1, 0, 8));
  bytesEqual(load(a, 100, 8), pattern(1, 0, 8), advice);
  const written = f.putPattern(file, 2, 2 * BLOCK + 50, 10);
  bytesEqual(load(a, 2 * BLOCK + 50, 10), written, advice);
  bytesEqual(load(b, 2 * BLOCK + 50, 10), written, advice);
}

function freshBlocks(f: Fixture): void {
  f.mark();
  f.create("/f");
  const file = f.open("/f");
  f.task.ftruncate(file, 8 * BLOCK);
  const region = f.map(file, 0, 8 * BLOCK);
  const expected = new Uint8Array(8 * BLOCK);
  for (const offset of [8, 3 * BLOCK - 4, 5 * BLOCK]) {
    store(region, offset, pattern(offset, 0, 8));
    expected.set(pattern(offset, 0, 8), offset);
  }
  bytesEqual(load(region, 0, 8 * BLOCK), expected, STALE);
  bytesEqual(f.get(file, 0, 8 * BLOCK), expected, STALE);
  f.remount();
  bytesEqual(f.content("/f"), expected, STALE);
}

function preallocated(f: Fixture): void {
  f.mark();
  f.create("/f");
  const file = f.open("/f");
  f.task.fallocate(file, 0, 0, 8 * BLOCK);
  const region = f.map(file, 0, 8 * BLOCK);
  zeros(load(region, 0, 8 * BLOCK), "unwritten blocks read as zeros");
  store(region, 2 * BLOCK + 7, pattern(1, 0, 9));
  const expected = new Uint8Array(8 * BLOCK);
  expected.set(pattern(1, 0, 9), 2 * BLOCK + 7);
  bytesEqual(load(region, 0, 8 * BLOCK), expected, STALE);
  // A write to the same block must not zero it a second time (I4).
  expected.set(f.putPattern(file, 2, 2 * BLOCK + 100, 9), 2 * BLOCK + 100);
  bytesEqual(f.get(file, 0, 8 * BLOCK), expected, "a block is zeroed once, when it is converted");
  f.remount();
  bytesEqual(f.content("/f"), expected, STALE);
}

function beyondEnd(f: Fixture): void {
  f.create("/f", pattern(1, 0, BLOCK + 10));
  const region = f.map(f.open("/f"), 0, 4 * BLOCK);
  load(region, BLOCK, BLOCK);
  fails("SIGBUS", () => load(region, 2 * BLOCK, 1), "core compares with i_size");
  fails("SIGBUS", () => store(region, 3 * BLOCK, pattern(1, 0, 1)), "core compares with i_size");
  equal(f.stat("/f").size, BLOCK + 10, "a store never moves the size");
}

function truncated(f: Fixture): void {
  f.create("/f", pattern(1, 0, 4 * BLOCK));
  const file = f.open("/f");
  const region = f.map(file, 0, 4 * BLOCK);
  store(region, 3 * BLOCK, pattern(2, 0, 10));
  f.task.ftruncate(file, BLOCK + 5);
  fails("SIGBUS", () => load(region, 3 * BLOCK, 1), "the translation goes with the block");
  f.task.ftruncate(file, 4 * BLOCK);
  zeros(load(region, BLOCK + 5, 3 * BLOCK - 5), "what grows reads as zeros");
}

function tail(f: Fixture): void {
  f.create("/f", pattern(1, 0, 100));
  const file = f.open("/f");
  const region = f.map(file, 0, BLOCK);
  store(region, 50, pattern(2, 0, 1000));
  region.msync(0, BLOCK);
  f.task.ftruncate(file, BLOCK);
  const expected = new Uint8Array(BLOCK);
  expected.set(pattern(1, 0, 50));
  expected.set(pattern(2, 0, 50), 50);
  bytesEqual(f.get(file, 0, BLOCK), expected, "what lies beyond the end is zeroed when it grows");
  f.remount();
  bytesEqual(f.content("/f"), expected, "on the medium, too");
}

function tailAndGap(f: Fixture): void {
  f.create("/f", pattern(1, 0, 100));
  const file = f.open("/f");
  const region = f.map(file, 0, BLOCK);
  store(region, 200, pattern(2, 0, 1000));
  f.putPattern(file, 3, 3 * BLOCK + 50, 10);
  zeros(f.get(file, 100, 3 * BLOCK - 50), "what the file grows over reads as zeros");
  f.remount();
  zeros(f.content("/f").subarray(100, 3 * BLOCK + 50), "on the medium, too");
}

function punched(f: Fixture): void {
  f.create("/f", pattern(1, 0, 4 * BLOCK));
  const file = f.open("/f");
  const region = f.map(file, 0, 4 * BLOCK);
  load(region, 0, 4 * BLOCK);
  store(region, BLOCK, pattern(2, 0, 4));
  f.task.fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, BLOCK, 2 * BLOCK);
  zeros(load(region, BLOCK, 2 * BLOCK), "freed blocks leave the page tables first");
  store(region, BLOCK + 8, pattern(3, 0, 8));
  zeros(load(region, BLOCK, 8), STALE);
}

const contentIn = (task: Task, length: number): Uint8Array => {
  const file = task.open(n("/f"), O_RDONLY);
  const bytes = new Uint8Array(length);
  task.pread(file, bytes, 0, length, 0);
  task.close(file);
  return bytes;
};

function msyncDurable(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  f.task.ftruncate(file, 4 * BLOCK);
  const region = f.map(file, 0, 4 * BLOCK);
  store(region, BLOCK + 10, pattern(1, 0, 100));
  region.msync(0, 4 * BLOCK);
  const found = f.afterPowerCut((task) => contentIn(task, 4 * BLOCK));
  const advice = "msync makes durable what reading the data back needs: fsync of the personality";
  bytesEqual(found.subarray(BLOCK + 10, BLOCK + 110), pattern(1, 0, 100), advice);
  zeros(found.subarray(BLOCK + 110), STALE);
}

function fsyncDurable(f: Fixture): void {
  f.create("/f", pattern(1, 0, 3 * BLOCK));
  const file = f.open("/f");
  const region = f.map(file, 0, 3 * BLOCK);
  store(region, 10, pattern(2, 0, 2 * BLOCK));
  f.task.fsync(file);
  const found = f.afterPowerCut((task) => contentIn(task, 3 * BLOCK));
  bytesEqual(found.subarray(10, 2 * BLOCK + 10), pattern(2, 0, 2 * BLOCK), "fsync flushes stores");
}

function flushedAgain(f: Fixture): void {
  f.create("/f", pattern(1, 0, 2 * BLOCK));
  const region = f.map(f.open("/f"), 0, 2 * BLOCK);
  const work = (): number => {
    const { flushes, stores } = f.device.counters;
    region.msync(0, 2 * BLOCK);
    return f.device.counters.flushes - flushes + f.device.counters.stores - stores;
  };
  for (let round = 0; round < 3; round++) {
    store(region, 10, pattern(round, 0, 8));
    const advice = "writeback takes write permission away, so that the next store faults and marks";
    holds(work() > 0, `nothing is flushed in round ${round}`, advice);
  }
}

function mapSync(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  f.task.ftruncate(file, 2 * BLOCK);
  if (f.data !== "xip") {
    const advice = "a page cache cannot keep the promise of MAP_SYNC";
    fails("EOPNOTSUPP", () => f.map(file, 0, 2 * BLOCK, { sync: true }), advice);
    return;
  }
  const region = f.map(file, 0, 2 * BLOCK, { sync: true });
  store(region, BLOCK, pattern(1, 0, 50));
  const found = f.afterPowerCut((task) => contentIn(task, 2 * BLOCK));
  const advice = "a write fault of a MAP_SYNC region returns with the metadata durable";
  bytesEqual(found.subarray(BLOCK, BLOCK + 50), pattern(1, 0, 50), advice);
}

function outlives(f: Fixture): void {
  f.create("/warm");
  const free = f.freeBlocks();
  f.create("/f", pattern(1, 0, 4 * BLOCK));
  const file = f.open("/f");
  const region = f.map(file, 0, 4 * BLOCK);
  f.task.close(file);
  f.task.unlink(n("/f"));
  bytesEqual(load(region, 0, 4 * BLOCK), pattern(1, 0, 4 * BLOCK), "a region holds its inode");
  store(region, 0, pattern(2, 0, BLOCK));
  bytesEqual(load(region, 0, BLOCK), pattern(2, 0, BLOCK), "and can be stored to");
  region.unmap();
  equal(f.freeBlocks(), free, "evict comes when the region goes (the value counts blocks)");
}

function accessModes(f: Fixture): void {
  f.create("/f", pattern(1, 0, 10));
  const file = f.open("/f", O_RDONLY);
  fails("EACCES", () => f.map(file, 0, BLOCK), "core checks this");
  const region = f.map(file, 0, BLOCK, { writable: false });
  fails("EACCES", () => store(region, 0, pattern(1, 0, 1)), "core checks this");
  fails("EINVAL", () => f.map(file, 1, BLOCK, { writable: false }), "core checks this");
}

function fullDevice(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  f.task.ftruncate(file, 8 * BLOCK);
  f.create("/filler");
  f.fill(f.open("/filler"));
  const region = f.map(file, 0, 8 * BLOCK);
  const advice = "getXipMem (or reserve) throws ENOSPC, and the mount goes on";
  fails("ENOSPC", () => store(region, 0, pattern(1, 0, 8 * BLOCK)), advice);
  f.task.unlink(n("/filler"));
}
