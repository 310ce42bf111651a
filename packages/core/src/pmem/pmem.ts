/**
 * The emulated device that nobody watches: a store is a memcpy and a counter.
 *
 * The memory is an array of 2 MiB segments, each a fixed-length ArrayBuffer with its views, which
 * comes into being when it is first touched: a 1 TiB device costs nothing until it is used. Where a
 * `SegmentSource` stands behind the device (a host file), a segment is read from it at that moment;
 * where a `DeviceMemory` does (a mapped host file), the segment is memory of its own.
 * Segments are found through a table of two levels, of which the lower one too is made on demand:
 * eight million places, for 16 TiB, would keep the garbage collector busy.
 *
 * Invariants:
 * - a segment that does not exist is zero, or still unchanged in the source;
 * - a segment, once made, is never replaced: views of it are valid for the device's life;
 * - under a snapshot no byte changes before its page is in the undo log.
 *
 * An access outside the device throws FsError EIO, as a kernel does for a device that is shorter
 * than its superblock says. Nothing is read or changed then. Addresses come from the medium, so this
 * is an answer and not a bug; a position that is no integer is a bug.
 */
import { assert, FsError } from "../spec/errors.ts";
import {
  type PersistenceDomain,
  type PmemCounters,
  type PmemDevice,
  type Purpose,
  PurposeNames,
  SEGMENT_SIZE,
} from "../spec/device.ts";
import { LINE_SIZE, PAGE_SIZE } from "../spec/units.ts";
import { UndoLog } from "./undo.ts";

/** Places in a part of the table, for 128 MiB: metadata is often a little in each so many. */
const PART_LOG = 6;
const PART_LENGTH = 2 ** PART_LOG;
const PART_MASK = PART_LENGTH - 1;

/** Below this, a loop is faster than `set(subarray)`, which makes an object. Bytes. */
const COPY_BY_LOOP_MAX = 64;

/** What a device holds before anybody stores to it. */
export interface SegmentSource {
  /**
   * Read what stands at `offset` into `target`, which holds zeros and is the segment's own memory.
   * Called once per segment, when it comes into being.
   * @throws FsError where it cannot be read.
   */
  read(offset: number, target: Uint8Array): void;
  /**
   * Is the range, inside a segment that was not read, zero? Asked before zeros are stored there, and
   * before the range is copied: nothing need be read then.
   */
  isHole(offset: number, length: number): boolean;
}

/** Memory that is not the device's own, such as a file of the host that is mapped. */
export interface DeviceMemory {
  /**
   * The bytes of the segment at `offset`, in an ArrayBuffer, valid for the device's life. Called once
   * per segment, when it comes into being. For reading, until `prepare` was called.
   * @throws FsError where there is none.
   */
  segment(offset: number, length: number): Uint8Array<ArrayBuffer>;
  /** As `SegmentSource.isHole`. */
  isHole(offset: number, length: number): boolean;
  /**
   * The range, inside a segment that was asked for, is about to be stored to. HOT.
   * @throws FsError where that cannot be; nothing was stored then.
   */
  prepare(offset: number, length: number): void;
  /** Zero the range, inside a segment that was asked for; what is a hole stays one. @throws FsError */
  zero(offset: number, length: number): void;
}

export class Pmem implements PmemDevice {
  readonly size: number;
  readonly domain: PersistenceDomain;
  readonly counters: PmemCounters = {
    bytes: new Float64Array(PurposeNames.length),
    stores: 0,
    flushes: 0,
    fences: 0,
  };
  private readonly segments: Array<Array<Uint8Array | undefined>>;
  private readonly views: Array<Array<DataView | undefined>>;
  private readonly source: SegmentSource | null;
  private readonly memory: DeviceMemory | null;
  private readonly undoLog = new UndoLog();
  private recordsUndo = false;
  /** Does somebody want to know before bytes change: the memory, or the undo log? */
  private preparesStores: boolean;

  /** With `memory` there is no `source`: the memory holds what it holds. */
  constructor(
    size: number,
    domain: PersistenceDomain = "adr",
    source?: SegmentSource,
    memory?: DeviceMemory,
  ) {
    assert(source === undefined || memory === undefined, "memory of somebody has its own content");
    assert(Number.isSafeInteger(size) && size > 0, "device size is a positive integer");
    assert(size % PAGE_SIZE === 0, "device size is a multiple of the page size");
    this.size = size;
    this.domain = domain;
    this.source = source ?? null;
    this.memory = memory ?? null;
    this.preparesStores = this.memory !== null;
    const parts = Math.ceil(size / SEGMENT_SIZE / PART_LENGTH);
    this.segments = Array.from({ length: parts }, () => NO_SEGMENTS);
    this.views = Array.from({ length: parts }, () => NO_VIEWS);
  }

  /** See PmemDevice. HOT. */
  view(offset: number, length: number): DataView {
    this.checkRange(offset, length);
    const index = Math.floor(offset / SEGMENT_SIZE);
    assert(offset - index * SEGMENT_SIZE + length <= SEGMENT_SIZE, "a view stays in its segment");
    return this.views[index >>> PART_LOG]![index & PART_MASK] ?? this.makeView(index);
  }

