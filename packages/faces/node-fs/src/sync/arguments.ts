/** Checks of arguments, with the errors of Node's own (lib/internal/validators.js, fs/utils.js). */
import type { OpenFile } from "@xiplab/core";
import {
  invalidDescriptor,
  invalidType,
  invalidValue,
  modeRange,
  modeType,
  outOfRange,
  uvError,
} from "../errors.ts";
import type { Platform } from "../platform.ts";
import type { Host } from "./host.ts";

const INT32_MAX = 0x7fffffff;
const UINT32_MAX = 0xffffffff;
const OCTAL = /^[0-7]+$/;
const MODE_REASON = "must be a 32-bit unsigned integer or an octal string";

export const isInt32 = (value: unknown): value is number => value === ((value as number) | 0);

/** @throws TypeError, RangeError */
export function requireInteger(
  platform: Platform,
  value: unknown,
  name: string,
  min: number = Number.MIN_SAFE_INTEGER,
  max: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (typeof value !== "number") throw invalidType(platform, name, "of type number", value);
  if (!Number.isInteger(value)) throw outOfRange(platform, name, "an integer", value);
  if (value < min || value > max) throw outOfRange(platform, name, `>= ${min} && <= ${max}`, value);
}

/** @throws TypeError */
export function requireBoolean(
  platform: Platform,
  value: unknown,
  name: string,
): asserts value is boolean {
  if (typeof value !== "boolean") throw invalidType(platform, name, "of type boolean", value);
}

/** @throws TypeError */
export function requireObject(
  platform: Platform,
  value: unknown,
  name: string,
): asserts value is object {
  if (value === null || Array.isArray(value) || typeof value !== "object") {
    throw invalidType(platform, name, "of type object", value);
  }
}

/** The open file behind a descriptor. HOT. @throws TypeError, RangeError; Error EBADF */
export function openFileOf(host: Host, fd: unknown, syscall: string): OpenFile {
  const file = typeof fd === "number" ? host.descriptors.get(fd) : undefined;
  return file ?? refuseFd(host, fd, syscall);
}

function refuseFd(host: Host, fd: unknown, syscall: string): never {
  if (typeof fd !== "number") throw invalidDescriptor(host.platform, fd);
  requireInteger(host.platform, fd, "fd", 0, INT32_MAX);
  throw uvError("EBADF", syscall);
}

/** A mode: a number or an octal string. @throws TypeError, RangeError */
export function modeOf(
  platform: Platform,
  value: unknown,
  name: string,
  fallback?: number,
): number {
  let mode = value ?? fallback;
  if (typeof mode === "string") {
    if (!OCTAL.test(mode)) throw invalidValue(platform, name, mode, MODE_REASON);
    mode = Number.parseInt(mode, 8);
  }
  requireInteger(platform, mode, name, 0, UINT32_MAX);
  return mode;
}

/** The mode of access and copyFile: 0 to 7, 0 where there is none. @throws TypeError, RangeError */
export function smallModeOf(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value !== "number") throw modeType();
  if (!Number.isFinite(value)) throw modeRange("");
  const mode = Math.trunc(value);
  if (mode < 0 || mode > 7) throw modeRange(": >= 0 && <= 7");
  return mode;
}

/** A user or group id; -1 (which is also 2^32 - 1) leaves what is there. */
export function idOf(platform: Platform, value: unknown, name: string): number {
  requireInteger(platform, value, name, -1, UINT32_MAX);
  return value === UINT32_MAX ? -1 : value;
}

/** Any view as bytes. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  if (view instanceof Uint8Array) return view;
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** @throws TypeError */
export function buffersOf(platform: Platform, value: unknown): Uint8Array[] {
  const isVector = Array.isArray(value) && value.every((part) => ArrayBuffer.isView(part));
  if (!isVector) throw invalidType(platform, "buffers", "an ArrayBufferView[]", value);
  return value.map(bytesOf);
}

export interface EncodingOptions {
  readonly encoding?: string | null | undefined;
}

export const NO_OPTIONS: EncodingOptions = {};

/**
 * Options, which may be the name of an encoding, or nothing: then `fallback`.
 * @throws TypeError
 */
export function optionsOf<T extends EncodingOptions>(
  platform: Platform,
  value: unknown,
  fallback: T,
): T {
  if (value === undefined || value === null || typeof value === "function") return fallback;
  let options = value as T & { readonly signal?: unknown };
  if (typeof value === "string") {
    options = { ...fallback, encoding: value };
  } else if (typeof value !== "object") {
    throw invalidType(platform, "options", "one of type string or object", value);
  }
  const { encoding, signal } = options;
  if (encoding && encoding !== "buffer" && !platform.isEncoding(encoding)) {
    throw invalidValue(platform, "encoding", encoding, "is invalid encoding");
  }
  const isSignal = typeof signal === "object" && signal !== null && "aborted" in signal;
  if (signal !== undefined && !isSignal) {
    throw invalidType(platform, "options.signal", "an instance of AbortSignal", signal);
  }
  return options;
}
