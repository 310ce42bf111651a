/** Step 6: content of files: getXipMem, xipComplete, xipConvert, xipStage and xipSwap, truncate. */
import {
  FALLOC_FL_KEEP_SIZE,
  FIEMAP_EXTENT_LAST,
  FIEMAP_EXTENT_UNWRITTEN,
  O_APPEND,
  O_RDWR,
  type OpenFile,
  SEEK_DATA,
  SEEK_HOLE,
} from "@xiplab/core";
import { pattern } from "../pattern.ts";
import type { Case, Group } from "./cases.ts";
import { bytesEqual, equal, fails, holds, zeros } from "./expect.ts";
import { BLOCK, type Fixture, KIB, MIB, n } from "./fixture.ts";

const EDGES = [1, 63, 64, 65, 4095, 4096, 4097, 8191, 12_288, 20_000];
const STALE =
  "zero a fresh block, or the part of it that is not written, before anybody can read it: XIP_FRESH " +
  "with GXM_ZERO holds zeros, unwritten blocks read as zeros whatever is on the medium";

export const dataCases: Group<Case> = {
  title: "data",
  cases: [
    { name: "an empty file reads as nothing", run: emptyFile },
    { name: "writes of every size at every edge", run: edges },
    { name: "a large write across segments", run: large },
    { name: "overwrites in place", run: overwrites },
    { name: "small appends", run: appends },
    { name: "sparse files", run: sparse },
    { name: "a partial block shows no stale bytes", run: partialBlocks },
    { name: "truncate down, then up: zeros", run: truncateDownUp },
    { name: "truncate frees blocks", run: truncateFrees },
    { name: "the largest file", run: largest },
    { name: "many extents", run: manyExtents },
    { name: "two files that grow by turns", run: interleaved },
    { name: "vectors", run: vectors },
  ],
};

function emptyFile(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  equal(f.get(file, 0, 100).length, 0, "i_size of a new file is 0");
  equal(f.get(file, 10_000, 100).length, 0, "nothing is read beyond i_size");
  equal(f.extents("/f"), [], "a new file has no blocks");
}

function edges(f: Fixture): void {
  f.mark();
  let seed = 0;
  for (const pos of [0, 1, 64, 4095, 4096, 5000]) {
    for (const length of EDGES) {
      f.create("/f");
      const file = f.open("/f");
      const expected = f.putPattern(file, ++seed, pos, length);
      zeros(f.get(file, 0, pos), STALE);
      bytesEqual(f.get(file, pos, length + 1), expected, `at ${pos}, ${length} bytes: ${ORDER}`);
      f.task.unlink(n("/f"));
      f.task.close(file);
    }
  }
}

const ORDER = "the mapping at pos is the block of pos; the size is pos + length afterwards";

function large(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  const length = 3 * MIB + 777;
  const expected = f.putPattern(file, 1, 333, length);
  bytesEqual(f.get(file, 333, length), expected, "a write takes as many ranges as there are");
  f.remount();
  bytesEqual(f.content("/f").subarray(333), expected, "and they are on the medium");
}

function overwrites(f: Fixture): void {
  const expected = pattern(1, 0, 10 * BLOCK);
  f.create("/f", expected);
  const file = f.open("/f");
  for (const [index, length] of EDGES.entries()) {
    const pos = index * 1111;
    expected.set(f.putPattern(file, index + 2, pos, length), pos);
  }
  bytesEqual(f.get(file, 0, expected.length), expected, "written blocks are overwritten in place");
  f.remount();
  bytesEqual(f.content("/f"), expected, "and the size stays");
}

function appends(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f", O_RDWR | O_APPEND);
  for (let index = 0; index < 300; index++) f.task.write(file, pattern(7, index * 64, 64));
  bytesEqual(f.content("/f"), pattern(7, 0, 300 * 64), "xipComplete publishes the new size");
  f.remount();
  bytesEqual(f.content("/f"), pattern(7, 0, 300 * 64), "and it is on the medium");
}

