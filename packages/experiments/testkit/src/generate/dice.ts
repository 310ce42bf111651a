/** Choices out of a seeded source. fast-check's Random fits. */
import { assert } from "@xiplab/core";

export interface RandomSource {
  /** A whole number from min to max, both included. */
  nextInt(min: number, max: number): number;
}

export class Dice {
  private readonly source: RandomSource;

  constructor(source: RandomSource) {
    this.source = source;
  }

  /** A whole number from min to max, both included. */
  between(min: number, max: number): number {
    assert(min <= max, "the lower bound is not above the upper");
    return max > min ? this.source.nextInt(min, max) : min;
  }

  chance(percent: number): boolean {
    return this.source.nextInt(0, 99) < percent;
  }

  pick<T>(choices: readonly T[]): T {
    assert(choices.length > 0, "there is something to pick from");
    return choices[this.between(0, choices.length - 1)]!;
  }

  /** A key, each as likely as its weight says. */
  weighted<K extends string>(weights: readonly (readonly [K, number])[]): K {
    const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
    let at = this.between(1, total);
    for (const [key, weight] of weights) {
      at -= weight;
      if (at <= 0) return key;
    }
    throw new RangeError("weights are positive whole numbers");
  }
}
