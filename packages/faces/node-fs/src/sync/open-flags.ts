/** The letters of open as O_* flags. */
import {
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TRUNC,
  O_WRONLY,
} from "@xiplab/core";
import { invalidValue } from "../errors.ts";
import type { Platform } from "../platform.ts";
import { requireInteger } from "./arguments.ts";

const WRITE = O_TRUNC | O_CREAT | O_WRONLY;
const REWRITE = O_TRUNC | O_CREAT | O_RDWR;
const APPEND = O_APPEND | O_CREAT | O_WRONLY;
const READ_APPEND = O_APPEND | O_CREAT | O_RDWR;

const LETTERS: ReadonlyMap<unknown, number> = new Map([
  ["r", O_RDONLY],
  ["rs", O_RDONLY | O_SYNC],
  ["sr", O_RDONLY | O_SYNC],
  ["r+", O_RDWR],
  ["rs+", O_RDWR | O_SYNC],
  ["sr+", O_RDWR | O_SYNC],
  ["w", WRITE],
  ["wx", WRITE | O_EXCL],
  ["xw", WRITE | O_EXCL],
  ["w+", REWRITE],
  ["wx+", REWRITE | O_EXCL],
  ["xw+", REWRITE | O_EXCL],
  ["a", APPEND],
  ["ax", APPEND | O_EXCL],
  ["xa", APPEND | O_EXCL],
  ["as", APPEND | O_SYNC],
  ["sa", APPEND | O_SYNC],
  ["a+", READ_APPEND],
  ["ax+", READ_APPEND | O_EXCL],
  ["xa+", READ_APPEND | O_EXCL],
  ["as+", READ_APPEND | O_SYNC],
  ["sa+", READ_APPEND | O_SYNC],
]);

const INT32_MIN = -0x80000000;
const INT32_MAX = 0x7fffffff;

/** HOT. @throws TypeError, RangeError */
export function openFlagsOf(platform: Platform, flags: unknown): number {
  if (flags === "r" || flags === undefined || flags === null) return O_RDONLY;
  if (typeof flags === "number") {
    requireInteger(platform, flags, "flags", INT32_MIN, INT32_MAX);
    return flags;
  }
  const known = LETTERS.get(flags);
  if (known === undefined) throw invalidValue(platform, "flags", flags);
  return known;
}
