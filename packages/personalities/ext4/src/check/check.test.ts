/**
 * Proves, on images that this package makes, that check finds each kind of thing that can be wrong
 * and says where; that orphans and an empty log are not among them while an image waits for its
 * recovery; and that it neither throws nor stores, whatever the image holds. check.fuzz.ts compares
 * it with e2fsck.
 */
import {
  createPmem,
  describeCorruption,
  FaultInjector,
  Pmem,
  type PmemDevice,
  PURPOSE_DATA,
} from "@xiplab/core";
import { describe, expect, test } from "vitest";
import { dirtyImage, populatedImage } from "../testing/images.ts";
import { check } from "./index.ts";
import { damage } from "./testing/damage.ts";
import { randomNumbers } from "./testing/mutations.ts";
import { bytesOf } from "./testing/sweep.ts";

const MIB = 2 ** 20;
const SIZE = 8 * MIB;

const textOf = (device: PmemDevice): string =>
  check(device).findings.map(describeCorruption).join("\n");

/** A device with the same bytes. */
function copyOf(device: Pmem): Pmem {
  const copy = new Pmem(device.size);
  copy.store(0, bytesOf(device), 0, device.size, PURPOSE_DATA);
  return copy;
}

const to = (value: number) => (): number => value;
const flip =
  (bits: number) =>
  (before: number): number =>
    (before ^ bits) >>> 0;
const add =
  (more: number) =>
  (before: number): number =>
    before + more;

type Case = readonly [
  name: string,
  nth: number,
  value: (before: number) => number,
  finding: string,
  mended?: boolean,
];

const cases: readonly Case[] = [
  // Pass 0
  ["ext4_super_block.magic", 0, to(0), "ext4_super_block at byte 0x400: magic is 0"],
  ["ext4_super_block.volumeName", 0, flip(1), "ext4_super_block at byte 0x400: checksum", false],
  ["ext4_super_block.featureIncompat", 0, flip(0x100), "mmp, which is not supported"],
  ["ext4_super_block.featureRoCompat", 0, flip(0x200), "featureRoCompat is bigalloc"],
  ["ext4_super_block.freeBlocksLo", 0, add(1), "freeBlocks is"],
  ["ext4_super_block.lastOrphan", 0, to(12), "lastOrphan is 12, expected 0 of a clean image"],
  ["ext4_group_desc.checksum", 0, flip(1), "ext4_group_desc at group 0: checksum is", false],
  ["ext4_group_desc.inodeTableLo", 0, to(2), "inodeTable is 2, expected blocks that nothing"],
  ["ext4_group_desc.inodeTableLo", 0, to(2 ** 30), "inodeTable is 1073741824"],
  ["ext4_group_desc.freeBlocksLo", 0, add(1), "ext4_group_desc at group 0: freeBlocks is"],
  ["ext4_group_desc.freeInodesLo", 0, add(1), "ext4_group_desc at group 0: freeInodes is"],
  ["ext4_group_desc.usedDirsLo", 0, add(1), "ext4_group_desc at group 0: usedDirs is"],
  ["ext4_group_desc.itableUnusedLo", 0, add(60), "itableUnused is"],
  // Pass 1
  ["ext4_inode.mode", 0, to(0o030644), "mode is 12708, expected a type that there is"],
  ["ext4_inode.linksCount", -1, add(7), "linksCount is 9, expected 2"],
  ["ext4_inode.dtime", 0, to(7), "dtime is 7, expected 0 of an inode in use"],
  ["ext4_inode.blocksLo", -1, add(8), "blocks is"],
  ["ext4_inode.generation", 0, add(1), "checksum is", false],
  ["ext4_inode.flags", 0, flip(0x800), "none of features that the image lacks"],
  ["ext4_inode (2).mode", 0, to(0o100755), "expected a directory at the root"],
  ["ext4_inode (7).block", 0, to(5), "inode 7: block[0] is 5, expected 0"],
  ["ext4_inode (8).sizeLo", 0, to(4096), "at least 1024"],
  ["ext4_inode (extra).extraIsize", 0, to(33), "extraIsize is 33"],
  ["ext4_extent_header (root).magic", 0, to(1), "root: magic is 1, expected 62218"],
  ["ext4_extent_header (root).entries", 0, to(9), "root: entries is 9, expected at most 4"],
  ["ext4_extent_header.depth", 0, to(3), "depth is 3, expected 0"],
  ["ext4_extent.length", -1, to(0), "length is 0, expected at least 1"],
  ["ext4_extent.startLo", -1, to(1), "blocks at 1, expected 1 of them for itself"],
  ["ext4_extent.startHi", -1, to(1), "expected blocks of the device"],
  ["ext4_extent.block", -1, to(0), "ext4_extent at inode"],
  ["ext4_extent_idx (root).leafLo", 0, to(2 ** 31), "leaf is 1 blocks at 2147483648"],
  ["ext4_xattr_header.magic", 0, to(0), "ext4_xattr_header at block"],
  ["ext4_xattr_header.refcount", 0, add(1), "refcount is too high"],
  ["ext4_xattr_header.refcount", 0, add(-1), "refcount is too low"],
  ["ext4_xattr_header.hash", 0, flip(1), "hash is"],
  ["ext4_xattr_entry.valueSize", 0, to(4096), "expected a value inside the area"],
  ["ext4_xattr_entry.hash", 0, flip(1), "expected that of name and value"],
  ["ext4_xattr_entry (inode).valueOffset", -1, to(0), "expected a place of its own"],
  ["journal_superblock.magic", 0, to(0), "journal_superblock at block"],
  ["ext4_inode (8).flags", 0, flip(0x1000), "inode 8: flags is", true],
  ["journal_superblock.start", 0, to(1), "expected 0, for the image needs no recovery"],
  // Pass 2
  ["ext4_dir_entry_2.recLen", 3, to(6), "recLen is 6, expected 4 n, inside the block"],
  ["ext4_dir_entry_2.inode", 3, to(2 ** 31), "is 2147483648, expected 11 to"],
  ["ext4_dir_entry_2.inode", 3, to(1500), "is inode 1500, which is free"],
  ["ext4_dir_entry_2.fileType", 3, to(6), "fileType is 6, expected"],
  ["ext4_dir_entry_2.name", -4, to(0x2f), "name is not legal"],
  ["ext4_dir_entry_2 (1st).inode", 0, to(11), '"." is 11, expected 2'],
  ["ext4_dir_entry_2 (2nd).inode", 1, to(12), '".." is 12, expected 2'],
  ["ext4_dir_entry_tail.checksum", 0, flip(1), "block 0: checksum is", false],
  ["dx_root_info.hashVersion", 0, to(9), "root: hashVersion is 9"],
  ["dx_countlimit (root).count", 0, to(600), "count is 600"],
  ["dx_entry (root).hash", 0, flip(2 ** 31), "hash"],
  ["dx_entry (root).block", 0, to(9999), "block is 9999, expected a block of the directory"],
  // Pass 5
  ["block bitmap.bits", 0, flip(1), "block bitmap at group 0: bit 0 is free, expected in use"],
  ["block bitmap.bits", 30, flip(1), "block bitmap at group 0: checksum is", false],
  ["inode bitmap.bits", 4, flip(2), "inode bitmap at group 0: bit 513 is in use, expected free"],
];

