/**
 * Editing a node, and what that does to the nodes above: room, keys, and the height of the tree.
 *
 *   makeRoom      a full leaf splits where the new entry goes; a full path to the root grows a level
 *   fixKeys       the first block below a node changed: the entries above that name it follow
 *   deleteEntries an empty node is freed, and its entry above with it
 *   shrinkRoot    what fits into the inode goes back there
 *
 * Blocks for nodes are allocated before anything changes, so that ENOSPC leaves the tree as it was.
 */
import { assert, FsError } from "@xiplab/core";
import * as f from "../format/extent.ts";
import type { Ext4Inode } from "../inode.ts";
import type { BlockRun, Volume } from "../volume.ts";
import { childOf, copyEntries, createNode, depthOf, entriesOf, entryAt, keyOf } from "./nodes.ts";
import { type Level, maxOf, moveEntries, nodeMax, pathTo, setEntries } from "./nodes.ts";
import { writeNode } from "./nodes.ts";

/** What editing needs to know, and the blocks that are in store for nodes. */
export interface TreeContext {
  readonly volume: Volume;
  readonly inode: Ext4Inode;
  /** Entries of a new node; tests make it small. */
  readonly fanout: number;
  /** Blocks that were allocated for nodes and are not used yet. */
  readonly spares: number[];
  /** Nodes that are blocks. */
  treeBlocks: number;
}

export const newTreeContext = (volume: Volume, inode: Ext4Inode, fanout = 0): TreeContext => ({
  volume,
  inode,
  fanout: fanout === 0 ? nodeMax(volume.geometry) : fanout,
  spares: [],
  treeBlocks: 0,
});

/**
 * See that `count` blocks for nodes are in store. They are counted as the inode's.
 * @throws FsError ENOSPC: nothing changed
 */
export function storeSpares(tree: TreeContext, count: number, goal: number): void {
  const { inode, spares, volume } = tree;
  const had = spares.length;
  const run: BlockRun = { start: 0, length: 0 };
  try {
    while (spares.length < count) {
      // From what is kept back for this: data runs out of space before metadata does (I8).
      const rest = { lblk: -1, length: 1, goal, reserved: false, whole: false, noFail: true };
      volume.balloc.allocate({ inode, ...rest }, run);
      spares.push(run.start);
      inode.blocks++;
    }
  } catch (error) {
    if (error instanceof FsError && error.code === "ENOSPC") releaseSpares(tree, had);
    throw error;
  }
}

/** Give back what is in store beyond `keep`. */
export function releaseSpares(tree: TreeContext, keep = 0): void {
  const { inode, spares, volume } = tree;
  while (spares.length > keep) {
    volume.balloc.free(spares.pop()!, 1);
    inode.blocks--;
  }
}

/** Blocks that `makeRoom` would need. */
export function nodesForRoom(path: readonly Level[]): number {
  let full = 0;
  for (let at = path.length - 1; at >= 0; at--) {
    if (entriesOf(path[at]!) < maxOf(path[at]!)) return full;
    full++;
  }
  // The root itself does not split: its entries move to a block, below it.
  return full;
}

/**
 * See that the leaf at the end of the path to `lblk` has room behind the entry that it leads to.
 * Returns the path to where the new entry goes.
 * @throws FsError ENOSPC, EFBIG where the tree is full: nothing changed
 */
export function makeRoom(tree: TreeContext, path: Level[], lblk: number): Level[] {
  const needed = nodesForRoom(path);
  if (needed === 0) return path;
  const { length } = path;
  if (needed === length && length > f.EXTENT_DEPTH_MAX) throw new FsError("EFBIG");
  // One more: a root that moves into a node which is as small has to be split there.
  const grows = needed === length && f.EXTENT_ROOT_MAX >= tree.fanout ? 1 : 0;
  storeSpares(tree, needed + grows, path.at(-1)!.buffer.pblk);
  splitLevel(tree, path, path.length - 1, lblk);
  return pathTo(tree.volume, tree.inode, lblk);
}

/** Afterwards path[at] has room, or path[at + 1] where the tree has grown. Below, the path is stale. */

function splitLevel(tree: TreeContext, path: Level[], at: number, lblk: number): void {
  const level = path[at]!;
  const entries = entriesOf(level);
  if (entries < maxOf(level)) return;
  if (at === 0) {
    growRoot(tree, path);
    return splitLevel(tree, path, 1, lblk);
  }
  const before = path.length;
  splitLevel(tree, path, at - 1, lblk);
  // Where the tree has grown, the level stands one further down.
  const here = at + (path.length - before);
  const parent = path[here - 1]!;
  const right = takeNode(tree, depthOf(level));
  const first = level.index + 1;
  const moved = entries - first;
  if (moved > 0) {
    writeNode(tree.volume, level);
    copyEntries(level, first, right, 0, moved);
    setEntries(right, moved);
    setEntries(level, first);
  }
  const key = moved > 0 ? keyOf(right, 0) : lblk;
  insertIndex(tree, parent, parent.index + 1, key, right.buffer.pblk);
  // A parent that is new was named after `lblk`.
  if (parent.index === -1) fixKeys(tree, path.slice(0, here));
  if (moved === 0) {
    parent.index++;
    path[here] = right;
  }
}

