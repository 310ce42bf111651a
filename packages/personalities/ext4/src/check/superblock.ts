/**
 * Pass 0: the superblock beyond what `readGeometry` asks of it, and the copies of it.
 */
import {
  CHECKSUM_CRC32C,
  STATE_ERROR,
  STATE_VALID,
  SUPERBLOCK as S,
  SUPERBLOCK_AT,
} from "../format/superblock.ts";
import * as f from "../format/features.ts";
import { isSuperblockSound } from "../super.ts";
import type { Image } from "./image.ts";

const SUPER = "ext4_super_block";
const NO_UUID = "00000000-0000-0000-0000-000000000000";
/** s_creator_os */
const OS_HURD = 1;
const FLEX_LOG_MAX = 31;
const QUOTAS = ["userQuotaIno", "groupQuotaIno", "projectQuotaIno"] as const;
/** Of those that only forbid writing: what does not change how an image is read. */
const CHECKED_RO_COMPAT = f.RO_COMPAT_SUPPORTED | f.RO_COMPAT_QUOTA | f.RO_COMPAT_VERITY;
/** Fields that no copy may have otherwise: what the layout follows from. */
const LASTING = [
  "inodesCount",
  "blocksCountLo",
  "blocksCountHi",
  "firstDataBlock",
  "logBlockSize",
  "blocksPerGroup",
  "inodesPerGroup",
  "inodeSize",
  "descSize",
  "uuid",
] as const;

/** Cleanly unmounted, nothing to recover, no error seen? */
export function isClean(image: Image, view: DataView, at: number): boolean {
  const state = S.state.get(view, at);
  const valid = (state & STATE_VALID) !== 0 && (state & STATE_ERROR) === 0;
  return valid && (image.geometry.incompat & f.INCOMPAT_RECOVER) === 0;
}

/** What contradicts itself in the superblock at `at`. */
export function checkSuperblock(image: Image, view: DataView, at: number): void {
  const { geometry, findings } = image;
  const { incompat, roCompat, compat, blockCount } = geometry;
  const add = (field: string, found: string | number, expected: string | number): void =>
    findings.add(SUPER, SUPERBLOCK_AT, field, found, expected);
  if (geometry.uuid.every((byte) => byte === 0)) add("uuid", "zeros", "a uuid");
  if (geometry.reservedBlocks > blockCount / 2) {
    add("reservedBlocks", geometry.reservedBlocks, `at most ${Math.floor(blockCount / 2)}`);
  }
  const recovers = (incompat & f.INCOMPAT_RECOVER) !== 0;
  if (recovers && !geometry.hasJournal) add("featureIncompat", "needs_recovery", "a journal");
  if ((incompat & f.INCOMPAT_64BIT) !== 0 && !geometry.extents) {
    add("featureIncompat", "64bit", "together with extent");
  }
  const { metadataCsum } = geometry;
  if (metadataCsum && (roCompat & f.RO_COMPAT_GDT_CSUM) !== 0) {
    add("featureRoCompat", "uninit_bg", "not together with metadata_csum");
  }
  if (!metadataCsum && (incompat & f.INCOMPAT_CSUM_SEED) !== 0) {
    add("featureIncompat", "metadata_csum_seed", "together with metadata_csum");
  }
  const resizes = (compat & f.COMPAT_RESIZE_INODE) !== 0;
  if (!resizes && geometry.reservedGdtBlocks > 0) {
    add("reservedGdtBlocks", geometry.reservedGdtBlocks, "0 without resize_inode");
  }
  const strange = f.featureNames(compat, f.CompatNames).filter((name) => name.startsWith("0x"));
  if (strange.length > 0) add("featureCompat", strange.join(", "), "features that are known");
  const unknown = roCompat & ~CHECKED_RO_COMPAT;
  if (unknown !== 0) {
    const names = f.featureNames(unknown, f.RoCompatNames).join(", ");
    add("featureRoCompat", names, "features that are checked");
  }
  checkRevision(image, view, at, add);
  checkInodeNumbers(image, view, at, add);
}

type Add = (field: string, found: string | number, expected: string | number) => void;

/** Fields that are fixed by features. */
function checkRevision(image: Image, view: DataView, at: number, add: Add): void {
  const { compat, incompat, roCompat, metadataCsum } = image.geometry;
  const revision = S.revLevel.get(view, at);
  if (revision === 0 && (compat | incompat | roCompat) !== 0) {
    add("revLevel", revision, "1, for there are features");
  }
  const type = S.checksumType.get(view, at);
  if (metadataCsum && type !== CHECKSUM_CRC32C) add("checksumType", type, CHECKSUM_CRC32C);
  const size = S.descSize.get(view, at);
  const sized = size === 0 || (size >= 32 && size <= 1024 && (size & (size - 1)) === 0);
  const os = S.creatorOs.get(view, at);
  if (os === OS_HURD) add("creatorOs", os, "Linux: inodes of the Hurd have other fields");
  const flex = S.logGroupsPerFlex.get(view, at);
  if (flex > FLEX_LOG_MAX) add("logGroupsPerFlex", flex, `at most ${FLEX_LOG_MAX}`);
  if (!sized) add("descSize", size, "0, or a power of two, 32 to 1024");
}

