/**
 * Where the blocks of the journal's inode are. Read from the device itself, before anything was
 * recovered: the inode, its extent blocks and its group's descriptor never change while a file
 * system is mounted, so a power cut cannot have torn what is read of them here. (The checksum of
 * the descriptor may not hold: counts beside the field change. It is not looked at.)
 */
import { assert, corrupt, type DevByte, type Pblk, type PmemDevice } from "@xiplab/core";
import { SEGMENT_SIZE, verify } from "@xiplab/core";
import { crcRaw, inodeSeed } from "../checksum.ts";
import {
  EXTENT,
  EXTENT_DEPTH_MAX,
  EXTENT_ENTRY_SIZE,
  EXTENT_HEADER,
  EXTENT_MAGIC,
  EXTENT_ROOT_MAX,
  EXTENT_TAIL,
  extentLength,
  extentsPerBlock,
  extentStart,
  extentUnwritten,
  indexLeaf,
} from "../format/extent.ts";
import { GROUP_DESC, GROUP_DESC_HIGH } from "../format/group-descriptor.ts";
import { FL_EXTENTS, I_BLOCK_AT, INODE, inodeSizeBytes } from "../format/inode.ts";
import type { Geometry } from "../geometry.ts";
import { verifySystemInode } from "../verify-inode.ts";

const DIRECT_POINTERS = 12;
const LEVELS_MAX = 3;
const STRUCTURE = "journal inode";

export class JournalMap {
  /** Blocks of the inode. */
  length = 0;
  /** Runs in the order of the file: first block of the journal, and of the device. */
  private readonly firsts: number[] = [];
  private readonly starts: number[] = [];
  /** Runs by their place on the device, once somebody asks for that. */
  private sorted: number[] = [];
  private sortedStarts: number[] = [];
  private readonly geometry: Geometry;
  private last = 0;

  constructor(geometry: Geometry) {
    this.geometry = geometry;
  }

  /** Append blocks. @throws CorruptionError where they are not on the device */
  add(pblk: number, length: number): void {
    const { blockCount, firstDataBlock } = this.geometry;
    const inside = pblk > firstDataBlock && pblk + length <= blockCount;
    if (!inside) corrupt(STRUCTURE, `block ${this.length}`, "block", pblk, "one on the device");
    const end = this.starts.length - 1;
    const next = end < 0 ? -1 : this.starts[end]! + this.length - this.firsts[end]!;
    if (next !== pblk) {
      this.firsts.push(this.length);
      this.starts.push(pblk);
    }
    this.length += length;
  }

  /** Device block of block `index` of the journal. HOT. */
  pblk(index: number): Pblk {
    assert(index >= 0, "a block of the journal is in it");
    assert(index < this.length, "a block of the journal is in the inode");
    const { firsts, last } = this;
    // Blocks are asked for in a row, mostly.
    const near =
      index >= firsts[last]! && (last + 1 === firsts.length || index < firsts[last + 1]!);
    if (!near) this.last = lastNotAbove(firsts, index);
    return (this.starts[this.last]! + index - firsts[this.last]!) as Pblk;
  }

  /** HOT. */
  devByte(index: number): DevByte {
    return this.geometry.pblkToDevByte(this.pblk(index));
  }

  /** Is the device block one of the journal's? */
  holds(pblk: number): boolean {
    if (this.sorted.length !== this.starts.length) this.sort();
    const place = lastNotAbove(this.sortedStarts, pblk);
    if (place < 0) return false;
    const run = this.sorted[place]!;
    const end = run + 1 < this.firsts.length ? this.firsts[run + 1]! : this.length;
    return pblk < this.starts[run]! + end - this.firsts[run]!;
  }

  private sort(): void {
    const runs = Array.from(this.starts, (_, run) => run);
    this.sorted = runs.sort((one, other) => this.starts[one]! - this.starts[other]!);
    this.sortedStarts = this.sorted.map((run) => this.starts[run]!);
  }
}

