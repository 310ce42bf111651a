/**
 * Blocks: which are used, and which the transaction under way takes and gives up.
 *
 * The bitmap lives in memory alone. The inodes say what is used; mount reads them all and makes the
 * bitmap anew. So nothing of it has to be flushed, or ordered, while files change.
 *
 * A block that a transaction gives up is free for others when its commit is durable, not before:
 * else a power cut could bring back a file whose blocks are another's by then.
 */
import { assert, Bitmap, corrupt, FsError, type Run } from "@xiplab/core";
import type { Superblock } from "./geometry.ts";

export class BlockAllocator extends Bitmap {
  /** Blocks promised to delayed allocation. */
  reserved = 0;
  /** Blocks that only leaves of extents may take: a full file system must still convert and cut. */
  readonly spare: number;
  private readonly firstFit: boolean;
  private cursor = 0;
  private readonly taken: Run[] = [];
  private readonly given: Run[] = [];

  constructor(sb: Superblock, firstFit: boolean) {
    super(sb.blocks);
    this.firstFit = firstFit;
    this.spare = 8 + Math.ceil(sb.blocks / 128);
    this.mark(0, sb.dataStart, true);
  }

  /** Blocks that data can take. Those that are promised will need leaves too. */
  get available(): number {
    return Math.max(0, this.free - this.spare - Math.ceil((this.reserved * 65) / 64));
  }

  /**
   * Take blocks for data: the first free run from `goal` on (0: from where the last one ended);
   * with `whole` the first that has `want` blocks, or else the longest. May be shorter than `want`.
   * @throws FsError ENOSPC
   */
  allocate(want: number, goal: number, whole: boolean): Run {
    const most = Math.min(want, this.available);
    if (most === 0) throw new FsError("ENOSPC");
    const from = this.firstFit ? 0 : goal || this.cursor;
    return this.take(this.findFree(most, Math.min(from, this.size), whole));
  }

  /** Take a block for a leaf. @throws FsError ENOSPC */
  allocateLeaf(): number {
    if (this.free === 0) throw new FsError("ENOSPC", "no block is left for extents");
    return this.take(this.findFree(1, 0, false)).start;
  }

  /** Give blocks up when the transaction commits. */
  release(start: number, length: number): void {
    this.given.push({ start, length });
  }

  /** The transaction is durable. Returns the blocks taken less those given up. */
  commit(): number {
    let grown = 0;
    for (const { length } of this.taken.splice(0)) grown += length;
    for (const { start, length } of this.given.splice(0)) grown -= this.mark(start, length, false);
    return grown;
  }

  /** The transaction failed. */
  rollback(): void {
    this.given.length = 0;
    for (const { start, length } of this.taken.splice(0)) this.mark(start, length, false);
  }

  /** What a scan found in use. @throws CorruptionError where something else uses it too. */
  claim(start: number, length: number): void {
    if (this.mark(start, length, true) === length) return;
    corrupt("plain extent", `blocks ${start} to ${start + length - 1}`, "owners", 2, 1);
  }

  private take(run: Run): Run {
    assert(run.length > 0, "the count of free blocks is true");
    this.mark(run.start, run.length, true);
    this.cursor = run.start + run.length;
    this.taken.push(run);
    return run;
  }
}
