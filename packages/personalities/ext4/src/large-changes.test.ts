/**
 * Changes that are larger than a transaction, on the smallest of journals: each goes in pieces, and
 * after each piece a power cut leaves a file that is half way, on an image that e2fsck has nothing
 * against.
 */
import { e2fsck, e2fsckAfterCrash, requireOracle } from "@xiplab/oracles";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_ZERO_RANGE,
  GXM_ALLOC,
  GXM_CREATE,
  mkfs,
  newXipRange,
  Pmem,
  PURPOSE_DATA,
  S_IFREG,
  type XipRange,
} from "@xiplab/core";
import { expect, it } from "vitest";
import { dropMap, fileMap } from "./file-map.ts";
import type { Ext4FileSystem } from "./filesystem.ts";
import { ext4 } from "./index.ts";
import type { Ext4Inode } from "./inode.ts";
import { mount } from "./mount.ts";
import { clock, n } from "./testing/files.ts";

const BLOCK = 1024;
const MIB = 2 ** 20;
const DEVICE_SIZE = 24 * MIB;
/** Of 84 extents a leaf, filled from the front. */
const EXTENTS = 20_000;
const hasE2fsck = requireOracle(["e2fsck"]) === null;
const ACQUITTED = { clean: true, output: "" };

interface Opened {
  readonly fs: Ext4FileSystem;
  readonly inode: Ext4Inode;
}

function openImage(device: Pmem): Opened {
  const fs = mount(device, { readOnly: false, clock, options: {} }) as Ext4FileSystem;
  const root = fs.iget(fs.rootIno);
  return { fs, inode: fs.iget(fs.lookup(root, n("file"))) };
}

function makeImage(): Pmem {
  const device = new Pmem(DEVICE_SIZE);
  mkfs(ext4, device, { blockSize: String(BLOCK), journalSize: String(MIB) });
  const fs = mount(device, { readOnly: false, clock, options: {} });
  fs.create(fs.iget(fs.rootIno), n("file"), { mode: S_IFREG | 0o644, uid: 0, gid: 0, rdev: 0 });
  fs.unmount();
  return device;
}

/** Blocks in turn written and unwritten, each an extent of its own. */
function makeStripes({ fs, inode }: Opened, count = EXTENTS): void {
  fs.fallocate(inode, 0, 0, count * BLOCK);
  for (let at = 0; at < count; at += 2) {
    fs.xipConvert(inode.mapping, at * BLOCK, BLOCK, inode.diskSize);
  }
  fs.sync();
}

/**
 * What a power cut leaves now, mounted; an image that e2fsck makes good without a question, unless
 * it is one that e2fsck misjudges.
 */
function afterPowerCut(device: Pmem, judged = hasE2fsck): Opened {
  const { clean, output } = judged ? e2fsckAfterCrash(device) : ACQUITTED;
  expect(clean, output).toBe(true);
  const bytes = new Uint8Array(device.size);
  device.load(0, bytes, 0, device.size);
  const copy = new Pmem(device.size);
  copy.store(0, bytes, 0, device.size, PURPOSE_DATA);
  return openImage(copy);
}

function expectSound(device: Pmem, { fs }: Opened): void {
  fs.unmount();
  expect(ext4.check(device).findings).toEqual([]);
  const { clean, output } = hasE2fsck ? e2fsck(device) : ACQUITTED;
  expect(clean, output).toBe(true);
}

/** Do `act`, with a commit after each handle and a look at what is durable then. */
function afterEachHandle({ fs }: Opened, act: () => void, look: () => void): number {
  const { journal } = fs.volume;
  const { run } = journal;
  let handles = 0;
  journal.run = (credits, body) => {
    const isOuter = !journal.running;
    const value = run.call(journal, credits, body) as ReturnType<typeof body>;
    if (isOuter && journal.pending) {
      journal.commit();
      handles++;
      look();
    }
    return value;
  };
  act();
  journal.run = run;
  return handles;
}

/** The device block of each block of the file, 0 for a hole; negative: unwritten. */
function blocksOf({ fs, inode }: Opened): number[] {
  dropMap(inode);
  const blocks: number[] = [];
  for (const { lblk, length, pblk, unwritten } of fileMap(fs.volume, inode).list) {
    while (blocks.length < lblk) blocks.push(0);
    for (let index = 0; index < length; index++) {
      blocks.push(unwritten ? -(pblk + index) : pblk + index);
    }
  }
  return blocks;
}

const hole = (length: number): number[] => Array<number>(length).fill(0);

/** The blocks in front of the hole that is on its way, and those behind it. */
function withHole(blocks: readonly number[], at: number, length: number): number[] {
  return [...blocks.slice(0, at), ...hole(length), ...blocks.slice(at)];
}

