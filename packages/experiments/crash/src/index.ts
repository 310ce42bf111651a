/** Power-loss explorer for file systems on persistent memory. */
export type { CrashExplanation, StoreRange } from "./explain.ts";
export { exploreCrash, replayCrash } from "./explore.ts";
export type { Finding } from "./oracle.ts";
export { DEFAULT_BOUNDS, PlanError } from "./plans.ts";
export { promisesOf } from "./promises.ts";
export { type CrashSample, sampleCrash } from "./sample.ts";
export type {
  CrashBounds,
  CrashCase,
  CrashProgress,
  CrashResult,
  Promises,
  Skipped,
  VerdictCount,
  VerdictName,
} from "./types.ts";
export { CrashCaseError, VerdictNames } from "./types.ts";
