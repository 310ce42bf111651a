/**
 * Proves that a plan's name says which stores are there, that every state is one that the
 * persistence model allows, that nothing is missing where a plan calls itself exhaustive, and that
 * what bounds leave out is counted.
 */
import { describe, expect, it } from "vitest";
import { type Flight, type FlightStore, statesLog2 } from "./flight.ts";
import { DEFAULT_BOUNDS, PlanError, planFlight, planTaken, spread } from "./plans.ts";

const NOTHING = new Uint8Array(8);

/** "a a B b a": a letter is a line; a capital a non-temporal unit, a small one a cached store. */
function flightOf(picture: string): Flight {
  const stores: FlightStore[] = [];
  const chains: number[][] = [];
  const lines = new Map<string, number[]>();
  const chainOfLine = new Map<string, number>();
  for (const [index, letter] of picture.split(" ").entries()) {
    const line = letter.toLowerCase();
    const nonTemporal = letter !== line;
    let chain = nonTemporal ? undefined : chainOfLine.get(line);
    if (chain === undefined) chain = chains.push([]) - 1;
    if (!nonTemporal) chainOfLine.set(line, chain);
    chains[chain]!.push(index);
    lines.set(line, [...(lines.get(line) ?? []), index]);
    stores.push({ offset: 0, bytes: NOTHING, order: index, chain });
  }
  return { stores, chains, lines: [...lines.values()], statesLog2: statesLog2(chains) };
}

/** "11010": which stores the plan has. */
const taken = (picture: string, name: string): string =>
  planTaken(flightOf(picture), name).join("");

describe("a plan's name", () => {
  it.each([
    ["none", "000000"],
    ["all", "111111"],
    ["pre2", "110000"],
    ["only0", "110010"],
    ["only0.2", "110000"],
    ["only1", "001000"],
    ["but0", "001101"],
    ["but0.1", "101101"],
    ["torn1", "101100"],
    ["torn3", "111111"],
    ["set5", "110111"],
    ["mix0", "000000"],
    ["mix1", "100000"],
    ["mix3", "110010"],
    ["mix4", "001000"],
  ])("%s is %s of the stores a a b C a C", (name, expected) => {
    expect(taken("a a b C a C", name)).toBe(expected);
  });

  it.each(["", "every", "only", "only7", "but7.1", "set8", "mix32", "pre", "only0x"])(
    "'%s' is refused where there is no such state",
    (name) => {
      expect(() => taken("a a b C a C", name)).toThrow(PlanError);
    },
  );

  it("draws the same states for the same seed, and others for another", () => {
    const picture = Array.from({ length: 40 }, (_, index) => "abcdefgh"[index % 8]).join(" ");
    expect(taken(picture, "rnd1.3")).toBe(taken(picture, "rnd1.3"));
    const draws = new Set([1, 2, 3].flatMap((seed) => [0, 1].map((n) => `rnd${seed}.${n}`)));
    expect(new Set([...draws].map((name) => taken(picture, name))).size).toBe(draws.size);
  });
});

describe("a plan", () => {
  const pictures = ["a", "a b", "a a a", "A A", "a b B a c", "a a b C a C", "A B C D E F G"];

  it.each(pictures)("holds every state of %s, and no other, if it is exhaustive", (picture) => {
    const flight = flightOf(picture);
    const plan = planFlight(flight, { ...DEFAULT_BOUNDS, exhaustiveStates: 1000 }, 1);
    expect(plan).toMatchObject({ exhaustive: true, planned: 0, sampled: false });
    const states = new Set(plan.names.map((name) => taken(picture, name)));
    expect(states).toEqual(allStates(flight));
  });

  it.each(["a b c a d e f B g A h a b", "A A A A A B B B c c c"])(
    "holds none but legal states of %s under tight bounds",
    (picture) => {
      const flight = flightOf(picture);
      const bounds = { ...DEFAULT_BOUNDS, exhaustiveStates: 1, linesMax: 3, prefixesMax: 2 };
      const plan = planFlight(flight, bounds, 7);
      expect(plan.exhaustive).toBe(false);
      const legal = allStates(flight);
      for (const name of plan.names) expect(legal).toContain(taken(picture, name));
    },
  );

  it("enumerates the subsets of lines up to its bound, and draws beyond it", () => {
    const bounds = { ...DEFAULT_BOUNDS, exhaustiveStates: 1, exhaustiveLines: 3, samples: 5 };
    const few = planFlight(flightOf("a b c"), bounds, 1);
    expect(few.names.filter((name) => name.startsWith("set"))).toHaveLength(6);
    expect(few.sampled).toBe(false);
    const many = planFlight(flightOf("a b c d"), bounds, 1);
    expect(many.names.filter((name) => name.startsWith("rnd"))).toHaveLength(5);
    expect(many.sampled).toBe(true);
  });

  it("counts what its bounds drop", () => {
    const bounds = { ...DEFAULT_BOUNDS, exhaustiveStates: 1, linesMax: 2, prefixesMax: 3 };
    const plan = planFlight(flightOf("a b c d e f g h"), bounds, 1);
    // 7 prefixes, of which 3 are tried; 8 lines, of which 2 are tried alone and left out alone.
    expect(plan.planned).toBe(4 + 2 * 6);
    const whole = planFlight(
      flightOf("a b c d e f g h"),
      { ...bounds, linesMax: 8, prefixesMax: 7 },
      1,
    );
    expect(whole.planned).toBe(0);
    expect(whole.exhaustive).toBe(false);
  });

  it("of an empty flight is the image as it is", () => {
    const flight: Flight = { stores: [], chains: [], lines: [], statesLog2: 0 };
    expect(planFlight(flight, DEFAULT_BOUNDS, 1).names).toEqual(["none"]);
  });
});

describe("spread", () => {
  it.each([
    [0, 4, 9, [0, 1, 2, 3]],
    [0, 100, 3, [0, 50, 99]],
    [5, 6, 1, [5]],
    [0, 9, 1, [0]],
    [3, 3, 2, []],
    [0, 9, 0, []],
  ])("from %i to before %i, at most %i", (first, end, max, expected) => {
    expect(spread(first, end, max)).toEqual(expected);
  });
});

/** Straight from the model: every chain may have persisted up to any length. */
function allStates(flight: Flight): Set<string> {
  let states = [new Uint8Array(flight.stores.length)];
  for (const chain of flight.chains) {
    const longer = [...states];
    for (let count = 1; count <= chain.length; count++) {
      for (const state of states) {
        const next = state.slice();
        for (const store of chain.slice(0, count)) next[store] = 1;
        longer.push(next);
      }
    }
    states = longer;
  }
  return new Set(states.map((state) => state.join("")));
}
