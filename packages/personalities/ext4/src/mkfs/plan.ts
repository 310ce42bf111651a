/**
 * The numbers of a new file system, worked out as mke2fs does, and its superblock so far as it does
 * not depend on where things go.
 */
import { crc32c, formatUuid, type OptionValues, OptionError, parseSize } from "@xiplab/core";
import { crcRaw } from "../checksum.ts";
import * as f from "../format/features.ts";
import { DX_HASH_HALF_MD4 } from "../format/htree.ts";
import * as sb from "../format/superblock.ts";
import { INO_JOURNAL } from "../format/inode.ts";
import { Geometry } from "../geometry.ts";
import { type Features, parseFeatures } from "./features.ts";

const S = sb.SUPERBLOCK;

export interface Plan {
  /** 1024 bytes. */
  readonly superblock: DataView;
  readonly geometry: Geometry;
  /** 0 without a journal. */
  readonly journalBlocks: number;
  /** Seconds since 1970. */
  readonly timeSec: number;
  /** Tables are left as they are, for the kernel to zero. */
  readonly lazyTables: boolean;
}

interface Sizes {
  blockSize: number;
  blockCount: number;
  blocksPerGroup: number;
  inodesPerGroup: number;
  inodeSize: number;
  groupCount: number;
  gdtBlocks: number;
  reservedGdtBlocks: number;
  /** For root alone. */
  reservedBlocks: number;
}

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const TIB = 2 ** 40;
const DEVICE_MAX = 16 * TIB;
const MAX_32 = 2 ** 32 - 1;
/** What the reserved descriptors leave room to grow to: this many times the size. */
const GROWTH = 1024;
const LOG_GROUPS_PER_FLEX = 4;
/** A last group that is smaller than its metadata and so many blocks is left out. */
const LAST_GROUP_MIN = 50;

/** @throws OptionError where an option, or the device, does not fit. */
export function makePlan(deviceSize: number, options: OptionValues, nowSec: number): Plan {
  const blockSize = Number(options["blockSize"] ?? "4096");
  const features = parseFeatures(options["features"] ?? "");
  const blocks = Math.floor(deviceSize / blockSize);
  if (deviceSize > DEVICE_MAX) refuse("16 TiB is the most");
  const wide = (features.incompat & f.INCOMPAT_64BIT) !== 0;
  if (!wide && blocks > MAX_32) refuse(`${blocks} blocks want the feature 64bit`);
  const journalBlocks = journalLength(options, features, blockSize, blocks);
  if (journalBlocks === 0) features.compat &= ~(f.COMPAT_HAS_JOURNAL | f.COMPAT_ORPHAN_FILE);
  // The resize inode counts blocks in 32 bits.
  if (blocks > MAX_32) features.compat &= ~f.COMPAT_RESIZE_INODE;
  const sizes = divide(options, features, blockSize, blocks, deviceSize);
  const timeSec = Number(options["time"] ?? "0") || nowSec;
  const superblock = makeSuperblock(options, features, sizes, timeSec, deviceSize);
  const geometry = new Geometry(superblock, 0);
  // Without checksums of descriptors nobody believes the flag that tells of it.
  const lazyTables = options["lazyItableInit"] === "1" && geometry.gdtCsum;
  return { superblock, geometry, journalBlocks, timeSec, lazyTables };
}

/** Blocks of the journal; 0 without one. */
function journalLength(
  options: OptionValues,
  features: Features,
  blockSize: number,
  blocks: number,
): number {
  if ((features.compat & f.COMPAT_HAS_JOURNAL) === 0) return 0;
  const size = parseSize(options["journalSize"] ?? "0");
  if (size === 0) return journalDefault(blocks);
  const wanted = Math.floor(size / blockSize);
  if (wanted < 1024) refuse(`a journal of ${wanted} blocks is too small: 1024 is the least`);
  if (wanted > 10_240_000 || wanted > blocks / 2) refuse(`a journal of ${wanted} blocks is large`);
  return wanted;
}

/** Blocks of the device, and of the journal for a device with at least so many. */
const JOURNALS = [
  [32 * MIB, 262144],
  [16 * MIB, 131072],
  [8 * MIB, 65536],
  [4 * MIB, 32768],
  [512 * KIB, 16384],
  [256 * KIB, 8192],
  [32 * KIB, 4096],
  [2 * KIB, 1024],
] as const;

