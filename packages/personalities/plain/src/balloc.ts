/**
 * Blocks: which are used, and where a file gets more.
 *
 * The bitmap lives in memory alone. The inodes say what is used; mount reads them all and makes the
 * bitmap anew. So nothing of it has to be flushed, or ordered, while files change.
 */
import { FsError, type Run, RunAllocator } from "@xiplab/core";
import type { Superblock } from "./geometry.ts";

export class BlockAllocator extends RunAllocator {
  /** Blocks kept back for delayed allocation, with the leaves that they may need. */
  promised = 0;
  /** Blocks that only leaves of extents may take: a full file system must still convert and cut. */
  private readonly spare: number;
  private readonly firstFit: boolean;

  constructor(sb: Superblock, firstFit: boolean) {
    super(sb.blocks);
    this.firstFit = firstFit;
    this.spare = 8 + Math.ceil(sb.blocks / 128);
    this.mark(0, sb.dataStart, true);
  }

  /** Blocks that data can take; below 0 where leaves took more than the spare. */
  get available(): number {
    return this.free - this.spare - this.promised;
  }

  /**
   * Take blocks for data: the first free run from `goal` on (0: from where the last one ended);
   * with `whole` the first that has `want` blocks, or else the longest. May be shorter than `want`.
   * @throws FsError ENOSPC
   */
  allocate(want: number, goal: number, whole: boolean): Run {
    const most = Math.min(want, this.available);
    if (most <= 0) throw new FsError("ENOSPC");
    return this.take(most, this.firstFit ? 0 : goal || this.cursor, whole);
  }

  /** Take a block for a leaf. @throws FsError ENOSPC */
  allocateLeaf(): number {
    if (this.free === 0) throw new FsError("ENOSPC", "no block is left for extents");
    return this.take(1, 0, false).start;
  }
}
