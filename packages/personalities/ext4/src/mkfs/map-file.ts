/** The block map of a file that mkfs makes: an extent tree, or pointers in old images. */
import { assert } from "@xiplab/core";
import { crcRaw } from "../checksum.ts";
import * as e from "../format/extent.ts";
import { FL_EXTENTS, I_BLOCK_SIZE } from "../format/inode.ts";
import type { Geometry } from "../geometry.ts";

/** Pointers in i_block that lead to data; then one for each level. */
const DIRECT = 12;

export interface Run {
  start: number;
  length: number;
}

/** What of an inode depends on where its blocks are. */
export interface Mapped {
  readonly flags: number;
  /** i_block */
  readonly block: Uint8Array;
  /** Blocks of data and of the map. */
  readonly blocks: number;
  /** The data, in the order of the file. */
  readonly runs: readonly Run[];
}

/** Where the blocks of a file come from. */
export interface BlockSource {
  /** Blocks of data from `goal` on, around what is taken. */
  takeRuns(goal: number, count: number): Run[];
  /** A block for the map, zeroed: the first that is free from `goal` on. */
  takeNode(goal: number): Node;
}

interface Node {
  readonly pblk: number;
  readonly view: DataView;
}

export const storeU32 = (view: DataView, index: number, value: number): void =>
  view.setUint32(4 * index, value, true);

/** Give a new file `count` blocks from `goal` on, and a map. `seed` is for checksums of its inode. */
export function mapFile(
  geometry: Geometry,
  seed: number,
  source: BlockSource,
  goal: number,
  count: number,
): Mapped {
  const root = new DataView(new ArrayBuffer(I_BLOCK_SIZE));
  const block = new Uint8Array(root.buffer);
  if (geometry.extents) {
    const runs = source.takeRuns(goal, count);
    const nodes = mapByExtents(geometry, seed, runs, root, source);
    return { flags: FL_EXTENTS, block, blocks: count + nodes, runs };
  }
  const runs: Run[] = [];
  const nodes = mapByPointers(geometry, root, source, goal, count, runs);
  return { flags: 0, block, blocks: count + nodes, runs };
}

/** Returns the number of nodes outside the root. */
function mapByExtents(
  geometry: Geometry,
  seed: number,
  runs: readonly Run[],
  root: DataView,
  source: BlockSource,
): number {
  const parts: Run[] = [];
  for (const { start, length } of runs) {
    for (let done = 0; done < length; done += e.WRITTEN_MAX) {
      parts.push({ start: start + done, length: Math.min(e.WRITTEN_MAX, length - done) });
    }
  }
  e.setHeader(root, 0, e.EXTENT_ROOT_MAX, 0);
  // A tree that grew a level leaves the extents behind the one entry of its root as they were.
  fillLeaf(root, parts.slice(0, e.EXTENT_ROOT_MAX));
  if (parts.length <= e.EXTENT_ROOT_MAX) return 0;
  const max = e.extentsPerBlock(geometry.blockSize);
  assert(parts.length <= max, "a journal in pieces fits one node");
  e.setHeader(root, 0, e.EXTENT_ROOT_MAX, 1);
  e.EXTENT_HEADER.entries.set(root, 0, 1);
  const { pblk, view: leaf } = source.takeNode(parts[0]!.start - 1);
  e.setIndex(root, e.EXTENT_ENTRY_SIZE, 0, pblk);
  e.setHeader(leaf, 0, max, 0);
  fillLeaf(leaf, parts);
  if (geometry.metadataCsum) {
    const tail = e.EXTENT_ENTRY_SIZE * (1 + max);
    e.EXTENT_TAIL.checksum.set(leaf, tail, crcRaw(seed, leaf, 0, tail));
  }
  return 1;
}

function fillLeaf(view: DataView, parts: readonly Run[]): void {
  e.EXTENT_HEADER.entries.set(view, 0, parts.length);
  let lblk = 0;
  for (const [index, { start, length }] of parts.entries()) {
    e.setExtent(view, e.EXTENT_ENTRY_SIZE * (1 + index), lblk, length, start, false);
    lblk += length;
  }
}

/**
 * Pointers to 12 blocks, then through one to three levels of indirect blocks, each of which stands
 * in front of what it leads to. Returns the number of indirect blocks.
 */
function mapByPointers(
  { blockSize }: Geometry,
  root: DataView,
  source: BlockSource,
  goal: number,
  count: number,
  runs: Run[],
): number {
  const perBlock = blockSize / 4;
  let nodes = 0;
  let next = goal;
  /** The indirect block of each level that is being filled. */
  const open: DataView[] = [];
  const addNode = (parent: DataView, index: number, level: number): void => {
    const { pblk, view } = source.takeNode(next);
    storeU32(parent, index, pblk);
    open[level] = view;
    next = pblk + 1;
    nodes++;
  };
  const addData = (parent: DataView, index: number): void => {
    const [run] = source.takeRuns(next, 1);
    assert(run !== undefined, "a block that was asked for is there");
    storeU32(parent, index, run.start);
    next = run.start + 1;
    const last = runs.at(-1);
    if (last !== undefined && last.start + last.length === run.start) last.length++;
    else runs.push(run);
  };
  for (let lblk = 0; lblk < Math.min(count, DIRECT); lblk++) addData(root, lblk);
  let first = DIRECT;
  for (let depth = 1; first < count; first += perBlock ** depth, depth++) {
    assert(depth <= 3, "a file of mkfs fits three levels");
    const length = Math.min(count - first, perBlock ** depth);
    for (let at = 0; at < length; at++) {
      if (at === 0) addNode(root, DIRECT - 1 + depth, depth);
      for (let level = depth - 1; level > 0; level--) {
        if (at % perBlock ** level !== 0) continue;
        addNode(open[level + 1]!, Math.floor(at / perBlock ** level) % perBlock, level);
      }
      addData(open[1]!, at % perBlock);
    }
  }
  return nodes;
}
