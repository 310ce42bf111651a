/**
 * Pass 5: the bitmaps and the counts of each group against what was found in use.
 */
import { popcount } from "@xiplab/core";
import { crcRaw } from "../checksum.ts";
import { BG_BLOCK_UNINIT, BG_INODE_UNINIT, keptBitmapCsum } from "../format/group-descriptor.ts";
import type { Claims } from "./claims.ts";
import type { GroupTable } from "./groups.ts";
import type { Image } from "./image.ts";
import { FT_MASK, type InodeFacts, KIND_USED } from "./inode-facts.ts";

const DESC = "ext4_group_desc";
const FT_DIR = 2;

export function checkBitmaps(
  image: Image,
  groups: GroupTable,
  claims: Claims,
  facts: InodeFacts,
): void {
  const { blocksPerGroup, inodesPerGroup } = image.geometry;
  const none = new Uint32Array(Math.ceil(blocksPerGroup / 32));
  const inodes = new Uint32Array(Math.ceil(inodesPerGroup / 32));
  for (let group = 0; group < image.geometry.groupCount; group++) {
    checkBlocks(image, groups, group, claims.wordsOf(group), none);
    checkInodes(image, groups, group, facts, inodes);
  }
}

/** `claimed` is undefined where nothing is; `none` are as many zeros. */
function checkBlocks(
  image: Image,
  groups: GroupTable,
  group: number,
  claimed: Uint32Array | undefined,
  none: Uint32Array,
): void {
  const { geometry, findings } = image;
  const where = `group ${group}`;
  const length = geometry.groupLength(group);
  let used = 0;
  if (claimed !== undefined) {
    for (let word = 0; word < claimed.length; word++) used += popcount(claimed[word]!);
  }
  const free = groups.freeBlocks[group]!;
  if (free !== length - used) findings.add(DESC, where, "freeBlocks", free, length - used);
  if (groups.has(group, BG_BLOCK_UNINIT)) {
    const fixed = groups.fixed[group]!;
    if (used !== fixed) findings.add(DESC, where, "flags", "BLOCK_UNINIT", "a bitmap: in use");
    return;
  }
  const csum = groups.blockBitmapCsum[group]!;
  const bytes = geometry.blocksPerGroup / 8;
  const at = groups.blockBitmap[group]!;
  compare(image, "block bitmap", group, at, claimed ?? none, length, bytes, csum);
}

function checkInodes(
  image: Image,
  groups: GroupTable,
  group: number,
  facts: InodeFacts,
  expected: Uint32Array,
): void {
  const { geometry, findings } = image;
  const { inodesPerGroup } = geometry;
  const where = `group ${group}`;
  const kinds = facts.factsOf(group)?.kinds;
  let used = 0;
  let directories = 0;
  expected.fill(0);
  if (kinds !== undefined) {
    for (let index = 0; index < inodesPerGroup; index++) {
      const kind = kinds[index]!;
      if ((kind & KIND_USED) === 0) continue;
      used++;
      if ((kind & FT_MASK) === FT_DIR) directories++;
      expected[index >>> 5]! |= 1 << (index & 31);
    }
  }
  const free = groups.freeInodes[group]!;
  const dirs = groups.usedDirs[group]!;
  if (free !== inodesPerGroup - used) {
    findings.add(DESC, where, "freeInodes", free, inodesPerGroup - used);
  }
  if (dirs !== directories) findings.add(DESC, where, "usedDirs", dirs, directories);
  if (groups.has(group, BG_INODE_UNINIT)) {
    if (used > 0) findings.add(DESC, where, "flags", "INODE_UNINIT", "a bitmap: inodes are in use");
    return;
  }
  const csum = groups.inodeBitmapCsum[group]!;
  const at = groups.inodeBitmap[group]!;
  compare(image, "inode bitmap", group, at, expected, inodesPerGroup, inodesPerGroup / 8, csum);
}

/** A bitmap at `pblk`, of `length` bits, against `expected`; bits from there on are ones. */
function compare(
  image: Image,
  structure: string,
  group: number,
  pblk: number,
  expected: Uint32Array,
  length: number,
  checksummed: number,
  csum: number,
): void {
  const { geometry, findings } = image;
  const where = `group ${group}`;
  if (pblk === 0 || !image.open(pblk)) return;
  const { view, at } = image;
  if (geometry.metadataCsum) {
    const crc = keptBitmapCsum(geometry, crcRaw(geometry.csumSeed, view, at, checksummed));
    if (crc !== csum) findings.add(structure, where, "checksum", csum, crc);
  }
  const bits = 8 * geometry.blockSize;
  for (let start = 0; start < bits; start += 32) {
    const found = view.getUint32(at + start / 8, true);
    const inside = Math.min(32, Math.max(0, length - start));
    const mask = inside === 32 ? -1 : (1 << inside) - 1;
    const wanted = ((inside === 0 ? 0 : expected[start >>> 5]! & mask) | ~mask) >>> 0;
    if (found === wanted) continue;
    const difference = found ^ wanted;
    const bit = start + 31 - Math.clz32(difference & -difference);
    const state = ((found >>> (bit & 31)) & 1) === 1;
    const name = bit >= length ? `padding bit ${bit}` : `bit ${bit}`;
    findings.add(structure, where, name, state ? "in use" : "free", state ? "free" : "in use");
    // One finding says it: the rest differs for the same reason, most often.
    return;
  }
}
