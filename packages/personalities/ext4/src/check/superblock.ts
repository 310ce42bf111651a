/**
 * Pass 0: the superblock beyond what `readGeometry` asks of it, and the copies of it.
 */
import { STATE_ERROR, STATE_VALID, SUPERBLOCK as S, SUPERBLOCK_AT } from "../format/superblock.ts";
import * as f from "../format/features.ts";
import { isSuperblockSound } from "../super.ts";
import type { Image } from "./image.ts";

const SUPER = "ext4_super_block";
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
export function checkSuperblock(image: Image): void {
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
