/**
 * Proves that mballoc places files as the kernel's does: the same requests, from direct writes and
 * fallocate, on the same image, here and on a loop mount. Each block has to stand where the kernel
 * puts it. What is made equal for that, and what differs otherwise: docs/internals/ext4-allocation.md
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { assert, S_IFREG } from "@xiplab/core";
import { mkfsExt4, readImage, requireOracle, runOrThrow } from "@xiplab/oracles";
import { withLoopMount, withTempDirectory } from "@xiplab/oracles";
import { expect, test } from "vitest";
import { FL_EXTENTS } from "./format/inode.ts";
import type { Ext4Inode } from "./inode.ts";
import {
  fakeInode,
  type LowerHalf,
  openLowerHalf,
  randomNumbers,
  request,
} from "./testing/space.ts";

const MIB = 2 ** 20;
const BLOCK = 4096;
const UUID = "01234567-89ab-4cde-8f01-23456789abcd";

/** Memory of WebAssembly starts at a page, as direct I/O wants it. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number }) => { readonly buffer: ArrayBuffer };
};
const ALIGNED = new Uint8Array(new WebAssembly.Memory({ initial: 64 }).buffer);

interface Step {
  readonly file: number;
  readonly lblk: number;
  readonly blocks: number;
  /** Default: a direct write. `buffered`: written and synced, the file stays open. `closed`: written
   * and closed, then synced. `empty`: truncated, then everything committed. */
  readonly how?: "fallocate" | "buffered" | "closed" | "empty";
}

interface Case {
  readonly name: string;
  readonly files: number;
  readonly steps: (random: (below: number) => number) => Step[];
}

const appendInTurns = (files: number, blocks: number, rounds: number): Step[] =>
  Array.from({ length: files * rounds }, (_, i) => {
    return { file: i % files, lblk: Math.floor(i / files) * blocks, blocks };
  });

const CASES: readonly Case[] = [
  { name: "one block each", files: 40, steps: () => appendInTurns(40, 1, 1) },
  {
    name: "small files of random sizes",
    files: 60,
    steps: (random) => {
      return Array.from({ length: 60 }, (_, file) => ({ file, lblk: 0, blocks: 1 + random(16) }));
    },
  },
  {
    name: "medium files in one write",
    files: 30,
    steps: (random) => {
      return Array.from({ length: 30 }, (_, file) => ({ file, lblk: 0, blocks: 17 + random(400) }));
    },
  },
  { name: "one file by 64 KiB", files: 1, steps: () => appendInTurns(1, 16, 512) },
  { name: "one file by 1 MiB", files: 1, steps: () => appendInTurns(1, 256, 64) },
  {
    name: "three files by 4 KiB in turns",
    files: 3,
    steps: () => appendInTurns(3, 1, 200),
  },
  {
    name: "three files by 64 KiB in turns",
    files: 3,
    steps: () => appendInTurns(3, 16, 64),
  },
  {
    name: "random blocks of a sparse file",
    files: 1,
    steps: (random) => {
      const lblks = Array.from({ length: 200 }, () => random(3000));
      return [...new Set(lblks)].map((lblk) => ({ file: 0, lblk, blocks: 1 }));
    },
  },
  {
    name: "fallocate, then more",
    files: 3,
    steps: () => [
      { file: 0, lblk: 0, blocks: 5000, how: "fallocate" },
      { file: 1, lblk: 0, blocks: 100, how: "fallocate" },
      { file: 2, lblk: 0, blocks: 7, how: "fallocate" },
      { file: 1, lblk: 100, blocks: 300 },
      { file: 0, lblk: 5000, blocks: 64 },
      { file: 2, lblk: 7, blocks: 30000, how: "fallocate" },
    ],
  },
  {
    name: "buffered writes of open files",
    files: 20,
    steps: (random) => {
      return Array.from({ length: 20 }, (_, file) => {
        return { file, lblk: 0, blocks: 1 + random(300), how: "buffered" };
      });
    },
  },
  {
    name: "buffered writes of closed files",
    files: 20,
    steps: (random) => {
      return Array.from({ length: 20 }, (_, file) => {
        return { file, lblk: 0, blocks: 1 + random(300), how: "closed" };
      });
    },
  },
  { name: "files that come and go", files: 90, steps: age },
];

