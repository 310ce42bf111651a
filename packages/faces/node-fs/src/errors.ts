/**
 * Errors as Node makes them. Two kinds: what is wrong with an argument (TypeError and RangeError with
 * a code ERR_*), and what the file system refused (Error with errno, code, syscall, path, dest).
 */
import { ERRNO, type ErrorCode, FsError } from "@xiplab/core";
import type { Platform } from "./platform.ts";

/** How Node calls what the core calls EOPNOTSUPP: Linux has one number for both. */
const UV_NAMES: Partial<Record<ErrorCode, readonly [code: string, message: string]>> = {
  EOPNOTSUPP: ["ENOTSUP", "operation not supported on socket"],
};
/** Longer texts are cut in messages. */
const INSPECT_MAX = 128;
const STRING_MAX = 28;
/** From here on, digits are grouped. */
const GROUPED_FROM = 2 ** 32;

/**
 * The code stands among the error's own properties, as in Node, and in what the error is as text:
 * "TypeError [ERR_INVALID_ARG_TYPE]: …".
 */
export function withCode<E extends Error>(error: E, code: string): E {
  const toString = (): string => `${error.name} [${code}]: ${error.message}`;
  Object.defineProperty(error, "toString", { value: toString, writable: true, configurable: true });
  return Object.assign(error, { code });
}

const nounOf = (name: string): string => (name.includes(".") ? "property" : "argument");

/** `expected`: the words of the message after "must be", such as "of type number". */
export function invalidType(
  platform: Platform,
  name: string,
  expected: string,
  received: unknown,
): TypeError {
  const what = `The "${name}" ${nounOf(name)} must be ${expected}`;
  const message = `${what}. Received ${describe(platform, received)}`;
  return withCode(new TypeError(message), "ERR_INVALID_ARG_TYPE");
}

/** A descriptor that is no number: it is checked in Node's C++, which shows some values otherwise. */
export function invalidDescriptor(platform: Platform, fd: unknown): TypeError {
  let shown = describe(platform, fd);
  if (typeof fd === "symbol") shown = String(fd);
  if (typeof fd === "bigint") shown = `type bigint (${fd})`;
  if (typeof fd === "function") shown = "function";
  const message = `The "fd" argument must be of type number. Received ${shown}`;
  return withCode(new TypeError(message), "ERR_INVALID_ARG_TYPE");
}

export function invalidValue(
  platform: Platform,
  name: string,
  received: unknown,
  reason = "is invalid",
): TypeError {
  const full = platform.inspect(received);
  const shown = full.length > INSPECT_MAX ? `${full.slice(0, INSPECT_MAX)}...` : full;
  const message = `The ${nounOf(name)} '${name}' ${reason}. Received ${shown}`;
  return withCode(new TypeError(message), "ERR_INVALID_ARG_VALUE");
}

export function outOfRange(
  platform: Platform,
  name: string,
  range: string,
  received: unknown,
): RangeError {
  const what = `The value of "${name}" is out of range. It must be ${range}`;
  const message = `${what}. Received ${numberText(platform, received)}`;
  return withCode(new RangeError(message), "ERR_OUT_OF_RANGE");
}

/** What Node's C++ says of the mode of access and copyFile. */
export function modeType(): TypeError {
  const message = "mode must be int32 or null/undefined";
  return withCode(new TypeError(message), "ERR_INVALID_ARG_TYPE");
}
export function modeRange(range: string): RangeError {
  return withCode(new RangeError(`mode is out of range${range}`), "ERR_OUT_OF_RANGE");
}

export function fileTooLarge(size: number): RangeError {
  const message = `File size (${size}) is greater than 2 GiB`;
  return withCode(new RangeError(message), "ERR_FS_FILE_TOO_LARGE");
}

/** "1_234_567" where a number is large. */
function numberText(platform: Platform, value: unknown): string {
  if (typeof value === "bigint") {
    const isLarge = value > BigInt(GROUPED_FROM) || value < -BigInt(GROUPED_FROM);
    return `${isLarge ? grouped(String(value)) : String(value)}n`;
  }
  if (Number.isInteger(value) && Math.abs(value as number) > GROUPED_FROM) {
    return grouped(String(value));
  }
  return platform.inspect(value);
}

const grouped = (digits: string): string => digits.replace(/\B(?=(\d{3})+$)/g, "_");

/** "type number (1)", "an instance of Map", "undefined". */
function describe(platform: Platform, value: unknown): string {
  if (value === undefined || value === null) return String(value);
  switch (typeof value) {
    case "bigint":
      return `type bigint (${value}n)`;
    case "number":
      return `type number (${Object.is(value, -0) ? "-0" : value})`;
    case "boolean":
      return `type boolean (${value})`;
    case "symbol":
      return `type symbol (${String(value)})`;
    case "function":
      return `function ${value.name}`;
    case "string": {
      const text = value.length > STRING_MAX ? `${value.slice(0, STRING_MAX - 3)}...` : value;
      return `type string (${text.includes("'") ? JSON.stringify(text) : `'${text}'`})`;
    }
    default: {
      const { name } = (value.constructor ?? {}) as { name?: unknown };
      const isNamed = typeof name === "string" && name !== "";
      return isNamed ? `an instance of ${name}` : platform.inspect(value);
    }
  }
}

/** Where an error happened, if somebody knows better than the core. */
export interface FailedCall {
  readonly syscall?: string;
  readonly path?: string | undefined;
  readonly dest?: string | undefined;
}

/** An error of the system: the properties of Node's, in their order. */
interface SystemError extends Error {
  errno: number;
  code: string;
  syscall: string;
  path?: string;
  dest?: string;
}

/**
 * The error that a caller gets for what the core threw. Damage of the medium comes along as `cause`;
 * what is no failure of the file system is returned as it is.
 */
export function systemError(error: unknown, call?: FailedCall): unknown {
  if (!(error instanceof FsError)) return error;
  const syscall = call?.syscall ?? error.syscall ?? "";
  const { path, dest } = call ?? error;
  return uvError(error.code, syscall, path, dest, error.cause);
}

/** As libuv's errors look in Node. */
export function uvError(
  name: ErrorCode,
  syscall: string,
  path?: string,
  dest?: string,
  cause?: unknown,
): Error {
  const [code, text] = UV_NAMES[name] ?? [name, textOf(name)];
  let message = `${code}: ${text}, ${syscall}`;
  if (path !== undefined) message += ` '${path}'`;
  if (dest !== undefined) message += ` -> '${dest}'`;
  const error = new Error(message, cause === undefined ? undefined : { cause }) as SystemError;
  error.errno = -ERRNO[name];
  error.code = code;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  if (dest !== undefined) error.dest = dest;
  return error;
}

/** The words that the core has for a code: libuv's. */
function textOf(code: ErrorCode): string {
  const { message } = new FsError(code);
  return message.slice(code.length + 2);
}
