/**
 * Where the blocks of files are, here and in the kernel. Files that the kernel made in every way it
 * has are mapped here as `filefrag` says there, extents and indirect blocks, and the other way round;
 * and writing into preallocated blocks leaves the extents that the kernel leaves.
 */
import fs from "node:fs";
import path from "node:path";
import {
  type Extent,
  mount,
  O_CREAT,
  O_RDWR,
  type OptionValues,
  type Pmem,
  Task,
} from "@xiplab/core";
import { debugfs, mkfsExt4, readImage, requireOracle, run, runOrThrow } from "@xiplab/oracles";
import { withLoopMount, withTempDirectory, writeImage } from "@xiplab/oracles";
import { describe, expect, test } from "vitest";
import { fileMap } from "../file-map.ts";
import type { Ext4FileSystem } from "../filesystem.ts";
import { ext4 } from "../index.ts";
import { mount as mountExt4 } from "../mount.ts";
import { clock, n, randomNumbers } from "../testing/files.ts";
import { expectSound, JUDGES } from "./testing.ts";

const NEEDS = [...JUDGES, "filefrag", "xfs_io"];
const KIB = 1024;
const MIB = 2 ** 20;
const SEED = 20_131_206;

/** Extents as text, joined where they touch, as `lblk+length@pblk` and u for unwritten. */
function show(list: readonly Extent[]): string[] {
  const joined: Extent[] = [];
  for (const extent of list) {
    const last = joined.at(-1);
    const touches = last !== undefined && last.lblk + last.length === extent.lblk;
    const joins = touches && last.pblk + last.length === extent.pblk;
    if (joins && last.unwritten === extent.unwritten) last.length += extent.length;
    else joined.push({ ...extent });
  }
  return joined.map(
    ({ lblk, length, pblk, unwritten }) => `${lblk}+${length}@${pblk}${unwritten ? "u" : ""}`,
  );
}

/** As `filefrag -v` reports a file of a mounted file system. */
function mapThere(file: string, blockSize: number): string[] {
  const { stdout } = runOrThrow("filefrag", ["-v", `-b${blockSize}`, file]);
  const row = /^\s*\d+:\s+(\d+)\.\.\s*\d+:\s+(\d+)\.\.\s*\d+:\s+(\d+):(.*)$/gm;
  const list = Array.from(stdout.matchAll(row), ([, lblk, pblk, length, flags]) => ({
    lblk: Number(lblk),
    pblk: Number(pblk),
    length: Number(length),
    unwritten: flags!.includes("unwritten"),
  }));
  return show(list);
}

function mapsHere(device: Pmem, names: readonly string[]): string[][] {
  const context = { readOnly: true, clock, options: {} };
  const here = mountExt4(device, context) as Ext4FileSystem;
  const root = here.iget(here.rootIno);
  return names.map((name) => {
    const inode = here.iget(here.lookup(root, n(name)));
    return show(fileMap(here.volume, inode).list);
  });
}

/** Commands of xfs_io, for each file; the size of the image is 512 MiB. */
const EXTENT_FILES: Readonly<Record<string, readonly string[]>> = {
  written: ["pwrite 0 1m"],
  preallocated: ["falloc 0 4m", "pwrite 400k 20k", "fsync", "pwrite 3m 4k"],
  beyond: ["falloc -k 0 4m", "pwrite 0 100k"],
  long: ["falloc 0 300m"],
  holes: ["pwrite 0 1m", "fpunch 100k 8k", "fpunch 4k 4k", "fpunch 900k 1m"],
  zeroed: ["pwrite 0 1m", "fsync", "fzero 100k 100k", "fzero 0 4k", "fzero 1m 64k"],
  collapsed: ["pwrite 0 1m", "fpunch 100k 8k", "fsync", "fcollapse 40k 200k"],
  inserted: ["pwrite 0 1m", "fsync", "finsert 100k 200k", "finsert 0 4k"],
  truncated: ["pwrite 0 1m", "fsync", "truncate 123456"],
  far: ["pwrite 16t-8k 4k", "pwrite 1t 4k", "pwrite 4g 4k"].map((line) =>
    line.replace("16t-8k", String(16 * 2 ** 40 - 8 * KIB)),
  ),
  deep: [
    "falloc 0 24m",
    ...Array.from({ length: 3000 }, (_, index) => `fpunch ${8 * index + 4}k 4k`),
  ],
};

const INDIRECT_FILES: Readonly<Record<string, readonly string[]>> = {
  direct: ["pwrite 0 10k"],
  indirect: ["pwrite 0 200k", "fsync", "fpunch 20k 30k"],
  double: ["pwrite 0 2m", "fsync", "fpunch 1m 64k"],
  triple: ["pwrite 80m 1m", "pwrite 0 4k", "pwrite 66m 3m", "fsync", "fpunch 67m 100k"],
  sparse: Array.from({ length: 500 }, (_, index) => `pwrite ${37 * index}k 1k`),
};

