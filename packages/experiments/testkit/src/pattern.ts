/**
 * The bytes that generated operations write: every byte follows from the seed of the operation and
 * the position in the file, so that a byte in the wrong place tells on itself.
 *
 * Three kinds of byte never mix: 0 is "nothing was ever written here", MARK is "left over on the
 * medium by somebody else", everything from 1 to DATA_MAX was written by an operation.
 */
import { assert } from "@xiplab/core";

/** Fills the device before a run: seen in a file it is a stale byte. */
export const MARK = 0xf5;
/** Written bytes are 1 to DATA_MAX. A prime, so that patterns do not repeat with blocks. */
export const DATA_MAX = 239;

/** The byte that the operation with `seed` writes at `pos` of a file. */
export function patternByte(seed: number, pos: number): number {
  const page = Math.floor(pos / 4096);
  return 1 + ((((seed * 101 + page * 7) % DATA_MAX) + (pos % 4096)) % DATA_MAX);
}

/** `length` bytes of the pattern of `seed` for position `pos`. */
export function pattern(seed: number, pos: number, length: number): Uint8Array {
  assert(Number.isInteger(seed), "a pattern seed is an integer");
  assert(pos >= 0, "a pattern position is not negative");
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length;) {
    let value = patternByte(seed, pos + index);
    const end = Math.min(length, index + 4096 - ((pos + index) % 4096));
    for (; index < end; index++) {
      bytes[index] = value;
      value = value === DATA_MAX ? 1 : value + 1;
    }
  }
  return bytes;
}

/** Where a byte comes from, in words, for messages. */
export function describeByte(value: number): string {
  if (value === 0) return "0x00 (never written, or lost)";
  if (value === MARK) return `0x${MARK.toString(16)} (MARK: stale, left on the medium)`;
  return `0x${value.toString(16).padStart(2, "0")}`;
}
