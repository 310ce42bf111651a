/** Proves the door from the data paths: what each flag leaves of a range, and what it costs. */
import {
  GXM_ALLOC,
  GXM_CREATE,
  GXM_HINT,
  GXM_ZERO,
  newXipRange,
  PURPOSE_ZEROING,
  XIP_FRESH,
  XIP_HOLE,
  XIP_UNWRITTEN,
  XIP_WRITTEN,
} from "@xiplab/core";
import { expect, test } from "vitest";
import { plain } from "./index.ts";
import { file, makeImage, mountFs, n, symlink } from "./testing.ts";

const BLOCK = 4096;

function setUp(size = 2 ** 20, options = {}) {
  const device = makeImage(size);
  const fs = mountFs(device, false, options);
  const inode = fs.create(fs.iget(fs.rootIno), n("f"), file);
  const out = newXipRange();
  const ask = (pos: number, length: number, flags = 0): [number, number] => {
    fs.getXipMem(inode.mapping, pos, length, flags, out);
    return [out.state, out.length];
  };
  return { ask, device, fs, inode, out };
}

test("a lookup answers the largest range, at most what was asked for, and changes nothing", () => {
  const { ask, device, fs, inode, out } = setUp();
  expect(ask(100, 50_000)).toEqual([XIP_HOLE, 50_000]);
  expect(out.offset).toBe(-1);
  fs.fallocate(inode, 0, 2 * BLOCK, 3 * BLOCK);
  fs.xipConvert(inode.mapping, 3 * BLOCK, 1, 100);
  const { stores } = device.counters;
  expect(ask(100, 50_000)).toEqual([XIP_HOLE, 2 * BLOCK - 100]);
  expect(ask(2 * BLOCK + 7, 50_000)).toEqual([XIP_UNWRITTEN, BLOCK - 7]);
  const { offset } = out;
  expect(ask(3 * BLOCK, 50_000)).toEqual([XIP_WRITTEN, BLOCK]);
  expect(out.offset).toBe(offset + BLOCK - 7);
  expect(ask(4 * BLOCK + 10, 20)).toEqual([XIP_UNWRITTEN, 20]);
  expect(ask(5 * BLOCK, 2 ** 40)).toEqual([XIP_HOLE, 2 ** 40]);
  expect(device.counters.stores).toBe(stores);
});

test("GXM_CREATE backs a hole with unwritten blocks, and leaves others alone", () => {
  const { ask, fs, inode } = setUp();
  const { transactions } = fs.counters;
  expect(ask(5000, 10_000, GXM_CREATE | GXM_HINT)).toEqual([XIP_UNWRITTEN, 10_000]);
  expect(fs.counters.transactions).toBe(transactions + 1);
  expect(inode.blocks).toBe(3);
  expect(ask(5000, 10_000, GXM_CREATE | GXM_HINT)).toEqual([XIP_UNWRITTEN, 10_000]);
  expect(ask(0, BLOCK, GXM_ALLOC)).toEqual([XIP_HOLE, BLOCK]);
  expect(fs.counters.transactions).toBe(transactions + 1);
});

test("GXM_ALLOC makes it written, with what was on the medium; once", () => {
  const { ask, device, fs, inode, out } = setUp();
  fs.fallocate(inode, 0, 0, 4 * BLOCK);
  expect(ask(BLOCK + 1, BLOCK, GXM_CREATE | GXM_ALLOC)).toEqual([XIP_FRESH, BLOCK]);
  expect(device.directAccess(out.offset, 4)).toEqual(Uint8Array.of(0xee, 0xee, 0xee, 0xee));
  expect(ask(0, 4 * BLOCK)).toEqual([XIP_UNWRITTEN, BLOCK]);
  expect(ask(BLOCK, 4 * BLOCK)).toEqual([XIP_WRITTEN, 2 * BLOCK]);
  expect(ask(BLOCK, 2 * BLOCK, GXM_CREATE | GXM_ALLOC)).toEqual([XIP_WRITTEN, 2 * BLOCK]);
});

test("GXM_ZERO has it read as zeros: durable before the commit, nothing zeroed twice", () => {
  const { ask, device, out } = setUp();
  expect(ask(BLOCK + 9, 100, GXM_CREATE | GXM_ZERO)).toEqual([XIP_FRESH, 100]);
  expect(device.counters.bytes[PURPOSE_ZEROING]).toBe(BLOCK + BLOCK);
  expect([...device.directAccess(out.offset - 9, BLOCK)].every((byte) => byte === 0)).toBe(true);
  expect(ask(BLOCK, 2 * BLOCK, GXM_CREATE | GXM_ZERO)).toEqual([XIP_WRITTEN, BLOCK]);
  expect(device.counters.bytes[PURPOSE_ZEROING]).toBe(2 * BLOCK);
});

test("GXM_HINT finds one run for all of it; without it the first free block will do", () => {
  const { ask, fs, inode } = setUp();
  const other = fs.create(fs.iget(fs.rootIno), n("other"), file);
  for (let index = 0; index < 8; index++) {
    fs.fallocate(index % 2 ? inode : other, 0, index * 2 * BLOCK, 2 * BLOCK);
  }
  fs.truncate(other, 0);
  expect(ask(100 * BLOCK, 5 * BLOCK, GXM_CREATE | GXM_HINT)).toEqual([XIP_UNWRITTEN, 5 * BLOCK]);
  fs.truncate(inode, 100 * BLOCK);
  const without = setUp(2 ** 20, { alloc: "first-fit" });
  without.fs.fallocate(without.inode, 0, 0, 4 * BLOCK);
  without.fs.fallocate(without.inode, 3, BLOCK, BLOCK);
  expect(without.ask(9 * BLOCK, 3 * BLOCK, GXM_CREATE)).toEqual([XIP_UNWRITTEN, BLOCK]);
});

