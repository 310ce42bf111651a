/**
 * Nodes of extent trees: where they are, what is in them, the way down, and their verification.
 *
 * A node is a header and entries at a place in a buffer: the root in the inode's record, the others
 * at the start of blocks of their own. A `Level` is a node together with the entry that a search
 * took; a path is the levels from the root to a leaf.
 */
import { assert, type Pblk, verify } from "@xiplab/core";
import type { BlockKind, Buffer } from "../buffers.ts";
import { crcRaw } from "../checksum.ts";
import * as f from "../format/extent.ts";
import { EXTENT_ENTRY_SIZE, EXTENT_HEADER, EXTENT_TAIL } from "../format/extent.ts";
import { I_BLOCK_AT } from "../format/inode.ts";
import type { Geometry } from "../geometry.ts";
import { slotOf } from "../inode-io.ts";
import type { Ext4Inode } from "../inode.ts";
import type { Volume } from "../volume.ts";

const NAME = "ext4_extent_block";

/** A node, and the entry of it that leads on; -1: in front of the first. */
export interface Level {
  buffer: Buffer;
  /** Of the header, in the block. */
  offset: number;
  index: number;
}

/** A block of an extent tree. `owner` is the seed of the inode. */
const EXTENT_BLOCK: BlockKind = {
  name: NAME,
  verify(geometry, buffer) {
    const { view, at } = buffer;
    const home = geometry.pblkToDevByte(buffer.pblk);
    verifyHeader(view, at, home, f.extentsPerBlock(geometry.blockSize));
    if (geometry.metadataCsum) {
      const found = EXTENT_TAIL.checksum.get(view, tailAt(view, at));
      const right = checksum(buffer);
      verify(found === right, NAME, home, "checksum", found, right);
    }
  },
  stamp(geometry, buffer) {
    if (!geometry.metadataCsum) return;
    EXTENT_TAIL.checksum.set(buffer.view, tailAt(buffer.view, buffer.at), checksum(buffer));
  },
};

/** @throws CorruptionError where the header at `at` is not one of a node with room for `capacity`. */
export function verifyHeader(view: DataView, at: number, where: string | number, capacity: number) {
  const magic = EXTENT_HEADER.magic.get(view, at);
  const entries = EXTENT_HEADER.entries.get(view, at);
  const max = EXTENT_HEADER.max.get(view, at);
  const depth = EXTENT_HEADER.depth.get(view, at);
  verify(magic === f.EXTENT_MAGIC, NAME, where, "magic", magic, f.EXTENT_MAGIC);
  verify(max >= 1 && max <= capacity, NAME, where, "max", max, `1 to ${capacity}`);
  verify(entries <= max, NAME, where, "entries", entries, `at most ${max}`);
  verify(depth <= f.EXTENT_DEPTH_MAX, NAME, where, "depth", depth, `at most 5`);
}

const tailAt = (view: DataView, at: number): number =>
  at + EXTENT_ENTRY_SIZE * (1 + EXTENT_HEADER.max.get(view, at));

function checksum(buffer: Buffer): number {
  const { view, at, owner } = buffer;
  return crcRaw(owner, view, at, tailAt(view, at) - at);
}

export const entriesOf = ({ buffer, offset }: Level): number =>
  EXTENT_HEADER.entries.get(buffer.view, buffer.at + offset);

export const maxOf = ({ buffer, offset }: Level): number =>
  EXTENT_HEADER.max.get(buffer.view, buffer.at + offset);

export const depthOf = ({ buffer, offset }: Level): number =>
  EXTENT_HEADER.depth.get(buffer.view, buffer.at + offset);

/** Where entry `index` stands in `buffer.view`. Ask again after `buffers.write`. */
export const entryAt = ({ buffer, offset }: Level, index: number): number =>
  buffer.at + offset + EXTENT_ENTRY_SIZE * (1 + index);

/** First block of entry `index`: extents and index entries have it at the same place. */
export const keyOf = (level: Level, index: number): number =>
  f.EXTENT.block.get(level.buffer.view, entryAt(level, index));

/** The root of an inode's tree. */
export function rootOf(volume: Volume, inode: Ext4Inode): Level {
  const { buffer, at } = slotOf(volume, inode.ino);
  return { buffer, offset: at + I_BLOCK_AT, index: -1 };
}

/** The node that entry `level.index` leads to. */
export function childOf(volume: Volume, inode: Ext4Inode, level: Level): Level {
  assert(depthOf(level) > 0, "a leaf has no children");
  const pblk = f.indexLeaf(level.buffer.view, entryAt(level, level.index));
  return { buffer: volume.buffers.read(pblk, EXTENT_BLOCK, inode.seed), offset: 0, index: -1 };
}

/** The way to `lblk`: in the leaf to the last extent that starts at or before it, or to -1. */
export function pathTo(volume: Volume, inode: Ext4Inode, lblk: number): Level[] {
  let level = rootOf(volume, inode);
  const path = [level];
  for (let depth = depthOf(level); depth > 0; depth--) {
    level.index = Math.max(0, search(level, lblk));
    level = childOf(volume, inode, level);
    assert(depthOf(level) === depth - 1, "the depths of a verified tree decrease by one");
    path.push(level);
  }
  level.index = search(level, lblk);
  return path;
}

/** The last entry that starts at or before `lblk`, or -1. */
function search(level: Level, lblk: number): number {
  let low = 0;
  for (let high = entriesOf(level); low < high;) {
    const middle = (low + high) >>> 1;
    if (keyOf(level, middle) <= lblk) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Put the node into the running transaction: it is about to change. */
export function writeNode(volume: Volume, { buffer, offset }: Level): void {
  const { buffers, geometry } = volume;
  if (buffer.kind === EXTENT_BLOCK) buffers.write(buffer);
  else buffers.writeSlot(buffer, (offset - I_BLOCK_AT) / geometry.inodeSize);
}

/** A new, empty node in block `pblk`. */
export function createNode(
  volume: Volume,
  inode: Ext4Inode,
  pblk: number,
  max: number,
  depth: number,
): Level {
  const buffer = volume.buffers.create(pblk as Pblk, EXTENT_BLOCK, inode.seed);
  f.setHeader(buffer.view, buffer.at, max, depth);
  return { buffer, offset: 0, index: -1 };
}

/** Move entries within a node that is in the transaction. */
export function moveEntries(level: Level, from: number, to: number, count: number): void {
  const { view } = level.buffer;
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const source = entryAt(level, from);
  bytes.copyWithin(entryAt(level, to), source, source + count * EXTENT_ENTRY_SIZE);
}

/** Copy entries from one node to another, which is in the transaction. */
export function copyEntries(
  source: Level,
  from: number,
  target: Level,
  to: number,
  count: number,
): void {
  const { view } = source.buffer;
  const at = view.byteOffset + entryAt(source, from);
  const bytes = new Uint8Array(view.buffer, at, count * EXTENT_ENTRY_SIZE);
  const { view: own } = target.buffer;
  const place = entryAt(target, to);
  new Uint8Array(own.buffer, own.byteOffset, own.byteLength).set(bytes, place);
}

export const setEntries = ({ buffer, offset }: Level, entries: number): void =>
  EXTENT_HEADER.entries.set(buffer.view, buffer.at + offset, entries);

/** Most extents of a node in a block: what tests make smaller, so that trees get deep. */
export const nodeMax = (geometry: Geometry): number => f.extentsPerBlock(geometry.blockSize);
