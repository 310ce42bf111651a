/** The whole public surface of @xiplab/node-fs. */
import type { Vfs } from "@xiplab/core";
import { derive, type DerivedFs } from "./callback/join.ts";
import { nodeAsyncPlatform } from "./callback/platform-node.ts";
import { constants } from "./constants.ts";
import { Dirent } from "./dirent.ts";
import { nodePlatform } from "./platform-node.ts";
import { BigIntStats, Stats, StatFs } from "./stats.ts";
import { nodeStreamClasses } from "./streams/classes-node.ts";
import { createHost, createSync, type SyncFs, type SyncOptions } from "./sync/create.ts";

export type { SyncFs, SyncOptions };
export { BigIntStats, constants, Dirent, StatFs, Stats };

/** What createFs makes. */
export type NodeFs = DerivedFs & {
  readonly constants: typeof constants;
  readonly Stats: typeof Stats;
  readonly Dirent: typeof Dirent;
};

/** node:fs over a mount. Instances are independent: each has its own descriptors. */
export function createFs(vfs: Vfs, options: SyncOptions = {}): NodeFs {
  const host = createHost(vfs, nodePlatform, options);
  const derived = derive(createSync(host), {
    platform: nodeAsyncPlatform,
    cwd: () => host.cwd,
    vfs,
    streamClasses: nodeStreamClasses,
  });
  return Object.assign(derived, { constants, Stats, Dirent });
}
