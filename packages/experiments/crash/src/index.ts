/** Power-loss explorer for file systems on persistent memory. */
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
export { VerdictNames } from "./types.ts";
export type { CrashExplanation } from "./explain.ts";
export { exploreCrash, replayCrash } from "./explore.ts";
