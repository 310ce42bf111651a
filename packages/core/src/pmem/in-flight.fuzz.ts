/**
 * Proves that `InFlight` allows exactly the images that the x86 rules allow, in both domains: for
 * random small programs, after every event (and, under eadr, inside every cached store), the images
 * built from its groups are the images of a naive machine of bytes. Canaries: models that are wrong
 * in a way that is easy to get wrong must be told apart by the same property.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  cutIntoUnits,
  EVENT_FENCE,
  EVENT_FLUSH,
  EVENT_STORE,
  InFlight,
  PENDING_LINE,
  type PendingGroup,
  type PendingStore,
  type PersistenceDomain,
  type PmemEvent,
  PURPOSE_DATA,
  runUnit,
} from "../index.ts";

const SEED = 20131206;
/** The end of one line and the start of the next: five units, few enough to enumerate. */
const FIRST = 48;
const SIZE = 88;

type NaiveEvent =
  | { readonly verb: "store" | "storeNT"; readonly offset: number; readonly length: number }
  | { readonly verb: "flush"; readonly offset: number; readonly length: number }
  | { readonly verb: "fence" };

/** How a model may be wrong, for the canaries. */
interface Flaw {
  readonly events?: (event: PmemEvent) => PmemEvent[];
  readonly prefixes?: (length: number, flushed: number) => number[];
  readonly order?: (one: PendingStore, other: PendingStore) => number;
  readonly domain?: PersistenceDomain;
}

function toEvent(event: NaiveEvent, index: number): PmemEvent {
  if (event.verb === "fence") return { kind: EVENT_FENCE };
  const { offset, length } = event;
  if (event.verb === "flush") return { kind: EVENT_FLUSH, offset, length };
  const bytes = new Uint8Array(length).fill(index + 1);
  const nonTemporal = event.verb === "storeNT";
  return { kind: EVENT_STORE, offset, bytes, nonTemporal, purpose: PURPOSE_DATA };
}

function choicesOf(group: PendingGroup, flaw: Flaw): PendingStore[][] {
  if (group.kind === PENDING_LINE) {
    const lengths =
      flaw.prefixes?.(group.stores.length, group.flushed) ??
      Array.from({ length: group.stores.length + 1 }, (_, length) => length);
    return lengths.map((length) => group.stores.slice(0, length));
  }
  const units = Array.from({ length: group.units }, (_, index) => runUnit(group, index));
  return subsets(units);
}

function subsets(units: readonly PendingStore[]): PendingStore[][] {
  let all: PendingStore[][] = [[]];
  for (const unit of units) all = all.flatMap((subset) => [subset, [...subset, unit]]);
  return all;
}

/** Every image that the groups allow over `base`, then `last` stored over each. */
function imagesOf(
  base: Uint8Array,
  groups: readonly PendingGroup[],
  last: readonly PendingStore[],
  flaw: Flaw,
): Set<string> {
  let states: PendingStore[][] = [[]];
  for (const group of groups) {
    const choices = choicesOf(group, flaw);
    states = states.flatMap((state) => choices.map((choice) => [...state, ...choice]));
  }
  const images = new Set<string>();
  for (const chosen of states) {
    const image = base.slice();
    const stores = chosen.sort(flaw.order ?? ((one, other) => one.order - other.order));
    for (const { offset, bytes } of [...stores, ...last]) image.set(bytes, offset);
    images.add(image.join(" "));
  }
  return images;
}

const same = (one: ReadonlySet<string>, other: ReadonlySet<string>) =>
  one.size === other.size && [...one].every((image) => other.has(image));

/** Do both models allow the same images at every step of the program? */
function agrees(program: readonly NaiveEvent[], domain: PersistenceDomain, flaw: Flaw): boolean {
  const naive = naiveImages(program, SIZE, domain);
  const flight = new InFlight(flaw.domain ?? domain);
  const base = new Uint8Array(SIZE);
  let step = 0;
  for (const [index, naiveEvent] of program.entries()) {
    const event = toEvent(naiveEvent, index);
    if (domain === "eadr" && event.kind === EVENT_STORE && !event.nonTemporal) {
      const units = cutIntoUnits(event.offset, event.bytes);
      for (let length = 1; length < units.length; length++) {
        const images = imagesOf(base, flight.pending(), units.slice(0, length), flaw);
        if (!same(images, naive.steps[step + length - 1]!)) return false;
      }
    }
    for (const part of flaw.events?.(event) ?? [event]) {
      flight.add(part, (offset, bytes) => base.set(bytes, offset));
    }
    step = naive.after[index]! + 1;
    if (!same(imagesOf(base, flight.pending(), [], flaw), naive.steps[step - 1]!)) return false;
    if (flight.isEmpty !== (flight.pending().length === 0)) return false;
  }
  return true;
}

