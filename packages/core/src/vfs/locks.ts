/**
 * Advisory locks: flock(2), one per open file, and record locks, on ranges of bytes.
 *
 * A record lock belongs to an owner: a process (POSIX, given up when the process closes the file by
 * any descriptor), or an open file (OFD: give the `OpenFile` itself as the owner). Nothing here
 * blocks. Who wants to wait leaves a callback, and is called when the lock is his.
 */
import { assert, FsError } from "../spec/errors.ts";
import type { Inode } from "../spec/inode.ts";
import { F_RDLCK, F_UNLCK, F_WRLCK } from "../spec/mode.ts";

/** Who holds record locks: told apart by identity or value. */
export type LockOwner = object | number | bigint | string;
/** An open file: here only its identity matters. */
type File = object;

export interface FileLock {
  /** F_RDLCK, F_WRLCK, F_UNLCK. */
  readonly type: number;
  /** First byte. */
  readonly start: number;
  /** Bytes; 0: to the end of the file, however far it grows. */
  readonly length: number;
  /** The process that asks, for whoever meets the lock by getlk. Means nothing here. */
  readonly pid?: number | undefined;
}

/** What getlk finds in the way. */
export interface HeldLock extends FileLock {
  readonly owner: LockOwner;
}

/** Somebody who waits. */
export interface LockWait {
  /** Do not wait any more. Does nothing once the lock was granted. */
  cancel(): void;
}

interface Range {
  readonly owner: LockOwner;
  /** The owner is an open file (OFD), and no process that could wait. */
  readonly isOfd: boolean;
  readonly type: number;
  readonly start: number;
  /** Exclusive; Infinity for a lock to the end. */
  readonly end: number;
  readonly pid: number | undefined;
}

interface Waiter {
  readonly file: File;
  /** A record lock, or null for flock of `type`. */
  readonly range: Range | null;
  readonly type: number;
  readonly granted: () => void;
}

/** The locks of one inode. */
class InodeLocks {
  /** Sorted by start; those of one owner never overlap, and touch only if their types differ. */
  ranges: Range[] = [];
  readonly flocks = new Map<File, number>();
  /** In the order in which they came. */
  waiters: Waiter[] = [];

  get isEmpty(): boolean {
    return this.ranges.length === 0 && this.flocks.size === 0 && this.waiters.length === 0;
  }
}

const isOverlapping = (a: Range, b: Range): boolean => a.start < b.end && b.start < a.end;

/** All locks of a mount. */
export class LockTable {
  private readonly byInode = new Map<Inode, InodeLocks>();

  /** Nobody holds or wants a lock: what close asks. */
  get isEmpty(): boolean {
    return this.byInode.size === 0;
  }

  /** A lock of somebody else that stands in the way of `lock`, or null. @throws FsError EINVAL */
  getRecord(inode: Inode, file: File, owner: LockOwner, lock: FileLock): HeldLock | null {
    const range = rangeOf(file, owner, lock);
    if (range.type === F_UNLCK) throw new FsError("EINVAL", "ask for a lock, not for its end");
    const held = this.blocker(inode, range);
    if (held === undefined) return null;
    const length = held.end === Infinity ? 0 : held.end - held.start;
    return { owner: held.owner, type: held.type, start: held.start, length, pid: held.pid };
  }

  /** Lock or unlock a range: replaces what the owner had there.
   * @throws FsError EAGAIN where somebody else's lock is in the way; EINVAL */
  setRecord(inode: Inode, file: File, owner: LockOwner, lock: FileLock): void {
    const range = rangeOf(file, owner, lock);
    if (this.blocker(inode, range) !== undefined) throw new FsError("EAGAIN");
    this.place(inode, range);
  }

