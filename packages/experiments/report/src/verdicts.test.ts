/** Proven here: who is convicted, who should have been, and how it is said. */
import { expect, test } from "vitest";
import { bothMedia, control, row } from "./testing.ts";
import { judge, renderVerdicts } from "./verdicts.ts";

test("states are counted once, not once per medium", () => {
  const verdicts = judge([...bothMedia(row()), ...bothMedia(row({ workload: "tree" }))]);
  expect(verdicts).toHaveLength(1);
  expect(verdicts[0]).toMatchObject({ design: "plain zero", states: 680, asExpected: true });
  expect(renderVerdicts(verdicts)).toBe("plain zero  nothing in 680 states: as expected");
});

test("a convicted negative control is as expected, and carries its first id", () => {
  const [verdict] = judge([control(), control({ workload: "tree", crash: row().crash })]);
  expect(verdict).toMatchObject({
    asExpected: true,
    states: 680,
    lost: 12,
    wrong: ["log", "tree"],
  });
  expect(renderVerdicts([verdict!])).toBe(
    "plain none †  12 lost of 340 states of log, first case@4; nothing in 340 other states; " +
      "wrong bytes with no crash in log, tree: as expected",
  );
});

test("a negative control that nobody convicted is unexpected", () => {
  const [verdict] = judge([control({ crash: row().crash })]);
  expect(verdict!.asExpected).toBe(false);
  expect(renderVerdicts([verdict!])).toContain("UNEXPECTED");
});

test("a negative control is only to be convicted where the work provokes it", () => {
  const quiet = control({ crash: row().crash, controlExpected: false, verified: true });
  const [verdict] = judge([quiet]);
  expect(verdict).toMatchObject({ asExpected: true, untested: true });
  expect(renderVerdicts([verdict!])).toContain("not put to the test");
});

test("a sound design that was convicted, or reads back wrong, is unexpected", () => {
  const stale = { ...row().crash!, stale: 1, firstId: "case@9" };
  expect(judge([row({ crash: stale })])[0]!.asExpected).toBe(false);
  expect(judge([row({ verified: false, failure: "x" })])[0]!.asExpected).toBe(false);
});

test("what was not explored is not judged", () => {
  expect(judge([row({ crash: null })])).toEqual([]);
});
