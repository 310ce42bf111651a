/**
 * The superblock, from the medium to a `Geometry`: the first thing that mount and check read, and
 * what everything else is trusted by. Nothing is used here before it is bounded.
 *
 * Whoever mounts puts the checks in this order: magic, checksum, features, sizes, counts. An image
 * with a feature that is not supported is sound, so it is refused with an OptionError by name; what
 * contradicts itself or the device is a CorruptionError.
 *
 * Memory tears at 8 bytes, and the checksum stands far from the fields. While mounted, only the flag
 * needs_recovery changes in place: its word is stored after the checksum of the new content is
 * durable. So a checksum that is right for the other state of the flag is right (`readGeometry`
 * accepts it, and the flag counts as it stands). Other fields change through the journal, whose
 * recovery restores the block from the log: it starts from `geometryUnchecked`.
 */
import { OptionError, type PmemDevice, verify } from "@xiplab/core";
import { crcRaw, crcU32 } from "./checksum.ts";
import * as f from "./format/features.ts";
import {
  CHECKSUM_CRC32C,
  EXT4_MAGIC,
  SUPERBLOCK as S,
  SUPERBLOCK_AT,
  SUPERBLOCK_SIZE,
} from "./format/superblock.ts";
import { Geometry } from "./geometry.ts";

/** Most of 1024 << s_log_block_size: blocks larger than a page are not for memory. */
const LOG_BLOCK_SIZE_MAX = 2;
const LOG_CLUSTER_SIZE_MAX = 20;
/** DX_HASH_LEGACY to DX_HASH_TEA: whether characters are signed is in s_flags. */
const HASH_VERSION_MAX = 2;

/**
 * Read, verify, and work out where everything stands.
 * @throws CorruptionError naming the field; OptionError naming a feature that is not supported;
 *   FsError EIO
 */
export function readGeometry(device: PmemDevice): Geometry {
  const view = superblockView(device);
  verifyMagic(view, 0);
  verifyChecksum(view, 0);
  return geometryUnchecked(device, view);
}

/**
 * All of `readGeometry` but the checksum: what recovery has to begin with when a power cut has torn
 * the superblock and the log has a copy. The fields behind a Geometry never change while mounted.
 * `view` is a superblock at 0, by default the device's.
 * @throws as readGeometry
 */
export function geometryUnchecked(device: PmemDevice, view = superblockView(device)): Geometry {
  verifyMagic(view, 0);
  refuseFeatures(view, 0);
  verifySizes(view, 0);
  const geometry = new Geometry(view, 0);
  verifyCounts(geometry, view, device.size);
  verifyInodeNumbers(geometry, view);
  return geometry;
}

/** Does the superblock at `at` carry its checksum, or none where the format has none? Pure. */
export function isSuperblockSound(view: DataView, at: number): boolean {
  if (S.magic.get(view, at) !== EXT4_MAGIC) return false;
  if ((S.featureRoCompat.get(view, at) & f.RO_COMPAT_METADATA_CSUM) === 0) return true;
  return S.checksum.get(view, at) === superblockChecksum(view, at);
}

/** What belongs into the last field of the superblock at `at`. */
export function superblockChecksum(view: DataView, at: number): number {
  return crcRaw(0xffffffff, view, at, S.checksum.offset);
}

/** The checksum that the superblock at `at` would have with needs_recovery the other way round. */
export function superblockChecksumToggled(view: DataView, at: number): number {
  const word = S.featureIncompat.get(view, at);
  const { offset } = S.featureIncompat;
  const before = crcRaw(0xffffffff, view, at, offset);
  const there = crcU32(before, (word ^ f.INCOMPAT_RECOVER) >>> 0);
  return crcRaw(there, view, at + offset + 4, S.checksum.offset - offset - 4);
}

/** Names of the ro_compat features that this driver can read but not keep up: mount read-only. */
export function writeObstacles(geometry: Geometry): string[] {
  return f.featureNames(geometry.roCompat & ~f.RO_COMPAT_SUPPORTED, f.RoCompatNames);
}

