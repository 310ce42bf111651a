/** The whole public surface of @xiplab/node-fs. */
import type { Vfs } from "@xiplab/core";
import { constants } from "./constants.ts";
import { Dirent } from "./dirent.ts";
import { nodePlatform } from "./platform-node.ts";
import { BigIntStats, Stats, StatFs } from "./stats.ts";
import { createHost, createSync, type SyncFs, type SyncOptions } from "./sync/create.ts";

export type { SyncFs, SyncOptions };
export { BigIntStats, constants, Dirent, StatFs, Stats };

/** What createFs makes. */
export type NodeFs = SyncFs & {
  readonly constants: typeof constants;
  readonly Stats: typeof Stats;
  readonly Dirent: typeof Dirent;
};

/** node:fs over a mount. Instances are independent: each has its own descriptors. */
export function createFs(vfs: Vfs, options: SyncOptions = {}): NodeFs {
  const host = createHost(vfs, nodePlatform, options);
  return { ...createSync(host), constants, Stats, Dirent };
}
