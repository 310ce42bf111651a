/** Everything that is derived from the synchronous functions, put together for the entries. */
import type { HandleStreams } from "../streams/handle-streams.ts";
import { createStreams, type StreamClasses, type StreamFs } from "../streams/streams.ts";
import { createPromises, type PrimitivePromises } from "../promises/promises.ts";
import { type CallbackFs, createCallbacks } from "./callbacks.ts";
import type { AsyncPlatform } from "./platform.ts";
import type { PrimitiveFs, SyncFs } from "./sync-fs.ts";

export interface DerivedOptions {
  readonly platform: AsyncPlatform;
  /** Where relative paths start. */
  readonly cwd: string;
  /** Node's; null where the host has none: then there are no streams. */
  readonly streamClasses: StreamClasses | null;
}

export type DerivedFs = PrimitiveFs & CallbackFs & StreamFs & { promises: PrimitivePromises };

/** `sync` with its callback forms, promises, streams, trees and watchers. */
export function derive(primitives: PrimitiveFs, options: DerivedOptions): DerivedFs {
  const { platform, streamClasses } = options;
  const sync = primitives as SyncFs;
  const fs: Record<string, unknown> = { ...sync };
  let ofHandles: HandleStreams | null = null;
  if (streamClasses !== null) {
    const streams = createStreams(streamClasses, () => fs);
    Object.assign(fs, streams.functions);
    ({ ofHandles } = streams);
  }
  Object.assign(fs, createCallbacks(sync, platform));
  fs["promises"] = createPromises(sync, platform, ofHandles);
  return fs as unknown as DerivedFs;
}
