/** Step 7: the other modes of fallocate. */
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  type OpenFile,
  SEEK_HOLE,
} from "@xiplab/core";
import { pattern } from "../pattern.ts";
import type { Case, Group } from "./cases.ts";
import { bytesEqual, equal, fails, holds, zeros } from "./expect.ts";
import { BLOCK, type Fixture } from "./fixture.ts";

const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const LENGTH = 16 * BLOCK;

export const fallocateCases: Group<Case> = {
  title: "fallocate",
  cases: [
    { name: "fills holes and keeps data", run: fillsHoles },
    { name: "refuses what makes no sense", run: refused },
    { name: "PUNCH_HOLE", needs: ["punchHole"], run: punch },
    { name: "PUNCH_HOLE of parts of blocks", needs: ["punchHole"], run: punchParts },
    { name: "PUNCH_HOLE of everything, and beyond", needs: ["punchHole"], run: punchAll },
    { name: "ZERO_RANGE", needs: ["zeroRange"], run: zeroRange },
    { name: "COLLAPSE_RANGE", needs: ["collapseRange"], run: collapse },
    { name: "INSERT_RANGE", needs: ["insertRange"], run: insert },
    {
      name: "COLLAPSE_RANGE takes back what INSERT_RANGE made",
      needs: ["collapseRange", "insertRange"],
      run: insertCollapse,
    },
  ],
};

/** A file of 16 blocks, data in all, and what it holds. */
function full(f: Fixture): { file: OpenFile; expected: Uint8Array } {
  f.mark();
  const expected = pattern(1, 0, LENGTH);
  f.create("/f", expected);
  f.task.syncfs();
  // Some of it is newer in a page cache than on the medium.
  const file = f.open("/f");
  const dirty = 13 * BLOCK + 5;
  expected.set(f.putPattern(file, 2, dirty, 100), dirty);
  return { file, expected };
}

function same(f: Fixture, expected: Uint8Array, advice: string): void {
  bytesEqual(f.content("/f"), expected, advice);
  f.remount();
  bytesEqual(f.content("/f"), expected, `${advice}, on the medium too`);
}

function fillsHoles(f: Fixture): void {
  f.mark();
  f.create("/f");
  const file = f.open("/f");
  const expected = new Uint8Array(LENGTH);
  for (const pos of [3 * BLOCK + 10, 7 * BLOCK, 12 * BLOCK - 5]) {
    expected.set(f.putPattern(file, pos, pos, 100), pos);
  }
  f.task.fallocate(file, 0, 0, LENGTH);
  holds(f.stat("/f").blocks * 512 >= LENGTH, "holes are left", "fallocate backs all of the range");
  same(f, expected, "fallocate backs holes, and touches no data");
}

function refused(f: Fixture): void {
  const { file, expected } = full(f);
  const call = (mode: number, pos: number, length: number) => (): void =>
    f.task.fallocate(file, mode, pos, length);
  const advice = "core checks this, before the personality hears of it";
  const lacks = ["EINVAL", "EOPNOTSUPP"] as const;
  fails("EINVAL", call(0, 0, 0), advice);
  fails("EINVAL", call(0, -1, 10), advice);
  fails("EOPNOTSUPP", call(FALLOC_FL_PUNCH_HOLE, 0, BLOCK), advice);
  fails(lacks, call(FALLOC_FL_COLLAPSE_RANGE, 1, BLOCK), advice);
  fails(lacks, call(FALLOC_FL_COLLAPSE_RANGE, 0, LENGTH), advice);
  fails(lacks, call(FALLOC_FL_INSERT_RANGE, 0, 100), advice);
  fails(lacks, call(FALLOC_FL_INSERT_RANGE, LENGTH, BLOCK), advice);
  fails("EFBIG", call(0, f.volume.vfs.superblock.fs.sizeMax, 1), advice);
  same(f, expected, "a refused fallocate changes nothing");
}

