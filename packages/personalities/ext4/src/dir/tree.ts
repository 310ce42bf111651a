/**
 * The hash tree of an indexed directory: finding the leaf that a hash belongs to, and going on from
 * leaf to leaf. split.ts lets it grow.
 *
 * An index block is verified whole when it is first used as one, on top of what its checksum says:
 * limits, order, and that it leads into the directory.
 */
import { assert, corrupt, verify } from "@xiplab/core";
import type { Buffer } from "../buffers.ts";
import { DIRENT, DIRENT_MIN } from "../format/dirent.ts";
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
  dxLimit,
} from "../format/htree.ts";
import type { Ext4Inode } from "../inode.ts";
import type { Volume } from "../volume.ts";
import { indexEntriesAt } from "./block.ts";
import { blocksOf, readBlock } from "./read.ts";

/** Index blocks that were verified as such. A buffer that is read anew is another object. */
const verified = new WeakSet<Buffer>();

/** The way from the root to a leaf. `level` 0 is the root. */
export class TreePath {
  /** Index blocks on the way: 1 or 2. */
  depth = 0;
  readonly buffers: Buffer[] = [];
  /** Which entry of each was taken. */
  readonly indices = [0, 0];

  buffer(level: number): Buffer {
    return this.buffers[level]!;
  }

  /** Byte of an index block where its entries begin. */
  entriesAt(level: number): number {
    return level === 0 ? DX_ROOT_ENTRIES_AT : DX_NODE_ENTRIES_AT;
  }

  count(level: number): number {
    const { at, view } = this.buffer(level);
    return DX_COUNT_LIMIT.count.get(view, at + this.entriesAt(level));
  }

  limit(level: number): number {
    const { at, view } = this.buffer(level);
    return DX_COUNT_LIMIT.limit.get(view, at + this.entriesAt(level));
  }

  isFull(level: number): boolean {
    return this.count(level) === this.limit(level);
  }

  /** The block that the entry taken at the last level leads to. */
  leaf(): number {
    const level = this.depth - 1;
    const { at, view } = this.buffer(level);
    return blockOf(view, at + this.entriesAt(level), this.indices[level]!);
  }
}

const blockOf = (view: DataView, entries: number, index: number): number =>
  DX_ENTRY.block.get(view, entries + index * DX_ENTRY_SIZE) & DX_BLOCK_MASK;

/** One for all calls: none calls another that uses it. */
export const treePath = new TreePath();

/** The root, verified; its hash version. @throws CorruptionError */
export function hashVersionOf(volume: Volume, directory: Ext4Inode): number {
  const { at, view } = readIndex(volume, directory, 0);
  return DX_ROOT_INFO.hashVersion.get(view, at + DX_ROOT_INFO_AT);
}

/** Find the first leaf that may hold names with this hash. HOT. @throws CorruptionError */
export function probe(volume: Volume, directory: Ext4Inode, hash: number, path: TreePath): void {
  const root = readIndex(volume, directory, 0);
  const levels = DX_ROOT_INFO.indirectLevels.get(root.view, root.at + DX_ROOT_INFO_AT);
  path.depth = levels + 1;
  path.buffers[0] = root;
  path.indices[0] = search(root, DX_ROOT_ENTRIES_AT, hash);
  if (levels === 0) return;
  const { at, view } = root;
  const block = blockOf(view, at + DX_ROOT_ENTRIES_AT, path.indices[0]);
  const node = readIndex(volume, directory, block);
  path.buffers[1] = node;
  path.indices[1] = search(node, DX_NODE_ENTRIES_AT, hash);
}

/** The last entry whose hash is not larger. HOT. */
function search({ at, view }: Buffer, entriesAt: number, hash: number): number {
  const entries = at + entriesAt;
  let low = 0;
  let high = DX_COUNT_LIMIT.count.get(view, entries);
  // Entry `low` is not larger (entry 0 never is), entry `high` is.
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (view.getUint32(entries + middle * DX_ENTRY_SIZE, true) > hash) high = middle;
    else low = middle;
  }
  return low;
}

/**
 * The hash with which the leaf behind the one of `path` begins, bit 0 included; -1 if there is none.
 */
export function nextHash(path: TreePath): number {
  for (let level = path.depth - 1; level >= 0; level--) {
    const index = path.indices[level]! + 1;
    if (index === path.count(level)) continue;
    const { at, view } = path.buffer(level);
    return DX_ENTRY.hash.get(view, at + path.entriesAt(level) + index * DX_ENTRY_SIZE);
  }
  return -1;
}

