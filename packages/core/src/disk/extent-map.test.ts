/** Proves the extent map against a plain array with one entry per block, by random edits. */
import { expect, test } from "vitest";
import { FsError } from "../spec/errors.ts";
import { ExtentMap, INDEX_END } from "./extent-map.ts";

const BLOCKS = 60;

function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const same = (found: unknown, wanted: unknown): void => expect(found).toEqual(wanted);
const throwsEfbig = (edit: () => void): void => expect(edit).toThrow(FsError);

/** Device block, negative where unwritten; 0 is a hole. */
type Naive = number[];

function expectSame(map: ExtentMap, naive: Naive): void {
  const found = naive.map((_, lblk) => {
    const { lblk: start, pblk, unwritten } = map.at(lblk);
    if (start > lblk) return 0;
    return (pblk + lblk - start) * (unwritten ? -1 : 1);
  });
  same(found.join(), naive.join());
  same(map.blocks(), naive.filter((block) => block !== 0).length);
  const broken = map.list.filter(({ lblk, length, pblk, unwritten }, index) => {
    const next = map.list[index + 1] ?? { lblk: Infinity, pblk: 0, unwritten };
    const meets = next.lblk === lblk + length && next.pblk === pblk + length;
    return length <= 0 || next.lblk < lblk + length || (meets && next.unwritten === unwritten);
  });
  same(broken, []);
}

test.each([1, 2, 3, 4, 5])("random edits, seed=%i", (seed) => {
  const random = randomNumbers(seed * 2654435761);
  const map = new ExtentMap(BLOCKS, 1000);
  let naive: Naive = Array.from({ length: BLOCKS }, () => 0);
  let settled: string[] = [];
  for (let round = 0; round < 1500; round++) {
    const first = random(BLOCKS);
    const end = first + 1 + random(Math.min(BLOCKS - first, 12));
    const range = naive.slice(first, end);
    switch (random(6)) {
      case 0: {
        if (range.some((block) => block !== 0)) break;
        const pblk = 1000 + first + 7 * random(3);
        const unwritten = random(2) === 1;
        map.insert(first, end - first, pblk, unwritten);
        for (let at = first; at < end; at++) {
          naive[at] = (pblk + at - first) * (unwritten ? -1 : 1);
        }
        break;
      }
      case 1: {
        const removed = map
          .remove(first, end)
          .flatMap(({ pblk, length }) => Array.from({ length }, (_, index) => pblk + index));
        same(removed, range.filter((block) => block !== 0).map(Math.abs));
        naive.fill(0, first, end);
        break;
      }
      case 2: {
        const unwritten = random(2) === 1;
        map.convert(first, end, unwritten);
        for (let at = first; at < end; at++)
          naive[at] = Math.abs(naive[at]!) * (unwritten ? -1 : 1);
        break;
      }
      case 3: {
        map.remove(first, end);
        const cut = end + random(BLOCKS - end + 1);
        if (cut > end) map.shift(end, first - end, cut);
        map.shift(cut, first - end);
        naive = [...naive.slice(0, first), ...naive.slice(end), ...range.map(() => 0)];
        break;
      }
      case 4: {
        const room = naive.slice(BLOCKS - (end - first)).every((block) => block === 0);
        if (!room) {
          throwsEfbig(() => map.shift(first, end - first));
          break;
        }
        const cut = first + random(BLOCKS - first + 1);
        map.shift(cut, end - first);
        map.shift(first, end - first, cut);
        naive = [...naive.slice(0, first), ...range.map(() => 0), ...naive.slice(first)];
        naive.length = BLOCKS;
        break;
      }
      default:
        same(
          map.hasUnwritten(first, end),
          range.some((block) => block < 0),
        );
        if (first > 0 && naive[first - 1] !== 0) {
          same(map.goal(first), Math.abs(naive[first - 1]!) + 1);
        }
    }
    // -0 and 0 are one hole.
    naive = naive.map((block) => block + 0);
    expectSame(map, naive);
    expect(map.list.length).toBeLessThanOrEqual(BLOCKS);
    // What did not change between two settlements is outside the range that is named.
    const texts = map.list.map((extent) => JSON.stringify(extent));
    for (const [index, text] of texts.entries()) {
      const outside = index < map.changedFrom || index >= map.changedEnd;
      if (outside && text !== settled[index]) same(text, settled[index]);
    }
    if (random(4) === 0) {
      map.settle();
      settled = texts;
    }
  }
});

test("an edit names what changed", () => {
  const map = new ExtentMap(1000, 1000);
  for (let lblk = 0; lblk < 100; lblk += 2) map.insert(lblk, 1, 5000 + lblk * 3, true);
  map.settle();
  expect([map.changedFrom, map.changedEnd]).toEqual([INDEX_END, 0]);
  map.convert(20, 21, false);
  expect([map.changedFrom, map.changedEnd]).toEqual([10, 11]);
  map.insert(900, 1, 3, false);
  expect([map.changedFrom, map.changedEnd]).toEqual([10, INDEX_END]);
});

test("extents are no longer than allowed", () => {
  const map = new ExtentMap(1000, 8);
  map.insert(0, 5, 100, false);
  map.insert(5, 5, 105, false);
  expect(map.list.length).toBe(2);
  map.insert(10, 3, 110, false);
  expect(map.list.map(({ length }) => length)).toEqual([5, 8]);
});

test("beyond the largest file", () => {
  const map = new ExtentMap(100, 100);
  expect(() => map.insert(99, 2, 5, false)).toThrow("EFBIG");
  map.insert(99, 1, 5, false);
  expect(() => map.shift(50, 1)).toThrow("EFBIG");
  expect(map.at(99)).toEqual({ lblk: 99, length: 1, pblk: 5, unwritten: false });
});

test("a block of a hole has no device block", () => {
  const map = new ExtentMap(100, 100);
  map.insert(5, 2, 50, false);
  expect(map.map(6)).toBe(51);
  expect(() => map.map(7)).toThrow("block 7: mapping is hole");
  expect(map.goal(5)).toBe(0);
  expect(map.goal(9)).toBe(52);
  expect(map.at(8)).toMatchObject({ lblk: 100, length: 0 });
});

test("blocks are put into holes only", () => {
  const map = new ExtentMap(100, 100);
  map.insert(5, 2, 50, false);
  expect(() => map.insert(4, 2, 60, false)).toThrow("into holes");
});
