/**
 * Where everything stands: facts of the superblock that never change while mounted, and the
 * arithmetic on them. Made by `readGeometry` from a superblock that was verified.
 */
import { type DevByte, type Ino, parseUuid, type Pblk } from "@xiplab/core";
import * as f from "./format/features.ts";
import { FLAG_UNSIGNED_HASH, SUPERBLOCK } from "./format/superblock.ts";
import { crcRaw } from "./checksum.ts";

/** Bytes of the fields beyond 128 that this driver knows. */
const EXTRA_ISIZE = 32;

export class Geometry {
  readonly blockSize: number;
  readonly blockCount: number;
  /** 1 where blocks have 1 KiB, else 0. */
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodeCount: number;
  readonly inodeSize: number;
  readonly inodesPerBlock: number;
  /** First inode that is not reserved: 11. */
  readonly firstIno: number;
  readonly groupCount: number;
  /** Bytes of a group descriptor: 32 or 64. */
  readonly descSize: number;
  /** Blocks of group descriptors, without the reserved ones. */
  readonly gdtBlocks: number;
  readonly reservedGdtBlocks: number;
  /** Groups per flex group; 1 without flex_bg. */
  readonly flexSize: number;
  /** Blocks for root alone. */
  readonly reservedBlocks: number;
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
  readonly metadataCsum: boolean;
  /** Group descriptors have a crc16, or crc32c with metadata_csum: flags and itable_unused hold. */
  readonly gdtCsum: boolean;
  readonly hasJournal: boolean;
  readonly extents: boolean;
  readonly fileType: boolean;
  readonly dirIndex: boolean;
  readonly dirNlink: boolean;
  readonly hugeFile: boolean;
  readonly uuid: Uint8Array;
  /** Seed of every checksum but the superblock's own. */
  readonly csumSeed: number;
  /** Four words, for directory hashes. */
  readonly hashSeed: Uint32Array;
  /** DX_HASH_* for new directories, as it stands: the signed form. `hashUnsigned` says which. */
  readonly hashVersion: number;
  readonly hashUnsigned: boolean;
  /** i_extra_isize of new inodes; 0 where inodes have 128 bytes. */
  readonly extraIsize: number;
  readonly journalIno: Ino;
  readonly orphanFileIno: Ino;
  /** With sparse_super2: the groups, at most two, that have copies; 0 is none. */
  readonly backupGroups: readonly [number, number];

  /** From the superblock at `at`, verified by the caller. */
  constructor(view: DataView, at: number) {
    const s = SUPERBLOCK;
    this.compat = s.featureCompat.get(view, at);
    this.incompat = s.featureIncompat.get(view, at);
    this.roCompat = s.featureRoCompat.get(view, at);
    const wide = (this.incompat & f.INCOMPAT_64BIT) !== 0;
    const high = (value: number): number => (wide ? value * 2 ** 32 : 0);
    this.blockSize = 1024 << s.logBlockSize.get(view, at);
    this.blockCount = s.blocksCountLo.get(view, at) + high(s.blocksCountHi.get(view, at));
    this.reservedBlocks = s.reservedBlocksLo.get(view, at) + high(s.reservedBlocksHi.get(view, at));
    this.firstDataBlock = s.firstDataBlock.get(view, at);
    this.blocksPerGroup = s.blocksPerGroup.get(view, at);
    this.inodesPerGroup = s.inodesPerGroup.get(view, at);
    this.inodeCount = s.inodesCount.get(view, at);
    const dynamic = s.revLevel.get(view, at) > 0;
    this.inodeSize = dynamic ? s.inodeSize.get(view, at) : 128;
    this.firstIno = dynamic ? s.firstIno.get(view, at) : 11;
    this.inodesPerBlock = this.blockSize / this.inodeSize;
    this.groupCount = Math.ceil((this.blockCount - this.firstDataBlock) / this.blocksPerGroup);
    this.descSize = wide ? s.descSize.get(view, at) : 32;
    this.gdtBlocks = Math.ceil((this.groupCount * this.descSize) / this.blockSize);
    this.reservedGdtBlocks = s.reservedGdtBlocks.get(view, at);
    const flex = (this.incompat & f.INCOMPAT_FLEX_BG) !== 0;
    this.flexSize = flex ? 2 ** s.logGroupsPerFlex.get(view, at) : 1;
    this.metadataCsum = (this.roCompat & f.RO_COMPAT_METADATA_CSUM) !== 0;
    this.gdtCsum = this.metadataCsum || (this.roCompat & f.RO_COMPAT_GDT_CSUM) !== 0;
    this.hasJournal = (this.compat & f.COMPAT_HAS_JOURNAL) !== 0;
    this.extents = (this.incompat & f.INCOMPAT_EXTENTS) !== 0;
    this.fileType = (this.incompat & f.INCOMPAT_FILETYPE) !== 0;
    this.dirIndex = (this.compat & f.COMPAT_DIR_INDEX) !== 0;
    this.dirNlink = (this.roCompat & f.RO_COMPAT_DIR_NLINK) !== 0;
    this.hugeFile = (this.roCompat & f.RO_COMPAT_HUGE_FILE) !== 0;
    this.uuid = parseUuid(s.uuid.get(view, at));
    const ownSeed = (this.incompat & f.INCOMPAT_CSUM_SEED) !== 0;
    this.csumSeed = ownSeed
      ? s.checksumSeed.get(view, at)
      : crcRaw(0xffffffff, view, at + s.uuid.offset, 16);
    const seedAt = at + s.hashSeed.offset;
    this.hashSeed = Uint32Array.from({ length: 4 }, (_, i) => view.getUint32(seedAt + 4 * i, true));
    this.hashVersion = s.defHashVersion.get(view, at);
    this.hashUnsigned = (s.flags.get(view, at) & FLAG_UNSIGNED_HASH) !== 0;
    this.extraIsize = extraIsizeOf(this, view, at);
    this.journalIno = s.journalIno.get(view, at) as Ino;
    this.orphanFileIno = s.orphanFileIno.get(view, at) as Ino;
    const backupsAt = at + s.backupBgs.offset;
    this.backupGroups = [view.getUint32(backupsAt, true), view.getUint32(backupsAt + 4, true)];
  }

