/**
 * The arguments of read and write in their many forms, brought into the one form that `readSync` and
 * `writeSync` take: descriptor, buffer, offset, length, position.
 */
import { invalidType } from "../errors.ts";
import { requireFunction } from "./arguments.ts";
import { requireInteger, requireObject } from "../sync/arguments.ts";
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
  if (!ArrayBuffer.isView(first)) return readInto(platform, undefined, first);
  if (typeof second === "object" && second !== null) return readInto(platform, first, second);
  const length = third ?? first.byteLength - numberOf(second);
  return { buffer: first, given: [first, second ?? 0, Number(length) | 0, fourth ?? null] };
}

/**
 * What is absent in `options` is the whole buffer, at the position of the file. A length of null is
 * the whole buffer to a FileHandle, and nothing to fs.read.
 */
function readInto(platform: AsyncPlatform, given: unknown, options: unknown): Transfer {
  if (options !== undefined && options !== null) requireObject(platform, options, "options");
  const { buffer: own, offset, length, position } = (options ?? {}) as Record<string, unknown>;
  const ready = given === undefined ? own : given;
  const buffer = ready === undefined ? platform.wrap(new Uint8Array(BUFFER_SIZE)) : ready;
  requireView(platform, buffer);
  const isAll = length === undefined || length === null;
  const bytes = isAll ? buffer.byteLength - numberOf(offset) : Number(length);
  return { buffer, given: [buffer, offset ?? 0, bytes | 0, position ?? null] };
}

/** @throws TypeError ERR_INVALID_ARG_TYPE */
function requireView(platform: AsyncPlatform, buffer: unknown): asserts buffer is ArrayBufferView {
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

/** A call of fs.read or fs.write, taken apart. */
export interface TransferCall extends Transfer {
  readonly callback: unknown;
}

interface Range {
  readonly buffer?: unknown;
  readonly offset?: unknown;
  readonly length?: unknown;
  readonly position?: unknown;
}

/**
 * `fd, [buffer], [{offset, length, position} | offset, length, position], callback`.
 * @throws TypeError, RangeError in Node's order: options, buffer, callback, offset
 */
export function readCall(platform: AsyncPlatform, values: readonly unknown[]): TransferCall {
  const { callback, ...range } =
    values.length > 4 ? positionalRange(values) : optionsRange(platform, values);
  const { buffer, length, position } = range;
  requireView(platform, buffer);
  requireFunction(platform, callback, "cb");
  const offset = range.offset ?? 0;
  requireInteger(platform, offset, "offset", 0);
  // As in Node a bigint is no number here, and a length that is missing is nothing at all.
  return { buffer, callback, given: [buffer, offset, (length as number) | 0, position ?? null] };
}

type RangeCall = Range & { readonly callback: unknown };

function positionalRange(values: readonly unknown[]): RangeCall {
  const [, buffer, offset, length, position, callback] = values;
  return { buffer, offset, length, position, callback };
}

function optionsRange(platform: AsyncPlatform, values: readonly unknown[]): RangeCall {
  const [, second, third, fourth] = values;
  const own = (): Uint8Array => platform.wrap(new Uint8Array(BUFFER_SIZE));
  let [options, buffer, callback] = [null as unknown, own() as unknown, second];
  if (values.length === 4) {
    [options, buffer, callback] = [third, second, fourth];
    if (options === undefined) requireObject(platform, options, "options");
  } else if (values.length === 3 && ArrayBuffer.isView(second)) {
    [buffer, callback] = [second, third];
  } else if (values.length === 3) {
    [options, callback] = [second, third];
    ({ buffer = own() } = (options ?? {}) as Range);
  }
  if (options !== undefined && options !== null) requireObject(platform, options, "options");
  const { offset = 0, position } = (options ?? {}) as Range;
  const size = (buffer as ArrayBufferView | undefined)?.byteLength ?? Number.NaN;
  const { length = size - (offset as number) } = (options ?? {}) as Range;
  return { buffer, offset, length, position, callback };
}

/**
 * `fd, buffer, [{offset, length, position} | offset, length, position], callback`, or
 * `fd, text, [position, [encoding]], callback`.
 * @throws TypeError ERR_INVALID_ARG_TYPE
 */
export function writeCall(platform: AsyncPlatform, values: readonly unknown[]): TransferCall {
  const [, data, first, second, third, fourth] = values;
  if (ArrayBuffer.isView(data)) {
    const at = values.findIndex((value, index) => index > 1 && typeof value === "function");
    const given = at < 0 ? values : values.slice(0, at);
    return { ...writeTransfer(given.slice(1)), callback: fourth || third || second || first };
  }
  if (typeof data !== "string") {
    const expected = "of type string or an instance of Buffer, TypedArray, or DataView";
    throw invalidType(platform, "buffer", expected, data);
  }
  if (typeof third === "function") {
    return { ...writeTransfer([data, first, second]), callback: third };
  }
  const isAlone = typeof first === "function";
  const callback = isAlone ? first : second;
  return { ...writeTransfer([data, isAlone ? null : first]), callback };
}