  /**
   * As setRecord, but where the lock is not free wait for it: `granted` is called when it is. It runs
   * inside the operation that made way, and must not throw. Returns null if nothing is to wait for.
   * @throws FsError EDEADLK where processes would wait for one another in a circle; EINVAL
   */
  waitRecord(
    inode: Inode,
    file: File,
    owner: LockOwner,
    lock: FileLock,
    granted: () => void,
  ): LockWait | null {
    const range = rangeOf(file, owner, lock);
    if (this.blocker(inode, range) === undefined) {
      this.place(inode, range);
      return null;
    }
    if (this.wouldDeadlock(inode, range)) throw new FsError("EDEADLK");
    return this.wait(inode, { file, range, type: range.type, granted });
  }

  /**
   * flock(2): a shared (F_RDLCK) or exclusive lock of the whole file, or its end. A change of type
   * gives the old lock up first, as Linux does, and may end with none.
   * @throws FsError EAGAIN
   */
  setFlock(inode: Inode, file: File, type: number): void {
    if (this.byInode.get(inode)?.flocks.get(file) === type) return;
    this.dropFlock(inode, file);
    if (type === F_UNLCK) return;
    if (this.isFlockBlocked(inode, type)) throw new FsError("EAGAIN");
    this.locksOf(inode).flocks.set(file, type);
  }

  /** As setFlock, but wait: see waitRecord. */
  waitFlock(inode: Inode, file: File, type: number, granted: () => void): LockWait | null {
    assert(type !== F_UNLCK, "nobody waits for the end of his own lock");
    if (this.byInode.get(inode)?.flocks.get(file) === type) return null;
    this.dropFlock(inode, file);
    if (!this.isFlockBlocked(inode, type)) {
      this.locksOf(inode).flocks.set(file, type);
      return null;
    }
    return this.wait(inode, { file, range: null, type, granted });
  }

  /** An open file is closed by `owner`: what it held or waited for is given up. */
  closed(inode: Inode, file: File, owner: LockOwner): void {
    const locks = this.byInode.get(inode);
    if (locks === undefined) return;
    locks.waiters = locks.waiters.filter((waiter) => waiter.file !== file);
    locks.flocks.delete(file);
    locks.ranges = locks.ranges.filter((range) => range.owner !== file && range.owner !== owner);
    this.settle(inode, locks);
  }

  /** An owner gives up all record locks on the file, as a process does with each close(2). */
  releaseOwner(inode: Inode, owner: LockOwner): void {
    const locks = this.byInode.get(inode);
    if (locks === undefined) return;
    locks.ranges = locks.ranges.filter((range) => range.owner !== owner);
    this.settle(inode, locks);
  }

  private dropFlock(inode: Inode, file: File): void {
    const locks = this.byInode.get(inode);
    if (locks?.flocks.delete(file)) this.settle(inode, locks);
  }

  private isFlockBlocked(inode: Inode, type: number): boolean {
    const flocks = this.byInode.get(inode)?.flocks;
    if (flocks === undefined) return false;
    for (const held of flocks.values()) if (held === F_WRLCK || type === F_WRLCK) return true;
    return false;
  }

  private blocker(inode: Inode, wanted: Range): Range | undefined {
    if (wanted.type === F_UNLCK) return undefined;
    return this.byInode.get(inode)?.ranges.find((held) => isBlocking(held, wanted));
  }

  /** Put a range in, in the place of what its owner had there; then see who can go on. */
  private place(inode: Inode, range: Range): void {
    const locks = this.locksOf(inode);
    locks.ranges = replaceRange(locks.ranges, range);
    this.settle(inode, locks);
  }

  private wait(inode: Inode, waiter: Waiter): LockWait {
    this.locksOf(inode).waiters.push(waiter);
    return {
      cancel: () => {
        const locks = this.byInode.get(inode);
        if (locks === undefined) return;
        locks.waiters = locks.waiters.filter((other) => other !== waiter);
        this.settle(inode, locks);
      },
    };
  }

