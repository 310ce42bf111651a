/**
 * Proves the explorer as a whole, on plain: ids replay, nothing that a bound drops is silent, and
 * the bounded plans see all that a full enumeration sees.
 */
import { plain } from "@xiplab/plain";
import { describe, expect, it } from "vitest";
import { OptionError } from "@xiplab/core";
import type { Operation } from "@xiplab/testkit";
import { exploreCrash, exploreWith, replayCrash } from "./explore.ts";
import { PlanError } from "./plans.ts";
import { type CaseName, Cases, create, fsync, rename, write } from "./testing-cases.ts";
import type { FoundTree } from "./tree.ts";
import {
  type CrashBounds,
  type CrashCase,
  CrashCaseError,
  type CrashProgress,
  type CrashResult,
} from "./types.ts";

const DEVICE_SIZE = 2 ** 19;

function caseOf(name: CaseName, unwritten: string): CrashCase {
  const mountOptions = { data: "xip", unwritten };
  return { ...Cases[name], name, personality: plain, mountOptions, deviceSize: DEVICE_SIZE };
}

const verdicts = ({ lost, stale, broken }: CrashResult) => [lost.count, stale.count, broken.count];

describe("an id", () => {
  const crashCase = caseOf("log", "prewrite");
  const { firstId } = exploreCrash(crashCase);

  it("is stable, and does not depend on bounds or seed", () => {
    expect(firstId).toBe("plain/xip/prewrite/log:op0.f0.all");
    const bounds = { linesMax: 2, exhaustiveStates: 1, samples: 0 };
    expect(replayCrash(firstId!, { ...crashCase, bounds, seed: 9 }).findings).not.toEqual([]);
  });

  it("names every state that was tried, and replays it with the same findings", () => {
    const bounds = { linesMax: 3, prefixesMax: 2, samples: 2, exhaustiveStates: 8 };
    const some: Array<readonly [string, number]> = [];
    let count = 0;
    exploreWith({ ...crashCase, bounds }, (id, { findings }) => {
      if (count++ % 29 === 0) some.push([id, findings.length]);
    });
    expect(some.length).toBeGreaterThan(3);
    for (const [id, findings] of some) {
      expect(replayCrash(id, crashCase).findings).toHaveLength(findings);
    }
  });

  it("of a legal state is explained as such", () => {
    const explanation = replayCrash("plain/xip/prewrite/log:op0.f0.none", crashCase);
    expect(explanation).toMatchObject({ findings: [], cause: "none" });
    expect(explanation.lost.length).toBeGreaterThan(0);
    expect(explanation.text).toContain("nothing is wrong");
  });

  it.each([
    ["plain/xip/zero/log:op0.f0.all", OptionError],
    ["plain/xip/prewrite/log:op0.f0", OptionError],
    ["plain/xip/prewrite/log:op77.f0.all", OptionError],
    ["plain/xip/prewrite/log:op0.f77.all", OptionError],
    ["plain/xip/prewrite/log:op0.f0.only77", PlanError],
    ["plain/xip/prewrite/log:eadr.op0.f0.all", OptionError],
  ])("%s is refused where there is no such state", (id, error) => {
    expect(() => replayCrash(id, crashCase)).toThrow(error);
  });
});

describe("what a bound drops", () => {
  it("is counted, and is nothing where everything was tried", () => {
    const tight = {
      exhaustiveStates: 1,
      exhaustiveLines: 0,
      linesMax: 1,
      prefixesMax: 1,
      samples: 0,
    };
    const bounded = exploreCrash({ ...caseOf("log", "zero"), bounds: tight });
    expect(bounded.skipped.points).toBeGreaterThan(0);
    expect(bounded.skipped.planned).toBeGreaterThan(bounded.states);
    expect(bounded.skipped.sampled).toBeGreaterThan(0);
    expect(bounded.naiveStatesLog10).toBeGreaterThan(100);
    expect(bounded.naiveStates).toBeLessThanOrEqual(Number.MAX_VALUE);

    const small: CrashCase = { ...caseOf("log", "zero"), setup: [], body: [{ op: "sync" }] };
    const whole = exploreCrash({ ...small, bounds: { exhaustiveStates: 2 ** 20 } });
    expect(whole.skipped).toEqual({ points: 0, planned: 0, sampled: 0 });
  });
});

