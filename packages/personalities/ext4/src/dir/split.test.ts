/**
 * How hash trees grow: from one block over a root to two levels, through leaves whose names all have
 * one hash, up to the last entry that fits. e2fsck judges what comes out.
 */
import type { Name, Pmem } from "@xiplab/core";
import { debugfs, e2fsck, e2fsckAfterCrash, requireOracle } from "@xiplab/oracles";
import { describe, expect, test } from "vitest";
import type { Ext4FileSystem } from "../filesystem.ts";
import { DX_COUNT_LIMIT, DX_ROOT_ENTRIES_AT, DX_ROOT_INFO } from "../format/htree.ts";
import { DX_ENTRY, DX_ENTRY_SIZE, DX_ROOT_INFO_AT } from "../format/htree.ts";
import { FL_INDEX } from "../format/inode.ts";
import type { Ext4Inode } from "../inode.ts";
import { readBlock } from "./read.ts";
import { collidingNames, emptyImage, hashOf, listAll, lookupIn, makeDirectory } from "./testing.ts";
import { makeFile, openImage, rootOf, watchCredits } from "./testing.ts";

/** With 1 KiB blocks a leaf has room for three of them. */
const LONG = 250;

function expectClean(device: Pmem): void {
  const { clean, output } = e2fsck(device);
  expect(clean, output).toBe(true);
}

interface Root {
  readonly levels: number;
  readonly count: number;
  readonly limit: number;
  readonly hashes: number[];
}

function rootOfTree(fs: Ext4FileSystem, directory: Ext4Inode): Root {
  const { at, view } = readBlock(fs.volume, directory, 0);
  const entries = at + DX_ROOT_ENTRIES_AT;
  const count = DX_COUNT_LIMIT.count.get(view, entries);
  const hashes = Array.from({ length: count }, (_, index) =>
    index === 0 ? 0 : DX_ENTRY.hash.get(view, entries + index * DX_ENTRY_SIZE),
  );
  const levels = DX_ROOT_INFO.indirectLevels.get(view, at + DX_ROOT_INFO_AT);
  return { levels, count, limit: DX_COUNT_LIMIT.limit.get(view, entries), hashes };
}

function open(sizeMib: number): { device: Pmem; fs: Ext4FileSystem; directory: Ext4Inode } {
  const device = emptyImage(sizeMib, { blockSize: "1024" });
  const fs = openImage(device);
  watchCredits(fs);
  return { device, fs, directory: makeDirectory(fs, rootOf(fs), "directory") };
}

describe("growing", () => {
  test("the name that does not fit one block makes an index", ({ skip }) => {
    requireOracle(["e2fsck", "debugfs"], skip);
    const { device, fs, directory } = open(16);
    const file = makeFile(fs, rootOf(fs), "file");
    const names = ["a", "b", "c", "d"].map((letter) => letter.padEnd(LONG, "."));
    for (const name of names.slice(0, 3)) fs.link(directory, name as Name, file);
    expect(directory.flags & FL_INDEX).toBe(0);
    expect(directory.size).toBe(1024);
    fs.link(directory, names[3]! as Name, file);
    expect(directory.flags & FL_INDEX).not.toBe(0);
    expect(directory.size).toBe(3 * 1024);
    expect(rootOfTree(fs, directory)).toMatchObject({ levels: 0, count: 2, limit: 123 });
    fs.unmount();
    expectClean(device);
    expect(debugfs(device, "htree_dump /directory")).toContain("Number of entries (count): 2");
  });

  test("names with one hash on both sides of a split are found, listed and removed", ({ skip }) => {
    requireOracle(["e2fsck"], skip);
    const { device, fs, directory } = open(16);
    const { geometry } = fs.volume;
    const file = makeFile(fs, rootOf(fs), "file");
    const [first, second] = collidingNames(geometry, LONG, 1)[0]!;
    const { major } = hashOf(geometry, first!);
    // The pair comes first in its leaf, so that the split goes through it.
    const above: string[] = [];
    for (let index = 0; above.length < 2; index++) {
      const name = `above${index}`.padEnd(LONG, ".");
      if (hashOf(geometry, name).major > major) above.push(name);
    }
    const names = [first!, second!, ...above];
    for (const name of names) fs.link(directory, name as Name, file);
    expect(rootOfTree(fs, directory).hashes).toEqual([0, major + 1]);
    expect([...listAll(fs, directory, 1).names].sort()).toEqual([...names].sort());
    for (const name of names) expect(lookupIn(fs, directory, name)).toBe(file.ino);
    fs.sync();
    expect(e2fsckAfterCrash(device)).toMatchObject({ clean: true });
    fs.unlink(directory, second! as Name, file);
    expect(lookupIn(fs, directory, second!)).toBe(0);
    expect(lookupIn(fs, directory, first!)).toBe(file.ino);
    fs.unmount();
    expectClean(device);
  });

  test("pairs with one hash all over a tree of two levels", ({ skip }) => {
    requireOracle(["e2fsck"], skip);
    const { device, fs, directory } = open(32);
    const file = makeFile(fs, rootOf(fs), "file");
    const names = collidingNames(fs.volume.geometry, LONG, 4).flat();
    for (let index = 0; index < 800; index++) names.push(`${index}`.padEnd(LONG - 1, "."));
    for (const name of names) fs.link(directory, name as Name, file);
    expect(rootOfTree(fs, directory).levels).toBe(1);
    expect([...listAll(fs, directory, 3).names].sort()).toEqual([...names].sort());
    for (const name of names) expect(lookupIn(fs, directory, name)).toBe(file.ino);
    fs.unmount();
    expectClean(device);
  });

  test("an index that is full refuses names that need a split, and takes others", ({ skip }) => {
    requireOracle(["e2fsck"], skip);
    const { device, fs, directory } = open(64);
    const file = makeFile(fs, rootOf(fs), "file");
    let count = 0;
    const nameOf = (index: number): Name => `${index}`.padEnd(LONG, ".") as Name;
    const fillUp = (): void => {
      for (; ; count++) {
        fs.link(directory, nameOf(count), file);
        if (count % 1000 === 0) fs.sync();
      }
    };
    expect(fillUp).toThrow("ENOSPC");
    expect(count).toBeGreaterThan(15_000);
    expect(lookupIn(fs, directory, nameOf(count))).toBe(0);
    expect(file.nlink).toBe(1 + count);
    const { levels, count: entries, limit } = rootOfTree(fs, directory);
    expect([levels, entries]).toEqual([1, limit]);
    fs.unlink(directory, nameOf(7), file);
    fs.link(directory, nameOf(7), file);
    fs.unmount();
    expectClean(device);
  });
});
