/**
 * The journal of a mount: jbd2.
 *
 *   run …                 buffers join the running transaction (transactions.ts)
 *   commit                stamp → log, all but one word → fence → that word → fence. COMMIT POINT
 *   (later) checkpoint    committed blocks go home → fence → the tail of the log moves → fence
 *
 * Home writes come lazily: when the log runs out of space, at unmount, and for freezing. A block that
 * is in the log again further on stays there: blocks that change all the time rarely go home.
 *
 * Invariants:
 * - a block's home is written only from a copy that is durable in the log, until the tail passes it;
 * - the log is not overwritten before the tail has durably moved past what stands there;
 * - a block that was freed in a committed transaction is never written home;
 * - numbers of transactions in the log follow each other without gaps.
 *
 * In memory numbers of transactions grow for ever and are never 0; on the medium they have 32 bits.
 */
import { assert, type Clock, type FsCounters, PURPOSE_CHECKPOINT } from "@xiplab/core";
import type { Buffer, Buffers } from "../buffers.ts";
import { INCOMPAT_64BIT as FS_64BIT } from "../format/features.ts";
import * as j from "../format/jbd2.ts";
import { readJournalMap } from "./journal-map.ts";
import { JournalSuperblock } from "./journal-superblock.ts";
import { LogWriter } from "./log-writer.ts";
import { Transactions } from "./transactions.ts";
import { WithoutJournal } from "./without.ts";

/** A transaction has at most this part of the log, as with the kernel. */
const TRANSACTION_PART = 4;
/**
 * When the log is full, this part of it is made free at once. Measured on 20,000 appends and on 300
 * transactions of 100 blocks: with all of the log 16 times and 1.07 times the home writes of a quarter,
 * with an eighth the same, and up to 1.4 times the fences.
 */
const CHECKPOINT_PART = 4;
/** Blocks of memory that committed blocks may keep; beyond, they are looked at in the log. */
const COMMITTED_FRAMES_MAX = 4096;
/** Handles between two looks at the clock. */
const HANDLES_PER_LOOK = 16;

/** A transaction that is in the log. */
interface Logged {
  readonly tid: number;
  /** Block of the journal where it starts, and how many it has. */
  readonly start: number;
  readonly length: number;
  /** What it wrote; a block that a later one wrote again, or that was freed, counts no more. */
  readonly buffers: readonly Buffer[];
  /** Its blocks have no memory of their own any more. */
  released: boolean;
}

export interface JournalOptions {
  readonly clock: Clock;
  readonly commitIntervalSec: number;
  readonly readOnly: boolean;
}

/**
 * The journal of the image, after recovery; or what stands in for it where there is none, and where
 * nothing is written. @throws CorruptionError; OptionError; FsError EIO
 */
export function openJournal(
  buffers: Buffers,
  counters: FsCounters,
  options: JournalOptions,
): Transactions {
  if (!buffers.geometry.hasJournal || options.readOnly) {
    return new WithoutJournal(buffers, counters);
  }
  return new Journal(buffers, counters, options);
}

export class Journal extends Transactions {
  readonly creditsMax: number;
  private readonly superblock: JournalSuperblock;
  private readonly writer: LogWriter;
  private readonly clock: Clock;
  private readonly commitIntervalSec: number;
  /** Transactions in the log, oldest first. Their blocks follow each other. */
  private logged: Logged[] = [];
  /** Blocks of the log that they have. */
  private used = 0;
  /** What the running transaction frees and the log has. */
  private revoked = new Set<number>();
  private freed: Buffer[] = [];
  private handles = 0;
  /** When the running transaction was first looked at; negative: not yet. */
  private sinceSec = -1;

  constructor(buffers: Buffers, counters: FsCounters, options: JournalOptions) {
    super(buffers, counters);
    const { device, geometry } = buffers;
    const map = readJournalMap(device, geometry);
    this.superblock = new JournalSuperblock(device, geometry, map);
    assert(this.superblock.start === 0, "a journal is opened after recovery");
    const wide = (geometry.incompat & FS_64BIT) !== 0 ? j.INCOMPAT_64BIT : 0;
    const sums = geometry.metadataCsum ? j.INCOMPAT_CSUM_V3 : 0;
    this.superblock.persistFeatures(j.INCOMPAT_REVOKE | wide | sums);
    this.tid = this.superblock.sequence === 0 ? 2 ** 32 : this.superblock.sequence;
    this.writer = new LogWriter(device, geometry, map, this.superblock);
    this.clock = options.clock;
    this.commitIntervalSec = options.commitIntervalSec;
    this.creditsMax = Math.floor(this.superblock.maxlen / TRANSACTION_PART);
  }

  /** Blocks of the log. */
  private get capacity(): number {
    return this.superblock.end - this.superblock.first;
  }

  override get pending(): boolean {
    return super.pending || this.revoked.size > 0;
  }

  checkpoint(): void {
    this.commit();
    const { device } = this.buffers;
    if (this.logged.length === 0) return;
    this.writeHome(this.logged.length);
    // Blocks must be home before the log is declared empty.
    device.fence();
    this.superblock.storeTail(this.tid, 0);
    // The log must be empty before anything is put in its place, or the image is called clean.
    device.fence();
    this.drop(this.logged.length);
    this.writer.rewind();
  }

  protected makeRoom(credits: number): void {
    assert(credits <= this.creditsMax, "a handle fits into a transaction");
    if (this.blocks + credits > this.creditsMax) this.commit();
    else if ((++this.handles & (HANDLES_PER_LOOK - 1)) === 0) this.commitByAge();
  }

