/**
 * Random requests of random files against an array that knows the state of each block: nobody gets
 * what somebody has, what a preallocation holds for another, or what waits for a commit; the counts
 * agree; and when everything is given back, e2fsck finds a clean image. On images of mkfs.ext4.
 */
import { assert, FsError, S_IFDIR, S_IFREG } from "@xiplab/core";
import { e2fsck, mkfsExt4, readImage, requireOracle, withTempDirectory } from "@xiplab/oracles";
import { expect, test } from "vitest";
import type { FirstFit } from "./balloc/first-fit.ts";
import type { Mballoc } from "./balloc/mballoc.ts";
import { countUsed, isUsed } from "./groups/bits.ts";
import type { Ext4Inode } from "./inode.ts";
import {
  fakeInode,
  type LowerHalf,
  openLowerHalf,
  randomNumbers,
  request,
} from "./testing/space.ts";
import type { BlockRequest } from "./volume.ts";

const SEED = Number(process.env["SEED"] ?? 61_209);
const MIB = 2 ** 20;

const FREE = 0;
const FIXED = 1;
const USED = 2;
const WAITING = 3;
const STAGED = 4;

interface FileRun {
  file: number;
  lblk: number;
  start: number;
  length: number;
}

/** What should be. */
class Naive {
  readonly states: Uint8Array;
  readonly runs: FileRun[] = [];
  free = 0;
  promised = 0;

  constructor(half: LowerHalf) {
    const { geometry, groups } = half;
    this.states = new Uint8Array(geometry.blockCount).fill(FREE);
    this.states.fill(FIXED, 0, geometry.firstDataBlock);
    for (let group = 0; group < groups.count; group++) {
      const start = geometry.groupStart(group);
      const bitmap = new DataView(new ArrayBuffer(geometry.blockSize));
      groups.copyBlockBitmap(group, bitmap);
      for (let bit = 0; bit < geometry.groupLength(group); bit++) {
        if (isUsed(bitmap, 0, bit)) this.states[start + bit] = FIXED;
      }
    }
    this.free = this.count(FREE);
  }

  count(state: number): number {
    let count = 0;
    for (const other of this.states) if (other === state) count++;
    return count;
  }

  move(start: number, length: number, from: number, to: number): void {
    const run = this.states.subarray(start, start + length);
    assert(run.length === length, "a run is on the device");
    assert(
      run.every((state) => state === from),
      "each block of a run is in the expected state",
    );
    run.fill(to);
  }

  commit(): void {
    for (let at = 0; at < this.states.length; at++) {
      if (this.states[at] === WAITING) this.states[at] = FREE;
    }
  }
}

class Fuzz {
  readonly half: LowerHalf;
  readonly naive: Naive;
  readonly files: Ext4Inode[];
  readonly random: (below: number) => number;
  refused = 0;
  private steps = 0;

  constructor(half: LowerHalf, seed: number) {
    this.half = half;
    this.naive = new Naive(half);
    this.random = randomNumbers(seed);
    this.files = Array.from({ length: 12 }, (_, i) => {
      return fakeInode(12 + i * 37, i % 4 === 3 ? S_IFDIR : S_IFREG);
    });
  }

  step(): void {
    const kind = this.random(20);
    // The device fills up and empties again, twice.
    const hungry = Math.floor(this.steps++ / 375) % 2 === 0;
    if (kind < (hungry ? 15 : 7)) this.allocate();
    else if (kind < 17) this.release();
    else if (kind === 17) this.half.journal.commit();
    else if (kind === 18) this.discard();
    else this.stage();
    if (!this.half.journal.pending) this.naive.commit();
    if (this.random(8) === 0) this.compare();
  }

  finish(): void {
    while (this.naive.runs.length > 0) this.release();
    this.half.journal.commit();
    this.naive.commit();
    for (const file of this.files) this.half.balloc.discardPreallocation(file);
    assert(this.half.groups.freeBlocks === this.naive.free, "all blocks are free again");
    assert(this.naive.count(FREE) === this.naive.free, "the array agrees");
    assert(this.half.balloc.waiting === 0, "nothing waits after a commit");
    this.compare();
  }

