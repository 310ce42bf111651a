/**
 * Looking for blocks: from the best place to any place, as mballoc does.
 *
 *   the goal            exactly there, where the request joins a neighbour
 *   POWER2_ALIGNED      a whole chunk of the buddy: for lengths that are powers of two
 *   GOAL_LEN_FAST       groups whose average run is long enough
 *   BEST_AVAIL_LEN      the same for half the length, and half of that: of what was asked for beyond
 *                       the need, something is better than nothing
 *   GOAL_LEN_SLOW       any group with so many free blocks
 *   ANY_FREE            anything
 *
 * Each begins at the goal's group and goes round. Devices of few groups are looked through group by
 * group; larger ones by the lists of group-index.ts. A search looks at a limited number of runs,
 * then takes the best that it saw.
 */
import type { Geometry } from "../geometry.ts";
import type { Buddy, Found } from "./buddy.ts";
import type { GroupIndex } from "./group-index.ts";
import type { Space } from "./space.ts";

/** Runs looked at before the search ends with what it has. */
const SCAN_MAX = 200;
/** Runs looked at in hope of a better one, once there is one that will do. */
const SCAN_MIN = 10;
/** Fewer groups are looked through one by one. */
const LISTS_FROM_GROUPS = 16;
/** BEST_AVAIL_LEN halves the length so often. */
const TRIM_MAX = 3;
/** Flex groups of so many groups keep data out of their first, which directories are in. */
export const FLEX_DATA_APART = 4;

const POWER2_ALIGNED = 0;
const GOAL_LEN_FAST = 1;
const BEST_AVAIL_LEN = 2;
const GOAL_LEN_SLOW = 3;
const ANY_FREE = 4;

export class Search {
  // What is looked for. Set all before `run`.
  /** Group to begin with, and block in it. */
  group = 0;
  start = 0;
  /** Blocks that would be best, and that are needed. */
  length = 0;
  needed = 0;
  /** Try the goal exactly. */
  tryGoal = false;
  /** Blocks of a regular file. */
  data = false;
  /** Groups by list: files with indirect blocks go through them one by one. */
  lists = true;

  // What was found: at most `length` blocks.
  foundGroup = 0;
  foundStart = 0;
  foundLength = 0;

  private readonly space: Space;
  private readonly index: GroupIndex;
  private readonly geometry: Geometry;
  private readonly extent: Found = { start: 0, length: 0 };
  private criterion = 0;
  /** Order of `length` where that is a power of two from 2 on, else 0. */
  private order = 0;
  private looks = 0;
  private done = false;

  constructor(space: Space, index: GroupIndex) {
    this.space = space;
    this.index = index;
    this.geometry = space.geometry;
  }

  /** Is `group`, `start` free for the whole length? A search of its own, before `run`. */
  runAtGoal(): boolean {
    const buddy = this.space.buddy(this.group);
    if (buddy.free === 0 || this.start >= buddy.length || !buddy.isFree(this.start)) return false;
    buddy.extentAt(this.start, this.length, this.extent);
    if (this.extent.length < this.length) return false;
    this.foundGroup = this.group;
    this.foundStart = this.start;
    this.foundLength = this.length;
    return true;
  }

  /** False where nothing is free. */
  run(): boolean {
    this.foundLength = 0;
    this.looks = 0;
    this.done = false;
    const wanted = this.length;
    const power = (wanted & (wanted - 1)) === 0 ? 31 - Math.clz32(wanted) : 0;
    this.order = power <= this.index.orderMax ? power : 0;
    const listed = this.lists && this.index.count >= LISTS_FROM_GROUPS;
    const first = this.order > 0 ? POWER2_ALIGNED : GOAL_LEN_FAST;
    for (let criterion = first; criterion <= ANY_FREE && !this.done; criterion++) {
      if (criterion === BEST_AVAIL_LEN && !(listed && this.data)) continue;
      this.criterion = criterion;
      this.scanRound(listed, wanted);
    }
    this.foundLength = Math.min(this.foundLength, this.length);
    this.length = wanted;
    return this.foundLength > 0;
  }

  /** All groups behind the goal's, then those before it. */
  private scanRound(listed: boolean, wanted: number): void {
    const { group, index } = this;
    this.scanPart(listed, wanted, group, index.count);
    if (!this.done) this.scanPart(listed, wanted, 0, group);
  }

  private scanPart(listed: boolean, wanted: number, from: number, end: number): void {
    if (this.criterion >= GOAL_LEN_SLOW || !listed) this.scanAll(from, end);
    else if (this.criterion === POWER2_ALIGNED) this.scanByLargest(from, end);
    else if (this.criterion === GOAL_LEN_FAST) this.scanByAverage(from, end);
    else this.scanShorter(wanted, from, end);
  }

