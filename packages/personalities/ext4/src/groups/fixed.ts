/**
 * Blocks that never change hands: the superblock and its copies, group descriptors with what is
 * reserved for more of them, both bitmaps and the inode table of each group. As sorted runs, which
 * are few: flex groups keep all of theirs in a row.
 */
import { corrupt } from "@xiplab/core";
import type { Geometry } from "../geometry.ts";

export class FixedRuns {
  /** First block of each run, ascending, and the block behind it. */
  private readonly starts: Float64Array;
  private readonly ends: Float64Array;
  private readonly count: number;

  /**
   * `places`: where block bitmaps, inode bitmaps and inode tables stand, by group; inside the device.
   * @throws CorruptionError where any two overlap
   */
  constructor(
    geometry: Geometry,
    blockBitmaps: Float64Array,
    inodeBitmaps: Float64Array,
    inodeTables: Float64Array,
  ) {
    const heads = superGroups(geometry);
    const { groupCount, itableBlocks } = geometry;
    const headLength = 1 + geometry.gdtBlocks + geometry.reservedGdtBlocks;
    // Which of the three lengths a run has is in the low two bits: one sort does for all.
    const keys = new Float64Array(3 * groupCount + heads.length);
    for (let group = 0, at = 0; group < groupCount; group++) {
      keys[at++] = blockBitmaps[group]! * 4;
      keys[at++] = inodeBitmaps[group]! * 4;
      keys[at++] = inodeTables[group]! * 4 + TABLE;
    }
    for (let i = 0; i < heads.length; i++) {
      keys[3 * groupCount + i] = geometry.groupStart(heads[i]!) * 4 + HEAD;
    }
    keys.sort();
    const lengths = [1, itableBlocks, headLength];
    this.starts = new Float64Array(keys.length);
    this.ends = new Float64Array(keys.length);
    let last = -1;
    let end = -1;
    for (let i = 0; i < keys.length; i++) {
      const start = Math.floor(keys[i]! / 4);
      if (start < end) {
        corrupt("ext4_group_desc", `block ${start}`, "location", start, `a block from ${end} on`);
      }
      if (start > end) {
        last++;
        this.starts[last] = start;
      }
      end = start + lengths[keys[i]! % 4]!;
      this.ends[last] = end;
    }
    this.count = last + 1;
    this.starts = this.starts.slice(0, this.count);
    this.ends = this.ends.slice(0, this.count);
  }

  /** Blocks of all runs together. */
  get blocks(): number {
    let sum = 0;
    for (let i = 0; i < this.count; i++) sum += this.ends[i]! - this.starts[i]!;
    return sum;
  }

  /** Does any block of [start, end) belong to a run? */
  overlaps(start: number, end: number): boolean {
    const next = this.after(start);
    return next < this.count && this.starts[next]! < end;
  }

  /** Call `visit` with what runs have of [start, end). */
  within(start: number, end: number, visit: (start: number, end: number) => void): void {
    for (let i = this.after(start); i < this.count && this.starts[i]! < end; i++) {
      visit(Math.max(start, this.starts[i]!), Math.min(end, this.ends[i]!));
    }
  }

  /** The first run that ends behind `block`. */
  private after(block: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ends[middle]! > block) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

const TABLE = 1;
const HEAD = 2;

function superGroups(geometry: Geometry): number[] {
  const groups: number[] = [];
  for (let group = 0; group < geometry.groupCount; group++) {
    if (geometry.hasSuper(group)) groups.push(group);
  }
  return groups;
}
