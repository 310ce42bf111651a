/**
 * The write protocols: who makes unwritten blocks written, and when.
 *
 * A protocol has a part for each range that is not written yet (`writeNew`) and one for the end of
 * the call (`finish`); the driver in write.ts does what is common: overwriting written blocks in
 * place, fences, short writes. `own` replaces the driver (own.ts).
 *
 * All stores are non-temporal, durable at the next fence. The driver fences once more between the
 * last copy and `finish`, so that a size is never published before its data (I5).
 */
import { PURPOSE_DATA } from "../spec/device.ts";
import { assert } from "../spec/errors.ts";
import type { WriteProtocolName } from "../spec/file-operations.ts";
import { PAGE_SIZE } from "../spec/units.ts";
import {
  GXM_ALLOC,
  GXM_CREATE,
  GXM_HINT,
  GXM_ZERO,
  XIP_FRESH,
  XIP_HOLE,
  XIP_UNWRITTEN,
} from "../spec/xip.ts";
import { xipWriteOwn } from "./own.ts";
import { askRange, revokePages, zeroEdges } from "./ranges.ts";
import type { WriteCall } from "./write-call.ts";

export interface WriteProtocol {
  readonly name: WriteProtocolName;
  /** Loses nothing and shows nothing stale, whenever the power fails. */
  readonly sound: boolean;
  readonly story: string;
  /**
   * `call.range` is the lookup at `call.pos`: a hole, or unwritten. Give it blocks, copy into them,
   * and leave in `call.range` what was covered; the driver goes on behind it.
   * @throws FsError what the personality throws; then nothing of this range counts as written.
   */
  writeNew(call: WriteCall): void;
  /** Everything in [begin, pos) is durable: convert what is left to convert, publish the size. */
  finish(call: WriteCall): void;
  /** Replaces the driver. Returns the bytes written. */
  readonly writeWhole?: (call: WriteCall) => number;
}

/** As the code stood in 2013: an ext2 that zeroes at allocation, and a mapping is a mapping. */
const none: WriteProtocol = {
  name: "none",
  sound: false,
  story: "nobody converts: create, copy; data in preallocated blocks reads back as zeros",
  writeNew(call) {
    if (call.range.state === XIP_HOLE) {
      // One page per question, as get_xip_mem had it.
      const page = PAGE_SIZE - (call.pos % PAGE_SIZE);
      create(call, Math.min(call.range.length, page), GXM_CREATE | GXM_ZERO);
    }
    copy(call);
  },
  finish: publishSize,
};

/** The mail's GXM_ALLOC: "time to commit this range to disk". No zeroing, on purpose. */
const prewrite: WriteProtocol = {
  name: "prewrite",
  sound: false,
  story: "converted before the copy, unzeroed: old bytes around partial blocks and after a crash",
  writeNew(call) {
    create(call, call.range.length, GXM_CREATE | GXM_HINT | GXM_ALLOC);
    copy(call);
  },
  finish: publishSize,
};

/** The completion hook, after each copied range. */
const complete: WriteProtocol = {
  name: "complete",
  sound: true,
  story: "a hook after each copied range converts it: edges zeroed, data durable before",
  writeNew(call) {
    const { backing, device, inode, outcome, range, pos } = call;
    outcome.requested = call.range.length;
    create(call, call.range.length, GXM_CREATE | GXM_HINT);
    outcome.newSize = inode.diskSize;
    try {
      copyBetweenEdges(call);
    } catch (error) {
      backing.xipComplete(inode.mapping, pos, 0, range, outcome);
      throw error;
    }
    // The data is durable before a conversion can be: else old contents show after a crash (I3).
    device.fence();
    outcome.newSize = Math.max(inode.diskSize, pos + range.length);
    backing.xipComplete(inode.mapping, pos, range.length, range, outcome);
    revokeRange(call, pos, pos + range.length);
  },
  finish: publishSize,
};

/** The file system's own wrapper around xip_file_write: one conversion for the whole call. */
const wrapped: WriteProtocol = {
  name: "wrapped",
  sound: true,
  story: "a wrapper around write() converts once, at the end, in one transaction",
  writeNew(call) {
    create(call, call.range.length, GXM_CREATE | GXM_HINT);
    if (call.range.state === XIP_UNWRITTEN) call.unconverted = true;
    copyBetweenEdges(call);
  },
  finish(call) {
    if (!call.unconverted) return publishSize(call);
    const { backing, begin, inode, pos } = call;
    const newSize = Math.max(inode.diskSize, pos);
    backing.xipConvert(inode.mapping, begin, pos - begin, newSize);
    revokeRange(call, begin, pos);
  },
};

/** What Linux chose: zero, convert, commit in one transaction; then copy. */
const zero: WriteProtocol = {
  name: "zero",
  sound: true,
  story: "zeroed and converted in one transaction before the copy: the first write pays twice",
  writeNew(call) {
    create(call, call.range.length, GXM_CREATE | GXM_HINT | GXM_ZERO);
    copy(call);
  },
  finish: publishSize,
};

const own: WriteProtocol = {
  name: "own",
  sound: true,
  story: "out of place: new blocks, copy, one swap; writes are atomic, files fragment",
  writeNew() {
    assert(false, "an out-of-place write has no ranges in place");
  },
  finish: publishSize,
  writeWhole: xipWriteOwn,
};

export const WriteProtocols: Readonly<Record<WriteProtocolName, WriteProtocol>> = {
  none,
  prewrite,
  complete,
  wrapped,
  own,
  zero,
};

/** Have the personality change the range; whoever sees the zero page there is to look again (I6). */
function create(call: WriteCall, length: number, flags: number): void {
  const { backing, inode, pos, range } = call;
  askRange(backing, inode.mapping, pos, length, flags, range);
  if (range.state === XIP_FRESH) revokeRange(call, pos, pos + range.length);
}

function copy(call: WriteCall): void {
  const { device, range, source, start } = call;
  device.storeNonTemporal(range.offset, source, start, range.length, PURPOSE_DATA);
}

/** Copy; in unwritten blocks also zero what the copy does not cover, once (I4). */
function copyBetweenEdges(call: WriteCall): void {
  const { backing, device, pos, range } = call;
  if (range.state === XIP_UNWRITTEN) {
    zeroEdges(device, backing.blockSize, pos, range.length, range);
  }
  copy(call);
}

function revokeRange(call: WriteCall, pos: number, end: number): void {
  const { mapping } = call.inode;
  revokePages(mapping, Math.floor(pos / PAGE_SIZE), Math.ceil(end / PAGE_SIZE));
}

/** Move the end of the file behind what was written, if it is not there. */
function publishSize(call: WriteCall): void {
  const { backing, inode, pos } = call;
  if (pos > inode.size) backing.setSize(inode.mapping, pos);
}
