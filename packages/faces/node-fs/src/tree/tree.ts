/** The functions over trees in their three forms: synchronous, with callbacks, with promises. */
import type * as NodeFs from "node:fs";
import { requireFunction } from "../callback/arguments.ts";
import { tell } from "../callback/callbacks.ts";
import type { AsyncPlatform } from "../callback/platform.ts";
import { Schedule } from "../callback/schedule.ts";
import type { PrimitiveFs, SyncFs } from "../callback/sync-fs.ts";
import { openAsBlob } from "./blob.ts";
import { textPath, type TreeContext } from "./context.ts";
import { cpCall } from "./cp.ts";
import { Dir, opendir } from "./dir.ts";
import { Glob } from "./glob.ts";
import { mkdtemp, mkdtempDisposable, mkdtempDisposableLater } from "./mkdtemp.ts";
import { rm, rmOptions } from "./rm.ts";
import { PAUSE, runSteps, runStepsLater, type Steps } from "./steps.ts";

type SyncTree = Pick<
  typeof NodeFs,
  "cpSync" | "globSync" | "mkdtempDisposableSync" | "mkdtempSync" | "opendirSync" | "rmSync"
> & { openAsBlobSync(path: NodeFs.PathLike, options?: NodeFs.OpenAsBlobOptions): Blob };
type CallbackTree = Pick<typeof NodeFs, "cp" | "glob" | "openAsBlob" | "opendir" | "rm">;
type PromiseTree = Pick<
  typeof NodeFs.promises,
  "cp" | "glob" | "mkdtempDisposable" | "opendir" | "rm"
>;
type Callback = (error: unknown, ...results: unknown[]) => void;

export interface TreeFs {
  readonly sync: SyncTree & { Dir: typeof NodeFs.Dir };
  readonly callbacks: CallbackTree;
  readonly promises: PromiseTree;
}

/** @param cwd where relative paths start: absolute */
export function createTree(sync: PrimitiveFs, platform: AsyncPlatform, cwd: () => string): TreeFs {
  const schedule = new Schedule(platform);
  const context: TreeContext = { sync: sync as SyncFs, schedule, cwd };
  return {
    sync: synchronous(context),
    callbacks: withCallbacks(context),
    promises: withPromises(context),
  };
}

/** Remove as asked: arguments are checked at once, the steps come later. */
function rmSteps(
  context: TreeContext,
  path: unknown,
  options: unknown,
  isSync: boolean,
): Steps<void> {
  const checked = rmOptions(context, options);
  const { platform } = context.schedule;
  const text = textPath(platform, path);
  // Bytes stay bytes.
  const plain = path instanceof Uint8Array ? path : text;
  return rm(context, plain, checked, isSync);
}

function synchronous(context: TreeContext): TreeFs["sync"] {
  const { schedule } = context;
  const functions = {
    Dir,
    cpSync: (source: unknown, target: unknown, options?: NodeFs.CopySyncOptions) =>
      runSteps(cpCall(context, source, target, options, true)),
    globSync: (pattern: unknown, options?: unknown) => new Glob(context, pattern, options).all(),
    mkdtempSync: (prefix: unknown, options?: unknown) => mkdtemp(context, prefix, options),
    mkdtempDisposableSync: (prefix: unknown, options?: unknown) =>
      mkdtempDisposable(context, prefix, options),
    openAsBlobSync: (path: unknown, options?: unknown) => openAsBlob(context, path, options),
    opendirSync: (path: unknown, options?: unknown) =>
      opendir(context.sync, schedule, path, options),
    rmSync: (path: unknown, options?: unknown) => runSteps(rmSteps(context, path, options, true)),
  };
  return functions as unknown as TreeFs["sync"];
}

function withPromises(context: TreeContext): PromiseTree {
  const { schedule, sync } = context;
  const forms = {
    cp: async (source: unknown, target: unknown, options?: NodeFs.CopyOptions) =>
      runStepsLater(schedule, cpCall(context, source, target, options, false)),
    async *glob(pattern: unknown, options?: unknown) {
      yield* globLater(context, new Glob(context, pattern, options));
    },
    mkdtempDisposable: async (prefix: unknown, options?: unknown) =>
      mkdtempDisposableLater(context, prefix, options),
    opendir: async (path: unknown, options?: unknown) =>
      schedule.run(() => opendir(sync, schedule, path, options)),
    rm: async (path: unknown, options?: unknown) =>
      runStepsLater(schedule, rmSteps(context, path, options, false)),
  };
  return forms as unknown as PromiseTree;
}

async function* globLater({ schedule }: TreeContext, glob: Glob) {
  for (const match of glob.search()) {
    if (match !== PAUSE) yield match;
    else if (schedule.isTurnOver()) await schedule.turn();
  }
}

function withCallbacks(context: TreeContext): CallbackTree {
  const { schedule, sync } = context;
  const { platform } = schedule;
  /** The last argument that is a function; options may be left out before it. */
  const split = (options: unknown, callback: unknown): [unknown, Callback] => {
    const [given, told] =
      typeof options === "function" ? [undefined, options] : [options, callback];
    requireFunction(platform, told, "cb");
    return [given, told as Callback];
  };
  const forms = {
    cp(source: unknown, target: unknown, options: unknown, callback: unknown) {
      const [given, told] = split(options, callback);
      const steps = cpCall(context, source, target, given as NodeFs.CopyOptions, false);
      tellLater(schedule, runStepsLater(schedule, steps), told);
    },
    glob(pattern: unknown, options: unknown, callback: unknown) {
      const [given, told] = split(options, callback);
      const all = globLater(context, new Glob(context, pattern, given));
      tellLater(schedule, collect(all), told);
    },
    openAsBlob: (path: unknown, options?: unknown) => {
      // Arguments and absence are told at the call, although there is a promise.
      const blob = openAsBlob(context, path, options);
      return schedule.run(() => blob);
    },
    opendir(path: unknown, options: unknown, callback: unknown) {
      const told = typeof options === "function" ? options : callback;
      requireFunction(platform, told, "callback");
      const given = typeof options === "function" ? undefined : options;
      tell(schedule, () => opendir(sync, schedule, path, given), told as Callback);
    },
    rm(path: unknown, options: unknown, callback: unknown) {
      // The path comes first here, even before a callback that is missing.
      textPath(platform, path);
      const [given, told] = split(options, callback);
      tellLater(schedule, runStepsLater(schedule, rmSteps(context, path, given, false)), told);
    },
  };
  return forms as unknown as CallbackTree;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** What a callback throws is nobody's rejection: it is told in a turn of its own. */
function tellLater<T>(schedule: Schedule, outcome: Promise<T>, callback: Callback): void {
  outcome.then(
    (result) =>
      schedule.defer(() => (result === undefined ? callback(null) : callback(null, result))),
    (error: unknown) => schedule.defer(() => callback(error)),
  );
}
