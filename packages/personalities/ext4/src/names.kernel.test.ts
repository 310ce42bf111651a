/**
 * Directories between here and the kernel: one of 100,000 names that the kernel made lists here in the
 * same order and is found name by name; one that was made and thinned out here lists there, is
 * changed there, and is read here again. e2fsck sees each image that was written.
 */
import nodeFs from "node:fs";
import path from "node:path";
import type { Name } from "@xiplab/core";
import { debugfs, e2fsck, mkfsExt4, readImage, requireOracle, run } from "@xiplab/oracles";
import { withLoopMount, withTempDirectory, writeImage } from "@xiplab/oracles";
import { describe, expect, test } from "vitest";
import { emptyImage, listAll, lookupIn, makeDirectory, makeFile } from "./dir/testing.ts";
import { openImage, rootOf } from "./dir/testing.ts";
import { FL_INDEX } from "./format/inode.ts";

const MIB = 2 ** 20;
const ORACLES = ["mkfs.ext4", "e2fsck", "loop"];
const COUNT = 100_000;
const LINKS_MAX = 60_000;

/** Bytes of all kinds, in names of all lengths. */
function nameOf(index: number): Name {
  const bytes = [1 + (index % 45), 128 + (index % 128), 48 + (index % 200)];
  return `${String.fromCharCode(...bytes)}${index}${"-".repeat(index % 40)}` as Name;
}

const bytesOf = (text: string): Buffer => Buffer.from(text, "latin1");
const inside = (directory: string, name: string): Buffer =>
  Buffer.concat([bytesOf(`${directory}/`), bytesOf(name)]);

/** In the kernel's own order: `readdirSync` sorts. */
function kernelNames(directory: string): string[] {
  const names: string[] = [];
  const open = nodeFs.opendirSync(directory, { encoding: "latin1", bufferSize: 1024 });
  try {
    for (let entry = open.readSync(); entry !== null; entry = open.readSync()) {
      names.push(entry.name);
    }
  } finally {
    open.closeSync();
  }
  return names;
}

/** As toEqual, which takes minutes to say how so many differ. */
function expectSame(found: readonly string[], expected: readonly string[]): void {
  const first = expected.findIndex((name, index) => name !== found[index]);
  expect([found.length, first < 0 ? "" : found[first]]).toEqual([
    expected.length,
    first < 0 ? "" : expected[first],
  ]);
}

describe("the kernel's directory", () => {
  for (const [label, args] of [
    ["4 KiB blocks", ["-b", "4096"]],
    ["1 KiB blocks, unsigned hash, no checksums", ["-b", "1024", "-O", "^metadata_csum"]],
  ] as const) {
    test(`100,000 names, ${label}`, ({ skip }) => {
      requireOracle([...ORACLES, "debugfs"], skip);
      withTempDirectory((temp) => {
        const image = path.join(temp, "image");
        mkfsExt4(image, 128 * MIB, args);
        if (label.includes("unsigned")) {
          debugfs(image, "ssv flags 2", true);
        }
        const order = withLoopMount(image, {}, ({ directory }) => {
          const many = path.join(directory, "many");
          nodeFs.mkdirSync(many);
          for (let index = 0; index < COUNT; index++) {
            const file = path.join(directory, `file${Math.floor(index / LINKS_MAX)}`);
            if (index % LINKS_MAX === 0) nodeFs.writeFileSync(file, "");
            nodeFs.linkSync(file, inside(many, nameOf(index)));
          }
          return kernelNames(many);
        });
        const device = readImage(image);
        const fs = openImage(device);
        const many = fs.iget(lookupIn(fs, rootOf(fs), "many"));
        expectSame(listAll(fs, many, 1000).names, order);
        const files = [0, 1].map((index) => fs.iget(lookupIn(fs, rootOf(fs), `file${index}`)));
        for (let index = 0; index < COUNT; index++) {
          const { ino } = files[Math.floor(index / LINKS_MAX)]!;
          if (fs.lookup(many, nameOf(index)) !== ino) throw new Error(`name ${index} is not found`);
        }
        for (let index = 0; index < COUNT; index += 2) {
          fs.unlink(many, nameOf(index), files[Math.floor(index / LINKS_MAX)]!);
        }
        for (let index = 0; index < 1000; index++) makeFile(fs, many, `new ${index}`);
        fs.unmount();
        expect(e2fsck(device)).toMatchObject({ clean: true });
      });
    });
  }
});

