/** A seeded generator (mulberry32): every target sees the same offsets and the same files. Gives
 * whole numbers from 0 to below `below`. */
export function newRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Fisher and Yates, in place. Returns the array. */
export function shuffle<T>(items: T[], seed: number): T[] {
  const random = newRandom(seed);
  for (let index = items.length - 1; index > 0; index--) {
    const other = random(index + 1);
    [items[index], items[other]] = [items[other]!, items[index]!];
  }
  return items;
}
