/**
 * What a target takes for the time: it stands still while others are measured. A journal that commits
 * every five seconds would otherwise do so in each of its short slices, and seem to do little else.
 */
let pausedMs = 0;
let pauseStart = -1;

/** Milliseconds since 1970, less all pauses. HOT. */
export const workingTimeMs = (): number => Date.now() - pausedMs;

export function beginPause(): void {
  pauseStart = Date.now();
}

export function endPause(): void {
  if (pauseStart >= 0) pausedMs += Date.now() - pauseStart;
  pauseStart = -1;
}