  pblkToDevByte(pblk: number): DevByte {
    return (pblk * this.blockSize) as DevByte;
  }

  groupOf(pblk: number): number {
    return Math.floor((pblk - this.firstDataBlock) / this.blocksPerGroup);
  }

  groupStart(group: number): Pblk {
    return (this.firstDataBlock + group * this.blocksPerGroup) as Pblk;
  }

  /** Blocks of the group: fewer in the last one. */
  groupLength(group: number): number {
    return Math.min(this.blocksPerGroup, this.blockCount - this.groupStart(group));
  }

  groupOfIno(ino: number): number {
    return Math.floor((ino - 1) / this.inodesPerGroup);
  }

  /** Does the group start with a copy of the superblock and the descriptors? */
  hasSuper(group: number): boolean {
    if (group === 0) return true;
    if ((this.compat & f.COMPAT_SPARSE_SUPER2) !== 0) return this.backupGroups.includes(group);
    if (group === 1) return true;
    if ((this.roCompat & f.RO_COMPAT_SPARSE_SUPER) === 0) return true;
    return isPowerOf(group, 3) || isPowerOf(group, 5) || isPowerOf(group, 7);
  }

  /** Block and byte in it of a group's descriptor. */
  descBlock(group: number): Pblk {
    const perBlock = this.blockSize / this.descSize;
    return (this.firstDataBlock + 1 + Math.floor(group / perBlock)) as Pblk;
  }

  descOffset(group: number): number {
    return (group % (this.blockSize / this.descSize)) * this.descSize;
  }

  /** The block that holds the superblock, and the superblock's place in it. */
  get superBlock(): Pblk {
    return this.firstDataBlock as Pblk;
  }

  get superOffset(): number {
    return this.blockSize === 1024 ? 0 : 1024;
  }

  /** Blocks of an inode table, per group. */
  get itableBlocks(): number {
    return Math.ceil((this.inodesPerGroup * this.inodeSize) / this.blockSize);
  }
}

/** As the kernel: at least what it has fields for, more where the superblock asks for it. */
function extraIsizeOf(geometry: Geometry, view: DataView, at: number): number {
  if (geometry.inodeSize === 128) return 0;
  if ((geometry.roCompat & f.RO_COMPAT_EXTRA_ISIZE) === 0) return EXTRA_ISIZE;
  const { wantExtraIsize, minExtraIsize } = SUPERBLOCK;
  return Math.max(EXTRA_ISIZE, wantExtraIsize.get(view, at), minExtraIsize.get(view, at));
}

function isPowerOf(value: number, base: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}