function sparse(f: Fixture): void {
  f.mark();
  f.create("/f");
  const file = f.open("/f");
  const free = f.freeBlocks();
  f.putPattern(file, 1, MIB, 100);
  f.putPattern(file, 2, 3 * MIB + 4095, 2);
  holds(free - f.freeBlocks() <= 16, "holes take blocks", "create blocks where data is, only");
  zeros(f.get(file, 0, MIB), "holes read as zeros");
  zeros(f.get(file, MIB + 100, 2 * MIB), STALE);
  equal(f.stat("/f").size, 3 * MIB + 4097, "the size is where the last byte is");
  seeks(f, file);
}

function seeks(f: Fixture, file: OpenFile): void {
  const advice = "getXipMem answers the longest range of one state, and XIP_HOLE for holes";
  equal(f.task.lseek(file, 0, SEEK_HOLE), 0, advice);
  equal(f.task.lseek(file, 0, SEEK_DATA), MIB, advice);
  equal(f.task.lseek(file, MIB, SEEK_HOLE), MIB + BLOCK, advice);
  equal(f.task.lseek(file, MIB + BLOCK, SEEK_DATA), 3 * MIB, advice);
  equal(f.task.lseek(file, 3 * MIB, SEEK_HOLE), 3 * MIB + 4097, "the end of the file is a hole");
  fails("ENXIO", () => f.task.lseek(file, 3 * MIB + 4097, SEEK_DATA), "no data at the end");
}

function partialBlocks(f: Fixture): void {
  f.mark();
  f.create("/f");
  const file = f.open("/f");
  for (let index = 0; index < 20; index++) {
    const pos = index * 2 * BLOCK + 100 * index;
    f.putPattern(file, index, pos, 50);
  }
  f.task.ftruncate(file, 41 * BLOCK);
  const expected = new Uint8Array(41 * BLOCK);
  for (let index = 0; index < 20; index++) {
    const pos = index * 2 * BLOCK + 100 * index;
    expected.set(pattern(index, pos, 50), pos);
  }
  bytesEqual(f.get(file, 0, expected.length), expected, STALE);
  f.remount();
  bytesEqual(f.content("/f"), expected, STALE);
}

function truncateDownUp(f: Fixture): void {
  f.mark();
  for (const size of [0, 1, 4095, 4096, 4097, 10_000]) {
    f.create(`/f${size}`, pattern(1, 0, 5 * BLOCK));
    const file = f.open(`/f${size}`);
    f.task.ftruncate(file, size);
    equal(f.stat(`/f${size}`).size, size, "truncate publishes the size");
    f.task.ftruncate(file, 5 * BLOCK);
    bytesEqual(f.get(file, 0, size), pattern(1, 0, size), "what is below the size stays");
    zeros(f.get(file, size, 5 * BLOCK), "what grows reads as zeros: free the blocks beyond");
    f.putPattern(file, 2, 5 * BLOCK + 10, 10);
    zeros(f.get(file, size, 5 * BLOCK - size), "also after the next write");
  }
}

function truncateFrees(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  const free = f.freeBlocks();
  f.putPattern(file, 1, 0, 256 * KIB);
  f.task.ftruncate(file, 10);
  holds(
    free - f.freeBlocks() <= 4,
    "blocks are not freed",
    "truncate frees blocks beyond the size",
  );
  f.task.ftruncate(file, 0);
  equal(f.stat("/f").blocks, 0, "an empty file has no blocks");
}

