/** For the tests of files: a clock that stands, names, and numbers that come from a seed. */
import { type Clock, nameFromUtf8 } from "@xiplab/core";

export const n = nameFromUtf8;
export const clock: Clock = { now: () => ({ sec: 1_386_300_000, nsec: 5 }) };

export type Random = (below: number) => number;

/** Numbers of [0, below), the same for the same seed. */
export function randomNumbers(seed: number): Random {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
