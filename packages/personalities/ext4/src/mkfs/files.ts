/**
 * The files that every new file system has: the root, lost+found, the resize inode and the journal.
 * Their blocks are put into `Maker.blocks`, their inodes into `Maker.inodes`.
 */
import { assert, S_IFDIR, S_IFREG } from "@xiplab/core";
import { crcRaw, crcU64, inodeSeed } from "../checksum.ts";
import { COMPAT_ORPHAN_FILE, COMPAT_RESIZE_INODE } from "../format/features.ts";
import { DIR_TAIL, DIR_TAIL_FT, DIR_TAIL_SIZE, DIRENT, FT_DIR } from "../format/dirent.ts";
import { DIRENT_HEAD, direntSize } from "../format/dirent.ts";
import * as i from "../format/inode.ts";
import { BLOCK_SUPERBLOCK_V2, JBD2_MAGIC, JBD2_SUPERBLOCK } from "../format/jbd2.ts";
import { ORPHAN_MAGIC, ORPHAN_TAIL, ORPHAN_TAIL_SIZE } from "../format/orphan-file.ts";
import { JOURNAL_BACKUP_BLOCKS, SUPERBLOCK } from "../format/superblock.ts";
import { type Layout, takeMetadata } from "./layout.ts";
import { mapFile, type Mapped, type Run, storeU32 } from "./map-file.ts";
import type { Plan } from "./plan.ts";

/** The first inode that is not reserved. */
const INO_LOST_FOUND = 11;
const LOST_FOUND_SIZE = 16384;
/** Blocks of the orphan file. */
const ORPHAN_FILE_MIN = 32;
const ORPHAN_FILE_MAX = 512;
/** A directory that grows has at most so many blocks without an indirect one: it stops there. */
const LOST_FOUND_BLOCKS_MAX = 12;

/** A file system in the making. */
export interface Maker {
  readonly plan: Plan;
  readonly layout: Layout;
  /** Blocks that are not zero, but for bitmaps, copies of the superblock, and inodes. */
  readonly blocks: Map<number, Uint8Array>;
  /** Start of the inode table of group 0, up to the last inode that is used. */
  readonly inodes: DataView;
  /** A block for one bitmap after the other: a large device has many. */
  readonly scratch: DataView;
  lastIno: number;
  directories: number;
}

interface NewFile {
  readonly mode: number;
  readonly links: number;
  readonly size: number;
}

export function makeFiles(maker: Maker): void {
  const { geometry, journalBlocks } = maker.plan;
  makeDirectories(maker);
  stampTimes(maker, i.INO_BAD_BLOCKS);
  if ((geometry.compat & COMPAT_RESIZE_INODE) !== 0) makeResizeInode(maker);
  if (journalBlocks > 0) makeJournal(maker, journalBlocks);
  if ((geometry.compat & COMPAT_ORPHAN_FILE) !== 0) makeOrphanFile(maker);
  for (let ino = 1; ino <= maker.lastIno; ino++) stampChecksum(maker, ino);
}

/** One free block, the first from `goal` on. */
function takeBlock(maker: Maker, goal: number): number {
  const { space } = maker.layout;
  let found = space.find(goal, space.blockCount, 1);
  if (found < 0) found = space.find(0, space.blockCount, 1);
  assert(found >= 0, "the plan leaves room for the first files");
  takeMetadata(maker.layout, found, 1);
  return found;
}

/** `count` blocks from `goal` on, around what is taken. */
function takeRuns(maker: Maker, goal: number, count: number): Run[] {
  const runs: Run[] = [];
  const { space } = maker.layout;
  for (let left = count, from = goal; left > 0;) {
    const start = takeBlock(maker, from);
    const length = 1 + space.lengthFrom(start + 1, left - 1);
    takeMetadata(maker.layout, start + 1, length - 1);
    const last = runs.at(-1);
    if (last !== undefined && last.start + last.length === start) last.length += length;
    else runs.push({ start, length });
    left -= length;
    from = start + length;
  }
  return runs;
}

