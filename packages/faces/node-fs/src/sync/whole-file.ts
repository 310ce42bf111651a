/** Whole files: readFile, writeFile, appendFile, truncate, copyFile. */
import {
  FsError,
  isRegular,
  type Name,
  nameToUtf8,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_WRONLY,
  type OpenFile,
} from "@xiplab/core";
import { fileTooLarge, invalidType, invalidValue, systemError, uvError } from "../errors.ts";
import {
  bytesOf,
  type EncodingOptions,
  isInt32,
  modeOf,
  openFileOf,
  optionsOf,
  requireBoolean,
  smallModeOf,
} from "./arguments.ts";
import { constants } from "../constants.ts";
import type { Host } from "./host.ts";
import { attempt, closeSync, ftruncateSync, openSync } from "./io.ts";
import { openFlagsOf } from "./open-flags.ts";
import { nameOf } from "./paths.ts";

/** Node reads no larger file at once. */
const READ_MAX = 2 ** 31 - 1;
const MODE_DEFAULT = 0o666;
const PERMISSIONS = 0o7777;

interface ReadFileOptions extends EncodingOptions {
  readonly flag?: unknown;
  readonly buffer?: unknown;
}

const READ_OPTIONS: ReadFileOptions = { flag: "r" };

/** HOT. */
export function readFileSync(host: Host, path: unknown, given: unknown): Uint8Array | string {
  const { platform } = host;
  const options = given === undefined ? READ_OPTIONS : optionsOf(platform, given, READ_OPTIONS);
  const { buffer, encoding } = options;
  const isBuffer = buffer === undefined || typeof buffer === "function";
  if (!isBuffer && !ArrayBuffer.isView(buffer)) {
    const expected = "of type function or an instance of Buffer, TypedArray, or DataView";
    throw invalidType(platform, "options.buffer", expected, buffer);
  }
  const bytes = isInt32(path)
    ? readOpenFile(host, fileToRead(host, path, options), options)
    : readPath(host, nameOf(host, path), options);
  return encoding && encoding !== "buffer" ? platform.decode(bytes, encoding) : bytes;
}

/** Text is read by Node in one call of C++, which does not ask for the size first, nor the sign. */
function fileToRead(host: Host, fd: number, { encoding, buffer }: ReadFileOptions): OpenFile {
  const isText = (encoding === "utf8" || encoding === "utf-8") && buffer === undefined;
  if (isText && fd < 0) throw uvError("EBADF", "read");
  return openFileOf(host, fd, isText ? "read" : "fstat");
}

function readPath(host: Host, name: Name, options: ReadFileOptions): Uint8Array {
  const flags = openFlagsOf(host.platform, options.flag);
  const { task } = host;
  try {
    const file = task.open(name, flags, MODE_DEFAULT);
    try {
      return readRest(host, file, options);
    } finally {
      task.close(file);
    }
  } catch (error) {
    throw systemError(error);
  }
}

function readOpenFile(host: Host, file: OpenFile, options: ReadFileOptions): Uint8Array {
  return attempt(() => readRest(host, file, options));
}

/** From the file's position to its end. */
function readRest(host: Host, file: OpenFile, options: ReadFileOptions): Uint8Array {
  const { inode } = file;
  const size = isRegular(inode.mode) ? inode.size : 0;
  const target = targetOf(host, options, size);
  let done = 0;
  while (done < size) {
    const part = host.task.read(file, target, done, size - done);
    if (part === 0) break;
    done += part;
  }
  // What is no regular file has no size, and says when it is read why it cannot be.
  if (size === 0) done = host.task.read(file, target, 0, target.length);
  return done === target.length ? target : target.subarray(0, done);
}

function targetOf(host: Host, { buffer }: ReadFileOptions, size: number): Uint8Array {
  const { platform } = host;
  if (buffer === undefined) {
    if (size > READ_MAX) throw fileTooLarge(size);
    return platform.allocate(size);
  }
  const isCallback = typeof buffer === "function";
  const name = isCallback ? "options.buffer()" : "options.buffer";
  const view: unknown = isCallback ? (buffer(size) as unknown) : buffer;
  if (!ArrayBuffer.isView(view)) {
    throw invalidType(platform, name, "an instance of Buffer, TypedArray, or DataView", view);
  }
  if (size > view.byteLength) {
    const reason = `is smaller than the file size of ${size} bytes`;
    throw invalidValue(platform, `${name}.byteLength`, view.byteLength, reason);
  }
  return platform.wrap(bytesOf(view));
}

