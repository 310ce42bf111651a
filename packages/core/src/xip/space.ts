/**
 * Truncation and fallocate: whole blocks in the personality, partial blocks here. Both data paths
 * use this, each with its own `FileShadow`.
 *
 * Order against crashes: the personality's transaction first, zeroing of partial blocks behind it.
 * So a crash before the commit has lost nothing but what the caller gave up anyway, and one after it
 * leaves bytes that are beyond the end of the file (zeroed before a size ever covers them) or that he
 * gave up. (Where the commit comes later than the call, the zeros are durable before it.)
 */
import { FsError } from "../spec/errors.ts";
import type { Inode } from "../spec/inode.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  FALLOC_FL_ZERO_RANGE,
} from "../spec/mode.ts";
import { PAGE_SIZE } from "../spec/units.ts";
import { newXipRange } from "../spec/xip.ts";
import { alignDown, alignUp, type Backing, discardPages, zeroWritten } from "./ranges.ts";

/** What a data path keeps of a file beside its blocks: translations and marks, or cached pages. */
export interface FileShadow {
  /** Make the blocks hold what is newer in the shadow of [pos, end): whole blocks or pages. */
  settle(inode: Inode, pos: number, end: number): void;
  /** Forget what the shadow has of [pos, end), newer contents included: whole blocks or pages. Of
   * a page that is covered in part the shadow may have zeros there afterwards. */
  forget(inode: Inode, pos: number, end: number): void;
  /** Where the shadow has contents of [pos, end), make them zeros. */
  zero(inode: Inode, pos: number, end: number): void;
}

/** Anything behind the last page. */
const END_OF_TIME = Number.MAX_SAFE_INTEGER;

/** Modes that exclude one another; KEEP_SIZE goes with some of them. */
const EXCLUSIVE =
  FALLOC_FL_PUNCH_HOLE |
  FALLOC_FL_COLLAPSE_RANGE |
  FALLOC_FL_ZERO_RANGE |
  FALLOC_FL_INSERT_RANGE |
  FALLOC_FL_UNSHARE_RANGE;

/**
 * Set the size. What a later growth would show reads as zeros.
 * @throws FsError what the personality throws.
 */
export function truncateFile(
  backing: Backing,
  shadow: FileShadow,
  inode: Inode,
  size: number,
): void {
  if (size > inode.size) xipZeroRange(backing, shadow, inode, inode.size, size);
  try {
    backing.truncate(inode, size);
  } finally {
    // Also after a failure on the way: what is beyond the size that holds now has no blocks.
    const unit = Math.min(backing.blockSize, PAGE_SIZE);
    shadow.forget(inode, alignUp(inode.size, unit), END_OF_TIME);
  }
  xipTruncatePage(backing, shadow, inode, size);
}

/** Zero from `from` to the end of its block; nothing where that is a hole, or at a block's start. */
function xipTruncatePage(backing: Backing, shadow: FileShadow, inode: Inode, from: number): void {
  xipZeroRange(backing, shadow, inode, from, alignUp(from, backing.blockSize));
}

/** Have [pos, end) read as zeros, durably where it has blocks, without changing the blocks. */
export function xipZeroRange(
  backing: Backing,
  shadow: FileShadow,
  inode: Inode,
  pos: number,
  end: number,
): void {
  if (pos >= end) return;
  const zeroed = zeroWritten(backing, inode.mapping, pos, end - pos, newXipRange());
  // The zeros are durable before a size that covers them is.
  if (zeroed) backing.device.fence();
  shadow.zero(inode, pos, end);
}

/**
 * fallocate(2) behind the checks of open mode and limits that the vfs makes.
 * @throws FsError EINVAL for a range that the mode does not take, EFBIG beyond the largest file,
 * EOPNOTSUPP for a combination of flags, or a mode, that does not exist here; ENOSPC.
 */
export function fallocateFile(
  backing: Backing,
  shadow: FileShadow,
  inode: Inode,
  mode: number,
  pos: number,
  length: number,
): void {
  checkMode(mode);
  if (pos < 0 || length <= 0) throw new FsError("EINVAL", "fallocate of an empty range");
  if (pos + length > backing.sizeMax) throw new FsError("EFBIG");
  const kind = mode & EXCLUSIVE;
  if (kind === FALLOC_FL_PUNCH_HOLE) punchHole(backing, shadow, inode, pos, length);
  else if (kind === FALLOC_FL_ZERO_RANGE) zeroBlocks(backing, shadow, inode, mode, pos, length);
  else if (kind === FALLOC_FL_COLLAPSE_RANGE) shiftRange(backing, shadow, inode, mode, pos, length);
  else if (kind === FALLOC_FL_INSERT_RANGE) shiftRange(backing, shadow, inode, mode, pos, length);
  else allocate(backing, shadow, inode, mode, pos, length);
}