test("a file that grows goes on behind its last block; first-fit goes to the first hole", () => {
  for (const [alloc, wanted] of [
    ["next-fit", [[0, 3]]],
    [
      "first-fit",
      [
        [0, 2],
        [2, 1],
      ],
    ],
  ] as const) {
    const { fs, inode } = setUp(2 ** 20, { alloc });
    const hole = fs.create(fs.iget(fs.rootIno), n("hole"), file);
    fs.fallocate(hole, 0, 0, BLOCK);
    fs.fallocate(inode, 0, 0, 2 * BLOCK);
    fs.truncate(hole, 0);
    fs.fallocate(inode, 0, 0, 3 * BLOCK);
    const pieces = inode.extents.list.map(({ lblk, length }) => [lblk, length]);
    expect(pieces).toEqual(wanted);
  }
});

test("completion converts the blocks that were copied to, and publishes the size, at once", () => {
  const { ask, fs, inode, out } = setUp();
  ask(0, 4 * BLOCK, GXM_CREATE | GXM_HINT);
  const { transactions } = fs.counters;
  fs.xipComplete(inode.mapping, 0, BLOCK + 1, out, { requested: 4 * BLOCK, newSize: BLOCK + 1 });
  expect(ask(0, 4 * BLOCK)).toEqual([XIP_WRITTEN, 2 * BLOCK]);
  expect([inode.size, inode.diskSize]).toEqual([BLOCK + 1, BLOCK + 1]);
  expect(fs.counters.transactions).toBe(transactions + 1);
  fs.xipComplete(inode.mapping, 2 * BLOCK, 0, out, { requested: 5, newSize: BLOCK + 1 });
  expect(ask(2 * BLOCK, BLOCK)).toEqual([XIP_UNWRITTEN, BLOCK]);
  expect(fs.counters.transactions).toBe(transactions + 1);
});

test("conversion of many extents is one transaction", () => {
  const { ask, fs, inode } = setUp();
  for (const lblk of [0, 2, 4, 6]) ask(lblk * BLOCK, BLOCK, GXM_CREATE);
  const { transactions } = fs.counters;
  fs.xipConvert(inode.mapping, 10, 7 * BLOCK, 8 * BLOCK);
  expect(fs.counters.transactions).toBe(transactions + 1);
  expect(inode.extents.hasUnwritten(0, 10)).toBe(false);
});

test("staged blocks are nobody's until the swap, and again after unstaging", () => {
  const { ask, device, fs, inode } = setUp();
  ask(0, 3 * BLOCK, GXM_CREATE | GXM_ZERO | GXM_HINT);
  const { blocksFree } = fs.statfs();
  const staged = [newXipRange(), newXipRange()];
  for (const range of staged) fs.xipStage(inode.mapping, BLOCK, BLOCK, range);
  expect(fs.statfs().blocksFree).toBe(blocksFree - 2);
  expect(plain.check(device).blocksUsed).toBe(256 - blocksFree);
  fs.xipUnstage(inode.mapping, staged);
  expect(fs.statfs().blocksFree).toBe(blocksFree);
  for (const range of staged) fs.xipStage(inode.mapping, BLOCK, BLOCK, range);
  const { transactions } = fs.counters;
  fs.xipSwap(inode.mapping, BLOCK, staged, 3 * BLOCK);
  expect(fs.counters.transactions).toBe(transactions + 1);
  expect(fs.statfs().blocksFree).toBe(blocksFree);
  expect([inode.blocks, inode.size]).toEqual([3, 3 * BLOCK]);
  expect(inode.extents.map(1) * BLOCK).toBe(staged[0]!.offset);
  expect(inode.extents.map(2) * BLOCK).toBe(staged[1]!.offset);
  expect(plain.check(device).findings).toEqual([]);
});

test("a promise keeps blocks back from others, with the leaves that the file will need", () => {
  const { fs, inode } = setUp();
  const { blocksAvailable } = fs.statfs();
  fs.reserve(inode.mapping, 13);
  expect(fs.statfs().blocksAvailable).toBe(blocksAvailable - 13);
  fs.reserve(inode.mapping, 1);
  expect(fs.statfs().blocksAvailable).toBe(blocksAvailable - 15);
  fs.reserve(inode.mapping, blocksAvailable - 15);
  expect(fs.statfs().blocksAvailable).toBe(0);
  expect(() => fs.reserve(inode.mapping, 1)).toThrow("ENOSPC");
  const root = fs.iget(fs.rootIno);
  expect(() => fs.create(root, n("link"), symlink("somewhere"))).toThrow("ENOSPC");
  expect(fs.create(root, n("empty"), file).blocks).toBe(0);
  fs.unreserve(inode.mapping, blocksAvailable - 1);
  expect(fs.statfs().blocksAvailable).toBe(blocksAvailable);
  expect(() => fs.unreserve(inode.mapping, 1)).toThrow("promised");
});

test("fallocate modes that plain does not have", () => {
  const { fs, inode } = setUp();
  expect(() => fs.fallocate(inode, 0x40, 0, BLOCK)).toThrow("EOPNOTSUPP");
});
