/**
 * Pass 2: the hash tree of a directory: which block is an index, which a leaf, and between which
 * hashes the names of a leaf lie. Every block is reached once, or not at all, which is a finding.
 */
import { crcRaw, crcZeros } from "../checksum.ts";
import { DIRENT } from "../format/dirent.ts";
import {
  DX_BLOCK_MASK,
  DX_COUNT_LIMIT,
  DX_ENTRY,
  DX_ENTRY_SIZE,
  DX_HASH_TEA,
  DX_LEVELS_MAX,
  DX_NODE_ENTRIES_AT,
  DX_ROOT_ENTRIES_AT,
  DX_ROOT_INFO,
  DX_ROOT_INFO_AT,
  DX_ROOT_INFO_SIZE,
  DX_TAIL,
  dxLimit,
} from "../format/htree.ts";
import type { Image } from "./image.ts";

const ROLE_NONE = 0;
export const ROLE_ROOT = 1;
/** Index block below the root. */
export const ROLE_INDEX = 2;
export const ROLE_LEAF = 3;

const HASH_END = 2 ** 32;

export class HashTree {
  /** DX_HASH_* of the directory that was read last. */
  version = 0;
  unsigned = false;
  private readonly image: Image;
  private roles = new Uint8Array(64);
  private mins = new Uint32Array(64);
  private ends = new Float64Array(64);
  private blocks: Float64Array = new Float64Array(0);
  private length = 0;
  private ino = 0;
  private seed = 0;

  constructor(image: Image) {
    this.image = image;
  }

  roleOf(lblk: number): number {
    return this.roles[lblk]!;
  }

  /** Smallest hash of names in a leaf. */
  minOf(lblk: number): number {
    return this.mins[lblk]!;
  }

  /** The hash that names in a leaf stay below. */
  endOf(lblk: number): number {
    return this.ends[lblk]!;
  }

  /**
   * Read the tree of a directory whose blocks are `blocks[0]` to `blocks[length - 1]`, 0 where there
   * is a hole. False where there is no tree to speak of.
   */
  read(ino: number, seed: number, blocks: Float64Array, length: number): boolean {
    this.ino = ino;
    this.seed = seed;
    this.blocks = blocks;
    this.length = length;
    if (this.roles.length < length) {
      this.roles = new Uint8Array(2 * length);
      this.mins = new Uint32Array(2 * length);
      this.ends = new Float64Array(2 * length);
    }
    this.roles.fill(ROLE_NONE, 0, length);
    const { image } = this;
    if (length === 0 || blocks[0] === 0 || !image.open(blocks[0]!)) return false;
    if (!this.readRoot(image.view, image.at)) return false;
    this.findUnreferenced();
    return true;
  }

  private add(field: string, found: string | number, expected: string | number): void {
    this.image.findings.add("dx_node", `inode ${this.ino}`, field, found, expected);
  }

  private readRoot(view: DataView, at: number): boolean {
    const info = at + DX_ROOT_INFO_AT;
    const version = DX_ROOT_INFO.hashVersion.get(view, info);
    const infoLength = DX_ROOT_INFO.infoLength.get(view, info);
    const levels = DX_ROOT_INFO.indirectLevels.get(view, info);
    const zero = DX_ROOT_INFO.reservedZero.get(view, info);
    const flags = DX_ROOT_INFO.unusedFlags.get(view, info);
    if (zero !== 0) this.add("root: reservedZero", zero, 0);
    if (infoLength !== DX_ROOT_INFO_SIZE) this.add("root: infoLength", infoLength, 8);
    if (version > DX_HASH_TEA) this.add("root: hashVersion", version, `at most ${DX_HASH_TEA}`);
    if (levels > DX_LEVELS_MAX)
      this.add("root: indirectLevels", levels, `at most ${DX_LEVELS_MAX}`);
    if ((flags & 1) !== 0) this.add("root: unusedFlags", flags, 0);
    const bad = zero !== 0 || infoLength !== DX_ROOT_INFO_SIZE || version > DX_HASH_TEA;
    if (bad || levels > DX_LEVELS_MAX) return false;
    this.version = version;
    this.unsigned = this.image.geometry.hashUnsigned;
    this.roles[0] = ROLE_ROOT;
    this.readEntries(view, at, DX_ROOT_ENTRIES_AT, 0, levels, 0, HASH_END);
    return true;
  }