  /** See PmemDevice. HOT. */
  directAccess(offset: number, length: number): Uint8Array {
    this.checkRange(offset, length);
    const index = Math.floor(offset / SEGMENT_SIZE);
    const at = offset - index * SEGMENT_SIZE;
    const segment = this.segmentAt(index) ?? this.makeSegment(index);
    return segment.subarray(at, Math.min(at + length, SEGMENT_SIZE));
  }

  /** See PmemDevice. HOT. */
  load(offset: number, target: Uint8Array, start: number, length: number): void {
    this.checkRange(offset, length);
    assert(start + length <= target.length, "the target has room for what is loaded");
    const index = Math.floor(offset / SEGMENT_SIZE);
    const at = offset - index * SEGMENT_SIZE;
    const segment = this.segmentAt(index);
    if (segment !== undefined && at + length <= SEGMENT_SIZE) {
      copyBytes(segment, at, target, start, length);
    } else {
      this.loadParts(offset, target, start, length);
    }
  }

  /** See PmemDevice. HOT. */
  store(offset: number, source: Uint8Array, start: number, length: number, purpose: Purpose): void {
    this.checkRange(offset, length);
    this.copyIn(offset, source, start, length, purpose);
  }

  /** See PmemDevice. HOT. */
  storeNonTemporal(
    offset: number,
    source: Uint8Array,
    start: number,
    length: number,
    purpose: Purpose,
  ): void {
    this.checkRange(offset, length);
    this.copyIn(offset, source, start, length, purpose);
  }

  /** See PmemDevice. HOT. */
  storeU32(offset: number, value: number, purpose: Purpose): void {
    this.checkRange(offset, 4);
    assert((offset & 3) === 0, "a 4-byte store is aligned");
    const index = Math.floor(offset / SEGMENT_SIZE);
    const at = offset - index * SEGMENT_SIZE;
    const view = this.views[index >>> PART_LOG]![index & PART_MASK] ?? this.makeView(index);
    if (this.preparesStores) this.prepareStore(index, this.segmentAt(index)!, at, 4);
    view.setUint32(at, value, true);
    this.count(4, purpose);
  }

  /** See PmemDevice. HOT. */
  storeU64(offset: number, low: number, high: number, purpose: Purpose): void {
    this.checkRange(offset, 8);
    assert((offset & 7) === 0, "an 8-byte store is aligned");
    const index = Math.floor(offset / SEGMENT_SIZE);
    const at = offset - index * SEGMENT_SIZE;
    const view = this.views[index >>> PART_LOG]![index & PART_MASK] ?? this.makeView(index);
    if (this.preparesStores) this.prepareStore(index, this.segmentAt(index)!, at, 8);
    view.setUint32(at, low, true);
    view.setUint32(at + 4, high, true);
    this.count(8, purpose);
  }

  /** See PmemDevice. A segment that was never touched and is zero stays without memory. */
  zero(offset: number, length: number, purpose: Purpose): void {
    this.checkRange(offset, length);
    for (let done = 0; done < length;) {
      const index = Math.floor((offset + done) / SEGMENT_SIZE);
      const at = offset + done - index * SEGMENT_SIZE;
      const part = Math.min(length - done, SEGMENT_SIZE - at);
      done += part;
      let segment = this.segmentAt(index);
      if (segment === undefined && this.isHole(index, at, part)) continue;
      segment ??= this.makeSegment(index);
      if (this.recordsUndo) this.undoLog.save(index, segment, at, part);
      if (this.memory === null) segment.fill(0, at, at + part);
      else this.memory.zero(index * SEGMENT_SIZE + at, part);
    }
    this.count(length, purpose);
  }

  /** See PmemDevice. HOT. */
  flush(offset: number, length: number): void {
    this.checkRange(offset, length);
    if (length === 0) return;
    const first = Math.floor(offset / LINE_SIZE);
    this.counters.flushes += Math.floor((offset + length - 1) / LINE_SIZE) - first + 1;
  }

  /** See PmemDevice. HOT. */
  fence(): void {
    this.counters.fences++;
  }

  /** See PmemDevice. HOT. */
  persist(offset: number, length: number): void {
    this.flush(offset, length);
    this.fence();
  }

  /**
   * From here on keep what stores overwrite, so that `rollback` can bring it back. Snapshots nest.
   * The first store to a page costs a copy of the page (4 KiB); without a snapshot, one branch.
   */
  snapshot(): void {
    assert(
      this.memory === null,
      "a device on a host file has no snapshots: a kill would show them",
    );
    this.undoLog.push();
    this.recordsUndo = true;
    this.preparesStores = true;
  }

  /**
   * Every byte as it was at the innermost snapshot, which is gone then: take the next one for the
   * next crash state. Views stay valid. Counters are not turned back, and observers hear nothing:
   * this is a time machine and no store.
   */
  rollback(): void {
    assert(this.undoLog.depth > 0, "a rollback has its snapshot");
    this.undoLog.pop();
    this.recordsUndo = this.undoLog.depth > 0;
    this.preparesStores = this.recordsUndo;
  }

