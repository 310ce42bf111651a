/** What a copy has done so far, and when it may be stopped: shared by copy-in and copy-out. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Context, note, print, printJson, styleFor } from "../context.ts";
import { EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK } from "../exit-codes.ts";
import { Problem } from "../problem.ts";
import { type Progress, startProgress } from "../progress.ts";
import { count, formatSize } from "../text.ts";

/** Milliseconds between two looks at signals and the progress bar. */
const TURN_MS = 50;

export class Tally {
  files = 0;
  directories = 0;
  /** Symbolic links, hard links and special files. */
  others = 0;
  bytes = 0;
  /** Left out, with the reason. */
  readonly skipped: string[] = [];
  private readonly context: Context;
  private readonly progress: Progress;
  private readonly total: number;
  private readonly interrupt: AbortSignal;
  private lastTurn = performance.now();

  /** `total`: bytes that are to be copied. `interrupt`: aborted when the user wants to stop. */
  constructor(context: Context, label: string, total: number, interrupt: AbortSignal) {
    this.context = context;
    this.total = total;
    this.interrupt = interrupt;
    this.progress = startProgress(context, label);
  }

  /**
   * Called between pieces of work: lets signals and the terminal have their turn.
   * @throws Problem when the user has asked to stop.
   */
  async turn(): Promise<void> {
    const now = performance.now();
    if (now - this.lastTurn < TURN_MS) return;
    this.lastTurn = now;
    this.progress.update(this.bytes, this.total, formatSize(this.bytes));
    await nextTurn();
    if (this.interrupt.aborted) {
      throw new Problem(`interrupted after ${this.summary()}`, undefined, EXIT_INTERRUPTED);
    }
  }

  skip(what: string, reason: string): void {
    this.skipped.push(`${what}: ${reason}`);
  }

  summary(): string {
    const parts = [count(this.files, "file"), count(this.directories, "directory")];
    if (this.others > 0)
      parts.push(
        `${this.others} ${this.others === 1 ? "link or special file" : "links and special files"}`,
      );
    return `${parts.join(", ")}, ${formatSize(this.bytes)}`;
  }

  /** No more work: give the terminal back. */
  stop(): void {
    this.progress.stop();
  }

  /** Tell what was done; the exit code says whether anything was left out. */
  finish(json: boolean): number {
    const { files, directories, others, bytes, skipped, context } = this;
    if (json) printJson(context, { files, directories, others, bytes, skipped });
    else print(context, `copied ${this.summary()}`);
    const style = styleFor(context.err);
    for (const line of skipped) note(context, `${style("yellow", "xip:")} left out ${line}`);
    return skipped.length > 0 ? EXIT_FAILED : EXIT_OK;
  }
}
