/** fs.watch: FSWatcher, an emitter of what happens to a path. */
import { type Name, nameFromUtf8, nameToUtf8 } from "@xiplab/core";
import type { EventEmitter } from "node:events";
import type { FSWatcher as NodeFSWatcher } from "node:fs";
import { requireSignal } from "../callback/arguments.ts";
import type { AsyncPlatform, KeepAlive } from "../callback/platform.ts";
import { optionsOf, requireBoolean } from "../sync/arguments.ts";
import { nameAs } from "../sync/paths.ts";
import { hasCode, textPath } from "../tree/context.ts";
import { ownName, type PathWatch, type WatchContext, watchPath } from "./context.ts";
import { ignoreOf } from "./ignore.ts";
import { watchTree } from "./recursive.ts";

/** Milliseconds: the longest that a timer takes. It keeps the process alive and does nothing. */
const FOREVER_MS = 0x7fffffff;

export interface WatchOptions {
  readonly encoding?: string | null;
  readonly ignore?: unknown;
  readonly persistent?: boolean;
  readonly recursive?: boolean;
  readonly signal?: AbortSignal;
  readonly throwIfNoEntry?: boolean;
}

export type FSWatcherClass = new () => NodeFSWatcher & { open(source: PathWatch): void };

/** The class of the watchers of one file system. */
export function fsWatcherClass(platform: AsyncPlatform): FSWatcherClass {
  class FSWatcher extends platform.EventEmitter {
    #source: PathWatch | null = null;
    #alive: KeepAlive | null = null;

    /** Not for programs, as in Node. */
    start(): void {}

    close(): void {
      if (this.#source === null) return;
      this.#source.close();
      this.#source = null;
      this.#alive?.close();
      platform.nextTick(() => this.emit("close"));
    }

    ref(): this {
      this.#alive?.ref();
      return this;
    }

    unref(): this {
      this.#alive?.unref();
      return this;
    }

    [Symbol.dispose](): void {
      this.close();
    }

    /** @internal */
    open(source: PathWatch): void {
      this.#source = source;
      this.#alive = platform.every(FOREVER_MS, () => undefined);
    }
  }
  Object.defineProperty(FSWatcher.prototype, "open", { enumerable: false });
  return FSWatcher as unknown as FSWatcherClass;
}

/** @throws TypeError for wrong arguments; Error ENOENT, EACCES, ENOTDIR */
export function watch(
  context: WatchContext,
  FSWatcher: FSWatcherClass,
  filename: unknown,
  given: unknown,
  listener: unknown,
): NodeFSWatcher {
  const { platform } = context.schedule;
  const told = typeof given === "function" ? given : listener;
  const options = optionsOf<WatchOptions>(platform, given, {});
  const path = textPath(platform, filename, "filename");
  const watcher = new FSWatcher();
  const emit = (event: string, name: string | Uint8Array): void => {
    watcher.emit("change", event as never, name as never);
  };
  startWatch(context, path, options, emit, (source) => watcher.open(source));
  if (options.persistent === false) watcher.unref();
  if (typeof told === "function") watcher.addListener("change", told as () => void);
  if (options.signal) closeOnAbort(platform, watcher, options.signal);
  return watcher;
}

/** Begin to watch; `opened` is not called where the path may be absent and is. */
export function startWatch(
  context: WatchContext,
  path: string,
  options: WatchOptions,
  emit: (event: string, name: string | Uint8Array) => void,
  opened: (source: PathWatch) => void,
): void {
  const { platform } = context.schedule;
  const { encoding, recursive, signal } = options;
  for (const flag of ["persistent", "recursive", "throwIfNoEntry"] as const) {
    const value = options[flag];
    if (value !== undefined && value !== null) requireBoolean(platform, value, `options.${flag}`);
  }
  requireSignal(platform, signal, "options.signal");
  const ignored = ignoreOf(platform, options.ignore);
  const tell = (event: string, name: Name): void => {
    if (ignored?.(nameToUtf8(name))) return;
    emit(event, nameAs(platform, name, encoding));
  };
  try {
    if (recursive) opened(watchTree(context, path, ignored, emit));
    else opened(watchPath(context, path, nameFromUtf8(ownName(path)), tell));
  } catch (error) {
    if (options.throwIfNoEntry !== false || !hasCode(error, "ENOENT")) throw error;
  }
}

function closeOnAbort(
  platform: AsyncPlatform,
  watcher: NodeFSWatcher & EventEmitter,
  signal: AbortSignal,
): void {
  if (signal.aborted) {
    platform.nextTick(() => watcher.close());
    return;
  }
  const close = (): void => watcher.close();
  signal.addEventListener("abort", close);
  watcher.once("close", () => signal.removeEventListener("abort", close));
}