function largest(f: Fixture): void {
  const { sizeMax } = f.volume.vfs.superblock.fs;
  f.create("/f");
  const file = f.open("/f");
  const pos = sizeMax - BLOCK;
  const expected = f.putPattern(file, 1, pos, 100);
  bytesEqual(f.get(file, pos, 200), expected, "positions up to sizeMax work");
  equal(f.task.lseek(file, 0, SEEK_DATA), pos, "and holes of that length");
  fails("EFBIG", () => f.put(file, sizeMax, pattern(1, 0, 1)), "sizeMax is the limit");
  fails("EFBIG", () => f.task.ftruncate(file, sizeMax + 1), "sizeMax is the limit");
  const short = f.task.pwrite(file, pattern(1, 0, 10), 0, 10, sizeMax - 4);
  equal(short, 4, "a write ends at sizeMax");
  f.task.ftruncate(file, 0);
}

function manyExtents(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  const count = 300;
  // Backwards, every other block: nothing can be merged.
  for (let index = count - 1; index >= 0; index--) f.putPattern(file, index, index * 2 * BLOCK, 10);
  f.remount();
  const again = f.open("/f");
  for (let index = 0; index < count; index++) {
    const pos = index * 2 * BLOCK;
    bytesEqual(f.get(again, pos, 10), pattern(index, pos, 10), "a file has many extents");
  }
  for (let index = 0; index < count; index++) f.putPattern(again, 1, (index * 2 + 1) * BLOCK, 10);
  f.task.ftruncate(again, 0);
  equal(f.stat("/f").blocks, 0, "blocks of the extent tree are freed with it");
}

function interleaved(f: Fixture): void {
  f.create("/a");
  f.create("/b");
  const [a, b] = [f.open("/a"), f.open("/b")];
  for (let index = 0; index < 100; index++) {
    f.putPattern(a, 1, index * 1000, 1000);
    f.putPattern(b, 2, index * 3000, 3000);
  }
  bytesEqual(f.content("/a"), pattern(1, 0, 100_000), "no block belongs to two files");
  bytesEqual(f.content("/b"), pattern(2, 0, 300_000), "no block belongs to two files");
}

function vectors(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  const parts = [pattern(1, 0, 100), pattern(1, 100, 5000), pattern(1, 5100, 1)];
  equal(f.task.pwritev(file, parts, 0), 5101, "a vector is written as one range");
  const targets = [new Uint8Array(5000), new Uint8Array(101)];
  equal(f.task.preadv(file, targets, 0), 5101, "a vector is read as one range");
  bytesEqual(targets[1]!, pattern(1, 5000, 101), "parts follow one another");
}

export const unwrittenCases: Group<Case> = {
  title: "unwritten extents",
  cases: [
    { name: "preallocated blocks read as zeros", needs: ["unwrittenExtents"], run: preallocated },
    { name: "fiemap and SEEK_HOLE know them", needs: ["unwrittenExtents"], run: reported },
    {
      name: "a write in the middle converts what it writes",
      needs: ["unwrittenExtents"],
      run: middle,
    },
    {
      name: "many writes convert a range piece by piece",
      needs: ["unwrittenExtents"],
      run: pieces,
    },
    { name: "blocks beyond the end of the file", needs: ["unwrittenExtents"], run: keepSize },
    {
      name: "writes into preallocated space need no space",
      needs: ["unwrittenExtents"],
      run: fullDevice,
    },
  ],
};

function preallocated(f: Fixture): void {
  f.mark();
  f.create("/f");
  const file = f.open("/f");
  f.task.fallocate(file, 0, 5000, 100_000);
  equal(f.stat("/f").size, 105_000, "fallocate publishes the size");
  zeros(f.get(file, 0, 105_000), STALE);
  holds(f.stat("/f").blocks * 512 >= 100_000, "there are no blocks", "fallocate allocates");
  f.remount();
  zeros(f.content("/f"), "the state of an extent is on the medium");
  const blocks = f.stat("/f").blocks;
  f.task.fallocate(f.open("/f"), 0, 0, 105_000);
  holds(f.stat("/f").blocks - blocks <= 16, "twice", "what is allocated is not allocated again");
}

