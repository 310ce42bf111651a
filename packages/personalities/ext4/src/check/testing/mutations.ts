/** Mutations of an image, one field at a time, drawn from a seed. */
import { Structures, type Target } from "./structures.ts";

/** xorshift32: the same numbers in every run. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

export interface Mutation {
  /** For people: field, place, before, after, mended or not. */
  readonly text: string;
  /** The field alone. */
  readonly name: string;
  /** Bytes that differ from the image, or may: [byte, length]. */
  readonly ranges: ReadonlyArray<readonly [at: number, length: number]>;
}

export class Mutator {
  readonly names: readonly string[];
  private readonly bytes: Uint8Array<ArrayBuffer>;
  private readonly pristine: Uint8Array<ArrayBuffer>;
  private readonly byName = new Map<string, Target[]>();
  private readonly random: (below: number) => number;

  /** `bytes` is changed and put back, mutation after mutation. `more` are targets in them that
   * Structures does not find. */
  constructor(bytes: Uint8Array<ArrayBuffer>, seed: number, more: readonly Target[] = []) {
    this.bytes = bytes;
    this.pristine = bytes.slice();
    this.random = randomNumbers(seed);
    for (const target of [...new Structures(bytes).targets, ...more]) {
      const same = this.byName.get(target.name);
      if (same === undefined) this.byName.set(target.name, [target]);
      else same.push(target);
    }
    this.names = [...this.byName.keys()].sort();
  }

  /** Change one field, of `name` if given, in `bytes`. Every field is as likely as any other. */
  mutate(name = this.names[this.random(this.names.length)]!): Mutation {
    const targets = this.byName.get(name)!;
    const target = targets[this.random(targets.length)]!;
    const { at, size } = target;
    const before = this.text(at, size);
    this.change(target, targets);
    const mended = this.random(4) > 0;
    const ranges: Array<readonly [number, number]> = [[at, size]];
    if (mended) ranges.push(...target.mend());
    const after = this.text(at, size);
    const place = `byte 0x${at.toString(16)}`;
    const text = `${name} at ${place}: ${before} → ${after}${mended ? ", mended" : ""}`;
    return { text, name, ranges };
  }

  /** Put everything back. */
  restore({ ranges }: Mutation): void {
    for (const [at, length] of ranges) {
      this.bytes.set(this.pristine.subarray(at, at + length), at);
    }
  }

  /** Give the field another value: a strange one, or that of another field of the same name. */
  private change({ at, size }: Target, same: readonly Target[]): void {
    const field = this.bytes.subarray(at, at + size);
    const before = field.slice();
    const low = this.random(Math.min(size, 4));
    const kind = this.random(10);
    const other = same[this.random(same.length)]!;
    if (kind >= 8 && other.size === size) {
      field.set(this.pristine.subarray(other.at, other.at + size));
    } else if (kind === 0) field.fill(0);
    else if (kind === 1) field.fill(0xff);
    else if (kind === 2) field[0]! += 1;
    else if (kind === 3) field[0]! -= 1;
    else if (kind === 4) field[low]! ^= 1 << this.random(8);
    else if (kind === 5) field[size - 1]! ^= 1 << this.random(8);
    else if (kind === 6) field[0] = this.random(256);
    else for (let byte = 0; byte < size; byte++) field[byte] = this.random(256);
    if (field.every((byte, index) => byte === before[index])) field[low]! ^= 1 << this.random(8);
  }

  private text(at: number, size: number): string {
    const bytes = this.bytes.subarray(at, at + Math.min(size, 8));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}
