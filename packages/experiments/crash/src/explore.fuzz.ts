/**
 * Random runs under every sound way of writing, crashed everywhere: not one state may be convicted.
 * This is what keeps the oracle from claiming more than is promised, and the designs from doing
 * less.
 */
import { plain } from "@xiplab/plain";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SoundProtocols } from "@xiplab/core";
import {
  DEFAULT_CONFIG,
  type GeneratorConfig,
  type Operation,
  OperationsArbitrary,
} from "@xiplab/testkit";
import { exploreCrash, replayCrash } from "./explore.ts";
import type { CrashCase } from "./types.ts";

const OPERATIONS = 30;
const SEEDS = [2013, 2014, 2015];
/** Few states at each place, so that there can be many places. */
const BOUNDS = {
  exhaustiveStates: 16,
  exhaustiveLines: 3,
  linesMax: 4,
  prefixesMax: 3,
  samples: 4,
};

/** Small files, so that a device of 1 MiB is never full, and none that is read for ever. */
const GENERATOR: GeneratorConfig = {
  ...DEFAULT_CONFIG,
  capabilities: plain.capabilities,
  limits: { sizeMax: 2 ** 17, linkMax: 1000 },
  pagesMax: 30,
  nodesMax: 12,
  exclude: ["read", "stat", "readdir", "readlink", "access", "extents", "load", "seek"],
};

function operationsOf(seed: number): Operation[] {
  const arbitrary = new OperationsArbitrary(OPERATIONS, GENERATOR, 0);
  const [operations] = fc.sample(arbitrary, { seed, numRuns: 1 });
  return operations!;
}

const designs: ReadonlyArray<Readonly<Record<string, string>>> = [
  ...SoundProtocols.map((unwritten) => ({ data: "xip", unwritten })),
  { data: "delalloc" },
  { data: "nodelalloc" },
];

describe.each(SEEDS)(`${OPERATIONS} random operations, seed=%i`, (seed) => {
  it.each(designs)("are survived by %o", (mountOptions) => {
    const crashCase: CrashCase = {
      name: `fuzz${seed}`,
      personality: plain,
      mountOptions,
      deviceSize: 2 ** 20,
      setup: [],
      body: operationsOf(seed),
      bounds: BOUNDS,
      seed,
    };
    const { firstId, states } = exploreCrash(crashCase);
    expect(firstId === null ? "" : replayCrash(firstId, crashCase).text).toBe("");
    expect(states).toBeGreaterThan(OPERATIONS);
  });
});
