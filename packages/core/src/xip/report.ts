/**
 * Where a file has data: lseek's SEEK_DATA and SEEK_HOLE, and fiemap. Unwritten blocks are a hole to
 * lseek (I7), unless a page cache has something newer for them.
 */
import { FsError } from "../spec/errors.ts";
import type { FiemapExtent } from "../spec/file-operations.ts";
import type { Inode } from "../spec/inode.ts";
import {
  FIEMAP_EXTENT_DELALLOC,
  FIEMAP_EXTENT_LAST,
  FIEMAP_EXTENT_UNWRITTEN,
  SEEK_DATA,
  SEEK_HOLE,
} from "../spec/mode.ts";
import { newXipRange, XIP_HOLE, XIP_UNWRITTEN, XIP_WRITTEN } from "../spec/xip.ts";
import { alignDown, alignUp, askRange, type Backing } from "./ranges.ts";

/** Bytes [pos, end) of a file. */
export interface Run {
  readonly pos: number;
  readonly end: number;
}

/**
 * Dirty data of the page cache that touches [pos, end), as runs in ascending order, not overlapping,
 * clipped to it. With `reservedOnly` only what has no blocks yet.
 */
export type DirtyRuns = (pos: number, end: number, reservedOnly: boolean) => readonly Run[];

/** XIP has nothing between programs and blocks: mapped stores go to written blocks. */
export const noDirtyRuns: DirtyRuns = () => [];

/**
 * The next data, or the next hole, at or behind `pos`; the end of the file is a hole.
 * @throws FsError ENXIO for a `pos` outside the file, and where no data follows.
 */
export function xipSeek(
  backing: Backing,
  inode: Inode,
  pos: number,
  whence: number,
  dirtyRuns: DirtyRuns,
): number {
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw new FsError("EINVAL");
  if (pos < 0 || pos >= inode.size) throw new FsError("ENXIO");
  const range = newXipRange();
  for (let at = pos; at < inode.size; at += range.length) {
    askRange(backing, inode.mapping, at, inode.size - at, 0, range);
    if (range.state === XIP_WRITTEN) {
      if (whence === SEEK_DATA) return at;
      continue;
    }
    const runs = dirtyRuns(at, at + range.length, false);
    if (whence === SEEK_DATA) {
      if (runs.length > 0) return runs[0]!.pos;
      continue;
    }
    const hole = firstGap(runs, at);
    if (hole < at + range.length) return hole;
  }
  if (whence === SEEK_DATA) throw new FsError("ENXIO");
  return inode.size;
}

/** The first position from `pos` on that no run covers. */
function firstGap(runs: readonly Run[], pos: number): number {
  let at = pos;
  for (const run of runs) {
    if (run.pos > at) break;
    at = run.end;
  }
  return at;
}

/**
 * The extents that touch [pos, pos + length), from the block of `pos` on, neighbours merged. Blocks
 * beyond the end of the file are listed too; FIEMAP_EXTENT_LAST marks the last extent of the file.
 */
export function xipReport(
  backing: Backing,
  inode: Inode,
  pos: number,
  length: number,
  dirtyRuns: DirtyRuns,
): FiemapExtent[] {
  const limit = alignUp(backing.sizeMax, backing.blockSize);
  const end = Math.min(alignUp(Math.min(pos + length, limit), backing.blockSize), limit);
  const extents: FiemapExtent[] = [];
  const range = newXipRange();
  let at = alignDown(pos, backing.blockSize);
  for (; at < end; at += range.length) {
    askRange(backing, inode.mapping, at, end - at, 0, range);
    if (range.state !== XIP_HOLE) {
      const flags = range.state === XIP_UNWRITTEN ? FIEMAP_EXTENT_UNWRITTEN : 0;
      append(extents, at, range.offset, range.length, flags);
      continue;
    }
    for (const run of dirtyRuns(at, at + range.length, true)) {
      append(extents, run.pos, 0, run.end - run.pos, FIEMAP_EXTENT_DELALLOC);
    }
  }
  if (extents.length > 0 && !hasBlocksFrom(backing, inode, at, limit, dirtyRuns)) markLast(extents);
  return extents;
}

/** Lookups end at the end of a contiguous piece, which need not be the end of the extent. */
function append(
  extents: FiemapExtent[],
  logical: number,
  physical: number,
  length: number,
  flags: number,
): void {
  const previous = extents.at(-1);
  const isDelalloc = flags === FIEMAP_EXTENT_DELALLOC;
  const follows =
    previous !== undefined &&
    previous.flags === flags &&
    previous.logical + previous.length === logical &&
    (isDelalloc || previous.physical + previous.length === physical);
  if (follows) extents.pop();
  extents.push(
    follows
      ? { ...previous, length: previous.length + length }
      : { logical, physical, length, flags },
  );
}

function hasBlocksFrom(
  backing: Backing,
  inode: Inode,
  pos: number,
  limit: number,
  dirtyRuns: DirtyRuns,
): boolean {
  const range = newXipRange();
  for (let at = pos; at < limit; at += range.length) {
    askRange(backing, inode.mapping, at, limit - at, 0, range);
    if (range.state !== XIP_HOLE) return true;
    if (dirtyRuns(at, at + range.length, true).length > 0) return true;
  }
  return false;
}

function markLast(extents: FiemapExtent[]): void {
  const last = extents.pop()!;
  extents.push({ ...last, flags: last.flags | FIEMAP_EXTENT_LAST });
}
