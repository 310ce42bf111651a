/**
 * ext4 under the explorer: every sound protocol and both page caches are acquitted over every state
 * tried, through our own recovery and our own fsck; the negative controls are convicted.
 */
import { type DataPathName, SoundProtocols } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { describe, expect, it } from "vitest";
import { exploreCrash } from "./explore.ts";
import { type CaseName, CaseNames, Cases } from "./testing-cases.ts";
import type { CrashCase, CrashResult } from "./types.ts";

/** Blocks of the log are many lines in flight: fewer plans per place than by default. */
const BOUNDS = {
  exhaustiveStates: 32,
  exhaustiveLines: 4,
  linesMax: 4,
  prefixesMax: 4,
  samples: 4,
};

function caseOf(name: CaseName, unwritten: string, data: DataPathName = "xip"): CrashCase {
  return {
    ...Cases[name],
    name,
    personality: ext4,
    mountOptions: data === "xip" ? { data, unwritten } : { data },
    deviceSize: ext4.deviceSizeMin,
    bounds: BOUNDS,
  };
}

const verdicts = ({ lost, stale, broken }: CrashResult) => [lost.count, stale.count, broken.count];

describe("sound protocols and data paths", () => {
  const designs: Array<readonly [unwritten: string, data: DataPathName]> = [
    ...SoundProtocols.map((protocol) => [protocol, "xip"] as const),
    ["-", "delalloc"],
    ["-", "nodelalloc"],
  ];
  it.each(designs.flatMap((design) => CaseNames.map((name) => [...design, name] as const)))(
    "%s %s loses nothing under %s, shows nothing stale, breaks nothing",
    (unwritten, data, name) => {
      const result = exploreCrash(caseOf(name, unwritten, data));
      expect(result.firstId).toBeNull();
      expect(verdicts(result)).toEqual([0, 0, 0]);
      expect(result.states).toBeGreaterThan(result.points);
      expect(result.markedPages).toBeGreaterThan(100);
    },
  );
});

describe("the negative controls", () => {
  it("none loses synced data, and nothing worse", () => {
    const result = exploreCrash(caseOf("log", "none"));
    expect(result.lost.count).toBeGreaterThan(0);
    expect(verdicts(result).slice(1)).toEqual([0, 0]);
  });

  it("prewrite shows stale bytes, and nothing worse", () => {
    const result = exploreCrash(caseOf("log", "prewrite"));
    expect(result.stale.count).toBeGreaterThan(0);
    expect([result.lost.count, result.broken.count]).toEqual([0, 0]);
  });
});
