/**
 * Proven here: a host tree comes into memory whole and in order, with names of any bytes, and what
 * is left out is counted.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadTree } from "./host-tree.ts";

const BOUNDS = { bytesMax: 1024 * 1024, entriesMax: 100 };
let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "xip-tree-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const write = (path: string, text: string): void => writeFileSync(join(directory, path), text);

test("parents come first, contents and checksums fit", () => {
  mkdirSync(join(directory, "b/c"), { recursive: true });
  write("b/c/deep", "deep");
  write("a", "first");
  write("b/empty", "");
  symlinkSync("a", join(directory, "link"));
  utimesSync(join(directory, "a"), 1000, 2000.5);
  const tree = loadTree(directory, BOUNDS);
  expect(tree.entries.map((entry) => `${entry.kind} ${entry.path}`)).toEqual([
    "file a",
    "directory b",
    "directory b/c",
    "file b/c/deep",
    "file b/empty",
    "symlink link",
  ]);
  expect(tree.summary).toMatchObject({ files: 3, directories: 2, symlinks: 1, bytes: 9 });
  const deep = tree.entries[3]!;
  const contents = tree.bytes.subarray(deep.start, deep.start + deep.length);
  expect(Buffer.from(contents).toString()).toBe("deep");
  expect(deep.crc).toBe(crc32("deep"));
  expect(tree.entries[0]).toMatchObject({ sec: 2000, nsec: 500_000_000 });
  expect(tree.entries[5]!.target).toBe("a");
});

test("a name that is not UTF-8 stays as it is", () => {
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0x61])]), "x");
  expect(loadTree(directory, BOUNDS).entries[0]!.path).toBe("\u00ffa");
});

test("what tools generate is left out where git does not say what belongs to the tree", () => {
  mkdirSync(join(directory, "node_modules"));
  write("node_modules/x", "x");
  write("kept", "k");
  expect(loadTree(directory, BOUNDS).entries.map((entry) => entry.path)).toEqual(["kept"]);
});

test("in a repository the tree is what git tracks, and is there", () => {
  write("tracked", "t");
  write("deleted", "d");
  write("stray", "s");
  const git = (...args: string[]) => execFileSync("git", ["-C", directory, ...args]);
  git("init", "-q");
  git("add", "tracked", "deleted");
  rmSync(join(directory, "deleted"));
  const tree = loadTree(directory, BOUNDS);
  expect(tree.entries.map((entry) => entry.path)).toEqual(["tracked"]);
  expect(tree.summary.skipped).toBe(0);
});

test("bounds on bytes and entries leave out the rest, and count it", () => {
  write("1", "x".repeat(60));
  write("2", "x".repeat(60));
  write("3", "x".repeat(30));
  const bytes = loadTree(directory, { bytesMax: 100, entriesMax: 100 });
  expect(bytes.entries.map((entry) => entry.path)).toEqual(["1", "3"]);
  expect(bytes.summary.skipped).toBe(1);
  const entries = loadTree(directory, { bytesMax: 1000, entriesMax: 2 });
  expect(entries.summary).toMatchObject({ files: 2, skipped: 1 });
});

test("a directory that is not there is the host's error", () => {
  expect(() => loadTree(join(directory, "missing"), BOUNDS)).toThrow(/ENOENT/);
});
