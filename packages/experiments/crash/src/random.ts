/** Seeded numbers: the same seed and stream give the same draws on every machine. */

export interface Random {
  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number;
}

/** A generator for one purpose (`stream`) under one seed. */
export function randomOf(seed: number, stream: number): Random {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca77)) | 0;
  const next = (): number => {
    // Weyl sequence through a 32-bit finaliser (the constants are those of "lowbias32").
    state = (state + 0x6d2b79f5) | 0;
    let bits = state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return (bits ^ (bits >>> 15)) >>> 0;
  };
  return { below: (bound) => Math.floor((next() / 0x1_0000_0000) * bound) };
}