function journalDefault(blocks: number): number {
  const found = JOURNALS.find(([least]) => blocks >= least);
  // mke2fs leaves the journal out without being asked; what survives a power cut is no small matter.
  if (found === undefined)
    refuse("the device is too small for a journal: give features=^has_journal");
  return found[1];
}

/** Bytes of the device for each inode. */
function inodeRatio(options: OptionValues, blockSize: number, deviceSize: number): number {
  const wanted = Number(options["inodeRatio"] ?? "0");
  if (wanted > 0) return Math.max(wanted, blockSize);
  if (deviceSize < 3 * MIB) return 8192;
  if (deviceSize < 512 * MIB) return 4096;
  if (deviceSize < 4 * TIB) return 16384;
  return deviceSize < 16 * TIB ? 32768 : 65536;
}

/** Groups, descriptors and inodes. */
function divide(
  options: OptionValues,
  features: Features,
  blockSize: number,
  blocks: number,
  deviceSize: number,
): Sizes {
  const inodeSize = Number(options["inodeSize"] ?? "256");
  const power = inodeSize >= 128 && inodeSize <= blockSize && Math.log2(inodeSize) % 1 === 0;
  if (!power) refuse(`inodes of ${inodeSize} bytes: a power of two from 128 to ${blockSize}`);
  const ratio = inodeRatio(options, blockSize, deviceSize);
  const wanted = Number(options["inodes"] ?? "0") || Math.floor((blocks * blockSize) / ratio);
  const inodes = Math.max(12, Math.min(wanted, MAX_32));
  const full = (inodes * inodeSize) / blockSize >= blocks;
  if (full) refuse(`${inodes} inodes of ${inodeSize} bytes do not fit the device`);
  const percent = Number(options["reservedPercent"] ?? "5");
  if (!(percent >= 0 && percent <= 50)) refuse(`reservedPercent=${percent}: 0 to 50`);
  const sizes: Sizes = {
    blockSize,
    blockCount: blocks,
    blocksPerGroup: 8 * blockSize,
    inodesPerGroup: 0,
    inodeSize,
    groupCount: 0,
    gdtBlocks: 0,
    reservedGdtBlocks: 0,
    reservedBlocks: reservedOf(percent, blocks),
  };
  while (!tryDivide(sizes, features, inodes, blocks, percent)) {
    // Each turn leaves out a last group, or makes groups smaller.
  }
  const all = sizes.groupCount * sizes.inodesPerGroup;
  if (all > MAX_32) refuse(`${all} inodes: ${MAX_32} is the most`);
  const copies = 1 + sizes.gdtBlocks + sizes.reservedGdtBlocks;
  if (copies > sizes.blocksPerGroup - 10) refuse("too many block groups: take larger blocks");
  return sizes;
}

const reservedOf = (percent: number, blocks: number): number =>
  Math.floor((blocks * percent) / 100);

const firstDataBlockOf = (blockSize: number): number => (blockSize === 1024 ? 1 : 0);

