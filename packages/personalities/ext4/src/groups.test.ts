/**
 * Proves what is read of block groups against dumpe2fs, and that groups which mkfs left
 * uninitialised come into use as e2fsck likes it.
 */
import fs from "node:fs";
import { CorruptionError, type PmemDevice, PURPOSE_METADATA, S_IFDIR, S_IFREG } from "@xiplab/core";
import { dumpe2fs, e2fsck, mkfsExt4, readImage, requireOracle } from "@xiplab/oracles";
import { runOrThrow, withTempDirectory } from "@xiplab/oracles";
import { describe, expect, test } from "vitest";
import { BG_BLOCK_UNINIT, BG_INODE_UNINIT, BG_ITABLE_ZEROED } from "./format/group-descriptor.ts";
import { GROUP_DESC } from "./format/group-descriptor.ts";
import { fakeInode, type LowerHalf, openLowerHalf, request } from "./testing/space.ts";

const MIB = 2 ** 20;

const IMAGES: readonly (readonly [string, number, readonly string[]])[] = [
  ["the defaults", 600 * MIB, []],
  ["1 KiB blocks", 100 * MIB, ["-b", "1024"]],
  ["narrow descriptors", 100 * MIB, ["-b", "2048", "-O", "^64bit"]],
  ["crc16", 100 * MIB, ["-b", "1024", "-O", "^metadata_csum,uninit_bg"]],
  ["crc16, narrow", 100 * MIB, ["-b", "1024", "-O", "^metadata_csum,uninit_bg,^64bit"]],
  ["no checksums", 100 * MIB, ["-b", "1024", "-O", "^metadata_csum,^64bit"]],
  ["no flex groups", 300 * MIB, ["-b", "4096", "-O", "^flex_bg"]],
  ["a seed of its own", 100 * MIB, ["-b", "4096", "-O", "metadata_csum_seed"]],
  ["copies everywhere", 100 * MIB, ["-b", "1024", "-O", "^sparse_super,^resize_inode"]],
];

/** Lines that dumpe2fs would print. */
function describeGroups({ groups }: LowerHalf): string[] {
  return Array.from({ length: groups.count }, (_, group) => {
    const unused = groups.itableUnusedOf(group);
    return [
      groups.blockBitmapAt(group),
      groups.inodeBitmapAt(group),
      groups.inodeTableAt(group),
      groups.freeBlocksOf(group),
      groups.freeInodesOf(group),
      groups.usedDirsOf(group),
      unused,
      groups.flagsOf(group),
    ].join(" ");
  });
}

function groupsOfDump(text: string): string[] {
  return text
    .split(/^Group \d+: /m)
    .slice(1)
    .map((part) => {
      const number = (pattern: RegExp): number => Number(pattern.exec(part)?.[1] ?? 0);
      const names = /^[^\n]*\[([^\]]*)\]/.exec(part)?.[1] ?? "";
      const flags =
        (names.includes("INODE_UNINIT") ? BG_INODE_UNINIT : 0) +
        (names.includes("BLOCK_UNINIT") ? BG_BLOCK_UNINIT : 0) +
        (names.includes("ITABLE_ZEROED") ? BG_ITABLE_ZEROED : 0);
      return [
        number(/Block bitmap at (\d+)/),
        number(/Inode bitmap at (\d+)/),
        number(/Inode table at (\d+)/),
        number(/(\d+) free blocks/),
        number(/(\d+) free inodes/),
        number(/(\d+) directories/),
        number(/(\d+) unused inodes/),
        flags,
      ].join(" ");
    });
}

describe.each(IMAGES)("%s", (_, size, args) => {
  test("descriptors are read as dumpe2fs reads them, and every bitmap is sound", ({ skip }) => {
    requireOracle(["mkfs.ext4", "dumpe2fs"], skip);
    withTempDirectory((directory) => {
      const file = `${directory}/image`;
      mkfsExt4(file, size, args);
      const half = openLowerHalf(readImage(file), "mballoc");
      const dump = dumpe2fs(file);
      expect(describeGroups(half)).toEqual(groupsOfDump(dump));
      expect(half.groups.freeBlocks).toBe(Number(/^Free blocks: +(\d+)/m.exec(dump)![1]));
      const copy = new DataView(new ArrayBuffer(half.geometry.blockSize));
      for (let group = 0; group < half.groups.count; group++) {
        expect(() => half.groups.copyBlockBitmap(group, copy)).not.toThrow();
      }
    });
  });
});

/** An image whose blocks held something else before, with tables that nobody zeroed. */
function withLazyImage(args: readonly string[], body: (device: PmemDevice) => void): void {
  withTempDirectory((directory) => {
    const file = `${directory}/image`;
    fs.writeFileSync(file, new Uint8Array(64 * MIB).fill(0xa5));
    const lazy = "lazy_itable_init=1,lazy_journal_init=1";
    runOrThrow("mkfs.ext4", ["-q", "-F", "-E", `${lazy},nodiscard`, ...args, file]);
    body(readImage(file));
  });
}

