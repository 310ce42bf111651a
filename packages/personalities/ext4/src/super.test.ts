/**
 * Proves that a superblock is believed only where it is bounded: each field that anything is worked
 * out from, set to values that it must not have, with the checksum mended, is refused by its name.
 */
import { readFileSync } from "node:fs";
import { CorruptionError, OptionError, parseOptions, Pmem, PURPOSE_METADATA } from "@xiplab/core";
import { describe, expect, test } from "vitest";
import * as f from "./format/features.ts";
import { SUPERBLOCK, SUPERBLOCK_AT } from "./format/superblock.ts";
import { mkfs, mkfsOptions } from "./mkfs.ts";
import { geometryUnchecked, readGeometry, superblockChecksum, writeObstacles } from "./super.ts";

const SIZE = 2 ** 24;
type Name = Exclude<keyof typeof SUPERBLOCK, symbol>;

function makeImage(options: Record<string, string> = {}, size = SIZE): Pmem {
  const device = new Pmem(size);
  const clock = { now: () => ({ sec: 1386300000, nsec: 0 }) };
  mkfs(device, { clock, options: parseOptions(mkfsOptions, options, "mkfs") });
  return device;
}

/** Set fields, and the checksum unless told otherwise. */
function change(device: Pmem, values: Partial<Record<Name, unknown>>, mend = true): Pmem {
  const bytes = new Uint8Array(1024);
  device.load(SUPERBLOCK_AT, bytes, 0, 1024);
  const view = new DataView(bytes.buffer);
  for (const [name, value] of Object.entries(values)) {
    SUPERBLOCK[name as Name].set(view, 0, value as never);
  }
  if (mend) SUPERBLOCK.checksum.set(view, 0, superblockChecksum(view, 0));
  device.store(SUPERBLOCK_AT, bytes, 0, 1024, PURPOSE_METADATA);
  return device;
}

function refusal(device: Pmem): Error {
  try {
    readGeometry(device);
  } catch (error) {
    return error as Error;
  }
  throw new Error("the superblock was believed");
}

const sb = SUPERBLOCK;
const word = (
  device: Pmem,
  name: "featureIncompat" | "featureRoCompat" | "featureCompat",
): number => sb[name].get(device.view(SUPERBLOCK_AT, 1024), SUPERBLOCK_AT);

test("a new image is believed, and its numbers are those that it was made with", () => {
  const geometry = readGeometry(makeImage({ uuid: "00112233-4455-6677-8899-aabbccddeeff" }));
  expect(geometry).toMatchObject({
    blockSize: 4096,
    blockCount: SIZE / 4096,
    firstDataBlock: 0,
    groupCount: 1,
    inodeCount: 4096,
    inodeSize: 256,
    descSize: 64,
    flexSize: 16,
    metadataCsum: true,
    extraIsize: 32,
    journalIno: 8,
  });
  expect(geometry.uuid[1]).toBe(0x11);
  expect(writeObstacles(geometry)).toEqual([]);
});

describe("corrupt, by field", () => {
  const wrong: ReadonlyArray<readonly [field: string, values: Partial<Record<Name, unknown>>]> = [
    ["magic", { magic: 0xef54 }],
    ["magic", { magic: 0 }],
    ["checksumType", { checksumType: 2 }],
    ["revLevel", { revLevel: 2 }],
    ["logBlockSize", { logBlockSize: 7 }],
    ["logBlockSize", { logBlockSize: 0xffffffff }],
    ["firstDataBlock", { firstDataBlock: 1 }],
    ["firstDataBlock", { logBlockSize: 0 }],
    ["logClusterSize", { logClusterSize: 3 }],
    ["clustersPerGroup", { clustersPerGroup: 0, blocksPerGroup: 0 }],
    ["clustersPerGroup", { clustersPerGroup: 4, blocksPerGroup: 4 }],
    ["clustersPerGroup", { clustersPerGroup: 32776, blocksPerGroup: 32776 }],
    ["blocksPerGroup", { blocksPerGroup: 32760 }],
    ["blocksPerGroup", { blocksPerGroup: 0 }],
    ["inodeSize", { inodeSize: 0 }],
    ["inodeSize", { inodeSize: 64 }],
    ["inodeSize", { inodeSize: 384 }],
    ["inodeSize", { inodeSize: 8192 }],
    ["firstIno", { firstIno: 0 }],
    ["firstIno", { firstIno: 0xffffffff }],
    ["descSize", { descSize: 0 }],
    ["descSize", { descSize: 32 }],
    ["descSize", { descSize: 2048 }],
    ["descSize", { descSize: 72 }],
    ["logGroupsPerFlex", { logGroupsPerFlex: 32 }],
    ["defHashVersion", { defHashVersion: 3 }],
    ["blocksCount", { blocksCountLo: 0 }],
    ["blocksCount", { blocksCountLo: SIZE / 4096 + 1 }],
    ["blocksCount", { blocksCountHi: 1 }],
    ["blocksCount", { blocksCountHi: 0xffffffff, blocksCountLo: 0xffffffff }],
    ["inodesPerGroup", { inodesPerGroup: 0 }],
    ["inodesPerGroup", { inodesPerGroup: 8, inodesCount: 8 }],
    ["inodesPerGroup", { inodesPerGroup: 4100, inodesCount: 4100 }],
    ["inodesPerGroup", { inodesPerGroup: 32776, inodesCount: 32776 }],
    ["inodesPerGroup", { blocksPerGroup: 256, clustersPerGroup: 256 }],
    ["inodesCount", { inodesCount: 4095 }],
    ["inodesCount", { inodesCount: 0 }],
    ["reservedGdtBlocks", { reservedGdtBlocks: 1025 }],
    ["reservedGdtBlocks", { reservedGdtBlocks: 1000, blocksCountLo: 1001 }],
    ["reservedBlocks", { reservedBlocksLo: SIZE / 4096 + 1 }],
    ["reservedBlocks", { reservedBlocksHi: 0xffffffff }],
    ["wantExtraIsize", { wantExtraIsize: 132 }],
    ["minExtraIsize", { minExtraIsize: 33 }],
    ["journalIno", { journalIno: 0 }],
    ["journalIno", { journalIno: 4097 }],
    ["orphanFileIno", { featureCompat: 0x103c, orphanFileIno: 0 }],
    ["orphanFileIno", { featureCompat: 0x103c, orphanFileIno: 0xffffffff }],
    ["lastOrphan", { lastOrphan: 4097 }],
  ];
  test.each(wrong)("%s: %o", (field, values) => {
    const error = refusal(change(makeImage(), values));
    expect(error).toBeInstanceOf(CorruptionError);
    const { corruption } = error as CorruptionError;
    expect(corruption).toMatchObject({ structure: "ext4_super_block", at: 1024, field });
  });

  test("a device that is shorter than it was", () => {
    const device = makeImage();
    const shorter = new Pmem(SIZE / 2);
    const bytes = new Uint8Array(SIZE / 2);
    device.load(0, bytes, 0, bytes.length);
    shorter.store(0, bytes, 0, bytes.length, PURPOSE_METADATA);
    expect(refusal(shorter).message).toContain("blocksCount");
  });
});

