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
    const headLength = 1 + geometry.gdtBlocks + geometry.reservedGdtBlocks;
    const places = [heads, blockBitmaps, inodeBitmaps, inodeTables].map(ascending);
    const lengths = [headLength, 1, 1, geometry.itableBlocks];
    const total = places.reduce((sum, { length }) => sum + length, 0);
    const starts = new Float64Array(total);
    const ends = new Float64Array(total);
    const cursors = places.map(() => 0);
    let last = -1;
    let end = -1;
    for (let i = 0; i < total; i++) {
      let kind = 0;
      let start = Infinity;
      for (let other = 0; other < places.length; other++) {
        const next = places[other]![cursors[other]!];
        if (next === undefined || next >= start) continue;
        kind = other;
        start = next;
      }
      if (start < end) {
        corrupt("ext4_group_desc", `block ${start}`, "location", start, `a block from ${end} on`);
      }
      if (start > end) starts[++last] = start;
      end = start + lengths[kind]!;
      ends[last] = end;
      cursors[kind]!++;
    }
    this.count = last + 1;
    this.starts = starts.slice(0, this.count);
    this.ends = ends.slice(0, this.count);
  }

  /** Blocks of all runs together. */
  get blocks(): number {
    let blocks = 0;
    for (let i = 0; i < this.count; i++) blocks += this.ends[i]! - this.starts[i]!;
    return blocks;
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

/** First blocks of the groups that begin with a superblock. */
function superGroups(geometry: Geometry): Float64Array {
  const starts: number[] = [];
  for (let group = 0; group < geometry.groupCount; group++) {
    if (geometry.hasSuper(group)) starts.push(geometry.groupStart(group));
  }
  return Float64Array.from(starts);
}

/** The same numbers in order; they mostly are. */
function ascending(places: Float64Array): Float64Array {
  for (let i = 1; i < places.length; i++) {
    if (places[i]! < places[i - 1]!) return places.slice().sort();
  }
  return places;
}
