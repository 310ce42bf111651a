/**
 * FileHandle: an open file as an object. Its operations are the synchronous ones on its descriptor,
 * told by promises (schedule.ts says when).
 */
import type { FileHandle as NodeFileHandle } from "node:fs/promises";
import { throwIfAborted } from "../callback/abort.ts";
import { requireSignal } from "../callback/arguments.ts";
import { readTransfer, writeTransfer } from "../callback/transfers.ts";
import type { HandleStreams } from "../streams/handle-streams.ts";
import { requireObject } from "../sync/arguments.ts";
import { type HandleContext, HandleState, requireHandle } from "./handle-state.ts";
import { webStream } from "./web-stream.ts";
import { isPieces, writePieces } from "./write-data.ts";

export type FileHandleClass = new (fd: number) => NodeFileHandle;

/** The class of the handles of one file system. `streams`: null where the host has none of Node. */
export function fileHandleClass(
  context: HandleContext,
  streams: HandleStreams | null,
): FileHandleClass {
  const { EventEmitter } = context.schedule.platform;
  let handles = 0;
  class FileHandle extends EventEmitter {
    readonly #state: HandleState;
    readonly #id = ++handles;
    /** A property of the handle's own, as in Node, so that it may be passed on without the handle. */
    close: () => Promise<void>;

    constructor(fd: number) {
      super();
      this.#state = new HandleState(this, fd, context);
      this.close = () => this.#state.close(() => this.emit("close"));
    }

    get fd(): number {
      return this.#state.fd;
    }

    getAsyncId(): number {
      return this.#id;
    }

    async [Symbol.asyncDispose](): Promise<void> {
      await this.close();
    }
  }
  const methods = { ...operationMethods(context), ...streamMethods(context, streams) };
  for (const [name, value] of Object.entries(methods)) {
    const method = { value, writable: true, configurable: true, enumerable: false };
    Object.defineProperty(FileHandle.prototype, name, method);
  }
  return FileHandle as unknown as FileHandleClass;
}

type Method = (this: unknown, ...values: unknown[]) => unknown;

/** What an operation does with the descriptor, and what errors of closed handles call it. */
type Operation = readonly [syscall: string, work: (fd: number, values: unknown[]) => unknown];

function operationMethods(context: HandleContext): Record<string, Method> {
  const { sync } = context;
  const operations: Record<string, Operation> = {
    chmod: ["fchmod", (fd, [mode]) => sync.fchmodSync(fd, mode as number)],
    chown: ["fchown", (fd, [uid, gid]) => sync.fchownSync(fd, uid as number, gid as number)],
    datasync: ["fdatasync", (fd) => sync.fdatasyncSync(fd)],
    sync: ["fsync", (fd) => sync.fsyncSync(fd)],
    truncate: ["ftruncate", (fd, [size]) => sync.ftruncateSync(fd, size as number | undefined)],
    utimes: ["futimes", (fd, [at, mt]) => sync.futimesSync(fd, at as Date, mt as Date)],
    ...transferOperations(context),
  };
  const methods: Record<string, Method> = { ...signalMethods(context), ...dataMethods(context) };
  for (const [name, [syscall, work]] of Object.entries(operations)) {
    methods[name] = function operation(...values) {
      return attempt(() => requireHandle(this).call(syscall, (fd) => work(fd, values)));
    };
  }
  for (const [name, method] of Object.entries(methods)) {
    Object.defineProperty(method, "name", { value: name });
  }
  return methods;
}

/** What is thrown before there is a promise is told by one. */
function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return work();
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