  /** @throws FsError EIO where the range is not inside the device. */
  protected checkRange(offset: number, length: number): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) {
      refuseRange(offset, length, this.size);
    }
  }

  /** The bytes at `offset` up to the end of the segment, for who has announced the access. */
  protected bytesAt(offset: number, length: number): Uint8Array {
    const index = Math.floor(offset / SEGMENT_SIZE);
    const at = offset - index * SEGMENT_SIZE;
    const end = Math.min(at + length, SEGMENT_SIZE);
    const segment = this.segmentAt(index);
    if (segment === undefined) return ZEROS.subarray(at, end);
    return segment.subarray(at, end);
  }

  /** HOT. */
  private segmentAt(index: number): Uint8Array | undefined {
    return this.segments[index >>> PART_LOG]![index & PART_MASK];
  }

  private isHole(index: number, at: number, length: number): boolean {
    const holder = this.memory ?? this.source;
    return holder === null || holder.isHole(index * SEGMENT_SIZE + at, length);
  }

  /** HOT where it is called at all. */
  private prepareStore(index: number, segment: Uint8Array, at: number, length: number): void {
    if (this.recordsUndo) this.undoLog.save(index, segment, at, length);
    if (this.memory !== null) this.memory.prepare(index * SEGMENT_SIZE + at, length);
  }

  private loadParts(offset: number, target: Uint8Array, start: number, length: number): void {
    for (let done = 0; done < length;) {
      const index = Math.floor((offset + done) / SEGMENT_SIZE);
      const at = offset + done - index * SEGMENT_SIZE;
      const part = Math.min(length - done, SEGMENT_SIZE - at);
      let segment = this.segmentAt(index);
      if (segment === undefined && this.isHole(index, at, part)) {
        target.fill(0, start + done, start + done + part);
      } else {
        segment ??= this.makeSegment(index);
        copyBytes(segment, at, target, start + done, part);
      }
      done += part;
    }
  }

  private copyIn(
    offset: number,
    source: Uint8Array,
    start: number,
    length: number,
    purpose: Purpose,
  ): void {
    assert(start + length <= source.length, "the source holds what is stored");
    for (let done = 0; done < length;) {
      const index = Math.floor((offset + done) / SEGMENT_SIZE);
      const at = offset + done - index * SEGMENT_SIZE;
      const part = Math.min(length - done, SEGMENT_SIZE - at);
      const segment = this.segmentAt(index) ?? this.makeSegment(index);
      if (this.preparesStores) this.prepareStore(index, segment, at, part);
      copyBytes(source, start + done, segment, at, part);
      done += part;
    }
    this.count(length, purpose);
  }

  private count(length: number, purpose: Purpose): void {
    this.counters.bytes[purpose]! += length;
    this.counters.stores++;
  }

  private makeSegment(index: number): Uint8Array {
    const offset = index * SEGMENT_SIZE;
    assert(offset >= 0 && offset < this.size, "a segment is inside the device");
    const length = Math.min(SEGMENT_SIZE, this.size - offset);
    const bytes = this.memory?.segment(offset, length) ?? new Uint8Array(new ArrayBuffer(length));
    assert(bytes.length === length, "a segment has the bytes that it stands for");
    this.source?.read(offset, bytes);
    const part = index >>> PART_LOG;
    if (this.segments[part] === NO_SEGMENTS) {
      this.segments[part] = emptyPart<Uint8Array>();
      this.views[part] = emptyPart<DataView>();
    }
    this.segments[part]![index & PART_MASK] = bytes;
    this.views[part]![index & PART_MASK] = new DataView(bytes.buffer, bytes.byteOffset, length);
    return bytes;
  }

  private makeView(index: number): DataView {
    this.makeSegment(index);
    return this.views[index >>> PART_LOG]![index & PART_MASK]!;
  }
}

function emptyPart<T>(): Array<T | undefined> {
  return Array.from({ length: PART_LENGTH }, () => undefined);
}

/** Stand for every part of the table that has nothing. Never written to. */
const NO_SEGMENTS = emptyPart<Uint8Array>();
const NO_VIEWS = emptyPart<DataView>();

/** Stands for every segment that does not exist. Never written to. */
export const ZEROS: Uint8Array = new Uint8Array(new ArrayBuffer(SEGMENT_SIZE));

/** HOT. Three ways, because an object for a short copy costs more than the copy. */
function copyBytes(
  source: Uint8Array,
  start: number,
  target: Uint8Array,
  at: number,
  length: number,
): void {
  if (length < COPY_BY_LOOP_MAX) {
    for (let index = 0; index < length; index++) target[at + index] = source[start + index]!;
  } else if (start === 0 && length === source.length) {
    target.set(source, at);
  } else {
    target.set(source.subarray(start, start + length), at);
  }
}

function refuseRange(offset: number, length: number, size: number): never {
  assert(Number.isInteger(offset), "a device address is an integer");
  assert(Number.isInteger(length), "a length is an integer");
  throw new FsError(
    "EIO",
    `bytes ${offset} to ${offset + length} are not on the device, which has ${size}`,
  );
}