  private commitByAge(): void {
    if (!this.pending) return;
    const { sec } = this.clock.now();
    if (this.sinceSec < 0) this.sinceSec = sec;
    else if (sec - this.sinceSec >= this.commitIntervalSec) this.commit();
  }

  protected joined(buffer: Buffer): void {
    // The block is metadata again, before the revocation was written.
    if (this.revoked.size > 0) this.revoked.delete(buffer.pblk);
  }

  protected forgotten(buffer: Buffer): void {
    if (buffer.committedTid === 0) return;
    this.revoked.add(buffer.pblk);
    // Until the running transaction is durable the copy in the log counts, and may go home.
    this.freed.push(buffer);
  }

  protected writeTransaction(): boolean {
    const { dirty, revoked, superblock, writer } = this;
    this.sinceSec = -1;
    if (dirty.length === 0 && revoked.size === 0) return false;
    const length = writer.lengthOf(dirty.length, revoked.size);
    assert(length < this.capacity, "a transaction fits into the log");
    this.makeSpace(length);
    const { device } = this.buffers;
    const start = writer.head;
    const isFirst = this.logged.length === 0;
    writer.write(this.tid, dirty, revoked, this.clock.now());
    // All of the transaction must be durable before the word that makes it count; and with it the
    // data that was stored in place before.
    device.fence();
    writer.storeCommitWord();
    // The log was empty. A tail without its transaction, or the other way round, is an empty log.
    if (isFirst) superblock.storeTail(this.tid, start);
    // COMMIT POINT
    // The word must be durable before anybody is told so, and before any of the blocks goes home.
    device.fence();
    this.committed(start, length);
    return true;
  }

  private committed(start: number, length: number): void {
    const { dirty, tid } = this;
    for (const buffer of this.freed) {
      buffer.committedTid = 0;
      this.buffers.release(buffer);
    }
    for (const buffer of dirty) {
      buffer.tid = 0;
      buffer.committedTid = tid;
    }
    this.logged.push({ tid, start, length, buffers: dirty, released: false });
    this.used += length;
    this.dirty = [];
    this.freed = [];
    if (this.revoked.size > 0) this.revoked = new Set();
    if (this.buffers.framesUsed > COMMITTED_FRAMES_MAX) this.releaseMemory();
  }

  /** Let committed blocks be looked at in the log, oldest first, until memory is bounded. */
  private releaseMemory(): void {
    for (const entry of this.logged) {
      if (this.buffers.framesUsed <= COMMITTED_FRAMES_MAX / 2) return;
      if (entry.released) continue;
      entry.released = true;
      for (const buffer of entry.buffers) {
        const idle = buffer.tid === 0 && buffer.committedTid === entry.tid;
        // A copy that was escaped is not what the block holds.
        if (idle && !buffer.logEscaped) this.buffers.lookAt(buffer, buffer.logAt);
      }
    }
  }

  /** See that `length` blocks of the log are free: the oldest transactions are checkpointed. */
  private makeSpace(length: number): void {
    const free = this.capacity - this.used;
    if (length < free) return;
    const wanted = Math.max(length + 1, Math.floor(this.capacity / CHECKPOINT_PART));
    let count = 0;
    for (let gained = free; gained < wanted && count < this.logged.length; count++) {
      gained += this.logged[count]!.length;
    }
    const { device } = this.buffers;
    const next = this.logged[count];
    this.writeHome(count);
    // Blocks must be home before the tail moves past their copies.
    device.fence();
    this.superblock.storeTail(next?.tid ?? this.tid, next?.start ?? this.writer.head);
    // The tail must have moved before the log behind it is overwritten.
    device.fence();
    this.drop(count);
  }

  /** Forget the `count` oldest transactions. */
  private drop(count: number): void {
    for (let index = 0; index < count; index++) this.used -= this.logged[index]!.length;
    this.logged = this.logged.slice(count);
    assert(this.used >= 0, "the log has no fewer blocks than none");
  }

  /** Store home what is newest in the `count` oldest transactions. The caller fences. */
  private writeHome(count: number): void {
    for (let index = 0; index < count; index++) {
      const { buffers, tid } = this.logged[index]!;
      for (const buffer of buffers) if (buffer.committedTid === tid) this.writeBlockHome(buffer);
    }
  }

  private writeBlockHome(buffer: Buffer): void {
    const { buffers } = this;
    const { device, geometry } = buffers;
    const home = geometry.pblkToDevByte(buffer.pblk);
    const changed = buffer.tid === this.tid || buffer.dropped;
    if (!changed && buffer.bytes !== null) {
      device.storeNonTemporal(home, buffer.bytes, 0, geometry.blockSize, PURPOSE_CHECKPOINT);
    } else {
      this.copyHome(buffer, home);
    }
    buffer.committedTid = 0;
    if (!changed) buffers.settle(buffer);
  }

  /** From the log: what the buffer holds now is not durable, or it holds nothing of its own. */
  private copyHome(buffer: Buffer, home: number): void {
    const { device, geometry } = this.buffers;
    const { blockSize } = geometry;
    const copy = device.directAccess(buffer.logAt, blockSize);
    if (buffer.logEscaped) {
      device.storeNonTemporal(home, j.MAGIC_BYTES, 0, 4, PURPOSE_CHECKPOINT);
      device.storeNonTemporal(home + 4, copy, 4, blockSize - 4, PURPOSE_CHECKPOINT);
    } else {
      device.storeNonTemporal(home, copy, 0, blockSize, PURPOSE_CHECKPOINT);
    }
  }
}
