/**
 * Streams over this file system: Node's own classes, which take the functions that they work with as
 * their option `fs`. So everything about them is Node's, now and later. Node's entry brings the
 * classes in; where there are none, there are no streams.
 */
import type { EventEmitter } from "node:events";
import type * as NodeFs from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { createInterface } from "node:readline";
import { methodNotImplemented } from "../callback/coded-error.ts";
import { handleStateOf, requireHandle } from "../promises/handle-state.ts";
import type { HandleStreams } from "./handle-streams.ts";

/** Node's own. */
export interface StreamClasses {
  readonly ReadStream: typeof NodeFs.ReadStream;
  readonly WriteStream: typeof NodeFs.WriteStream;
  /** Absent before Node 24.6. */
  readonly Utf8Stream?: typeof NodeFs.Utf8Stream;
  readonly createInterface: typeof createInterface;
}

export type StreamFs = Pick<
  typeof NodeFs,
  "ReadStream" | "Utf8Stream" | "WriteStream" | "createReadStream" | "createWriteStream"
> & { FileReadStream: typeof NodeFs.ReadStream; FileWriteStream: typeof NodeFs.WriteStream };

type Options = Record<string, unknown> & { fd?: unknown; fs?: unknown };
type StreamClass = new (path: unknown, options: Options) => NodeFs.ReadStream | NodeFs.WriteStream;

/**
 * @param fs the finished file system, asked for when a stream is made, so that its functions can be
 * patched as programs do with Node's
 */
export function createStreams(
  classes: StreamClasses,
  fs: () => object,
): { readonly functions: StreamFs; readonly ofHandles: HandleStreams } {
  const ReadStream = streamClass(classes.ReadStream, "ReadStream", fs);
  const WriteStream = streamClass(classes.WriteStream, "WriteStream", fs);
  // Functions, for programs call them with `new`, too.
  function createReadStream(path: unknown, options?: unknown): unknown {
    return new ReadStream(path, options as Options);
  }
  function createWriteStream(path: unknown, options?: unknown): unknown {
    return new WriteStream(path, options as Options);
  }
  const ofHandles: HandleStreams = {
    createReadStream: (handle, options) =>
      new ReadStream(undefined, { ...options, fd: handle }) as NodeFs.ReadStream,
    createWriteStream: (handle, options) =>
      new WriteStream(undefined, { ...options, fd: handle }) as NodeFs.WriteStream,
    readLines: (handle, options) => {
      const input = ofHandles.createReadStream(handle, options);
      return classes.createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
    },
  };
  const functions = {
    ReadStream,
    WriteStream,
    FileReadStream: ReadStream,
    FileWriteStream: WriteStream,
    ...(classes.Utf8Stream && { Utf8Stream: utf8StreamClass(classes.Utf8Stream, fs) }),
    createReadStream,
    createWriteStream,
  };
  return { functions: functions as unknown as StreamFs, ofHandles };
}

/**
 * Node's class with our functions. As Node's it is a function: it can be called without `new`, and on
 * an object of a class that inherits from it in the old way.
 */
function streamClass(base: unknown, name: string, fs: () => object): StreamClass {
  const parent = base as StreamClass & ((...values: unknown[]) => unknown);
  function Stream(this: unknown, path: unknown, given: unknown): unknown {
    if (!(this instanceof Stream)) return Reflect.construct(Stream, [path, given]) as unknown;
    const isRefused = given !== null && !["function", "object", "string"].includes(typeof given);
    if (isRefused && given !== undefined) return Reflect.apply(parent, this, [path, given]);
    const options = optionsOf(given);
    if (handleStateOf(options.fd) !== undefined) {
      return initOfHandle(parent, this as NodeFs.ReadStream, options.fd as FileHandle, options);
    }
    return Reflect.apply(parent, this, [path, withFs(options, options.fs ?? fs())]);
  }
  Object.setPrototypeOf(Stream, parent);
  Stream.prototype = Object.create(parent.prototype as object, {
    constructor: { value: Stream, writable: true, configurable: true },
  });
  return Object.defineProperty(Stream, "name", { value: name }) as unknown as StreamClass;
}

function optionsOf(given: unknown): Options {
  if (typeof given === "string") return { encoding: given };
  return typeof given === "object" && given !== null ? (given as Options) : {};
}

/** Options may be inherited, which a spread would lose, and are not touched. */
function withFs(options: Options, fs: unknown, fd?: number): Options {
  const own = (value: unknown): PropertyDescriptor => ({ value, enumerable: true, writable: true });
  const more = fd === undefined ? {} : { fd: own(fd) };
  return Object.create(options, { fs: own(fs), ...more }) as Options;
}

/** A stream on a handle works through it, holds a reference to it, and ends when it is closed. */
function initOfHandle(
  base: (...values: unknown[]) => unknown,
  stream: NodeFs.ReadStream,
  handle: FileHandle,
  options: Options,
): void {
  if (options.fs) throw methodNotImplemented("FileHandle with fs");
  const state = requireHandle(handle);
  state.retain();
  try {
    Reflect.apply(base, stream, [undefined, withFs(options, functionsOf(handle), handle.fd)]);
  } catch (error) {
    state.release();
    throw error;
  }
  (handle as unknown as EventEmitter).on("close", () => stream.close());
}

type Told = (error: unknown, ...results: unknown[]) => void;

/** The functions that streams work with, by a handle. */
function functionsOf(handle: FileHandle): object {
  const tell = <T>(outcome: Promise<T>, told: Told, results: (value: T) => unknown[]): void => {
    outcome.then(
      (value) => told(null, ...results(value)),
      (error: unknown) => told(error),
    );
  };
  type Transfer = [buffer: Uint8Array, offset: number, length: number, position: number];
  return {
    open: () => undefined,
    close: (_fd: number, told: Told) => {
      requireHandle(handle).release();
      tell(handle.close(), told, () => []);
    },
    fsync: (_fd: number, told: Told) => tell(handle.sync(), told, () => []),
    read: (_fd: number, ...[buffer, offset, length, position, told]: [...Transfer, Told]) => {
      const outcome = handle.read(buffer, offset, length, position);
      tell(outcome, told, (result) => [result.bytesRead, result.buffer]);
    },
    write: (_fd: number, ...[buffer, offset, length, position, told]: [...Transfer, Told]) => {
      const outcome = handle.write(buffer, offset, length, position);
      tell(outcome, told, (result) => [result.bytesWritten, result.buffer]);
    },
    writev: (_fd: number, buffers: Uint8Array[], position: number, told: Told) => {
      const outcome = handle.writev(buffers, position);
      tell(outcome, told, (result) => [result.bytesWritten, result.buffers]);
    },
  };
}

/** Node's class for logs. */
function utf8StreamClass(base: typeof NodeFs.Utf8Stream, fs: () => object): unknown {
  const Utf8Stream = class extends base {
    constructor(options: NodeFs.Utf8StreamOptions = {}) {
      // What is missing in `fs` Node's class takes from Node, whose descriptors are others.
      super({ ...options, fs: { ...(fs() as typeof NodeFs), ...options.fs } });
    }
  };
  return Object.defineProperty(Utf8Stream, "name", { value: "Utf8Stream" });
}