describe("each thing that is wrong is found and named", () => {
  const image = populatedImage(SIZE, {}, 60);
  const { length } = check(image).findings;

  test.for(cases)("%s, %i", ([name, nth, value, finding, mended]) => {
    expect(length).toBe(0);
    const device = copyOf(image);
    damage(device, { name, nth, value, mended: mended ?? true });
    const { stores } = device.counters;
    expect(textOf(device)).toContain(finding);
    expect(device.counters.stores).toBe(stores);
  });

  test("everything, not only the first", () => {
    const device = copyOf(image);
    damage(device, { name: "ext4_inode.blocksLo", nth: -1, value: add(8) });
    damage(device, { name: "ext4_inode.linksCount", nth: -1, value: add(1) });
    damage(device, { name: "inode bitmap.bits", nth: 4, value: flip(2) });
    expect(check(device).findings.map(({ field }) => field)).toEqual([
      "blocks",
      "linksCount",
      "bit 513",
    ]);
  });
});

test("a file in two directories' names, and a name twice", () => {
  const device = populatedImage(SIZE, {}, 4);
  const same = { name: "ext4_dir_entry_2.inode", value: to(11) };
  damage(device, { ...same, nth: 5 });
  expect(textOf(device)).toContain("is inode 11, expected named in inode 2 alone");
  expect(textOf(device)).toContain("linksCount is");
});

describe("an image that waits for its recovery", () => {
  const dirty = dirtyImage(SIZE, {}, 60);

  test("is seen as recovery will leave it", () => {
    expect(check(dirty)).toMatchObject({ findings: [], clean: false });
  });

  test("a log that cannot be replayed is a finding", () => {
    const device = copyOf(dirty);
    damage(device, { name: "journal_superblock.blockSize", nth: 0, value: to(0) });
    expect(textOf(device)).toContain("journal_superblock");
  });
});

test("a superblock whose checksum nothing explains", () => {
  const device = populatedImage(SIZE, {}, 4);
  damage(device, { name: "ext4_super_block.volumeName", nth: 0, value: flip(1), mended: false });
  expect(textOf(device)).toContain("ext4_super_block at byte 0x400: checksum");
});

test("poisoned lines are findings", () => {
  const faults = new FaultInjector();
  const device = createPmem({ size: SIZE, observers: [faults] });
  device.store(0, bytesOf(populatedImage(SIZE, {}, 4)), 0, SIZE, PURPOSE_DATA);
  // The group descriptors.
  faults.poison(4096, 64);
  expect(textOf(device)).toContain("medium at byte 0x1000: block is EIO");
  // The superblock.
  faults.poison(1024, 64);
  expect(check(device).findings.map(({ structure }) => structure)).toEqual(["medium"]);
});

describe("never throws, and comes to an end", () => {
  test("nothing, noise, and a device that is too short", () => {
    expect(check(new Pmem(SIZE)).findings).toHaveLength(1);
    const noise = new Pmem(MIB);
    const random = randomNumbers(5);
    noise.store(
      0,
      Uint8Array.from({ length: MIB }, () => random(256)),
      0,
      MIB,
      PURPOSE_DATA,
    );
    expect(check(noise).findings.length).toBeGreaterThan(0);
    const short = new Pmem(SIZE / 2);
    short.store(0, bytesOf(populatedImage(SIZE, {}, 4)), 0, SIZE / 2, PURPOSE_DATA);
    expect(textOf(short)).toContain("blocksCount");
  });

  test.each([1, 2, 3, 4])("blocks that hold other blocks, seed=%i", (seed) => {
    const random = randomNumbers(seed);
    const image = populatedImage(SIZE, { features: "^metadata_csum" }, 60);
    const bytes = bytesOf(image);
    for (let round = 0; round < 100; round++) {
      const at = 4096 * (1 + random(600));
      image.store(4096 * (1 + random(600)), bytes, at, 4096, PURPOSE_DATA);
      check(image);
    }
    expect(check(image).findings.length).toBeGreaterThan(0);
  });
});
