/** Open files: open, close, read, write and their vectors, truncation and syncing. */
import type { OpenFile } from "@xiplab/core";
import { invalidType, invalidValue, outOfRange, systemError, uvError } from "../errors.ts";
import {
  buffersOf,
  bytesOf,
  modeOf,
  openFileOf,
  requireInteger,
  requireObject,
} from "./arguments.ts";
import type { Host } from "./host.ts";
import { openFlagsOf } from "./open-flags.ts";
import { nameOf } from "./paths.ts";

const MODE_DEFAULT = 0o666;
const POSITION_MAX = Number.MAX_SAFE_INTEGER;
/** Read or write where the file's position is. */
const HERE = -1;

/** HOT. */
export function openSync(host: Host, path: unknown, flags: unknown, mode: unknown): number {
  const wanted = openFlagsOf(host.platform, flags);
  const permissions = modeOf(host.platform, mode, "mode", MODE_DEFAULT);
  return openDescriptor(host, path, wanted, permissions);
}

/** Open with arguments that were checked. */
function openDescriptor(host: Host, path: unknown, flags: number, mode: number): number {
  const { descriptors, task } = host;
  const name = nameOf(host, path);
  try {
    return descriptors.add(task.open(name, flags, mode));
  } catch (error) {
    throw systemError(error);
  }
}

/** HOT. */
export function closeSync(host: Host, fd: unknown): void {
  const { descriptors, task } = host;
  const file = openFileOf(host, fd, "close");
  // The number is free whatever comes of it, as on Linux.
  descriptors.remove(fd as number);
  try {
    task.close(file);
  } catch (error) {
    throw systemError(error);
  }
}

interface RangeOptions {
  readonly offset?: unknown;
  readonly length?: unknown;
  readonly position?: unknown;
}

/** `count`: how many arguments the caller gave, for options may stand in the place of the third. */
export function readSync(
  host: Host,
  count: number,
  fd: unknown,
  buffer: unknown,
  offsetOrOptions?: unknown,
  givenLength?: unknown,
  givenPosition?: unknown,
): number {
  const { platform } = host;
  if (!ArrayBuffer.isView(buffer)) throw notView(host, buffer, "");
  let offset = offsetOrOptions;
  let length = givenLength;
  let position = givenPosition;
  if (count <= 3 || typeof offsetOrOptions === "object") {
    if (offsetOrOptions !== undefined && offsetOrOptions !== null) {
      requireObject(platform, offsetOrOptions, "options");
    }
    const options = (offsetOrOptions ?? {}) as RangeOptions;
    ({ offset = 0, position = null } = options);
    ({ length = buffer.byteLength - (offset as number) } = options);
  }
  if (offset === undefined) offset = 0;
  requireInteger(platform, offset, "offset", 0);
  const wanted = (length as number) | 0;
  const pos = readPosition(host, position, wanted);
  if (wanted === 0) return 0;
  if (buffer.byteLength === 0) {
    throw invalidValue(platform, "buffer", buffer, "is empty and cannot be written");
  }
  requireReadRange(host, offset, wanted, buffer.byteLength);
  return readInto(host, fd, bytesOf(buffer), offset, wanted, pos);
}

/** Read into a range that was checked; `pos` may be HERE. HOT. */
function readInto(
  host: Host,
  fd: unknown,
  target: Uint8Array,
  start: number,
  length: number,
  pos: number,
): number {
  const file = openFileOf(host, fd, "read");
  try {
    if (pos === HERE) return host.task.read(file, target, start, length);
    return host.task.pread(file, target, start, length, pos);
  } catch (error) {
    throw systemError(error);
  }
}

/** HERE, or the position as a number; what lies beyond all files becomes the largest. */
function readPosition(host: Host, position: unknown, length: number): number {
  const { platform } = host;
  if (position === undefined || position === null) return HERE;
  if (typeof position === "number") {
    requireInteger(platform, position, "position", HERE);
    return position;
  }
  if (typeof position !== "bigint") {
    throw invalidType(platform, "position", "of type bigint or integer", position);
  }
  const max = 2n ** 63n - 1n - BigInt(length);
  if (position < -1n || position > max) {
    throw outOfRange(platform, "position", `>= -1 && <= ${max}`, position);
  }
  return Math.min(Number(position), POSITION_MAX);
}

function requireReadRange(host: Host, offset: number, length: number, size: number): void {
  const { platform } = host;
  if (length < 0) throw outOfRange(platform, "length", ">= 0", length);
  if (offset + length > size) throw outOfRange(platform, "length", `<= ${size - offset}`, length);
}

/** `text`: "string or " where a text would do too. */
function notView(host: Host, value: unknown, text: string): TypeError {
  const expected = "an instance of Buffer, TypedArray, or DataView";
  return invalidType(host.platform, "buffer", `${text}${expected}`, value);
}