/** The bytes of a block that is about to be filled. */
function newBlock(maker: Maker, pblk: number): DataView {
  const bytes = new Uint8Array(maker.plan.geometry.blockSize);
  assert(!maker.blocks.has(pblk), "a block is made once");
  maker.blocks.set(pblk, bytes);
  return new DataView(bytes.buffer);
}

function makeDirectories(maker: Maker): void {
  const { blockSize, firstDataBlock } = maker.plan.geometry;
  const root = map(maker, i.INO_ROOT, firstDataBlock, 1);
  const rootBlock = root.runs[0]!.start;
  const inos = [i.INO_ROOT, i.INO_ROOT, INO_LOST_FOUND];
  fillDirectory(maker, i.INO_ROOT, rootBlock, [".", "..", "lost+found"], inos);
  setInode(maker, i.INO_ROOT, { mode: S_IFDIR | 0o755, links: 3, size: blockSize }, root);
  const most = Math.ceil(LOST_FOUND_SIZE / blockSize);
  const count = Math.min(LOST_FOUND_BLOCKS_MAX, Math.max(2, most));
  const lostFound = map(maker, INO_LOST_FOUND, rootBlock + 1, count);
  let names = [".", ".."];
  for (const { start, length } of lostFound.runs) {
    for (let pblk = start; pblk < start + length; pblk++) {
      fillDirectory(maker, INO_LOST_FOUND, pblk, names, [INO_LOST_FOUND, i.INO_ROOT]);
      names = [];
    }
  }
  const file = { mode: S_IFDIR | 0o700, links: 2, size: count * blockSize };
  setInode(maker, INO_LOST_FOUND, file, lostFound);
  maker.directories = 2;
}

/** A block of directory entries; without names one that is free. */
function fillDirectory(
  maker: Maker,
  ino: number,
  pblk: number,
  names: readonly string[],
  inos: readonly number[],
): void {
  const { blockSize, metadataCsum, fileType, csumSeed } = maker.plan.geometry;
  const view = newBlock(maker, pblk);
  const end = blockSize - (metadataCsum ? DIR_TAIL_SIZE : 0);
  DIRENT.recLen.set(view, 0, end);
  let at = 0;
  for (const [index, name] of names.entries()) {
    const last = index === names.length - 1;
    DIRENT.inode.set(view, at, inos[index]!);
    DIRENT.recLen.set(view, at, last ? end - at : direntSize(name.length));
    DIRENT.nameLen.set(view, at, name.length);
    DIRENT.fileType.set(view, at, fileType ? FT_DIR : 0);
    for (let c = 0; c < name.length; c++) view.setUint8(at + DIRENT_HEAD + c, name.charCodeAt(c));
    at += DIRENT.recLen.get(view, at);
  }
  if (!metadataCsum) return;
  DIR_TAIL.recLen.set(view, end, DIR_TAIL_SIZE);
  DIR_TAIL.reservedFt.set(view, end, DIR_TAIL_FT);
  DIR_TAIL.checksum.set(view, end, crcRaw(inodeSeed(csumSeed, ino, 0), view, 0, end));
}

function map(maker: Maker, ino: number, goal: number, count: number): Mapped {
  const { geometry } = maker.plan;
  const seed = inodeSeed(geometry.csumSeed, ino, 0);
  const source = {
    takeRuns: (from: number, length: number) => takeRuns(maker, from, length),
    takeNode(from: number) {
      const pblk = takeBlock(maker, from);
      return { pblk, view: newBlock(maker, pblk) };
    },
  };
  return mapFile(geometry, seed, source, goal, count);
}

const inodeAt = (maker: Maker, ino: number): number => (ino - 1) * maker.plan.geometry.inodeSize;

function stampTimes(maker: Maker, ino: number): void {
  const at = inodeAt(maker, ino);
  const { timeSec } = maker.plan;
  for (const field of ["atime", "ctime", "mtime"] as const) {
    i.INODE[field].set(maker.inodes, at, timeSec % 2 ** 32);
  }
}