/** Fill in what depends on the blocks and their groups. False: other ones have to be tried. */
function tryDivide(
  sizes: Sizes,
  features: Features,
  inodes: number,
  blockCountMax: number,
  percent: number,
): boolean {
  const { blockSize, inodeSize } = sizes;
  const first = firstDataBlockOf(blockSize);
  const descSize = (features.incompat & f.INCOMPAT_64BIT) !== 0 ? 64 : 32;
  const blocks = sizes.blockCount - first;
  const groups = Math.ceil(blocks / sizes.blocksPerGroup);
  if (groups <= 0) refuse("the device is too small");
  sizes.groupCount = groups;
  sizes.gdtBlocks = Math.ceil((groups * descSize) / blockSize);
  const resize = (features.compat & f.COMPAT_RESIZE_INODE) !== 0;
  sizes.reservedGdtBlocks = resize ? reservedGdt(sizes, descSize) : 0;
  let perGroup = Math.ceil(inodes / groups);
  if (perGroup > 8 * blockSize && sizes.blocksPerGroup >= 256) {
    sizes.blocksPerGroup -= 8;
    sizes.blockCount = blockCountMax;
    return false;
  }
  // Counts of inodes in descriptors have 16 bits where they have no high half.
  perGroup = Math.min(perGroup, 65536 - blockSize / inodeSize);
  const tableBlocks = Math.ceil((perGroup * inodeSize) / blockSize);
  perGroup = (tableBlocks * blockSize) / inodeSize;
  perGroup = Math.max(8, perGroup - (perGroup % 8));
  sizes.inodesPerGroup = perGroup;
  const rest = blocks % sizes.blocksPerGroup;
  const table = Math.ceil((perGroup * inodeSize) / blockSize);
  const copies = 1 + sizes.gdtBlocks + sizes.reservedGdtBlocks;
  const overhead = 2 + table + (lastHasCopies(features, groups) ? copies : 0);
  if (rest > 0 && rest < overhead && groups === 1) refuse("the device is too small");
  if (rest > 0 && rest < overhead + LAST_GROUP_MIN && groups > 1) {
    sizes.blockCount -= rest;
    const share = reservedOf(percent, blockCountMax) / blockCountMax;
    sizes.reservedBlocks = Math.floor(share * sizes.blockCount);
    return false;
  }
  return true;
}

function lastHasCopies(features: Features, groups: number): boolean {
  if ((features.compat & f.COMPAT_SPARSE_SUPER2) !== 0) return true;
  if ((features.roCompat & f.RO_COMPAT_SPARSE_SUPER) === 0) return true;
  if (groups <= 2) return true;
  return [3, 5, 7].some((base) => isPower(groups - 1, base));
}

function isPower(value: number, base: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}

function reservedGdt(sizes: Sizes, descSize: number): number {
  const { blockSize, blockCount, blocksPerGroup } = sizes;
  const grown = Math.min(MAX_32, blockCount * GROWTH);
  const groups = Math.ceil((grown - firstDataBlockOf(blockSize)) / blocksPerGroup);
  const wanted = Math.ceil(groups / (blockSize / descSize)) - sizes.gdtBlocks;
  return Math.max(0, Math.min(wanted, blockSize / 4));
}

function makeSuperblock(
  options: OptionValues,
  features: Features,
  sizes: Sizes,
  timeSec: number,
  deviceSize: number,
): DataView {
  const view = new DataView(new ArrayBuffer(sb.SUPERBLOCK_SIZE));
  setSizes(view, sizes);
  // The resize inode has the size of all that it could map.
  const pointers = sizes.blockSize / 4;
  const large = (pointers ** 2 + pointers + 12) * sizes.blockSize >= 2 ** 31;
  const resize = (features.compat & f.COMPAT_RESIZE_INODE) !== 0;
  if (large && resize) features.roCompat |= f.RO_COMPAT_LARGE_FILE;
  S.featureCompat.set(view, 0, features.compat);
  S.featureIncompat.set(view, 0, features.incompat);
  S.featureRoCompat.set(view, 0, features.roCompat);
  setConstants(view, features, sizes);
  setTimes(view, timeSec);
  const uuid = options["uuid"] || defaultUuid(deviceSize, timeSec, options["label"] ?? "");
  S.uuid.set(view, 0, uuid);
  S.hashSeed.set(view, 0, options["hashSeed"] || defaultHashSeed(view));
  S.volumeName.set(view, 0, options["label"] ?? "");
  S.mountOpts.set(view, 0, options["defaultOptions"] ?? "");
  if ((features.incompat & f.INCOMPAT_CSUM_SEED) !== 0) {
    S.checksumSeed.set(view, 0, crcRaw(0xffffffff, view, S.uuid.offset, 16));
  }
  return view;
}