function superblockView(device: PmemDevice): DataView {
  const view = device.view(SUPERBLOCK_AT, SUPERBLOCK_SIZE);
  return new DataView(view.buffer, view.byteOffset + SUPERBLOCK_AT, SUPERBLOCK_SIZE);
}

function check(right: boolean, field: string, found: string | number, expected: string | number) {
  verify(right, "ext4_super_block", SUPERBLOCK_AT, field, found, expected);
}

function verifyMagic(view: DataView, at: number): void {
  const magic = S.magic.get(view, at);
  check(magic === EXT4_MAGIC, "magic", magic, EXT4_MAGIC);
}

function verifyChecksum(view: DataView, at: number): void {
  if ((S.featureRoCompat.get(view, at) & f.RO_COMPAT_METADATA_CSUM) === 0) return;
  const type = S.checksumType.get(view, at);
  check(type === CHECKSUM_CRC32C, "checksumType", type, CHECKSUM_CRC32C);
  const found = S.checksum.get(view, at);
  const expected = superblockChecksum(view, at);
  const sound = found === expected || found === superblockChecksumToggled(view, at);
  check(sound, "checksum", found, expected);
}

function refuseFeatures(view: DataView, at: number): void {
  const revision = S.revLevel.get(view, at);
  check(revision <= 1, "revLevel", revision, "0 or 1");
  const unknown = S.featureIncompat.get(view, at) & ~f.INCOMPAT_SUPPORTED;
  if (unknown !== 0) {
    const names = f.featureNames(unknown, f.IncompatNames).join(", ");
    throw new OptionError(`ext4: the image uses ${names}, which is not supported`);
  }
  const external = (S.featureCompat.get(view, at) & f.COMPAT_HAS_JOURNAL) !== 0;
  if (external && S.journalDev.get(view, at) !== 0 && S.journalIno.get(view, at) === 0) {
    throw new OptionError("ext4: the journal is on another device, which is not supported");
  }
}

/** Sizes of blocks, clusters, inodes and descriptors: what Geometry divides by. */
function verifySizes(view: DataView, at: number): void {
  const logBlock = S.logBlockSize.get(view, at);
  if (logBlock > LOG_BLOCK_SIZE_MAX && logBlock <= 6) {
    const size = 2 ** logBlock;
    throw new OptionError(`ext4: blocks have ${size} KiB, and 4 KiB is the most that is supported`);
  }
  check(logBlock <= LOG_BLOCK_SIZE_MAX, "logBlockSize", logBlock, `at most ${LOG_BLOCK_SIZE_MAX}`);
  const blockSize = 1024 << logBlock;
  const first = S.firstDataBlock.get(view, at);
  check(first === (logBlock === 0 ? 1 : 0), "firstDataBlock", first, logBlock === 0 ? 1 : 0);
  const logCluster = S.logClusterSize.get(view, at);
  const clustersPerGroup = S.clustersPerGroup.get(view, at);
  const blocksPerGroup = S.blocksPerGroup.get(view, at);
  const bigalloc = (S.featureRoCompat.get(view, at) & f.RO_COMPAT_BIGALLOC) !== 0;
  const clusterRight = bigalloc
    ? logCluster >= logBlock && logCluster <= LOG_CLUSTER_SIZE_MAX
    : logCluster === logBlock;
  check(clusterRight, "logClusterSize", logCluster, bigalloc ? `${logBlock} to 20` : logBlock);
  const groupMax = 8 * blockSize;
  const inGroup = clustersPerGroup > 0 && clustersPerGroup <= groupMax;
  check(inGroup && clustersPerGroup % 8 === 0, "clustersPerGroup", clustersPerGroup, "8 n");
  const blocksWanted = clustersPerGroup * 2 ** (logCluster - logBlock);
  check(blocksPerGroup === blocksWanted, "blocksPerGroup", blocksPerGroup, blocksWanted);
  verifyRecordSizes(view, at, blockSize);
}

