import { describe, expect, test } from "vitest";
import { KeptMap } from "./kept-map.ts";

/** More keys than are left behind without a sweep. */
const MANY = 1_000;

describe("a map whose keys come back", () => {
  test("has what a Map has, whatever comes and goes", () => {
    const kept = new KeptMap<number, string>();
    const model = new Map<number, string>();
    // A generator of Lehmer's, so that keys come back.
    for (let step = 0, state = 1; step < 20_000; step++) {
      state = (state * 48_271) % 2_147_483_647;
      const key = state % 300;
      if (state % 7 < 3) {
        kept.delete(key);
        model.delete(key);
      } else {
        kept.set(key, `${step}`);
        model.set(key, `${step}`);
      }
      expect(kept.size).toBe(model.size);
      expect(kept.get(key)).toBe(model.get(key));
    }
    expect(new Map(kept)).toEqual(model);
    expect([...kept.values()].sort()).toEqual([...model.values()].sort());
  });

  test("a key has one value at a time", () => {
    const kept = new KeptMap<number, string>();
    kept.add(1, "one");
    expect(() => kept.add(1, "another")).toThrow("a key that is added has no value");
    kept.delete(1);
    kept.add(1, "another");
    expect(kept.size).toBe(1);
  });

  test("what is renewed comes last, also while it is walked through", () => {
    const kept = new KeptMap<number, string>();
    for (let key = 0; key < MANY; key++) kept.add(key, `${key}`);
    for (const [key] of kept) {
      if (key === MANY / 2) break;
      if (key % 2 === 0) kept.renew(key);
      else kept.delete(key);
    }
    expect(kept.size).toBe(MANY - MANY / 4);
    expect([...kept.values()][0]).toBe(`${MANY / 2}`);
    expect([...kept.values()].at(-1)).toBe(`${MANY / 2 - 2}`);
  });

  test("nothing is left of what was cleared", () => {
    const kept = new KeptMap<number, string>();
    kept.add(1, "one");
    kept.clear();
    expect([kept.size, kept.get(1), [...kept]]).toEqual([0, undefined, []]);
  });
});
