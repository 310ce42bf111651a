/** Proves that sequences follow from their seed, shrink, and can be pasted. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { printOperations } from "../compare/results.ts";
import type { Operation } from "../operations.ts";
import { OperationsArbitrary } from "./arbitrary.ts";
import { DEFAULT_CONFIG, DRAWN } from "./generator.ts";

const sequences = (seed: number): Operation[][] =>
  fc.sample(new OperationsArbitrary(200, DEFAULT_CONFIG, 0), { seed, numRuns: 2 });

test("the same seed gives the same operations", () => {
  expect(sequences(1)).toEqual(sequences(1));
  expect(sequences(1)).not.toEqual(sequences(2));
});

test("every kind of operation is drawn", () => {
  const many = fc.sample(new OperationsArbitrary(1500, DEFAULT_CONFIG, 0), { seed: 3, numRuns: 2 });
  const kinds = new Set(many.flat().map(({ op }) => op));
  expect([...kinds].sort()).toEqual([...DRAWN].sort());
});

test("what is printed is the sequence, as JavaScript", () => {
  const [operations] = sequences(5);
  const text = printOperations(operations!);
  // oxlint-disable-next-line no-eval -- the claim is that it can be pasted
  expect((0, eval)(text)).toEqual(operations);
  expect(text.split("\n").every((line) => line.length < 600)).toBe(true);
});

test("a failure shrinks to what is needed for it", () => {
  const arbitrary = new OperationsArbitrary(300, DEFAULT_CONFIG, 10_000);
  const details = fc.check(
    fc.property(arbitrary, (operations) => {
      const mkdir = operations.findIndex(({ op }) => op === "mkdir");
      const late = operations.findLastIndex(({ op }) => op === "write");
      return mkdir < 0 || late < mkdir;
    }),
    { seed: 9, numRuns: 5 },
  );
  const shortest = details.counterexample?.[0] ?? [];
  expect(shortest.map(({ op }) => op)).toEqual(["mkdir", "write"]);
  expect(shortest[1]).toMatchObject({
    length: 0,
    pos: expect.toSatisfy((pos: number | null) => pos === null || pos === 0),
  });
});

test("no time to shrink: the failure stands as it is", () => {
  const arbitrary = new OperationsArbitrary(50, DEFAULT_CONFIG, -1);
  const details = fc.check(
    fc.property(arbitrary, (operations) => operations.length === 0),
    { seed: 9 },
  );
  expect(details.counterexample?.[0]?.length).toBe(50);
});
