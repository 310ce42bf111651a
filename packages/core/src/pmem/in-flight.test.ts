/**
 * What `InFlight` says, by example: the cases that a crash explorer meets. That it allows exactly
 * what x86 allows is proven in `in-flight.fuzz.ts`.
 */
import { describe, expect, it } from "vitest";
import {
  countUnits,
  cutIntoUnits,
  EVENT_FENCE,
  EVENT_FLUSH,
  EVENT_MARK,
  EVENT_STORE,
  InFlight,
  PENDING_LINE,
  PENDING_RUN,
  type PendingLine,
  type PendingRun,
  type PmemEvent,
  PURPOSE_DATA,
  runUnit,
} from "../index.ts";

function store(offset: number, bytes: Uint8Array, nonTemporal = false): PmemEvent {
  return { kind: EVENT_STORE, offset, bytes, nonTemporal, purpose: PURPOSE_DATA };
}
const fill = (length: number, value: number) => new Uint8Array(length).fill(value);
const FENCE: PmemEvent = { kind: EVENT_FENCE };
const flush = (offset: number, length: number): PmemEvent => ({
  kind: EVENT_FLUSH,
  offset,
  length,
});

function run(domain: "adr" | "eadr", events: readonly PmemEvent[]) {
  const flight = new InFlight(domain);
  const persisted: Array<[number, number]> = [];
  const memory = new Uint8Array(8192);
  for (const event of events) {
    flight.add(event, (offset, bytes) => {
      persisted.push([offset, bytes.length]);
      memory.set(bytes, offset);
    });
  }
  return { flight, persisted, memory };
}

describe("InFlight", () => {
  it("cuts cached stores into units per line, and counts what is flushed", () => {
    const { flight } = run("adr", [
      store(60, fill(12, 1)),
      flush(60, 4),
      store(56, fill(8, 2)),
      { kind: EVENT_MARK, mark: 1 },
    ]);
    const [first, second] = flight.pending() as PendingLine[];
    expect(first).toMatchObject({ kind: PENDING_LINE, offset: 0, flushed: 1 });
    expect(first!.stores.map(({ offset, bytes }) => [offset, bytes.length])).toEqual([
      [60, 4],
      [56, 8],
    ]);
    expect(second).toMatchObject({ offset: 64, flushed: 0 });
    expect(second!.stores).toEqual([{ offset: 64, bytes: fill(8, 1), order: 1 }]);
  });

  it("makes durable at a fence what was flushed or stored non-temporally, nothing else", () => {
    const { flight, persisted, memory } = run("adr", [
      store(0, fill(8, 1)),
      flush(0, 8),
      store(8, fill(8, 2)),
      store(4096, fill(4096, 3), true),
      store(128, fill(8, 4)),
      FENCE,
    ]);
    expect(persisted).toEqual([
      [0, 8],
      [4096, 4096],
    ]);
    expect([memory[0], memory[8], memory[4096], memory[128]]).toEqual([1, 0, 3, 0]);
    const lines = flight.pending() as PendingLine[];
    expect(lines.map((line) => [line.offset, line.stores.length, line.flushed])).toEqual([
      [0, 1, 0],
      [128, 1, 0],
    ]);
  });

  it("keeps a non-temporal store of 4 KiB as one run of 512 units", () => {
    const { flight } = run("adr", [store(4100, fill(4092, 7), true)]);
    const [group] = flight.pending() as PendingRun[];
    expect(group).toMatchObject({ kind: PENDING_RUN, offset: 4100, units: 512 });
    expect(runUnit(group!, 0)).toEqual({ offset: 4100, bytes: fill(4, 7), order: 1 });
    expect(runUnit(group!, 511)).toEqual({ offset: 8184, bytes: fill(8, 7), order: 1 });
    expect(() => runUnit(group!, 512)).toThrow("inside its run");
  });

  it("never evicts an older cached store over a non-temporal one that is durable", () => {
    const { flight, memory } = run("adr", [
      store(0, fill(16, 1)),
      store(4, fill(8, 2), true),
      FENCE,
    ]);
    expect([...memory.subarray(0, 16)]).toEqual([0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0]);
    const [line] = flight.pending() as PendingLine[];
    const bytes = line!.stores.flatMap((unit) => [...unit.bytes]);
    expect(bytes).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1]);
  });

  it("forgets a cached store that a durable non-temporal one covers", () => {
    const { flight } = run("adr", [store(8, fill(8, 1)), store(0, fill(64, 2), true), FENCE]);
    expect(flight.isEmpty).toBe(true);
  });

  it("has only non-temporal stores in flight under eadr", () => {
    const { flight, persisted, memory } = run("eadr", [
      store(0, fill(8, 1), true),
      store(4, fill(8, 2)),
    ]);
    expect(persisted).toEqual([[4, 8]]);
    const [group] = flight.pending() as PendingRun[];
    expect([...runUnit(group!, 0).bytes]).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
    flight.add(FENCE, (offset, bytes) => memory.set(bytes, offset));
    expect([...memory.subarray(0, 13)]).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 0]);
    expect(flight.pending()).toEqual([]);
  });

  it("cuts stores at multiples of eight", () => {
    expect([
      countUnits(0, 0),
      countUnits(7, 2),
      countUnits(8, 8),
      countUnits(2 ** 40, 4096),
    ]).toEqual([0, 2, 1, 512]);
    expect(cutIntoUnits(6, Uint8Array.of(1, 2, 3)).map(({ offset }) => offset)).toEqual([6, 8]);
    expect(cutIntoUnits(6, fill(0, 0))).toEqual([]);
  });

  it("flushes nothing for an empty range inside a dirty line", () => {
    const { persisted } = run("adr", [store(0, fill(8, 1)), flush(32, 0), FENCE]);
    expect(persisted).toEqual([]);
  });

  it("forgets everything after a power cut", () => {
    const { flight } = run("adr", [store(0, fill(8, 1)), flush(0, 8), store(0, fill(8, 2), true)]);
    flight.clear();
    expect(flight.isEmpty).toBe(true);
    flight.add(FENCE, () => expect.unreachable());
  });
});
