/**
 * Proves that injected faults do what they say, at the very event, and nothing besides; and that a
 * device shorter than expected refuses instead of corrupting. By example, power cuts exhaustively.
 */
import { describe, expect, it } from "vitest";
import {
  createPmem,
  FaultInjector,
  type Pmem,
  PowerCut,
  PURPOSE_DATA,
  Recorder,
  SEGMENT_SIZE,
} from "../index.ts";

const EIO = expect.objectContaining({ name: "FsError", code: "EIO" });
const PAGE = new Uint8Array(4096).fill(7);

function faulty(size = 4 * 4096) {
  const faults = new FaultInjector();
  const recorder = new Recorder();
  recorder.start();
  const device = createPmem({ size, observers: [faults, recorder] });
  return { faults, recorder, device };
}

describe("poison", () => {
  it("makes every way to load the line fail with EIO, and no other line", () => {
    const { faults, device } = faulty();
    faults.poison(130, 1);
    const target = new Uint8Array(4096).fill(9);
    expect(() => device.view(128, 4)).toThrow(EIO);
    expect(() => device.directAccess(100, 64)).toThrow(EIO);
    expect(() => device.load(0, target, 0, 4096)).toThrow("the line at byte 128 is poisoned");
    expect(target.every((byte) => byte === 9)).toBe(true);
    expect(device.directAccess(64, 64).length).toBe(64);
    expect(device.directAccess(192, 64).length).toBe(64);
    expect(faults.poisonedLines).toEqual([128]);
  });

  it("is cleared by overwriting the whole aligned page, not by less", () => {
    const { faults, device } = faulty();
    faults.poison(4096, 200);
    expect(faults.poisonedLines).toEqual([4096, 4160, 4224, 4288]);
    device.store(4096, PAGE, 0, 4095, PURPOSE_DATA);
    device.store(4100, PAGE, 0, 4096, PURPOSE_DATA);
    device.storeU64(4096, 0, 0, PURPOSE_DATA);
    expect(() => device.directAccess(4096, 8)).toThrow(EIO);
    device.zero(4000, 96 + 4096, PURPOSE_DATA);
    expect(faults.poisonedLines).toEqual([]);
    expect(device.directAccess(4096, 4096).every((byte) => byte === 0)).toBe(true);
  });

  it("is found in long loads, and many poisoned lines in short ones", () => {
    const { faults, device } = faulty(2 * SEGMENT_SIZE);
    faults.poison(SEGMENT_SIZE + 4096, 1);
    const target = new Uint8Array(2 * SEGMENT_SIZE);
    expect(() => device.load(0, target, 0, 2 * SEGMENT_SIZE)).toThrow(EIO);
    faults.poison(0, 8192);
    expect(() => device.load(64, target, 0, 8)).toThrow("byte 64 is");
    device.load(8192, target, 0, 4096);
    expect(target[0]).toBe(0);
  });
});

describe("power cut", () => {
  const program: ReadonlyArray<(device: Pmem) => void> = [
    (device) => device.store(0, PAGE, 0, 10, PURPOSE_DATA),
    (device) => device.storeU64(64, 1, 2, PURPOSE_DATA),
    (device) => device.flush(0, 128),
    (device) => device.fence(),
    (device) => device.storeNonTemporal(4096, PAGE, 0, 4096, PURPOSE_DATA),
    (device) => device.zero(0, 8, PURPOSE_DATA),
    (device) => device.storeU32(12, 5, PURPOSE_DATA),
    (device) => device.fence(),
  ];

  it.each(program.map((_, index) => index + 1))("at event %i: that many less one happen", (n) => {
    const { faults, recorder, device } = faulty();
    const whole = faulty();
    for (const step of program.slice(0, n - 1)) step(whole.device);
    faults.cutPowerAt(n);
    const run = () => program.forEach((step) => step(device));
    expect(run).toThrow(PowerCut);
    expect(run).toThrow(`after ${n - 1} stores`);
    expect(faults.events).toBe(n - 1);
    expect(recorder.events).toEqual(whole.recorder.events);
    expect(() => device.directAccess(0, 8)).toThrow(PowerCut);
    faults.restorePower();
    expect(device.directAccess(0, 8192)).toEqual(whole.device.directAccess(0, 8192));
    device.fence();
    expect(faults.events).toBe(n);
  });

  it("counts a store over a segment border once", () => {
    const { faults, device } = faulty(2 * SEGMENT_SIZE);
    device.store(SEGMENT_SIZE - 8, PAGE, 0, 16, PURPOSE_DATA);
    expect(faults.events).toBe(1);
  });
});

describe("a device shorter than its superblock says", () => {
  it("answers EIO beyond its end, and what it has stays as it is", () => {
    const { device } = faulty(2 * 4096);
    device.store(4096, PAGE, 0, 4096, PURPOSE_DATA);
    expect(() => device.store(8192 - 8, PAGE, 0, 16, PURPOSE_DATA)).toThrow(EIO);
    expect(() => device.zero(4096, 2 ** 40, PURPOSE_DATA)).toThrow(EIO);
    expect(() => device.directAccess(8192, 4096)).toThrow(EIO);
    expect(() => device.view(SEGMENT_SIZE * 3, 8)).toThrow(EIO);
    expect(() => device.persist(2 ** 52, 8)).toThrow(EIO);
    expect(device.directAccess(4096, 4096)).toEqual(PAGE);
  });
});