  /** The entries of an index block; `levels` more index blocks stand between it and the leaves. */
  private readEntries(
    view: DataView,
    at: number,
    entriesAt: number,
    lblk: number,
    levels: number,
    min: number,
    end: number,
  ): void {
    const { blockSize, metadataCsum } = this.image.geometry;
    const entries = at + entriesAt;
    const limit = DX_COUNT_LIMIT.limit.get(view, entries);
    const count = DX_COUNT_LIMIT.count.get(view, entries);
    const room = dxLimit(blockSize, entriesAt, metadataCsum);
    if (limit !== room) {
      this.add(`block ${lblk}: limit`, limit, room);
      return;
    }
    if (count === 0 || count > limit) {
      this.add(`block ${lblk}: count`, count, `1 to ${limit}`);
      return;
    }
    if (metadataCsum) this.checkChecksum(view, at, entriesAt, limit, count, lblk);
    let hash = min;
    for (let index = 0; index < count; index++) {
      const entry = entries + DX_ENTRY_SIZE * index;
      const isLast = index === count - 1;
      const next = isLast ? end : DX_ENTRY.hash.get(view, entry + DX_ENTRY_SIZE);
      if (next < hash || next > end) {
        this.add(`block ${lblk}: entry ${index + 1}: hash`, next, `${hash} to ${end}`);
      }
      const child = DX_ENTRY.block.get(view, entry) & DX_BLOCK_MASK;
      this.enter(child, levels, hash, next, lblk);
      hash = next;
    }
  }

  private enter(lblk: number, levels: number, min: number, end: number, parent: number): void {
    const isThere = lblk > 0 && lblk < this.length;
    if (!isThere || this.roles[lblk] !== ROLE_NONE) {
      const expected = isThere ? "a block that nothing else leads to" : "a block of the directory";
      this.add(`block ${parent}: block`, lblk, expected);
      return;
    }
    // Bit 0 says that names with this hash begin in the leaf before: they may go on here.
    this.mins[lblk] = (min & ~1) >>> 0;
    this.ends[lblk] = end;
    this.roles[lblk] = levels > 0 ? ROLE_INDEX : ROLE_LEAF;
    const pblk = this.blocks[lblk]!;
    if (levels === 0 || pblk === 0 || !this.image.open(pblk)) return;
    const { view, at } = this.image;
    const { blockSize } = this.image.geometry;
    const isFree = DIRENT.inode.get(view, at) === 0 && DIRENT.nameLen.get(view, at) === 0;
    if (
      !isFree ||
      DIRENT.fileType.get(view, at) !== 0 ||
      DIRENT.recLen.get(view, at) !== blockSize
    ) {
      this.add(`block ${lblk}: recLen`, DIRENT.recLen.get(view, at), "a free entry over the block");
    }
    this.readEntries(view, at, DX_NODE_ENTRIES_AT, lblk, levels - 1, min, end);
  }

  private checkChecksum(
    view: DataView,
    at: number,
    entriesAt: number,
    limit: number,
    count: number,
    lblk: number,
  ): void {
    const tail = at + entriesAt + DX_ENTRY_SIZE * limit;
    const used = crcRaw(this.seed, view, at, entriesAt + DX_ENTRY_SIZE * count);
    const expected = crcZeros(crcRaw(used, view, tail, DX_TAIL.checksum.offset), 4);
    const found = DX_TAIL.checksum.get(view, tail);
    if (found !== expected) this.add(`block ${lblk}: checksum`, found, expected);
  }

  private findUnreferenced(): void {
    for (let lblk = 1; lblk < this.length; lblk++) {
      if (this.roles[lblk] !== ROLE_NONE || this.blocks[lblk] === 0) continue;
      this.add(`block ${lblk}`, "in no index", "an entry that leads to it");
      this.roles[lblk] = ROLE_LEAF;
      this.mins[lblk] = 0;
      this.ends[lblk] = HASH_END;
    }
  }
}
