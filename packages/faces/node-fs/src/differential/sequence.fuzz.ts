/**
 * Random sequences of calls, each compared at once, answer and tree, with the host's node:fs.
 * XIPLAB_SEQUENCES=n runs n sequences instead of a few; a failure prints its seed and the calls.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closeSlot, drawFrom, drawStep, outcomeOf } from "./testing/sequence.ts";
import type { Place, World } from "./testing/world.ts";
import { makePair, type Pair, PERSONALITIES } from "./testing/worlds.ts";

const SEQUENCES = Number(process.env["XIPLAB_SEQUENCES"] ?? 12);
const STEPS = 120;
const SEED = 20131206;

describe.each(PERSONALITIES)("sequences on the host and on $name", (personality) => {
  let pair: Pair;
  beforeAll(() => {
    pair = makePair(personality);
  });
  afterAll(() => pair.release());

  it(`are answered alike, seed=${SEED}`, () => {
    for (let index = 0; index < SEQUENCES; index++) runSequence(pair.worlds, SEED + index);
    expect(SEQUENCES).toBeGreaterThan(0);
  });
});

function runSequence(worlds: readonly [World, World], seed: number): void {
  const draw = drawFrom(seed);
  const sides = worlds.map(({ fs, base }) => {
    const place: Place = { fs, directory: `${base}/s${seed}`, opened: [] };
    fs.mkdirSync(place.directory);
    return { place, open: new Map<number, number>() };
  });
  const calls: string[] = [];
  for (let count = 0; count < STEPS; count++) {
    const step = drawStep(draw);
    calls.push(step.text);
    const [expected, found] = sides.map(({ place, open }) => outcomeOf(step, place, open));
    const message = `seed=${seed} after ${calls.join("; ")}`;
    expect(found, message).toBe(expected);
  }
  for (const { place, open } of sides) {
    for (const slot of open.keys()) closeSlot(place.fs, open, slot);
  }
}