/** Files that come and go: what is free then is in pieces. */
function age(random: (below: number) => number): Step[] {
  const steps: Step[] = [];
  for (let file = 0; file < 90; file++) steps.push({ file, lblk: 0, blocks: 1 + random(600) });
  for (let file = 0; file < 60; file += 2) steps.push({ file, lblk: 0, blocks: 0, how: "empty" });
  for (let file = 0; file < 60; file += 2) {
    steps.push({ file, lblk: 0, blocks: 1 + random(1000) });
  }
  return steps;
}

/** Where the blocks of each file stand, in extents [lblk, pblk, length]. */
type Layout = number[][][];

for (const [groups, size] of [
  ["few groups", 512 * MIB],
  ["lists of groups", 4096 * MIB],
] as const) {
  for (const { name, files, steps } of CASES) {
    test(`${name}, ${groups}`, ({ skip }) => {
      requireOracle(["mkfs.ext4", "xfs_io", "filefrag", "taskset", "loop"], skip);
      requireKernel(skip);
      const order = steps(randomNumbers(77));
      withTempDirectory((directory) => {
        const image = path.join(directory, "image");
        mkfsExt4(image, size, ["-b", String(BLOCK), "-U", UUID, "-E", `hash_seed=${UUID}`]);
        const inos = makeFiles(image, files);
        const ours = placeHere(openLowerHalf(readImage(image), "mballoc"), inos, order);
        const theirs = placeThere(image, files, order);
        const shown = `ours ${JSON.stringify(ours)}\ntheirs ${JSON.stringify(theirs)}`;
        expect(shareAlike(ours, theirs), shown).toBe(1);
      });
    });
  }
}

/** From 6.17 on the kernel looks through its lists of groups as is done here. */
function requireKernel(skip: (reason: string) => void): void {
  const [major, minor] = os.release().split(".").map(Number) as [number, number];
  if (major < 6 || (major === 6 && minor < 17)) skip("before 6.17 the allocator was another");
}

function makeFiles(image: string, files: number): number[] {
  return withLoopMount(image, {}, ({ directory }) => {
    return Array.from({ length: files }, (_, i) => {
      const file = path.join(directory, `f${i}`);
      fs.writeFileSync(file, "");
      return fs.statSync(file).ino;
    });
  });
}

function placeThere(image: string, files: number, steps: readonly Step[]): Layout {
  return withLoopMount(image, {}, ({ directory, device }) => {
    const name = path.basename(device);
    // As on persistent memory: no preference for near groups, which spinning disks have.
    fs.writeFileSync(`/sys/fs/ext4/${name}/mb_max_linear_groups`, "0");
    // Whoever asks what groups look like has their bitmaps read: now, not while files are placed.
    fs.readFileSync(`/proc/fs/ext4/${name}/mb_groups`);
    const names = Array.from({ length: files }, (_, i) => path.join(directory, `f${i}`));
    const flags = fs.constants.O_RDWR | fs.constants.O_DIRECT;
    // Open all the time: the last close of a writer gives its preallocations back.
    const closed = steps.some(({ how }) => how === "closed");
    const fds = closed ? [] : names.map((name) => fs.openSync(name, flags));
    pinned(() => {
      for (const step of steps) placeStep(names[step.file]!, fds[step.file] ?? -1, step);
    });
    for (const fd of fds) fs.closeSync(fd);
    return names.map((name) => {
      const { stdout } = runOrThrow("filefrag", ["-v", name]);
      const extents = [...stdout.matchAll(/^ *\d+: +(\d+)\.\. +\d+: +(\d+)\.\. +\d+: +(\d+):/gm)];
      const found = extents.map((match) => match.slice(1).map(Number));
      for (let i = found.length - 1; i > 0; i--) joinAt(found, i - 1);
      return found;
    });
  });
}

function placeStep(name: string, fd: number, { lblk, blocks, how }: Step): void {
  const length = blocks * BLOCK;
  if (how === "fallocate") {
    runOrThrow("xfs_io", ["-c", `falloc ${lblk * BLOCK} ${length}`, name]);
  } else if (how === "empty") {
    fs.ftruncateSync(fd, 0);
    fs.fsyncSync(fd);
  } else {
    const target = how === undefined ? fd : fs.openSync(name, fs.constants.O_WRONLY);
    const written = fs.writeSync(target, ALIGNED, 0, length, lblk * BLOCK);
    assert(written === length, "a write writes all");
    if (how === "buffered") fs.fsyncSync(target);
    if (how !== undefined) fs.closeSync(target);
    if (how === "closed") runOrThrow("sync", ["-f", name]);
  }
}

