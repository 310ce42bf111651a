/**
 * Inodes that recovery will free or cut short: those on the list that begins in the superblock and
 * goes on in i_dtime, and those in the orphan file. Read before pass 1, which counts them as in use.
 *
 * On an image that needs no recovery both are empty.
 */
import { crcRaw, crcU64, inodeSeed } from "../checksum.ts";
import { COMPAT_ORPHAN_FILE, RO_COMPAT_ORPHAN_PRESENT } from "../format/features.ts";
import { FL_EXTENTS, I_BLOCK_AT, INODE } from "../format/inode.ts";
import {
  ORPHAN_ENTRY_SIZE,
  ORPHAN_MAGIC,
  ORPHAN_TAIL,
  ORPHAN_TAIL_SIZE,
} from "../format/orphan-file.ts";
import { SUPERBLOCK as S, SUPERBLOCK_AT } from "../format/superblock.ts";
import { BlockMap } from "./block-map.ts";
import { Claims } from "./claims.ts";
import { NoFindings } from "./findings.ts";
import type { GroupTable } from "./groups.ts";
import type { Image } from "./image.ts";
import { type InodeFacts, KIND_ORPHAN } from "./inode-facts.ts";

const BLOCK = "ext4_orphan_block";

/** Mark orphans in `facts`. The superblock stands at `at` of `view`. */
export function findOrphans(
  image: Image,
  groups: GroupTable,
  facts: InodeFacts,
  view: DataView,
  at: number,
): void {
  followList(image, groups, facts, S.lastOrphan.get(view, at));
  if ((image.geometry.compat & COMPAT_ORPHAN_FILE) !== 0) readFile(image, groups, facts);
}

function followList(image: Image, groups: GroupTable, facts: InodeFacts, head: number): void {
  const { geometry, findings } = image;
  if (head !== 0 && !image.recovers) {
    findings.add("ext4_super_block", SUPERBLOCK_AT, "lastOrphan", head, "0 of a clean image");
    return;
  }
  for (let ino = head, before = "lastOrphan"; ino !== 0;) {
    const inside = ino >= geometry.firstIno && ino <= geometry.inodeCount;
    if (!inside || (facts.kindOf(ino) & KIND_ORPHAN) !== 0) {
      findings.add("orphan list", before, "next", ino, "an inode that is not on the list yet");
      return;
    }
    facts.addKind(ino, KIND_ORPHAN);
    before = `inode ${ino}`;
    const record = openInode(image, groups, ino);
    ino = record < 0 ? 0 : INODE.dtime.get(image.view, record);
  }
}

/** Place in `image.view` of the record, or -1. */
function openInode(image: Image, groups: GroupTable, ino: number): number {
  const { geometry } = image;
  const index = (ino - 1) % geometry.inodesPerGroup;
  const table = groups.inodeTable[geometry.groupOfIno(ino)]!;
  const slot = index % geometry.inodesPerBlock;
  const pblk = table + (index - slot) / geometry.inodesPerBlock;
  if (table === 0 || !image.open(pblk)) return -1;
  return image.at + slot * geometry.inodeSize;
}

function readFile(image: Image, groups: GroupTable, facts: InodeFacts): void {
  const { geometry, findings } = image;
  const ino = geometry.orphanFileIno;
  const record = openInode(image, groups, ino);
  if (record < 0) return;
  const seed = inodeSeed(geometry.csumSeed, ino, INODE.generation.get(image.view, record));
  const blocks = blocksOf(image, record, ino, seed);
  let entries = 0;
  for (const [pblk, length] of blocks) {
    for (let at = pblk; at < pblk + length; at++) entries += readBlock(image, facts, at, seed);
  }
  const present = (geometry.roCompat & RO_COMPAT_ORPHAN_PRESENT) !== 0;
  if (!image.recovers && (entries > 0 || present)) {
    const found = `${entries} entries, orphan_present ${present}`;
    findings.add(BLOCK, `inode ${ino}`, "entries", found, "none in a clean image");
  }
}

/** Runs of the orphan file. Pass 1 says what is wrong with its map: here nobody listens. */
function blocksOf(image: Image, record: number, ino: number, seed: number): [number, number][] {
  const { geometry } = image;
  const silent = image.silent(new NoFindings());
  const map = new BlockMap(silent, new Claims(geometry));
  const runs: [number, number][] = [];
  const run = (_: number, pblk: number, length: number): void => void runs.push([pblk, length]);
  map.reset(ino, seed, { run });
  const { view } = image;
  if ((INODE.flags.get(view, record) & FL_EXTENTS) !== 0) {
    map.readExtents(view, record + I_BLOCK_AT);
  } else {
    map.readPointers(view, record + I_BLOCK_AT);
  }
  return runs;
}

/** Returns how many inodes the block names. */
function readBlock(image: Image, facts: InodeFacts, pblk: number, seed: number): number {
  const { geometry, findings } = image;
  if (!image.open(pblk)) return 0;
  const { view, at } = image;
  const where = `block ${pblk}`;
  const length = geometry.blockSize - ORPHAN_TAIL_SIZE;
  const magic = ORPHAN_TAIL.magic.get(view, at + length);
  if (magic !== ORPHAN_MAGIC) {
    findings.add(BLOCK, where, "magic", magic, ORPHAN_MAGIC);
    return 0;
  }
  const found = ORPHAN_TAIL.checksum.get(view, at + length);
  const expected = crcRaw(crcU64(seed, pblk), view, at, length);
  if (geometry.metadataCsum && found !== expected) {
    findings.add(BLOCK, where, "checksum", found, expected);
  }
  let entries = 0;
  for (let offset = 0; offset < length; offset += ORPHAN_ENTRY_SIZE) {
    const ino = view.getUint32(at + offset, true);
    if (ino === 0) continue;
    entries++;
    const inside = ino >= geometry.firstIno && ino <= geometry.inodeCount;
    if (!inside || (facts.kindOf(ino) & KIND_ORPHAN) !== 0) {
      findings.add(BLOCK, where, `entry at ${offset}`, ino, "an inode, once");
    } else if (image.recovers) {
      facts.addKind(ino, KIND_ORPHAN);
    }
  }
  return entries;
}