function setInode(maker: Maker, ino: number, file: NewFile, mapped: Mapped): void {
  const { inodes, plan } = maker;
  const at = inodeAt(maker, ino);
  stampTimes(maker, ino);
  i.INODE.mode.set(inodes, at, file.mode);
  i.INODE.linksCount.set(inodes, at, file.links);
  i.INODE.sizeLo.set(inodes, at, file.size % 2 ** 32);
  i.INODE.sizeHi.set(inodes, at, Math.floor(file.size / 2 ** 32));
  i.INODE.flags.set(inodes, at, mapped.flags);
  i.INODE.block.set(inodes, at, mapped.block);
  const sectors = mapped.blocks * (plan.geometry.blockSize / 512);
  i.INODE.blocksLo.set(inodes, at, sectors % 2 ** 32);
  i.INODE.blocksHi.set(inodes, at, Math.floor(sectors / 2 ** 32));
  if (plan.geometry.inodeSize === 128) return;
  // The two lowest bits of the nanoseconds' words continue the seconds.
  const epoch = Math.floor((plan.timeSec + 2 ** 31) / 2 ** 32) & 3;
  i.INODE_EXTRA.extraIsize.set(inodes, at, 32);
  i.INODE_EXTRA.crtime.set(inodes, at, plan.timeSec % 2 ** 32);
  for (const field of ["ctimeExtra", "mtimeExtra", "atimeExtra", "crtimeExtra"] as const) {
    i.INODE_EXTRA[field].set(inodes, at, epoch);
  }
}

/** The high half of the checksum is there where the record says that it has the field. */
function stampChecksum(maker: Maker, ino: number): void {
  const { geometry } = maker.plan;
  if (!geometry.metadataCsum) return;
  const { inodes } = maker;
  const at = inodeAt(maker, ino);
  const { inodeSize, csumSeed } = geometry;
  const crc = crcRaw(inodeSeed(csumSeed, ino, 0), inodes, at, inodeSize);
  i.INODE.checksumLo.set(inodes, at, crc & 0xffff);
  if (inodeSize === 128 || i.INODE_EXTRA.extraIsize.get(inodes, at) < 4) return;
  i.INODE_EXTRA.checksumHi.set(inodes, at, crc >>> 16);
}

/**
 * Inode 7 keeps the blocks behind the descriptors, and those in the same place behind each copy, for
 * a device that grows: its double indirect block names the former, which name the latter. An entry
 * stands at the index of the block of descriptors that its block would become.
 */
function makeResizeInode(maker: Maker): void {
  const { geometry } = maker.plan;
  const { blockSize, firstDataBlock, gdtBlocks, reservedGdtBlocks, groupCount } = geometry;
  const goal = firstDataBlock + gdtBlocks + reservedGdtBlocks + 2 + geometry.itableBlocks;
  const double = takeBlock(maker, goal);
  const view = newBlock(maker, double);
  const perBlock = blockSize / 4;
  const copies: number[] = [];
  for (let group = 1; group < groupCount; group++) {
    if (geometry.hasSuper(group)) copies.push(geometry.groupStart(group) - firstDataBlock);
  }
  for (let index = 0; index < reservedGdtBlocks; index++) {
    const block = firstDataBlock + 1 + gdtBlocks + index;
    storeU32(view, (gdtBlocks + index) % perBlock, block);
    const single = newBlock(maker, block);
    for (const [n, distance] of copies.entries()) storeU32(single, n, block + distance);
  }
  const pointers = new DataView(new ArrayBuffer(i.I_BLOCK_SIZE));
  storeU32(pointers, 13, double);
  const blocks = 1 + reservedGdtBlocks * (1 + copies.length);
  const size = (perBlock ** 2 + perBlock + 12) * blockSize;
  const file = { mode: S_IFREG | 0o600, links: 1, size };
  const block = new Uint8Array(pointers.buffer);
  setInode(maker, i.INO_RESIZE, file, { flags: 0, block, blocks, runs: [] });
}

