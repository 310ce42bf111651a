/**
 * What is done to the extents of a tree on the medium: insert, split, convert, remove, shift. No
 * function here knows of data blocks or of the map in memory.
 */
import { assert } from "@xiplab/core";
import { LBLK_MAX, type LblkRange } from "../block-map.ts";
import * as f from "../format/extent.ts";
import { UNWRITTEN_MAX, WRITTEN_MAX } from "../format/extent.ts";
import { deleteEntries, fixKeys, insertEntry, makeRoom, shrinkRoot } from "./edit.ts";
import type { TreeContext } from "./edit.ts";
import { childOf, depthOf, entriesOf, entryAt, keyOf, type Level, pathTo } from "./nodes.ts";
import { rootOf, writeNode } from "./nodes.ts";

/** One extent as the tree has it. */
export interface TreeExtent {
  readonly lblk: number;
  readonly end: number;
  readonly pblk: number;
  readonly unwritten: boolean;
}

const lengthMax = (unwritten: boolean): number => (unwritten ? UNWRITTEN_MAX : WRITTEN_MAX);

/** The extent that entry `index` of a leaf holds. */
export function extentOf(leaf: Level, index: number): TreeExtent {
  const { view } = leaf.buffer;
  const at = entryAt(leaf, index);
  const lblk = f.EXTENT.block.get(view, at);
  const end = lblk + f.extentLength(view, at);
  return { lblk, end, pblk: f.extentStart(view, at), unwritten: f.extentUnwritten(view, at) };
}

function setExtentOf(tree: TreeContext, leaf: Level, index: number, extent: TreeExtent): void {
  const { lblk, end, pblk, unwritten } = extent;
  assert(end > lblk, "no extent of a tree is empty");
  assert(end - lblk <= lengthMax(unwritten), "an extent of a tree fits its length field");
  writeNode(tree.volume, leaf);
  f.setExtent(leaf.buffer.view, entryAt(leaf, index), lblk, end - lblk, pblk, unwritten);
}

/** The path to the extent that holds `lblk`, which is mapped. */
export function pathToMapped(tree: TreeContext, lblk: number): Level[] {
  const path = pathTo(tree.volume, tree.inode, lblk);
  const leaf = path.at(-1)!;
  assert(leaf.index >= 0, "a mapped block has an extent in the tree");
  assert(extentOf(leaf, leaf.index).end > lblk, "a mapped block is inside its extent");
  return path;
}

/**
 * Insert extents for a hole; at most one entry for each 32767 blocks, fewer where they join others.
 * @throws FsError ENOSPC, EFBIG: nothing changed, where the length is no more than one entry's.
 */
export function insertRun(
  tree: TreeContext,
  lblk: number,
  length: number,
  pblk: number,
  unwritten: boolean,
): void {
  const most = lengthMax(unwritten);
  for (let done = 0; done < length; done += most) {
    const part = Math.min(most, length - done);
    insertExtent(tree, lblk + done, part, pblk + done, unwritten);
  }
}

function insertExtent(
  tree: TreeContext,
  lblk: number,
  length: number,
  pblk: number,
  unwritten: boolean,
): void {
  const added: TreeExtent = { lblk, end: lblk + length, pblk, unwritten };
  let path = pathTo(tree.volume, tree.inode, lblk);
  const leaf = path.at(-1)!;
  const { index } = leaf;
  const left = index >= 0 ? extentOf(leaf, index) : null;
  if (left !== null && joins(left, added)) {
    setExtentOf(tree, leaf, index, { ...left, end: added.end });
    mergeRight(tree, path, index);
    return;
  }
  const right = index + 1 < entriesOf(leaf) ? extentOf(leaf, index + 1) : null;
  if (right !== null && joins(added, right)) {
    setExtentOf(tree, leaf, index + 1, { ...right, lblk, pblk });
    if (index === -1) fixKeys(tree, path);
    return;
  }
  path = makeRoom(tree, path, lblk);
  insertEntry(tree, path, lblk, length, pblk, unwritten);
}

/** Could both, neighbours in this order, be one entry? */
function joins(left: TreeExtent, right: TreeExtent): boolean {
  if (left.end !== right.lblk || left.unwritten !== right.unwritten) return false;
  if (left.pblk + (left.end - left.lblk) !== right.pblk) return false;
  return right.end - left.lblk <= lengthMax(left.unwritten);
}

