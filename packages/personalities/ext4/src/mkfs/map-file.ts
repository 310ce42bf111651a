/** The block map of a file that mkfs makes: an extent tree, or pointers in old images. */
import { assert } from "@xiplab/core";
import { crcRaw } from "../checksum.ts";
import * as e from "../format/extent.ts";
import { FL_EXTENTS, I_BLOCK_SIZE } from "../format/inode.ts";
import type { Geometry } from "../geometry.ts";

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
}

/** Gives a new block for the map, near `goal`. */
export type TakeBlock = (goal: number) => DataView & { readonly pblk: number };

export const storeU32 = (view: DataView, index: number, value: number): void =>
  view.setUint32(4 * index, value, true);

/** The map of a file that consists of `runs`, in their order. */
export function mapFile(
  geometry: Geometry,
  seed: number,
  runs: readonly Run[],
  take: TakeBlock,
): Mapped {
  const data = runs.reduce((sum, { length }) => sum + length, 0);
  const root = new DataView(new ArrayBuffer(I_BLOCK_SIZE));
  const block = new Uint8Array(root.buffer);
  if (geometry.extents) {
    const nodes = mapByExtents(geometry, seed, runs, root, take);
    return { flags: FL_EXTENTS, block, blocks: data + nodes };
  }
  const indirect = mapByPointers(geometry, runs, root, take);
  return { flags: 0, block, blocks: data + indirect };
}

/** Returns the number of nodes outside the root. */
function mapByExtents(
  geometry: Geometry,
  seed: number,
  runs: readonly Run[],
  root: DataView,
  take: TakeBlock,
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
  const leaf = take(parts[0]!.start - 1);
  e.setIndex(root, e.EXTENT_ENTRY_SIZE, 0, leaf.pblk);
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

/** Returns the number of indirect blocks. */
function mapByPointers(
  { blockSize }: Geometry,
  runs: readonly Run[],
  root: DataView,
  take: TakeBlock,
): number {
  const perBlock = blockSize / 4;
  let indirect = 0;
  /** The indirect block of each level that is being filled. */
  const open: Array<DataView & { readonly pblk: number }> = [];
  const child = (goal: number, parent: DataView, index: number, level: number): void => {
    const block = take(goal);
    storeU32(parent, index, block.pblk);
    open[level] = block;
    indirect++;
  };
  let lblk = 0;
  for (const { start, length } of runs) {
    for (let pblk = start; pblk < start + length; pblk++, lblk++) {
      if (lblk < 12) {
        storeU32(root, lblk, pblk);
        continue;
      }
      let rest = lblk - 12;
      let depth = 1;
      for (; rest >= perBlock ** depth; depth++) rest -= perBlock ** depth;
      assert(depth <= 3, "a file of mkfs fits three levels");
      for (let level = depth; level > 0; level--) {
        if (rest % perBlock ** level !== 0) continue;
        const parent = level === depth ? root : open[level + 1]!;
        const index =
          level === depth ? 11 + depth : Math.floor(rest / perBlock ** level) % perBlock;
        child(pblk, parent, index, level);
      }
      storeU32(open[1]!, rest % perBlock, pblk);
    }
  }
  return indirect;
}
