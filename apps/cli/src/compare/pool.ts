/** Threads for `xip compare`. */
import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { Tinypool } from "tinypool";
import type { Execute, JobResult, WorkloadOptions } from "@xiplab/workload";

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

/** Threads use the compile cache of the main thread, which they do not do by themselves. */
export function threadEnvironment(): Record<string, string> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  const cache = getCompileCacheDir();
  // The directory that Node was given, above the one that it made for its own version.
  return cache === undefined ? env : { ...env, NODE_COMPILE_CACHE: dirname(cache) };
}
