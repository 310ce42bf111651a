/**
 * Trees of blocks against a model that is an array: seeded random edits, on extent nodes so small
 * that trees of depth 4 split, grow and shrink all the time, and around the places where indirect
 * blocks get one level deeper. After each edit the map in memory is the model; after every few the
 * tree, read anew and verified, is so too. Every edit keeps to the credits that it asked for, and in
 * the end not a block is missing. Trees of the real size pass e2fsck and our own check.
 */
import { e2fsck, requireOracle } from "@xiplab/oracles";
import { type Extent, mkfs, type OptionValues, Pmem, S_IFREG } from "@xiplab/core";
import { describe, expect, test } from "vitest";
import { type FileMap, LBLK_MAX } from "./block-map.ts";
import { depthOf, rootOf } from "./extents/nodes.ts";
import { ExtentTree } from "./extents.ts";
import { dataCredits, fillHole, freeExtents, freeRange, removeCredits } from "./file-map.ts";
import type { Ext4FileSystem } from "./filesystem.ts";
import { ext4 } from "./index.ts";
import { IndirectTree } from "./indirect.ts";
import { writeInode } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import { mount } from "./mount.ts";
import { clock, n, type Random, randomNumbers } from "./testing/files.ts";
import type { Volume } from "./volume.ts";

const SEED = Number(process.env["SEED"] ?? 20_131_206);
const EDITS = Number(process.env["EDITS"] ?? 3000);
const BLOCKS = 500;
const ONE_BY_ONE = { whole: false, exact: false, noFail: false };
const DEVICE_SIZE = 32 * 2 ** 20;

/** What the file has at each block: 0 for a hole, else the device block, negative if unwritten. */
type Model = number[];

interface Bench {
  readonly volume: Volume;
  readonly inode: Ext4Inode;
  readonly model: Model;
  /** Block of the file that the model begins with. */
  readonly base: number;
  map: FileMap;
  readonly reload: () => FileMap;
  readonly unmount: () => void;
}

function openBench(
  device: Pmem,
  base: number,
  makeMap: (volume: Volume, inode: Ext4Inode) => FileMap,
): Bench {
  const context = { readOnly: false, clock, options: {} };
  const fs = mount(device, context) as Ext4FileSystem;
  const attributes = { mode: S_IFREG | 0o644, uid: 0, gid: 0, rdev: 0 };
  const inode = fs.create(fs.iget(fs.rootIno), n("file"), attributes);
  const reload = (): FileMap => {
    const map = makeMap(fs.volume, inode);
    map.load();
    inode.map = map;
    return map;
  };
  const model = Array<number>(BLOCKS).fill(0);
  const unmount = (): void => fs.unmount();
  return { volume: fs.volume, inode, model, base, map: reload(), reload, unmount };
}

/** Run an edit as a handle; what it changed is no more than it asked for. */
function edit({ volume, inode }: Bench, credits: number, body: () => void): void {
  const { journal } = volume;
  if (journal["dirty"].length > journal.creditsMax / 2) journal.commit();
  const before = journal["dirty"].length;
  journal.run(credits, () => {
    body();
    writeInode(volume, inode);
  });
  expect(journal["dirty"].length - before).toBeLessThanOrEqual(credits);
}

/** The first block that a map and the model have differently, or -1. Neighbours are one extent. */
function firstDifference({ base, map, model }: Bench): number {
  let before: Readonly<Extent> | undefined;
  let at = 0;
  for (const extent of map.list) {
    const { lblk, length, pblk, unwritten } = extent;
    for (; at < lblk - base; at++) if (model[at] !== 0) return at;
    const touches = before !== undefined && before.lblk + before.length === lblk;
    const joins = touches && before!.pblk + before!.length === pblk;
    if (joins && before!.unwritten === unwritten) return at;
    for (let index = 0; index < length; index++, at++) {
      if (model[at] !== (unwritten ? -1 : 1) * (pblk + index)) return at;
    }
    before = extent;
  }
  for (; at < BLOCKS; at++) if (model[at] !== 0) return at;
  return -1;
}