  private allocate(): void {
    const { random, half, naive } = this;
    const wanted = this.draw();
    const promise = wanted.reserved && this.promise(wanted.length);
    const order = { ...wanted, reserved: promise };
    const out = { start: 0, length: 0 };
    half.privileged = random(4) === 0;
    if (!this.tries(() => half.journal.run(8, () => half.balloc.allocate(order, out)))) {
      if (promise) half.balloc.unreserve(wanted.length);
      return;
    }
    assert(out.length > 0, "blocks were found");
    assert(out.length <= wanted.length, "not more than wanted");
    if (promise) half.balloc.unreserve(wanted.length - out.length);
    naive.move(out.start, out.length, FREE, USED);
    this.keep(this.files.indexOf(wanted.inode), wanted.lblk, out);
  }

  private keep(file: number, lblk: number, run: { start: number; length: number }): void {
    this.naive.runs.push({ file, lblk, start: run.start, length: run.length });
    const inode = this.files[file]!;
    const end = (lblk + run.length) * this.half.geometry.blockSize;
    if (lblk >= 0 && end > inode.size && this.random(2) === 0) inode.resize(end);
  }

  /** A request for a place of the file that is not mapped, with its neighbours. */
  private draw(): BlockRequest {
    const { random } = this;
    const file = random(this.files.length);
    const runs = this.naive.runs.filter((run) => run.file === file && run.lblk >= 0);
    const end = Math.max(0, ...runs.map((run) => run.lblk + run.length));
    let lblk = random(3) === 0 ? random(5000) : end;
    const covers = runs.find((run) => run.lblk <= lblk && run.lblk + run.length > lblk);
    if (covers !== undefined) lblk = end;
    if (random(8) === 0) lblk = -1;
    const left = runs.filter((run) => run.lblk < lblk).sort((a, b) => b.lblk - a.lblk)[0];
    const right = runs.filter((run) => run.lblk > lblk).sort((a, b) => a.lblk - b.lblk)[0];
    const most = right === undefined || lblk < 0 ? 3000 : right.lblk - lblk;
    const length = Math.min(most, random(2) === 0 ? 1 + random(4) : 1 + random(random(2000) + 1));
    return request(this.files[file]!, {
      lblk,
      length: lblk < 0 ? 1 : length,
      goal: left === undefined || random(3) === 0 ? 0 : left.start + left.length,
      whole: random(3) === 0,
      exact: random(5) === 0,
      reserved: random(4) === 0,
      noFail: lblk < 0 && random(2) === 0,
      ...(left === undefined
        ? {}
        : { leftLblk: left.lblk + left.length - 1, leftPblk: left.start + left.length - 1 }),
      ...(right === undefined ? {} : { rightLblk: right.lblk, rightPblk: right.start }),
    });
  }

  private promise(blocks: number): boolean {
    return this.tries(() => this.half.balloc.reserve(blocks));
  }