/** Inode 8, near the middle of the device. */
function makeJournal(maker: Maker, length: number): void {
  const { geometry, superblock } = maker.plan;
  // Without extents mke2fs has no place in mind.
  const goal = geometry.extents ? journalGoal(maker) : geometry.firstDataBlock;
  const mapped = map(maker, i.INO_JOURNAL, goal, length);
  const file = { mode: S_IFREG | 0o600, links: 1, size: length * geometry.blockSize };
  setInode(maker, i.INO_JOURNAL, file, mapped);
  const view = newBlock(maker, mapped.runs[0]!.start);
  JBD2_SUPERBLOCK.magic.set(view, 0, JBD2_MAGIC);
  JBD2_SUPERBLOCK.type.set(view, 0, BLOCK_SUPERBLOCK_V2);
  JBD2_SUPERBLOCK.blockSize.set(view, 0, geometry.blockSize);
  JBD2_SUPERBLOCK.maxlen.set(view, 0, length);
  JBD2_SUPERBLOCK.first.set(view, 0, 1);
  JBD2_SUPERBLOCK.sequence.set(view, 0, 1);
  JBD2_SUPERBLOCK.uuid.set(view, 0, geometry.uuid);
  JBD2_SUPERBLOCK.users.set(view, 0, 1);
  SUPERBLOCK.journalBackupType.set(superblock, 0, JOURNAL_BACKUP_BLOCKS);
  SUPERBLOCK.journalBlocks.get(superblock, 0).set(mapped.block);
  const sizesAt = SUPERBLOCK.journalBlocks.offset + i.I_BLOCK_SIZE;
  superblock.setUint32(sizesAt, Math.floor(file.size / 2 ** 32), true);
  superblock.setUint32(sizesAt + 4, file.size % 2 ** 32, true);
}

/** Inode 12: a file of tables, in which the kernel notes the inodes that wait to be freed. */
function makeOrphanFile(maker: Maker): void {
  const { geometry, superblock } = maker.plan;
  const { blockSize, csumSeed } = geometry;
  const { blockCount } = geometry;
  const count = Math.max(ORPHAN_FILE_MIN, Math.min(ORPHAN_FILE_MAX, Math.floor(blockCount / 4096)));
  const ino = ++maker.lastIno;
  const mapped = map(maker, ino, geometry.firstDataBlock, count);
  const file = { mode: S_IFREG | 0o600, links: 1, size: count * blockSize };
  setInode(maker, ino, file, mapped);
  SUPERBLOCK.orphanFileIno.set(superblock, 0, ino);
  const seed = inodeSeed(csumSeed, ino, 0);
  const tail = blockSize - ORPHAN_TAIL_SIZE;
  for (const { start, length } of mapped.runs) {
    for (let pblk = start; pblk < start + length; pblk++) {
      const view = newBlock(maker, pblk);
      ORPHAN_TAIL.magic.set(view, tail, ORPHAN_MAGIC);
      if (!geometry.metadataCsum) continue;
      ORPHAN_TAIL.checksum.set(view, tail, crcRaw(crcU64(seed, pblk), view, 0, tail));
    }
  }
}

/** The start of the group with the most free blocks around the middle of the device. */
function journalGoal(maker: Maker): number {
  const { geometry } = maker.plan;
  const { groupCount, flexSize } = geometry;
  const middle = geometry.groupOf(Math.floor(geometry.blockCount / 2));
  const free = (group: number): number => {
    const start = geometry.groupStart(group);
    const length = geometry.groupLength(group);
    return length - maker.layout.space.usedIn(start, start + length);
  };
  let group = middle;
  let start = Math.max(0, middle - 1);
  if (flexSize > 1 && middle > flexSize) {
    group = middle - (middle % flexSize);
    while (group < groupCount && free(group) === 0) group++;
    if (group === groupCount) group = 0;
    start = group;
  }
  let best = start;
  for (let next = start + 1; next <= Math.min(group + 1, groupCount - 1); next++) {
    if (free(next) > free(best)) best = next;
  }
  return geometry.groupStart(best);
}
