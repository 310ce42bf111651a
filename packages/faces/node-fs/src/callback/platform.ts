/** What the asynchronous forms need of the host beyond what the synchronous ones do. */
import type { EventEmitter } from "node:events";
import type { Platform } from "../platform.ts";

/** Keeps a process alive while it is open and referenced, as a watcher of Node does. */
export interface KeepAlive {
  ref(): void;
  unref(): void;
  close(): void;
}

export interface AsyncPlatform extends Platform {
  /** Of Node, or one like it. */
  readonly EventEmitter: typeof EventEmitter;
  /** Run in a later turn of the event loop: setImmediate. */
  readonly defer: (callback: () => void) => void;
  /** Run after the running callback, before anything else: process.nextTick. */
  readonly nextTick: (callback: () => void) => void;
  /** Resolve after `ms` milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Bytes that nobody can foretell. */
  readonly randomBytes: (length: number) => Uint8Array;
  /** Call every `ms` milliseconds. */
  readonly every: (ms: number, callback: () => void) => KeepAlive;
}
