/** Everything that is derived from the synchronous functions, put together for the entries. */
import type { Vfs } from "@xiplab/core";
import type { HandleStreams } from "../streams/handle-streams.ts";
import { createStreams, type StreamClasses, type StreamFs } from "../streams/streams.ts";
import { createTree, type TreeFs } from "../tree/tree.ts";
import { createPromises, type PrimitivePromises } from "../promises/promises.ts";
import { type CallbackFs, createCallbacks } from "./callbacks.ts";
import { createWatch, type WatchFs } from "../watch/watch.ts";
import { constants } from "../constants.ts";
import type { AsyncPlatform } from "./platform.ts";
import type { PrimitiveFs, SyncFs } from "./sync-fs.ts";
import { toUnixTimestamp } from "./unix-timestamp.ts";

export interface DerivedOptions {
  readonly platform: AsyncPlatform;
  /** Where relative paths start: absolute. */
  readonly cwd: () => string;
  /** Whose events watchers tell; null where there are none to have. */
  readonly vfs: Vfs | null;
  /** Node's; null where the host has none: then there are no streams. */
  readonly streamClasses: StreamClasses | null;
}

export type DerivedFs = PrimitiveFs &
  CallbackFs &
  StreamFs &
  TreeFs["sync"] &
  TreeFs["callbacks"] &
  WatchFs["functions"] & {
    promises: PrimitivePromises &
      TreeFs["promises"] &
      WatchFs["promises"] & { constants: typeof constants };
  };

/** `sync` with its callback forms, promises, streams, trees and watchers. */
export function derive(primitives: PrimitiveFs, options: DerivedOptions): DerivedFs {
  const { platform, streamClasses } = options;
  const tree = createTree(primitives, platform, options.cwd);
  const sync: SyncFs = { ...primitives, ...tree.sync };
  // Node has the names on every system, and nothing behind them where links have no modes.
  const absent = { lchmod: undefined, lchmodSync: undefined };
  const fs: Record<string, unknown> = { ...sync, ...tree.callbacks, ...absent, constants };
  fs["_toUnixTimestamp"] = (time: unknown, name?: string) => toUnixTimestamp(platform, time, name);
  let ofHandles: HandleStreams | null = null;
  if (streamClasses !== null) {
    const streams = createStreams(streamClasses, () => fs);
    Object.assign(fs, streams.functions);
    ({ ofHandles } = streams);
  }
  Object.assign(fs, createCallbacks(sync, platform));
  const { vfs, cwd } = options;
  const watching = vfs === null ? null : createWatch(vfs, primitives, platform, cwd);
  Object.assign(fs, watching?.functions);
  fs["promises"] = {
    ...createPromises(sync, platform, ofHandles),
    ...tree.promises,
    ...watching?.promises,
    constants,
  };
  return fs as unknown as DerivedFs;
}