it("COLLAPSE_RANGE moves from the front, and has its old size until the end", () => {
  const device = makeImage();
  const image = openImage(device);
  const { fs, inode } = image;
  makeStripes(image);
  const old = blocksOf(image);
  expect(old.length).toBe(EXTENTS);
  const [first, length] = [1001, 700];
  const kept = [...old.slice(0, first), ...old.slice(first + length)];
  let holeAt = 0;
  const act = (): void =>
    fs.fallocate(inode, FALLOC_FL_COLLAPSE_RANGE, first * BLOCK, length * BLOCK);
  const handles = afterEachHandle(image, act, () => {
    const cut = afterPowerCut(device);
    const blocks = blocksOf(cut);
    const isOver = cut.inode.size < EXTENTS * BLOCK;
    expect(cut.inode.size).toBe((isOver ? EXTENTS - length : EXTENTS) * BLOCK);
    const at = isOver ? kept.length : blocks.indexOf(0);
    const behind = blocks.findIndex((block, index) => index > at && block !== 0);
    const hasMoved = !isOver && behind - at === length;
    const growing = (): number[] => [
      ...old.slice(0, at),
      ...hole(behind - at),
      ...old.slice(behind),
    ];
    const halfWay = hasMoved ? () => withHole(kept, at, length) : growing;
    const expected = isOver ? kept : halfWay();
    expect(blocks).toEqual(expected);
    expect(at).toBeGreaterThanOrEqual(holeAt);
    if (hasMoved) holeAt = at;
  });
  expect(handles).toBeGreaterThan(3);
  expect(holeAt).toBeGreaterThan(first);
  expect(blocksOf(image)).toEqual(kept);
  expectSound(device, image);
});

it("INSERT_RANGE moves from the end, and has its new size from the start", () => {
  const device = makeImage();
  const image = openImage(device);
  const { fs, inode } = image;
  makeStripes(image);
  const old = blocksOf(image);
  const [first, length] = [333, 50];
  let holeAt = EXTENTS;
  const act = (): void =>
    fs.fallocate(inode, FALLOC_FL_INSERT_RANGE, first * BLOCK, length * BLOCK);
  const handles = afterEachHandle(image, act, () => {
    const cut = afterPowerCut(device);
    expect(cut.inode.size).toBe((EXTENTS + length) * BLOCK);
    const blocks = blocksOf(cut);
    const at = blocks.includes(0) ? blocks.indexOf(0) : EXTENTS;
    expect(at).toBeLessThanOrEqual(holeAt);
    holeAt = at;
    expect(blocks).toEqual(at === EXTENTS ? old : withHole(old, at, length));
  });
  expect(handles).toBeGreaterThan(3);
  expect(holeAt).toBe(first);
  expect(blocksOf(image)).toEqual(withHole(old, first, length));
  expectSound(device, image);
});

it("ZERO_RANGE goes on from the front", () => {
  const device = makeImage();
  const image = openImage(device);
  const { fs, inode } = image;
  makeStripes(image);
  const old = blocksOf(image);
  const zeroed = old.map((block) => -Math.abs(block));
  let done = 0;
  const act = (): void => fs.fallocate(inode, FALLOC_FL_ZERO_RANGE, 0, EXTENTS * BLOCK);
  const handles = afterEachHandle(image, act, () => {
    const blocks = blocksOf(afterPowerCut(device));
    const rest = blocks.findIndex((block) => block > 0);
    const end = rest < 0 ? EXTENTS : rest;
    expect(blocks).toEqual([...zeroed.slice(0, end), ...old.slice(end)]);
    expect(end).toBeGreaterThan(done);
    done = end;
  });
  expect(handles).toBeGreaterThan(1);
  expect(done).toBe(EXTENTS);
  expect(blocksOf(image)).toEqual(zeroed);
  expectSound(device, image);
});

it("a size that covers thousands of extents takes the tree along in pieces", () => {
  const device = makeImage();
  const image = openImage(device);
  const { fs, inode } = image;
  const range = newXipRange();
  // Every other block: no two are one extent.
  const count = EXTENTS / 2;
  for (let index = 0; index < count; index++) {
    fs.getXipMem(inode.mapping, 2 * index * BLOCK, BLOCK, GXM_CREATE | GXM_ALLOC, range);
  }
  fs.sync();
  const size = 2 * count * BLOCK;
  let before = 0;
  const act = (): void => fs.setSize(inode.mapping, size);
  const handles = afterEachHandle(image, act, () => {
    // e2fsck refuses trees with index entries beyond the end of the file, the kernel's own too.
    const cut = afterPowerCut(device, false);
    cut.fs.sync();
    expect(ext4.check(cut.fs.device).findings).toEqual([]);
    expect(cut.inode.size).toBeGreaterThan(before);
    before = cut.inode.size;
    // What the size covers is written, and nothing else.
    const signs = blocksOf(cut).map(Math.sign);
    const sign = (lblk: number): number => (lblk * BLOCK < cut.inode.size ? 1 : -1);
    expect(signs).toEqual(signs.map((_, lblk) => (lblk % 2 === 0 ? sign(lblk) : 0)));
  });
  expect(handles).toBeGreaterThan(1);
  expect(before).toBe(size);
  expectSound(device, image);
});

it("a swap that one transaction cannot do is refused, and changes nothing", () => {
  const device = makeImage();
  const image = openImage(device);
  const { fs, inode } = image;
  const count = 10_000;
  makeStripes(image, count);
  const old = blocksOf(image);
  const staged: XipRange[] = [];
  for (let at = 0; at < count;) {
    const range = newXipRange();
    fs.xipStage(inode.mapping, at * BLOCK, (count - at) * BLOCK, range);
    staged.push(range);
    at += range.length / BLOCK;
  }
  expect(() => fs.xipSwap(inode.mapping, 0, staged, count * BLOCK)).toThrow(
    "more extents than a transaction",
  );
  fs.xipUnstage(inode.mapping, staged);
  expect(blocksOf(image)).toEqual(old);
  expectSound(device, image);
});