function transferOperations({ sync, schedule }: HandleContext): Record<string, Operation> {
  const apply = (work: unknown, fd: number, given: readonly unknown[]): unknown =>
    Reflect.apply(work as Method, sync, [fd, ...given]) as unknown;
  const position = (value: unknown): unknown => (typeof value === "number" ? value : null);
  return {
    read: [
      "read",
      (fd, values) => {
        const { buffer, given } = readTransfer(schedule.platform, values);
        return result({ bytesRead: apply(sync.readSync, fd, given), buffer });
      },
    ],
    write: [
      "write",
      (fd, values) => {
        const { buffer, given } = writeTransfer(values);
        return result({ bytesWritten: apply(sync.writeSync, fd, given), buffer });
      },
    ],
    readv: [
      "readv",
      (fd, [buffers, at]) => {
        return result({ bytesRead: apply(sync.readvSync, fd, [buffers, position(at)]), buffers });
      },
    ],
    writev: [
      "writev",
      (fd, [buffers, at]) => {
        const bytesWritten = apply(sync.writevSync, fd, [buffers, position(at)]);
        return result({ bytesWritten, buffers });
      },
    ],
  };
}

/** Without a prototype, as in Node. */
function result<T extends object>(values: T): T {
  return Object.assign(Object.create(null) as T, values);
}

interface Abortable {
  readonly encoding?: BufferEncoding | null;
  readonly signal?: AbortSignal;
  readonly bigint?: boolean;
}

/** `stat` and `readFile`: their options may bring a signal. */
function signalMethods({ sync, schedule }: HandleContext): Record<string, Method> {
  const { platform } = schedule;
  return {
    stat(options = {}) {
      return attempt(() => {
        requireObject(platform, options, "options");
        const { bigint, signal } = options as Abortable;
        requireSignal(platform, signal, "options.signal");
        throwIfAborted(signal);
        const work = (fd: number): unknown => sync.fstatSync(fd, { bigint: bigint === true });
        return unlessAborted(requireHandle(this).call("fstat", work, !!signal), signal);
      });
    },
    readFile(options) {
      return attempt(() => {
        const { signal } = (options ?? {}) as Abortable;
        throwIfAborted(signal);
        const work = (fd: number): unknown => sync.readFileSync(fd, options as Abortable);
        return unlessAborted(requireHandle(this).call("readFile", work, !!signal), signal);
      });
    },
  };
}

/** An abort that comes before the outcome is told wins. */
export function unlessAborted<T>(outcome: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return outcome;
  return outcome.finally(() => throwIfAborted(signal));
}

/** Bytes that Node writes at once. */
const CHUNK_SIZE = 512 * 1024;

const sizeOf = (data: unknown): number =>
  ArrayBuffer.isView(data) ? data.byteLength : String(data).length;

function dataMethods(context: HandleContext): Record<string, Method> {
  const { sync, schedule } = context;
  const writeFile: Method = function writeFile(data, options) {
    return attempt(() => {
      const state = requireHandle(this);
      const given = typeof options === "string" ? { encoding: options as BufferEncoding } : options;
      const { signal, encoding } = (given ?? {}) as Abortable;
      requireSignal(schedule.platform, signal, "options.signal");
      if (isPieces(data)) {
        if (state.fd === -1) return state.call("writeFile", () => undefined);
        return writePieces(context, () => state.fd, data, { signal, encoding });
      }
      throwIfAborted(signal);
      const work = (fd: number): void =>
        sync.writeFileSync(fd, data as string, { encoding: encoding ?? "utf8" });
      const outcome = state.call("writeFile", work, !!signal);
      // As in Node, where one chunk is not aborted any more when it is being written.
      return sizeOf(data) > CHUNK_SIZE ? unlessAborted(outcome, signal) : outcome;
    });
  };
  const appendFile: Method = function appendFile(...values) {
    return writeFile.apply(this, values);
  };
  return { writeFile, appendFile };
}

function streamMethods(
  context: HandleContext,
  streams: HandleStreams | null,
): Record<string, Method> {
  const web: Method = function readableWebStream(options = {}) {
    return webStream(context.schedule.platform, this as NodeFileHandle, options as object);
  };
  if (streams === null) return { readableWebStream: web };
  return {
    readableWebStream: web,
    readLines(options) {
      return streams.readLines(this as NodeFileHandle, options as object);
    },
    createReadStream(options) {
      return streams.createReadStream(this as NodeFileHandle, options as object);
    },
    createWriteStream(options) {
      return streams.createWriteStream(this as NodeFileHandle, options as object);
    },
  };
}
