/** Seeded randomness: mulberry32. The same seed gives the same files in every run. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** An integer from 0 to `end` - 1. */
  below(end: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * end);
  }

  /** One of `values`. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** `length` bytes that no program compresses to nothing. */
  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let index = 0; index < words.length; index++) words[index] = this.next();
    return Buffer.from(words.buffer, 0, length);
  }

  /** Lines of words: at least `length` bytes, as sources and texts are. */
  text(length: number): string {
    const parts: string[] = [];
    for (let size = 0; size < length;) {
      const word = this.next().toString(36);
      parts.push(word, this.below(8) === 0 ? "\n" : " ");
      size += word.length + 1;
    }
    return `${parts.join("")}\n`;
  }

  private next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
}