function verifyRecordSizes(view: DataView, at: number, blockSize: number): void {
  if (S.revLevel.get(view, at) > 0) {
    const inodeSize = S.inodeSize.get(view, at);
    const power = isPowerOfTwo(inodeSize) && inodeSize >= 128 && inodeSize <= blockSize;
    check(power, "inodeSize", inodeSize, `a power of two, 128 to ${blockSize}`);
    const firstIno = S.firstIno.get(view, at);
    check(firstIno >= 11, "firstIno", firstIno, "at least 11");
  }
  if ((S.featureIncompat.get(view, at) & f.INCOMPAT_64BIT) !== 0) {
    const descSize = S.descSize.get(view, at);
    const power = isPowerOfTwo(descSize) && descSize >= 64 && descSize <= 1024;
    check(power, "descSize", descSize, "a power of two, 64 to 1024");
  }
  const logFlex = S.logGroupsPerFlex.get(view, at);
  const flex = (S.featureIncompat.get(view, at) & f.INCOMPAT_FLEX_BG) !== 0;
  check(!flex || logFlex <= 31, "logGroupsPerFlex", logFlex, "at most 31");
  const hash = S.defHashVersion.get(view, at);
  check(hash <= HASH_VERSION_MAX, "defHashVersion", hash, `at most ${HASH_VERSION_MAX}`);
}

/** Counts against each other and against the device. */
function verifyCounts(geometry: Geometry, view: DataView, deviceSize: number): void {
  const { blockSize, blockCount, firstDataBlock, blocksPerGroup, groupCount } = geometry;
  const { inodesPerGroup, inodesPerBlock, inodeCount, gdtBlocks, reservedGdtBlocks } = geometry;
  const blocksMax = Math.floor(deviceSize / blockSize);
  const expected = `${firstDataBlock + 1} to ${blocksMax}, which the device has`;
  const onDevice = blockCount > firstDataBlock && blockCount <= blocksMax;
  check(onDevice, "blocksCount", blockCount, expected);
  const inodesMax = 8 * blockSize;
  const inodesRight = inodesPerGroup >= inodesPerBlock && inodesPerGroup <= inodesMax;
  const whole = inodesPerGroup % 8 === 0;
  check(inodesRight && whole, "inodesPerGroup", inodesPerGroup, `8 n, at most ${inodesMax}`);
  check(geometry.itableBlocks < blocksPerGroup, "inodesPerGroup", inodesPerGroup, "fewer");
  const inodesAll = groupCount * inodesPerGroup;
  check(inodeCount === inodesAll, "inodesCount", inodeCount, inodesAll);
  check(reservedGdtBlocks <= blockSize / 4, "reservedGdtBlocks", reservedGdtBlocks, blockSize / 4);
  const room = Math.min(blocksPerGroup, blockCount - firstDataBlock);
  const fits = 1 + gdtBlocks + reservedGdtBlocks <= room;
  check(fits, "reservedGdtBlocks", reservedGdtBlocks, `room for ${gdtBlocks} blocks in a group`);
  const { reservedBlocks } = geometry;
  check(reservedBlocks <= blockCount, "reservedBlocks", reservedBlocks, `at most ${blockCount}`);
  const inodeSize = geometry.inodeSize;
  for (const field of ["minExtraIsize", "wantExtraIsize"] as const) {
    const extra = S[field].get(view, 0);
    const usable = inodeSize === 128 || extra <= inodeSize - 128;
    check(usable && extra % 4 === 0, field, extra, `4 n, at most ${inodeSize - 128}`);
  }
}

function verifyInodeNumbers(geometry: Geometry, view: DataView): void {
  const { firstIno, inodeCount, journalIno, orphanFileIno } = geometry;
  check(firstIno <= inodeCount, "firstIno", firstIno, `at most ${inodeCount}`);
  if (geometry.hasJournal) {
    const right = journalIno > 0 && journalIno <= inodeCount;
    check(right, "journalIno", journalIno, `1 to ${inodeCount}`);
  }
  if ((geometry.compat & f.COMPAT_ORPHAN_FILE) !== 0) {
    const right = orphanFileIno > 0 && orphanFileIno <= inodeCount;
    check(right, "orphanFileIno", orphanFileIno, `1 to ${inodeCount}`);
  }
  const lastOrphan = S.lastOrphan.get(view, 0);
  check(lastOrphan <= inodeCount, "lastOrphan", lastOrphan, `at most ${inodeCount}`);
}

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;
