/**
 * The fault injector: an observer that refuses. Give it first, so that nobody hears of an event that
 * did not happen.
 *
 * - Poisoned lines: a load that touches one throws FsError EIO, as a kernel reports a machine check.
 *   Overwriting the whole aligned page that holds the line clears it, as Linux clears poison (the
 *   medium can only be told "all of this is new"); a smaller store does not.
 * - Power cut: the n-th event throws `PowerCut` and does not happen, and nothing after it reaches the
 *   memory: the CPU is dead until `restorePower`. The memory then holds every store before the cut,
 *   those in caches too; for what a cut may leave of them, record the run and use `InFlight`.
 * - A device shorter than its superblock says needs no injector: make it shorter. Access beyond the
 *   end throws FsError EIO.
 */
import { assert, FsError } from "../spec/errors.ts";
import { LINE_SIZE, PAGE_SIZE } from "../spec/units.ts";
import type { PmemObserver } from "./observer.ts";

/** The power failed. Nobody below the test that ordered it is to catch this. */
export class PowerCut extends Error {
  override readonly name = "PowerCut";
  readonly code = "POWERCUT";
  /** How many stores, flushes and fences happened before. */
  readonly events: number;

  constructor(events: number) {
    super(`the power failed after ${events} stores, flushes and fences`);
    this.events = events;
  }
}

export class FaultInjector implements PmemObserver {
  /** Stores, flushes and fences that happened. */
  events = 0;
  private cutAfter = Number.POSITIVE_INFINITY;
  private isPowerOff = false;
  private readonly poisoned = new Set<number>();

  /** Make every line that the range touches unreadable. */
  poison(offset: number, length: number): void {
    assert(length > 0, "a poisoned range is not empty");
    const last = Math.floor((offset + length - 1) / LINE_SIZE);
    for (let line = Math.floor(offset / LINE_SIZE); line <= last; line++) this.poisoned.add(line);
  }

  /** Device bytes at which poisoned lines start, ascending. */
  get poisonedLines(): number[] {
    return [...this.poisoned].map((line) => line * LINE_SIZE).sort((one, other) => one - other);
  }

  /** The power fails at the n-th store, flush or fence from now: 1 is the next one. */
  cutPowerAt(n: number): void {
    assert(Number.isInteger(n) && n >= 1, "events are counted from 1");
    this.cutAfter = this.events + n - 1;
  }

  /** Power is back, or a cut that has not come is called off. */
  restorePower(): void {
    this.isPowerOff = false;
    this.cutAfter = Number.POSITIVE_INFINITY;
  }

  onLoad(offset: number, length: number): void {
    if (this.isPowerOff) throw new PowerCut(this.events);
    if (this.poisoned.size === 0) return;
    const bad = this.firstPoisoned(offset, length);
    if (bad >= 0) throw new FsError("EIO", `the line at byte ${bad * LINE_SIZE} is poisoned`);
  }

  beforeStore(_offset: number, _length: number, _nonTemporal: boolean): void {
    this.countEvent();
  }

  onStore(offset: number, bytes: Uint8Array): void {
    if (this.poisoned.size === 0) return;
    const linesPerPage = PAGE_SIZE / LINE_SIZE;
    const first = Math.ceil(offset / PAGE_SIZE) * linesPerPage;
    const end = Math.floor((offset + bytes.length) / PAGE_SIZE) * linesPerPage;
    for (const line of this.poisoned) {
      if (line >= first && line < end) this.poisoned.delete(line);
    }
  }

  onFlush(_offset: number, _length: number): void {
    this.countEvent();
  }

  onFence(): void {
    this.countEvent();
  }

  private countEvent(): void {
    if (this.events >= this.cutAfter) this.isPowerOff = true;
    if (this.isPowerOff) throw new PowerCut(this.events);
    this.events++;
  }

  /** The lowest poisoned line that the range touches, or -1. */
  private firstPoisoned(offset: number, length: number): number {
    const first = Math.floor(offset / LINE_SIZE);
    const last = Math.floor((offset + length - 1) / LINE_SIZE);
    let found = -1;
    if (last - first < this.poisoned.size) {
      for (let line = last; line >= first; line--) if (this.poisoned.has(line)) found = line;
      return found;
    }
    for (const line of this.poisoned) {
      if (line >= first && line <= last && (found < 0 || line < found)) found = line;
    }
    return found;
  }
}
