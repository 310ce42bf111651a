/**
 * A progress bar on stderr, for what takes longer than a second, on a terminal only.
 *
 * ora draws it, and is loaded when it is needed. It must leave stdin alone (`discardStdin: false`): in raw mode Ctrl-C would be a
 * key press, to be read when the work lets go of the event loop, instead of a signal.
 */
import type { Ora } from "ora";
import type { Context } from "./context.ts";

/** Milliseconds before a bar shows. */
const PATIENCE_MS = 1000;
const BAR_CELLS = 24;

export interface Progress {
  /** `done` of `total` in any unit; `what` is said beside the bar. */
  update(done: number, total: number, what: string): void;
  stop(): void;
}

/** A bar of `cells` characters. Pure. */
export function bar(done: number, total: number, cells: number): string {
  const fraction = total > 0 ? Math.min(1, Math.max(0, done / total)) : 0;
  const full = Math.floor(fraction * cells);
  return "█".repeat(full) + "░".repeat(cells - full);
}

/** Shows nothing at all unless stderr is a terminal. */
export function startProgress(context: Context, label: string): Progress {
  if (context.err.isTTY !== true) return { update: () => {}, stop: () => {} };
  const begun = performance.now();
  let spinner: Ora | null = null;
  let state: "patient" | "loading" | "shown" | "over" = "patient";
  const show = async (): Promise<void> => {
    state = "loading";
    const { default: ora } = await import("ora");
    if (state !== "loading") return;
    spinner = ora({ stream: context.err as NodeJS.WriteStream, discardStdin: false });
    if (context.env["NO_COLOR"]) spinner.color = false;
    spinner.start();
    state = "shown";
  };
  return {
    update(done, total, what) {
      if (state === "patient" && performance.now() - begun > PATIENCE_MS) void show();
      if (spinner === null) return;
      const percent = total > 0 ? Math.floor((100 * done) / total) : 0;
      spinner.text = `${label} ${bar(done, total, BAR_CELLS)} ${percent}%  ${what}`;
      spinner.render();
    },
    stop() {
      state = "over";
      spinner?.stop();
    },
  };
}

/** Devices from this size on may take longer than people like to see nothing. */
const PATIENCE_BYTES = 2 ** 30;

/** Says on a terminal what is going on, during work that cannot tell how far it is; wiped by `stop`. */
export function startPatience(context: Context, what: string, size: number): { stop(): void } {
  const { err } = context;
  if (err.isTTY !== true || size < PATIENCE_BYTES) return { stop: () => {} };
  err.write(`${what} ...`);
  return { stop: () => void err.write("\r\u001b[K") };
}

/** As `startPatience`, where the event loop goes on: says so when it has taken a second. */
export function startWaiting(context: Context, what: string): { stop(): void } {
  const { err } = context;
  if (err.isTTY !== true) return { stop: () => {} };
  let isShown = false;
  const timer = setTimeout(() => {
    isShown = true;
    err.write(`${what} ...`);
  }, PATIENCE_MS);
  return {
    stop() {
      clearTimeout(timer);
      if (isShown) err.write("\r\u001b[K");
      isShown = false;
    },
  };
}
