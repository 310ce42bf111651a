/**
 * Twin records: any number of bytes that change at once, or not at all, with one fence.
 *
 * A record is kept in two copies, one behind the other. It begins with a checksum of what follows,
 * and a sequence number. An update goes, with the next number, over the older copy: the newest copy
 * whose checksum holds is the record. The record with number n is copy n % 2, so the first update,
 * number 1, writes copy 1 and leaves copy 0 empty.
 *
 *   0x0 checksum u32le (of all behind it)   0x4 sequence u32le (wraps)   0x8 the caller's
 */
import { type PmemDevice, PURPOSE_METADATA, SEGMENT_SIZE } from "../spec/device.ts";
import { assert } from "../spec/errors.ts";
import { crc32c } from "./crc32c.ts";

export interface Twin {
  /** Where in the view the record is; -1 where there is none yet. */
  readonly at: number;
  /** The other copy does not hold: an update was cut short. The next one goes over it. */
  readonly torn: boolean;
}

const EMPTY = 0;
const GOOD = 1;
const TORN = 2;

/** What a kind of twin record looks like. */
export interface TwinFormat {
  /** Bytes from one copy to the other. */
  readonly size: number;
  /** Bytes of the record at `at` that mean something: an update stores, flushes and checksums these
   * alone. Where the record is damaged the answer may be anything; `size` is its limit. */
  lengthOf(view: DataView, at: number): number;
}

/** Memory to make a record in, again and again: what is in it means nothing between updates. */
export class TwinRecord {
  readonly format: TwinFormat;
  /** The caller fills in everything behind the header. */
  readonly view: DataView;
  private readonly bytes: Uint8Array;
  private used: Uint8Array;

  constructor(format: TwinFormat) {
    this.format = format;
    this.bytes = new Uint8Array(format.size);
    this.used = this.bytes;
    this.view = new DataView(this.bytes.buffer);
  }

  /** The first `length` bytes. Records of one length follow each other: no object for each. */
  first(length: number): Uint8Array {
    if (this.used.length !== length) this.used = this.bytes.subarray(0, length);
    return this.used;
  }
}

/**
 * Find the record among the two copies at `at`; null where both are bad in a way that no cut short
 * update leaves. `seed` ties the record to its place and owner.
 */
export function readTwin(
  format: TwinFormat,
  view: DataView,
  at: number,
  seed: number,
): Twin | null {
  const { size } = format;
  const first = copyState(format, view, at, seed, 0);
  const second = copyState(format, view, at + size, seed, 1);
  const torn = first === TORN || second === TORN;
  const ahead = view.getUint32(at + size + 4, true) - view.getUint32(at + 4, true);
  if (second === GOOD && (first !== GOOD || (ahead | 0) > 0)) return { at: at + size, torn };
  if (first === GOOD) return { at, torn };
  return first === EMPTY ? { at: -1, torn } : null;
}

function copyState(
  format: TwinFormat,
  view: DataView,
  at: number,
  seed: number,
  copy: number,
): number {
  const checksum = view.getUint32(at, true);
  const sequence = view.getUint32(at + 4, true);
  if (checksum === 0 && sequence === 0) return EMPTY;
  if (sequence % 2 !== copy) return TORN;
  const length = Math.min(format.lengthOf(view, at), format.size);
  return checksum === crc32c(view, at + 4, length - 4, seed) ? GOOD : TORN;
}

/**
 * Store `record`, number `sequence`, over the older copy at device byte `at`, and flush it. Fills in
 * the header. Durable, and so the record, after the next fence: that is the commit point. HOT.
 */
export function flushTwin(
  device: PmemDevice,
  at: number,
  record: TwinRecord,
  sequence: number,
  seed: number,
): void {
  const { format, view } = record;
  const { size } = format;
  const length = format.lengthOf(view, 0);
  assert(length <= size, "a record is no longer than its place");
  assert((at % SEGMENT_SIZE) + 2 * size <= SEGMENT_SIZE, "a record is inside a segment");
  view.setUint32(4, sequence, true);
  view.setUint32(0, crc32c(view, 4, length - 4, seed), true);
  const target = at + size * (sequence % 2);
  device.store(target, record.first(length), 0, length, PURPOSE_METADATA);
  device.flush(target, length);
}
