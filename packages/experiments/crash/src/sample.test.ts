/** Samples for judges from outside: enough of them, spread over the run, and judged by the oracle. */
import { mount, Pmem } from "@xiplab/core";
import { plain } from "@xiplab/plain";
import { expect, it } from "vitest";
import { sampleCrash } from "./sample.ts";
import { Cases } from "./testing-cases.ts";
import type { CrashCase } from "./types.ts";

const caseOf = (unwritten: string): CrashCase => ({
  ...Cases.log,
  name: "log",
  personality: plain,
  mountOptions: { data: "xip", unwritten },
  deviceSize: 2 ** 19,
});

/** A recovery of "another": ours, on a copy. */
function recoverCopy(image: Pmem): Pmem {
  const copy = new Pmem(image.size, "adr", {
    read: (offset, target) => image.load(offset, target, 0, target.length),
    isHole: () => false,
  });
  mount(plain, copy, { noatime: "1" }).unmount();
  return copy;
}

it("acquits a sound design, state by state, and spreads the sample over the run", () => {
  const ids = new Set<string>();
  const total = sampleCrash(caseOf("zero"), 40, ({ id, image, judge }) => {
    ids.add(id);
    expect(judge(recoverCopy(image)), id).toEqual([]);
  });
  expect(ids.size).toBe(40);
  expect(total).toBeGreaterThan(100);
  const places = new Set([...ids].map((id) => id.replace(/\.[^.]*\.[^.]*$/, "")));
  expect(places.size).toBeGreaterThan(4);
});

it("convicts a negative control", () => {
  let lost = 0;
  sampleCrash(caseOf("none"), 40, ({ image, judge }) => {
    if (judge(recoverCopy(image)).some(({ verdict }) => verdict === "lost")) lost++;
  });
  expect(lost).toBeGreaterThan(10);
});
