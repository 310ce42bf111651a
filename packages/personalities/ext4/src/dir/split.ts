/**
 * How a hash tree grows: a full leaf is split by hash, a full index block in its middle, and a full
 * root moves its entries into a new level below. Each step leaves a sound tree, so that what follows
 * may fail for want of space.
 */
import { assert, FsError } from "@xiplab/core";
import type { Buffer } from "../buffers.ts";
import { DIRENT } from "../format/dirent.ts";
import {
  DX_COUNT_LIMIT,
  DX_ENTRY,
  DX_ENTRY_SIZE,
  DX_NODE_ENTRIES_AT,
  DX_ROOT_ENTRIES_AT,
  DX_ROOT_INFO,
  DX_ROOT_INFO_AT,
  dxLimit,
} from "../format/htree.ts";
import type { Ext4Inode } from "../inode.ts";
import type { Volume } from "../volume.ts";
import { rewrite } from "./block.ts";
import { EntryList } from "./entry-list.ts";
import { appendBlock } from "./grow.ts";
import { blocksOf } from "./read.ts";
import { hashVersionOf, probe, type TreePath, trustIndex } from "./tree.ts";

/** Leaf entries that a set bit 0 marks: names with this hash begin in the leaf before. */
const CONTINUED = 1;

/**
 * See that the index block above the leaf of `path` has room for one more. The path may be another
 * one afterwards, to the same hash. Inside a handle.
 * @throws FsError ENOSPC: the tree has all the levels it can have, or no block is left
 */
export function growIndex(
  volume: Volume,
  directory: Ext4Inode,
  path: TreePath,
  hash: number,
): void {
  const last = path.depth - 1;
  if (!path.isFull(last)) return;
  if (last === 0) addLevel(volume, directory, path);
  else splitNode(volume, directory, path);
  probe(volume, directory, hash, path);
}

/** The entries of the root move to a block below it. */
function addLevel(volume: Volume, directory: Ext4Inode, path: TreePath): void {
  const lblk = blocksOf(volume, directory);
  const node = newNode(volume, directory);
  const root = path.buffer(0);
  rewrite(volume, root);
  moveEntries(root, DX_ROOT_ENTRIES_AT, 0, node);
  const { at, view } = root;
  DX_COUNT_LIMIT.count.set(view, at + DX_ROOT_ENTRIES_AT, 1);
  DX_COUNT_LIMIT.block.set(view, at + DX_ROOT_ENTRIES_AT, lblk);
  DX_ROOT_INFO.indirectLevels.set(view, at + DX_ROOT_INFO_AT, 1);
}

/** The upper half of an index block below the root moves to a new one. */
function splitNode(volume: Volume, directory: Ext4Inode, path: TreePath): void {
  if (path.isFull(0)) throw new FsError("ENOSPC", "the directory's index has no room");
  const lblk = blocksOf(volume, directory);
  const node = newNode(volume, directory);
  const old = path.buffer(1);
  rewrite(volume, old);
  const half = path.count(1) >>> 1;
  const hash = DX_ENTRY.hash.get(old.view, old.at + DX_NODE_ENTRIES_AT + half * DX_ENTRY_SIZE);
  moveEntries(old, DX_NODE_ENTRIES_AT, half, node);
  rewrite(volume, path.buffer(0));
  insertEntry(path, 0, hash, lblk);
}

function newNode(volume: Volume, directory: Ext4Inode): Buffer {
  const { geometry } = volume;
  const buffer = appendBlock(volume, directory);
  const { at, view } = buffer;
  DIRENT.recLen.set(view, at, geometry.blockSize);
  const limit = dxLimit(geometry.blockSize, DX_NODE_ENTRIES_AT, geometry.metadataCsum);
  DX_COUNT_LIMIT.limit.set(view, at + DX_NODE_ENTRIES_AT, limit);
  trustIndex(buffer);
  return buffer;
}

/** Entries from `first` on move to a new index block, whose entry 0 has no hash then. */
function moveEntries(source: Buffer, entriesAt: number, first: number, target: Buffer): void {
  assert(source.bytes !== null, "the source is being written");
  assert(target.bytes !== null, "the target is being written");
  const count = DX_COUNT_LIMIT.count.get(source.view, source.at + entriesAt);
  const from = entriesAt + first * DX_ENTRY_SIZE;
  const end = entriesAt + count * DX_ENTRY_SIZE;
  const head = target.at + DX_NODE_ENTRIES_AT;
  const limit = DX_COUNT_LIMIT.limit.get(target.view, head);
  assert(count - first <= limit, "the entries have room");
  target.bytes.set(source.bytes.subarray(from, end), DX_NODE_ENTRIES_AT);
  DX_COUNT_LIMIT.limit.set(target.view, head, limit);
  DX_COUNT_LIMIT.count.set(target.view, head, count - first);
  source.bytes.fill(0, Math.max(from, entriesAt + DX_ENTRY_SIZE), end);
  DX_COUNT_LIMIT.count.set(source.view, source.at + entriesAt, first);
}

/** Put an entry behind the one that the path takes at `level`. The buffer is being written. */
function insertEntry(path: TreePath, level: number, hash: number, block: number): void {
  const { at, bytes, view } = path.buffer(level);
  assert(bytes !== null, "the index block is being written");
  assert(!path.isFull(level), "the index block has room");
  const entriesAt = path.entriesAt(level);
  const count = path.count(level);
  const place = entriesAt + (path.indices[level]! + 1) * DX_ENTRY_SIZE;
  bytes.copyWithin(place + DX_ENTRY_SIZE, place, entriesAt + count * DX_ENTRY_SIZE);
  DX_ENTRY.hash.set(view, at + place, hash);
  DX_ENTRY.block.set(view, at + place, block);
  DX_COUNT_LIMIT.count.set(view, at + entriesAt, count + 1);
}

/**
 * Split the leaf of `path` in two halves by hash. Returns the half that `hash` belongs to; both are
 * in the transaction. The index block above has room. Inside a handle.
 * @throws FsError ENOSPC: nothing changed
 */
export function splitLeaf(
  volume: Volume,
  directory: Ext4Inode,
  path: TreePath,
  leaf: Buffer,
  hash: number,
): Buffer {
  const entries = new EntryList(volume.geometry, leaf, 0);
  entries.sortByHash(hashVersionOf(volume, directory));
  if (entries.count < 2) {
    // Free space in many pieces, as only a foreign writer leaves it.
    rewrite(volume, leaf);
    entries.packInto(leaf, 0, entries.count);
    return leaf;
  }
  const middle = middleOf(entries);
  const lblk = blocksOf(volume, directory);
  const upper = appendBlock(volume, directory);
  rewrite(volume, leaf);
  entries.packInto(upper, middle, entries.count);
  entries.packInto(leaf, 0, middle);
  const first = entries.majorOf(middle);
  const continued = entries.majorOf(middle - 1) === first ? CONTINUED : 0;
  const level = path.depth - 1;
  rewrite(volume, path.buffer(level));
  insertEntry(path, level, first + continued, lblk);
  return hash >= first ? upper : leaf;
}

/** The first entry of the upper half: both halves take about the same room. */
function middleOf(entries: EntryList): number {
  let total = 0;
  for (let index = 0; index < entries.count; index++) total += entries.sizeOf(index);
  let size = 0;
  let middle = 0;
  while (size + entries.sizeOf(middle) / 2 < total / 2) size += entries.sizeOf(middle++);
  return Math.min(Math.max(middle, 1), entries.count - 1);
}
