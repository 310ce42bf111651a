/** The unit of timing: a loop over one operation, with what must be undone kept off the clock. */

export interface Batch {
  /** Operations that one `run` does. */
  readonly ops: number;
  /** Off the clock, before each `run`. */
  before?(): void;
  run(): void;
  /** Off the clock, after each `run`. */
  after?(): void;
  /** Give back what `prepare` took, check what the operation left. */
  end?(): void;
}

/** One measurement. Nanoseconds per operation. */
export interface Slice {
  readonly wall: number;
  /** CPU time of the thread, kernel part included: what a busy machine disturbs less. */
  readonly cpu: number;
}

/**
 * Run the batch until it was on the clock for `budgetMs` milliseconds, at least once.
 *
 * Why an own loop and not tinybench: rounds of different processes alternate, and the undoing of
 * each batch stays off the clock; tinybench runs one task to its end in one process.
 */
export function measure(batch: Batch, budgetMs: number): Slice {
  let ops = 0;
  let wallMs = 0;
  let cpuUs = 0;
  while (wallMs < budgetMs) {
    batch.before?.();
    const cpu = threadCpu();
    const start = performance.now();
    batch.run();
    wallMs += performance.now() - start;
    cpuUs += threadCpu() - cpu;
    batch.after?.();
    ops += batch.ops;
  }
  return { wall: (wallMs * 1e6) / ops, cpu: (cpuUs * 1e3) / ops };
}

/** Microseconds of CPU that this thread used. */
function threadCpu(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
