/**
 * Crash states for judges from outside: a real kernel, a real fsck. They take far longer than our
 * own recovery, so a sample of the states is built, spread evenly over the whole run, and the visitor
 * has each recovered as it likes and brings back an image for the oracle to judge.
 */
import { assert, type Pmem } from "@xiplab/core";
import { formatPoint, idPrefix } from "./id.ts";
import type { Finding } from "./oracle.ts";
import { DEFAULT_BOUNDS, planFlight, planTaken, spread } from "./plans.ts";
import { recordRun } from "./record.ts";
import { readOnlyTree } from "./recover.ts";
import type { CrashCase } from "./types.ts";
import { type Point, Walk } from "./walk.ts";

export interface CrashSample {
  /** For `replayCrash`. */
  readonly id: string;
  /** The image as the power cut leaves it. Gone when the visitor returns. */
  readonly image: Pmem;
  /** What is wrong with a recovered image; empty if it is legal. Read only: nothing of it changes. */
  judge(recovered: Pmem): readonly Finding[];
}

/**
 * Visit about `count` states of the case (all, if there are fewer), and return how many there were to
 * choose from. @throws as exploreCrash, and what the visitor throws
 */
export function sampleCrash(
  crashCase: CrashCase,
  count: number,
  visit: (sample: CrashSample) => void,
): number {
  assert(count > 0, "some states are visited");
  const recording = recordRun(crashCase);
  let total = 0;
  const planOf = (point: Point): readonly string[] =>
    planFlight(point.flight, { ...DEFAULT_BOUNDS, ...crashCase.bounds }, crashCase.seed ?? 1).names;
  new Walk(crashCase, recording).run((point) => (total += planOf(point).length));
  const chosen = new Set(spread(0, total, count));
  const walk = new Walk(crashCase, recording);
  let index = 0;
  walk.run((point) => {
    for (const plan of planOf(point)) {
      if (!chosen.has(index++)) continue;
      const place = formatPoint(point.name, crashCase.body.length);
      const id = `${idPrefix(crashCase)}${place}.${plan}`;
      walk.image.under(() => {
        walk.image.putTaken(point.flight, planTaken(point.flight, plan));
        const judge = (recovered: Pmem): readonly Finding[] =>
          judgeRecovered(walk, crashCase, recovered);
        visit({ id, image: walk.image.device, judge });
      });
    }
  });
  return total;
}

function judgeRecovered(walk: Walk, crashCase: CrashCase, recovered: Pmem): readonly Finding[] {
  const { findings, tree } = readOnlyTree(recovered, crashCase);
  return tree === null ? findings : [...findings, ...walk.oracle.judge(tree)];
}
