/**
 * fs.Dir: the entries of a directory, one after the other. They are those that were there when it was
 * opened; POSIX leaves open whether later ones show.
 *
 * Reading goes in portions of `bufferSize`. Asynchronously, a new portion is an operation: what comes
 * while it runs waits for it (callbacks, promises) or is refused (synchronous calls), as in Node.
 */
import type { Dirent, OpenDirOptions } from "node:fs";
import { requireFunction } from "../callback/arguments.ts";
import { codedError } from "../callback/coded-error.ts";
import type { Schedule } from "../callback/schedule.ts";
import type { SyncFs } from "../callback/sync-fs.ts";
import { optionsOf, requireInteger } from "../sync/arguments.ts";
import { joinPath } from "./paths.ts";
import { renamedCall } from "./renamed-call.ts";

const BUFFER_SIZE = 32;
const UINT32_MAX = 0xffffffff;

type DirOptions = OpenDirOptions;
type ReadCallback = (error: unknown, entry?: Dirent | null) => void;
type CloseCallback = (error: unknown) => void;

/** What reads directories: opened, it gives portions, and null at the end. */
export interface DirSource {
  readonly sync: SyncFs;
  readonly schedule: Schedule;
  /** The entries of the directory itself. */
  readonly entries: Dirent[];
}

const closedError = (): Error => codedError(Error, "ERR_DIR_CLOSED", "Directory handle was closed");

export class Dir {
  readonly #source: DirSource;
  readonly #path: string;
  readonly #options: DirOptions;
  /** Directories that were not read yet, for `recursive`; entries that were, in portions. */
  readonly #below: string[] = [];
  #unread: Dirent[];
  #portion: Dirent[] = [];
  #closed = false;
  /** What waits for the running operation; null while none runs. */
  #waiting: (() => void)[] | null = null;

  constructor(source: DirSource, path: string, options: DirOptions) {
    if (source === undefined || source === null) {
      throw codedError(TypeError, "ERR_MISSING_ARGS", 'The "handle" argument must be specified');
    }
    this.#source = source;
    this.#path = path;
    this.#options = options;
    this.#unread = source.entries;
  }

  get path(): string {
    if (!(#path in this)) {
      throw codedError(TypeError, "ERR_INVALID_THIS", 'Value of "this" must be of type Dir');
    }
    return this.#path;
  }

  /** @throws Error ERR_DIR_CLOSED, ERR_DIR_CONCURRENT_OPERATION */
  readSync(): Dirent | null {
    this.#requireIdle();
    return this.#next() ?? (this.#refill() ? this.#next() : null);
  }

  read(callback?: ReadCallback): Promise<Dirent | null> | void {
    if (callback !== undefined) return this.#read(callback);
    return promised<Dirent | null>((told) => this.#read(told));
  }

  /** @throws Error ERR_DIR_CLOSED, ERR_DIR_CONCURRENT_OPERATION */
  closeSync(): void {
    this.#requireIdle();
    this.#closed = true;
  }

  close(callback?: CloseCallback): Promise<void> | void {
    if (callback === undefined) {
      if (this.#closed) return Promise.reject(closedError());
      return promised<void>((told) => this.#close(told));
    }
    requireFunction(this.#source.schedule.platform, callback, "callback");
    this.#close(callback);
  }

  async *entries(): AsyncGenerator<Dirent, undefined> {
    try {
      for (;;) {
        const entry = await promised<Dirent | null>((told) => this.#read(told));
        if (entry === null) return;
        yield entry;
      }
    } finally {
      await promised<void>((told) => this.#close(told));
    }
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) await promised<void>((told) => this.#close(told));
  }

  #requireIdle(): void {
    if (this.#closed) throw closedError();
    if (this.#waiting === null) return;
    const message =
      "Cannot do synchronous work on directory handle with concurrent asynchronous operations";
    throw codedError(Error, "ERR_DIR_CONCURRENT_OPERATION", message);
  }

  #read(callback: ReadCallback): void {
    const { schedule } = this.#source;
    if (this.#closed) throw closedError();
    requireFunction(schedule.platform, callback, "callback");
    if (this.#waiting !== null) {
      this.#waiting.push(() => this.#read(callback));
      return;
    }
    const entry = this.#next();
    if (entry !== null) {
      schedule.platform.nextTick(() => callback(null, entry));
      return;
    }
    this.#waiting = [];
    schedule.defer(() => {
      schedule.platform.nextTick(() => this.#goOn());
      try {
        this.#refill();
      } catch (error) {
        return callback(error);
      }
      callback(null, this.#next());
    });
  }

  #goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    for (const call of waiting ?? []) call();
  }

  #close(callback: CloseCallback): void {
    const { schedule } = this.#source;
    if (this.#closed) {
      schedule.platform.nextTick(() => callback(closedError()));
    } else if (this.#waiting !== null) {
      this.#waiting.push(() => this.#close(callback));
    } else {
      this.#closed = true;
      schedule.defer(() => callback(null));
    }
  }

  /** The next entry of the portion. */
  #next(): Dirent | null {
    const entry = this.#portion.shift() ?? null;
    if (entry !== null && this.#options.recursive && entry.isDirectory()) {
      this.#below.push(joinPath(entry.parentPath, entry.name));
    }
    return entry;
  }

  /** Take the next portion; false at the end. */
  #refill(): boolean {
    const { sync } = this.#source;
    while (this.#unread.length === 0) {
      const path = this.#below.shift();
      if (path === undefined) return false;
      this.#unread = readEntries(sync, path, this.#options);
    }
    this.#portion = this.#unread.splice(0, this.#options.bufferSize ?? BUFFER_SIZE);
    return true;
  }
}

// As in Node the same function under both names.
Object.defineProperty(Dir.prototype, Symbol.asyncIterator, {
  value: Dir.prototype.entries,
  writable: true,
  configurable: true,
});

function promised<T>(call: (told: (error: unknown, result?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, result) => {
      if (error === null || error === undefined) resolve(result as T);
      else reject(error);
    });
  });
}

function readEntries(sync: SyncFs, path: string, options: DirOptions): Dirent[] {
  const encoding = (options.encoding ?? "utf8") as BufferEncoding;
  try {
    return sync.readdirSync(path, { withFileTypes: true, encoding });
  } catch (error) {
    throw renamedCall(error, "opendir");
  }
}

/** @throws Error ENOENT, ENOTDIR, EACCES; TypeError, RangeError for wrong arguments */
export function opendir(sync: SyncFs, schedule: Schedule, path: unknown, given: unknown): Dir {
  const { platform } = schedule;
  const options: DirOptions = {
    bufferSize: BUFFER_SIZE,
    ...(optionsOf(platform, given, { encoding: "utf8" }) as DirOptions),
  };
  const entries = readEntries(sync, path as string, options);
  requireInteger(platform, options.bufferSize, "options.bufferSize", 1, UINT32_MAX);
  const text = path instanceof URL ? platform.fileUrlToPath(path) : (path as string);
  return new Dir({ sync, schedule, entries }, text, options);
}
