/**
 * Proves that mkfs makes what mkfs.ext4 makes: every block of both images is compared, but for the
 * fields in DIFFERENCES, of which docs/formats/ext4.md says why. e2fsck finds nothing in any of them.
 * And that the same options give the same bytes whatever was there, and nothing comes of bad input.
 */
import {
  assert,
  createPmem,
  FaultInjector,
  type OptionValues,
  OptionError,
  parseOptions,
  Pmem,
  type PmemDevice,
  PowerCut,
  PURPOSE_DATA,
  SEGMENT_SIZE,
} from "@xiplab/core";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dumpe2fs, e2fsck, readImage, requireOracle, runOrThrow } from "@xiplab/oracles";
import { debugfs, withImageFile, withTempDirectory } from "@xiplab/oracles";
import { describe, expect, test } from "vitest";
import { EXT4_MAGIC, SUPERBLOCK, SUPERBLOCK_AT } from "./format/superblock.ts";
import { mkfs, mkfsOptions } from "./mkfs.ts";
import { isSuperblockSound, readGeometry, superblockChecksum } from "./super.ts";

const UUID = "01234567-89ab-cdef-0123-456789abcdef";
const HASH_SEED = "11111111-2222-3333-4444-555555555555";
const TIME_SEC = 1386300000;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Fields of each superblock that may differ; checksums are those of what is there all the same. */
const DIFFERENCES = ["kbytesWritten"] as const;

const clock = { now: () => ({ sec: TIME_SEC, nsec: 5 }) };

function make(device: PmemDevice, options: OptionValues = {}): void {
  const given = { uuid: UUID, hashSeed: HASH_SEED, ...options };
  mkfs(device, { clock, options: parseOptions(mkfsOptions, given, "mkfs") });
}

function makeImage(size: number, options: OptionValues = {}): Pmem {
  const device = new Pmem(size);
  make(device, options);
  return device;
}

const PROGRAMS = ["mkfs.ext4", "e2fsck", "dumpe2fs"];

/** The defaults of e2fsprogs 1.47 as Debian has them: a machine may have others. */
const MKE2FS_CONF = `
[defaults]
  base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
  default_mntopts = acl,user_xattr
  enable_periodic_fsck = 0
  blocksize = 4096
  inode_size = 256
  inode_ratio = 16384
[fs_types]
  ext4 = {
    features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
  }
  small = {
    inode_ratio = 4096
  }
`;

/** What mkfs.ext4 makes at the same moment. */
function referenceImage(size: number, args: readonly string[]): Pmem {
  return withTempDirectory((directory) => {
    const file = join(directory, "reference");
    writeFileSync(file, "");
    truncateSync(file, size);
    const extended = `hash_seed=${HASH_SEED},lazy_itable_init=0,lazy_journal_init=0`;
    const fixed = ["-q", "-F", "-U", UUID, "-E", extended];
    const config = join(directory, "mke2fs.conf");
    writeFileSync(config, MKE2FS_CONF);
    const env = { E2FSPROGS_FAKE_TIME: String(TIME_SEC), MKE2FS_CONFIG: config };
    runOrThrow("mkfs.ext4", [...fixed, ...args, file], { env });
    return readImage(file);
  });
}

/** In every superblock of the image, which has its checksum, put zeros in the fields that may differ. */
function maskDifferences(device: Pmem): void {
  const geometry = readGeometry(device);
  const copy = new Uint8Array(1024);
  const view = new DataView(copy.buffer);
  for (let group = 0; group < geometry.groupCount; group++) {
    if (!geometry.hasSuper(group)) continue;
    const start = geometry.pblkToDevByte(geometry.groupStart(group));
    const at = group === 0 ? SUPERBLOCK_AT : start;
    device.load(at, copy, 0, copy.length);
    assert(isSuperblockSound(view, 0), "the superblock of each group has its checksum");
    for (const field of DIFFERENCES) SUPERBLOCK[field].set(view, 0, 0);
    if (geometry.metadataCsum) SUPERBLOCK.checksum.set(view, 0, superblockChecksum(view, 0));
    device.store(at, copy, 0, copy.length, PURPOSE_DATA);
  }
}

/** Numbers of the blocks that are not the same, at most 10. */
function differingBlocks(left: Pmem, right: Pmem, blockSize: number): number[] {
  const found: number[] = [];
  const [a, b] = [Buffer.alloc(SEGMENT_SIZE), Buffer.alloc(SEGMENT_SIZE)];
  for (let at = 0; at < left.size && found.length < 10; at += SEGMENT_SIZE) {
    const length = Math.min(SEGMENT_SIZE, left.size - at);
    left.load(at, a, 0, length);
    right.load(at, b, 0, length);
    if (a.equals(b)) continue;
    for (let block = 0; block < length; block += blockSize) {
      const end = block + blockSize;
      if (a.compare(b, block, end, block, end) !== 0) found.push((at + block) / blockSize);
    }
  }
  return found;
}

