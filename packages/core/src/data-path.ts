/**
 * The one place that chooses a data path. A mount has exactly one of three sets of file operations;
 * they exclude one another, as XIP and delayed allocation did in 2013.
 */
import { OptionError } from "./spec/errors.ts";
import {
  type DataPathName,
  DataPathNames,
  type FileOperations,
  type WriteProtocolName,
  WriteProtocolNames,
} from "./spec/file-operations.ts";
import type { OptionTable } from "./spec/options.ts";
import { PAGE_SIZE } from "./spec/units.ts";
import { CACHE_LIMITS, type CacheLimits } from "./pagecache/cache.ts";
import { PageCacheOperations } from "./pagecache/operations.ts";
import { XipOperations } from "./xip/operations.ts";
import type { Backing } from "./xip/ranges.ts";

export type { CacheLimits } from "./pagecache/cache.ts";
export type { Backing } from "./xip/ranges.ts";
export { type WriteProtocol, WriteProtocols } from "./xip/protocols.ts";

/** Mount options of every design: which way data takes. */
export const DATA_PATH_OPTIONS = {
  data: {
    values: DataPathNames,
    default: "xip",
    help: "xip: no cache; delalloc, nodelalloc: page cache with and without delayed allocation",
  },
  unwritten: {
    values: WriteProtocolNames,
    default: "zero",
    help: "who converts unwritten blocks under data=xip; none and prewrite lose or leak data",
  },
} satisfies OptionTable;

/**
 * The file operations of a mount. A page cache always converts at writeback: `unwritten` is for XIP.
 * @throws OptionError where XIP cannot work on this file system.
 */
export function chooseFileOperations(
  fs: Backing,
  data: DataPathName,
  unwritten: WriteProtocolName,
  limits: CacheLimits = CACHE_LIMITS,
): FileOperations {
  switch (data) {
    case "xip":
      if (fs.blockSize !== PAGE_SIZE) {
        throw new OptionError(
          `data=xip needs blocks of ${PAGE_SIZE} bytes, the size of a page; this file system has ` +
            `blocks of ${fs.blockSize} bytes: mount it with data=delalloc or data=nodelalloc`,
        );
      }
      return new XipOperations(fs, unwritten);
    case "delalloc":
    case "nodelalloc":
      return new PageCacheOperations(fs, data, limits);
  }
}