function setSizes(view: DataView, sizes: Sizes): void {
  const { blockSize, blockCount, groupCount, inodesPerGroup, reservedBlocks } = sizes;
  S.inodesCount.set(view, 0, groupCount * inodesPerGroup);
  S.blocksCountLo.set(view, 0, blockCount % 2 ** 32);
  S.blocksCountHi.set(view, 0, Math.floor(blockCount / 2 ** 32));
  S.reservedBlocksLo.set(view, 0, reservedBlocks % 2 ** 32);
  S.reservedBlocksHi.set(view, 0, Math.floor(reservedBlocks / 2 ** 32));
  S.firstDataBlock.set(view, 0, firstDataBlockOf(blockSize));
  S.logBlockSize.set(view, 0, Math.log2(blockSize / 1024));
  S.logClusterSize.set(view, 0, Math.log2(blockSize / 1024));
  S.blocksPerGroup.set(view, 0, sizes.blocksPerGroup);
  S.clustersPerGroup.set(view, 0, sizes.blocksPerGroup);
  S.inodesPerGroup.set(view, 0, inodesPerGroup);
  S.inodeSize.set(view, 0, sizes.inodeSize);
  S.reservedGdtBlocks.set(view, 0, sizes.reservedGdtBlocks);
}

function setConstants(view: DataView, features: Features, sizes: Sizes): void {
  S.maxMntCount.set(view, 0, 0xffff);
  S.magic.set(view, 0, sb.EXT4_MAGIC);
  S.state.set(view, 0, sb.STATE_VALID);
  S.errors.set(view, 0, sb.ERRORS_CONTINUE);
  S.revLevel.set(view, 0, 1);
  S.firstIno.set(view, 0, 11);
  S.defHashVersion.set(view, 0, DX_HASH_HALF_MD4);
  S.flags.set(view, 0, sb.FLAG_SIGNED_HASH);
  S.defaultMountOpts.set(view, 0, sb.DEFM_XATTR_USER | sb.DEFM_ACL);
  const has = (word: keyof Features, bit: number): boolean => (features[word] & bit) !== 0;
  if (has("incompat", f.INCOMPAT_64BIT)) S.descSize.set(view, 0, 64);
  if (has("incompat", f.INCOMPAT_FLEX_BG)) S.logGroupsPerFlex.set(view, 0, LOG_GROUPS_PER_FLEX);
  if (has("roCompat", f.RO_COMPAT_METADATA_CSUM)) S.checksumType.set(view, 0, sb.CHECKSUM_CRC32C);
  if (has("compat", f.COMPAT_HAS_JOURNAL)) S.journalIno.set(view, 0, INO_JOURNAL);
  if (sizes.inodeSize > 128) {
    S.minExtraIsize.set(view, 0, 32);
    S.wantExtraIsize.set(view, 0, 32);
  }
  if (has("compat", f.COMPAT_SPARSE_SUPER2)) {
    const at = S.backupBgs.offset;
    if (sizes.groupCount > 2) view.setUint32(at, 1, true);
    view.setUint32(at + 4, sizes.groupCount - 1, true);
  }
}

function setTimes(view: DataView, timeSec: number): void {
  const high = Math.floor(timeSec / 2 ** 32);
  S.wtime.set(view, 0, timeSec % 2 ** 32);
  S.lastCheck.set(view, 0, timeSec % 2 ** 32);
  S.mkfsTime.set(view, 0, timeSec % 2 ** 32);
  S.wtimeHi.set(view, 0, high);
  S.lastCheckHi.set(view, 0, high);
  S.mkfsTimeHi.set(view, 0, high);
}

/** A UUID that tells images of different sizes, times and labels apart (RFC 9562, version 8): an
 * image without one is an error to e2fsck. */
function defaultUuid(deviceSize: number, timeSec: number, label: string): string {
  const text = `${deviceSize} ${timeSec} ${label}`;
  const from = new DataView(Uint8Array.from(text, (c) => c.charCodeAt(0) & 0xff).buffer);
  const bytes = spread(from, 0x78697061);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return formatUuid(bytes);
}

function defaultHashSeed(superblock: DataView): string {
  const { buffer } = superblock;
  return formatUuid(spread(new DataView(buffer, S.uuid.offset, 16), 0x68617368));
}

/** 16 bytes from a text and a number. */
function spread(from: DataView, salt: number): Uint8Array {
  const words = new DataView(new ArrayBuffer(16));
  let seed = salt;
  for (let at = 0; at < 16; at += 4) {
    seed = crc32c(from, 0, from.byteLength, (seed + at) >>> 0);
    words.setUint32(at, seed);
  }
  return new Uint8Array(words.buffer);
}

function refuse(why: string): never {
  throw new OptionError(`mkfs of ext4: ${why}`);
}
