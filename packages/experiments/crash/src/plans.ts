/**
 * Which crash states of one crash point are tried.
 *
 * A state is the set of in-flight stores that reached the medium. Each is known by a name that says
 * which set that is, without reference to the bounds: the name goes into the id of a finding, and
 * `planTaken` turns it back into the set. So raising a bound never changes what an id means.
 *
 *   none, all      no store of the flight; every store
 *   pre<n>         the first n stores in program order
 *   only<g>        the stores to line g and no others;  only<g>.<k>: of those the first k
 *   but<g>         all but the stores to line g;        but<g>.<k>: of those the first k are there
 *   torn<q>        of every line the first q quarters of its stores
 *   set<hex>       whole lines, by bit
 *   mix<n>         the n-th of all states of the model, counted in mixed radix over the chains
 *   rnd<seed>.<n>  the n-th draw
 */
import { assert } from "@xiplab/core";
import type { Flight } from "./flight.ts";
import { type Random, randomOf } from "./random.ts";
import type { CrashBounds } from "./types.ts";

export const DEFAULT_BOUNDS: CrashBounds = {
  exhaustiveStates: 64,
  exhaustiveLines: 5,
  linesMax: 12,
  prefixesMax: 8,
  samples: 8,
};

/** The states to try at one crash point, and what the bounds left out. */
export interface Plan {
  /** In the order of trying; `none` and `all` come first. */
  readonly names: readonly string[];
  /** Every state of the model is among them. */
  readonly exhaustive: boolean;
  /** Prefix, one-line and all-but-one states that a bound dropped. */
  readonly planned: number;
  /** Subsets of whole lines were drawn, not enumerated. */
  readonly sampled: boolean;
}

/** Partial prefixes of one line that are tried on top of the whole line, at most. */
const PARTS_MAX = 3;

/** Of `torn<q>`: q is 1 to 3. */
const QUARTERS = 4;

/** Choose the states of a flight to try. */
export function planFlight(flight: Flight, bounds: CrashBounds, seed: number): Plan {
  const stores = flight.stores.length;
  if (stores === 0) return { names: ["none"], exhaustive: true, planned: 0, sampled: false };
  const names = ["none", "all"];
  const prefixes = spread(1, stores, bounds.prefixesMax);
  const lines = spread(0, flight.lines.length, bounds.linesMax);
  let planned = stores - 1 - prefixes.length;
  planned += 2 * (flight.lines.length - lines.length);
  for (const count of prefixes) names.push(`pre${count}`);
  for (const line of lines) names.push(`only${line}`, `but${line}`);
  for (const line of lines) planned += pushParts(names, line, flight.lines[line]!.length);
  if (stores > flight.lines.length) names.push("torn1", "torn2", "torn3");

  const exhaustive = flight.statesLog2 <= Math.log2(bounds.exhaustiveStates) + 1e-9;
  const sampled = !exhaustive && flight.lines.length > bounds.exhaustiveLines;
  if (exhaustive) {
    planned = 0;
    pushCounted(names, "mix", Math.round(2 ** flight.statesLog2));
  } else if (sampled) {
    for (let draw = 0; draw < bounds.samples; draw++) names.push(`rnd${seed}.${draw}`);
  } else {
    for (let bits = 1; bits < 2 ** flight.lines.length - 1; bits++) {
      names.push(`set${bits.toString(16)}`);
    }
  }
  assert(planned >= 0, "a bound never drops more than there is");
  return { names, exhaustive, planned, sampled };
}

function pushParts(names: string[], line: number, length: number): number {
  const parts = spread(1, length, PARTS_MAX);
  for (const part of parts) names.push(`only${line}.${part}`, `but${line}.${part}`);
  return 2 * (length - 1 - parts.length);
}

function pushCounted(names: string[], prefix: string, count: number): void {
  for (let index = 0; index < count; index++) names.push(`${prefix}${index}`);
}

