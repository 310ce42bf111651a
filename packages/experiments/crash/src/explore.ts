/** Record a run, cut the power everywhere, and judge what recovery makes of it. */
import type { CrashExplanation } from "./explain.ts";
import type { CrashCase, CrashResult } from "./types.ts";

/** Explore one case. @throws CrashCaseError where an operation of the case itself fails. */
export function exploreCrash(_crashCase: CrashCase): CrashResult {
  throw new Error("not built yet");
}

/** Run exactly one state again, and explain it. `id` is as `CrashResult` gives it. */
export function replayCrash(_id: string, _crashCase: CrashCase): CrashExplanation {
  throw new Error("not built yet");
}
