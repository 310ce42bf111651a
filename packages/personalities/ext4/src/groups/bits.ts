/**
 * Bitmaps as ext4 keeps them on the medium: bit n is bit n % 8 of byte n / 8, 1 is used. They are
 * read 32 bits at a time; bit 32 k starts a little-endian word.
 */
import { popcount } from "@xiplab/core";

/** Set or clear the bits [start, start + length). Returns how many changed. HOT. */
export function setBits(
  view: DataView,
  at: number,
  start: number,
  length: number,
  used: boolean,
): number {
  const end = start + length;
  let changed = 0;
  for (let bit = start, bits = 0; bit < end; bit += bits) {
    const inWord = bit & 31;
    bits = Math.min(32 - inWord, end - bit);
    const mask = (bits === 32 ? -1 : (1 << bits) - 1) << inWord;
    const place = at + (bit >>> 5) * 4;
    const before = view.getInt32(place, true);
    const after = used ? before | mask : before & ~mask;
    changed += popcount(before ^ after);
    view.setInt32(place, after, true);
  }
  return changed;
}

/** Ones among the bits [start, end). */
export function countUsed(view: DataView, at: number, start: number, end: number): number {
  let used = 0;
  for (let bit = start, bits = 0; bit < end; bit += bits) {
    const inWord = bit & 31;
    bits = Math.min(32 - inWord, end - bit);
    const mask = (bits === 32 ? -1 : (1 << bits) - 1) << inWord;
    used += popcount(view.getInt32(at + (bit >>> 5) * 4, true) & mask);
  }
  return used;
}

/** The first zero among the bits [from, end), or `end`. HOT. */
export function nextFree(view: DataView, at: number, from: number, end: number): number {
  for (let bit = from; bit < end; bit += 32 - (bit & 31)) {
    const word = ~view.getInt32(at + (bit >>> 5) * 4, true) & (-1 << (bit & 31));
    if (word !== 0) return Math.min(end, (bit & ~31) + 31 - Math.clz32(word & -word));
  }
  return end;
}

/** Is the bit set? */
export function isUsed(view: DataView, at: number, bit: number): boolean {
  return ((view.getUint8(at + (bit >>> 3)) >>> (bit & 7)) & 1) === 1;
}
