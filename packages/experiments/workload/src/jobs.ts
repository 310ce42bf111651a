/**
 * A comparison cut into jobs that any thread can do. Jobs and results are plain data.
 *
 * - `time`: one round of one design under one workload, nobody watching the device.
 * - `meter`: the same run once, watched by one cost meter per medium; contents verified.
 * - `crash`: the scaled-down run, with the power cut everywhere.
 */
import type { MediaName, PurposeName } from "@xiplab/core";
import type { CrashBounds } from "@xiplab/crash";
import type { DesignName } from "./design.ts";
import type { CrashVerdict, Percentiles, Verification } from "./row.ts";
import type { WorkloadName } from "./workload.ts";

interface Cell {
  readonly design: DesignName;
  readonly workload: WorkloadName;
}

export type Job =
  | (Cell & { readonly kind: "time"; readonly round: number })
  | (Cell & { readonly kind: "meter"; readonly media: readonly MediaName[] })
  | (Cell & { readonly kind: "crash"; readonly bounds: Partial<CrashBounds> });

export interface TimeResult {
  readonly kind: "time";
  readonly ops: number;
  /** Nanoseconds of each run of so many operations. Chunk n is the same work in every round. */
  readonly chunksNs: readonly number[];
}

export interface MediaResult {
  readonly media: MediaName;
  readonly modelledNsPerOp: Percentiles;
  readonly mediaWriteAmplification: number;
}

export interface MeterResult extends Verification {
  readonly kind: "meter";
  readonly ops: number;
  readonly media: readonly MediaResult[];
  readonly bytes: Readonly<Record<PurposeName, number>>;
  readonly stores: number;
  readonly flushes: number;
  readonly fences: number;
  readonly transactions: number;
  readonly extentsPerFile: number;
  readonly spaceUsed: number;
}

export interface CrashJobResult {
  readonly kind: "crash";
  readonly verdict: CrashVerdict;
}

export type JobResult = TimeResult | MeterResult | CrashJobResult;

/** What to compare. */
export interface Plan {
  readonly designs: readonly DesignName[];
  readonly workloads: readonly WorkloadName[];
  readonly media: readonly MediaName[];
  readonly quick: boolean;
  /** Leave the crash exploration out. */
  readonly crash: boolean;
}

const ROUNDS = 7;
const ROUNDS_QUICK = 3;

const BOUNDS: Partial<CrashBounds> = {
  exhaustiveStates: 256,
  exhaustiveLines: 6,
  linesMax: 24,
  prefixesMax: 16,
  samples: 16,
};
const BOUNDS_QUICK: Partial<CrashBounds> = {
  exhaustiveStates: 8,
  exhaustiveLines: 3,
  linesMax: 3,
  prefixesMax: 2,
  samples: 1,
};

/**
 * Timing jobs, to be done first and by threads that do nothing else; rounds on the outside, so that
 * a machine that gets slower or faster with time does it to every design alike.
 */
export function timeJobs(plan: Plan): Job[] {
  const rounds = plan.quick ? ROUNDS_QUICK : ROUNDS;
  const jobs: Job[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const workload of plan.workloads) {
      for (const design of plan.designs) jobs.push({ kind: "time", design, workload, round });
    }
  }
  return jobs;
}

/** The jobs that count and judge. The longest kind first, so that no thread idles at the end. */
export function studyJobs(plan: Plan): Job[] {
  const jobs: Job[] = [];
  const bounds = plan.quick ? BOUNDS_QUICK : BOUNDS;
  const cells = plan.workloads.flatMap((workload) =>
    plan.designs.map((design) => ({ workload, design })),
  );
  if (plan.crash) for (const cell of cells) jobs.push({ kind: "crash", ...cell, bounds });
  for (const cell of cells) jobs.push({ kind: "meter", ...cell, media: plan.media });
  return jobs;
}
