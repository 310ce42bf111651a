/** Proves directories: names of every length, units that are used again, cookies that stay. */
import { type Name, newDirBatch, type Pmem } from "@xiplab/core";
import { expect, test } from "vitest";
import { Directory, encodeName, readDirectory } from "./dir.ts";
import { UNIT_SIZE, unitsOf } from "./format/dirent.ts";
import { readSuperblock } from "./geometry.ts";
import { plain } from "./index.ts";
import type { PlainFileSystem } from "./namei.ts";
import { directory, file, makeImage, mountFs, n } from "./testing.ts";

const SIZE = 4 * 2 ** 20;

function setUp(): { device: Pmem; fs: PlainFileSystem; root: ReturnType<PlainFileSystem["iget"]> } {
  const device = makeImage(SIZE, { inodes: "2000" });
  const fs = mountFs(device);
  return { device, fs, root: fs.iget(fs.rootIno) };
}

function list(fs: PlainFileSystem, root: ReturnType<PlainFileSystem["iget"]>): Name[] {
  const batch = newDirBatch();
  fs.readdir(root, 0, batch, Infinity);
  return batch.names;
}

/** A name of `length` bytes of all values that a name may have. */
const nameOf = (length: number): Name =>
  Array.from({ length }, (_, index) => String.fromCharCode(((length * 7 + index) % 200) + 48)).join(
    "",
  ) as Name;

test("names of every length survive, byte for byte", () => {
  const { device, fs, root } = setUp();
  const names = Array.from({ length: 255 }, (_, index) => nameOf(index + 1));
  for (const name of names) fs.create(root, name, file);
  const again = mountFs(device, true);
  expect(list(again, again.iget(1 as never)).sort()).toEqual([...names].sort());
  expect(plain.check(device).findings).toEqual([]);
  for (const name of names) {
    const inode = fs.iget(fs.lookup(root, name));
    fs.unlink(root, name, inode);
    fs.evict(inode);
  }
  expect(fs.isEmpty(root)).toBe(true);
  const read = readDirectory(device, readSuperblock(device), root);
  expect([read.names.size, new Set(read.units)]).toEqual([0, new Set([undefined])]);
});

test("a name begins no unit but its first: what is behind a removed one is free", () => {
  for (const length of [1, 56, 57, 112, 113, 255]) {
    const units = encodeName(nameOf(length));
    expect(units.length).toBe(unitsOf(length) * UNIT_SIZE);
    const heads = units.filter((_, at) => at % UNIT_SIZE < 8);
    expect([...new Set(heads)]).toEqual([0]);
  }
});

test("free units are used again, first fit, and no name crosses a block", () => {
  const index = new Directory();
  index.units.length += 128;
  const at = (length: number): number => index.place(nameOf(length));
  index.put(nameOf(200), 0, 5, 200);
  expect(at(56)).toBe(4);
  index.put(nameOf(56), 4, 6, 56);
  index.put(nameOf(200), 0, 0, 0);
  expect(at(1)).toBe(0);
  expect(at(225)).toBe(5);
  index.put(nameOf(225), 60, 7, 225);
  for (let unit = 0; unit < 60; unit++) index.put(nameOf(unit + 1), unit, 9, 1);
  expect(at(255)).toBe(65);
});

test("a directory grows by a block, stays when names go, and fills up again", () => {
  const { fs, root } = setUp();
  const { blocksFree } = fs.statfs();
  for (let index = 0; index < 200; index++) fs.create(root, n(`${index}`), file);
  expect([root.size, root.blocks]).toEqual([4 * 4096, 4]);
  expect(fs.statfs().blocksFree).toBe(blocksFree - 4);
  for (let index = 0; index < 200; index += 2) {
    const inode = fs.iget(fs.lookup(root, n(`${index}`)));
    fs.unlink(root, n(`${index}`), inode);
    fs.evict(inode);
  }
  for (let index = 0; index < 100; index++) fs.create(root, n(`again${index}`), file);
  expect(root.size).toBe(4 * 4096);
});

test("a listing in parts sees what stayed exactly once, whatever comes and goes", () => {
  const { fs, root } = setUp();
  for (let index = 0; index < 100; index++) fs.create(root, n(`stays${index}`), file);
  const seen: Name[] = [];
  let cookie = 0;
  for (let round = 0; ; round++) {
    const batch = newDirBatch();
    const more = fs.readdir(root, cookie, batch, 7);
    seen.push(...batch.names);
    if (!more) break;
    cookie = batch.cookies.at(-1)!;
    const gone = n(`comes${round - 1}`);
    if (round > 0) fs.unlink(root, gone, fs.iget(fs.lookup(root, gone)));
    fs.create(root, n(`comes${round}`), file);
  }
  const stayed = seen.filter((name) => name.startsWith("stays"));
  expect(stayed.length).toBe(100);
  expect(new Set(stayed).size).toBe(100);
});

test("the vfs asks with types and numbers", () => {
  const { fs, root } = setUp();
  const d = fs.create(root, n("d"), directory);
  const f = fs.create(root, n("f"), file);
  const batch = newDirBatch();
  expect(fs.readdir(root, 0, batch, 2)).toBe(false);
  expect(batch).toEqual({
    names: ["d", "f"],
    inos: [d.ino, f.ino],
    types: [4, 8],
    cookies: [1, 2],
  });
  expect(fs.readdir(root, 0, newDirBatch(), 1)).toBe(true);
  expect(fs.parentOf(d)).toBe(root.ino);
  expect(fs.parentOf(root)).toBe(root.ino);
});
