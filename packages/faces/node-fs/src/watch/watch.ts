/** fs.watch, fs.promises.watch, fs.watchFile and fs.unwatchFile over the events of one mount. */
import type { Vfs } from "@xiplab/core";
import type * as NodeFs from "node:fs";
import type { AsyncPlatform } from "../callback/platform.ts";
import { Schedule } from "../callback/schedule.ts";
import type { PrimitiveFs, SyncFs } from "../callback/sync-fs.ts";
import type { WatchContext } from "./context.ts";
import { fsWatcherClass, watch } from "./fs-watcher.ts";
import { Notifier } from "./notifier.ts";
import { statWatching } from "./stat-watcher.ts";
import { watchLater } from "./watch-later.ts";

export interface WatchFs {
  readonly functions: Pick<typeof NodeFs, "unwatchFile" | "watch" | "watchFile">;
  readonly promises: Pick<typeof NodeFs.promises, "watch">;
}

/** @param cwd where relative paths start: absolute */
export function createWatch(
  vfs: Vfs,
  sync: PrimitiveFs,
  platform: AsyncPlatform,
  cwd: () => string,
): WatchFs {
  const schedule = new Schedule(platform);
  const notifier = new Notifier(vfs, schedule);
  const context: WatchContext = { sync: sync as SyncFs, schedule, notifier, cwd };
  const FSWatcher = fsWatcherClass(platform);
  const functions = {
    watch: (filename: unknown, options?: unknown, listener?: unknown) =>
      watch(context, FSWatcher, filename, options, listener),
    ...statWatching(context, vfs),
  };
  const promises = {
    watch: (filename: unknown, options?: unknown) => watchLater(context, filename, options),
  };
  return { functions, promises } as unknown as WatchFs;
}