/** What pass 1 has to know from the superblock. */
export interface SuperFacts {
  /** Inodes that the superblock names and no directory. */
  readonly namelessInos: readonly number[];
  /** The clock was never so early that a time could be taken for an inode's number. */
  readonly lateTimes: boolean;
}

export function superFacts({ geometry }: Image, view: DataView, at: number): SuperFacts {
  const namelessInos: number[] = [];
  if ((geometry.compat & f.COMPAT_ORPHAN_FILE) !== 0) namelessInos.push(geometry.orphanFileIno);
  const hasQuotas = (geometry.roCompat & f.RO_COMPAT_QUOTA) !== 0;
  if (hasQuotas) for (const name of QUOTAS) namelessInos.push(S[name].get(view, at));
  const late = (time: number): boolean => time >= geometry.inodeCount;
  const mkfsTime = S.mkfsTime.get(view, at);
  const mounted = late(S.wtime.get(view, at)) && late(S.mtime.get(view, at));
  return { namelessInos, lateTimes: mounted && (mkfsTime === 0 || late(mkfsTime)) };
}

/** Inodes that the superblock names, and what goes with them. */
function checkInodeNumbers(image: Image, view: DataView, at: number, add: Add): void {
  const { compat, roCompat, hasJournal } = image.geometry;
  const present = (roCompat & f.RO_COMPAT_ORPHAN_PRESENT) !== 0;
  if (present && (compat & f.COMPAT_ORPHAN_FILE) === 0) {
    add("featureRoCompat", "orphan_present", "together with orphan_file");
  }
  const orphanFileIno = S.orphanFileIno.get(view, at);
  if (orphanFileIno !== 0 && (compat & f.COMPAT_ORPHAN_FILE) === 0) {
    add("orphanFileIno", orphanFileIno, "0 without orphan_file");
  }
  if ((roCompat & f.RO_COMPAT_QUOTA) === 0) {
    for (const name of QUOTAS) {
      const ino = S[name].get(view, at);
      if (ino !== 0) add(name, ino, "0 without quota");
    }
  }
  if (S.journalUuid.get(view, at) !== NO_UUID) {
    add("journalUuid", S.journalUuid.get(view, at), "zeros of a journal inside");
  }
  if (!hasJournal && S.journalIno.get(view, at) !== 0) {
    add("journalIno", S.journalIno.get(view, at), "0 without a journal");
  }
}

/** Free blocks and inodes of the superblock against what was counted. */
export function checkTotals(image: Image, view: DataView, at: number, used: TotalsUsed): void {
  const { geometry, findings } = image;
  const wide = (geometry.incompat & f.INCOMPAT_64BIT) !== 0;
  const high = wide ? S.freeBlocksHi.get(view, at) * 2 ** 32 : 0;
  const blocks = S.freeBlocksLo.get(view, at) + high;
  const inodes = S.freeInodes.get(view, at);
  const blocksFree = geometry.blockCount - geometry.firstDataBlock - used.blocks;
  const inodesFree = geometry.inodeCount - used.inodes;
  if (blocks !== blocksFree) {
    findings.add(SUPER, SUPERBLOCK_AT, "freeBlocks", blocks, blocksFree);
  }
  if (inodes !== inodesFree) {
    findings.add(SUPER, SUPERBLOCK_AT, "freeInodes", inodes, inodesFree);
  }
}

export interface TotalsUsed {
  readonly blocks: number;
  readonly inodes: number;
}

/** The copies at the start of groups, as far as they would be of use when the first one is lost. */
export function checkBackups(image: Image, view: DataView, at: number): void {
  const { geometry } = image;
  for (let group = 1; group < geometry.groupCount; group++) {
    if (!geometry.hasSuper(group)) continue;
    const start = geometry.groupStart(group);
    if (image.open(start)) checkBackup(image, view, at, group);
  }
}

function checkBackup(image: Image, view: DataView, at: number, group: number): void {
  const { findings } = image;
  const copy = image.view;
  const copyAt = image.at;
  const where = `copy in group ${group}`;
  if (!isSuperblockSound(copy, copyAt)) {
    findings.add(SUPER, where, "magic, checksum", S.magic.get(copy, copyAt), "a sound copy");
    return;
  }
  for (const name of LASTING) {
    const found = String(S[name].get(copy, copyAt));
    const expected = String(S[name].get(view, at));
    if (found !== expected) findings.add(SUPER, where, name, found, expected);
  }
}