describe("our directory", () => {
  test("whose index nobody knows is linear, index blocks and all", ({ skip }) => {
    requireOracle([...ORACLES, "debugfs"], skip);
    const device = emptyImage(16, { blockSize: "1024" });
    const fs = openImage(device);
    const many = makeDirectory(fs, rootOf(fs), "many");
    const file = makeFile(fs, rootOf(fs), "file");
    for (let index = 0; index < 5000; index++) fs.link(many, `name ${index}` as Name, file);
    fs.unmount();
    withTempDirectory((temp) => {
      const image = path.join(temp, "image");
      writeImage(device, image);
      debugfs(image, "feature -dir_index", true);
      const plain = readImage(image);
      const again = openImage(plain);
      const same = again.iget(lookupIn(again, rootOf(again), "many"));
      const link = again.iget(lookupIn(again, rootOf(again), "file"));
      expect(same.flags & FL_INDEX).not.toBe(0);
      expect(listAll(again, same).names.length).toBe(5000);
      // Some of them in what was the root, and other index blocks.
      for (let index = 0; index < 4000; index++) again.link(same, `new ${index}` as Name, link);
      expect(same.flags & FL_INDEX).toBe(0);
      for (let index = 0; index < 5000; index++) {
        expect(lookupIn(again, same, `name ${index}`)).toBe(link.ino);
      }
      expect(listAll(again, same).names.length).toBe(9000);
      again.unmount();
      expect(e2fsck(plain)).toMatchObject({ clean: true });
    });
  });

  test("is listed, changed and removed by the kernel", ({ skip }) => {
    requireOracle(ORACLES, skip);
    const device = emptyImage(64);
    const fs = openImage(device);
    const many = makeDirectory(fs, rootOf(fs), "many");
    const file = makeFile(fs, rootOf(fs), "file");
    for (let index = 0; index < 50_000; index++) fs.link(many, nameOf(index), file);
    for (let index = 0; index < 50_000; index += 3) fs.unlink(many, nameOf(index), file);
    const ours: string[] = listAll(fs, many, 500).names;
    const sub = makeDirectory(fs, many, "sub");
    makeFile(fs, sub, "deep");
    fs.rename(many, "sub" as Name, rootOf(fs), "sub" as Name, sub, null, false);
    fs.unmount();
    withTempDirectory((temp) => {
      const image = path.join(temp, "image");
      writeImage(device, image);
      withLoopMount(image, {}, ({ directory }) => {
        const there = path.join(directory, "many");
        expectSame(kernelNames(there), ours);
        expect(nodeFs.readdirSync(path.join(directory, "sub"))).toEqual(["deep"]);
        expect(nodeFs.statSync(path.join(directory, "file")).nlink).toBe(1 + ours.length);
        for (let index = 0; index < 20_000; index++) {
          nodeFs.linkSync(path.join(directory, "file"), path.join(there, `kernel ${index}`));
        }
        for (const name of ours.slice(0, 10_000)) nodeFs.unlinkSync(inside(there, name));
      });
      expect(e2fsck(image)).toMatchObject({ clean: true });
      const again = openImage(readImage(image));
      const same = again.iget(lookupIn(again, rootOf(again), "many"));
      const expected = ours.slice(10_000);
      for (let index = 0; index < 20_000; index++) expected.push(`kernel ${index}`);
      expectSame([...listAll(again, same, 999).names].sort(), expected.sort());
      const link = again.iget(lookupIn(again, rootOf(again), "file"));
      for (const name of expected) {
        if (again.lookup(same, name as Name) !== link.ino) throw new Error("a name is not found");
      }
    });
  });

  test("without dir_index the kernel leaves a tree as it is, and adds names to it", ({ skip }) => {
    requireOracle([...ORACLES, "tune2fs"], skip);
    const device = emptyImage(16, { blockSize: "1024", features: "^metadata_csum" });
    const fs = openImage(device);
    const many = makeDirectory(fs, rootOf(fs), "many");
    const file = makeFile(fs, rootOf(fs), "file");
    for (let index = 0; index < 2000; index++) fs.link(many, nameOf(index), file);
    fs.unmount();
    withTempDirectory((temp) => {
      const image = path.join(temp, "image");
      writeImage(device, image);
      run("tune2fs", ["-O", "^dir_index", image]);
      withLoopMount(image, {}, ({ directory }) => {
        for (let index = 0; index < 300; index++) {
          const name = path.join(directory, "many", `kernel ${index}`);
          nodeFs.linkSync(path.join(directory, "file"), name);
        }
      });
      run("tune2fs", ["-O", "dir_index", image]);
      const touched = readImage(image);
      const again = openImage(touched);
      const same = again.iget(lookupIn(again, rootOf(again), "many"));
      const link = again.iget(lookupIn(again, rootOf(again), "file"));
      expect(listAll(again, same).names.length).toBe(2300);
      for (let index = 0; index < 2000; index++) {
        expect(again.lookup(same, nameOf(index))).toBe(link.ino);
      }
      for (let index = 0; index < 300; index++) {
        expect(lookupIn(again, same, `kernel ${index}`)).toBe(link.ino);
        again.link(same, `here ${index}` as Name, link);
      }
      expect(listAll(again, same).names.length).toBe(2600);
      again.unmount();
      expect(e2fsck(touched)).toMatchObject({ clean: true });
    });
  });
});
