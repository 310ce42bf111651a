/**
 * What both allocation policies stand on: the buddies of all groups, blocks that wait for a commit,
 * and who may have how much.
 *
 *   used on the medium      bit set in the bitmap; a block that is freed is clear in it at once
 *   used in the buddy       that, or preallocated, or freed by a transaction that is not durable
 *
 * A block goes back to the buddy when the transaction that freed it is durable: whoever gets it then
 * cannot overwrite what an older state of the file system still refers to.
 */
import { assert, corrupt, FsError } from "@xiplab/core";
import type { Geometry } from "../geometry.ts";
import type { GroupTable } from "../groups.ts";
import type { Transactions } from "../journal/transactions.ts";
import type { BlockRequest } from "../volume.ts";
import { Buddy, BuddyShape } from "./buddy.ts";

/** As the kernel keeps back: 2 % of the device, at most this many blocks. */
const SPARE_MAX = 4096;
const SPARE_SHARE = 50;

/** Called when the free blocks of a group change: for indexes over groups. */
export type GroupListener = (group: number, buddy: Buddy) => void;

export class Space {
  readonly geometry: Geometry;
  readonly groups: GroupTable;
  /** Blocks kept back for requests with `noFail` (I8). */
  readonly spare: number;
  /** Free blocks that preallocations hold. */
  preallocated = 0;
  /** Freed blocks that wait for a commit. */
  pending = 0;
  /** Blocks taken in memory alone (`stage`): free on the medium, and promised to nobody else. */
  staged = 0;
  /** Data blocks promised to delayed allocation. */
  private promised = 0;
  private readonly journal: Transactions;
  private readonly shape: BuddyShape;
  private readonly buddies: Array<Buddy | null>;
  private readonly scratch: DataView;
  private readonly changed: GroupListener;
  /** Start and length of each run that the transaction `freedTid` frees. */
  private freed: number[] = [];
  private freedTid = 0;

  constructor(groups: GroupTable, journal: Transactions, changed: GroupListener) {
    const { geometry } = groups;
    this.geometry = geometry;
    this.groups = groups;
    this.journal = journal;
    this.changed = changed;
    this.spare = Math.min(Math.floor(geometry.blockCount / SPARE_SHARE), SPARE_MAX);
    // The largest chunk has twice as many blocks as a block has bytes: 32 MiB with 4 KiB.
    const orderMax = 32 - Math.clz32(geometry.blockSize);
    this.shape = new BuddyShape(geometry.blocksPerGroup, orderMax);
    this.buddies = Array.from({ length: geometry.groupCount }, () => null);
    this.scratch = new DataView(new ArrayBuffer(geometry.blockSize));
  }

  get orderMax(): number {
    return this.shape.orderMax;
  }

  isLoaded(group: number): boolean {
    return this.buddies[group] !== null;
  }

  /** The buddy of a group, from its bitmap at first use. @throws CorruptionError */
  buddy(group: number): Buddy {
    const known = this.buddies[group];
    if (known !== null && known !== undefined) return known;
    this.groups.copyBlockBitmap(group, this.scratch);
    const buddy = new Buddy(this.shape, this.geometry.groupLength(group), this.scratch, 0);
    this.buddies[group] = buddy;
    this.changed(group, buddy);
    return buddy;
  }

  /**
   * How many blocks a request may have, at most what it asks for. Blocks that wait for a commit are
   * free and cannot be had: the spare is counted in those that can, so that `noFail` finds some.
   * @throws FsError ENOSPC
   */
  claim(request: BlockRequest, privileged: boolean): number {
    const free = this.groups.freeBlocks - this.staged;
    const now = free - this.pending;
    let room = now;
    if (request.noFail) room = free - Math.max(this.pending, this.promised);
    else if (!request.reserved) room = Math.min(this.available(privileged), now - this.spare);
    else if (this.pending > 0) room = now - this.spare;
    if (room <= 0) throw new FsError("ENOSPC");
    return Math.min(request.length, room);
  }

  /** Neither taken nor promised. */
  get unused(): number {
    const promised = this.promised + this.metadataFor(this.promised);
    return Math.max(0, this.groups.freeBlocks - this.staged - promised);
  }

  /** Free for a caller: without what is kept back, and root's share. */
  available(privileged: boolean): number {
    const forRoot = privileged ? 0 : this.geometry.reservedBlocks;
    return Math.max(0, this.unused - this.spare - forRoot);
  }

