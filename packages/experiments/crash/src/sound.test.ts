/**
 * Proves what the explorer is for, on plain: every sound way of writing is acquitted over every
 * state tried, and the two unsound ones are convicted of what they are known for.
 */
import { plain } from "@xiplab/plain";
import { describe, expect, it } from "vitest";
import { type DataPathName, type PersistenceDomain, PAGE_SIZE, SoundProtocols } from "@xiplab/core";
import { exploreCrash, replayCrash } from "./explore.ts";
import { type CaseName, CaseNames, Cases } from "./testing-cases.ts";
import type { CrashCase, CrashResult } from "./types.ts";

const DEVICE_SIZE = 2 ** 19;

function caseOf(
  name: CaseName,
  unwritten: string,
  data: DataPathName = "xip",
  domain: PersistenceDomain = "adr",
): CrashCase {
  const mountOptions = data === "xip" ? { data, unwritten } : { data };
  return {
    ...Cases[name],
    name,
    personality: plain,
    mountOptions,
    deviceSize: DEVICE_SIZE,
    domain,
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
      expect(result.states).toBeGreaterThan(2 * result.points);
      expect(result.markedPages).toBeGreaterThan(DEVICE_SIZE / PAGE_SIZE / 2);
    },
  );

  it.each(CaseNames)("are as sound under eadr: %s", (name) => {
    expect(verdicts(exploreCrash(caseOf(name, "complete", "xip", "eadr")))).toEqual([0, 0, 0]);
  });
});

describe("the negative controls", () => {
  it("none loses synced data, and nothing worse", () => {
    const result = exploreCrash(caseOf("log", "none"));
    expect(result.lost.count).toBeGreaterThan(0);
    expect(verdicts(result).slice(1)).toEqual([0, 0]);
    const { text, cause } = replayCrash(result.lost.firstId!, caseOf("log", "none"));
    // It is lost without a power cut as well.
    expect(cause).toBe("logic");
    expect(text).toContain("/log lacks what was promised: bytes 0 to 99");
  });

  it("prewrite shows stale bytes, and nothing worse", () => {
    const result = exploreCrash(caseOf("log", "prewrite"));
    expect(result.stale.count).toBeGreaterThan(0);
    expect([result.lost.count, result.broken.count]).toEqual([0, 0]);
    const explanation = replayCrash(result.stale.firstId!, caseOf("log", "prewrite"));
    const found = expect.stringMatching(/^0: f5 f5 f5/) as unknown;
    expect(explanation.findings[0]).toMatchObject({ verdict: "stale", path: "/log", found });
  });

  it("none keeps what was never preallocated", () => {
    expect(verdicts(exploreCrash(caseOf("append", "none")))).toEqual([0, 0, 0]);
  });
});