/** Join entry `index` with the one behind it, where possible. */
function mergeRight(tree: TreeContext, path: Level[], index: number): boolean {
  const leaf = path.at(-1)!;
  if (index < 0 || index + 1 >= entriesOf(leaf)) return false;
  const left = extentOf(leaf, index);
  const right = extentOf(leaf, index + 1);
  if (!joins(left, right)) return false;
  setExtentOf(tree, leaf, index, { ...left, end: right.end });
  deleteEntries(tree, path, path.length - 1, index + 1, 1);
  return true;
}

/** To the left first, as the kernel does: it matters where not all of three fit one entry. */
function mergeAround(tree: TreeContext, path: Level[], index: number): void {
  const kept = mergeRight(tree, path, index - 1) ? index - 1 : index;
  mergeRight(tree, path, kept);
}

/**
 * Cut the extent that `lblk` is inside of in two, at `lblk`. Nothing means anything else then.
 * @throws FsError ENOSPC: nothing changed
 */
export function splitAt(tree: TreeContext, lblk: number): void {
  const { inode, volume } = tree;
  let path = pathTo(volume, inode, lblk);
  const leaf = path.at(-1)!;
  if (leaf.index < 0) return;
  const whole = extentOf(leaf, leaf.index);
  if (whole.lblk >= lblk || whole.end <= lblk) return;
  path = makeRoom(tree, path, lblk);
  const head = pathTo(volume, inode, whole.lblk).at(-1)!;
  setExtentOf(tree, head, head.index, { ...whole, end: lblk });
  const pblk = whole.pblk + lblk - whole.lblk;
  insertEntry(tree, path, lblk, whole.end - lblk, pblk, whole.unwritten);
}

/** May the blocks [from, to) of an extent go over to its neighbour in the leaf, without a split? */
function transfer(
  tree: TreeContext,
  path: Level[],
  whole: TreeExtent,
  from: number,
  to: number,
): boolean {
  const leaf = path.at(-1)!;
  const { index } = leaf;
  const pblk = whole.pblk + from - whole.lblk;
  const part: TreeExtent = { lblk: from, end: to, pblk, unwritten: !whole.unwritten };
  if (from === whole.lblk && index > 0) {
    const left = extentOf(leaf, index - 1);
    if (!joins(left, part)) return false;
    setExtentOf(tree, leaf, index - 1, { ...left, end: to });
    setExtentOf(tree, leaf, index, { ...whole, lblk: to, pblk: whole.pblk + to - whole.lblk });
    return true;
  }
  if (to === whole.end && index + 1 < entriesOf(leaf)) {
    const right = extentOf(leaf, index + 1);
    if (!joins(part, right)) return false;
    setExtentOf(tree, leaf, index, { ...whole, end: from });
    setExtentOf(tree, leaf, index + 1, { ...right, lblk: from, pblk });
    return true;
  }
  return false;
}

/**
 * Change the state of blocks [from, to) of the one extent that holds them.
 * @throws FsError ENOSPC: nothing changed that means something
 */
export function flip(tree: TreeContext, from: number, to: number): void {
  const path = pathToMapped(tree, from);
  const leaf = path.at(-1)!;
  const whole = extentOf(leaf, leaf.index);
  assert(to <= whole.end, "the blocks are in one extent");
  const isWhole = from === whole.lblk && to === whole.end;
  if (!isWhole && transfer(tree, path, whole, from, to)) return;
  if (to < whole.end) splitAt(tree, to);
  if (from > whole.lblk) splitAt(tree, from);
  // A full written extent has one block more than an unwritten one can have.
  if (to - from > lengthMax(!whole.unwritten)) {
    splitAt(tree, to - 1);
    flipEntry(tree, to - 1);
  }
  flipEntry(tree, from);
}

function flipEntry(tree: TreeContext, lblk: number): void {
  const path = pathToMapped(tree, lblk);
  const leaf = path.at(-1)!;
  const extent = extentOf(leaf, leaf.index);
  assert(extent.lblk === lblk, "what is flipped was cut out");
  setExtentOf(tree, leaf, leaf.index, { ...extent, unwritten: !extent.unwritten });
  mergeAround(tree, path, leaf.index);
}

/** First block of the leaf behind the one that the path leads to, or -1. */
function nextLeafKey(path: readonly Level[]): number {
  for (let at = path.length - 2; at >= 0; at--) {
    const level = path[at]!;
    if (level.index + 1 < entriesOf(level)) return keyOf(level, level.index + 1);
  }
  return -1;
}

/**
 * Make [first, end) a hole in the tree.
 * @throws FsError ENOSPC, where an extent has to be cut in two: nothing changed
 */
