/** Proves twin records: whatever part of an update a power cut leaves, an old or a new one is read. */
import { expect, test } from "vitest";
import { Pmem } from "../pmem/pmem.ts";
import { PURPOSE_METADATA } from "../spec/device.ts";
import { flushTwin, readTwin, type Twin, TwinRecord } from "./twin.ts";

const SIZE = 64;
const AT = 4096;
const SEED = 99;

/** The word behind the header is the length: 16 to 64 bytes. */
const FORMAT = { size: SIZE, lengthOf: (view: DataView, at: number) => view.getUint32(at + 8) };
const lengthOf = (sequence: number): number => (sequence % 3 === 0 ? 24 : SIZE);

function update(device: Pmem, sequence: number): void {
  const record = new TwinRecord(FORMAT);
  for (let at = 12; at < SIZE; at += 4) record.view.setUint32(at, sequence * 1000 + at);
  record.view.setUint32(8, lengthOf(sequence));
  flushTwin(device, AT, record, sequence, SEED);
  device.fence();
}

const read = (device: Pmem, seed = SEED): Twin | null =>
  readTwin(FORMAT, device.view(AT, 2 * SIZE), AT, seed);

test("the newest of two copies, the first update being copy 1", () => {
  const device = new Pmem(8192);
  expect(read(device)).toEqual({ at: -1, torn: false });
  for (let sequence = 1; sequence < 6; sequence++) {
    update(device, sequence);
    expect(read(device)).toEqual({ at: AT + SIZE * (sequence % 2), torn: false });
  }
});

test("sequence numbers wrap", () => {
  const device = new Pmem(8192);
  for (const sequence of [0xfffffffe, 0xffffffff, 0, 1]) {
    update(device, sequence);
    expect(read(device)?.at).toBe(AT + SIZE * (sequence % 2));
  }
});

test("an update that is cut short anywhere leaves the record before it", () => {
  for (const before of [0, 1, 2, 3]) {
    const old = new Pmem(8192);
    for (let sequence = 1; sequence <= before; sequence++) update(old, sequence);
    const full = new Pmem(8192);
    for (let sequence = 1; sequence <= before + 1; sequence++) update(full, sequence);
    const target = AT + SIZE * ((before + 1) % 2);
    const bytes = full.directAccess(target, SIZE);
    // Units of 8 bytes, as a prefix.
    for (let length = 0; length < lengthOf(before + 1); length += 8) {
      const cut = new Pmem(8192);
      cut.store(0, old.directAccess(0, 8192), 0, 8192, PURPOSE_METADATA);
      cut.store(target, bytes, 0, length, PURPOSE_METADATA);
      const found = read(cut);
      expect(found?.at).toBe(before === 0 ? -1 : AT + SIZE * (before % 2));
      expect(found?.torn).toBe(length > 0);
    }
  }
});

test("two bad copies, or one where none can be, are no record", () => {
  const device = new Pmem(8192);
  device.store(AT + 20, new Uint8Array(1).fill(1), 0, 1, PURPOSE_METADATA);
  // Checksum and sequence are zero: it is empty still.
  expect(read(device)).toEqual({ at: -1, torn: false });
  device.storeU32(AT, 5, PURPOSE_METADATA);
  expect(read(device)).toBeNull();
  update(device, 1);
  expect(read(device)).toEqual({ at: AT + SIZE, torn: true });
  device.storeU32(AT + SIZE, 5, PURPOSE_METADATA);
  expect(read(device)).toBeNull();
});

test("a record of another place or owner does not hold", () => {
  const device = new Pmem(8192);
  update(device, 1);
  expect(read(device, SEED + 1)).toEqual({ at: -1, torn: true });
  // Number 2 in the place of copy 1.
  const other = new Pmem(8192);
  update(other, 2);
  device.store(AT + SIZE, other.directAccess(AT, SIZE), 0, SIZE, PURPOSE_METADATA);
  expect(read(device)).toEqual({ at: -1, torn: true });
});

test("only what the record holds is stored, flushed and checksummed", () => {
  const device = new Pmem(8192);
  update(device, 1);
  update(device, 2);
  const { flushes } = device.counters;
  const stored = device.counters.bytes[PURPOSE_METADATA]!;
  update(device, 3);
  expect(device.counters.flushes - flushes).toBe(1);
  expect(device.counters.bytes[PURPOSE_METADATA]! - stored).toBe(24);
  // What is behind its end is what was there before, and does not matter.
  device.storeU32(AT + SIZE + 24, 12345, PURPOSE_METADATA);
  expect(read(device)).toEqual({ at: AT + SIZE, torn: false });
});

test("a length that is damaged is bounded", () => {
  const device = new Pmem(8192);
  update(device, 1);
  device.storeU32(AT + SIZE + 8, 0xffffffff, PURPOSE_METADATA);
  expect(read(device)).toEqual({ at: -1, torn: true });
  device.storeU32(AT + SIZE + 8, 0, PURPOSE_METADATA);
  expect(read(device)).toEqual({ at: -1, torn: true });
});
