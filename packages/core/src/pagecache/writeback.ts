/**
 * From the cache to the medium.
 *
 * State sequence of a run of neighbouring dirty blocks:
 *   promised -> allocated, unwritten      getXipMem(GXM_CREATE | GXM_HINT), long runs
 *   -> data in the blocks                 non-temporal stores
 *   -> data durable                       fence
 *   -> written, size published            xipConvert. COMMIT POINT
 *   -> clean
 *
 * The data is durable before the conversion is, so a crash shows the data or zeros (I3); a size is
 * published with or after the data that it covers (I5). Runs go in ascending order.
 */
import { PURPOSE_DATA } from "../spec/device.ts";
import { assert, FsError } from "../spec/errors.ts";
import type { Inode, Mapping } from "../spec/inode.ts";
import { PAGE_SIZE } from "../spec/units.ts";
import {
  GXM_CREATE,
  GXM_HINT,
  newXipRange,
  XIP_HOLE,
  XIP_UNWRITTEN,
  type XipRange,
} from "../spec/xip.ts";
import { askRange, zeroEdges } from "../xip/ranges.ts";
import type { Run } from "../xip/report.ts";
import type { CachedFolio, PageCache } from "./cache.ts";

/**
 * Write the dirty blocks of the file back that lie in [pos, end): durable on return, and with fsync
 * of the file system a size that covers them. What fails stays dirty.
 * @throws FsError EIO; ENOSPC only where the personality breaks its promise.
 */
export function writeBack(cache: PageCache, inode: Inode, pos: number, end: number): void {
  const { mapping } = inode;
  if (mapping.dirty === null || mapping.dirty.size === 0) return;
  const runs = dirtyRuns(cache, mapping, pos, end, false);
  const { backing } = cache;
  // Space was asked for when the pages became dirty. Who writes them back may be somebody else, who
  // may not use what is kept for root.
  const { privileged } = backing;
  if (privileged !== undefined) backing.privileged = true;
  try {
    for (const run of runs) writeRun(cache, inode, run);
  } finally {
    // Runs over written blocks have no transaction to wait for: one fence for all of them.
    backing.device.fence();
    if (privileged !== undefined) backing.privileged = privileged;
  }
  const last = runs.at(-1);
  if (last === undefined) return;
  const newSize = Math.min(inode.size, last.end);
  if (newSize > inode.diskSize) cache.backing.setSize(mapping, newSize);
}

/**
 * Runs of dirty blocks in [pos, end), ascending, as long as they get; with `reservedOnly` of those
 * that have only a promise.
 */
export function dirtyRuns(
  cache: PageCache,
  mapping: Mapping,
  pos: number,
  end: number,
  reservedOnly: boolean,
): Run[] {
  const runs: Run[] = [];
  let start = -1;
  let stop = -1;
  const indices = [...(mapping.dirty ?? [])].sort((a, b) => a - b);
  for (const index of indices) {
    if ((index + 1) * PAGE_SIZE <= pos || index * PAGE_SIZE >= end) continue;
    const folio = mapping.folios!.get(index)!;
    const mask = reservedOnly ? folio.reserved : folio.dirty;
    for (let at = 0; at < PAGE_SIZE; at += cache.unit) {
      if ((mask & (1 << (at / cache.unit))) === 0) continue;
      const unitPos = index * PAGE_SIZE + at;
      if (unitPos !== stop) {
        if (start >= 0) runs.push({ pos: start, end: stop });
        start = unitPos;
      }
      stop = unitPos + cache.unit;
    }
  }
  if (start >= 0) runs.push({ pos: start, end: stop });
  return runs;
}

function writeRun(cache: PageCache, inode: Inode, run: Run): void {
  const { backing } = cache;
  const { mapping } = inode;
  assert(run.pos < inode.size, "no dirty block lies beyond the end of the file");
  zeroBeyondEnd(inode, run);
  let unconverted = false;
  const range = newXipRange();
  try {
    for (let at = run.pos; at < run.end; at += range.length) {
      backRange(cache, mapping, at, run.end - at, range);
      if (range.state === XIP_UNWRITTEN) {
        zeroEdges(backing.device, backing.blockSize, at, range.length, range);
        unconverted = true;
      }
      copyFolios(cache, mapping, at, range);
    }
  } catch (error) {
    keepPromises(cache, mapping, run);
    throw error;
  }
  if (unconverted) {
    // The data is durable before the conversion can be.
    backing.device.fence();
    const newSize = Math.max(inode.diskSize, Math.min(inode.size, run.end));
    backing.xipConvert(mapping, run.pos, run.end - run.pos, newSize);
  }
  forEachFolio(mapping, run, (folio, from, to) => cache.markClean(folio, maskOf(cache, from, to)));
}

/** The next range of the run, with blocks: those that were promised are taken now. */
function backRange(
  cache: PageCache,
  mapping: Mapping,
  pos: number,
  length: number,
  range: XipRange,
): void {
  askRange(cache.backing, mapping, pos, length, 0, range);
  forEachFolio(mapping, { pos, end: pos + range.length }, (folio, from, to) =>
    cache.releasePromises(folio, maskOf(cache, from, to)),
  );
  if (range.state !== XIP_HOLE) return;
  askRange(cache.backing, mapping, pos, range.length, GXM_CREATE | GXM_HINT, range);
}

function copyFolios(cache: PageCache, mapping: Mapping, pos: number, range: XipRange): void {
  const { device } = cache.backing;
  forEachFolio(mapping, { pos, end: pos + range.length }, (folio, from, to) => {
    const target = range.offset + (folio.index * PAGE_SIZE + from - pos);
    device.storeNonTemporal(target, folio.bytes, from, to - from, PURPOSE_DATA);
  });
}

/** A mapping may have stored beyond the end of the file: that is nobody's data. */
function zeroBeyondEnd(inode: Inode, run: Run): void {
  if (run.end <= inode.size) return;
  const index = Math.floor(inode.size / PAGE_SIZE);
  inode.mapping.folios!.get(index)?.bytes.fill(0, inode.size % PAGE_SIZE);
}

/** After a failure: blocks that are still missing are promised again, while there is space. */
function keepPromises(cache: PageCache, mapping: Mapping, run: Run): void {
  if (!cache.delayed) return;
  try {
    forEachFolio(mapping, run, (folio) => cache.renewPromises(folio));
  } catch (error) {
    // Without a promise the next writeback may meet ENOSPC; the first failure is what is reported.
    if (!(error instanceof FsError)) throw error;
  }
}

function forEachFolio(
  mapping: Mapping,
  run: Run,
  visit: (folio: CachedFolio, from: number, to: number) => void,
): void {
  for (let at = run.pos; at < run.end;) {
    const from = at % PAGE_SIZE;
    const to = Math.min(PAGE_SIZE, from + run.end - at);
    const folio = mapping.folios!.get((at - from) / PAGE_SIZE);
    assert(folio !== undefined, "a dirty page is cached");
    visit(folio as CachedFolio, from, to);
    at += to - from;
  }
}

/** The bits of the units that bytes [from, to) of a folio touch. */
function maskOf(cache: PageCache, from: number, to: number): number {
  let mask = 0;
  const first = from - (from % cache.unit);
  for (let at = first; at < to; at += cache.unit) mask |= 1 << (at / cache.unit);
  return mask;
}
