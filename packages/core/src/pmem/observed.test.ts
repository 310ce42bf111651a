/**
 * Proves that observers hear every access, in order and in the promised pieces, that a refused
 * store changes nothing, and that a recording holds copies. By example.
 */
import { describe, expect, it } from "vitest";
import {
  createPmem,
  EVENT_FENCE,
  EVENT_FLUSH,
  EVENT_MARK,
  EVENT_STORE,
  FsError,
  ObservedPmem,
  type PmemObserver,
  PURPOSE_DATA,
  PURPOSE_METADATA,
  PURPOSE_ZEROING,
  Recorder,
  SEGMENT_SIZE,
} from "../index.ts";

function listen(): { heard: string[]; observer: PmemObserver } {
  const heard: string[] = [];
  const observer: PmemObserver = {
    onLoad: (offset, length) => heard.push(`load ${offset}+${length}`),
    beforeStore: (offset, length, nt) => heard.push(`before ${offset}+${length}${nt ? " nt" : ""}`),
    onStore: (offset, bytes, nt, purpose) =>
      heard.push(`store ${offset}+${bytes.length}${nt ? " nt" : ""} p${purpose}`),
    onFlush: (offset, length) => heard.push(`flush ${offset}+${length}`),
    onFence: () => heard.push("fence"),
  };
  return { heard, observer };
}

describe("ObservedPmem", () => {
  it("announces loads, once each, with what they cover", () => {
    const { heard, observer } = listen();
    const device = createPmem({ size: 2 * SEGMENT_SIZE, observers: [observer] });
    device.view(8, 4);
    device.directAccess(SEGMENT_SIZE - 10, 100);
    device.load(SEGMENT_SIZE - 10, new Uint8Array(100), 0, 100);
    expect(heard).toEqual([
      "load 8+4",
      `load ${SEGMENT_SIZE - 10}+10`,
      `load ${SEGMENT_SIZE - 10}+100`,
    ]);
  });

  it("reports every kind of store, an 8-byte store as one event", () => {
    const { heard, observer } = listen();
    const device = createPmem({ size: 2 * SEGMENT_SIZE, observers: [observer] });
    const bytes = new Uint8Array(20);
    device.storeU64(8, 1, 2, PURPOSE_METADATA);
    device.storeU32(16, 1, PURPOSE_METADATA);
    device.store(24, bytes, 2, 10, PURPOSE_DATA);
    device.storeNonTemporal(SEGMENT_SIZE - 8, bytes, 0, 20, PURPOSE_DATA);
    device.zero(0, 100, PURPOSE_ZEROING);
    device.persist(8, 8);
    device.store(0, bytes, 0, 0, PURPOSE_DATA);
    expect(heard).toEqual([
      "before 8+8",
      "store 8+8 p1",
      "before 16+4",
      "store 16+4 p1",
      "before 24+10",
      "store 24+10 p0",
      `before ${SEGMENT_SIZE - 8}+20 nt`,
      `store ${SEGMENT_SIZE - 8}+8 nt p0`,
      `store ${SEGMENT_SIZE}+12 nt p0`,
      "before 0+100 nt",
      "store 0+100 nt p3",
      "flush 8+8",
      "fence",
    ]);
  });

  it("changes nothing when an observer refuses", () => {
    const { heard, observer } = listen();
    const refuse: PmemObserver = {
      beforeStore() {
        throw new FsError("EROFS");
      },
    };
    const device = new ObservedPmem({ size: 4096, observers: [refuse, observer] });
    expect(() => device.storeU32(0, 7, PURPOSE_DATA)).toThrow("EROFS");
    expect(heard).toEqual([]);
    expect(device.counters.stores).toBe(0);
    expect(device.directAccess(0, 4)).toEqual(new Uint8Array(4));
  });
});

describe("Recorder", () => {
  it("records while it runs, and keeps copies", () => {
    const recorder = new Recorder();
    const device = createPmem({ size: 4096, observers: [recorder] });
    device.storeU32(0, 9, PURPOSE_DATA);
    recorder.mark(1);
    recorder.start();
    recorder.mark(2);
    device.storeU64(8, 0x01020304, 0x05060708, PURPOSE_METADATA);
    device.storeU64(8, 0, 0, PURPOSE_METADATA);
    device.persist(8, 8);
    recorder.stop();
    device.fence();
    const [mark, first, second, ...rest] = recorder.events;
    expect(mark).toEqual({ kind: EVENT_MARK, mark: 2 });
    expect(first).toEqual({
      kind: EVENT_STORE,
      offset: 8,
      bytes: Uint8Array.of(4, 3, 2, 1, 8, 7, 6, 5),
      nonTemporal: false,
      purpose: PURPOSE_METADATA,
    });
    expect(second).toMatchObject({ bytes: new Uint8Array(8) });
    expect(rest).toEqual([{ kind: EVENT_FLUSH, offset: 8, length: 8 }, { kind: EVENT_FENCE }]);
  });

  it("records zeros over memory that was never touched, and large stores", () => {
    const recorder = new Recorder();
    const device = createPmem({ size: 4 * SEGMENT_SIZE, observers: [recorder] });
    recorder.start();
    device.zero(SEGMENT_SIZE, 2 * SEGMENT_SIZE, PURPOSE_ZEROING);
    device.store(0, new Uint8Array(300_000).fill(3), 0, 300_000, PURPOSE_DATA);
    device.store(0, Uint8Array.of(4), 0, 1, PURPOSE_DATA);
    const lengths = recorder.events.map((event) =>
      event.kind === EVENT_STORE ? event.bytes.length : -1,
    );
    expect(lengths).toEqual([SEGMENT_SIZE, SEGMENT_SIZE, 300_000, 1]);
    expect(recorder.events[2]).toMatchObject({ bytes: new Uint8Array(300_000).fill(3) });
    recorder.clear();
    expect(recorder.events).toEqual([]);
  });
});