  /** Promise data blocks, and extent blocks for them. @throws FsError ENOSPC, nothing changed */
  reserve(blocks: number, privileged: boolean): void {
    assert(blocks >= 0, "a promise has blocks");
    const more = this.metadataFor(this.promised + blocks) - this.metadataFor(this.promised);
    if (blocks + more > this.available(privileged)) throw new FsError("ENOSPC");
    this.promised += blocks;
  }

  unreserve(blocks: number): void {
    assert(blocks <= this.promised, "a promise is taken back once");
    this.promised -= blocks;
  }

  /** Extent blocks for so many delayed blocks, none beside the other, in leaves half full. Files
   * with few of them each may need more: that is what the spare is for. */
  private metadataFor(blocks: number): number {
    return Math.ceil(blocks / Math.floor((this.geometry.blockSize - 12) / 24));
  }

  /** Take blocks from the buddy alone: for a preallocation, or before `use`. */
  hold(group: number, start: number, length: number): void {
    const buddy = this.buddy(group);
    buddy.take(start, length);
    this.changed(group, buddy);
  }

  /** Give blocks back to the buddy: they are free on the medium, and nobody's. */
  letGo(group: number, start: number, length: number): void {
    const buddy = this.buddy(group);
    buddy.release(start, length);
    this.changed(group, buddy);
  }

  /** Blocks that are held become a request's. Inside a handle; or in memory alone (`staging`). */
  use(group: number, start: number, length: number, reserved: boolean, staging: boolean): void {
    if (staging) this.staged += length;
    else this.groups.takeBlocks(group, start, length);
    if (reserved) this.unreserve(length);
  }

  /** Staged blocks become used. Inside a handle. */
  adopt(start: number, length: number): void {
    const { geometry } = this;
    for (let at = start; at < start + length;) {
      const group = geometry.groupOf(at);
      const first = geometry.groupStart(group);
      const stop = Math.min(start + length, first + geometry.groupLength(group));
      this.groups.takeBlocks(group, at - first, stop - at);
      at = stop;
    }
    this.staged -= length;
    assert(this.staged >= 0, "what is adopted was staged");
  }

  /** Staged blocks are free again. */
  unstage(start: number, length: number): void {
    const { geometry } = this;
    for (let at = start; at < start + length;) {
      const group = geometry.groupOf(at);
      const first = geometry.groupStart(group);
      const stop = Math.min(start + length, first + geometry.groupLength(group));
      this.letGo(group, at - first, stop - at);
      at = stop;
    }
    this.staged -= length;
    assert(this.staged >= 0, "what is given back was staged");
  }

  /**
   * Free used blocks; the run may cross groups. Inside a handle.
   * @throws CorruptionError where it is not on the device, fixed, or free
   */
  free(start: number, length: number): void {
    const { geometry, groups } = this;
    const end = start + length;
    assert(length > 0, "a run has blocks");
    if (start <= geometry.firstDataBlock || end > geometry.blockCount) {
      corrupt("ext4 block run", `block ${start}`, "end", end, `at most ${geometry.blockCount}`);
    }
    if (groups.fixed.overlaps(start, end)) {
      corrupt("ext4 block run", `block ${start}`, "content", "fixed metadata", "a file's blocks");
    }
    for (let at = start; at < end;) {
      const group = geometry.groupOf(at);
      const first = geometry.groupStart(group);
      const stop = Math.min(end, first + geometry.groupLength(group));
      // Loaded from the bitmap before it changes: the buddy is to count these blocks as used.
      this.buddy(group);
      groups.releaseBlocks(group, at - first, stop - at);
      this.remember(at, stop - at);
      at = stop;
    }
  }

  private remember(start: number, length: number): void {
    if (this.freedTid !== this.journal.tid) {
      const runs: number[] = [];
      this.freed = runs;
      this.freedTid = this.journal.tid;
      this.journal.whenDurable(() => this.settle(runs));
    }
    const { freed } = this;
    this.pending += length;
    const count = freed.length;
    const joins =
      count > 0 &&
      start === freed[count - 2]! + freed[count - 1]! &&
      this.geometry.groupOf(start) === this.geometry.groupOf(start - 1);
    if (joins) freed[count - 1]! += length;
    else freed.push(start, length);
  }

  /** The transaction that freed the runs is durable. */
  private settle(runs: readonly number[]): void {
    for (let i = 0; i < runs.length; i += 2) {
      const group = this.geometry.groupOf(runs[i]!);
      this.letGo(group, runs[i]! - this.geometry.groupStart(group), runs[i + 1]!);
      this.pending -= runs[i + 1]!;
    }
    assert(this.pending >= 0, "what becomes free was freed");
  }
}
