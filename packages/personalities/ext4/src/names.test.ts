/**
 * Directories of every kind of image, filled and thinned out here, judged by e2fsck: each name that
 * should be there is found and listed once, no other is, and not a byte of the structure is wrong.
 */
import type { Name, Pmem } from "@xiplab/core";
import { debugfs, e2fsck, e2fsckAfterCrash, mkfsExt4, readImage } from "@xiplab/oracles";
import { requireOracle, run, withTempDirectory } from "@xiplab/oracles";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { Ext4FileSystem } from "./filesystem.ts";
import { emptyImage, listAll, lookupIn } from "./dir/testing.ts";
import { makeDirectory, makeFile, openImage, rootOf } from "./dir/testing.ts";
import { FL_INDEX } from "./format/inode.ts";
import type { Ext4Inode } from "./inode.ts";
import { LINK_MAX } from "./namei.ts";

const MIB = 2 ** 20;
const ORACLES = ["mkfs.ext4", "tune2fs", "e2fsck", "debugfs"];

interface Kind {
  readonly label: string;
  readonly mkfs: readonly string[];
  readonly tune?: readonly string[];
  readonly debugfs?: string;
}

const KINDS: readonly Kind[] = [
  { label: "4 KiB blocks", mkfs: ["-b", "4096"] },
  { label: "2 KiB blocks", mkfs: ["-b", "2048"] },
  { label: "1 KiB blocks", mkfs: ["-b", "1024"] },
  { label: "no metadata_csum", mkfs: ["-b", "1024", "-O", "^metadata_csum"] },
  { label: "metadata_csum_seed", mkfs: ["-b", "1024", "-O", "metadata_csum_seed"] },
  { label: "no dir_index", mkfs: ["-b", "1024", "-O", "^dir_index"] },
  { label: "no filetype", mkfs: ["-b", "1024", "-O", "^filetype"] },
  { label: "no journal", mkfs: ["-b", "1024", "-O", "^has_journal"] },
  { label: "no extents", mkfs: ["-b", "1024", "-O", "^extent,^64bit"] },
  { label: "legacy hash", mkfs: ["-b", "1024"], tune: ["-E", "hash_alg=legacy"] },
  { label: "tea hash", mkfs: ["-b", "1024"], tune: ["-E", "hash_alg=tea"] },
  { label: "unsigned half_md4", mkfs: ["-b", "1024"], debugfs: "ssv flags 2" },
  {
    label: "unsigned tea",
    mkfs: ["-b", "1024"],
    tune: ["-E", "hash_alg=tea"],
    debugfs: "ssv flags 2",
  },
  {
    label: "unsigned legacy",
    mkfs: ["-b", "1024"],
    tune: ["-E", "hash_alg=legacy"],
    debugfs: "ssv flags 2",
  },
];

function makeImage({ mkfs, tune, debugfs: command }: Kind): Pmem {
  return withTempDirectory((directory) => {
    const file = path.join(directory, "image");
    mkfsExt4(file, 64 * MIB, mkfs);
    if (tune !== undefined) run("tune2fs", [...tune, file]);
    if (command !== undefined) debugfs(file, command, true);
    return readImage(file);
  });
}

function expectClean(device: Pmem): void {
  const { clean, output } = e2fsck(device);
  expect(clean, output).toBe(true);
}

/** Bytes of all kinds: every one that a name may have occurs. */
function nameOf(index: number): string {
  const bytes = [1 + (index % 46), 48 + (index % 208), 255 - (index % 128)];
  const tail = index % 11 === 0 ? "long".repeat(50) : "";
  return String.fromCharCode(...bytes) + index + tail;
}

/** Links to one file under many names, of which every third goes. Returns the names that stay. */
function fill(fs: Ext4FileSystem, directory: Ext4Inode, file: Ext4Inode, count: number): string[] {
  const stay: string[] = [];
  for (let index = 0; index < count; index++) {
    fs.link(directory, nameOf(index) as Name, file);
    if (index % 500 === 499) fs.sync();
    if (index % 3 === 2) fs.unlink(directory, nameOf(index - 1) as Name, file);
    else if (index % 3 === 0 || index === count - 1) stay.push(nameOf(index));
    if (index % 3 === 2) stay.push(nameOf(index));
  }
  return [...new Set(stay)];
}

function expectNames(fs: Ext4FileSystem, directory: Ext4Inode, names: string[]): void {
  const listed = listAll(fs, directory, 37);
  expect([...listed.names].sort()).toEqual([...names].sort());
  expect(new Set(listed.types)).toEqual(new Set([8]));
  for (const name of names) expect(lookupIn(fs, directory, name)).toBe(listed.inos[0]);
  for (const name of names.slice(0, 200)) expect(lookupIn(fs, directory, `${name}?`)).toBe(0);
}

describe("names on every kind of image", () => {
  for (const kind of KINDS) {
    test(`${kind.label}`, ({ skip }) => {
      requireOracle(ORACLES, skip);
      const device = makeImage(kind);
      const fs = openImage(device);
      const directory = makeDirectory(fs, rootOf(fs), "directory");
      const names = fill(fs, directory, makeFile(fs, rootOf(fs), "file"), 3000);
      expect(names.length).toBe(2000);
      const indexed = (directory.flags & FL_INDEX) !== 0;
      expect(indexed).toBe(kind.label !== "no dir_index");
      expectNames(fs, directory, names);
      fs.unmount();
      expectClean(device);

      const again = openImage(device);
      const same = again.iget(lookupIn(again, rootOf(again), "directory"));
      const file = again.iget(lookupIn(again, rootOf(again), "file"));
      expectNames(again, same, names);
      for (const name of names) again.unlink(same, name as Name, file);
      expect(again.isEmpty(same)).toBe(true);
      expect(file.nlink).toBe(1);
      again.unlink(rootOf(again), "directory" as Name, same);
      again.evict(same);
      again.unmount();
      expectClean(device);
    });
  }
});

test("leaves in the log have right checksums: e2fsck replays what was not written home", ({
  skip,
}) => {
  requireOracle(["e2fsck"], skip);
  const device = emptyImage(32);
  const fs = openImage(device);
  const directory = makeDirectory(fs, rootOf(fs), "directory");
  const file = makeFile(fs, rootOf(fs), "file");
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < 700; index++) {
      fs.link(directory, `name ${round} ${index}` as Name, file);
      if (index % 5 === 0) fs.unlink(directory, `name ${round} ${index}` as Name, file);
    }
    fs.sync();
  }
  // The power goes.
  const { clean, output } = e2fsckAfterCrash(device);
  expect(clean, output).toBe(true);
  const again = openImage(device);
  const same = again.iget(lookupIn(again, rootOf(again), "directory"));
  expect(listAll(again, same).names.length).toBe(3 * 560);
});

test("more subdirectories than can be counted: the directory counts 1", ({ skip }) => {
  requireOracle(["e2fsck"], skip);
  const device = emptyImage(256, { blockSize: "1024", inodes: "70000" });
  const fs = openImage(device);
  const directory = makeDirectory(fs, rootOf(fs), "directory");
  for (let index = 2; index < LINK_MAX; index++) makeDirectory(fs, directory, `${index}`);
  expect(directory.nlink).toBe(LINK_MAX);
  makeDirectory(fs, directory, "one more");
  expect(directory.nlink).toBe(1);
  const last = makeDirectory(fs, directory, "and another");
  fs.unlink(directory, "and another" as Name, last);
  fs.evict(last);
  expect(directory.nlink).toBe(1);
  fs.unmount();
  expectClean(device);
});
