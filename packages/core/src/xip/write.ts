/**
 * write(2) without a cache: the driver that all protocols but `own` share.
 *
 *   gap      bytes between the old end of the file and `pos` read as zeros, durably
 *   ranges   written: copy. Otherwise: what the protocol does
 *   fence    the data is durable
 *   finish   the protocol converts what is left, and the size is published
 */
import { PURPOSE_DATA } from "../spec/device.ts";
import { FsError } from "../spec/errors.ts";
import type { Inode } from "../spec/inode.ts";
import { XIP_WRITTEN } from "../spec/xip.ts";
import type { WriteProtocol } from "./protocols.ts";
import { askRange, zeroWritten } from "./ranges.ts";
import { NO_BYTES, type WriteCall } from "./write-call.ts";

/**
 * Write `length` bytes of `source` from `start` on at `pos`. HOT: overwriting one written range is
 * a lookup, a copy and a fence; no transaction.
 * @returns bytes written: fewer than asked where the space ran out, or a line was bad, on the way.
 * @throws FsError ENOSPC, EFBIG, EIO where nothing was written.
 */
export function xipFileWrite(
  protocol: WriteProtocol,
  call: WriteCall,
  inode: Inode,
  pos: number,
  source: Uint8Array,
  start: number,
  length: number,
): number {
  if (length === 0) return 0;
  if (protocol.writeWhole === undefined && pos + length <= inode.size) {
    const { backing, device, range } = call;
    askRange(backing, inode.mapping, pos, length, 0, range);
    if (range.state === XIP_WRITTEN && range.length === length) {
      device.storeNonTemporal(range.offset, source, start, length, PURPOSE_DATA);
      // write() returns with its data durable: there is no dirty state that fsync could find.
      device.fence();
      return length;
    }
  }
  return writeCall(protocol, call, inode, pos, source, start, length);
}

function writeCall(
  protocol: WriteProtocol,
  call: WriteCall,
  inode: Inode,
  pos: number,
  source: Uint8Array,
  start: number,
  length: number,
): number {
  call.inode = inode;
  call.begin = pos;
  call.pos = pos;
  call.source = source;
  call.start = start;
  call.length = length;
  call.unconverted = false;
  try {
    if (pos > inode.size) zeroGap(call);
    if (protocol.writeWhole !== undefined) return protocol.writeWhole(call);
    writeRanges(protocol, call);
    call.device.fence();
    protocol.finish(call);
    return call.pos - pos;
  } finally {
    // Do not keep the caller's memory alive.
    call.source = NO_BYTES;
  }
}

function writeRanges(protocol: WriteProtocol, call: WriteCall): void {
  const { backing, device, inode, range } = call;
  try {
    while (call.length > 0) {
      askRange(backing, inode.mapping, call.pos, call.length, 0, range);
      if (range.state === XIP_WRITTEN) {
        device.storeNonTemporal(range.offset, call.source, call.start, range.length, PURPOSE_DATA);
      } else {
        protocol.writeNew(call);
      }
      call.pos += range.length;
      call.start += range.length;
      call.length -= range.length;
    }
  } catch (error) {
    // A short write, as POSIX has it; the next write meets the error again.
    if (!(error instanceof FsError) || call.pos === call.begin) throw error;
  }
}

/**
 * Blocks beyond the end of the file may hold anything: what a mapping stored there, what a write
 * left that a crash cut short. Zeros, durable with the fence that comes before any size.
 */
function zeroGap(call: WriteCall): void {
  const { backing, inode, pos, range } = call;
  zeroWritten(backing, inode.mapping, inode.size, pos - inode.size, range);
}