function punch(f: Fixture): void {
  const { file, expected } = full(f);
  const { blocks } = f.stat("/f");
  f.task.fallocate(file, PUNCH, 4 * BLOCK, 8 * BLOCK);
  expected.fill(0, 4 * BLOCK, 12 * BLOCK);
  const freed = (blocks - f.stat("/f").blocks) * 512;
  holds(freed >= 6 * BLOCK, `only ${freed} bytes are freed`, "punching frees whole blocks");
  equal(f.task.lseek(file, 0, SEEK_HOLE), 4 * BLOCK, "what was punched is a hole");
  same(f, expected, "the hole reads as zeros, the rest stays");
  f.putPattern(f.open("/f"), 2, 5 * BLOCK + 7, 10);
  zeros(f.get(f.open("/f"), 5 * BLOCK, 7), "a block that comes back shows no old bytes");
}

function punchParts(f: Fixture): void {
  const { file, expected } = full(f);
  for (const [pos, length] of [
    [100, 200],
    [2 * BLOCK - 50, 100],
    [4 * BLOCK + 1, 3 * BLOCK],
    [9 * BLOCK, 10],
  ] as const) {
    f.task.fallocate(file, PUNCH, pos, length);
    expected.fill(0, pos, pos + length);
  }
  same(f, expected, "parts of blocks become zeros, the other bytes of the block stay");
}

function punchAll(f: Fixture): void {
  const { file } = full(f);
  f.task.fallocate(file, PUNCH, 0, 100 * LENGTH);
  equal([f.stat("/f").blocks, f.stat("/f").size], [0, LENGTH], "all blocks go, the size stays");
  zeros(f.content("/f"), "a hole reads as zeros");
}

function zeroRange(f: Fixture): void {
  const { file, expected } = full(f);
  f.task.fallocate(file, FALLOC_FL_ZERO_RANGE, 1000, 3 * BLOCK);
  expected.fill(0, 1000, 1000 + 3 * BLOCK);
  f.task.fallocate(file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 15 * BLOCK + 9, 5 * BLOCK);
  expected.fill(0, 15 * BLOCK + 9);
  equal(f.stat("/f").size, LENGTH, "FALLOC_FL_KEEP_SIZE leaves the size");
  bytesEqual(f.content("/f"), expected, "the range reads as zeros, and keeps its blocks");
  f.task.fallocate(file, FALLOC_FL_ZERO_RANGE, 18 * BLOCK, BLOCK);
  equal(f.stat("/f").size, 19 * BLOCK, "without it the size grows");
  const longer = new Uint8Array(19 * BLOCK);
  longer.set(expected);
  same(f, longer, "what grew reads as zeros");
}

function collapse(f: Fixture): void {
  const { file, expected } = full(f);
  f.task.fallocate(file, FALLOC_FL_COLLAPSE_RANGE, 3 * BLOCK, 5 * BLOCK);
  const shorter = new Uint8Array(11 * BLOCK);
  shorter.set(expected.subarray(0, 3 * BLOCK));
  shorter.set(expected.subarray(8 * BLOCK), 3 * BLOCK);
  equal(f.stat("/f").size, 11 * BLOCK, "the size shrinks by the range");
  same(f, shorter, "what follows the range moves down");
}

function insert(f: Fixture): void {
  const { file, expected } = full(f);
  f.task.fallocate(file, FALLOC_FL_INSERT_RANGE, 5 * BLOCK, 3 * BLOCK);
  const longer = new Uint8Array(LENGTH + 3 * BLOCK);
  longer.set(expected.subarray(0, 5 * BLOCK));
  longer.set(expected.subarray(5 * BLOCK), 8 * BLOCK);
  equal(f.stat("/f").size, LENGTH + 3 * BLOCK, "the size grows by the range");
  same(f, longer, "what follows moves up, and the range is a hole");
}

function insertCollapse(f: Fixture): void {
  const { file, expected } = full(f);
  for (let block = 0; block < 16; block += 3) {
    f.task.fallocate(file, FALLOC_FL_INSERT_RANGE, block * BLOCK, 2 * BLOCK);
    f.task.fallocate(file, FALLOC_FL_COLLAPSE_RANGE, block * BLOCK, 2 * BLOCK);
  }
  same(f, expected, "both move extents without a copy, and no byte changes");
}