  private scanAll(from: number, end: number): void {
    const { index } = this;
    for (let at = index.nextAny(from, end); at < end && !this.done;) {
      this.scanGroup(at);
      at = index.nextAny(at + 1, end);
    }
  }

  private scanByLargest(from: number, end: number): void {
    const { index } = this;
    for (let order = this.order; order <= index.orderMax && !this.done; order++) {
      for (let at = index.nextByLargest(order, from, end); at < end && !this.done;) {
        this.scanGroup(at);
        at = index.nextByLargest(order, at + 1, end);
      }
    }
  }

  private scanByAverage(from: number, end: number): void {
    const { index } = this;
    const first = index.averageOrder(this.length);
    for (let list = first; list <= index.orderMax && !this.done; list++) {
      this.scanList(list, from, end);
    }
  }

  /** Shorter lengths, down to what is needed. Leaves `length` at the one that was found. */
  private scanShorter(wanted: number, from: number, end: number): void {
    const order = 31 - Math.clz32(wanted);
    let least = Math.max(0, order - TRIM_MAX);
    if (2 ** least < this.needed) least = 32 - Math.clz32(this.needed);
    for (let shorter = order; shorter >= least; shorter--) {
      this.length = 2 ** shorter;
      this.scanList(this.index.averageOrder(this.length), from, end);
      if (this.done) return;
    }
    this.length = wanted;
  }

  private scanList(list: number, from: number, end: number): void {
    const { index } = this;
    for (let at = index.nextByAverage(list, from, end); at < end && !this.done;) {
      this.scanGroup(at);
      at = index.nextByAverage(list, at + 1, end);
    }
  }

  private scanGroup(group: number): void {
    if (this.criterion <= GOAL_LEN_SLOW) {
      // Cheap, before its bitmap is read.
      if (this.space.groups.freeBlocksOf(group) < this.length) return;
    }
    const buddy = this.space.buddy(group);
    if (!this.isGood(group, buddy)) return;
    if (this.criterion === POWER2_ALIGNED) this.takeChunk(group, buddy);
    else this.scanRuns(group, buddy);
  }

  private isGood(group: number, buddy: Buddy): boolean {
    if (buddy.free === 0) return false;
    switch (this.criterion) {
      case POWER2_ALIGNED: {
        const { flexSize } = this.geometry;
        if (this.data && flexSize >= FLEX_DATA_APART && group % flexSize === 0) return false;
        return buddy.free >= this.length && buddy.largest >= this.order;
      }
      case GOAL_LEN_FAST:
      case BEST_AVAIL_LEN:
        return Math.floor(buddy.free / buddy.fragments) >= this.length;
      case GOAL_LEN_SLOW:
        return buddy.free >= this.length;
      default:
        return true;
    }
  }

  /** The first chunk of the smallest order that will do. */
  private takeChunk(group: number, buddy: Buddy): void {
    for (let order = this.order; order <= this.index.orderMax; order++) {
      if (buddy.counters[order] === 0) continue;
      this.keep(group, buddy.firstChunk(order), 2 ** order);
      this.done = true;
      return;
    }
  }

  private scanRuns(group: number, buddy: Buddy): void {
    const { extent, length } = this;
    const { length: end } = buddy;
    for (let at = buddy.nextFree(buddy.firstFree, end); at < end && !this.done;) {
      if (this.criterion < GOAL_LEN_SLOW && at + length <= end) {
        // Some run is long enough: the group would not have been picked otherwise.
        const stop = buddy.nextUsed(at, at + length);
        if (stop < at + length) {
          at = buddy.nextFree(stop, end);
          continue;
        }
      }
      buddy.extentAt(at, length, extent);
      this.measure(group, extent.start, extent.length);
      at = buddy.nextFree(at + extent.length, end);
    }
    if (!this.done && this.foundLength >= this.length) this.done = true;
  }

  /** Is this run better than the best so far? The shortest that is long enough is, else the
   * longest. */
  private measure(group: number, start: number, length: number): void {
    const best = this.foundLength;
    this.looks++;
    if (length === this.length) {
      this.keep(group, start, length);
      this.done = true;
      return;
    }
    const better = best < this.length ? length > best : length > this.length && length < best;
    if (better) this.keep(group, start, length);
    if (this.looks > SCAN_MAX) this.done = true;
    else if (this.looks > SCAN_MIN && this.foundLength >= this.length) this.done = true;
  }

  private keep(group: number, start: number, length: number): void {
    this.foundGroup = group;
    this.foundStart = start;
    this.foundLength = length;
  }
}
