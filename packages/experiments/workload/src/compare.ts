/** Runs a plan and puts the rows together. The caller says where jobs run. */
import { assert, type PurposeName } from "@xiplab/core";
import { designId, isSound, WRITEBACK } from "./design.ts";
import {
  type CrashJobResult,
  type Job,
  type JobResult,
  type MeterResult,
  type Plan,
  studyJobs,
  timeJobs,
  type TimeResult,
} from "./jobs.ts";
import { median } from "./percentiles.ts";
import type { ComparisonRow } from "./row.ts";
import { provokes } from "./workload.ts";

/** Does one job: here, or in another thread. */
export type Execute = (job: Job) => Promise<JobResult>;

export interface CompareHooks {
  /** Timing jobs: threads that run nothing else. */
  readonly time: Execute;
  readonly study: Execute;
  /** After each job. */
  readonly onProgress?: (done: number, total: number, job: Job) => void;
}

/** Everything that was measured, one row per design, medium and workload, in the plan's order. */
export async function comparePlan(plan: Plan, hooks: CompareHooks): Promise<ComparisonRow[]> {
  const timings = timeJobs(plan);
  const studies = studyJobs(plan);
  const total = timings.length + studies.length;
  let done = 0;
  const collected = new Map<string, JobResult[]>();
  const collect = (execute: Execute) => async (job: Job) => {
    const result = await executeOrTell(execute, job);
    const key = cellKey(job);
    collected.set(key, [...(collected.get(key) ?? []), result]);
    hooks.onProgress?.(++done, total, job);
  };
  // In parallel as far as the executor has threads; timing first, on its own.
  await Promise.all(timings.map(collect(hooks.time)));
  await Promise.all(studies.map(collect(hooks.study)));
  return plan.workloads.flatMap((workload) =>
    plan.designs.flatMap((design) =>
      rowsOf({ design, workload }, collected.get(cellKey({ design, workload })) ?? []),
    ),
  );
}

/** A failure crosses threads as a bare message: say what failed. */
async function executeOrTell(execute: Execute, job: Job): Promise<JobResult> {
  try {
    return await execute(job);
  } catch (error) {
    const what = `${job.kind} of ${designId(job.design)} under ${job.workload}`;
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${what}: ${message}`, { cause: error });
  }
}

type CellOf = Pick<Job, "design" | "workload">;

const cellKey = ({ design, workload }: CellOf): string => `${workload} ${designId(design)}`;

/** One cell's results as rows, one per medium. */
function rowsOf({ design, workload }: CellOf, results: readonly JobResult[]): ComparisonRow[] {
  const times = results.filter((result): result is TimeResult => result.kind === "time");
  const metered = results.find((result): result is MeterResult => result.kind === "meter");
  const crash = results.find((result): result is CrashJobResult => result.kind === "crash");
  assert(times.length > 0, "a cell was timed");
  assert(metered !== undefined, "a cell was metered");
  const rounds = times.map((time) => sum(time.chunksNs) / time.ops);
  const { kind: _kind, media, ...shared } = metered;
  return media.map((one) => ({
    personality: design.personality,
    unwritten: design.unwritten ?? WRITEBACK,
    data: design.data,
    media: one.media,
    workload,
    sound: isSound(design),
    wallNsPerOp: undisturbedNs(times) / times[0]!.ops,
    wallNsPerOpMedian: median(rounds),
    rounds: times.length,
    controlExpected: provokes(workload),
    modelledNsPerOp: one.modelledNsPerOp,
    zeroingShare: zeroingShare(shared.bytes),
    mediaWriteAmplification: one.mediaWriteAmplification,
    ...shared,
    crash: crash?.verdict ?? null,
  }));
}

/**
 * What the work takes when nothing else runs: the best round of each chunk, added up. A short chunk
 * often comes through undisturbed on a machine on which a whole run never does.
 */
export function undisturbedNs(times: readonly TimeResult[]): number {
  const [first] = times;
  assert(first !== undefined, "a cell was timed");
  return sum(
    first.chunksNs.map((_, chunk) => Math.min(...times.map((time) => time.chunksNs[chunk]!))),
  );
}

const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);

export function zeroingShare(bytes: Readonly<Record<PurposeName, number>>): number {
  const total = sum(Object.values(bytes));
  return total === 0 ? 0 : bytes.zeroing / total;
}