/** Index of the last of ascending numbers that is not above `value`, or -1. */
function lastNotAbove(numbers: readonly number[], value: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** @throws CorruptionError; FsError EIO */
export function readJournalMap(device: PmemDevice, geometry: Geometry): JournalMap {
  const ino = geometry.journalIno;
  const home = inodeAt(device, geometry, ino);
  const view = device.view(home, geometry.inodeSize);
  const at = home % SEGMENT_SIZE;
  verifySystemInode(geometry, view, at, ino);
  const blocks = Math.floor(inodeSizeBytes(view, at) / geometry.blockSize);
  const map = new JournalMap(geometry);
  const reader = new MapReader(device, geometry, map, blocks);
  if ((INODE.flags.get(view, at) & FL_EXTENTS) !== 0) {
    reader.seed = inodeSeed(geometry.csumSeed, ino, INODE.generation.get(view, at));
    reader.readNode(view, at + I_BLOCK_AT, EXTENT_ROOT_MAX, -1);
  } else {
    reader.readPointers(view, at + I_BLOCK_AT);
  }
  verify(map.length === blocks, STRUCTURE, `inode ${ino}`, "blocks", map.length, blocks);
  return map;
}

function inodeAt(device: PmemDevice, geometry: Geometry, ino: number): number {
  const group = geometry.groupOfIno(ino);
  const descBlock = geometry.pblkToDevByte(geometry.descBlock(group));
  const desc = descBlock + geometry.descOffset(group);
  const view = device.view(desc, geometry.descSize);
  const at = desc % SEGMENT_SIZE;
  let table = GROUP_DESC.inodeTableLo.get(view, at);
  if (geometry.descSize > 32) table += GROUP_DESC_HIGH.inodeTableHi.get(view, at) * 2 ** 32;
  const inside = table > 0 && table + geometry.itableBlocks <= geometry.blockCount;
  if (!inside) corrupt("ext4_group_desc", `group ${group}`, "inodeTable", table, "on the device");
  const index = (ino - 1) % geometry.inodesPerGroup;
  return geometry.pblkToDevByte(table) + index * geometry.inodeSize;
}

class MapReader {
  seed = 0;
  private readonly device: PmemDevice;
  private readonly geometry: Geometry;
  private readonly map: JournalMap;
  private readonly blocks: number;

  constructor(device: PmemDevice, geometry: Geometry, map: JournalMap, blocks: number) {
    this.device = device;
    this.geometry = geometry;
    this.map = map;
    this.blocks = blocks;
  }

  /** A node of the extent tree; `depth` as its parent has it, -1 at the root. */
  readNode(view: DataView, at: number, max: number, parentDepth: number): void {
    const magic = EXTENT_HEADER.magic.get(view, at);
    verify(magic === EXTENT_MAGIC, STRUCTURE, "extent node", "magic", magic, EXTENT_MAGIC);
    const depth = EXTENT_HEADER.depth.get(view, at);
    const right = parentDepth < 0 ? depth <= EXTENT_DEPTH_MAX : depth === parentDepth - 1;
    verify(right, STRUCTURE, "extent node", "depth", depth, "one less than above, at most 5");
    const entries = EXTENT_HEADER.entries.get(view, at);
    verify(entries <= max, STRUCTURE, "extent node", "entries", entries, `at most ${max}`);
    for (let index = 1; index <= entries; index++) {
      const entry = at + index * EXTENT_ENTRY_SIZE;
      if (depth === 0) this.addExtent(view, entry);
      else this.readChild(indexLeaf(view, entry), depth);
    }
  }

  /** i_block of an old inode: 12 blocks, then three that lead to blocks, each a level deeper. */
  readPointers(view: DataView, at: number): void {
    for (let index = 0; index < DIRECT_POINTERS; index++) {
      this.follow(view.getUint32(at + 4 * index, true), 0);
    }
    for (let level = 1; level <= LEVELS_MAX; level++) {
      this.follow(view.getUint32(at + 4 * (DIRECT_POINTERS + level - 1), true), level);
    }
  }

  private follow(pblk: number, level: number): void {
    if (this.map.length >= this.blocks) return;
    if (level === 0) {
      this.map.add(pblk, 1);
      return;
    }
    const { blockSize } = this.geometry;
    const { view, at } = this.look(pblk);
    for (let index = 0; index < blockSize / 4; index++) {
      this.follow(view.getUint32(at + 4 * index, true), level - 1);
    }
  }

  private addExtent(view: DataView, entry: number): void {
    // Blocks behind the end of the file belong to it, and to no journal.
    if (this.map.length >= this.blocks) return;
    const lblk = EXTENT.block.get(view, entry);
    const expected = this.map.length;
    verify(lblk === expected, STRUCTURE, "extent", "block", lblk, `${expected}, without holes`);
    const written = !extentUnwritten(view, entry);
    verify(written, STRUCTURE, `block ${lblk}`, "state", "unwritten", "written");
    const length = extentLength(view, entry);
    verify(length > 0, STRUCTURE, `block ${lblk}`, "length", length, "at least 1");
    this.map.add(extentStart(view, entry), Math.min(length, this.blocks - expected));
  }

  private readChild(pblk: number, depth: number): void {
    if (this.map.length >= this.blocks) return;
    const { view, at } = this.look(pblk);
    const max = extentsPerBlock(this.geometry.blockSize);
    if (this.geometry.metadataCsum) {
      const length = EXTENT_ENTRY_SIZE * (1 + max);
      const found = EXTENT_TAIL.checksum.get(view, at + length);
      const expected = crcRaw(this.seed, view, at, length);
      verify(found === expected, STRUCTURE, `block ${pblk}`, "checksum", found, expected);
    }
    const before = this.map.length;
    this.readNode(view, at, max, depth);
    // Each node adds something: so a tree of nodes that lead to each other ends.
    verify(this.map.length > before, STRUCTURE, `block ${pblk}`, "entries", 0, "at least 1");
  }

  private look(pblk: number): { readonly view: DataView; readonly at: number } {
    const { blockCount, blockSize, firstDataBlock } = this.geometry;
    const inside = pblk > firstDataBlock && pblk < blockCount;
    if (!inside) corrupt(STRUCTURE, "block of pointers", "block", pblk, "one on the device");
    const home = this.geometry.pblkToDevByte(pblk);
    return { view: this.device.view(home, blockSize), at: home % SEGMENT_SIZE };
  }
}
