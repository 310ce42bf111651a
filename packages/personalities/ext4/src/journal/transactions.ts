/**
 * Transactions: what every change of metadata goes through, with a journal on the medium or without.
 *
 *   run(credits, body)     a handle: what `body` changes is in one transaction, together or not at all
 *   commit()               make the running transaction durable. COMMIT POINT
 *
 * Many handles share the running transaction. It commits when somebody syncs, when it has grown to
 * the limit, or when it is older than the commit interval.
 */
import { assert, FsError, type FsCounters, type Pblk } from "@xiplab/core";
import type { Buffer, Buffers, WriteAccess } from "../buffers.ts";

/** Called when the running transaction is durable: what it freed may be used again. */
export type AfterCommit = () => void;

/** Work that waits for the commit, because it often turns out to be needless before. */
export interface PutOff {
  /** Blocks that `run` changes at most, beyond those of the transaction. HOT. */
  readonly credits: number;
  /** Do it: the transaction is about to be written. As in a handle. */
  run(): void;
}

export abstract class Transactions implements WriteAccess {
  /** Number of the running transaction; grows by 1 with each that is written, never 0. */
  tid = 1;
  /** Set after an error in the middle of a change: nothing is written any more. */
  aborted: Error | null = null;
  protected readonly buffers: Buffers;
  protected readonly counters: FsCounters;
  /**
   * Blocks of the running transaction, in the order in which they joined. One that was forgotten
   * since has another tid: it is left out at commit.
   */
  protected dirty: Buffer[] = [];
  protected afterCommit: AfterCommit[] = [];
  private readonly putOff: PutOff[] = [];
  /** Handles that are open, one inside the other. */
  private depth = 0;
  private changed = false;

  constructor(buffers: Buffers, counters: FsCounters) {
    this.buffers = buffers;
    this.counters = counters;
    buffers.journal = this;
  }

  /** Most blocks that one handle may change. */
  abstract readonly creditsMax: number;

  /**
   * Run `body` as one handle that changes at most `credits` blocks. Handles nest: an inner one joins
   * the outer one, whose credits cover both.
   *
   * An error of `body` that is an FsError other than EIO passes through: `body` has left things
   * consistent. Any other, after something was changed, aborts the journal: the running transaction
   * never commits. HOT.
   * @throws FsError EROFS after an abort; what `body` throws
   */
  run<T>(credits: number, body: () => T): T {
    if (this.depth > 0) return body();
    if (this.aborted !== null) throw new FsError("EROFS");
    this.makeRoom(credits);
    this.depth++;
    this.changed = false;
    try {
      return body();
    } catch (error) {
      const harmless = error instanceof FsError && error.code !== "EIO";
      if (this.changed && !harmless) this.abort(error as Error);
      throw error;
    } finally {
      this.depth--;
    }
  }

  /** Inside a handle? */
  get running(): boolean {
    return this.depth > 0;
  }

  /** Is anything waiting for a commit? */
  get pending(): boolean {
    return this.dirty.length > 0 || this.afterCommit.length > 0;
  }

  /** Have `work` be done before each commit. */
  atCommit(work: PutOff): void {
    this.putOff.push(work);
  }

  /** Have `action` run when the running transaction is durable. */
  whenDurable(action: AfterCommit): void {
    this.afterCommit.push(action);
  }

  /**
   * Make everything durable that was changed so far. Nothing happens where nothing was.
   * @throws FsError EROFS after an abort; FsError EIO, which aborts
   */
  commit(): void {
    assert(this.depth === 0, "a transaction commits between handles");
    if (this.aborted !== null) throw new FsError("EROFS");
    if (!this.pending) return;
    try {
      this.finish();
      this.leaveOut();
      this.stamp();
      if (this.writeTransaction()) {
        this.counters.transactions++;
        this.tid++;
      }
    } catch (error) {
      this.abort(error as Error);
      throw error;
    }
    const actions = this.afterCommit;
    this.afterCommit = [];
    for (const action of actions) action();
  }

  /** Write home whatever is only in the log, and leave the log empty. For unmount and freezing. */
  abstract checkpoint(): void;

  /** See that a handle with so many credits fits: commits what is running if need be. */
  protected abstract makeRoom(credits: number): void;
  /**
   * Make the blocks of `dirty`, stamped, durable in one step, and empty it. False: there was
   * nothing to write.
   */
  protected abstract writeTransaction(): boolean;

  /** HOT. */
  join(buffer: Buffer): void {
    assert(this.depth > 0, "blocks change inside handles");
    this.changed = true;
    if (buffer.tid === this.tid) return;
    buffer.edits = 0;
    buffer.tid = this.tid;
    this.dirty.push(buffer);
    this.joined(buffer);
  }

  /** The block is freed. Whatever changed of it in the running transaction is not written. */
  revoke(pblk: Pblk): void {
    assert(this.depth > 0, "blocks are freed inside handles");
    this.changed = true;
    const buffer = this.buffers.peek(pblk);
    if (buffer === undefined) return;
    if (buffer.tid === this.tid) buffer.tid = 0;
    this.forgotten(buffer);
  }

  abort(cause: Error): void {
    this.aborted ??= cause;
  }

  /** A block is in the running transaction that was not before. */
  protected abstract joined(buffer: Buffer): void;
  /** A block is freed. */
  protected abstract forgotten(buffer: Buffer): void;

  /** Blocks that the running transaction has, and will have. */
  protected get blocks(): number {
    let blocks = this.dirty.length;
    for (const work of this.putOff) blocks += work.credits;
    return blocks;
  }

  private finish(): void {
    this.depth++;
    try {
      for (const work of this.putOff) work.run();
    } finally {
      this.depth--;
    }
  }

  private leaveOut(): void {
    const { dirty, tid } = this;
    let kept = 0;
    for (const buffer of dirty) {
      if (buffer.tid === tid) dirty[kept++] = buffer;
      else if (buffer.committedTid === 0) this.buffers.release(buffer);
    }
    dirty.length = kept;
  }

  private stamp(): void {
    const { geometry } = this.buffers;
    let lateCount = 0;
    for (const buffer of this.dirty) {
      if (buffer.kind.late === true) lateCount++;
      else buffer.kind.stamp(geometry, buffer);
    }
    if (lateCount === 0) return;
    for (const buffer of this.dirty) {
      if (buffer.kind.late === true) buffer.kind.stamp(geometry, buffer);
    }
  }
}
