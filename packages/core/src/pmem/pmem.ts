/**
 * The emulated device that nobody watches: a store is a memcpy and a counter.
 *
 * The memory is an array of 2 MiB segments, each a fixed-length ArrayBuffer with its views, which
 * comes into being when it is first touched: a 1 TiB device costs nothing until it is used.
 */
import { assert } from "../spec/errors.ts";
import {
  type PersistenceDomain,
  type PmemCounters,
  type PmemDevice,
  type Purpose,
  PurposeNames,
  SEGMENT_SIZE,
} from "../spec/device.ts";
import { LINE_SIZE, PAGE_SIZE } from "../spec/units.ts";

export class Pmem implements PmemDevice {
  readonly size: number;
  readonly domain: PersistenceDomain;
  readonly counters: PmemCounters = {
    bytes: new Float64Array(PurposeNames.length),
    stores: 0,
    flushes: 0,
    fences: 0,
  };
  protected readonly segments: Array<Uint8Array | undefined>;
  protected readonly views: Array<DataView | undefined>;

  constructor(size: number, domain: PersistenceDomain = "adr") {
    assert(Number.isSafeInteger(size) && size > 0, "device size is a positive integer");
    assert(size % PAGE_SIZE === 0, "device size is a multiple of the page size");
    this.size = size;
    this.domain = domain;
    const count = Math.ceil(size / SEGMENT_SIZE);
    this.segments = new Array<Uint8Array | undefined>(count);
    this.views = new Array<DataView | undefined>(count);
  }

  /** HOT. */
  view(offset: number, length: number): DataView {
    assert(length <= SEGMENT_SIZE - (offset % SEGMENT_SIZE), "a view stays inside its segment");
    const index = Math.floor(offset / SEGMENT_SIZE);
    return this.views[index] ?? this.materialise(index, this.views);
  }

  directAccess(offset: number, length: number): Uint8Array {
    const at = offset % SEGMENT_SIZE;
    const end = Math.min(at + length, SEGMENT_SIZE);
    return this.segment(offset).subarray(at, end);
  }

  load(offset: number, target: Uint8Array, start: number, length: number): void {
    this.checkRange(offset, length);
    for (let done = 0; done < length;) {
      const part = this.directAccess(offset + done, length - done);
      target.set(part, start + done);
      done += part.length;
    }
  }

  store(offset: number, source: Uint8Array, start: number, length: number, purpose: Purpose): void {
    this.checkRange(offset, length);
    this.copyIn(offset, source, start, length, purpose);
  }

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

  storeU32(offset: number, value: number, purpose: Purpose): void {
    assert(offset % 4 === 0, "a 4-byte store is aligned");
    this.view(offset, 4).setUint32(offset % SEGMENT_SIZE, value, true);
    this.count(4, purpose);
  }

  storeU64(offset: number, low: number, high: number, purpose: Purpose): void {
    assert(offset % 8 === 0, "an 8-byte store is aligned");
    const view = this.view(offset, 8);
    const at = offset % SEGMENT_SIZE;
    view.setUint32(at, low, true);
    view.setUint32(at + 4, high, true);
    this.count(8, purpose);
  }

  zero(offset: number, length: number, purpose: Purpose): void {
    this.checkRange(offset, length);
    for (let done = 0; done < length;) {
      const at = (offset + done) % SEGMENT_SIZE;
      const part = Math.min(length - done, SEGMENT_SIZE - at);
      // A segment that was never touched is zero already, and stays unallocated.
      this.segments[Math.floor((offset + done) / SEGMENT_SIZE)]?.fill(0, at, at + part);
      done += part;
    }
    this.count(length, purpose);
  }

  flush(offset: number, length: number): void {
    this.counters.flushes += Math.ceil(((offset % LINE_SIZE) + length) / LINE_SIZE);
  }

  fence(): void {
    this.counters.fences++;
  }

  persist(offset: number, length: number): void {
    this.flush(offset, length);
    this.fence();
  }

  /** A segment comes into being. */
  protected fill(_index: number): Uint8Array {
    return new Uint8Array(new ArrayBuffer(SEGMENT_SIZE));
  }

  private segment(offset: number): Uint8Array {
    const index = Math.floor(offset / SEGMENT_SIZE);
    return this.segments[index] ?? this.materialise(index, this.segments);
  }

  private materialise<T>(index: number, wanted: Array<T | undefined>): T {
    assert(index >= 0 && index < this.segments.length, "the access is inside the device");
    const bytes = this.fill(index);
    this.segments[index] = bytes;
    this.views[index] = new DataView(bytes.buffer);
    return wanted[index]!;
  }

  private copyIn(
    offset: number,
    source: Uint8Array,
    start: number,
    length: number,
    purpose: Purpose,
  ): void {
    for (let done = 0; done < length;) {
      const at = (offset + done) % SEGMENT_SIZE;
      const part = Math.min(length - done, SEGMENT_SIZE - at);
      const from = start + done;
      const whole = from === 0 && part === source.length;
      this.segment(offset + done).set(whole ? source : source.subarray(from, from + part), at);
      done += part;
    }
    this.count(length, purpose);
  }

  private count(length: number, purpose: Purpose): void {
    this.counters.bytes[purpose]! += length;
    this.counters.stores++;
  }

  private checkRange(offset: number, length: number): void {
    assert(offset >= 0, "the range starts inside the device");
    assert(offset + length <= this.size, "the range ends inside the device");
  }
}