/** At most `max` of the whole numbers first..end-1, evenly spread, both ends included. */
export function spread(first: number, end: number, max: number): number[] {
  const count = end - first;
  const picked: number[] = [];
  if (count <= max) {
    for (let value = first; value < end; value++) picked.push(value);
  } else if (max === 1) {
    picked.push(first);
  } else {
    for (let step = 0; step < max; step++) {
      picked.push(first + Math.round((step * (count - 1)) / (max - 1)));
    }
  }
  return picked;
}

/** The plan of this name does not fit this flight: the id belongs to another case or version. */
export class PlanError extends Error {
  override readonly name = "PlanError";
}

/**
 * Which stores the state of this name has: one byte per store of the flight, 1 where it is there.
 * @throws PlanError where there is no such state.
 */
export function planTaken(flight: Flight, name: string): Uint8Array {
  const taken = new Uint8Array(flight.stores.length);
  const match = /^(none|all|pre|only|but|torn|set|mix|rnd)([0-9a-f]*)(?:\.(\d+))?$/.exec(name);
  if (match === null) throw new PlanError(`'${name}' names no crash state`);
  const [, kind, word, part] = match;
  if (kind === "none") return taken;
  if (kind === "all") return taken.fill(1);
  const number = Number.parseInt(word!, kind === "set" ? 16 : 10);
  if (Number.isNaN(number)) throw new PlanError(`'${name}' lacks its number`);
  if (kind === "pre") return taken.fill(1, 0, number);
  if (kind === "torn") takeTorn(flight, number, taken);
  else if (kind === "set") takeSet(flight, number, taken);
  else if (kind === "mix") takeMixed(flight, number, taken);
  else if (kind === "rnd") takeDrawn(flight, randomOf(number, Number(part ?? 0)), taken);
  else takeLine(flight, number, part, kind === "but", taken);
  return taken;
}

function takeLine(
  flight: Flight,
  index: number,
  part: string | undefined,
  rest: boolean,
  taken: Uint8Array,
): void {
  const line = flight.lines[index];
  if (line === undefined) throw new PlanError(`there is no line ${index} in flight here`);
  if (rest) taken.fill(1);
  const whole = rest ? 0 : line.length;
  const count = part === undefined ? whole : Number(part);
  for (let at = 0; at < line.length; at++) taken[line[at]!] = at < count ? 1 : 0;
}

function takeTorn(flight: Flight, quarters: number, taken: Uint8Array): void {
  for (const line of flight.lines) {
    const count = Math.ceil((line.length * quarters) / QUARTERS);
    for (const store of line.slice(0, count)) taken[store] = 1;
  }
}

function takeSet(flight: Flight, bits: number, taken: Uint8Array): void {
  if (bits >= 2 ** flight.lines.length) throw new PlanError("more lines than are in flight here");
  for (let line = 0; line < flight.lines.length; line++) {
    if ((bits & (2 ** line)) === 0) continue;
    for (const store of flight.lines[line]!) taken[store] = 1;
  }
}

function takeMixed(flight: Flight, rank: number, taken: Uint8Array): void {
  let rest = rank;
  for (const chain of flight.chains) {
    const choices = chain.length + 1;
    const count = rest % choices;
    rest = Math.floor(rest / choices);
    for (let at = 0; at < count; at++) taken[chain[at]!] = 1;
  }
  if (rest !== 0) throw new PlanError("more states than the model has here");
}

/** Half of the chains whole or not at all, line by line; the others cut anywhere. */
function takeDrawn(flight: Flight, random: Random, taken: Uint8Array): void {
  for (const line of flight.lines) {
    const whole = random.below(5);
    for (const store of line) if (whole < 2) taken[store] = 1;
    if (whole < 4) continue;
    for (const chain of chainsOfLine(flight, line)) {
      const count = random.below(chain.length + 1);
      for (let at = 0; at < count; at++) taken[chain[at]!] = 1;
    }
  }
}

function chainsOfLine(flight: Flight, line: readonly number[]): Set<readonly number[]> {
  const chains = new Set<readonly number[]>();
  for (const store of line) chains.add(flight.chains[flight.stores[store]!.chain]!);
  return chains;
}
