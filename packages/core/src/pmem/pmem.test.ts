/**
 * Proves what the device promises apart from persistence: bytes come back over segment borders,
 * what was never touched is zero and stays free, counters count, snapshots bring every byte back
 * whichever store changed it, and nothing outside the device is reached. By example, and for
 * snapshots against a plain copy, by property.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createPmem,
  FsError,
  ObservedPmem,
  Pmem,
  PURPOSE_DATA,
  PURPOSE_JOURNAL,
  SEGMENT_SIZE,
} from "../index.ts";

const refused = (access: () => void) => {
  expect(access).toThrow(expect.objectContaining({ code: "EIO", name: "FsError" }));
};
const SIZE = 2 * SEGMENT_SIZE;
const pattern = (length: number) =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + 1) % 256);

describe.each([
  ["Pmem", () => new Pmem(SIZE)],
  ["ObservedPmem", () => new ObservedPmem({ size: SIZE, observers: [{ onLoad() {} }] })],
])("%s", (_name, make) => {
  it.each([1, 8, 63, 64, 65, 4096, 10_000])("brings %i bytes back over a border", (length) => {
    const device = make();
    const source = pattern(length + 6);
    for (const store of ["store", "storeNonTemporal"] as const) {
      for (const at of [0, 13, SEGMENT_SIZE - Math.ceil(length / 2)]) {
        device[store](at, source, 3, length, PURPOSE_DATA);
        const target = new Uint8Array(length + 2).fill(0xee);
        device.load(at, target, 1, length);
        expect([target[0], target.at(-1)]).toEqual([0xee, 0xee]);
        expect(target.subarray(1, length + 1)).toEqual(source.subarray(3, length + 3));
        device.zero(at, length, PURPOSE_DATA);
        device.load(at, target, 1, length);
        expect(target.subarray(1, length + 1).every((byte) => byte === 0)).toBe(true);
      }
    }
  });

  it("gives views of the memory, cut at the segment's end", () => {
    const device = make();
    const part = device.directAccess(SEGMENT_SIZE - 16, 64);
    const view = device.view(SEGMENT_SIZE + 8, 8);
    expect(part.length).toBe(16);
    device.storeU64(SEGMENT_SIZE - 16, 0x04030201, 0x08070605, PURPOSE_DATA);
    device.storeU32(SEGMENT_SIZE + 12, 0xfffffffe, PURPOSE_DATA);
    expect([...part.subarray(0, 9)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 0]);
    expect(view.getUint32(12, true)).toBe(0xfffffffe);
  });

  it("counts bytes by purpose, stores, lines and fences", () => {
    const device = make();
    device.store(60, pattern(8), 0, 8, PURPOSE_JOURNAL);
    device.zero(0, 100, PURPOSE_DATA);
    device.persist(60, 8);
    device.flush(128, 64);
    device.flush(130, 0);
    expect([...device.counters.bytes]).toEqual([100, 0, 8, 0, 0]);
    expect(device.counters).toMatchObject({ stores: 2, flushes: 3, fences: 1 });
  });

  it("refuses what is not on the device with EIO, and changes nothing", () => {
    const device = make();
    const bytes = pattern(64);
    refused(() => device.store(SIZE - 32, bytes, 0, 64, PURPOSE_DATA));
    refused(() => device.storeNonTemporal(SIZE, bytes, 0, 64, PURPOSE_DATA));
    refused(() => device.zero(SIZE - 32, 64, PURPOSE_DATA));
    refused(() => device.storeU64(SIZE, 1, 1, PURPOSE_DATA));
    refused(() => device.load(SIZE - 32, bytes, 0, 64));
    refused(() => device.directAccess(2 ** 52, 64));
    refused(() => device.view(-8, 8));
    refused(() => device.flush(SIZE - 32, 64));
    expect(device.directAccess(SIZE - 32, 32).every((byte) => byte === 0)).toBe(true);
    expect(device.counters.stores).toBe(0);
    expect(new FsError("EIO").errno).toBe(-5);
  });

  it("brings every byte back, two snapshots deep", () => {
    const device = make();
    const read = () => device.directAccess(0, SEGMENT_SIZE).slice(0, 3 * 4096);
    device.store(0, pattern(3 * 4096), 0, 3 * 4096, PURPOSE_DATA);
    const first = read();
    device.snapshot();
    device.storeU64(4096, 0xffffffff, 0xffffffff, PURPOSE_DATA);
    const second = read();
    device.snapshot();
    device.zero(0, 8192, PURPOSE_DATA);
    device.storeU32(8192, 5, PURPOSE_DATA);
    device.storeNonTemporal(SEGMENT_SIZE - 8, pattern(16), 0, 16, PURPOSE_DATA);
    device.rollback();
    expect(read()).toEqual(second);
    device.store(4100, pattern(5), 0, 5, PURPOSE_DATA);
    device.rollback();
    expect(read()).toEqual(first);
    expect(device.directAccess(SEGMENT_SIZE - 8, 8).every((byte) => byte === 0)).toBe(true);
    expect(device.view(SEGMENT_SIZE, 8).getUint32(0, true)).toBe(0);
  });
});

describe("a snapshot", () => {
  const SMALL = 8 * 4096;
  const step = fc.oneof(
    fc.constant({ verb: "snapshot" as const }),
    fc.constant({ verb: "rollback" as const }),
    fc.record({
      verb: fc.constantFrom("store" as const, "storeNonTemporal" as const, "zero" as const),
      at: fc.nat(SMALL - 9000),
      length: fc.oneof(fc.nat(20), fc.nat(9000)),
      fill: fc.nat(255),
    }),
  );

  it("equals a copy of the device, over random programs", () => {
    const program = fc.array(step, { maxLength: 30 });
    const equal = fc.property(program, (steps) => {
      const device = new Pmem(SMALL);
      const image = () => device.directAccess(0, SMALL).slice();
      const copies: Uint8Array[] = [];
      for (const step of steps) {
        if (step.verb === "snapshot") {
          copies.push(image());
          device.snapshot();
        } else if (step.verb === "rollback") {
          const copy = copies.pop();
          if (copy === undefined) continue;
          device.rollback();
          if (image().some((byte, at) => byte !== copy[at])) return false;
        } else if (step.verb === "zero") {
          device.zero(step.at, step.length, PURPOSE_DATA);
        } else {
          const bytes = new Uint8Array(step.length).fill(step.fill);
          device[step.verb](step.at, bytes, 0, step.length, PURPOSE_DATA);
        }
      }
      return true;
    });
    expect(() => fc.assert(equal, { seed: 1, numRuns: 300 })).not.toThrow();
  });
});

describe("a large device", () => {
  it("costs nothing until it is touched", () => {
    const device = createPmem({ size: 2 ** 40 });
    expect(device).toBeInstanceOf(Pmem);
    expect(device).not.toBeInstanceOf(ObservedPmem);
    const target = new Uint8Array(4096).fill(1);
    device.load(2 ** 39 + 5, target, 0, 4096);
    device.zero(0, 2 ** 40, PURPOSE_DATA);
    expect(target.every((byte) => byte === 0)).toBe(true);
    device.storeU64(2 ** 40 - 8, 1, 2, PURPOSE_DATA);
    expect(device.view(2 ** 40 - 8, 8).getUint32(SEGMENT_SIZE - 4, true)).toBe(2);
  });

  it("finds each of millions of segments again", () => {
    const size = 2 ** 44;
    const device = new Pmem(size);
    const places = Array.from({ length: 50 }, (_, index) => (index * 349_525 + 7) * SEGMENT_SIZE);
    for (const [index, at] of places.entries()) {
      if (at < size) device.storeU32(at, index + 1, PURPOSE_DATA);
    }
    const found = places
      .filter((at) => at < size)
      .map((at) => device.view(at, 4).getUint32(0, true));
    expect(found.length).toBeGreaterThan(20);
    expect(found).toEqual(found.map((_, index) => index + 1));
    expect(device.directAccess(places[1]! + SEGMENT_SIZE, 8)).toEqual(new Uint8Array(8));
  });

  it("copies holes of what stands behind it without reading a segment", () => {
    const reads: number[] = [];
    const device = new Pmem(4 * SEGMENT_SIZE, "adr", {
      read: (offset, target) => {
        reads.push(offset);
        target.fill(7);
      },
      isHole: (offset) => offset < 2 * SEGMENT_SIZE,
    });
    const target = new Uint8Array(16).fill(1);
    device.load(SEGMENT_SIZE - 8, target, 0, 16);
    expect(target).toEqual(new Uint8Array(16));
    expect(reads).toEqual([]);
    device.load(2 * SEGMENT_SIZE - 8, target, 0, 16);
    expect(target).toEqual(Uint8Array.from([...new Uint8Array(8), ...new Uint8Array(8).fill(7)]));
    expect(reads).toEqual([2 * SEGMENT_SIZE]);
  });

  it("has a whole number of pages", () => {
    expect(() => new Pmem(4097)).toThrow("multiple of the page size");
    expect(() => new Pmem(0)).toThrow("positive integer");
  });
});
