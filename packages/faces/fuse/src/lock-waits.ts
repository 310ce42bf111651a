/**
 * Requests for locks (SETLKW) that wait, by the number of the request, until the lock is theirs or
 * the kernel sends INTERRUPT.
 *
 * INTERRUPT may overtake its request where several threads read the device. One thread reads it
 * here, and the kernel sends INTERRUPT only for what was read; but a channel need not be the kernel,
 * so such numbers are kept for a while. A number is never used twice in the life of a connection.
 */
import type { LockWait } from "@xiplab/core";

/** More than the processes that one interrupts at once. */
const OVERTAKEN_MAX = 64;
const TWO_32 = 2 ** 32;

/** Requests are numbered by even numbers, far below 2^53 in the life of a machine. */
export const uniqueOf = (low: number, high: number): number => high * TWO_32 + low;

interface Waiting {
  readonly wait: LockWait;
  readonly interrupted: () => void;
}

export class LockWaits {
  private readonly byUnique = new Map<number, Waiting>();
  private readonly overtaken = new Set<number>();

  /** How many requests wait. */
  get count(): number {
    return this.byUnique.size;
  }

  /** The request waits; `interrupted` answers it when it is to wait no more. */
  add(unique: number, wait: LockWait, interrupted: () => void): void {
    this.byUnique.set(unique, { wait, interrupted });
  }

  /** It has its lock. */
  granted(unique: number): void {
    this.byUnique.delete(unique);
  }

  /** Was the request interrupted before it came? Asked once, by one that would wait. */
  takeOvertaken(unique: number): boolean {
    return this.overtaken.delete(unique);
  }

  /** Nobody waits for the answer any more. A request that waits is answered. */
  interrupt(unique: number): void {
    const waiting = this.byUnique.get(unique);
    if (waiting !== undefined) {
      this.byUnique.delete(unique);
      waiting.wait.cancel();
      waiting.interrupted();
      return;
    }
    // Answered a moment ago, as a rule; or not here yet.
    this.overtaken.add(unique);
    if (this.overtaken.size <= OVERTAKEN_MAX) return;
    const [oldest] = this.overtaken;
    this.overtaken.delete(oldest!);
  }

  /** The connection is gone: there is nobody to answer. */
  forgetAll(): void {
    for (const { wait } of this.byUnique.values()) wait.cancel();
    this.byUnique.clear();
  }
}
