/**
 * Pass 1: the blocks of one inode, by its extent tree or its block pointers. Every block that is
 * named is claimed; a node that somebody else has is not entered, so a loop ends where it begins.
 */
import { crcRaw } from "../checksum.ts";
import {
  EXTENT,
  EXTENT_DEPTH_MAX,
  EXTENT_ENTRY_SIZE,
  EXTENT_HEADER,
  EXTENT_INDEX,
  EXTENT_MAGIC,
  EXTENT_ROOT_MAX,
  extentLength,
  extentsPerBlock,
  extentStart,
  extentUnwritten,
  indexLeaf,
} from "../format/extent.ts";
import type { Claims } from "./claims.ts";
import type { Image } from "./image.ts";

const HEADER = "ext4_extent_header";
const LBLK_END = 2 ** 32;
/** Blocks that i_block names itself, before the pointers to indirect blocks. */
const DIRECT = 12;
/** Pointers in i_block. */
const POINTERS = 15;

/** Told of every run of blocks, in the order of the file. */
export interface RunReader {
  run(lblk: number, pblk: number, length: number): void;
}

/** What an inode's blocks come to. One object serves all inodes: see `reset`. */
export class BlockMap {
  /** Blocks that belong to the inode, those of the map itself included. */
  blocks = 0;
  /** One after the last logical block, written or not. */
  end = 0;
  /** One after the last written block. */
  endWritten = 0;
  /** Device block of logical block 0, or 0. */
  first = 0;
  /** Entries of the root that are extents; for symlinks. */
  runs = 0;
  /** Nothing was wrong. */
  sound = true;
  private readonly image: Image;
  private readonly claims: Claims;
  private ino = 0;
  private seed = 0;
  private reader: RunReader | null = null;
  /** Levels below the pointer that a tree of pointers is read from. */
  private nextLblk = 0;

  constructor(image: Image, claims: Claims) {
    this.image = image;
    this.claims = claims;
  }

  /** Begin another inode. `reader` is for directories, which have no unwritten blocks. */
  reset(ino: number, seed: number, reader: RunReader | null): void {
    this.blocks = 0;
    this.end = 0;
    this.endWritten = 0;
    this.first = 0;
    this.runs = 0;
    this.sound = true;
    this.ino = ino;
    this.seed = seed;
    this.reader = reader;
  }

  /** The extent tree whose root, in i_block, is at `at`. */
  readExtents(view: DataView, at: number): void {
    const depth = EXTENT_HEADER.depth.get(view, at);
    if (depth > EXTENT_DEPTH_MAX) {
      this.wrong(HEADER, "depth", depth, `at most ${EXTENT_DEPTH_MAX}`);
      return;
    }
    this.readNode(view, at, EXTENT_ROOT_MAX, depth, -1, LBLK_END, 0);
  }

  /** The pointers of i_block, at `at`. */
  readPointers(view: DataView, at: number): void {
    const perBlock = this.image.geometry.blockSize / 4;
    this.nextLblk = 0;
    for (let index = 0; index < POINTERS; index++) {
      const levels = Math.max(0, index - DIRECT + 1);
      this.readPointer(view.getUint32(at + 4 * index, true), levels, perBlock);
    }
  }

  private get where(): string {
    return `inode ${this.ino}`;
  }

  private wrong(
    structure: string,
    field: string,
    found: string | number,
    expected: string | number,
  ) {
    this.sound = false;
    this.image.findings.add(structure, this.where, field, found, expected);
  }

  /**
   * A node of the tree at `at`, with room for `max` entries. It covers the file from `start` (-1:
   * anywhere) up to `limit`; `pblk` is where it stands, 0 for the root.
   */
  private readNode(
    view: DataView,
    at: number,
    room: number,
    depth: number,
    start: number,
    limit: number,
    pblk: number,
  ): void {
    if (!this.checkHeader(view, at, room, depth, pblk)) return;
    const entries = EXTENT_HEADER.entries.get(view, at);
    const firstAt = at + EXTENT_ENTRY_SIZE;
    if (entries > 0 && start >= 0 && EXTENT.block.get(view, firstAt) !== start) {
      this.wrong(HEADER, `block ${pblk}: first block`, EXTENT.block.get(view, firstAt), start);
    }
    if (depth === 0) this.readLeaf(view, firstAt, entries, limit);
    else this.readIndex(view, firstAt, entries, depth, limit);
  }

