/**
 * `own`: the file system's own ->write, out of place.
 *
 *   stage      blocks that belong to nobody, for the block-aligned range
 *   copy       old contents at the two edges, the new data between them
 *   fence      everything in the staged blocks is durable
 *   swap       COMMIT POINT: one transaction puts them in place and publishes the size
 *
 * A crash before the swap leaves the old file; after it, the new one: write() is atomic. It is all
 * or nothing for want of space too.
 */
import { PURPOSE_DATA, PURPOSE_ZEROING } from "../spec/device.ts";
import { assert } from "../spec/errors.ts";
import { PAGE_SIZE } from "../spec/units.ts";
import { newXipRange, XIP_WRITTEN, type XipRange } from "../spec/xip.ts";
import { forgetPages } from "./fault.ts";
import { alignDown, alignUp, askRange } from "./ranges.ts";
import type { WriteCall } from "./write-call.ts";

/** Write all of `call`, or nothing. @returns `call.length`. @throws FsError ENOSPC, EFBIG, EIO */
export function xipWriteOwn(call: WriteCall): number {
  const { backing, device, inode, length, pos } = call;
  const { blockSize } = backing;
  const first = alignDown(pos, blockSize);
  const end = alignUp(pos + length, blockSize);
  const staged: XipRange[] = [];
  try {
    stage(call, first, end, staged);
    fillStaged(call, first, end, staged);
    // What is swapped in must be durable before the swap is.
    device.fence();
    backing.xipSwap(inode.mapping, first, staged, Math.max(inode.diskSize, pos + length));
  } catch (error) {
    backing.xipUnstage(inode.mapping, staged);
    throw error;
  }
  // Mapped pages show the old blocks, which are free now. What was stored there was copied along.
  forgetPages(inode.mapping, Math.floor(first / PAGE_SIZE), Math.ceil(end / PAGE_SIZE));
  return length;
}

function stage(call: WriteCall, first: number, end: number, staged: XipRange[]): void {
  const { backing, device, inode } = call;
  for (let at = first; at < end;) {
    const out = newXipRange();
    backing.xipStage(inode.mapping, at, end - at, out);
    staged.push(out);
    assert(out.length > 0, "a staged range has bytes");
    assert(out.length <= end - at, "a staged range is no longer than asked");
    assert(out.length % backing.blockSize === 0, "a staged range is whole blocks");
    assert(out.offset >= 0, "a staged range starts inside the device");
    assert(out.offset + out.length <= device.size, "a staged range ends inside the device");
    at += out.length;
  }
}

/** The edges lie in the first and the last block, so in the first and the last staged range. */
function fillStaged(call: WriteCall, first: number, end: number, staged: XipRange[]): void {
  const { device, length, pos, source, start } = call;
  const head = staged[0]!;
  const last = staged.at(-1)!;
  const tailLength = end - (pos + length);
  copyOld(call, first, pos - first, head.offset);
  copyOld(call, pos + length, tailLength, last.offset + last.length - tailLength);
  let at = first;
  for (const { offset, length: stagedLength } of staged) {
    const from = Math.max(at, pos);
    const to = Math.min(at + stagedLength, pos + length);
    assert(from < to, "every staged range takes new data");
    const target = offset + (from - at);
    device.storeNonTemporal(target, source, start + (from - pos), to - from, PURPOSE_DATA);
    at += stagedLength;
  }
  assert(at === end, "the staged ranges cover the write");
}

/** What the file holds at [pos, pos + length), zeros beyond its end, to device byte `target`. */
function copyOld(call: WriteCall, pos: number, length: number, target: number): void {
  const { backing, device, inode, range } = call;
  const inside = Math.max(0, Math.min(length, inode.size - pos));
  for (let done = 0; done < inside; done += range.length) {
    askRange(backing, inode.mapping, pos + done, inside - done, 0, range);
    if (range.state === XIP_WRITTEN) {
      for (let part = 0; part < range.length;) {
        const old = device.directAccess(range.offset + part, range.length - part);
        device.storeNonTemporal(target + done + part, old, 0, old.length, PURPOSE_DATA);
        part += old.length;
      }
    } else {
      device.zero(target + done, range.length, PURPOSE_ZEROING);
    }
  }
  if (inside < length) device.zero(target + inside, length - inside, PURPOSE_ZEROING);
}
