/**
 * Record a run, cut the power everywhere, and judge what recovery makes of it.
 *
 * For each crash point (`walk.ts`) the plans (`plans.ts`) name states. Each is built on the image
 * under a snapshot, recovered (`recover.ts`), judged by the oracle (`oracle.ts`) and rolled back.
 * A state whose image was judged before against the same legal states is not tried again.
 */
import { OptionError } from "@xiplab/core";
import { type CrashExplanation, explain, judgeImage, type JudgedState } from "./explain.ts";
import { formatPoint, idPrefix, parseId } from "./id.ts";
import type { Finding } from "./oracle.ts";
import { DEFAULT_BOUNDS, planFlight, planTaken } from "./plans.ts";
import { recordRun } from "./record.ts";
import {
  type CrashBounds,
  type CrashCase,
  type CrashResult,
  type VerdictCount,
  type VerdictName,
  VerdictNames,
} from "./types.ts";
import { type Point, Walk, samePoint } from "./walk.ts";

/**
 * Explore one case.
 * @throws CrashCaseError where an operation of the case fails that POSIX does not let fail, such as
 * for want of space; OptionError for options that the personality does not know.
 */
export function exploreCrash(crashCase: CrashCase): CrashResult {
  return new Exploration(crashCase, null).run();
}

/** As exploreCrash, and tell of every state what was recovered and what is wrong with it. */
export function exploreWith(crashCase: CrashCase, onState: StateListener): CrashResult {
  return new Exploration(crashCase, onState).run();
}

export type StateListener = (id: string, judged: JudgedState) => void;

/**
 * Run exactly one state again, and explain it. `id` is as `CrashResult` gives it; the case must be
 * the one that it came from (bounds and seed do not matter).
 * @throws OptionError where `id` is not one of this case; PlanError where it has no such state.
 */
export function replayCrash(id: string, crashCase: CrashCase): CrashExplanation {
  const parsed = parseId(id, crashCase);
  const walk = new Walk(crashCase, recordRun(crashCase));
  let explanation: CrashExplanation | null = null;
  walk.run((point) => {
    if (!samePoint(point.name, parsed.point)) return;
    explanation = explain(id, crashCase, walk, point, parsed.plan);
  });
  if (explanation === null) {
    throw new OptionError(`'${id}': the power cannot be cut there in this case`);
  }
  return explanation;
}

class Tally {
  count = 0;
  firstId: string | null = null;

  add(id: string): void {
    this.count++;
    this.firstId ??= id;
  }

  result(): VerdictCount {
    return { count: this.count, firstId: this.firstId };
  }
}

class Exploration {
  private readonly crashCase: CrashCase;
  private readonly onState: StateListener | null;
  private readonly bounds: CrashBounds;
  private readonly seed: number;
  private readonly prefix: string;
  private readonly tallies: Record<VerdictName, Tally> = {
    lost: new Tally(),
    stale: new Tally(),
    broken: new Tally(),
  };
  private readonly seen = new Set<string>();
  private readonly skipped = { points: 0, planned: 0, sampled: 0 };
  private states = 0;
  private duplicates = 0;
  private points = 0;
  private firstId: string | null = null;
  /** Base-2 logarithm of the states that the model allows at the points so far. */
  private naiveLog2 = -Infinity;

  constructor(crashCase: CrashCase, onState: StateListener | null) {
    this.crashCase = crashCase;
    this.onState = onState;
    this.bounds = { ...DEFAULT_BOUNDS, ...crashCase.bounds };
    this.seed = crashCase.seed ?? 1;
    this.prefix = idPrefix(crashCase);
  }

  run(): CrashResult {
    const started = performance.now();
    const recording = recordRun(this.crashCase);
    const walk = new Walk(this.crashCase, recording);
    walk.run((point) => {
      this.explorePoint(walk, point);
      this.report(walk.pointsTotal);
    });
    const elapsedMs = performance.now() - started;
    const naiveLog10 = this.naiveLog2 * Math.log10(2);
    return {
      states: this.states,
      duplicates: this.duplicates,
      points: this.points,
      naiveStates: Math.min(Number.MAX_VALUE, 2 ** this.naiveLog2),
      naiveStatesLog10: naiveLog10,
      skipped: { ...this.skipped },
      lost: this.tallies.lost.result(),
      stale: this.tallies.stale.result(),
      broken: this.tallies.broken.result(),
      firstId: this.firstId,
      markedPages: recording.markedPages,
      seed: this.seed,
      elapsedMs,
      statesPerSecond: Math.round((this.states * 1000) / Math.max(elapsedMs, 1e-3)),
    };
  }

  private explorePoint(walk: Walk, point: Point): void {
    const plan = planFlight(point.flight, this.bounds, this.seed);
    this.points++;
    this.naiveLog2 = addLog2(this.naiveLog2, point.flight.statesLog2);
    if (!plan.exhaustive) this.skipped.points++;
    if (plan.sampled) this.skipped.sampled++;
    this.skipped.planned += plan.planned;
    for (const name of plan.names) this.exploreState(walk, point, name);
  }

  private exploreState(walk: Walk, point: Point, plan: string): void {
    const { image, oracle } = walk;
    image.under(() => {
      image.putTaken(point.flight, planTaken(point.flight, plan));
      const key = `${oracle.version} ${image.hash}`;
      if (this.seen.has(key)) {
        this.duplicates++;
        return;
      }
      this.seen.add(key);
      this.states++;
      const judged = judgeImage(this.crashCase, walk);
      const id = this.idOf(point, plan);
      this.onState?.(id, judged);
      if (judged.findings.length > 0) this.convict(id, judged.findings);
    });
  }

  private idOf(point: Point, plan: string): string {
    return `${this.prefix}${formatPoint(point.name, this.crashCase.body.length)}.${plan}`;
  }

  private convict(id: string, findings: readonly Finding[]): void {
    this.firstId ??= id;
    for (const verdict of VerdictNames) {
      if (findings.some((finding) => finding.verdict === verdict)) this.tallies[verdict].add(id);
    }
  }

  private report(pointsTotal: number): void {
    const { onProgress } = this.crashCase;
    if (onProgress === undefined) return;
    const { lost, stale, broken } = this.tallies;
    onProgress({
      pointsDone: this.points,
      pointsTotal,
      states: this.states,
      lost: lost.count,
      stale: stale.count,
      broken: broken.count,
    });
  }
}

/** log2(2^a + 2^b). */
function addLog2(a: number, b: number): number {
  const high = Math.max(a, b);
  const low = Math.min(a, b);
  return low === -Infinity ? high : high + Math.log2(1 + 2 ** (low - high));
}