const place = fc
  .tuple(fc.integer({ min: FIRST, max: SIZE - 1 }), fc.oneof(fc.constant(8), fc.nat(20)))
  .map(([offset, length]) => ({ offset, length: Math.min(length, SIZE - offset) }));
const aligned = fc.constantFrom(48, 56, 64, 72, 80).map((offset) => ({ offset, length: 8 }));
const stores = fc.tuple(
  fc.constantFrom("store" as const, "storeNT" as const),
  fc.oneof(place, aligned),
);
const event: fc.Arbitrary<NaiveEvent> = fc.oneof(
  { weight: 5, arbitrary: stores.map(([verb, at]) => ({ verb, ...at })) },
  { weight: 2, arbitrary: place.map((at) => ({ verb: "flush" as const, ...at })) },
  { weight: 2, arbitrary: fc.constant({ verb: "fence" as const }) },
);
const program = fc.array(event, { minLength: 1, maxLength: 7, size: "max" });

const property = (domain: PersistenceDomain, flaw: Flaw = {}) =>
  fc.property(program, (events) => agrees(events, domain, flaw));

describe(`InFlight, seed=${SEED}`, () => {
  it.each(["adr", "eadr"] as const)("allows what the naive model allows: %s", (domain) => {
    const run = () => fc.assert(property(domain), { seed: SEED, numRuns: 1000 });
    expect(run).not.toThrow();
  });

  const flaws: Record<string, { domain: PersistenceDomain; flaw: Flaw }> = {
    "a flush is durable without a fence": {
      domain: "adr",
      flaw: { events: (e) => (e.kind === EVENT_FLUSH ? [e, { kind: EVENT_FENCE }] : [e]) },
    },
    "a fence makes everything durable, flushed or not": {
      domain: "adr",
      flaw: {
        events: (e) =>
          e.kind === EVENT_FENCE
            ? [{ kind: EVENT_FLUSH, offset: FIRST, length: SIZE - FIRST }, e]
            : [e],
      },
    },
    "a line is never evicted before its flush": {
      domain: "adr",
      flaw: {
        prefixes: (_, flushed) => Array.from({ length: flushed + 1 }, (_, index) => index),
      },
    },
    "a line is all or nothing": {
      domain: "adr",
      flaw: { prefixes: (length) => [0, length] },
    },
    "non-temporal stores are ordered like cached ones": {
      domain: "adr",
      flaw: {
        events: (e) =>
          e.kind === EVENT_STORE && e.nonTemporal
            ? [
                { ...e, nonTemporal: false },
                { kind: EVENT_FLUSH, offset: e.offset, length: e.bytes.length },
              ]
            : [e],
      },
    },
    "an older store comes over a newer one": {
      domain: "adr",
      flaw: { order: (one, other) => other.order - one.order },
    },
    "the cache does not survive under eadr": { domain: "eadr", flaw: { domain: "adr" } },
    "the cache survives under adr": { domain: "adr", flaw: { domain: "eadr" } },
    "non-temporal stores are durable at once under eadr": {
      domain: "eadr",
      flaw: {
        events: (e) => (e.kind === EVENT_STORE ? [{ ...e, nonTemporal: false }] : [e]),
      },
    },
  };

  it.each(Object.entries(flaws))("canary: %s", (_name, { domain, flaw }) => {
    const result = fc.check(property(domain, flaw), { seed: SEED, numRuns: 400 });
    expect(result.failed).toBe(true);
    // The shortest counterexample says that the difference is the flaw, and no accident.
    expect(result.counterexample![0].length).toBeLessThanOrEqual(3);
  });
});

/*
 * The naive machine. One cache whose lines may be written back at any moment, write-combining
 * buffers that drain at any moment, and a memory in which a newer byte is never replaced by an
 * older one; every interleaving is explored. Nothing here is shared with `InFlight`: no prefixes,
 * no groups.
 */

/** Address to the number of the event that stored there. */
type Bytes = ReadonlyMap<number, number>;

interface Machine {
  /** What is durable, by address: the number of the event that wrote it, 0 at first. */
  readonly memory: readonly number[];
  /** Dirty bytes of the one cache. */
  readonly cache: Bytes;
  /** On their way to memory: flushed lines as they were, and non-temporal units. */
  readonly buffers: readonly Bytes[];
}

const LINE = 64;
const UNIT = 8;

/**
 * The images that a power cut may leave, as text, after each step of `program`. A step is an atomic
 * unit of a store, a flush or a fence; `after[i]` is the step at which event `i` is complete.
 * Event number i (from 0) stores bytes of value i + 1.
 */
