/**
 * The same calls on the host's node:fs and on createFs over an image must give the same: values,
 * stats, errors to the last word, and the tree that is left. XIPLAB_DIFFERENTIAL=all runs every
 * probe in every form on every design (minutes); otherwise a share of them, chosen by name.
 */
import * as realFs from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MISSING_PROBES, OPTION_PROBES, POSITION_PROBES } from "./testing/argument-probes.ts";
import { type Entry, known, LEDGER } from "./testing/ledger.ts";
import { compare, type Comparison, sample } from "./testing/compare.ts";
import {
  CHANGING_PROBES,
  LOOKING_PROBES,
  OPENING_PROBES,
  PAIR_PROBES,
  PAIR_TYPE_PROBES,
  TYPE_PROBES,
} from "./testing/path-probes.ts";
import { type Form, Forms, type Probe } from "./testing/run-probe.ts";
import type { World } from "./testing/world.ts";
import { makePair, type Pair, PERSONALITIES } from "./testing/worlds.ts";

const ALL = process.env["XIPLAB_DIFFERENTIAL"] === "all";
/** One of how many probes runs: the forms are derived from one another, the designs are below. */
const SHARES: Readonly<Record<Form, number>> = { sync: 6, callback: 18, promise: 18 };
const SHARE_OF_OTHER_DESIGNS = 30;
/** No table is as small as that when its share is taken. */
const COMPARED_MIN = 500;

const TABLES: ReadonlyArray<readonly [what: string, probes: readonly Probe[]]> = [
  ["calls that look", LOOKING_PROBES],
  ["calls that change", CHANGING_PROBES],
  ["ways to open", OPENING_PROBES],
  ["types of paths", TYPE_PROBES],
  ["pairs of paths", PAIR_PROBES],
  ["types of pairs", PAIR_TYPE_PROBES],
  ["bad arguments", POSITION_PROBES],
  ["bad options", OPTION_PROBES],
  ["missing arguments", MISSING_PROBES],
];

for (const [index, personality] of PERSONALITIES.entries()) {
  describe(`node:fs and createFs over ${personality.name}`, () => {
    let compared = 0;
    const met = new Set<Entry>();

    // Each table has an image of its own: a probe that changes its directory leaves it behind.
    describe.each(Forms)("%s", (form) => {
      let pair: Pair;
      beforeEach(() => {
        pair = makePair(personality);
      });
      afterEach(() => pair.release());

      const share = ALL ? 1 : SHARES[form] * (index === 0 ? 1 : SHARE_OF_OTHER_DESIGNS);
      it.each(TABLES)("agree on %s", async (_, probes) => {
        const result = await compare(pair.worlds, sample(probes, share), form);
        compared += result.compared;
        const unknown = result.differences.filter((difference) => {
          const entry = known(form, difference);
          if (entry !== null) met.add(entry);
          return entry === null;
        });
        expect(unknown).toEqual([]);
      });
    });

    it.runIf(ALL)("still differ in all that the ledger has", () => {
      const stale = LEDGER.filter((entry) => !met.has(entry) && entry.isChance !== true);
      expect(stale.map(({ probes }) => probes)).toEqual([]);
    });

    it("were asked enough", () => {
      expect(compared).toBeGreaterThan(index === 0 ? COMPARED_MIN : 0);
    });
  });
}

describe("the comparison itself", () => {
  const withStat = (statSync: unknown): World => {
    const fs = { ...realFs, statSync } as typeof realFs;
    return { label: "bent", fs, base: `${base}/bent` };
  };
  let base: string;
  beforeAll(() => {
    base = realFs.mkdtempSync(`${tmpdir()}/xiplab-differential-`);
  });
  afterAll(() => realFs.rmSync(base, { recursive: true }));

  const ofStat = LOOKING_PROBES.filter(({ name }) => name.startsWith("stat(path) of "));
  const compareWith = (other: World): Promise<Comparison> =>
    compare([{ label: "the host", fs: realFs, base: `${base}/host` }, other], ofStat, "sync");

  it("finds nothing between the host and itself", async () => {
    const result = await compareWith(withStat(realFs.statSync));
    expect(result.differences).toEqual([]);
    expect(result.compared).toBe(ofStat.length);
  });

  it("convicts one that follows no links", async () => {
    const { differences } = await compareWith(withStat(realFs.lstatSync));
    expect(differences.map(({ probe }) => probe)).toContain("stat(path) of link to a file");
  });

  it("convicts one whose message differs in a word", async () => {
    const bent = (path: string): unknown => {
      try {
        return realFs.statSync(path);
      } catch (error) {
        (error as Error).message += ".";
        throw error;
      }
    };
    const { differences } = await compareWith(withStat(bent));
    expect(differences.map(({ probe }) => probe)).toContain("stat(path) of missing");
  });
});