  /** Something was given up: grant what is free now, first come, first served. */
  private settle(inode: Inode, locks: InodeLocks): void {
    const waiting = locks.waiters;
    const granted: Waiter[] = [];
    locks.waiters = [];
    for (const waiter of waiting) {
      if (this.tryGrant(inode, locks, waiter)) granted.push(waiter);
      else locks.waiters.push(waiter);
    }
    if (locks.isEmpty) this.byInode.delete(inode);
    // Last, for what is called may lock and unlock again.
    for (const waiter of granted) waiter.granted();
  }

  private tryGrant(inode: Inode, locks: InodeLocks, waiter: Waiter): boolean {
    const { range, type, file } = waiter;
    if (range === null) {
      if (this.isFlockBlocked(inode, type)) return false;
      locks.flocks.set(file, type);
      return true;
    }
    if (this.blocker(inode, range) !== undefined) return false;
    locks.ranges = replaceRange(locks.ranges, range);
    return true;
  }

  /**
   * Does somebody who stands in the way wait, over any number of others, for the one who asks? Only
   * processes are asked about: an open file waits in no one place.
   */
  private wouldDeadlock(inode: Inode, wanted: Range): boolean {
    if (wanted.isOfd) return false;
    const seen = new Set<LockOwner>();
    const queue: LockOwner[] = this.blockersOf(inode, wanted);
    for (let owner = queue.pop(); owner !== undefined; owner = queue.pop()) {
      if (owner === wanted.owner) return true;
      if (seen.has(owner)) continue;
      seen.add(owner);
      for (const [otherInode, locks] of this.byInode) {
        for (const { range } of locks.waiters) {
          if (range?.owner === owner) queue.push(...this.blockersOf(otherInode, range));
        }
      }
    }
    return false;
  }

  private blockersOf(inode: Inode, wanted: Range): LockOwner[] {
    const ranges = this.byInode.get(inode)?.ranges ?? [];
    const blocking = ranges.filter((held) => !held.isOfd && isBlocking(held, wanted));
    return blocking.map((held) => held.owner);
  }

  private locksOf(inode: Inode): InodeLocks {
    const known = this.byInode.get(inode);
    if (known !== undefined) return known;
    const made = new InodeLocks();
    this.byInode.set(inode, made);
    return made;
  }
}

/** @throws FsError EINVAL */
function rangeOf(file: File, owner: LockOwner, lock: FileLock): Range {
  const { type, start, length, pid } = lock;
  const isType = type === F_RDLCK || type === F_WRLCK || type === F_UNLCK;
  const isRange = Number.isSafeInteger(start) && start >= 0;
  if (!isType || !isRange || !Number.isSafeInteger(length) || length < 0) {
    throw new FsError("EINVAL", "lock type or range");
  }
  const isOfd = owner === file;
  return { owner, isOfd, type, start, end: length === 0 ? Infinity : start + length, pid };
}

function isBlocking(held: Range, wanted: Range): boolean {
  if (held.owner === wanted.owner || !isOverlapping(held, wanted)) return false;
  return held.type === F_WRLCK || wanted.type === F_WRLCK;
}

/**
 * `ranges` with `wanted` in the place of what its owner had there: old ranges are cut, and neighbours
 * of the same type grow into one.
 */
function replaceRange(ranges: readonly Range[], wanted: Range): Range[] {
  const { owner, isOfd, type, pid } = wanted;
  const result: Range[] = [];
  let { start, end } = wanted;
  for (const held of ranges) {
    if (held.owner !== owner) {
      result.push(held);
    } else if (held.type === type && held.start <= end && held.end >= start) {
      start = Math.min(start, held.start);
      end = Math.max(end, held.end);
    } else {
      // Both cuts are empty where `held` lies inside, and the whole where it lies outside.
      if (held.start < start) result.push({ ...held, end: Math.min(held.end, start) });
      if (held.end > end) result.push({ ...held, start: Math.max(held.start, end) });
    }
  }
  if (type !== F_UNLCK) result.push({ owner, isOfd, type, start, end, pid });
  return result.sort((a, b) => a.start - b.start);
}
