/** Proves that sparse content is what a flat array would be, by generated edits (seed printed). */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { firstDifference } from "../bytes.ts";
import { pattern } from "../pattern.ts";
import { Content } from "./content.ts";

const PAGE = 4096;
const SEED = 42;

type Edit = readonly [kind: "write" | "zero" | "truncate" | "collapse" | "insert", number, number];

/** The same edit on an array. */
function editArray(bytes: Uint8Array, [kind, pos, length]: Edit, seed: number): Uint8Array {
  const grown = new Uint8Array(Math.max(bytes.length, kind === "write" ? pos + length : 0));
  grown.set(bytes);
  if (kind === "write") grown.set(pattern(seed, pos, length), pos);
  if (kind === "zero") grown.fill(0, pos, pos + length);
  if (kind === "truncate") {
    const cut = new Uint8Array(pos);
    cut.set(grown.subarray(0, pos));
    return cut;
  }
  const [at, by] = [alignDown(pos), alignDown(length)];
  if (kind === "collapse" && at + by < grown.length) {
    return Uint8Array.from([...grown.subarray(0, at), ...grown.subarray(at + by)]);
  }
  if (kind === "insert" && at < grown.length) {
    return Uint8Array.from([
      ...grown.subarray(0, at),
      ...new Uint8Array(by),
      ...grown.subarray(at),
    ]);
  }
  return grown;
}

function editContent(content: Content, [kind, pos, length]: Edit, seed: number): void {
  const [at, by] = [alignDown(pos), alignDown(length)];
  if (kind === "write") content.write(pos, pattern(seed, pos, length));
  if (kind === "zero") content.zero(pos, pos + length);
  if (kind === "truncate") content.truncate(pos);
  if (kind === "collapse" && at + by < content.size) content.collapse(at, by);
  if (kind === "insert" && at < content.size) content.insert(at, by);
}

const alignDown = (pos: number): number => pos - (pos % PAGE);

test(`content is what an array would be, seed=${SEED}`, () => {
  const edit = fc.tuple(
    fc.constantFrom("write", "zero", "truncate", "collapse", "insert"),
    fc.integer({ min: 0, max: 5 * PAGE }),
    fc.integer({ min: 1, max: 3 * PAGE }),
  );
  const property = fc.property(fc.array(edit as fc.Arbitrary<Edit>, { maxLength: 12 }), (edits) => {
    const content = new Content();
    let bytes: Uint8Array = new Uint8Array(0);
    for (const [index, one] of edits.entries()) {
      editContent(content, one, index + 1);
      bytes = editArray(bytes, one, index + 1);
      expect(content.size).toBe(bytes.length);
      expect(firstDifference(content.read(0, content.size), bytes)).toBe(-1);
    }
    expect(content.clone().read(100, 5000)).toEqual(bytes.slice(100, 5100));
  });
  fc.assert(property, { seed: SEED, numRuns: 200 });
});

test("nothing beyond the size comes back", () => {
  const content = new Content();
  content.write(0, pattern(1, 0, 100));
  content.truncate(10);
  content.truncate(200);
  expect(content.read(10, 500)).toEqual(new Uint8Array(190));
  content.write(500, new Uint8Array(0));
  expect(content.size).toBe(200);
});