/** The entries of the root move into a block, to which the root leads then. */
function growRoot(tree: TreeContext, path: Level[]): void {
  const { volume } = tree;
  const root = path[0]!;
  const depth = depthOf(root);
  const entries = entriesOf(root);
  assert(entries > 0, "a tree grows when its root is full");
  const node = takeNode(tree, depth);
  copyEntries(root, 0, node, 0, entries);
  setEntries(node, entries);
  node.index = root.index;
  writeNode(volume, root);
  f.setIndex(root.buffer.view, entryAt(root, 0), keyOf(node, 0), node.buffer.pblk);
  f.EXTENT_HEADER.depth.set(root.buffer.view, root.buffer.at + root.offset, depth + 1);
  setEntries(root, 1);
  root.index = 0;
  path.splice(1, 0, node);
}

function takeNode(tree: TreeContext, depth: number): Level {
  const pblk = tree.spares.pop();
  assert(pblk !== undefined, "blocks for nodes were stored before they are taken");
  tree.treeBlocks++;
  return createNode(tree.volume, tree.inode, pblk, tree.fanout, depth);
}

function insertIndex(
  tree: TreeContext,
  level: Level,
  index: number,
  lblk: number,
  pblk: number,
): void {
  openGap(tree, level, index);
  f.setIndex(level.buffer.view, entryAt(level, index), lblk, pblk);
}

/** Make place for one entry at `index` of a node that has room. The node is in the transaction. */
function openGap(tree: TreeContext, level: Level, index: number): void {
  const entries = entriesOf(level);
  assert(entries < maxOf(level), "a node has room before it gets an entry");
  writeNode(tree.volume, level);
  if (index < entries) moveEntries(level, index, index + 1, entries - index);
  setEntries(level, entries + 1);
}

/** Insert an extent behind the entry that the path leads to; the leaf has room. */
export function insertEntry(
  tree: TreeContext,
  path: Level[],
  lblk: number,
  length: number,
  pblk: number,
  unwritten: boolean,
): void {
  const leaf = path.at(-1)!;
  const index = leaf.index + 1;
  openGap(tree, leaf, index);
  f.setExtent(leaf.buffer.view, entryAt(leaf, index), lblk, length, pblk, unwritten);
  leaf.index = index;
  if (index === 0) fixKeys(tree, path);
}

/** The first entry of the leaf has another block now: tell the levels above. */
export function fixKeys(tree: TreeContext, path: readonly Level[]): void {
  for (let at = path.length - 1; at > 0; at--) {
    const key = keyOf(path[at]!, 0);
    const parent = path[at - 1]!;
    if (keyOf(parent, parent.index) !== key) {
      writeNode(tree.volume, parent);
      f.EXTENT_INDEX.block.set(parent.buffer.view, entryAt(parent, parent.index), key);
    }
    if (parent.index > 0) return;
  }
}

/** Remove `count` entries from `index` on of the node at `at` of the path; empty nodes go. */
export function deleteEntries(
  tree: TreeContext,
  path: Level[],
  at: number,
  index: number,
  count: number,
): void {
  const level = path[at]!;
  const entries = entriesOf(level);
  assert(count > 0, "some entries are deleted");
  assert(index + count <= entries, "entries that are deleted exist");
  if (count === entries && at > 0) {
    freeNode(tree, level);
    const parent = path[at - 1]!;
    return deleteEntries(tree, path, at - 1, parent.index, 1);
  }
  writeNode(tree.volume, level);
  const behind = entries - index - count;
  if (behind > 0) moveEntries(level, index + count, index, behind);
  setEntries(level, entries - count);
  if (index === 0 && at > 0) fixKeys(tree, path.slice(0, at + 1));
  if (count === entries) f.setHeader(level.buffer.view, headerAt(level), maxOf(level), 0);
}

const headerAt = ({ buffer, offset }: Level): number => buffer.at + offset;

function freeNode(tree: TreeContext, { buffer }: Level): void {
  const { inode, volume } = tree;
  volume.buffers.forget(buffer.pblk);
  volume.balloc.free(buffer.pblk, 1);
  inode.blocks--;
  tree.treeBlocks--;
}

/** As long as the root has one child that fits into the inode: take it in. */
export function shrinkRoot(tree: TreeContext, root: Level): void {
  const { inode, volume } = tree;
  while (depthOf(root) > 0 && entriesOf(root) === 1) {
    root.index = 0;
    const child = childOf(volume, inode, root);
    const entries = entriesOf(child);
    if (entries > maxOf(root)) return;
    writeNode(volume, root);
    copyEntries(child, 0, root, 0, entries);
    setEntries(root, entries);
    const { view } = root.buffer;
    f.EXTENT_HEADER.depth.set(view, headerAt(root), depthOf(child));
    freeNode(tree, child);
  }
}
