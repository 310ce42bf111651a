/**
 * Pass 0: the group descriptors, and the blocks that are taken before any file: superblock copies,
 * descriptors with the room kept for more, bitmaps, inode tables.
 */
import {
  BG_BLOCK_UNINIT,
  BG_INODE_UNINIT,
  blockBitmapCsumOf,
  blockBitmapOf,
  freeBlocksOf,
  freeInodesOf,
  GROUP_DESC,
  groupDescChecksum,
  inodeBitmapCsumOf,
  inodeBitmapOf,
  inodeTableOf,
  itableUnusedOf,
  usedDirsOf,
} from "../format/group-descriptor.ts";
import { INCOMPAT_FLEX_BG } from "../format/features.ts";
import type { Claims } from "./claims.ts";
import type { Image } from "./image.ts";

const DESC = "ext4_group_desc";

/** The descriptors, decoded. Indexed by group. */
export class GroupTable {
  readonly blockBitmap: Float64Array;
  readonly inodeBitmap: Float64Array;
  /** First block of the inode table; 0 where the descriptor leads nowhere. */
  readonly inodeTable: Float64Array;
  readonly freeBlocks: Uint32Array;
  readonly freeInodes: Uint32Array;
  readonly usedDirs: Uint32Array;
  /** Inodes at the end of the table that nobody reads. */
  readonly itableUnused: Uint32Array;
  readonly flags: Uint16Array;
  readonly blockBitmapCsum: Uint32Array;
  readonly inodeBitmapCsum: Uint32Array;
  /** Blocks of the group that are taken before any file. */
  readonly fixed: Uint32Array;

  constructor(count: number) {
    this.blockBitmap = new Float64Array(count);
    this.inodeBitmap = new Float64Array(count);
    this.inodeTable = new Float64Array(count);
    this.freeBlocks = new Uint32Array(count);
    this.freeInodes = new Uint32Array(count);
    this.usedDirs = new Uint32Array(count);
    this.itableUnused = new Uint32Array(count);
    this.flags = new Uint16Array(count);
    this.blockBitmapCsum = new Uint32Array(count);
    this.inodeBitmapCsum = new Uint32Array(count);
    this.fixed = new Uint32Array(count);
  }

  has(group: number, flag: number): boolean {
    return (this.flags[group]! & flag) !== 0;
  }
}

/** Read and verify all descriptors, and claim what the format itself takes. */
export function checkGroups(image: Image, claims: Claims): GroupTable {
  const { geometry } = image;
  const table = new GroupTable(geometry.groupCount);
  for (let group = 0; group < geometry.groupCount; group++) {
    readDescriptor(image, table, group);
    claimSuper(image, claims, table, group);
  }
  for (let group = 0; group < geometry.groupCount; group++) {
    claimTables(image, claims, table, group);
  }
  return table;
}

function readDescriptor(image: Image, table: GroupTable, group: number): void {
  const { geometry, findings } = image;
  if (!image.open(geometry.descBlock(group))) return;
  const { view } = image;
  const at = image.at + geometry.descOffset(group);
  const where = `group ${group}`;
  const found = GROUP_DESC.checksum.get(view, at);
  const expected = groupDescChecksum(geometry, view, at, group);
  const sound = !geometry.gdtCsum || found === expected;
  if (!sound) findings.add(DESC, where, "checksum", found, expected);
  table.blockBitmap[group] = blockBitmapOf(geometry, view, at);
  table.inodeBitmap[group] = inodeBitmapOf(geometry, view, at);
  table.inodeTable[group] = inodeTableOf(geometry, view, at);
  table.freeBlocks[group] = freeBlocksOf(geometry, view, at);
  table.freeInodes[group] = freeInodesOf(geometry, view, at);
  table.usedDirs[group] = usedDirsOf(geometry, view, at);
  table.blockBitmapCsum[group] = blockBitmapCsumOf(geometry, view, at);
  table.inodeBitmapCsum[group] = inodeBitmapCsumOf(geometry, view, at);
  // What a bad descriptor says is unused is read all the same.
  table.flags[group] = geometry.gdtCsum && sound ? GROUP_DESC.flags.get(view, at) : 0;
  const unused = itableUnusedOf(geometry, view, at);
  if (geometry.gdtCsum) {
    checkUnused(image, table, group, sound ? unused : 0);
    return;
  }
  const flags = GROUP_DESC.flags.get(view, at) & (BG_INODE_UNINIT | BG_BLOCK_UNINIT);
  if (flags !== 0 || unused !== 0) {
    findings.add(DESC, where, "flags, itableUnused", `${flags}, ${unused}`, "0, 0: no checksums");
  }
}

function checkUnused(image: Image, table: GroupTable, group: number, unused: number): void {
  const { geometry, findings } = image;
  const where = `group ${group}`;
  const { inodesPerGroup } = geometry;
  if (unused > inodesPerGroup) {
    findings.add(DESC, where, "itableUnused", unused, `at most ${inodesPerGroup}`);
    unused = 0;
  }
  if (unused > table.freeInodes[group]!) {
    const expected = `at most the free inodes, ${table.freeInodes[group]}`;
    findings.add(DESC, where, "itableUnused", unused, expected);
  }
  table.itableUnused[group] = table.has(group, BG_INODE_UNINIT) ? inodesPerGroup : unused;
  const isLast = group === geometry.groupCount - 1;
  if (isLast && table.has(group, BG_BLOCK_UNINIT)) {
    findings.add(DESC, where, "flags", "BLOCK_UNINIT", "a block bitmap in the last group");
  }
}

/** Copies of the superblock and the descriptors, and blocks for descriptors to come. */
function claimSuper(image: Image, claims: Claims, table: GroupTable, group: number): void {
  const { geometry, findings } = image;
  if (!geometry.hasSuper(group)) return;
  const length = 1 + geometry.gdtBlocks + geometry.reservedGdtBlocks;
  const room = geometry.groupLength(group);
  if (length > room) {
    findings.add(DESC, `group ${group}`, "blocks", room, `at least ${length}`);
  }
  const taken = Math.min(length, room);
  claims.claim(geometry.groupStart(group), taken);
  table.fixed[group]! += taken;
}

function claimTables(image: Image, claims: Claims, table: GroupTable, group: number): void {
  const { blockBitmap, inodeBitmap, inodeTable } = table;
  claimFixed(image, claims, table, group, "blockBitmap", blockBitmap, 1);
  claimFixed(image, claims, table, group, "inodeBitmap", inodeBitmap, 1);
  const { itableBlocks } = image.geometry;
  claimFixed(image, claims, table, group, "inodeTable", inodeTable, itableBlocks);
}

function claimFixed(
  image: Image,
  claims: Claims,
  table: GroupTable,
  group: number,
  field: string,
  places: Float64Array,
  length: number,
): void {
  const { geometry, findings } = image;
  const start = places[group]!;
  const where = `group ${group}`;
  const flex = (geometry.incompat & INCOMPAT_FLEX_BG) !== 0;
  const first = flex ? geometry.firstDataBlock : geometry.groupStart(group);
  const end = flex ? geometry.blockCount : first + geometry.groupLength(group);
  if (start < first || start + length > end) {
    places[group] = 0;
    findings.add(DESC, where, field, start, `${length} blocks between ${first} and ${end}`);
    return;
  }
  const before = claims.claim(start, length);
  if (before > 0) findings.add(DESC, where, field, start, "blocks that nothing else has");
  for (let at = start; at < start + length;) {
    const home = geometry.groupOf(at);
    const count = Math.min(start + length - at, geometry.groupStart(home + 1) - at);
    table.fixed[home]! += count;
    at += count;
  }
}
