/** The option `ignore` of watchers: which names are not told. */
import { Minimatch } from "minimatch";
import { invalidType, invalidValue } from "../errors.ts";
import type { Platform } from "../platform.ts";
import { MATCH_OPTIONS } from "../tree/glob-pattern.ts";

type Ignored = (filename: string) => boolean;

/** @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE */
export function ignoreOf(platform: Platform, given: unknown): Ignored | null {
  if (given === undefined || given === null) return null;
  const isList = Array.isArray(given);
  const all = (isList ? given : [given]).map((one, index) =>
    matcherOf(platform, one, isList ? `options.ignore[${index}]` : "options.ignore"),
  );
  return (filename) => all.some((matches) => matches(filename));
}

function matcherOf(platform: Platform, given: unknown, name: string): Ignored {
  if (given instanceof RegExp) return (filename) => new RegExp(given).test(filename);
  if (typeof given === "function") return given as Ignored;
  if (typeof given !== "string") {
    const expected = "of type string or function or an instance of RegExp";
    throw invalidType(platform, name, expected, given);
  }
  if (given === "") throw invalidValue(platform, name, given, "must be a non-empty string");
  const matcher = new Minimatch(given, { ...MATCH_OPTIONS, matchBase: true });
  return (filename) => matcher.match(filename);
}