describe.each([
  ["crc32c", ["-b", "1024"]],
  ["crc32c without flex groups", ["-b", "1024", "-O", "^flex_bg"]],
  ["crc16", ["-b", "1024", "-O", "^metadata_csum,uninit_bg"]],
])("groups that are not initialised, %s", (_, args) => {
  test("come into use with zeroed tables and true bitmaps", ({ skip }) => {
    requireOracle(["mkfs.ext4", "e2fsck"], skip);
    withLazyImage(args, (device) => {
      const half = openLowerHalf(device, "mballoc");
      const { groups, geometry } = half;
      const flagsBefore = Array.from({ length: groups.count }, (__, i) => groups.flagsOf(i));
      expect(flagsBefore.filter((flags) => flags & BG_BLOCK_UNINIT).length).toBeGreaterThan(3);
      const inos: number[] = [];
      const parent = fakeInode(2, S_IFDIR);
      const out = { start: 0, length: 0 };
      half.journal.run(100, () => {
        const { freeInodes } = groups;
        for (let i = 0; i < freeInodes; i += 1) inos.push(half.ialloc.allocate(parent, S_IFREG));
      });
      expect(groups.freeInodes).toBe(0);
      expect(new Set(inos).size).toBe(inos.length);
      for (let group = 0; group < groups.count; group++) {
        expect(groups.flagsOf(group)).toBe(BG_ITABLE_ZEROED);
        const goal = geometry.groupStart(group) + geometry.groupLength(group) - 1;
        const order = request(fakeInode(12, S_IFREG), { goal, lblk: -1 });
        half.journal.run(10, () => {
          half.balloc.allocate(order, out);
          half.balloc.free(out.start, out.length);
        });
      }
      half.journal.run(100, () => {
        for (const ino of inos) half.ialloc.free(ino, false);
      });
      half.journal.commit();
      const { clean, output } = e2fsck(device);
      expect(clean, output).toBe(true);
      expect(openLowerHalf(device, "mballoc").groups.freeBlocks).toBe(groups.freeBlocks);
    });
  });

  test("one inode far behind the others leaves no garbage between", ({ skip }) => {
    requireOracle(["mkfs.ext4", "e2fsck"], skip);
    withLazyImage(args, (device) => {
      const half = openLowerHalf(device, "first-fit");
      const { groups, geometry } = half;
      const group = groups.count - 2;
      half.journal.run(10, () => groups.takeInode(group, geometry.inodesPerGroup - 9, false));
      expect(groups.itableUnusedOf(group)).toBe(8);
      half.journal.run(10, () => groups.releaseInode(group, geometry.inodesPerGroup - 9, false));
      half.journal.commit();
      const { clean, output } = e2fsck(device);
      expect(clean, output).toBe(true);
    });
  });
});

describe("a broken descriptor is refused", () => {
  const at = 4096 + 64;
  const d = GROUP_DESC;
  test.each([
    { field: "block bitmap", at: d.blockBitmapLo.offset, value: 0 },
    { field: "inode bitmap", at: d.inodeBitmapLo.offset, value: 0x7fffffff },
    { field: "inode table", at: d.inodeTableLo.offset, value: 25599 },
    { field: "location", at: d.blockBitmapLo.offset, value: 3 },
    { field: "free blocks", at: d.freeBlocksLo.offset, value: 65535 },
    { field: "free inodes", at: d.freeInodesLo.offset, value: 65535 },
    { field: "used directories", at: d.usedDirsLo.offset, value: 60000 },
  ])("$field", ({ field, at: offset, value }) => {
    withTempDirectory((directory) => {
      const file = `${directory}/image`;
      mkfsExt4(file, 100 * MIB, ["-b", "4096", "-O", "^metadata_csum", "-g", "8192"]);
      const device = readImage(file);
      const bytes = new Uint8Array(4);
      const size = offset < d.freeBlocksLo.offset ? 4 : 2;
      new DataView(bytes.buffer).setUint32(0, value, true);
      device.store(at + offset, bytes, 0, size, PURPOSE_METADATA);
      expect(() => openLowerHalf(device, "mballoc")).toThrow(CorruptionError);
      expect(() => openLowerHalf(device, "mballoc")).toThrow(field);
    });
  });

  test("checksum", () => {
    withTempDirectory((directory) => {
      const file = `${directory}/image`;
      mkfsExt4(file, 100 * MIB, ["-b", "4096", "-g", "8192"]);
      const device = readImage(file);
      device.store(at + 0x14, Uint8Array.of(1), 0, 1, PURPOSE_METADATA);
      expect(() => openLowerHalf(device, "mballoc")).toThrow(
        "ext4_group_desc at group 1: checksum",
      );
    });
  });

  test("a bitmap that its checksum, or the count, belies", () => {
    withTempDirectory((directory) => {
      const file = `${directory}/image`;
      for (const [features, field] of [
        ["metadata_csum", "checksum"],
        ["^metadata_csum", "free"],
      ]) {
        mkfsExt4(file, 64 * MIB, ["-b", "4096", "-O", features!]);
        const device = readImage(file);
        const half = openLowerHalf(device, "mballoc");
        const home = half.groups.blockBitmapAt(0) * 4096;
        const bit = device.view(home, 4096).getUint8((home % (2 * MIB)) + 2000);
        device.store(home + 2000, Uint8Array.of(bit ^ 8), 0, 1, PURPOSE_METADATA);
        expect(() => half.groups.blockBitmap(0)).toThrow(field!);
      }
    });
  });
});
