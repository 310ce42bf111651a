/** fs.promises.watch: events as an async iterator, with a queue for those that nobody took yet. */
import { throwIfAborted } from "../callback/abort.ts";
import { requireSignal } from "../callback/arguments.ts";
import { codedError } from "../callback/coded-error.ts";
import { invalidValue } from "../errors.ts";
import { requireBoolean, requireInteger, requireObject } from "../sync/arguments.ts";
import { textPath } from "../tree/context.ts";
import type { PathWatch, WatchContext } from "./context.ts";
import { startWatch, type WatchOptions } from "./fs-watcher.ts";
import { ignoreOf } from "./ignore.ts";

interface Options extends WatchOptions {
  readonly maxQueue?: number;
  readonly overflow?: "error" | "ignore";
}

interface Event {
  readonly eventType: string;
  readonly filename: string | Uint8Array;
}

const QUEUE_MAX = 2048;

export async function* watchLater(
  context: WatchContext,
  filename: unknown,
  given: unknown = {},
): AsyncGenerator<Event, void, unknown> {
  const { platform } = context.schedule;
  const path = textPath(platform, filename);
  requireObject(platform, given, "options");
  const { maxQueue = QUEUE_MAX, overflow = "ignore", signal, ...options } = given as Options;
  requireOptions(context, { ...options, maxQueue, overflow, ...(signal && { signal }) });
  throwIfAborted(signal);

  const queue: (Error | Event)[] = [];
  let wake = Promise.withResolvers<void>();
  const push = (item: Error | Event): void => {
    queue.push(item);
    wake.resolve();
  };
  const emit = (eventType: string, name: string | Uint8Array): void => {
    if (queue.length < maxQueue) {
      const event: Event = { eventType, filename: name };
      push(Object.assign(Object.create(null) as Event, event));
    } else if (overflow === "error") {
      queue.length = 0;
      const message = `fs.watch() queued more than ${maxQueue} events`;
      push(codedError(Error, "ERR_FS_WATCH_QUEUE_OVERFLOW", message));
    } else platform.emitWarning("fs.watch maxQueue exceeded", "Warning");
  };
  const abort = (): void => wake.resolve();
  let source: PathWatch | null = null;
  // As long as somebody iterates, the process lives.
  const alive = platform.every(0x7fffffff, () => undefined);
  if (options.persistent === false) alive.unref();
  try {
    signal?.addEventListener("abort", abort, { once: true });
    startWatch(context, path, options, emit, (opened) => {
      source = opened;
    });
    for (;;) {
      throwIfAborted(signal);
      await wake.promise;
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
        if (item instanceof Error) throw item;
        yield item;
      }
      wake = Promise.withResolvers<void>();
    }
  } finally {
    (source as PathWatch | null)?.close();
    alive.close();
    signal?.removeEventListener("abort", abort);
  }
}

/** @throws TypeError, RangeError */
function requireOptions({ schedule }: WatchContext, options: Options): void {
  const { platform } = schedule;
  const { encoding, maxQueue, overflow, persistent = true, recursive = false } = options;
  requireBoolean(platform, persistent, "options.persistent");
  requireBoolean(platform, recursive, "options.recursive");
  requireInteger(platform, maxQueue, "options.maxQueue");
  if (overflow !== "ignore" && overflow !== "error") {
    const reason = "must be one of: 'ignore', 'error'";
    throw invalidValue(platform, "options.overflow", overflow, reason);
  }
  requireSignal(platform, options.signal, "options.signal");
  ignoreOf(platform, options.ignore);
  if (encoding && encoding !== "buffer" && !platform.isEncoding(encoding)) {
    throw invalidValue(platform, "encoding", encoding, "is invalid encoding");
  }
}