interface WriteFileOptions extends EncodingOptions {
  readonly mode?: unknown;
  readonly flag?: unknown;
  readonly flush?: unknown;
}

const WRITE_OPTIONS: WriteFileOptions = { encoding: "utf8", mode: MODE_DEFAULT, flag: "w" };
const APPEND_OPTIONS: WriteFileOptions = { encoding: "utf8", mode: MODE_DEFAULT, flag: "a" };

/** HOT. */
export function writeFileSync(host: Host, path: unknown, data: unknown, given: unknown): void {
  const { platform } = host;
  const options = given === undefined ? WRITE_OPTIONS : optionsOf(platform, given, WRITE_OPTIONS);
  const flush = options.flush ?? false;
  requireBoolean(platform, flush, "options.flush");
  const mode = modeOf(platform, options.mode, "mode", MODE_DEFAULT);
  const bytes = dataOf(host, data, options.encoding);
  if (isInt32(path)) {
    const file = openFileOf(host, path, "write");
    attempt(() => writeAll(host, file, bytes, flush));
    return;
  }
  const flags = openFlagsOf(platform, options.flag || "w");
  const { task } = host;
  const name = nameOf(host, path);
  try {
    const file = task.open(name, flags, mode);
    try {
      writeAll(host, file, bytes, flush);
    } finally {
      task.close(file);
    }
  } catch (error) {
    throw systemError(error);
  }
}

function dataOf(host: Host, data: unknown, encoding: string | null | undefined): Uint8Array {
  if (ArrayBuffer.isView(data)) return bytesOf(data);
  if (typeof data === "string") return host.platform.encode(data, encoding || "utf8");
  const expected = "of type string or an instance of Buffer, TypedArray, or DataView";
  throw invalidType(host.platform, "data", expected, data);
}

function writeAll(host: Host, file: OpenFile, bytes: Uint8Array, flush: boolean): void {
  let done = 0;
  while (done < bytes.length) done += host.task.write(file, bytes, done, bytes.length - done);
  // A file that was not opened for writing refuses nothing at all as well.
  if (bytes.length === 0) host.task.write(file, bytes, 0, 0);
  if (flush) host.task.fsync(file);
}

export function appendFileSync(host: Host, path: unknown, data: unknown, given: unknown): void {
  const options = optionsOf(host.platform, given, APPEND_OPTIONS);
  modeOf(host.platform, options.mode, "mode", MODE_DEFAULT);
  const flag = !options.flag || isInt32(path) ? "a" : options.flag;
  writeFileSync(host, path, data, { ...options, flag });
}

export function truncateSync(host: Host, path: unknown, length: unknown): void {
  const fd = openSync(host, path, "r+", undefined);
  try {
    ftruncateSync(host, fd, length);
  } finally {
    closeSync(host, fd);
  }
}

/** Flags COPYFILE_*. The bits of the mode come along; no two files share blocks here. */
export function copyFileSync(host: Host, source: unknown, target: unknown, mode: unknown): void {
  const from = nameOf(host, source, "src");
  const to = nameOf(host, target, "dest");
  const flags = smallModeOf(mode);
  const { task } = host;
  try {
    const input = task.open(from, O_RDONLY);
    try {
      copyTo(host, input, to, flags);
    } finally {
      task.close(input);
    }
  } catch (error) {
    const paths = { path: nameToUtf8(from), dest: nameToUtf8(to) };
    throw systemError(error, { syscall: "copyfile", ...paths });
  }
}

/** In the steps of libuv, which opens the target before it looks at what the source is. */
function copyTo(host: Host, input: OpenFile, to: Name, flags: number): void {
  const { task } = host;
  const stat = task.fstat(input);
  const isExclusive = (flags & constants.COPYFILE_EXCL) !== 0;
  const mode = stat.mode & PERMISSIONS;
  const output = task.open(to, O_WRONLY | O_CREAT | (isExclusive ? O_EXCL : 0), mode);
  try {
    if (output.inode === input.inode) return;
    task.ftruncate(output, 0);
    task.fchmod(output, mode);
    if ((flags & constants.COPYFILE_FICLONE_FORCE) !== 0) throw new FsError("EOPNOTSUPP");
    copyData(host, input, output, stat.size);
  } catch (error) {
    // Half a copy is none.
    task.unlink(to);
    throw error;
  } finally {
    task.close(output);
  }
}

function copyData(host: Host, input: OpenFile, output: OpenFile, size: number): void {
  let done = 0;
  // A directory says so itself when it is to be read.
  do {
    const part = host.task.copyFileRange(input, done, output, done, size - done);
    if (part === 0) break;
    done += part;
  } while (done < size);
}
