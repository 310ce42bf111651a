/**
 * The one place where data paths ask a personality for memory, and distrust the answer.
 *
 * Everything that a data path does is a walk over ranges: ask for the largest range at a position,
 * do something to it, go on behind it. A personality is a plug-in, so what it answers is checked
 * here for ever, not only in tests.
 */
import { PURPOSE_ZEROING, type PmemDevice } from "../spec/device.ts";
import { assert } from "../spec/errors.ts";
import type { Mapping } from "../spec/inode.ts";
import type { FileSystem } from "../spec/personality.ts";
import {
  GXM_ALLOC,
  GXM_CREATE,
  GXM_ZERO,
  type MappingOperations,
  XIP_FRESH,
  XIP_HOLE,
  XIP_UNWRITTEN,
  XIP_WRITTEN,
  type XipRange,
} from "../spec/xip.ts";

/** What the data paths need of a mounted file system. */
export type Backing = MappingOperations &
  Pick<
    FileSystem,
    | "device"
    | "readOnly"
    | "blockSize"
    | "sizeMax"
    | "truncate"
    | "fallocate"
    | "fsync"
    | "privileged"
  >;

export const alignDown = (value: number, unit: number): number => value - (value % unit);
export const alignUp = (value: number, unit: number): number => alignDown(value + unit - 1, unit);

/**
 * getXipMem with its answer checked. HOT.
 * @throws FsError what getXipMem throws; AssertionError where the personality breaks the contract.
 */
export function askRange(
  backing: Backing,
  mapping: Mapping,
  pos: number,
  length: number,
  flags: number,
  out: XipRange,
): void {
  assert(length > 0, "a range has bytes");
  backing.getXipMem(mapping, pos, length, flags, out);
  assert(out.length > 0, "the answered range covers its position");
  assert(out.length <= length, "the answered range is no longer than asked");
  if (out.state !== XIP_HOLE) {
    assert(out.offset >= 0, "the answered range starts inside the device");
    assert(out.offset + out.length <= backing.device.size, "the answered range ends inside");
    // Block sizes are powers of two; `&` keeps the low bits of numbers beyond 31 bits too, and does
    // not call a floating-point remainder as `%` may.
    const shift = (out.offset - pos) & (backing.blockSize - 1);
    assert(shift === 0, "the answered range backs its position");
  }
  if (flags === 0) assert(out.state !== XIP_FRESH, "looking makes nothing fresh");
  else checkChange(flags, out);
}

/** After a change the range has blocks, in the state that the flags asked for. */
function checkChange(flags: number, out: XipRange): void {
  if ((flags & GXM_CREATE) !== 0) assert(out.state !== XIP_HOLE, "GXM_CREATE leaves no hole");
  if ((flags & (GXM_ALLOC | GXM_ZERO)) !== 0) {
    assert(out.state !== XIP_UNWRITTEN, "GXM_ALLOC and GXM_ZERO leave nothing unwritten");
  }
}

/**
 * Zero the written parts of [pos, pos + length); holes and unwritten blocks read as zeros already.
 * Non-temporal: durable after the next fence.
 * @returns whether anything was stored, and so needs the fence.
 */
export function zeroWritten(
  backing: Backing,
  mapping: Mapping,
  pos: number,
  length: number,
  range: XipRange,
): boolean {
  assert(length >= 0, "a range to zero has no negative length");
  let zeroed = false;
  for (let at = pos; at < pos + length; at += range.length) {
    askRange(backing, mapping, at, pos + length - at, 0, range);
    if (range.state !== XIP_WRITTEN) continue;
    backing.device.zero(range.offset, range.length, PURPOSE_ZEROING);
    zeroed = true;
  }
  return zeroed;
}

/**
 * `bytes` of an unwritten range at `pos` are about to be converted with the blocks that they touch:
 * zero what those blocks hold before and after, or old contents of the medium would show (I2, I3).
 */
export function zeroEdges(
  device: PmemDevice,
  blockSize: number,
  pos: number,
  bytes: number,
  range: XipRange,
): void {
  assert(range.state === XIP_UNWRITTEN, "only edges of unwritten blocks are zeroed");
  const head = pos % blockSize;
  const tail = alignUp(pos + bytes, blockSize) - (pos + bytes);
  if (head > 0) device.zero(range.offset - head, head, PURPOSE_ZEROING);
  if (tail > 0) device.zero(range.offset + bytes, tail, PURPOSE_ZEROING);
}

/** Drop translations of pages [first, end), and private copies, in every region of the file. */
export function discardPages(mapping: Mapping, first: number, end: number): void {
  for (const region of mapping.regions ?? []) region.discard(first, end);
}

/** Drop the translations of the pages that [pos, end) touches, in every region of the file. */
export function revokePages(mapping: Mapping, first: number, end: number): void {
  if (mapping.regions === null) return;
  for (const region of mapping.regions) region.revoke(first, end);
}
