/** Threads for `xip compare`. */
import { Tinypool } from "tinypool";
import type { Execute, JobResult, WorkloadOptions } from "@xiplab/workload";
import { threadEnvironment } from "../threads.ts";

export interface Pool {
  readonly execute: Execute;
  /** Ends the threads. */
  close(): Promise<void>;
}

// The source runs as it is; the published package holds JavaScript.
const WORKER = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";

/** Threads start with the first job. Each gets its own copy of `options`. */
export function makePool(threads: number, options: WorkloadOptions): Pool {
  const pool = new Tinypool({
    filename: new URL(WORKER, import.meta.url).href,
    minThreads: 0,
    maxThreads: threads,
    isolateWorkers: false,
    workerData: options,
    env: threadEnvironment(),
  });
  return {
    execute: async (job) => (await pool.run(job)) as JobResult,
    close: () => pool.destroy(),
  };
}