describe("what is not supported is named", () => {
  test.each([
    [0x10, "meta_bg"],
    [0x8000, "inline_data"],
    [0x10000, "encrypt"],
    [0x400 | 0x100, "mmp, ea_inode"],
    [0x80000000, "0x80000000"],
  ])("incompat %i: %s", (bits, names) => {
    const device = makeImage();
    const featureIncompat = (word(device, "featureIncompat") | bits) >>> 0;
    const error = refusal(change(device, { featureIncompat }));
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toContain(`uses ${names},`);
  });

  test("blocks that are larger than a page", () => {
    const error = refusal(change(makeImage(), { logBlockSize: 4 }));
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toContain("16 KiB");
  });

  test("a journal on another device", () => {
    const error = refusal(change(makeImage(), { journalIno: 0, journalDev: 0x801 }));
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toContain("another device");
  });

  test("features that forbid writing alone", () => {
    const device = makeImage();
    const featureRoCompat = (word(device, "featureRoCompat") | 0x100 | 0x8000) >>> 0;
    const geometry = readGeometry(change(device, { featureRoCompat }));
    expect(writeObstacles(geometry)).toEqual(["quota", "verity"]);
  });
});

test("docs/formats/ext4.md names the options, what is refused, and what is only read", () => {
  const page = readFileSync(new URL("../../../../docs/formats/ext4.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| ([a-zA-Z, ]+) \| `/gm)].flatMap((row) => row[1]!.split(", "));
  expect(rows).toEqual(expect.arrayContaining(Object.keys(mkfsOptions)));
  const namesIn = (row: RegExp): string[] =>
    (row.exec(page)?.[1] ?? "").split(", ").map((name) => name.trim());
  const unsupported = (supported: number, names: Readonly<Record<number, string>>): string[] =>
    f.featureNames(~supported >>> 0, names).filter((name) => !name.startsWith("0x"));
  const refused = unsupported(f.INCOMPAT_SUPPORTED, f.IncompatNames);
  const onlyRead = unsupported(f.RO_COMPAT_SUPPORTED, f.RoCompatNames);
  expect(namesIn(/^\| (.*) and any unknown incompat/m).sort()).toEqual(refused.sort());
  expect(namesIn(/^\| (.*) and any unknown ro_compat/m).sort()).toEqual(onlyRead.sort());
});

describe("a checksum that is not right", () => {
  test("is refused, but by whoever has to look for a copy", () => {
    const device = change(makeImage(), { mntCount: 7 }, false);
    expect(refusal(device).message).toContain("checksum");
    expect(geometryUnchecked(device).groupCount).toBe(1);
  });

  test("is right for needs_recovery the other way round: a power cut between the two", () => {
    for (const before of [0, f.INCOMPAT_RECOVER]) {
      const device = makeImage();
      const clear = (word(device, "featureIncompat") & ~f.INCOMPAT_RECOVER) >>> 0;
      change(device, { featureIncompat: clear | before });
      const toggled = clear | (f.INCOMPAT_RECOVER ^ before);
      change(device, { featureIncompat: toggled }, false);
      expect(readGeometry(device).incompat & f.INCOMPAT_RECOVER).toBe(f.INCOMPAT_RECOVER ^ before);
      change(device, { featureIncompat: toggled, mntCount: 7 }, false);
      expect(refusal(device).message).toContain("checksum");
    }
  });

  test("does not matter where there is none", () => {
    const device = change(makeImage({ features: "^metadata_csum" }), { checksum: 5 }, false);
    expect(readGeometry(device).metadataCsum).toBe(false);
  });
});

test("copies stand where sparse_super and sparse_super2 put them", () => {
  const groups = (features: string): number[] => {
    const geometry = readGeometry(makeImage({ features }, 2 ** 27 * 28));
    return Array.from({ length: geometry.groupCount }, (_, group) => group).filter((group) =>
      geometry.hasSuper(group),
    );
  };
  expect(groups("")).toEqual([0, 1, 3, 5, 7, 9, 25, 27]);
  expect(groups("^resize_inode sparse_super2")).toEqual([0, 1, 27]);
  expect(groups("^resize_inode ^sparse_super")).toHaveLength(28);
});