  private checkHeader(
    view: DataView,
    at: number,
    room: number,
    depth: number,
    pblk: number,
  ): boolean {
    const place = pblk === 0 ? "root" : `block ${pblk}`;
    const magic = EXTENT_HEADER.magic.get(view, at);
    const entries = EXTENT_HEADER.entries.get(view, at);
    const max = EXTENT_HEADER.max.get(view, at);
    const foundDepth = EXTENT_HEADER.depth.get(view, at);
    if (magic !== EXTENT_MAGIC) {
      this.wrong(HEADER, `${place}: magic`, magic, EXTENT_MAGIC);
      return false;
    }
    if (foundDepth !== depth) this.wrong(HEADER, `${place}: depth`, foundDepth, depth);
    const csum = pblk > 0 && this.image.geometry.metadataCsum;
    const fits = max <= room && max >= room - 2;
    if (!fits) this.wrong(HEADER, `${place}: max`, max, room);
    if (entries > Math.min(max, room)) {
      this.wrong(HEADER, `${place}: entries`, entries, `at most ${max}`);
      return false;
    }
    if (entries === 0 && depth > 0) this.wrong(HEADER, `${place}: entries`, 0, "at least 1");
    if (csum && fits) {
      const length = EXTENT_ENTRY_SIZE * (1 + max);
      const found = view.getUint32(at + length, true);
      const expected = crcRaw(this.seed, view, at, length);
      if (found !== expected) this.wrong(HEADER, `${place}: checksum`, found, expected);
    }
    return foundDepth === depth;
  }

  private readIndex(
    view: DataView,
    firstAt: number,
    entries: number,
    depth: number,
    limit: number,
  ): void {
    const { image } = this;
    const room = extentsPerBlock(image.geometry.blockSize);
    let previous = -1;
    for (let index = 0; index < entries; index++) {
      const at = firstAt + EXTENT_ENTRY_SIZE * index;
      const lblk = EXTENT_INDEX.block.get(view, at);
      const isLast = index === entries - 1;
      const next = isLast ? limit : EXTENT_INDEX.block.get(view, at + EXTENT_ENTRY_SIZE);
      if (lblk <= previous || lblk >= limit) {
        this.wrong("ext4_extent_idx", "block", lblk, `between ${previous + 1} and ${limit - 1}`);
      }
      previous = lblk;
      const leaf = indexLeaf(view, at);
      if (!this.take("ext4_extent_idx", "leaf", leaf, 1)) continue;
      if (image.open(leaf)) {
        this.readNode(image.view, image.at, room, depth - 1, lblk, next, leaf);
      }
    }
  }

  private readLeaf(view: DataView, firstAt: number, entries: number, limit: number): void {
    let next = 0;
    for (let index = 0; index < entries; index++) {
      const at = firstAt + EXTENT_ENTRY_SIZE * index;
      const lblk = EXTENT.block.get(view, at);
      const length = extentLength(view, at);
      const unwritten = extentUnwritten(view, at);
      if (length === 0) {
        this.wrong("ext4_extent", `block ${lblk}: length`, 0, "at least 1");
        continue;
      }
      if (lblk < next) this.wrong("ext4_extent", "block", lblk, `at least ${next}`);
      next = lblk + length;
      if (next > limit) this.wrong("ext4_extent", `block ${lblk}: end`, next, `at most ${limit}`);
      const start = extentStart(view, at);
      this.runs++;
      if (unwritten && this.reader !== null) {
        this.wrong("ext4_extent", `block ${lblk}: length`, "unwritten", "written in a directory");
      }
      this.take("ext4_extent", `block ${lblk}: start`, start, length);
      this.cover(lblk, start, length, unwritten);
    }
  }

  /** Logical blocks were found on the medium. */
  private cover(lblk: number, pblk: number, length: number, unwritten: boolean): void {
    this.end = Math.max(this.end, lblk + length);
    if (!unwritten) this.endWritten = Math.max(this.endWritten, lblk + length);
    const { image } = this;
    const isThere = image.isOnDevice(pblk) && image.isOnDevice(pblk + length - 1);
    if (!isThere) return;
    if (lblk === 0) this.first = pblk;
    this.reader?.run(lblk, pblk, length);
  }

  /** Claim blocks for the inode. False where that was not to be, with a finding. */
  private take(structure: string, field: string, pblk: number, length: number): boolean {
    const { image, claims } = this;
    if (!image.isOnDevice(pblk) || !image.isOnDevice(pblk + length - 1)) {
      this.wrong(structure, field, `${length} blocks at ${pblk}`, "blocks of the device");
      return false;
    }
    this.blocks += length;
    const before = claims.claim(pblk, length);
    if (before === 0) return true;
    this.wrong(structure, field, `${length} blocks at ${pblk}`, `${before} of them for itself`);
    return false;
  }

  /** A pointer that leads to data through `levels` indirect blocks. */
  private readPointer(pblk: number, levels: number, perBlock: number): void {
    const lblk = this.nextLblk;
    const span = perBlock ** levels;
    if (pblk === 0) {
      this.nextLblk = lblk + span;
      return;
    }
    const field = levels === 0 ? `block ${lblk}` : `indirect block at ${lblk}`;
    const taken = this.take("ext4_inode", field, pblk, 1);
    if (levels === 0) {
      this.cover(lblk, pblk, 1, false);
      this.nextLblk = lblk + 1;
      return;
    }
    if (taken && this.image.open(pblk)) {
      const { view, at } = this.image;
      for (let index = 0; index < perBlock; index++) {
        this.readPointer(view.getUint32(at + 4 * index, true), levels - 1, perBlock);
      }
    }
    this.nextLblk = lblk + span;
  }
}
