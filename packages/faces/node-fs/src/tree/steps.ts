/**
 * Algorithms over trees, written once for both worlds: as generators that give way now and then.
 * What they yield is what they wait for: an answer of the caller's (a promise or not), a pause so that
 * the event loop can go on, or some milliseconds. Run synchronously, nothing is waited for.
 */
import type { Schedule } from "../callback/schedule.ts";

export type Steps<T, Y = unknown> = Generator<Y, T, unknown>;

/** Between two entries: a good moment for others. */
export const PAUSE: unique symbol = Symbol("pause");

/** Wait before the next attempt. */
export class Delay {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
}

/** To the end, without waiting: what is yielded is the answer. */
export function runSteps<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) step = steps.next(step.value);
  return step.value;
}

/** To the end, as long as it takes. */
export async function runStepsLater<T>(schedule: Schedule, steps: Steps<T>): Promise<T> {
  let step = steps.next();
  while (!step.done) {
    const answer = await waitFor(schedule, step.value);
    step = steps.next(answer);
  }
  return step.value;
}

function waitFor(schedule: Schedule, value: unknown): unknown {
  if (value === PAUSE) return schedule.isTurnOver() ? schedule.turn() : undefined;
  return value instanceof Delay ? schedule.platform.sleep(value.ms) : value;
}
