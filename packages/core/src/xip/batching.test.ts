/**
 * Designs whose transactions batch: a change is durable with the next fsync and not when the call
 * returns. Proves that whoever promises more asks for it (MAP_SYNC, msync, fsync), and that data
 * which is stored in place meanwhile shows nowhere else after a power cut.
 */
import { describe, expect, it } from "vitest";
import { PageCacheOperations } from "../pagecache/operations.ts";
import type { PmemObserver } from "../pmem/observer.ts";
import type { FileOperations } from "../spec/file-operations.ts";
import { SoundProtocols } from "../spec/file-operations.ts";
import { FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE } from "../spec/mode.ts";
import { XipOperations } from "./operations.ts";
import { FakeFs, oldContents, pattern, PowerCut, STALE, survivor } from "./testing.ts";

const BLOCK = 4096;
const SHARED = { shared: true, writable: true };

function setUp(): { fs: FakeFs; watch: PowerCut; xip: XipOperations; onFence: () => void } {
  const watch = new PowerCut(64 * BLOCK);
  const hooks = { onFence: () => {} };
  const observer: PmemObserver = { onFence: () => hooks.onFence() };
  const fs = new FakeFs({ observers: [watch, observer], batches: true });
  return Object.assign(hooks, { fs, watch, xip: new XipOperations(fs, "zero") });
}

const DATA_PATHS: readonly (readonly [string, (fs: FakeFs) => FileOperations])[] = [
  ...SoundProtocols.map((name) => [name, (fs: FakeFs) => new XipOperations(fs, name)] as const),
  ["delalloc", (fs) => new PageCacheOperations(fs, "delalloc")],
  ["nodelalloc", (fs) => new PageCacheOperations(fs, "nodelalloc")],
];

describe.each(DATA_PATHS)("%s", (_name, make) => {
  it.each([
    ["uuuu", 10, 20],
    ["....", BLOCK - 10, 2 * BLOCK + 20],
    ["w.uw", 5 * BLOCK + 50, 100],
    ["", 0, 3 * BLOCK + 1],
  ])("keeps %j at %i + %i from fsync on, and shows no old bytes before", (layout, pos, length) => {
    const setup = setUp();
    const { fs, watch } = setup;
    const size = layout.length * BLOCK;
    const inode = fs.build(layout, size);
    const operations = make(fs);
    let states = 0;
    const look = (): void => {
      states++;
      for (const memory of [watch.nothing(), watch.everything()]) {
        expect(survivor(fs, inode, memory).includes(STALE)).toBe(false);
      }
    };
    setup.onFence = look;
    fs.onCommit = look;
    const data = pattern(9, length);
    operations.write(inode, pos, data, 0, length);
    look();
    operations.fsync(inode, true);
    const expected = new Uint8Array(Math.max(size, pos + length));
    expected.set(oldContents(layout, size));
    expected.set(data, pos);
    expect(Buffer.compare(survivor(fs, inode, watch.nothing()), expected)).toBe(0);
    expect(states).toBeGreaterThan(1);
  });
});

describe("a mapped file", () => {
  it("with MAP_SYNC: what is stored and flushed survives; without it, not before msync", () => {
    for (const sync of [true, false]) {
      const { fs, watch, xip } = setUp();
      const inode = fs.build("...", 3 * BLOCK);
      const region = xip.map(inode, 0, 3 * BLOCK, { ...SHARED, sync });
      region.store(BLOCK + 8, pattern(5, 64), 0, 64);
      // What a program does after MAP_SYNC: CLWB and SFENCE, no system call.
      fs.device.persist(0, fs.device.size);
      const kept = (): Uint8Array =>
        survivor(fs, inode, watch.nothing()).subarray(BLOCK + 8, BLOCK + 72);
      expect(Buffer.compare(kept(), pattern(5, 64)) === 0).toBe(sync);
      region.msync(BLOCK, BLOCK);
      expect(Buffer.compare(kept(), pattern(5, 64))).toBe(0);
    }
  });

  it("with MAP_SYNC over a block that another mapping made and nobody committed", () => {
    const { fs, watch, xip } = setUp();
    const inode = fs.build(".", BLOCK);
    xip.map(inode, 0, BLOCK, { ...SHARED, sync: false }).store(0, pattern(1, 8), 0, 8);
    const region = xip.map(inode, 0, BLOCK, { ...SHARED, sync: true });
    region.store(100, pattern(2, 8), 0, 8);
    fs.device.persist(0, fs.device.size);
    const found = survivor(fs, inode, watch.nothing()).subarray(100, 108);
    expect(Buffer.compare(found, pattern(2, 8))).toBe(0);
  });
});

describe("blocks that moved inside a file", () => {
  it.each([
    ["collapse", FALLOC_FL_COLLAPSE_RANGE],
    ["insert", FALLOC_FL_INSERT_RANGE],
  ])("take their new data to the new place alone: %s", (_name, mode) => {
    for (const [, make] of DATA_PATHS) {
      const { fs, watch } = setUp();
      const operations = make(fs);
      const inode = fs.build("wwww", 4 * BLOCK);
      operations.fallocate(inode, mode, BLOCK, BLOCK);
      const pos = mode === FALLOC_FL_INSERT_RANGE ? 2 * BLOCK : BLOCK;
      const data = new Uint8Array(BLOCK).fill(200);
      operations.write(inode, pos, data, 0, BLOCK);
      for (const memory of [watch.nothing(), watch.everything()]) {
        const found = survivor(fs, inode, memory);
        const at = found.indexOf(200);
        expect(at === -1 || at === pos).toBe(true);
      }
    }
  });
});

describe("writing back", () => {
  it("may use what is kept for root, since it was asked for before; then as it was", () => {
    const { fs } = setUp();
    const seen: (boolean | undefined)[] = [];
    const reserved = Object.assign(fs, { privileged: false });
    fs.fail = (method) => (method === "getXipMem" && seen.push(reserved.privileged), null);
    const operations = new PageCacheOperations(reserved, "delalloc");
    const inode = fs.build("", 0);
    operations.write(inode, 0, pattern(1, BLOCK), 0, BLOCK);
    operations.fsync(inode, false);
    expect(seen).toEqual([true]);
    expect(reserved.privileged).toBe(false);
  });
});
