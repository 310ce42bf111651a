/**
 * Inode flags as chattr(1) and lsattr(1) of e2fsprogs write them: a letter for each, at a place of
 * its own. Pure.
 */
import { usage } from "./problem.ts";

/** FS_*_FL of Linux, in the order in which lsattr prints them. */
const FLAGS: ReadonlyArray<readonly [letter: string, bit: number, name: string]> = [
  ["s", 0x1, "secure deletion"],
  ["u", 0x2, "undelete"],
  ["S", 0x8, "synchronous updates"],
  ["D", 0x10000, "synchronous directory updates"],
  ["i", 0x10, "immutable"],
  ["a", 0x20, "append only"],
  ["d", 0x40, "no dump"],
  ["A", 0x80, "no atime"],
  ["c", 0x4, "compression requested"],
  ["E", 0x800, "encrypted"],
  ["j", 0x4000, "journaled data"],
  ["I", 0x1000, "indexed directory"],
  ["t", 0x8000, "no tail merging"],
  ["T", 0x20000, "top of directory hierarchy"],
  ["e", 0x80000, "extents"],
  ["C", 0x800000, "no copy on write"],
  ["x", 0x2000000, "DAX"],
  ["F", 0x40000000, "casefold"],
  ["N", 0x10000000, "inline data"],
  ["P", 0x20000000, "project hierarchy"],
  ["V", 0x100000, "verity"],
  ["m", 0x400, "no compression"],
];

/** Flags that mean something on directories alone: D, T and P. */
export const DIRECTORY_FLAGS = 0x10000 | 0x20000 | 0x20000000;

/** As lsattr prints them: "----i---------e-------". */
export const formatFlags = (flags: number): string =>
  FLAGS.map(([letter, bit]) => (flags & bit ? letter : "-")).join("");

/** The letters of the flags that are set: "ie". */
export const flagLetters = (flags: number): string => formatFlags(flags).replaceAll("-", "");

/** In words: "immutable, extents". */
export const flagWords = (flags: number): string =>
  FLAGS.filter(([, bit]) => (flags & bit) !== 0)
    .map(([, , name]) => name)
    .join(", ");

/** What chattr is to do: `set` and `clear` are masks; with `exact` `set` is all there is to be. */
export interface FlagChange {
  readonly exact: boolean;
  readonly set: number;
  readonly clear: number;
}

/**
 * The change that "+i -a", or "=S", asks for.
 * @throws Problem (usage) for an unknown letter, and for what contradicts itself.
 */
export function parseFlagChange(words: readonly string[]): FlagChange {
  const masks = { "+": 0, "-": 0, "=": 0 };
  let exact = false;
  for (const word of words) {
    const operator = word[0] as keyof typeof masks;
    exact ||= operator === "=";
    for (const letter of word.slice(1)) masks[operator] |= bitOf(letter);
  }
  if (exact && words.some((word) => !word.startsWith("="))) {
    throw usage("= says what all flags are to be: it goes with neither + nor -");
  }
  const both = masks["+"] & masks["-"];
  if (both !== 0) throw usage(`'${flagLetters(both)}' cannot be both set and cleared`);
  return { exact, set: masks["+"] | masks["="], clear: masks["-"] };
}

function bitOf(letter: string): number {
  const found = FLAGS.find(([known]) => known === letter);
  if (found !== undefined) return found[1];
  const letters = FLAGS.map(([known]) => known).join("");
  throw usage(`there is no flag '${letter}'; lsattr knows ${letters}`);
}
