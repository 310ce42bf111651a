/**
 * Which blocks of the device no file may have: superblocks, descriptors, bitmaps, inode tables. An
 * extent that leads there would have data written over metadata.
 */
import type { Volume } from "../volume.ts";

/** Sorted runs without overlap, parallel arrays. */
interface Zones {
  readonly starts: number[];
  readonly ends: number[];
}

const zonesOf = new WeakMap<Volume, Zones>();

/** Are all of these blocks on the device, and for files? */
export function isData(volume: Volume, start: number, length: number): boolean {
  const { geometry } = volume;
  if (start < geometry.firstDataBlock || start + length > geometry.blockCount) return false;
  let zones = zonesOf.get(volume);
  if (zones === undefined) {
    zones = collect(volume);
    zonesOf.set(volume, zones);
  }
  const index = firstEndingBehind(zones.ends, start);
  return index === zones.ends.length || zones.starts[index]! >= start + length;
}

function firstEndingBehind(ends: readonly number[], block: number): number {
  let low = 0;
  for (let high = ends.length; low < high;) {
    const middle = (low + high) >>> 1;
    if (ends[middle]! <= block) low = middle + 1;
    else high = middle;
  }
  return low;
}

function collect(volume: Volume): Zones {
  const { geometry, groups } = volume;
  const head = 1 + geometry.gdtBlocks + geometry.reservedGdtBlocks;
  const runs: Array<readonly [start: number, length: number]> = [];
  for (let group = 0; group < geometry.groupCount; group++) {
    if (geometry.hasSuper(group)) runs.push([geometry.groupStart(group), head]);
    runs.push([groups.blockBitmapAt(group), 1], [groups.inodeBitmapAt(group), 1]);
    runs.push([groups.inodeTableAt(group), geometry.itableBlocks]);
  }
  runs.sort((a, b) => a[0] - b[0]);
  const zones: Zones = { starts: [], ends: [] };
  for (const [start, length] of runs) {
    const last = zones.ends.length - 1;
    if (last >= 0 && zones.ends[last]! >= start) {
      zones.ends[last] = Math.max(zones.ends[last]!, start + length);
    } else {
      zones.starts.push(start);
      zones.ends.push(start + length);
    }
  }
  return zones;
}