/** Go on to the next leaf, which there is. @throws CorruptionError */
export function advance(volume: Volume, directory: Ext4Inode, path: TreePath): void {
  const last = path.depth - 1;
  if (path.indices[last]! + 1 < path.count(last)) {
    path.indices[last]!++;
    return;
  }
  assert(last === 1, "there is a next leaf");
  path.indices[0]!++;
  const { at, view } = path.buffer(0);
  const block = blockOf(view, at + DX_ROOT_ENTRIES_AT, path.indices[0]!);
  path.buffers[1] = readIndex(volume, directory, block);
  path.indices[1] = 0;
}

/** An index block: the root is block 0. HOT once it was verified. @throws CorruptionError */
function readIndex(volume: Volume, directory: Ext4Inode, lblk: number): Buffer {
  const buffer = readBlock(volume, directory, lblk);
  if (!verified.has(buffer)) {
    verifyIndex(volume, directory, lblk, buffer);
    verified.add(buffer);
  }
  return buffer;
}

/** For split.ts: the block was made here. */
export function trustIndex(buffer: Buffer): void {
  verified.add(buffer);
}

/** Is the block part of an index? Then it holds no names. */
export const isTrustedIndex = (buffer: Buffer): boolean => verified.has(buffer);

function verifyIndex(volume: Volume, directory: Ext4Inode, lblk: number, buffer: Buffer): void {
  const { geometry } = volume;
  const { at, view } = buffer;
  const where = geometry.pblkToDevByte(buffer.pblk);
  const entriesAt = lblk === 0 ? DX_ROOT_ENTRIES_AT : DX_NODE_ENTRIES_AT;
  const found = indexEntriesAt(geometry, buffer);
  if (lblk === 0) {
    const length = DIRENT.recLen.get(view, at + DIRENT_MIN);
    const expected = geometry.blockSize - DIRENT_MIN;
    verify(found === entriesAt, "dx_root", where, "dotdot recLen", length, expected);
    verifyRootInfo(view, at + DX_ROOT_INFO_AT, where);
  } else {
    const length = DIRENT.recLen.get(view, at);
    verify(found === entriesAt, "dx_node", where, "fake recLen", length, geometry.blockSize);
  }
  const limit = DX_COUNT_LIMIT.limit.get(view, at + entriesAt);
  const limitMax = dxLimit(geometry.blockSize, entriesAt, geometry.metadataCsum);
  verify(limit === limitMax, "dx_countlimit", where, "limit", limit, limitMax);
  const count = DX_COUNT_LIMIT.count.get(view, at + entriesAt);
  verify(count >= 1 && count <= limit, "dx_countlimit", where, "count", count, `1 to ${limit}`);
  verifyEntries(view, at + entriesAt, count, where, blocksOf(volume, directory));
}

function verifyRootInfo(view: DataView, at: number, where: number): void {
  const i = DX_ROOT_INFO;
  const version = i.hashVersion.get(view, at);
  verify(version <= DX_HASH_TEA, "dx_root_info", where, "hashVersion", version, "0, 1 or 2");
  const length = i.infoLength.get(view, at);
  const size = DX_ROOT_INFO_SIZE;
  verify(length === size, "dx_root_info", where, "infoLength", length, size);
  const levels = i.indirectLevels.get(view, at);
  verify(levels <= DX_LEVELS_MAX, "dx_root_info", where, "indirectLevels", levels, "0 or 1");
  const flags = i.unusedFlags.get(view, at);
  verify((flags & 1) === 0, "dx_root_info", where, "unusedFlags", flags, "bit 0 clear");
}

function verifyEntries(
  view: DataView,
  entries: number,
  count: number,
  where: number,
  blocks: number,
): void {
  let last = 0;
  for (let index = 0; index < count; index++) {
    const at = entries + index * DX_ENTRY_SIZE;
    const block = blockOf(view, entries, index);
    if (block === 0 || block >= blocks) {
      corrupt("dx_entry", where, `block of entry ${index}`, block, `1 to ${blocks - 1}`);
    }
    if (index === 0) continue;
    const hash = DX_ENTRY.hash.get(view, at);
    // Equal ones are several blocks of names with one hash, all but the first of them continued.
    if (hash < last) corrupt("dx_entry", where, `hash of entry ${index}`, hash, `>= ${last}`);
    last = hash;
  }
}