describe("a bounded exploration", () => {
  const bounded: Partial<CrashBounds> = { exhaustiveStates: 1 };
  const everything: Partial<CrashBounds> = { exhaustiveStates: 10_000 };
  const setup = [create("/a"), write("/a", 0, 40, 1), create("/b")];
  const tiny: Record<string, readonly Operation[]> = {
    "an append of two units": [write("/a", null, 16, 2), fsync("/a")],
    "an overwrite of four units, torn at will": [write("/a", 4, 30, 2), fsync("/a")],
    "a rename over a file": [rename("/a", "/b")],
    "a change of mode": [{ op: "chmod", file: "/a", mode: 0o400 }],
    "a removal": [{ op: "unlink", path: "/b" }],
  };

  it.each(Object.keys(tiny))("finds every semantic state of %s", (name) => {
    const work = { ...caseOf("log", "complete"), setup, body: tiny[name]! };
    const whole = semanticStates({ ...work, bounds: everything });
    const part = semanticStates({ ...work, bounds: bounded });
    expect(whole.result.skipped.points).toBe(0);
    expect(part.result.skipped.points).toBeGreaterThan(0);
    expect(part.states).toEqual(whole.states);
    expect(whole.states.length).toBeGreaterThan(1);
    expect(whole.result.states).toBeGreaterThanOrEqual(part.result.states);
    expect(verdicts(whole.result)).toEqual([0, 0, 0]);
  });

  it("convicts as a full one does", () => {
    const preallocated: Operation = { op: "fallocate", file: "/a", mode: 0, pos: 0, length: 4096 };
    const steps = { setup: [create("/a"), preallocated], body: [write("/a", 8, 8, 1)] };
    const work = { ...caseOf("log", "prewrite"), ...steps };
    const whole = exploreCrash({ ...work, bounds: everything });
    const part = exploreCrash({ ...work, bounds: bounded });
    expect(whole.skipped.points).toBe(0);
    expect(part.firstId).toBe(whole.firstId);
    expect(part.stale.count).toBeGreaterThan(0);
  });
});

/**
 * Each state that recovery gave, as text, sorted. Contents are told apart by what they mean: that
 * of the first state seen (nothing was there yet), that of the last, or a mix of both.
 */
function semanticStates(crashCase: CrashCase): { states: string[]; result: CrashResult } {
  const trees: FoundTree[] = [];
  const result = exploreWith(crashCase, (_id, { tree }) => {
    expect(tree).not.toBeNull();
    trees.push(tree!);
  });
  const ends = [trees[0]!, trees.at(-1)!].map((tree) => contentsOf(tree));
  return { states: [...new Set(trees.map((tree) => treeText(tree, ends)))].sort(), result };
}

const contentsOf = (tree: FoundTree): string[] =>
  [...tree.values()].map(({ content }) => content?.join(" ") ?? "-");

function treeText(tree: FoundTree, ends: string[][]): string {
  const lines = [...tree].map(([path, { attributes, content }]) => {
    const text = content?.join(" ") ?? "-";
    const known = ends.flat().includes(text);
    return `${path} ${attributes}, ${known ? text : `torn, size ${content?.length}`}`;
  });
  return lines.sort().join("\n");
}

describe("a case", () => {
  it("gives the same result every time", () => {
    const results = [1, 2].map(() => {
      const {
        elapsedMs: _ms,
        statesPerSecond: _rate,
        ...rest
      } = exploreCrash(caseOf("append", "own"));
      return rest;
    });
    expect(results[0]).toEqual(results[1]);
  });

  it("reports its progress", () => {
    const seen: CrashProgress[] = [];
    const onProgress = (progress: CrashProgress): unknown => seen.push(progress);
    const result = exploreCrash({ ...caseOf("log", "zero"), onProgress });
    expect(seen).toHaveLength(result.points);
    expect(seen.at(-1)).toMatchObject({
      pointsDone: result.points,
      pointsTotal: result.points,
      states: result.states,
    });
  });

  it("whose operations do not fit the device is refused, by operation", () => {
    const body = [create("/big"), write("/big", 0, 2 * DEVICE_SIZE, 1)];
    expect(() => exploreCrash({ ...caseOf("log", "zero"), body })).toThrow(
      /case 'log', op1: plain gives \d+, POSIX wants 1048576/,
    );
    expect(() => exploreCrash({ ...caseOf("log", "zero"), body })).toThrow(CrashCaseError);
  });

  it("with a file that is too large to compare is refused", () => {
    const body: Operation[] = [create("/log"), { op: "truncate", file: "/log", size: 2 ** 40 }];
    const huge = { ...caseOf("log", "zero"), setup: [], body };
    expect(() => exploreCrash(huge)).toThrow(/a file of 1099511627776 bytes/);
  });

  it("with an option that the design does not know is refused", () => {
    const mountOptions = { data: "xip", unwritten: "magic" };
    expect(() => exploreCrash({ ...caseOf("log", "zero"), mountOptions })).toThrow(OptionError);
  });

  it("may hold operations that POSIX refuses", () => {
    const body: Operation[] = [
      create("/log"),
      { op: "rmdir", path: "/log" },
      write("/nowhere", 0, 1, 1),
    ];
    expect(verdicts(exploreCrash({ ...caseOf("log", "zero"), body }))).toEqual([0, 0, 0]);
  });
});
