/**
 * Proves which stores are in flight at a crash point, and which sets of them may be there: lines as
 * prefixes, non-temporal units alone, flushed or not, under adr; program order under eadr.
 */
import { describe, expect, it } from "vitest";
import {
  EVENT_FENCE,
  EVENT_FLUSH,
  EVENT_MARK,
  EVENT_STORE,
  type PersistenceDomain,
  type PmemEvent,
} from "@xiplab/core";
import { type Flight, trackFlight } from "./flight.ts";

/** "s0" stores 8 bytes at 0, "n64" the same non-temporal, "f0" flushes the line, "|" is a fence,
 * "!" the return of an operation. */
function play(domain: PersistenceDomain, text: string): { flight: Flight; durable: string } {
  const tracker = trackFlight(domain);
  const durable: number[] = [];
  for (const word of text.split(" ").filter((part) => part !== "")) {
    tracker.add(eventOf(word), (offset) => durable.push(offset));
  }
  return { flight: tracker.flight(), durable: durable.join(" ") };
}

function eventOf(word: string): PmemEvent {
  const offset = Number(word.slice(1));
  if (word === "|") return { kind: EVENT_FENCE };
  if (word === "!") return { kind: EVENT_MARK, mark: 1 };
  if (word.startsWith("f")) return { kind: EVENT_FLUSH, offset, length: 8 };
  const bytes = new Uint8Array(8).fill(1);
  return { kind: EVENT_STORE, offset, bytes, nonTemporal: word.startsWith("n"), purpose: 0 };
}

/** "0 8/64": offsets in each chain. */
const chains = ({ flight }: { flight: Flight }): string =>
  flight.chains.map((chain) => chain.map((at) => flight.stores[at]!.offset).join(" ")).join("/");
const lines = ({ flight }: { flight: Flight }): string =>
  flight.lines.map((line) => line.map((at) => flight.stores[at]!.offset).join(" ")).join("/");

describe("under adr", () => {
  it("stores to one line are a chain, those to others are free of it", () => {
    const played = play("adr", "s0 s64 s8 s72");
    expect(chains(played)).toBe("0 8/64 72");
    expect(played.flight.stores.map(({ offset }) => offset)).toEqual([0, 64, 8, 72]);
    expect(played.flight.statesLog2).toBeCloseTo(Math.log2(9));
  });

  it("a flush makes nothing durable before the fence, and no fence does without it", () => {
    expect(chains(play("adr", "s0 f0"))).toBe("0");
    expect(play("adr", "s0 f0 |")).toMatchObject({ durable: "0", flight: { stores: [] } });
    expect(chains(play("adr", "s0 | |"))).toBe("0");
  });

  it("non-temporal units are chains of their own, and one line for the plans", () => {
    const played = play("adr", "n0 n8 s64 n16");
    expect(chains(played)).toBe("64/0/8/16");
    expect(lines(played)).toBe("0 8 16/64");
    expect(play("adr", "n0 n8 |").durable).toBe("0 8");
  });

  it("a wide store is cut into units", () => {
    const tracker = trackFlight("adr");
    const bytes = new Uint8Array(20).fill(1);
    tracker.add({ kind: EVENT_STORE, offset: 4, bytes, nonTemporal: false, purpose: 0 }, () => {});
    expect(tracker.flight().stores.map(({ bytes: part }) => part.length)).toEqual([4, 8, 8]);
  });
});

describe("under eadr", () => {
  it("cached stores are one chain in program order, whatever the line", () => {
    const played = play("eadr", "s0 s64 s8 n128 s72");
    expect(chains(played)).toBe("128/0 64 8 72");
    expect(lines(played)).toBe("0 64 8 72/128");
  });

  it("a fence makes all durable without a flush", () => {
    const played = play("eadr", "s0 n64 s8 |");
    expect(played).toMatchObject({ durable: "0 8 64", flight: { stores: [] } });
  });

  it("the return of an operation settles cached stores, and no other", () => {
    const played = play("eadr", "s0 n64 !");
    expect(played.durable).toBe("0");
    expect(chains(played)).toBe("64");
    expect(chains(play("adr", "s0 n64 !"))).toBe("0/64");
    expect(chains(play("eadr", "s0 n64 ! s128"))).toBe("64/128");
  });
});