function naiveImages(
  program: readonly NaiveEvent[],
  size: number,
  domain: PersistenceDomain,
): { readonly steps: ReadonlyArray<ReadonlySet<string>>; readonly after: readonly number[] } {
  const start: Machine = { memory: Array<number>(size).fill(0), cache: new Map(), buffers: [] };
  const steps: Array<Set<string>> = [];
  const after: number[] = [];
  let machines: readonly Machine[] = [start];
  for (const [index, event] of program.entries()) {
    for (const step of stepsOf(event, index + 1)) {
      machines = closure(machines.map(step));
      steps.push(new Set(machines.map((machine) => imageOf(machine, domain))));
    }
    after.push(steps.length - 1);
  }
  return { steps, after };
}

type Step = (machine: Machine) => Machine;

function stepsOf(event: NaiveEvent, time: number): Step[] {
  if (event.verb === "fence") return [fence];
  const { offset, length } = event;
  if (event.verb === "flush") return [(machine) => flush(machine, offset, length)];
  const units = Map.groupBy(range(offset, length), (address) => Math.floor(address / UNIT));
  const steps = [...units.values()].map((addresses): Step => {
    const bytes = new Map(addresses.map((address) => [address, time] as const));
    return event.verb === "store"
      ? (machine) => ({ ...machine, cache: new Map([...machine.cache, ...bytes]) })
      : (machine) => ({ ...machine, buffers: [...machine.buffers, bytes] });
  });
  return steps.length > 0 ? steps : [(machine) => machine];
}

/** CLWB: a copy of each line sets out for memory. The line stays as it is, and may go again. */
function flush(machine: Machine, offset: number, length: number): Machine {
  const lines = new Set(range(offset, length).map((address) => Math.floor(address / LINE)));
  const sent = [...lines].map((line) => linesOf(machine.cache).get(line));
  const buffers = [...machine.buffers, ...sent.filter((bytes) => bytes !== undefined)];
  return { ...machine, buffers };
}

/** SFENCE: everything that set out has arrived. */
function fence(machine: Machine): Machine {
  const memory = machine.buffers.reduce(arrive, machine.memory);
  return { ...machine, memory, buffers: [] };
}

/** Everything that may happen on its own between two steps, in any order, or not at all. */
function closure(machines: readonly Machine[]): readonly Machine[] {
  const seen = new Map<string, Machine>();
  const queue = [...machines];
  for (let machine = queue.pop(); machine !== undefined; machine = queue.pop()) {
    const tidy = forgetClean(machine);
    const key = keyOf(tidy);
    if (seen.has(key)) continue;
    seen.set(key, tidy);
    for (const [index, bytes] of tidy.buffers.entries()) {
      const buffers = tidy.buffers.toSpliced(index, 1);
      queue.push({ ...tidy, memory: arrive(tidy.memory, bytes), buffers });
    }
    for (const bytes of linesOf(tidy.cache).values()) {
      queue.push({ ...tidy, memory: arrive(tidy.memory, bytes) });
    }
  }
  return [...seen.values()];
}

/** Bytes that memory has already, or has newer, change nothing any more: fewer states to visit. */
function forgetClean(machine: Machine): Machine {
  const news = (bytes: Bytes) =>
    new Map([...bytes].filter(([address, time]) => time > machine.memory[address]!));
  const buffers = machine.buffers.map(news).filter((bytes) => bytes.size > 0);
  return { ...machine, cache: news(machine.cache), buffers };
}

function arrive(memory: readonly number[], bytes: Bytes): readonly number[] {
  const next = [...memory];
  for (const [address, time] of bytes) next[address] = Math.max(next[address]!, time);
  return next;
}

function linesOf(cache: Bytes): Map<number, Bytes> {
  const lines = Map.groupBy(cache, ([address]) => Math.floor(address / LINE));
  return new Map([...lines].map(([line, entries]) => [line, new Map(entries)]));
}

/** Under eadr the cache survives the power cut; buffers do not. */
function imageOf(machine: Machine, domain: PersistenceDomain): string {
  return (domain === "adr" ? machine.memory : arrive(machine.memory, machine.cache)).join(" ");
}

function keyOf(machine: Machine): string {
  const buffers = machine.buffers.map(showBytes).sort();
  return [machine.memory.join(), showBytes(machine.cache), ...buffers].join("|");
}

function showBytes(bytes: Bytes): string {
  return [...bytes].sort(([one], [other]) => one - other).join(";");
}

function range(offset: number, length: number): number[] {
  return Array.from({ length }, (_, index) => offset + index);
}
