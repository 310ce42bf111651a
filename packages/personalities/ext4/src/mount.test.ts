/** Mounting: what is refused and why, options, and what an image tells before it is mounted. */
import { mkfs, mount, OptionError, Pmem, PURPOSE_DATA, Task } from "@xiplab/core";
import { e2fsck, mkfsExt4, readImage, requireOracle, runOrThrow } from "@xiplab/oracles";
import { withTempDirectory } from "@xiplab/oracles";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { emptyImage } from "./dir/testing.ts";
import { SUPERBLOCK, SUPERBLOCK_AT } from "./format/superblock.ts";
import { ext4 } from "./index.ts";
import { superblockChecksum } from "./super.ts";

/** Change the superblock of an unmounted image; its checksum holds. */
function edit(device: Pmem, change: (view: DataView, at: number) => void): Pmem {
  const bytes = new Uint8Array(1024);
  device.load(SUPERBLOCK_AT, bytes, 0, 1024);
  const view = new DataView(bytes.buffer);
  change(view, 0);
  SUPERBLOCK.checksum.set(view, 0, superblockChecksum(view, 0));
  device.store(SUPERBLOCK_AT, bytes, 0, 1024, PURPOSE_DATA);
  return device;
}

const mountIt = (device: Pmem, options: Record<string, string> = {}) =>
  mount(ext4, device, options);

describe("features", () => {
  test.each([
    [0x400, "ea_inode"],
    [0x4000, "large_dir"],
    [0x8000, "inline_data"],
    [0x10000, "encrypt"],
    [0x20000, "casefold"],
    [0x100, "mmp"],
    [0x80000000, "0x80000000"],
  ])("incompat 0x%x is refused by name: %s", (bit, name) => {
    const device = edit(emptyImage(16), (view, at) => {
      const word = SUPERBLOCK.featureIncompat.get(view, at);
      SUPERBLOCK.featureIncompat.set(view, at, (word | bit) >>> 0);
    });
    const { stores } = device.counters;
    expect(() => mountIt(device)).toThrow(OptionError);
    expect(() => mountIt(device, { ro: "1" })).toThrow(name);
    expect(device.counters.stores).toBe(stores);
  });

  test.each([
    [0x100, "quota"],
    [0x8000, "verity"],
    [0x40000000, "0x40000000"],
  ])("ro_compat 0x%x is read, and not written: %s", (bit, name) => {
    const device = edit(emptyImage(16), (view, at) => {
      const word = SUPERBLOCK.featureRoCompat.get(view, at);
      SUPERBLOCK.featureRoCompat.set(view, at, (word | bit) >>> 0);
    });
    expect(() => mountIt(device)).toThrow(name);
    expect(() => mountIt(device)).toThrow("mount with ro");
    const vfs = mountIt(device, { ro: "1" });
    expect(new Task(vfs).readdir("/" as never)).toEqual(["lost+found"]);
    vfs.unmount();
  });

  test("an unknown compat feature is nobody's business, and stays", () => {
    const device = edit(emptyImage(16), (view, at) =>
      SUPERBLOCK.featureCompat.set(view, at, SUPERBLOCK.featureCompat.get(view, at) | 0x40000000),
    );
    mountIt(device).unmount();
    const view = device.view(SUPERBLOCK_AT, 1024);
    expect(SUPERBLOCK.featureCompat.get(view, SUPERBLOCK_AT) & 0x40000000).not.toBe(0);
  });
});

describe("options", () => {
  test("noload and norecovery need ro", () => {
    const device = emptyImage(16);
    for (const name of ["noload", "norecovery"]) {
      expect(() => mountIt(device, { [name]: "1" })).toThrow("need ro");
      mountIt(device, { [name]: "1", ro: "1" }).unmount();
    }
  });

  test("commit is in seconds, 0 the default", () => {
    const device = emptyImage(16);
    for (const commit of ["0", "1", "3600"]) mountIt(device, { commit }).unmount();
    expect(() => mountIt(device, { commit: "99999999999" })).toThrow("commit=99999999999");
    expect(() => mountIt(device, { commit: "soon" })).toThrow("not a whole number");
  });

  test("allocators and journal modes are named where one is wrong", () => {
    const device = emptyImage(16);
    expect(() => mountIt(device, { alloc: "best" })).toThrow("mballoc, first-fit");
    expect(() => mountIt(device, { journal: "data" })).toThrow("ordered, writeback");
    expect(() => mountIt(device, { nobarrier: "1" })).toThrow("valid options");
  });

  test("those that the image names hold; the kernel's own are left out", () => {
    const device = new Pmem(16 * 2 ** 20);
    mkfs(ext4, device, { defaultOptions: "alloc=first-fit,commit=9" });
    expect(ext4.defaultOptions(device)).toEqual({ alloc: "first-fit", commit: "9" });
    edit(device, (view, at) =>
      SUPERBLOCK.mountOpts.set(view, at, "data=journal,barrier=1,commit=7,toString=1"),
    );
    expect(ext4.defaultOptions(device)).toEqual({ commit: "7" });
    mountIt(device).unmount();
  });
});