/** Writes a view (offset, length, position) or a text (position, encoding). */
export function writeSync(
  host: Host,
  fd: unknown,
  data: unknown,
  offsetOrOptions?: unknown,
  lengthOrEncoding?: unknown,
  givenPosition?: unknown,
): number {
  if (!ArrayBuffer.isView(data)) {
    const bytes = textBytes(host, data, lengthOrEncoding);
    const position = writePosition(offsetOrOptions);
    return writeFrom(host, fd, bytes, 0, bytes.length, position);
  }
  const { platform } = host;
  let offset = offsetOrOptions;
  let length = lengthOrEncoding;
  let position = givenPosition;
  if (typeof offset === "object") {
    const options = (offset ?? {}) as RangeOptions;
    ({ offset = 0, position = null } = options);
    ({ length = data.byteLength - (offset as number) } = options);
  }
  offset ??= 0;
  requireInteger(platform, offset, "offset", 0);
  const wanted = typeof length === "number" ? length : data.byteLength - offset;
  requireWriteRange(host, offset, wanted, data.byteLength);
  return writeFrom(host, fd, bytesOf(data), offset, wanted, writePosition(position));
}

function textBytes(host: Host, text: unknown, encoding: unknown): Uint8Array {
  const { platform } = host;
  if (typeof text !== "string") throw notView(host, text, "of type string or ");
  const isHex = typeof encoding === "string" && encoding.toLowerCase() === "hex";
  if (isHex && text.length % 2 !== 0) {
    const reason = `is invalid for data of length ${text.length}`;
    throw invalidValue(platform, "encoding", encoding, reason);
  }
  return platform.encode(text, typeof encoding === "string" ? encoding : "utf8");
}

/** Write a range that was checked; `pos` may be HERE. HOT. */
function writeFrom(
  host: Host,
  fd: unknown,
  source: Uint8Array,
  start: number,
  length: number,
  pos: number,
): number {
  const file = openFileOf(host, fd, "write");
  try {
    if (pos === HERE) return host.task.write(file, source, start, length);
    return host.task.pwrite(file, source, start, length, pos);
  } catch (error) {
    throw systemError(error);
  }
}

/** What is no position means HERE, without a word, as in Node: a bigint too. */
function writePosition(position: unknown): number {
  return Number.isSafeInteger(position) && (position as number) >= 0 ? (position as number) : HERE;
}

/** Node counts the bytes of a write in 31 bits. */
const WRITE_LENGTH_MAX = 2 ** 31 - 1;

function requireWriteRange(host: Host, offset: number, length: number, size: number): void {
  const { platform } = host;
  if (offset > size) throw outOfRange(platform, "offset", `<= ${size}`, offset);
  if (length > size - offset) {
    throw outOfRange(platform, "length", `<= ${size - offset}`, length);
  }
  if (length < 0) throw outOfRange(platform, "length", ">= 0", length);
  requireInteger(platform, length, "length", 0, WRITE_LENGTH_MAX);
}

export function readvSync(host: Host, fd: unknown, buffers: unknown, position?: unknown): number {
  const targets = buffersOf(host.platform, buffers);
  const pos = writePosition(position);
  const file = openFileOf(host, fd, "read");
  if (targets.length === 0) throw uvError("EINVAL", "read");
  try {
    return pos === HERE ? host.task.readv(file, targets) : host.task.preadv(file, targets, pos);
  } catch (error) {
    throw systemError(error);
  }
}

export function writevSync(host: Host, fd: unknown, buffers: unknown, position?: unknown): number {
  const sources = buffersOf(host.platform, buffers);
  if (sources.length === 0) return 0;
  const pos = writePosition(position);
  const file = openFileOf(host, fd, "write");
  try {
    return pos === HERE ? host.task.writev(file, sources) : host.task.pwritev(file, sources, pos);
  } catch (error) {
    throw systemError(error);
  }
}

export function ftruncateSync(host: Host, fd: unknown, length: unknown = 0): void {
  requireInteger(host.platform, length, "len");
  const file = openFileOf(host, fd, "ftruncate");
  attempt(() => host.task.ftruncate(file, Math.max(0, length)));
}

export function fsyncSync(host: Host, fd: unknown): void {
  const file = openFileOf(host, fd, "fsync");
  syncFile(host, file, false);
}

export function fdatasyncSync(host: Host, fd: unknown): void {
  const file = openFileOf(host, fd, "fdatasync");
  syncFile(host, file, true);
}

/** HOT. */
function syncFile(host: Host, file: OpenFile, datasync: boolean): void {
  try {
    if (datasync) host.task.fdatasync(file);
    else host.task.fsync(file);
  } catch (error) {
    throw systemError(error);
  }
}

/** Do it, and let its failures look as Node's. */
export function attempt<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw systemError(error);
  }
}
