/** The checks of arguments that only asynchronous forms have. Messages are Node's. */
import { invalidType } from "../errors.ts";
import type { Platform } from "../platform.ts";

type AnyFunction = (...values: unknown[]) => unknown;

/** @throws TypeError ERR_INVALID_ARG_TYPE */
export function requireFunction(
  platform: Platform,
  value: unknown,
  name: string,
): asserts value is AnyFunction {
  if (typeof value !== "function") throw invalidType(platform, name, "of type function", value);
}

/** A signal, or nothing. @throws TypeError ERR_INVALID_ARG_TYPE */
export function requireSignal(
  platform: Platform,
  value: unknown,
  name: string,
): asserts value is AbortSignal | undefined {
  if (value === undefined) return;
  if (typeof value !== "object" || value === null || !("aborted" in value)) {
    throw invalidType(platform, name, "an instance of AbortSignal", value);
  }
}

/** @throws TypeError ERR_INVALID_ARG_TYPE */
export function requireString(
  platform: Platform,
  value: unknown,
  name: string,
): asserts value is string {
  if (typeof value !== "string") throw invalidType(platform, name, "of type string", value);
}