function reported(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  f.task.fallocate(file, 0, 0, 32 * BLOCK);
  const extents = f.extents("/f");
  const advice = "getXipMem answers XIP_UNWRITTEN for preallocated blocks (I7)";
  const all = extents.every(({ flags }) => (flags & FIEMAP_EXTENT_UNWRITTEN) !== 0);
  holds(all && extents.length > 0, `fiemap: ${JSON.stringify(extents)}`, advice);
  holds((extents.at(-1)!.flags & FIEMAP_EXTENT_LAST) !== 0, "the last has no LAST flag", advice);
  equal(
    extents.reduce((sum, { length }) => sum + length, 0),
    32 * BLOCK,
    advice,
  );
  equal(f.task.lseek(file, 0, SEEK_HOLE), 0, advice);
  fails("ENXIO", () => f.task.lseek(file, 0, SEEK_DATA), advice);
}

function middle(f: Fixture): void {
  f.mark();
  f.create("/f");
  const file = f.open("/f");
  f.task.fallocate(file, 0, 0, 64 * BLOCK);
  const [pos, length] = [10 * BLOCK + 100, 3 * BLOCK];
  const data = f.putPattern(file, 1, pos, length);
  f.task.fsync(file);
  const expected = new Uint8Array(64 * BLOCK);
  expected.set(data, pos);
  bytesEqual(f.get(file, 0, expected.length), expected, STALE);
  const advice = "conversion splits the extent: the 4 blocks that were touched are written now";
  holds(unwrittenBytes(f, "/f") <= 60 * BLOCK, "still unwritten", advice);
  f.remount();
  bytesEqual(f.content("/f"), expected, "and so on the medium");
}

function unwrittenBytes(f: Fixture, path: string): number {
  const unwritten = f.extents(path).filter(({ flags }) => flags & FIEMAP_EXTENT_UNWRITTEN);
  return unwritten.reduce((sum, { length }) => sum + length, 0);
}

function pieces(f: Fixture): void {
  f.mark();
  f.create("/f");
  const file = f.open("/f");
  f.task.fallocate(file, 0, 0, 32 * BLOCK);
  const expected = new Uint8Array(32 * BLOCK);
  const order = Array.from({ length: 32 }, (_, index) => (index * 13) % 32);
  for (const [index, block] of order.entries()) {
    const pos = block * BLOCK + (block % 3) * 50;
    expected.set(f.putPattern(file, index, pos, 200), pos);
  }
  f.task.fsync(file);
  bytesEqual(f.get(file, 0, expected.length), expected, STALE);
  equal(unwrittenBytes(f, "/f"), 0, "all are converted");
  f.remount();
  bytesEqual(f.content("/f"), expected, "splits and merges leave nothing out");
}

function keepSize(f: Fixture): void {
  f.mark();
  f.create("/f", pattern(1, 0, 100));
  const file = f.open("/f");
  f.task.fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 16 * BLOCK);
  equal(f.stat("/f").size, 100, "FALLOC_FL_KEEP_SIZE leaves the size");
  f.remount();
  const again = f.open("/f");
  f.task.ftruncate(again, 8 * BLOCK);
  bytesEqual(f.get(again, 0, 100), pattern(1, 0, 100), "the data stays");
  zeros(f.get(again, 100, 8 * BLOCK), STALE);
  f.putPattern(again, 2, 10 * BLOCK, 10);
  zeros(f.get(again, 100, 10 * BLOCK - 100), STALE);
}

/** I8: what was promised can be written, on a full device too. */
function fullDevice(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  f.task.fallocate(file, 0, 0, 64 * BLOCK);
  f.create("/filler");
  f.fill(f.open("/filler"));
  for (let block = 0; block < 64; block += 2) {
    // Out-of-place writes need room for a new copy, which nobody promised.
    if (f.volume.config.mountOptions?.["unwritten"] === "own") break;
    f.putPattern(file, block, block * BLOCK + 10, 100);
  }
  f.task.fsync(file);
  f.task.unlink(n("/filler"));
}
