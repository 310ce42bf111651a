/** Does one job. Needs the personalities, which only an app knows. */
import {
  assert,
  DataPathNames,
  OptionError,
  type Personality,
  WriteProtocolNames,
} from "@xiplab/core";
import { type CrashCase, type CrashExplanation, exploreCrash, replayCrash } from "@xiplab/crash";
import { CRASH_DEVICE_BYTES, crashSteps } from "./crash-case.ts";
import { type Design, type DesignName, mountOptionsOf } from "./design.ts";
import type { CrashJobResult, Job, JobResult } from "./jobs.ts";
import { meterRun, type NowNs, timeRun } from "./measure.ts";
import { type WorkloadName, WorkloadNames, type WorkloadOptions } from "./workload.ts";

export interface JobSurroundings {
  readonly personalities: readonly Personality[];
  readonly options: WorkloadOptions;
  readonly now: NowNs;
}

/** @throws what the design throws: a workload that fails is a bug, not a result. */
export function runJob(job: Job, { personalities, options, now }: JobSurroundings): JobResult {
  const personality = personalities.find((one) => one.name === job.design.personality);
  assert(personality !== undefined, "the personality of a job is known");
  const design: Design = { ...job.design, personality };
  switch (job.kind) {
    case "time":
      return timeRun(design, job.workload, options, now);
    case "meter":
      return meterRun(design, job.workload, options, job.media);
    case "crash":
      return crashRun(job, personality, options);
  }
}

function crashRun(
  job: Job & { kind: "crash" },
  personality: Personality,
  options: WorkloadOptions,
): CrashJobResult {
  const { design, workload, bounds } = job;
  const crashCase = crashCaseOf(personality, design, workload, options);
  const result = exploreCrash({ ...crashCase, bounds });
  assert(result.markedPages > 0, "the free space was marked");
  return {
    kind: "crash",
    verdict: {
      states: result.states,
      lost: result.lost.count,
      stale: result.stale.count,
      broken: result.broken.count,
      firstId: result.firstId,
      points: result.points,
      pointsBounded: result.skipped.points,
    },
  };
}

function crashCaseOf(
  personality: Personality,
  design: Pick<DesignName, "data" | "unwritten">,
  workload: WorkloadName,
  options: WorkloadOptions,
): CrashCase {
  return {
    name: workload,
    personality,
    mountOptions: mountOptionsOf(design),
    deviceSize: Math.max(CRASH_DEVICE_BYTES, personality.deviceSizeMin),
    ...crashSteps(workload, options),
    seed: options.seed,
  };
}

/**
 * Run the one crash state again that `id` names (`CrashVerdict.firstId`), and explain it. Options
 * must be those of the comparison that gave the id.
 * @throws OptionError where `id` is not one of a comparison; PlanError where there is no such state.
 */
export function replayId(
  id: string,
  personalities: readonly Personality[],
  options: WorkloadOptions,
): CrashExplanation {
  const [personalityName, data, unwritten, rest = ""] = id.split("/");
  const personality = personalities.find((one) => one.name === personalityName);
  const workload = WorkloadNames.find((name) => rest.startsWith(`${name}:`));
  const path = DataPathNames.find((name) => name === data);
  if (personality === undefined || workload === undefined || path === undefined) {
    throw new OptionError(`'${id}' is not the id of a crash state as compare prints it`);
  }
  const protocol = WriteProtocolNames.find((name) => name === unwritten) ?? null;
  const design = { data: path, unwritten: path === "xip" ? protocol : null };
  return replayCrash(id, crashCaseOf(personality, design, workload, options));
}
