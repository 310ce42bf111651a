/**
 * When asynchronous forms do their work, and when they tell.
 *
 * There is one implementation, the synchronous one, and nothing to wait for below it. So the work of
 * an asynchronous call is done at the call itself, before it returns: a legal moment in Node too,
 * whose thread pool may be done with an operation before the caller's next statement. Arguments are
 * checked at the call for free, what the caller does to its buffer afterwards changes nothing, and
 * operations take effect in the order of the calls, which is more than Node promises.
 *
 * The outcome is told later:
 *
 * - callback forms: in a turn of the event loop of its own, as completions of the thread pool are
 *   (setImmediate): never before ticks and promise jobs that were there first, and these run between
 *   two callbacks;
 * - promise forms: as a promise job, without a turn of the event loop, which would cost four times
 *   what a stat costs; but a loop of awaits must not keep timers and sockets waiting: when a turn had
 *   `TURN_OPERATIONS` operations or took `TURN_MS`, the next outcome takes a turn of its own;
 * - whatever takes an AbortSignal: in a turn of its own, so that it can be aborted.
 */
import type { AsyncPlatform } from "./platform.ts";

/** Outcomes that promise forms may tell within one turn of the event loop. */
const TURN_OPERATIONS = 64;
/** Milliseconds that a turn of the event loop may be long before promise forms end it. */
const TURN_MS = 1;

export class Schedule {
  readonly platform: AsyncPlatform;
  private operations = 0;
  private turnStart = 0;

  constructor(platform: AsyncPlatform) {
    this.platform = platform;
  }

  /** In a turn of its own. */
  defer(callback: () => void): void {
    this.platform.defer(callback);
  }

  /** HOT. Do the work now; the promise tells its outcome. `inTurn`: only in a turn of its own. */
  run<T>(work: () => T, inTurn = false): Promise<T> {
    let result: T;
    try {
      result = work();
    } catch (error) {
      const isLater = inTurn || this.isTurnOver();
      // Rejected only then: until somebody can have heard of it, it is nobody's unhandled rejection.
      return isLater
        ? this.turn().then(() => Promise.reject(error as Error))
        : Promise.reject(error as Error);
    }
    return inTurn || this.isTurnOver() ? this.turn().then(() => result) : Promise.resolve(result);
  }

  /** Kept in the next turn of the event loop. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.platform.defer(() => {
        this.operations = 0;
        this.turnStart = this.platform.now();
        resolve();
      });
    });
  }

  /** HOT. Count an operation: must the event loop go on before its outcome is told? */
  isTurnOver(): boolean {
    if (++this.operations >= TURN_OPERATIONS) return true;
    return this.platform.now() - this.turnStart > TURN_MS;
  }
}

/**
 * Was it a wrong argument, which Node refuses at the call, or did the operation fail, which the
 * callback is told?
 */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return true;
  const code = String(error.code);
  return code.startsWith("ERR_") && !TOLD.some((prefix) => code.startsWith(prefix));
}

/** Codes of Node's own that say how an operation ended. */
const TOLD = ["ERR_FS_", "ERR_STRING_TOO_LONG", "ERR_BUFFER_TOO_LARGE", "ERR_ACCESS_DENIED"];