/** Size, our options, and the same for mkfs.ext4. */
const CASES: ReadonlyArray<readonly [size: number, options: OptionValues, args: string]> = [
  [8 * MIB, {}, ""],
  [32 * MIB, {}, ""],
  [64 * MIB, {}, ""],
  [100 * MIB, { label: "hé", reservedPercent: "0" }, "-L hé -m 0"],
  [160 * MIB, { inodeRatio: "65536", reservedPercent: "20" }, "-i 65536 -m 20"],
  [512 * MIB, {}, ""],
  [1 * GIB, {}, ""],
  [2176 * MIB, {}, ""],
  [8 * GIB, {}, ""],
  // The last group has no room for its own metadata, or barely.
  [128 * MIB + 12 * 4096, {}, ""],
  [128 * MIB + 1100 * 4096, { reservedPercent: "10" }, "-m 10"],
  [640 * MIB + 100 * 4096, {}, ""],
  [640 * MIB + 500 * 4096, {}, ""],
  // Small blocks: tables run into copies of the superblock.
  [8 * MIB, { blockSize: "1024" }, "-b 1024"],
  [160 * MIB, { blockSize: "1024" }, "-b 1024"],
  [1100 * MIB, { blockSize: "1024", inodeRatio: "1024" }, "-b 1024 -i 1024"],
  [64 * MIB, { blockSize: "2048" }, "-b 2048"],
  [600 * MIB, { blockSize: "2048" }, "-b 2048"],
  [160 * MIB, { inodeSize: "128" }, "-I 128"],
  [160 * MIB, { inodeSize: "1024", inodes: "1000" }, "-I 1024 -N 1000"],
  [600 * MIB, { journalSize: "100M" }, "-J size=100"],
];

const FEATURES = [
  "^has_journal",
  "^64bit",
  "^metadata_csum",
  "^metadata_csum uninit_bg",
  "^metadata_csum uninit_bg ^64bit ^flex_bg",
  "^resize_inode",
  "^flex_bg",
  "^extent ^64bit",
  "^extent ^64bit orphan_file",
  "metadata_csum_seed",
  "orphan_file",
  "orphan_file ^metadata_csum",
  "project",
  "^resize_inode ^sparse_super",
  "^resize_inode sparse_super2",
  "^has_journal ^64bit ^metadata_csum ^extent ^flex_bg ^huge_file ^dir_nlink ^extra_isize",
  "^ext_attr ^dir_index ^filetype ^large_file",
];

/** What any of the programs has to say against our image; nothing where it is the same as theirs. */
function objections(size: number, options: OptionValues, args: string): unknown[] {
  const device = makeImage(size, options);
  const { clean, output } = e2fsck(device);
  const { blockSize, blockCount, groupCount } = readGeometry(device);
  const facts = dumpe2fs(device);
  const counted = facts.includes(`Block count:              ${blockCount}\n`);
  const groups = facts.match(/^Group \d+:/gm)?.length;
  const words = args.split(" ").filter((word) => word !== "");
  const reference = referenceImage(size, words.includes("-b") ? words : ["-b", "4096", ...words]);
  maskDifferences(reference);
  maskDifferences(device);
  const found: unknown[] = differingBlocks(device, reference, blockSize);
  if (!clean) found.push(output);
  if (!counted || groups !== groupCount) found.push(facts);
  return found;
}

describe("block by block as mkfs.ext4", () => {
  test.for(CASES)("%i bytes, %o", ([size, options, args], { skip }) => {
    requireOracle(PROGRAMS, skip);
    expect(objections(size, options, args)).toEqual([]);
  });

  test.for(FEATURES)("features %s", (features, { skip }) => {
    requireOracle(PROGRAMS, skip);
    const args = `-O ${features.replaceAll(" ", ",")}`;
    expect(objections(160 * MIB, { features }, args)).toEqual([]);
    expect(objections(600 * MIB, { features }, args)).toEqual([]);
  });
});

const bytesOf = (device: Pmem): Uint8Array => {
  const bytes = new Uint8Array(device.size);
  device.load(0, bytes, 0, device.size);
  return bytes;
};

function fullOf(byte: number, size: number): Pmem {
  const device = new Pmem(size);
  device.store(0, new Uint8Array(size).fill(byte), 0, size, PURPOSE_DATA);
  return device;
}

test("what was there before shows nowhere in the metadata", ({ skip }) => {
  const options = { features: "orphan_file" };
  const fresh = bytesOf(makeImage(64 * MIB, options));
  const used = fullOf(0xee, 64 * MIB);
  make(used, options);
  const bytes = bytesOf(used);
  const differs = fresh.findIndex((byte, at) => byte !== bytes[at] && bytes[at] !== 0xee);
  expect(differs).toBe(-1);
  requireOracle(PROGRAMS, skip);
  expect(e2fsck(used)).toMatchObject({ clean: true });
});

