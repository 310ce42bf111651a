/** What asynchronous forms check and say otherwise than the synchronous ones they are derived from. */
import { invalidType } from "../errors.ts";
import type { Platform } from "../platform.ts";
import { requireInteger } from "../sync/arguments.ts";
import { textPath } from "../tree/context.ts";

const INT32_MIN = -0x80000000;
const INT32_MAX = 0x7fffffff;

/**
 * A number for the flag of readFile and writeFile has a name of its own. What is falsy is none when
 * writing. @throws RangeError
 */
export function requireFlag(platform: Platform, options: unknown, isRead: boolean): void {
  if (typeof options !== "object" || options === null) return;
  const { flag } = options as { flag?: unknown };
  if (typeof flag === "number" && (isRead || flag)) {
    requireInteger(platform, flag, "options.flag", INT32_MIN, INT32_MAX);
  }
}

/** Read the file at `path`; what fails after it was opened tells the path all the same. */
export function readNamed<T>(platform: Platform, path: unknown, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (typeof path !== "number" && isUnnamed(error)) {
      const text = textPath(platform, path);
      error.message += ` '${text}'`;
      error.path = text;
    }
    throw error;
  }
}

function isUnnamed(error: unknown): error is Error & { path?: string } {
  return error instanceof Error && "syscall" in error && !("path" in error);
}

/** @throws TypeError ERR_INVALID_ARG_TYPE */
export function requireTime(platform: Platform, time: unknown, name: string): void {
  const isText = typeof time === "string" && time !== "" && !Number.isNaN(Number(time));
  if (isText || Number.isFinite(time) || time instanceof Date) return;
  throw invalidType(platform, name, "an instance of Date or an Time in seconds", time);
}