/** Linux 6.12 and later, vfs_fallocate: one mode at a time, KEEP_SIZE where it means something. */
function checkMode(mode: number): void {
  const kind = mode & EXCLUSIVE;
  const keep = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
  const moves = kind === FALLOC_FL_COLLAPSE_RANGE || kind === FALLOC_FL_INSERT_RANGE;
  const known = (mode & ~(EXCLUSIVE | FALLOC_FL_KEEP_SIZE)) === 0;
  const single = (kind & (kind - 1)) === 0;
  const sized = kind === FALLOC_FL_PUNCH_HOLE ? keep : !(moves && keep);
  if (!known) throw new FsError("EOPNOTSUPP", "unknown fallocate flag");
  if (!single) throw new FsError("EOPNOTSUPP", "fallocate takes one mode at a time");
  if (!sized) throw new FsError("EOPNOTSUPP", "fallocate mode and KEEP_SIZE do not go together");
}

function allocate(
  backing: Backing,
  shadow: FileShadow,
  inode: Inode,
  mode: number,
  pos: number,
  length: number,
): void {
  const grows = (mode & FALLOC_FL_KEEP_SIZE) === 0 && pos + length > inode.size;
  if (grows) xipZeroRange(backing, shadow, inode, inode.size, pos + length);
  backing.fallocate(inode, mode, pos, length);
}

function punchHole(
  backing: Backing,
  shadow: FileShadow,
  inode: Inode,
  pos: number,
  length: number,
): void {
  const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  clearBlocks(backing, shadow, inode, mode, pos, pos + length);
}

/** ZERO_RANGE: like a hole, but every block of the range exists afterwards. */
function zeroBlocks(
  backing: Backing,
  shadow: FileShadow,
  inode: Inode,
  mode: number,
  pos: number,
  length: number,
): void {
  const end = pos + length;
  const clear = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
  clearBlocks(backing, shadow, inode, clear, pos, end);
  backing.fallocate(inode, FALLOC_FL_KEEP_SIZE, pos, length);
  if ((mode & FALLOC_FL_KEEP_SIZE) !== 0 || end <= inode.size) return;
  if (pos > inode.size) xipZeroRange(backing, shadow, inode, inode.size, pos);
  backing.setSize(inode.mapping, end);
}

/** Whole blocks through the personality's `mode`, what is left at both ends by storing zeros. */
function clearBlocks(
  backing: Backing,
  shadow: FileShadow,
  inode: Inode,
  mode: number,
  pos: number,
  end: number,
): void {
  const { blockSize } = backing;
  const first = alignUp(pos, blockSize);
  const last = alignDown(end, blockSize);
  if (first >= last) return xipZeroRange(backing, shadow, inode, pos, end);
  backing.fallocate(inode, mode, first, last - first);
  shadow.forget(inode, first, last);
  xipZeroRange(backing, shadow, inode, pos, first);
  xipZeroRange(backing, shadow, inode, last, end);
}

/** COLLAPSE_RANGE and INSERT_RANGE: everything from `pos` on moves. */
function shiftRange(
  backing: Backing,
  shadow: FileShadow,
  inode: Inode,
  mode: number,
  pos: number,
  length: number,
): void {
  const { blockSize } = backing;
  if (pos % blockSize !== 0 || length % blockSize !== 0) {
    throw new FsError("EINVAL", "the range is not aligned to blocks");
  }
  if (mode === FALLOC_FL_COLLAPSE_RANGE) {
    if (pos + length >= inode.size) throw new FsError("EINVAL", "the range reaches the end");
  } else {
    if (pos >= inode.size) throw new FsError("EINVAL", "the range is not inside the file");
    if (inode.size + length > backing.sizeMax) throw new FsError("EFBIG");
  }
  const page = alignDown(pos, PAGE_SIZE);
  shadow.settle(inode, page, END_OF_TIME);
  backing.fallocate(inode, mode, pos, length);
  // Blocks have moved inside the file. What is stored to them in place from here on must not show
  // at their old positions after a crash: so the move is durable first, whenever the design commits.
  backing.fsync(inode, false);
  shadow.forget(inode, page, END_OF_TIME);
  // Private copies go as well, as in Linux: their pages hold other data now.
  discardPages(inode.mapping, page / PAGE_SIZE, END_OF_TIME);
}