test("lazyItableInit leaves tables alone, and says so in the descriptors", ({ skip }) => {
  const device = fullOf(0xee, 160 * MIB);
  make(device, { lazyItableInit: "1" });
  requireOracle(PROGRAMS, skip);
  expect(e2fsck(device)).toMatchObject({ clean: true });
  const facts = dumpe2fs(device);
  expect(facts).toContain("INODE_UNINIT");
  expect(facts).not.toContain("ITABLE_ZEROED");
});

test("what no option says follows from size, time and label alone", ({ skip }) => {
  const bare = (options: OptionValues = {}): Pmem => {
    const device = new Pmem(8 * MIB);
    mkfs(device, { clock, options: parseOptions(mkfsOptions, options, "mkfs") });
    return device;
  };
  expect(differingBlocks(bare(), bare(), 4096)).toEqual([]);
  const [one, other] = [readGeometry(bare()), readGeometry(bare({ label: "other" }))];
  expect(one.uuid).not.toEqual(other.uuid);
  expect(one.hashSeed).not.toEqual(other.hashSeed);
  requireOracle(PROGRAMS, skip);
  // Beyond 2038; e2fsck wants to be told that this is not the future.
  const [time, env] = ["2500000000", { E2FSCK_TIME: "2500000001" }];
  withImageFile(bare({ time }), (file) => {
    expect(runOrThrow("e2fsck", ["-fn", file], { env }).output).not.toMatch(/Fix|Warning/);
    expect(debugfs(file, "stat /lost+found")).toContain("crtime: 0x9502f900:00000001");
  });
});

/** The label of what stands there when the power fails at the n-th event; false: it did not. */
function labelAfterCut(old: Uint8Array, event: number): string | false {
  const faults = new FaultInjector();
  const device = createPmem({ size: old.length, observers: [faults] });
  device.store(0, old, 0, old.length, PURPOSE_DATA);
  faults.cutPowerAt(event);
  try {
    make(device, { label: "new" });
    return false;
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  }
  faults.restorePower();
  const view = device.view(SUPERBLOCK_AT, 1024);
  const found = SUPERBLOCK.magic.get(view, SUPERBLOCK_AT) === EXT4_MAGIC;
  return found ? SUPERBLOCK.volumeName.get(view, SUPERBLOCK_AT) : "";
}

test("mkfs that the power fails in leaves what was there before, or nothing, or all", () => {
  const old = bytesOf(makeImage(8 * MIB, { label: "old" }));
  const labels: string[] = [];
  for (let event = 1; ; event++) {
    const label = labelAfterCut(old, event);
    if (label === false) break;
    labels.push(label);
  }
  expect(labels.length).toBeGreaterThan(15);
  const [first, ...others] = labels;
  expect(first).toBe("old");
  // The last event is the fence behind the new superblock.
  expect(others.slice(0, -1).filter((label) => label !== "")).toEqual([]);
  expect(others.at(-1)).toBe("new");
});

test.each([
  [4 * MIB, {}, "too small"],
  [4096, { features: "^has_journal" }, "too small"],
  [8 * MIB, { inodeSize: "300" }, "a power of two"],
  [8 * MIB, { inodes: "5000000" }, "do not fit"],
  [8 * MIB, { inodeRatio: "1024", blockSize: "1024", inodeSize: "1024" }, "do not fit"],
  [8 * MIB, { features: "bigalloc" }, "does not make 'bigalloc'"],
  [8 * MIB, { features: "^^extent" }, "does not make '^extent'"],
  [8 * MIB, { features: "^extent" }, "64bit wants extent"],
  [8 * MIB, { features: "^sparse_super" }, "resize_inode wants sparse_super"],
  [8 * MIB, { features: "orphan_file ^has_journal" }, "orphan_file wants has_journal"],
  [8 * MIB, { journalSize: "64K" }, "too small"],
  [8 * MIB, { journalSize: "7M" }, "large"],
  [8 * MIB, { reservedPercent: "51" }, "0 to 50"],
  [8 * MIB, { uuid: "123" }, "'123' is not a UUID"],
  [8 * MIB, { hashSeed: "1" }, "'1' is not a UUID"],
  [8 * MIB, { label: "x".repeat(17) }, "16 bytes of text is the most"],
  [8 * MIB, { defaultOptions: "x".repeat(65) }, "64 bytes of text is the most"],
  [2 ** 44 + 4096, {}, "16 TiB is the most"],
  [2 ** 43, { blockSize: "1024", features: "^resize_inode" }, "too many block groups"],
])("%i bytes, %o: refused, and nothing is written", (size, options, message) => {
  const device = new Pmem(size);
  expect(() => make(device, options)).toThrow(message);
  expect(() => make(device, options)).toThrow(OptionError);
  expect(device.counters.stores).toBe(0);
});

test("1 TiB takes the time and memory of what is in it", () => {
  const before = process.memoryUsage().rss;
  const device = makeImage(2 ** 40);
  expect(readGeometry(device).groupCount).toBe(8192);
  // 22 copies of the descriptors, half a MiB each; a bitmap in each flex group.
  expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 29);
});
