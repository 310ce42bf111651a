/**
 * The entry for where there is no Node: bytes are Uint8Arrays, and there are no streams. Everything
 * else is as in index.ts.
 */
import type { Vfs } from "@xiplab/core";
import type { EventEmitter } from "node:events";
import { derive, type DerivedFs } from "./callback/join.ts";
import type { AsyncPlatform } from "./callback/platform.ts";
import { constants } from "./constants.ts";
import { Dirent } from "./dirent.ts";
import { Emitter } from "./emitter.ts";
import { browserPlatform } from "./platform-browser.ts";
import { Stats } from "./stats.ts";
import { createHost, createSync, type SyncOptions } from "./sync/create.ts";

export type { SyncOptions };

const platform: AsyncPlatform = {
  ...browserPlatform,
  EventEmitter: Emitter as unknown as typeof EventEmitter,
  defer: (callback) => {
    setTimeout(callback, 0);
  },
  nextTick: (callback) => queueMicrotask(callback),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  every(ms, callback) {
    const timer = setInterval(callback, ms);
    const nothing = (): void => undefined;
    // A page stays whether a timer runs or not.
    return { ref: nothing, unref: nothing, close: () => clearInterval(timer) };
  },
};

/** What createFs makes here: node:fs, with Uint8Arrays for Buffers. */
export type BrowserFs = DerivedFs & {
  readonly constants: typeof constants;
  readonly Stats: typeof Stats;
  readonly Dirent: typeof Dirent;
};

/** node:fs over a mount, without Node. */
export function createFs(vfs: Vfs, options: SyncOptions = {}): BrowserFs {
  const host = createHost(vfs, platform, options);
  const { cwd } = host;
  const derived = derive(createSync(host), { platform, cwd: () => cwd, vfs, streamClasses: null });
  return Object.assign(derived, { constants, Stats, Dirent });
}
