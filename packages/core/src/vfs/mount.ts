/** Mounting: options, the personality, the data path, and what the vfs keeps above them. */
import { type CacheLimits, chooseFileOperations, DATA_PATH_OPTIONS } from "../data-path.ts";
import type { PmemDevice } from "../spec/device.ts";
import { OptionError } from "../spec/errors.ts";
import type { DataPathName, WriteProtocolName } from "../spec/file-operations.ts";
import type { Clock } from "../spec/inode.ts";
import { type OptionTable, type OptionValues, parseOptions } from "../spec/options.ts";
import type { FileSystem, Personality } from "../spec/personality.ts";
import { counterClock, multigrain } from "./clock.ts";
import { type AtimePolicy, Superblock } from "./superblock.ts";
import { Vfs } from "./vfs.ts";

/** What a mount takes from its surroundings, since core has no clock and no memory limit. */
export interface MountEnvironment {
  /** Default: starts at 2013-12-06 00:00 UTC and goes on by 1 µs at each question. */
  readonly clock?: Clock;
  /** Inodes, and cached names, kept in memory before unreferenced ones are dropped. Default 2^20. */
  readonly inodesMax?: number;
  /** Pages that a page cache holds, and how many of them may wait to be written. */
  readonly cacheLimits?: CacheLimits;
  /** st_dev. Default 1. */
  readonly dev?: number;
}

const INODES_MAX = 2 ** 20;

const GENERIC_OPTIONS = {
  ...DATA_PATH_OPTIONS,
  ro: { values: "flag", default: "0", help: "read only: nothing is written, not even a recovery" },
  relatime: { values: "flag", default: "0", help: "access times move if they are old (default)" },
  noatime: { values: "flag", default: "0", help: "access times never move" },
  strictatime: { values: "flag", default: "0", help: "access times move at every read" },
} satisfies OptionTable;

/** Every mount option of a design: those that all have, and its own, which may replace them. */
export function mountOptionTable(personality: Personality): OptionTable {
  return { ...GENERIC_OPTIONS, ...personality.mountOptions };
}

/**
 * Make an empty file system. `options` as `splitOptions` gives them, from the design's `mkfsOptions`.
 * The same device size, options and clock give the same bytes.
 * @throws OptionError for an unknown option, with the valid ones listed, or a device that is too small.
 */
export function mkfs(
  personality: Personality,
  device: PmemDevice,
  options: OptionValues = {},
  environment: Pick<MountEnvironment, "clock"> = {},
): void {
  const values = parseOptions(personality.mkfsOptions, options, `mkfs of ${personality.name}`);
  personality.mkfs(device, { clock: environment.clock ?? counterClock(), options: values });
}

/**
 * Mount the image on `device`. `options` as `splitOptions` gives them; what is not given comes from
 * the image's default options, then from the tables.
 * @throws OptionError for an unknown option, with the valid ones listed, or one that cannot be;
 *   CorruptionError where the image is not sound enough. Neither changes files; of a data path that
 *   does not fit the image one hears when it was mounted already, and is unmounted again.
 */
export function mount(
  personality: Personality,
  device: PmemDevice,
  options: OptionValues = {},
  environment: MountEnvironment = {},
): Vfs {
  const table = mountOptionTable(personality);
  const given = { ...personality.defaultOptions(device), ...options };
  const values = parseOptions(table, given, personality.name);
  const atime = atimePolicy(values, personality.name);
  const clock = multigrain(environment.clock ?? counterClock());
  const own = Object.keys(personality.mountOptions).map((name) => [name, values[name]!] as const);
  const fs = personality.mount(device, {
    readOnly: values["ro"] === "1",
    clock,
    options: Object.fromEntries(own),
  });
  // parseOptions has checked both against the names that there are.
  const data = values["data"] as DataPathName;
  const unwritten = values["unwritten"] as WriteProtocolName;
  const files = unmountUnless(fs, values["ro"] === "1", () =>
    chooseFileOperations(fs, data, unwritten, environment.cacheLimits),
  );
  const superblock = new Superblock({
    fs,
    files,
    capabilities: personality.capabilities,
    clock,
    atime,
    inodesMax: environment.inodesMax ?? INODES_MAX,
    dev: environment.dev ?? 1,
  });
  return new Vfs(superblock);
}

/** A mount that does not come about leaves the image clean. */
function unmountUnless<T>(fs: FileSystem, readOnly: boolean, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!readOnly) fs.unmount();
    throw error;
  }
}

/** @throws OptionError where two exclude each other */
function atimePolicy(values: OptionValues, who: string): AtimePolicy {
  const policies = ["relatime", "noatime", "strictatime"] as const;
  const chosen = policies.filter((policy) => values[policy] === "1");
  if (chosen.length > 1) {
    throw new OptionError(`${who}: ${chosen.join(" and ")} exclude each other`);
  }
  return chosen[0] ?? "relatime";
}
