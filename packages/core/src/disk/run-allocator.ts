/**
 * A bitmap whose changes belong to a transaction. What the transaction takes is used at once, and
 * free again if it fails. What it gives up stays used until it is durable: else a power cut could
 * bring back a file whose blocks are another's by then.
 */
import { assert } from "../spec/errors.ts";
import { Bitmap, type Run } from "./bitmap.ts";

export class RunAllocator extends Bitmap {
  /** Behind what was taken last: where to look first for what has no better place. */
  cursor = 0;
  private readonly taken: Run[] = [];
  private readonly given: Run[] = [];

  /** Take free bits, as `findFree` finds them; there are some. May be shorter than `want`. */
  take(want: number, from: number, whole: boolean): Run {
    const run = this.findFree(want, Math.min(from, this.size), whole);
    assert(run.length > 0, "some bits are free");
    this.mark(run.start, run.length, true);
    this.cursor = run.start + run.length;
    this.taken.push(run);
    return run;
  }

  /** Give a run up when the transaction commits. */
  release(start: number, length: number): void {
    this.given.push({ start, length });
  }

  /** The transaction is durable. Returns the bits taken less those given up. */
  commit(): number {
    let grown = 0;
    for (const { length } of this.taken.splice(0)) grown += length;
    for (const { start, length } of this.given.splice(0)) {
      assert(this.mark(start, length, false) === length, "what is given up was used");
      grown -= length;
    }
    return grown;
  }

  /** The transaction failed. */
  rollback(): void {
    this.given.length = 0;
    for (const { start, length } of this.taken.splice(0)) this.mark(start, length, false);
  }
}
