/** Proves word pairs: a power cut at any store leaves both words old, or both new after recovery. */
import { expect, test } from "vitest";
import { FaultInjector, PowerCut } from "../pmem/faults.ts";
import { createPmem } from "../pmem/observed.ts";
import { Pmem } from "../pmem/pmem.ts";
import { PURPOSE_METADATA } from "../spec/device.ts";
import { readWordPair, redoWordPair, storeWordPair, type Word } from "./word-pair.ts";

const INTENT = 0x100;
const WORDS: [Word, Word] = [
  { at: 0x1000, low: 1, high: 2 },
  { at: 0x1f00, low: 3, high: 4 },
];
const values = (device: Pmem): number[] =>
  WORDS.flatMap(({ at }) => [
    device.view(at, 8).getUint32(at, true),
    device.view(at, 8).getUint32(at + 4, true),
  ]);

test("stores both words and leaves no intent", () => {
  const device = new Pmem(8192);
  storeWordPair(device, INTENT, WORDS, PURPOSE_METADATA);
  expect(values(device)).toEqual([1, 2, 3, 4]);
  expect(readWordPair(device, INTENT)).toEqual([]);
  expect(device.counters.fences).toBe(3);
});

test("whatever prefix of its stores happens, recovery makes it none or both", () => {
  let both = 0;
  let none = 0;
  for (let event = 0; event < 40; event++) {
    const faults = new FaultInjector();
    const device = createPmem({ size: 8192, observers: [faults] });
    faults.cutPowerAt(event + 1);
    try {
      storeWordPair(device, INTENT, WORDS, PURPOSE_METADATA);
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
    }
    faults.restorePower();
    const image = new Pmem(8192);
    image.store(0, device.directAccess(0, 8192), 0, 8192, PURPOSE_METADATA);
    const pending = readWordPair(image, INTENT);
    if (pending.length > 0) redoWordPair(image, INTENT, pending, PURPOSE_METADATA);
    expect(readWordPair(image, INTENT)).toEqual([]);
    if (values(image)[0] === 0) none++;
    else both++;
    expect([
      [0, 0, 0, 0],
      [1, 2, 3, 4],
    ]).toContainEqual(values(image));
  }
  expect(none).toBeGreaterThan(0);
  expect(both).toBeGreaterThan(0);
});

test("an intent with any unit missing is none", () => {
  const whole = new Pmem(8192);
  storeWordPair(whole, INTENT, WORDS, PURPOSE_METADATA);
  // The words of the intent are still there, but for the place that was cleared.
  const bytes = whole.directAccess(INTENT, 40).slice();
  new DataView(bytes.buffer).setBigUint64(8, 0x1000n, true);
  for (let missing = 0; missing < 5; missing++) {
    const device = new Pmem(8192);
    for (let unit = 0; unit < 5; unit++) {
      if (unit === missing) continue;
      device.store(INTENT + 8 * unit, bytes, 8 * unit, 8, PURPOSE_METADATA);
    }
    expect(readWordPair(device, INTENT)).toEqual([]);
  }
  const device = new Pmem(8192);
  device.store(INTENT, bytes, 0, 40, PURPOSE_METADATA);
  expect(readWordPair(device, INTENT)).toEqual(WORDS);
});
