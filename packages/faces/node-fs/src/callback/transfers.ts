/**
 * The arguments of read and write in their many forms, brought into the one form that `readSync` and
 * `writeSync` take: descriptor, buffer, offset, length, position.
 */
import { invalidType } from "../errors.ts";
import { requireObject } from "../sync/arguments.ts";
import type { AsyncPlatform } from "./platform.ts";

export interface Transfer {
  readonly buffer: unknown;
  /** For the synchronous function, after the descriptor. */
  readonly given: readonly unknown[];
}

/** Bytes: what is read into where the caller gives no buffer. */
const BUFFER_SIZE = 16384;

/** `buffer, offset, length, position`, or `buffer, {offset, length, position}`, or `{buffer, …}`. */
export function readTransfer(platform: AsyncPlatform, values: readonly unknown[]): Transfer {
  const [first, second, third, fourth] = values;
  if (!ArrayBuffer.isView(first)) return readInto(platform, undefined, first, true);
  if (typeof second === "object" && second !== null) return readInto(platform, first, second, true);
  const length = third ?? first.byteLength - numberOf(second);
  return { buffer: first, given: [first, second ?? 0, Number(length) | 0, fourth ?? null] };
}

/**
 * What is absent in `options` is the whole buffer, at the position of the file. A length of null is
 * the whole buffer to a FileHandle, and nothing to fs.read: `isNullAll`.
 */
export function readInto(
  platform: AsyncPlatform,
  given: unknown,
  options: unknown,
  isNullAll: boolean,
): Transfer {
  if (options !== undefined && options !== null) requireObject(platform, options, "options");
  const { buffer: own, offset, length, position } = (options ?? {}) as Record<string, unknown>;
  const ready = given === undefined ? own : given;
  const buffer = ready === undefined ? platform.wrap(new Uint8Array(BUFFER_SIZE)) : ready;
  requireView(platform, buffer);
  const isAll = length === undefined || (isNullAll && length === null);
  const bytes = isAll ? buffer.byteLength - numberOf(offset) : Number(length);
  return { buffer, given: [buffer, offset ?? 0, bytes | 0, position ?? null] };
}

/** @throws TypeError ERR_INVALID_ARG_TYPE */
export function requireView(
  platform: AsyncPlatform,
  buffer: unknown,
): asserts buffer is ArrayBufferView {
  if (ArrayBuffer.isView(buffer)) return;
  const expected = "an instance of Buffer, TypedArray, or DataView";
  throw invalidType(platform, "buffer", expected, buffer);
}

/** Of what is no number, for the synchronous form to refuse. */
const numberOf = (value: unknown): number => (typeof value === "number" ? value : 0);

/** `buffer, offset, length, position`, or `buffer, {…}`, or `text, position, encoding`. */
export function writeTransfer(values: readonly unknown[]): Transfer {
  const [buffer, first, second, third] = values;
  if (!ArrayBuffer.isView(buffer)) {
    const position = typeof first === "number" ? first : null;
    return { buffer, given: [buffer, position, second ?? "utf8"] };
  }
  // Also where it is null: Node then forgets what comes after it.
  if (typeof first === "object") return { buffer, given: [buffer, first ?? {}] };
  const length = typeof second === "number" ? second : buffer.byteLength - numberOf(first);
  const position = typeof third === "number" ? third : null;
  return { buffer, given: [buffer, first ?? 0, length, position] };
}