/** On one processor: the kernel has a locality group for each. */
function pinned(body: () => void): void {
  const pid = String(process.pid);
  const { stdout } = runOrThrow("taskset", ["-cp", pid]);
  const before = stdout.split(":").at(-1)!.trim();
  runOrThrow("taskset", ["-acp", before.split(/[,-]/)[0]!, pid]);
  try {
    body();
  } finally {
    runOrThrow("taskset", ["-acp", before, pid]);
  }
}

/** The requests that the kernel's write path makes, of an allocator alone. */
function placeHere(half: LowerHalf, inos: readonly number[], steps: readonly Step[]): Layout {
  const inodes = inos.map((ino) => {
    const inode = fakeInode(ino, S_IFREG);
    inode.references = 1;
    inode.flags = FL_EXTENTS;
    return inode;
  });
  const layout: Layout = inos.map(() => []);
  half.privileged = true;
  for (const { file, lblk, blocks, how } of steps) {
    const inode = inodes[file]!;
    const extents = layout[file]!;
    if (how === "empty") {
      empty(half, inode, extents);
      continue;
    }
    // Delayed allocation comes after i_size has moved.
    if (how === "buffered" || how === "closed") inode.resize((lblk + blocks) * BLOCK);
    if (how === "closed") inode.references = 0;
    for (let done = 0; done < blocks;) {
      done += placeRun(half, inode, extents, lblk + done, blocks - done, how === "fallocate");
    }
    inode.resize(Math.max(inode.size, (lblk + blocks) * BLOCK));
  }
  return layout;
}

function empty(half: LowerHalf, inode: Ext4Inode, extents: number[][]): void {
  half.balloc.discardPreallocation(inode);
  half.journal.run(100, () => {
    for (const [, start, length] of extents) half.balloc.free(start!, length!);
    if (inode.fileAcl !== 0) half.balloc.free(inode.fileAcl, 1);
  });
  half.journal.commit();
  extents.length = 0;
  inode.fileAcl = 0;
  inode.resize(0);
}

function placeRun(
  half: LowerHalf,
  inode: Ext4Inode,
  extents: number[][],
  lblk: number,
  length: number,
  exact: boolean,
): number {
  const next = extents.findIndex((extent) => extent[0]! > lblk);
  const index = next < 0 ? extents.length : next;
  const left = extents[index - 1];
  const right = extents[index];
  const near = left ?? right;
  const out = { start: 0, length: 0 };
  const order = request(inode, {
    lblk,
    length: Math.min(length, right === undefined ? length : right[0]! - lblk),
    exact,
    goal: near === undefined ? 0 : near[1]! + lblk - near[0]!,
    ...(left && { leftLblk: left[0]! + left[2]! - 1, leftPblk: left[1]! + left[2]! - 1 }),
    ...(right && { rightLblk: right[0]!, rightPblk: right[1]! }),
  });
  half.journal.run(8, () => half.balloc.allocate(order, out));
  insert(half, inode, extents, index, [lblk, out.start, out.length]);
  return out.length;
}

/** Into the list, joined with its neighbours; the fifth extent needs a block of its own. */
function insert(
  half: LowerHalf,
  inode: Ext4Inode,
  extents: number[][],
  index: number,
  extent: number[],
): void {
  const before = extents.length;
  extents.splice(index, 0, extent);
  joinAt(extents, index);
  joinAt(extents, index - 1);
  if (before !== 4 || extents.length !== 5) return;
  const out = { start: 0, length: 0 };
  half.journal.run(8, () => half.balloc.allocate(request(inode, { lblk: -1 }), out));
  // Remembered in a field that this test has no other use for.
  inode.fileAcl = out.start;
}

/** Make one of two extents in a row, where they are. */
function joinAt(extents: number[][], index: number): void {
  const left = extents[index];
  const right = extents[index + 1];
  if (left === undefined || right === undefined) return;
  if (left[0]! + left[2]! !== right[0] || left[1]! + left[2]! !== right[1]) return;
  left[2]! += right[2]!;
  extents.splice(index + 1, 1);
}

/** Share of the blocks that stand in the same place. */
function shareAlike(ours: Layout, theirs: Layout): number {
  let same = 0;
  let all = 0;
  for (const [file, extents] of theirs.entries()) {
    const places = new Map<number, number>();
    for (const [lblk, pblk, length] of extents) {
      for (let i = 0; i < length!; i++) places.set(lblk! + i, pblk! + i);
    }
    all += places.size;
    for (const [lblk, pblk, length] of ours[file]!) {
      for (let i = 0; i < length!; i++) if (places.get(lblk! + i) === pblk! + i) same++;
    }
  }
  return same / all;
}
