/** The end of a mount. */
import { assert, FsError } from "../spec/errors.ts";
import { evictIfUnused } from "./icache.ts";
import { syncAll } from "./io.ts";
import type { Superblock } from "./superblock.ts";

/**
 * Write everything back and let the personality mark the file system clean. After corruption the
 * image stays as it is, so that the next mount or check sees that it was not left in order.
 * @throws FsError EBUSY while files are open or mapped, unless `force`; ENOSPC, EIO
 */
export function unmount(sb: Superblock, force: boolean): void {
  assert(sb.live, "a file system is unmounted once");
  if (!force && (sb.openFiles > 0 || sb.mappedRegions.size > 0)) {
    const what = `${sb.openFiles} open files, ${sb.mappedRegions.size} mapped regions`;
    throw new FsError("EBUSY", what);
  }
  try {
    if (force) letGo(sb);
    if (sb.corruption !== null) return;
    syncAll(sb);
    sb.fs.unmount();
  } finally {
    // An orderly unmount that failed leaves the mount as it was: the caller may try again.
    if (force || sb.corruption !== null) sb.live = false;
  }
  sb.live = false;
}

/** Whatever is in use is not any more: what has no name goes now. */
function letGo(sb: Superblock): void {
  for (const region of sb.mappedRegions) region.unmap();
  sb.openFiles = 0;
  const inUse = [...sb.icache.values()].filter((inode) => inode.references > 0);
  for (const inode of inUse) {
    if (inode === sb.root || inode.references === 0) continue;
    inode.references = 0;
    evictIfUnused(sb, inode);
  }
}