function fill(bench: Bench, first: number, end: number, unwritten: boolean): void {
  const { base, map, model } = bench;
  for (let at = first; at < end;) {
    if (model[at] !== 0) {
      at++;
      continue;
    }
    let stop = at;
    while (stop < end && model[stop] === 0) stop++;
    edit(bench, map.insertCredits() + 1, () => {
      const behind = fillHole(map, base + at, base + stop, unwritten, ONE_BY_ONE) - base;
      for (; at < behind; at++) model[at] = map.map(base + at) * (unwritten ? -1 : 1);
    });
  }
}

function convert(bench: Bench, first: number, end: number, unwritten: boolean): void {
  const { base, map, model } = bench;
  const options = { endLblk: LBLK_MAX, zeroout: false };
  edit(bench, map.convertCredits(base + first, base + end) + 1, () => {
    if (unwritten) map.makeUnwritten(base + first, base + end);
    else freeExtents(map, map.makeWritten(base + first, base + end, options));
  });
  for (let at = first; at < end; at++) model[at] = Math.abs(model[at]!) * (unwritten ? -1 : 1);
}

function remove(bench: Bench, first: number, end: number): void {
  const { base, map, model } = bench;
  const to = Math.min(base + end, LBLK_MAX);
  edit(bench, removeCredits(map, base + first, to), () => freeRange(map, base + first, to));
  model.fill(0, first, end);
}

function shift(bench: Bench, first: number, by: number, piecewise: boolean): void {
  const { base, map, model } = bench;
  const from = by < 0 ? first + by : BLOCKS - by;
  remove(bench, from, from + Math.abs(by));
  const start = base + first;
  // All in one, or leaf by leaf, from where there is room.
  if (piecewise) edit(bench, map.insertCredits() + 1, () => map.cutAt(start));
  const cuts = [start, ...(piecewise ? map.shiftCuts(start) : []), LBLK_MAX];
  const pieces = cuts.slice(1).map((to, index) => [cuts[index]!, to] as const);
  for (const [piece, to] of by > 0 ? pieces.toReversed() : pieces) {
    edit(bench, map.shiftCredits(piece, to) + 1, () => map.shiftBlocks(piece, to, by));
  }
  const hole = Array<number>(Math.abs(by)).fill(0);
  if (by < 0) model.push(...hole);
  model.splice(from, Math.abs(by));
  if (by > 0) model.splice(first, 0, ...hole);
}

function replace(bench: Bench, first: number, end: number): void {
  const { base, inode, map, model, volume } = bench;
  const from = base + first;
  const runs: Array<{ start: number; length: number }> = [];
  for (let at = first; at < end;) {
    const run = { start: 0, length: 0 };
    const rest = { lblk: base + at, goal: 0, reserved: false, whole: false, noFail: false };
    volume.balloc.stage({ inode, length: Math.min(3, end - at), ...rest }, run);
    runs.push(run);
    at += run.length;
  }
  const groups = 2 * Math.min(runs.length, volume.groups.count);
  const own = map.replaceCredits(from, runs) + dataCredits(map, from, base + end);
  edit(bench, own + groups + 1, () => {
    const removed = map.replaceBlocks(from, runs);
    for (const { start, length } of runs) volume.balloc.adopt(start, length);
    inode.blocks += end - first;
    freeExtents(map, removed);
  });
  for (let at = first; at < end; at++) model[at] = map.map(base + at);
}

function editOnce(bench: Bench, random: Random, hasStates: boolean): void {
  // What is freed waits for a commit, and the device is small.
  if (random(20) === 0) bench.volume.journal.commit();
  const first = random(BLOCKS - 40);
  const end = first + 1 + random(random(8) === 0 ? 40 : 3);
  const kind = random(hasStates ? 12 : 6);
  if (kind < 3) fill(bench, first, end, hasStates && random(3) > 0);
  else if (kind === 3) remove(bench, first, end);
  else if (kind < 6) replace(bench, first, end);
  else if (kind < 9) convert(bench, first, end, false);
  else if (kind < 11) convert(bench, first, end, true);
  else {
    const by = random(2) === 0 ? -(1 + random(10)) : 1 + random(10);
    shift(bench, first + 20, by, random(2) === 0);
  }
  if (random(400) === 0) remove(bench, 0, LBLK_MAX);
}

