/**
 * Cookies stay good while names come and go: a listing that goes on after each name that it gave was
 * removed, or after the directory grew from one block to a tree, has every name that was there all
 * the time exactly once.
 */
import type { Name } from "@xiplab/core";
import { newDirBatch } from "@xiplab/core";
import { describe, expect, test } from "vitest";
import { FL_INDEX } from "../format/inode.ts";
import { collidingNames, emptyImage, listAll, makeDirectory, makeFile } from "./testing.ts";
import { openImage, rootOf } from "./testing.ts";

const KINDS: readonly (readonly [string, Record<string, string>])[] = [
  ["hashed", { blockSize: "1024" }],
  ["linear", { blockSize: "1024", features: "^dir_index" }],
];

describe.each(KINDS)("a %s directory", (_, options) => {
  test("names go as they are listed, one at a time", () => {
    const fs = openImage(emptyImage(16, options));
    const directory = makeDirectory(fs, rootOf(fs), "directory");
    const file = makeFile(fs, rootOf(fs), "file");
    const names = Array.from({ length: 1000 }, (_none, index) => `name ${index}`);
    for (const name of names) fs.link(directory, name as Name, file);
    const batch = newDirBatch();
    for (let more = true; more;) {
      more = fs.readdir(directory, batch.cookies.at(-1) ?? 0, batch, 1);
      const last = batch.names.at(-1)!;
      fs.unlink(directory, last, file);
    }
    expect([...batch.names].sort()).toEqual([...names].sort());
    expect(fs.isEmpty(directory)).toBe(true);
  });

  test("the directory grows a hundredfold during a listing", () => {
    const fs = openImage(emptyImage(16, options));
    const directory = makeDirectory(fs, rootOf(fs), "directory");
    const file = makeFile(fs, rootOf(fs), "file");
    const names = Array.from({ length: 20 }, (_none, index) => `name ${index}`);
    for (const name of names) fs.link(directory, name as Name, file);
    expect(directory.flags & FL_INDEX).toBe(0);
    const batch = newDirBatch();
    for (let step = 0, more = true; more; step++) {
      more = fs.readdir(directory, batch.cookies.at(-1) ?? 0, batch, 7);
      const growth = step < 8 ? 250 : 0;
      for (let index = 0; index < growth; index++) {
        fs.link(directory, `more ${step} ${index}` as Name, file);
      }
    }
    expect(new Set(batch.names).size).toBe(batch.names.length);
    expect(batch.names.filter((name) => names.includes(name)).sort()).toEqual([...names].sort());
    expect(directory.size).toBeGreaterThan(30 * 1024);
  });

  test("cookies grow, and leave room for the vfs's own", () => {
    const fs = openImage(emptyImage(16, options));
    const directory = makeDirectory(fs, rootOf(fs), "directory");
    const file = makeFile(fs, rootOf(fs), "file");
    for (let index = 0; index < 500; index++) fs.link(directory, `name ${index}` as Name, file);
    const { cookies } = listAll(fs, directory);
    expect(cookies).toEqual([...cookies].sort((a, b) => a - b));
    expect(cookies.at(-1)).toBeLessThan(2 ** 53 - 2);
    expect(fs.readdir(directory, cookies.at(-1)!, newDirBatch(), 10)).toBe(false);
  });
});

const KEPT = "a listing is kept, the same in steps of any size, and goes when a name changes";
test.each([
  { names: 300, isKept: "at once" },
  { names: 1_500, isKept: "when it is asked for again" },
])(`${KEPT}: $names names, $isKept`, ({ names, isKept }) => {
  const fs = openImage(emptyImage(16, { blockSize: "1024" }));
  const directory = makeDirectory(fs, rootOf(fs), "directory");
  const file = makeFile(fs, rootOf(fs), "file");
  const other = makeFile(fs, rootOf(fs), "other");
  for (let index = 0; index < names; index++) fs.link(directory, `name ${index}` as Name, file);
  const first = listAll(fs, directory, 2_000);
  expect(directory.directory!.listing).toEqual(isKept === "at once" ? first : null);
  for (const max of [1, 7, 100, 2_000]) expect(listAll(fs, directory, max)).toEqual(first);
  expect(directory.directory!.listing).toEqual(first);
  const inoOf = (name: string) => {
    const listing = listAll(fs, directory);
    return listing.inos[listing.names.indexOf(name as Name)];
  };
  fs.link(directory, "another" as Name, other);
  expect(inoOf("another")).toBe(other.ino);
  expect(inoOf("another")).toBe(other.ino);
  fs.rename(directory, "name 5" as Name, directory, "another" as Name, file, other, false);
  expect(inoOf("another")).toBe(file.ino);
  expect(inoOf("name 5")).toBeUndefined();
  fs.unlink(directory, "another" as Name, file);
  expect(inoOf("another")).toBeUndefined();
});

test("names with one cookie come together, even beyond what was asked for", () => {
  const fs = openImage(emptyImage(16, { blockSize: "1024" }));
  const { geometry } = fs.volume;
  const directory = makeDirectory(fs, rootOf(fs), "directory");
  const file = makeFile(fs, rootOf(fs), "file");
  // The legacy hash has no minor part: names with one hash have one cookie.
  Object.assign(geometry, { hashVersion: 0 });
  const [first, second] = collidingNames(geometry, 20, 1)[0]!;
  const names = [first!, second!, "another"];
  for (const name of names) fs.link(directory, name as Name, file);
  const batch = listAll(fs, directory, 1);
  expect([...batch.names].sort()).toEqual([...names].sort());
  expect(new Set(batch.cookies).size).toBe(2);
});