describe("files that the kernel made", () => {
  test.each([
    ["4096", "extents", [], EXTENT_FILES],
    ["1024", "extents", [], { ...EXTENT_FILES, far: ["pwrite 1t 4k", "pwrite 3t 4k"] }],
    ["4096", "indirect blocks", ["-O", "^extent,^64bit"], INDIRECT_FILES],
    ["1024", "indirect blocks", ["-O", "^extent,^64bit"], INDIRECT_FILES],
  ])(
    "blocks of %s bytes, %s",
    { timeout: 300_000 },
    (blockSize, _kind, features, files, ...rest) => {
      expect(rest).toEqual([]);
      if (requireOracle(NEEDS) !== null) return;
      const names = Object.keys(files);
      withTempDirectory((directory) => {
        const image = path.join(directory, "image");
        mkfsExt4(image, 512 * MIB, ["-b", blockSize, ...features]);
        const there = withLoopMount(image, {}, (mounted) => {
          for (const name of names) xfsIo(path.join(mounted.directory, name), files[name]!);
          runOrThrow("sync", ["-f", mounted.directory]);
          return names.map((name) =>
            mapThere(path.join(mounted.directory, name), Number(blockSize)),
          );
        });
        const here = mapsHere(readImage(image), names);
        for (const [index, name] of names.entries()) {
          expect(there[index]!.length, name).toBeGreaterThan(0);
          expect(here[index], name).toEqual(there[index]);
        }
      });
    },
  );
});

/** Which blocks of a file are in which state, from debugfs: `lblk+length`, and u for unwritten. */
function statesOf(image: string | Pmem): string {
  const row = /^\s*(\d+)\/\s*(\d+)\s+\d+\/\s*\d+\s+(\d+) -\s+\d+\s+\d+ -\s+\d+\s+(\d+)(.*)$/gm;
  const found: string[] = [];
  for (const [, level, depth, lblk, length, flags] of debugfs(image, "ex /file").matchAll(row)) {
    if (level === depth) found.push(`${lblk}+${length}${flags!.includes("Uninit") ? "u" : ""}`);
  }
  return found.join(" ");
}

/** A mount here, with a file in it; unmounts. */
function withFileHere(
  device: Pmem,
  options: OptionValues,
  body: (task: Task, file: ReturnType<Task["open"]>) => void,
): void {
  const vfs = mount(ext4, device, options);
  const task = new Task(vfs);
  const file = task.open(n("/file"), O_CREAT | O_RDWR);
  body(task, file);
  task.close(file);
  vfs.unmount();
}

describe("files made here", () => {
  /**
   * With nodelalloc and dioread_lock the kernel converts a block when it is first written to, by the
   * same rules as on DAX: it rather zeroes up to 32 KiB around it than splits, inside the file.
   */
  test.each([
    [200, 0],
    [200, 1],
    [60, 0],
    [30, 1],
    [17, 0],
    [9, 1],
    [400, 0],
  ])(
    "%d preallocated blocks (mode %d) are split and zeroed as there",
    { timeout: 300_000 },
    (blocks, mode) => {
      if (requireOracle(NEEDS) !== null) return;
      const random = randomNumbers(SEED + blocks);
      const writes = Array.from({ length: 14 }, () => random(blocks));
      withTempDirectory((directory) => {
        const image = path.join(directory, "image");
        mkfsExt4(image, 64 * MIB, ["-b", "4096"]);
        const device = readImage(image);
        const options = "nodelalloc,dioread_lock";
        withLoopMount(image, { options }, (mounted) => {
          const keep = mode === 1 ? "-k " : "";
          const commands = writes.flatMap((lblk) => [`pwrite ${4 * lblk}k 4k`, "fsync"]);
          const file = path.join(mounted.directory, "file");
          xfsIo(file, [`falloc ${keep}0 ${4 * blocks}k`, ...commands]);
        });
        withFileHere(device, { data: "xip", unwritten: "zero" }, (task, file) => {
          const data = new Uint8Array(4096).fill(1);
          task.fallocate(file, mode, 0, blocks * 4096);
          for (const lblk of writes) task.pwrite(file, data, 0, 4096, lblk * 4096);
        });
        const there = statesOf(image);
        expect(there).toMatch(/^0[+]/);
        expect(statesOf(device)).toBe(there);
        expectSound(device);
      });
    },
  );

  test("the kernel maps 10,000 extents as they were made", { timeout: 300_000 }, () => {
    if (requireOracle(NEEDS) !== null) return;
    withTempDirectory((directory) => {
      const image = path.join(directory, "image");
      mkfsExt4(image, 128 * MIB, ["-b", "4096"]);
      const device = readImage(image);
      withFileHere(device, { data: "xip", unwritten: "zero" }, (task, file) => {
        task.fallocate(file, 0, 0, 20_000 * 4096);
        for (let lblk = 1; lblk < 20_000; lblk += 2) task.fallocate(file, 3, lblk * 4096, 4096);
        const data = new Uint8Array(4096).fill(1);
        for (let lblk = 0; lblk < 20_000; lblk += 50) task.pwrite(file, data, 0, 4096, lblk * 4096);
      });
      expectSound(device);
      const [here] = mapsHere(device, ["file"]);
      expect(here!.length).toBe(10_000);
      writeImage(device, image);
      const there = withLoopMount(image, {}, (mounted) =>
        mapThere(path.join(mounted.directory, "file"), 4096),
      );
      expect(here).toEqual(there);
    });
  });
});

function xfsIo(file: string, commands: readonly string[]): void {
  fs.writeFileSync(file, "");
  // Not too many at once: they are arguments.
  for (let at = 0; at < commands.length; at += 500) {
    const part = commands.slice(at, at + 500).flatMap((command) => ["-c", command]);
    const { output, status } = run("xfs_io", [...part, file]);
    expect(status, output.slice(-500)).toBe(0);
  }
}
