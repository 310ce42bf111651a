/** read(2) without a cache: copy from the storage to the caller. */
import { FsError } from "../spec/errors.ts";
import type { Inode } from "../spec/inode.ts";
import { XIP_WRITTEN, type XipRange } from "../spec/xip.ts";
import { askRange, type Backing } from "./ranges.ts";

/**
 * Copy up to `length` bytes at `pos` into `target`. The size is sampled once; holes and unwritten
 * blocks read as zeros (I7). HOT.
 * @returns bytes copied: 0 at or beyond the end of the file, fewer than asked before a bad line.
 * @throws FsError EIO where nothing could be copied.
 */
export function xipFileRead(
  backing: Backing,
  range: XipRange,
  inode: Inode,
  pos: number,
  target: Uint8Array,
  start: number,
  length: number,
): number {
  const left = inode.size - pos;
  const wanted = length < left ? length : left;
  if (wanted <= 0) return 0;
  askRange(backing, inode.mapping, pos, wanted, 0, range);
  if (range.length === wanted && range.state === XIP_WRITTEN) {
    backing.device.load(range.offset, target, start, wanted);
    return wanted;
  }
  return readRanges(backing, range, inode, pos, target, start, wanted);
}

/** What a hole reads as, a piece at a time. */
const ZEROS = new Uint8Array(64 * 1024);

/**
 * As `xipFileRead`, but append views of the device (of holes and unwritten blocks: of zeros) to
 * `views` instead of copying.
 */
export function xipFileViews(
  backing: Backing,
  range: XipRange,
  inode: Inode,
  pos: number,
  length: number,
  views: Uint8Array[],
): number {
  const wanted = Math.min(length, inode.size - pos);
  let done = 0;
  try {
    while (done < wanted) {
      askRange(backing, inode.mapping, pos + done, wanted - done, 0, range);
      const view =
        range.state === XIP_WRITTEN
          ? backing.device.directAccess(range.offset, range.length)
          : ZEROS.subarray(0, Math.min(range.length, ZEROS.length));
      views.push(view);
      done += view.length;
    }
  } catch (error) {
    if (!(error instanceof FsError) || done === 0) throw error;
  }
  return done;
}

function readRanges(
  backing: Backing,
  range: XipRange,
  inode: Inode,
  pos: number,
  target: Uint8Array,
  start: number,
  wanted: number,
): number {
  let done = 0;
  try {
    while (done < wanted) {
      askRange(backing, inode.mapping, pos + done, wanted - done, 0, range);
      if (range.state === XIP_WRITTEN) {
        backing.device.load(range.offset, target, start + done, range.length);
      } else {
        target.fill(0, start + done, start + done + range.length);
      }
      done += range.length;
    }
  } catch (error) {
    // As on Linux, a partial count wins over the error: the next read meets it again.
    if (!(error instanceof FsError) || done === 0) throw error;
  }
  return done;
}
