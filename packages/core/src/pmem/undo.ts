/**
 * The undo log behind `Pmem.snapshot` and `Pmem.rollback`: the first store to a page after a
 * snapshot copies the page; rolling back copies it back. A crash state so costs the pages that it
 * and its recovery touch, not a copy of the device.
 *
 * Snapshots nest: a level is a position in one log. A page may stand in the log twice (once for an
 * outer level, again after an inner level came and went); undoing from the end restores the oldest
 * copy last, which is the right one.
 */
import { assert } from "../spec/errors.ts";
import { SEGMENT_SIZE } from "../spec/device.ts";
import { PAGE_SIZE } from "../spec/units.ts";

const PAGES_PER_SEGMENT = SEGMENT_SIZE / PAGE_SIZE;

export class UndoLog {
  /** Segment of every saved page, with its page inside the segment and its old bytes. */
  private readonly segmentOf: Uint8Array[] = [];
  private readonly pageOf: number[] = [];
  /** Buffers are kept for the next snapshot: thousands of rollbacks allocate only once. */
  private readonly copies: Uint8Array[] = [];
  private used = 0;
  /** Where each open level begins in the log, and its stamp. */
  private readonly starts: number[] = [];
  private readonly stamps: number[] = [];
  private stamp = 0;
  private stampLast = 0;
  /** For every touched segment the stamp under which each page was saved last. */
  private readonly savedUnder = new Map<number, Float64Array>();

  get depth(): number {
    return this.starts.length;
  }

  /** Open a level. */
  push(): void {
    this.starts.push(this.used);
    this.stampLast++;
    this.stamp = this.stampLast;
    this.stamps.push(this.stamp);
  }

  /** Keep the pages of `segment` that [at, at+length) touches, unless this level has them. */
  save(index: number, segment: Uint8Array, at: number, length: number): void {
    assert(this.depth > 0, "a page is saved under a snapshot");
    let marks = this.savedUnder.get(index);
    if (marks === undefined) {
      marks = new Float64Array(PAGES_PER_SEGMENT);
      this.savedUnder.set(index, marks);
    }
    const last = Math.floor((at + length - 1) / PAGE_SIZE);
    for (let page = Math.floor(at / PAGE_SIZE); page <= last; page++) {
      if (marks[page] === this.stamp) continue;
      marks[page] = this.stamp;
      this.keep(segment, page);
    }
  }

  /** Put back what was saved since the innermost level was opened, and close that level. */
  pop(): void {
    const start = this.starts.pop();
    assert(start !== undefined, "a rollback has its snapshot");
    this.stamps.pop();
    while (this.used > start) {
      this.used--;
      this.segmentOf[this.used]!.set(this.copies[this.used]!, this.pageOf[this.used]! * PAGE_SIZE);
    }
    this.stamp = this.stamps.at(-1) ?? 0;
  }

  private keep(segment: Uint8Array, page: number): void {
    let copy = this.copies[this.used];
    if (copy === undefined) {
      copy = new Uint8Array(new ArrayBuffer(PAGE_SIZE));
      this.copies[this.used] = copy;
    }
    const from = page * PAGE_SIZE;
    copy.set(segment.subarray(from, from + PAGE_SIZE));
    this.segmentOf[this.used] = segment;
    this.pageOf[this.used] = page;
    this.used++;
  }
}