/** Returns how deep the tree got, where it has extents. */
function runEdits(bench: Bench, seed: number, hasStates: boolean): number {
  const random = randomNumbers(seed);
  const { inode, model, volume } = bench;
  let deepest = 0;
  for (let count = 0; count < EDITS; count++) {
    editOnce(bench, random, hasStates);
    const depth = hasStates ? depthOf(rootOf(volume, inode)) : 0;
    deepest = Math.max(deepest, depth);
    expect(firstDifference(bench), `edit ${count}`).toBe(-1);
    if (count % 10 !== 0) continue;
    bench.map = bench.reload();
    expect(firstDifference(bench), `edit ${count}, read anew`).toBe(-1);
    const held = model.filter((value) => value !== 0).length;
    const { treeBlocks } = bench.map as ExtentTree | IndirectTree;
    expect(inode.blocks, `edit ${count}: blocks`).toBe(held + treeBlocks);
  }
  return deepest;
}

function freeBlocks({ volume }: Bench): number {
  volume.journal.commit();
  return volume.balloc.available(true);
}

function makeDevice(options: OptionValues): Pmem {
  const device = new Pmem(DEVICE_SIZE);
  mkfs(ext4, device, options);
  return device;
}

/** Everything goes, and nothing is missing. */
function expectEmpty(bench: Bench, free: number): void {
  remove(bench, 0, LBLK_MAX);
  expect(bench.inode.blocks).toBe(0);
  expect(freeBlocks(bench)).toBe(free);
}

/** The file gets a size that covers it, and the image has to be sound. */
function expectSound(device: Pmem, bench: Bench): void {
  const { base, inode, volume } = bench;
  edit(bench, 1, () => inode.resize((base + BLOCKS) * volume.geometry.blockSize));
  bench.unmount();
  expect(ext4.check(device).findings).toEqual([]);
  const verdict = requireOracle(["e2fsck"]) === null ? e2fsck(device) : null;
  expect(verdict?.clean ?? true, verdict?.output).toBe(true);
}

describe(`trees of blocks, seed=${SEED}`, () => {
  test.each([
    [5, 4],
    [6, 3],
    [12, 2],
  ])("extents, %d to a node", (fanout, depth) => {
    const make = (volume: Volume, inode: Ext4Inode) => new ExtentTree(volume, inode, fanout);
    const bench = openBench(makeDevice({}), 0, make);
    const free = freeBlocks(bench);
    expect(runEdits(bench, SEED + fanout, true)).toBeGreaterThanOrEqual(depth);
    expectEmpty(bench, free);
    expect(depthOf(rootOf(bench.volume, bench.inode))).toBe(0);
  });

  test.each(["4096", "1024"])("extents, nodes of %s bytes, before e2fsck", (blockSize) => {
    const make = (volume: Volume, inode: Ext4Inode) => new ExtentTree(volume, inode);
    const device = makeDevice({ blockSize });
    const bench = openBench(device, 2 ** 31, make);
    runEdits(bench, SEED, true);
    expectSound(device, bench);
  });

  test.each([
    ["direct and indirect", "4096", 0],
    ["direct, indirect, double", "1024", 0],
    ["double and triple", "1024", 12 + 256 + 256 ** 2 - 250],
    ["triple", "2048", 12 + 512 + 512 ** 2 + 512 ** 2 - 250],
  ])("indirect blocks: %s", (_where, blockSize, base) => {
    const device = makeDevice({ blockSize, features: "^extent:^64bit" });
    const make = (volume: Volume, inode: Ext4Inode) => new IndirectTree(volume, inode);
    const bench = openBench(device, base, make);
    const free = freeBlocks(bench);
    runEdits(bench, SEED + base, false);
    expectEmpty(bench, free);
    runEdits(bench, SEED + base + 1, false);
    expectSound(device, bench);
  });
});
