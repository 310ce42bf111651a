/**
 * Where the bitmaps and inode tables of each group go: as mke2fs places them, so that images compare.
 *
 * Without flex_bg each group has its own behind its copy of the superblock, if it has one. With it,
 * the groups of a flex group have theirs together: all block bitmaps, all inode bitmaps, all tables,
 * from the first free block of the flex group on, around copies of superblocks in the way.
 */
import { OptionError } from "@xiplab/core";
import type { Geometry } from "../geometry.ts";
import { Space } from "./space.ts";

export interface Layout {
  /** Everything that was given out. */
  readonly space: Space;
  /** The same without inode tables. */
  readonly withoutTables: Space;
  /** Per group. */
  readonly blockBitmaps: Float64Array;
  readonly inodeBitmaps: Float64Array;
  readonly inodeTables: Float64Array;
}

/** Blocks at the start of a group that hold copies: superblock, descriptors, room for more. */
export function copiesLength(geometry: Geometry, group: number): number {
  return geometry.hasSuper(group) ? 1 + geometry.gdtBlocks + geometry.reservedGdtBlocks : 0;
}

/** @throws OptionError where there is no room */
export function layOut(geometry: Geometry): Layout {
  const { groupCount, firstDataBlock, blockCount } = geometry;
  const layout: Layout = {
    space: new Space(firstDataBlock, blockCount),
    withoutTables: new Space(firstDataBlock, blockCount),
    blockBitmaps: new Float64Array(groupCount),
    inodeBitmaps: new Float64Array(groupCount),
    inodeTables: new Float64Array(groupCount),
  };
  for (let group = 0; group < groupCount; group++) {
    const length = copiesLength(geometry, group);
    if (length > geometry.groupLength(group)) refuse("copies of the superblock");
    takeMetadata(layout, geometry.groupStart(group), length);
  }
  for (let group = 0; group < groupCount; group++) placeGroup(geometry, layout, group);
  return layout;
}

/** Give out blocks that are no inode table. */
export function takeMetadata(layout: Layout, start: number, length: number): void {
  layout.space.take(start, length);
  layout.withoutTables.take(start, length);
}

function placeGroup(geometry: Geometry, layout: Layout, group: number): void {
  const { blockBitmaps, inodeBitmaps, inodeTables, space } = layout;
  const length = geometry.itableBlocks;
  blockBitmaps[group] = place(geometry, layout, group, blockBitmaps, 0, 1);
  takeMetadata(layout, blockBitmaps[group], 1);
  inodeBitmaps[group] = place(geometry, layout, group, inodeBitmaps, 1, 1);
  takeMetadata(layout, inodeBitmaps[group], 1);
  inodeTables[group] = place(geometry, layout, group, inodeTables, 2, length);
  space.take(inodeTables[group]!, length);
}

/**
 * Where `length` blocks for a group go. `places` are those of the groups before, `kind` is how many
 * kinds of things come before this one in a flex group.
 */
function place(
  geometry: Geometry,
  { space }: Layout,
  group: number,
  places: Float64Array,
  kind: number,
  length: number,
): number {
  const { flexSize, groupCount } = geometry;
  const inFlex = group % flexSize;
  const first = group - inFlex;
  const behind = inFlex > 0 ? places[group - 1]! + length : 0;
  if (behind > 0 && space.isFree(behind, length)) return behind;
  const last = Math.min(first + flexSize, groupCount) - 1;
  const start = geometry.groupStart(first);
  const end = geometry.groupStart(last) + geometry.groupLength(last);
  const free = space.find(start, end, 1);
  const skip = flexSize > 1 && kind > 0 ? kind * stride(geometry, first) - 1 : 0;
  let found = free < 0 ? -1 : space.find(free + skip, end, length);
  if (found < 0) found = space.find(start, geometry.blockCount, length);
  if (found < 0) found = space.find(geometry.firstDataBlock, geometry.blockCount, length);
  if (found < 0) refuse("inode tables");
  return found;
}

/** Blocks that each kind of bitmap gets: one per group of the flex group. A last one that has one
 * group alone gets as many as a full one. */
function stride({ flexSize, groupCount }: Geometry, first: number): number {
  const groups = Math.min(flexSize, groupCount - first);
  return groups === 1 ? flexSize : groups;
}

function refuse(what: string): never {
  throw new OptionError(`mkfs of ext4: the device has no room for ${what}`);
}
