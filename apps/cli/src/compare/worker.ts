/** A thread of `xip compare`: does jobs. It gets the workload options once, when it starts. */
import { workerData } from "node:worker_threads";
import { type Job, type JobResult, runJob, type WorkloadOptions } from "@xiplab/workload";
import { personalities } from "../personalities.ts";

// tinypool puts its own data in front.
const [, options] = workerData as [unknown, WorkloadOptions];

const surroundings = { personalities, options, now: () => performance.now() * 1e6 };

/** Called by the pool. */
// oxlint-disable-next-line import/no-default-export -- the pool looks for the default export
export default (job: Job): JobResult => runJob(job, surroundings);