  /** False where there is no space, which changes nothing. */
  private tries(body: () => void): boolean {
    const { groups, balloc } = this.half;
    const { freeBlocks } = groups;
    const available = balloc.available(true);
    try {
      body();
      return true;
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== "ENOSPC") throw error;
      assert(groups.freeBlocks === freeBlocks, "a refusal takes no blocks");
      assert(balloc.available(true) === available, "a refusal promises nothing");
      this.refused++;
      return false;
    }
  }

  private release(): void {
    const { naive, random, half } = this;
    if (naive.runs.length === 0) return;
    const index = random(naive.runs.length);
    const run = naive.runs[index]!;
    const keep = random(3) === 0 ? random(run.length) : 0;
    const length = run.length - keep;
    half.journal.run(8, () => half.balloc.free(run.start + keep, length));
    naive.move(run.start + keep, length, USED, WAITING);
    run.length = keep;
    if (keep === 0) naive.runs.splice(index, 1);
  }

  private discard(): void {
    this.half.balloc.discardPreallocation(this.files[this.random(this.files.length)]!);
  }

  private stage(): void {
    const { half, naive, random } = this;
    const wanted = { ...this.draw(), reserved: false };
    const out = { start: 0, length: 0 };
    if (!this.tries(() => half.balloc.stage(wanted, out))) return;
    naive.move(out.start, out.length, FREE, STAGED);
    if (random(2) === 0) {
      half.balloc.unstage(out.start, out.length);
      naive.move(out.start, out.length, STAGED, FREE);
    } else {
      half.journal.run(8, () => half.balloc.adopt(out.start, out.length));
      naive.move(out.start, out.length, STAGED, USED);
      this.keep(this.files.indexOf(wanted.inode), wanted.lblk, out);
    }
  }

  /** Each free block is one of: in a buddy, preallocated, waiting, staged. */
  private compare(): void {
    const { groups, balloc } = this.half;
    const { space } = balloc as Mballoc | FirstFit;
    let free = space.preallocated + space.pending + space.staged;
    for (let group = 0; group < groups.count; group++) free += space.buddy(group).free;
    assert(groups.freeBlocks === free, "the allocator accounts for each free block");
    const { naive } = this;
    const waiting = naive.count(WAITING);
    const staged = naive.count(STAGED);
    assert(
      groups.freeBlocks === naive.count(FREE) + waiting + staged,
      "the medium's count is true",
    );
    assert(balloc.waiting === waiting, "blocks wait until the commit");
    assert(balloc.wouldCommitHelp === waiting > 0, "a commit would give them");
  }
}

/** Every bitmap against the array. */
function compareBitmaps(half: LowerHalf, naive: Naive): void {
  const { geometry, groups } = half;
  for (let group = 0; group < groups.count; group++) {
    const start = geometry.groupStart(group);
    const length = geometry.groupLength(group);
    const bitmap = new DataView(new ArrayBuffer(geometry.blockSize));
    groups.copyBlockBitmap(group, bitmap);
    const states = naive.states.subarray(start, start + length);
    const used = states.filter((state) => state === FIXED || state === USED).length;
    expect(countUsed(bitmap, 0, 0, length)).toBe(used);
    expect(groups.freeBlocksOf(group)).toBe(length - used);
    const wrong = states.findIndex((state, bit) => {
      return isUsed(bitmap, 0, bit) !== (state === FIXED || state === USED);
    });
    expect(wrong).toBe(-1);
  }
}

const IMAGES: readonly (readonly [string, number, readonly string[]])[] = [
  ["4 KiB blocks, small groups", 32 * MIB, ["-b", "4096", "-g", "1024", "-N", "512"]],
  ["1 KiB blocks", 40 * MIB, ["-b", "1024"]],
  ["no flex groups, no checksums", 24 * MIB, ["-b", "1024", "-O", "^flex_bg,^metadata_csum"]],
  ["uninit_bg", 24 * MIB, ["-b", "1024", "-O", "^metadata_csum,uninit_bg,^64bit"]],
];

for (const alloc of ["mballoc", "first-fit"] as const) {
  for (const [kind, size, args] of IMAGES) {
    test(`${alloc}, ${kind}, seed=${SEED}`, ({ skip }) => {
      requireOracle(["mkfs.ext4", "e2fsck"], skip);
      withTempDirectory((directory) => {
        const file = `${directory}/image`;
        mkfsExt4(file, size, args);
        const device = readImage(file);
        const fuzz = new Fuzz(openLowerHalf(device, alloc), SEED);
        for (let step = 0; step < 1500; step++) fuzz.step();
        expect(fuzz.refused).toBeGreaterThan(0);
        compareBitmaps(fuzz.half, fuzz.naive);
        // Everything is read again from the medium.
        fuzz.half.journal.commit();
        compareBitmaps(openLowerHalf(device, alloc), fuzz.naive);
        fuzz.finish();
        const { clean, output } = e2fsck(device);
        expect(clean, output).toBe(true);
      });
    });
  }
}
