/**
 * Whole paths that were walked before: the dentry cache in one step. A program that comes back to a
 * path pays for one map instead of one per component; on a large tree that is most of the cost, for
 * every map and every name on the way is a miss of the processor's cache.
 *
 * Kept are absolute paths without symbolic links, "." and "..", walked as root: nothing decides about
 * them but the names on the way.
 *
 * Invariants:
 * - A path in the map leads to its inode, and is that inode's `cachedPath` (one for each inode). An
 *   inode that was walked to once has a `cachedPath` that is not in the map yet.
 * - So an inode that loses a name takes its path along (`forget`), and a directory that moves takes
 *   all (`clear`), for what lies below it moved too. A path that is forgotten needlessly does no
 *   harm.
 */
import type { Inode } from "../spec/inode.ts";
import type { Name } from "../spec/units.ts";
import { KeptMap } from "./kept-map.ts";

export class PathCache {
  private readonly inodes = new KeptMap<Name, Inode>();
  private readonly pathsMax: number;

  /** `pathsMax`: more than that, and all are forgotten. */
  constructor(pathsMax: number) {
    this.pathsMax = pathsMax;
  }

  /** For tests of the invariants. */
  entries(): Iterable<[Name, Inode]> {
    return this.inodes;
  }

  /** HOT. */
  get(path: Name): Inode | undefined {
    return this.inodes.get(path);
  }

  /**
   * A walk of `path` led to the inode. It is kept from the second time on: most files of a large tree
   * are opened once, and a map of them all is slow for those that are opened again and again.
   */
  walked(path: Name, inode: Inode): void {
    if (inode.cachedPath === path) {
      if (this.inodes.size >= this.pathsMax) this.clear();
      this.inodes.set(path, inode);
    } else {
      this.forget(inode);
      inode.cachedPath = path;
    }
  }

  /** The inode lost a name, or leaves memory. */
  forget(inode: Inode): void {
    if (inode.cachedPath === null) return;
    this.inodes.delete(inode.cachedPath);
    inode.cachedPath = null;
  }

  /** A directory moved. Inodes keep a `cachedPath` that is not in the map any more. */
  clear(): void {
    this.inodes.clear();
  }
}