test("small blocks go through the page cache, unless told otherwise: refused, and left clean", () => {
  const device = new Pmem(16 * 2 ** 20);
  mkfs(ext4, device, { blockSize: "1024" });
  expect(ext4.defaultOptions(device)).toEqual({ data: "delalloc" });
  expect(() => mountIt(device, { data: "xip" })).toThrow("1024 bytes: mount it with data=delalloc");
  expect(ext4.check(device)).toMatchObject({ clean: true, findings: [] });
  mountIt(device).unmount();
  expect(ext4.check(device)).toMatchObject({ clean: true, findings: [] });
});

test("probe, description and default options of anything that is no ext4", () => {
  for (const size of [4096, 2 ** 20]) {
    const device = new Pmem(size);
    expect(ext4.probe(device)).toBe(false);
    expect(ext4.defaultOptions(device)).toEqual({});
  }
  expect(ext4.probe(emptyImage(16))).toBe(true);
});

test("a description begins with what people ask for", () => {
  const facts = new Map(ext4.describe(emptyImage(16, { label: "work" })));
  expect(facts.get("volume name")).toBe("work");
  expect(facts.get("features")).toContain("has_journal");
  expect(facts.get("file system state")).toBe("clean");
  expect(facts.get("size")).toBe("4096 blocks of 4096 bytes, in 1 group");
  expect(facts.get("journal")).toBe("inode 8, 1024 blocks");
  expect(facts.get("superblock.inodesCount")).toBe("4096");
});

test("an image in use says so, and a mount counts", ({ skip }) => {
  requireOracle(["e2fsck"], skip);
  const device = emptyImage(16);
  const count = (): number => SUPERBLOCK.mntCount.get(device.view(1024, 1024), 1024);
  const before = count();
  const vfs = mountIt(device);
  expect(new Map(ext4.describe(device)).get("file system state")).toContain("needs recovery");
  expect(ext4.check(device).clean).toBe(false);
  vfs.unmount();
  expect(new Map(ext4.describe(device)).get("file system state")).toBe("clean");
  expect(count()).toBe(before + 1);
  expect(e2fsck(device).clean).toBe(true);
});

test("statfs is the kernel's", ({ skip }) => {
  requireOracle(["mkfs.ext4", "dumpe2fs"], skip);
  withTempDirectory((directory) => {
    for (const args of [
      ["-b", "4096"],
      ["-b", "1024"],
      ["-b", "4096", "-O", "^has_journal"],
    ]) {
      const file = path.join(directory, "image");
      mkfsExt4(file, 32 * 2 ** 20, args);
      const told = runOrThrow("dumpe2fs", ["-h", file]).stdout;
      const number = (label: string): number =>
        Number(new RegExp(`^${label}:\\s+(\\d+)$`, "m").exec(told)![1]);
      const { blocks, blocksFree, blocksAvailable, files, filesFree } = new Task(
        mountIt(readImage(file), { data: "delalloc" }),
      ).statfs();
      // mke2fs keeps the overhead that the kernel subtracts.
      expect(blocks).toBe(number("Block count") - number("Overhead clusters"));
      expect([files, filesFree]).toEqual([number("Inode count"), number("Free inodes")]);
      // A 50th is kept back for conversions, as the kernel does.
      const kept = Math.floor(number("Block count") / 50);
      expect(blocksFree - blocksAvailable).toBe(number("Reserved block count") + kept);
      expect(blocksFree).toBe(number("Free blocks"));
    }
  });
});
