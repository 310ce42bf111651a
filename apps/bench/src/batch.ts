/** The unit of timing: a loop over one operation, with what must be undone kept off the clock. */
import { threadCpuMs } from "./cpu-clock.ts";
import { median } from "./statistics.ts";

export interface Batch {
  /** Operations that can be done before `after` must undo them. */
  readonly ops: number;
  /** Off the clock, before operation 0. */
  before?(): void;
  /** Do the operations [first, end), in order. */
  run(first: number, end: number): void;
  /** Off the clock, after the last operation. */
  after?(): void;
  /** Give back what `prepare` took, check what the operations left. */
  end?(): void;
}

/** One measurement. Nanoseconds per operation. */
export interface Slice {
  /** Median over the chunks of the slice; where it has one chunk, what that took. */
  readonly median: number;
  /**
   * Mean of what the thread spent: with garbage collection, and with the commits of a journal, which
   * fall into few chunks; without what the machine gave to other programs meanwhile. Of what this process does itself, that is: else nothing.
   */
  readonly mean?: number;
}

/** What gives slices until it is ended. */
export interface Measurement {
  /** @param budgetMs About how long, where that can be chosen. */
  slice(budgetMs: number): Slice;
  end(): void;
}

/** A chunk is short, so that most are not interrupted, and long against the clock's cost. */
const CHUNK_MS = 0.2;

/**
 * Measures one batch, slice by slice; a slice goes on where the one before it stopped. Knows from
 * the slice before how many operations make a chunk.
 *
 * Why an own loop and not tinybench: rounds of different processes alternate, and the undoing of
 * each batch stays off the clock; tinybench runs one task to its end in one process.
 */
export class Meter implements Measurement {
  private readonly batch: Batch;
  private chunkOps = 1;
  /** The next operation of the batch. */
  private next = 0;

  constructor(batch: Batch) {
    this.batch = batch;
  }

  /** Run until `budgetMs` milliseconds were on the clock, at least one chunk. */
  slice(budgetMs: number): Slice {
    const { batch } = this;
    const chunks: number[] = [];
    let ops = 0;
    let totalMs = 0;
    let cpuMs = 0;
    while (totalMs < budgetMs) {
      const first = this.next;
      const end = Math.min(first + this.chunkOps, batch.ops);
      if (first === 0) batch.before?.();
      const cpuStart = threadCpuMs();
      const start = performance.now();
      batch.run(first, end);
      const took = performance.now() - start;
      cpuMs += threadCpuMs() - cpuStart;
      if (end === batch.ops) batch.after?.();
      this.next = end % batch.ops;
      totalMs += took;
      ops += end - first;
      chunks.push((took * 1e6) / (end - first));
    }
    const middle = median(chunks);
    this.chunkOps = Math.max(1, Math.round((CHUNK_MS * 1e6) / middle));
    return { median: middle, mean: (cpuMs * 1e6) / ops };
  }

  /** Bring the batch to its end, off the clock. */
  end(): void {
    const { batch } = this;
    if (this.next > 0) {
      batch.run(this.next, batch.ops);
      batch.after?.();
    }
    batch.end?.();
  }
}
