/**
 * Twin records: any number of bytes that change at once, or not at all, with one fence.
 *
 * A record is kept in two copies, one behind the other. It begins with a checksum of what follows
 * and a sequence number. An update goes, with the next number, over the older copy: the newest copy
 * whose checksum holds is the record. The record with number n is copy n % 2, so the first update,
 * number 1, writes copy 1 and leaves copy 0 empty.
 *
 *   0x0 checksum u32le (of all behind it)   0x4 sequence u32le (wraps)   0x8 the caller's
 */
import { type PmemDevice, type Purpose, SEGMENT_SIZE } from "../spec/device.ts";
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

/**
 * Find the record among the two copies of `size` bytes at `at`; null where both are bad in a way
 * that no cut short update leaves. `seed` ties the record to its place and owner.
 */
export function readTwin(view: DataView, at: number, size: number, seed: number): Twin | null {
  const first = copyState(view, at, size, seed, 0);
  const second = copyState(view, at + size, size, seed, 1);
  const torn = first === TORN || second === TORN;
  const ahead = view.getUint32(at + size + 4, true) - view.getUint32(at + 4, true);
  if (second === GOOD && (first !== GOOD || (ahead | 0) > 0)) return { at: at + size, torn };
  if (first === GOOD) return { at, torn };
  return first === EMPTY ? { at: -1, torn } : null;
}

function copyState(view: DataView, at: number, size: number, seed: number, copy: number): number {
  const checksum = view.getUint32(at, true);
  const sequence = view.getUint32(at + 4, true);
  if (checksum === 0 && sequence === 0) return EMPTY;
  return sequence % 2 === copy && checksum === crc32c(view, at + 4, size - 4, seed) ? GOOD : TORN;
}

/**
 * Store `record`, number `sequence`, over the older copy at device byte `at`, and flush it. Fills in
 * the header. Durable, and so the record, after the next fence: that is the commit point.
 */
export function flushTwin(
  device: PmemDevice,
  at: number,
  record: DataView,
  sequence: number,
  seed: number,
  purpose: Purpose,
): void {
  const size = record.byteLength;
  assert((at % SEGMENT_SIZE) + 2 * size <= SEGMENT_SIZE, "a record is inside a segment");
  record.setUint32(4, sequence, true);
  record.setUint32(0, crc32c(record, 4, size - 4, seed), true);
  const target = at + size * (sequence % 2);
  device.store(target, new Uint8Array(record.buffer), 0, size, purpose);
  device.flush(target, size);
}