export function removeRun(tree: TreeContext, first: number, end: number): void {
  const { inode, volume } = tree;
  if (tree.treeBlocks === 0 && first === 0 && end === LBLK_MAX) return removeAll(tree);
  if (first > 0) splitAround(tree, first, end);
  for (let at = first; at < end;) {
    const path = pathTo(volume, inode, at);
    const next = nextLeafKey(path);
    if (removeFromLeaf(tree, path, at, end) || next < 0) break;
    at = next;
  }
  if (tree.treeBlocks > 0) shrinkRoot(tree, rootOf(volume, inode));
}

/** All extents of a tree that is a root alone. HOT. */
function removeAll(tree: TreeContext): void {
  const root = rootOf(tree.volume, tree.inode);
  const entries = entriesOf(root);
  if (entries > 0) deleteEntries(tree, [root], 0, 0, entries);
}

/** Where [first, end) is inside of one extent: cut it at `end`, the rest is trimmed then. */
function splitAround(tree: TreeContext, first: number, end: number): void {
  const leaf = pathTo(tree.volume, tree.inode, first).at(-1)!;
  if (leaf.index < 0) return;
  const extent = extentOf(leaf, leaf.index);
  if (extent.lblk < first && extent.end > end) splitAt(tree, end);
}

/** Remove [first, end) from the leaf of the path. Returns whether it has something behind `end`. */
function removeFromLeaf(tree: TreeContext, path: Level[], first: number, end: number): boolean {
  const leaf = path.at(-1)!;
  const entries = entriesOf(leaf);
  let index = Math.max(0, leaf.index);
  if (index < entries) {
    const head = extentOf(leaf, index);
    if (head.end <= first) index++;
    else if (head.lblk < first) {
      setExtentOf(tree, leaf, index, { ...head, end: first });
      index++;
    }
  }
  let stop = index;
  while (stop < entries && extentOf(leaf, stop).end <= end) stop++;
  const tail = stop < entries ? extentOf(leaf, stop) : null;
  if (tail !== null && tail.lblk < end) {
    const pblk = tail.pblk + end - tail.lblk;
    setExtentOf(tree, leaf, stop, { ...tail, lblk: end, pblk });
    if (stop === 0) fixKeys(tree, path);
  }
  if (stop > index) deleteEntries(tree, path, path.length - 1, index, stop - index);
  return tail !== null;
}

/** Leaves that hold some of [first, end), or that an extent there would go to. */
export function leavesIn(tree: TreeContext, first: number, end: number): number {
  // The root is the leaf.
  if (tree.treeBlocks === 0) return first < end ? 1 : 0;
  let leaves = 0;
  for (let at = first; at >= 0 && at < end; leaves++) {
    at = nextLeafKey(pathTo(tree.volume, tree.inode, at));
  }
  return leaves;
}

/** First blocks of the leaves behind the one that `first` is in, or would go to. */
export function leafStartsBehind(tree: TreeContext, first: number): number[] {
  const starts: number[] = [];
  for (let at = first; ;) {
    at = nextLeafKey(pathTo(tree.volume, tree.inode, at));
    if (at < 0) return starts;
    starts.push(at);
  }
}

/** Let the extent that starts at `lblk` end at `end`, before it did. */
export function trimEntry(tree: TreeContext, lblk: number, end: number): void {
  const leaf = pathToMapped(tree, lblk).at(-1)!;
  setExtentOf(tree, leaf, leaf.index, { ...extentOf(leaf, leaf.index), end });
}

/**
 * Move the extents of [first, end) by `by` blocks. No extent has `first` or `end` inside; `end` is
 * where a leaf begins, or behind everything.
 */
export function shiftRun(tree: TreeContext, first: number, end: number, by: number): void {
  const { inode, volume } = tree;
  shiftNode(tree, rootOf(volume, inode), { first, end }, by);
  const path = pathTo(volume, inode, first + by);
  const leaf = path.at(-1)!;
  if (leaf.index >= 0) mergeAround(tree, path, leaf.index);
}

function shiftNode(tree: TreeContext, level: Level, range: LblkRange, by: number): void {
  const entries = entriesOf(level);
  const isLeaf = depthOf(level) === 0;
  for (let index = entries - 1; index >= 0; index--) {
    const key = keyOf(level, index);
    if (key >= range.end) continue;
    if (!isLeaf) {
      level.index = index;
      shiftNode(tree, childOf(tree.volume, tree.inode, level), range, by);
    }
    // In front of this one nothing is moved.
    if (key < range.first) return;
    writeNode(tree.volume, level);
    f.EXTENT.block.set(level.buffer.view, entryAt(level, index), key + by);
  }
}
