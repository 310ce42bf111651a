/**
 * fs.watchFile: who is called when what stat says of a path has changed. It looks at every interval,
 * as libuv does, but only if something has happened on the mount since it last looked.
 */
import type { Stat, Vfs } from "@xiplab/core";
import type * as NodeFs from "node:fs";
import { requireFunction } from "../callback/arguments.ts";
import type { AsyncPlatform, KeepAlive } from "../callback/platform.ts";
import type { SyncFs } from "../callback/sync-fs.ts";
import { BigIntStats, Stats } from "../stats.ts";
import { requireInteger } from "../sync/arguments.ts";
import { hasCode, resolve, textPath } from "../tree/context.ts";
import type { WatchContext } from "./context.ts";

/** Milliseconds. */
const INTERVAL_MS = 5007;
const UINT32_MAX = 0xffffffff;

type AnyStats = NodeFs.BigIntStats | NodeFs.Stats;
type Listener = (now: AnyStats, before: AnyStats) => void;

/** What a watcher says of a path that is not there. */
const NOTHING: Stat = {
  dev: 0,
  ino: 0,
  mode: 0,
  nlink: 0,
  uid: 0,
  gid: 0,
  rdev: 0,
  size: 0,
  blksize: 0,
  blocks: 0,
  atimeSec: 0,
  atimeNsec: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  ctimeSec: 0,
  ctimeNsec: 0,
  btimeSec: 0,
  btimeNsec: 0,
};

interface StatWatcher extends NodeFs.StatWatcher {
  start(): void;
  stop(): void;
  countReference(change: -1 | 1): void;
}
type StatWatcherClass = new (poll: StatPoll) => StatWatcher;

/** One path, looked at again and again. */
class StatPoll {
  private readonly sync: SyncFs;
  private readonly path: string;
  private readonly bigint: boolean;
  private readonly none: AnyStats;
  /** Null before it was looked at. */
  private last: AnyStats | null = null;
  private isAbsent = false;
  /** Something has happened since. */
  private isDue = true;
  private readonly stopListening: () => void;

  constructor(sync: SyncFs, vfs: Vfs, path: string, bigint: boolean) {
    this.sync = sync;
    this.path = path;
    this.bigint = bigint;
    this.none = (bigint ? new BigIntStats(NOTHING) : new Stats(NOTHING)) as unknown as AnyStats;
    this.stopListening = vfs.onEvent(() => {
      this.isDue = true;
    });
  }

  stop(): void {
    this.stopListening();
  }

  /** Look, and tell if there is a difference; the first time only that there is nothing. */
  look(told: Listener): void {
    if (!this.isDue) return;
    this.isDue = false;
    const found = this.stat();
    const before = this.last;
    this.last = found ?? this.none;
    if (found === null) {
      const isNew = !this.isAbsent;
      this.isAbsent = true;
      if (isNew) told(this.none, before ?? this.none);
      return;
    }
    const wasAbsent = this.isAbsent;
    this.isAbsent = false;
    if (before !== null && (wasAbsent || !isSame(found, before))) told(found, before);
  }

  private stat(): AnyStats | null {
    try {
      return this.sync.statSync(this.path, { bigint: this.bigint });
    } catch (error) {
      if (hasCode(error, "ENOENT", "ENOTDIR", "EACCES", "ELOOP", "ENAMETOOLONG")) return null;
      throw error;
    }
  }
}

const FIELDS = [
  "ctimeMs",
  "mtimeMs",
  "birthtimeMs",
  "size",
  "mode",
  "uid",
  "gid",
  "ino",
  "dev",
] as const;

const isSame = (one: AnyStats, other: AnyStats): boolean =>
  FIELDS.every((field) => one[field] === other[field]);

function statWatcherClass(platform: AsyncPlatform): StatWatcherClass {
  class Watcher extends platform.EventEmitter {
    readonly #poll: StatPoll;
    #timer: KeepAlive | null = null;
    #references = 1;
    #referencesMax = 1;

    constructor(poll: StatPoll) {
      super();
      this.#poll = poll;
    }

    /** Of no use to programs, as in Node. */
    start(): void {}

    stop(): void {
      if (this.#timer === null) return;
      this.#timer.close();
      this.#timer = null;
      this.#poll.stop();
      platform.nextTick(() => this.emit("stop"));
    }

    ref(): this {
      if (this.#references === this.#referencesMax || this.#timer === null) return this;
      if (this.#references++ === 0) this.#timer.ref();
      return this;
    }

    unref(): this {
      if (this.#references === 0 || this.#timer === null) return this;
      if (--this.#references === 0) this.#timer.unref();
      return this;
    }

    /** A listener more or less; those that are there keep the process alive together. */
    countReference(change: -1 | 1): void {
      this.#referencesMax += change;
      if (change === 1) this.#references++;
      else this.unref();
    }

    run(intervalMs: number): void {
      const look = (): void =>
        this.#poll.look((now, before) => {
          this.emit("change", now, before);
        });
      this.#timer = platform.every(intervalMs, look);
      platform.defer(() => {
        if (this.#timer !== null) look();
      });
    }
  }
  for (const name of ["countReference", "run"]) {
    Object.defineProperty(Watcher.prototype, name, { enumerable: false });
  }
  Object.defineProperty(Watcher, "name", { value: "StatWatcher" });
  return Watcher as unknown as StatWatcherClass;
}

interface Options {
  readonly bigint?: boolean;
  readonly interval?: number;
  readonly persistent?: boolean;
}

/** watchFile and unwatchFile of one file system. */
export function statWatching(context: WatchContext, vfs: Vfs) {
  const { platform } = context.schedule;
  const Watcher = statWatcherClass(platform);
  const watchers = new Map<string, StatWatcher>();

  function watchFile(filename: unknown, given: unknown, callback: unknown): NodeFs.StatWatcher {
    const path = resolve(context, textPath(platform, filename, "filename"));
    const isOptions = typeof given === "object" && given !== null;
    const listener = isOptions ? callback : given;
    const {
      bigint = false,
      interval = INTERVAL_MS,
      persistent = true,
    } = (isOptions ? given : {}) as Options;
    requireFunction(platform, listener, "listener");
    let watcher = watchers.get(path);
    if (watcher === undefined) {
      requireInteger(platform, interval, "interval", 0, UINT32_MAX);
      watcher = new Watcher(new StatPoll(context.sync, vfs, path, bigint));
      (watcher as unknown as { run(ms: number): void }).run(interval);
      if (!persistent) watcher.unref();
      watchers.set(path, watcher);
    } else watcher.countReference(1);
    watcher.addListener("change", listener);
    return watcher;
  }

  function unwatchFile(filename: unknown, listener?: unknown): void {
    const path = resolve(context, textPath(platform, filename, "filename"));
    const watcher = watchers.get(path);
    if (watcher === undefined) return;
    if (typeof listener !== "function") watcher.removeAllListeners("change");
    else {
      const before = watcher.listenerCount("change");
      watcher.removeListener("change", listener as Listener);
      if (watcher.listenerCount("change") < before) watcher.countReference(-1);
    }
    if (watcher.listenerCount("change") > 0) return;
    watcher.stop();
    watchers.delete(path);
  }

  return { watchFile, unwatchFile };
}
