/**
 * Extent trees against a model that is an array of blocks: seeded random edits, on nodes so small
 * that trees of depth 5 split, grow and shrink all the time. After each edit the map in memory is the
 * model; after every few the tree, read anew and verified, is so too. Every edit keeps to the
 * credits that it asked for, and in the end not a block is missing.
 */
import { createPmem, type Extent, mkfs, type Pmem, S_IFREG } from "@xiplab/core";
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
import { clock, n, randomNumbers } from "./testing-files.ts";
import type { Volume } from "./volume.ts";

const SEED = Number(process.env["SEED"] ?? 20_131_206);
const EDITS = Number(process.env["EDITS"] ?? 3000);
const BLOCKS = 500;
const DEVICE_SIZE = 32 * 2 ** 20;

/** What the file has at each block: 0 for a hole, else the device block, negative if unwritten. */
type Model = number[];

interface Bench {
  readonly volume: Volume;
  readonly inode: Ext4Inode;
  readonly model: Model;
  map: FileMap;
  readonly reload: () => FileMap;
}

function openBench(device: Pmem, makeMap: (volume: Volume, inode: Ext4Inode) => FileMap): Bench {
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
  return { volume: fs.volume, inode, model: Array(BLOCKS).fill(0), map: reload(), reload };
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

/** The model as extents, merged as far as they go. */
function extentsOf(model: Model): Extent[] {
  const list: Extent[] = [];
  for (const [lblk, value] of model.entries()) {
    if (value === 0) continue;
    const pblk = Math.abs(value);
    const unwritten = value < 0;
    const last = list.at(-1);
    const touches = last !== undefined && last.lblk + last.length === lblk;
    if (touches && last.unwritten === unwritten && last.pblk + last.length === pblk) last.length++;
    else list.push({ lblk, length: 1, pblk, unwritten });
  }
  return list;
}

function fill(bench: Bench, first: number, end: number, unwritten: boolean): void {
  const { map, model } = bench;
  for (let at = first; at < end;) {
    if (model[at] !== 0) {
      at++;
      continue;
    }
    let stop = at;
    while (stop < end && model[stop] === 0) stop++;
    edit(bench, map.insertCredits() + 1, () => {
      const behind = fillHole(map, at, stop, { unwritten, whole: false });
      for (; at < behind; at++) model[at] = map.map(at) * (unwritten ? -1 : 1);
    });
  }
}

function convert(bench: Bench, first: number, end: number, unwritten: boolean): void {
  const { map, model } = bench;
  edit(bench, map.convertCredits(first, end) + 1, () => {
    if (unwritten) map.makeUnwritten(first, end);
    else freeExtents(map, map.makeWritten(first, end, { endLblk: LBLK_MAX, zeroout: false }));
  });
  for (let at = first; at < end; at++) model[at] = Math.abs(model[at]!) * (unwritten ? -1 : 1);
}

function remove(bench: Bench, first: number, end: number): void {
  const { map, model } = bench;
  edit(bench, removeCredits(map, first, end), () => freeRange(map, first, end));
  model.fill(0, first, end);
}

function shift(bench: Bench, first: number, by: number): void {
  const { map, model } = bench;
  const from = by < 0 ? first + by : BLOCKS - by;
  remove(bench, from, from + Math.abs(by));
  edit(bench, map.shiftCredits(first) + 1, () => map.shiftBlocks(first, by));
  const hole = Array<number>(Math.abs(by)).fill(0);
  if (by < 0) model.push(...hole);
  model.splice(from, Math.abs(by));
  if (by > 0) model.splice(first, 0, ...hole);
}

function replace(bench: Bench, first: number, end: number): void {
  const { inode, map, model, volume } = bench;
  const runs: Array<{ start: number; length: number }> = [];
  for (let at = first; at < end;) {
    const run = { start: 0, length: 0 };
    const rest = { lblk: at, goal: 0, reserved: false, whole: false, noFail: false };
    volume.balloc.stage({ inode, length: Math.min(3, end - at), ...rest }, run);
    runs.push(run);
    at += run.length;
  }
  const groups = 2 * Math.min(runs.length, volume.groups.count);
  const own = map.replaceCredits(first, runs) + dataCredits(map, first, end);
  edit(bench, own + groups + 1, () => {
    const removed = map.replaceBlocks(first, runs);
    for (const { start, length } of runs) volume.balloc.adopt(start, length);
    inode.blocks += end - first;
    freeExtents(map, removed);
  });
  for (let at = first; at < end; at++) model[at] = map.map(at);
}

function runEdits(bench: Bench, seed: number, canChangeState: boolean): number {
  const random = randomNumbers(seed);
  let deepest = 0;
  for (let count = 0; count < EDITS; count++) {
    const first = random(BLOCKS - 40);
    const end = first + 1 + random(random(8) === 0 ? 40 : 3);
    const kind = random(canChangeState ? 12 : 6);
    if (kind < 3) fill(bench, first, end, canChangeState && random(3) > 0);
    else if (kind === 3) remove(bench, first, end);
    else if (kind < 6) replace(bench, first, end);
    else if (kind < 9) convert(bench, first, end, false);
    else if (kind < 11) convert(bench, first, end, true);
    else shift(bench, first + 20, random(2) === 0 ? -(1 + random(10)) : 1 + random(10));
    if (random(400) === 0) remove(bench, 0, LBLK_MAX);
    expect(bench.map.list, `edit ${count}`).toEqual(extentsOf(bench.model));
    if (count % 10 === 0) {
      bench.map = bench.reload();
      expect(bench.map.list, `edit ${count}, read anew`).toEqual(extentsOf(bench.model));
      const { inode, model } = bench;
      const held = model.filter((value) => value !== 0).length;
      const { treeBlocks } = bench.map as ExtentTree | IndirectTree;
      expect(inode.blocks, `edit ${count}: blocks`).toBe(held + treeBlocks);
    }
    if (bench.map instanceof ExtentTree) {
      deepest = Math.max(deepest, depthOf(rootOf(bench.volume, bench.inode)));
    }
  }
  return deepest;
}

function freeBlocks({ volume }: Bench): number {
  volume.journal.commit();
  return volume.balloc.available(true);
}

describe(`trees of blocks, seed=${SEED}`, () => {
  test.each([
    [5, 4],
    [6, 3],
    [12, 2],
    [0, 1],
  ])("extents, %d to a node", (fanout, depth) => {
    const device = createPmem({ size: DEVICE_SIZE }) as Pmem;
    mkfs(ext4, device, {});
    const bench = openBench(device, (volume, inode) => new ExtentTree(volume, inode, fanout));
    const before = freeBlocks(bench);
    const deepest = runEdits(bench, SEED + fanout, true);
    expect(deepest).toBeGreaterThanOrEqual(depth);
    remove(bench, 0, LBLK_MAX);
    expect(bench.inode.blocks).toBe(0);
    expect(freeBlocks(bench)).toBe(before);
    expect(depthOf(rootOf(bench.volume, bench.inode))).toBe(0);
  });
});
