/**
 * The callback forms of node:fs, derived from the synchronous ones.
 *
 * What they have in common: the callback is the first function among the arguments that may be it;
 * wrong arguments are thrown at the call; the outcome is told in a turn of its own (schedule.ts);
 * nothing but `null` is passed where there is no result.
 */
import type * as NodeFs from "node:fs";
import { buffersOf, modeOf, requireInteger } from "../sync/arguments.ts";
import { openFlagsOf } from "../sync/open-flags.ts";
import { textPath } from "../tree/context.ts";
import { requireFunction, requireSignal } from "./arguments.ts";
import { abortError } from "./abort.ts";
import type { AsyncPlatform } from "./platform.ts";
import { isRefusal, Schedule } from "./schedule.ts";
import { readNamed, requireFlag, requireTime } from "./whole-file.ts";
import type { SyncFs } from "./sync-fs.ts";
import { readCall, type TransferCall, writeCall } from "./transfers.ts";

/** The names that are made here. */
type CallbackName = keyof typeof REQUIRED | SpecialName;
type SpecialName = "close" | "exists" | "read" | "readv" | "realpath" | "write" | "writev";
export type CallbackFs = Pick<typeof NodeFs, CallbackName>;

type Callback = (error: unknown, ...results: unknown[]) => void;
type Forms = Record<string, (...values: unknown[]) => void>;

/** How many arguments come before those that may be left out. */
const REQUIRED = {
  access: 1,
  appendFile: 2,
  chmod: 2,
  chown: 3,
  copyFile: 2,
  fchmod: 2,
  fchown: 3,
  fdatasync: 1,
  fstat: 1,
  fsync: 1,
  ftruncate: 1,
  futimes: 3,
  lchown: 3,
  link: 2,
  lstat: 1,
  lutimes: 3,
  mkdir: 1,
  mkdtemp: 1,
  open: 1,
  readFile: 1,
  readdir: 1,
  readlink: 1,
  rename: 2,
  rmdir: 1,
  stat: 1,
  statfs: 1,
  symlink: 2,
  truncate: 1,
  unlink: 1,
  utimes: 3,
  writeFile: 2,
} as const;

/** Those that can be aborted, by `signal` in the argument after the required ones. */
const ABORTABLE: readonly string[] = [
  "appendFile",
  "fstat",
  "lstat",
  "readFile",
  "stat",
  "writeFile",
];

/** @param sync what the forms are derived from; looked up at each call, so that it can be patched */
export function createCallbacks(sync: SyncFs, platform: AsyncPlatform): CallbackFs {
  const schedule = new Schedule(platform);
  const forms: Forms = {};
  for (const [name, required] of Object.entries(REQUIRED)) {
    const plain = synchronous(sync, name);
    const reads = (all: unknown[]): unknown => readNamed(platform, all[0], () => plain(all));
    const work = name === "readFile" ? reads : plain;
    const form = (...values: unknown[]): void => callBack(schedule, work, values, required, name);
    forms[name] = withName(name, form);
  }
  const more = [exists(sync, schedule), close(sync, schedule), realpath(sync, schedule)];
  for (const form of [...more, ...transfers(sync, schedule)]) forms[form.name] = form;
  return forms as unknown as CallbackFs;
}

/** The synchronous function of that name, with the arguments that its asynchronous form takes. */
export function synchronous(sync: SyncFs, name: string): (values: unknown[]) => unknown {
  const key = `${name}Sync` as keyof SyncFs;
  if (name === "stat" || name === "fstat") {
    // Here null is no options, where the synchronous form stumbles over it.
    return ([file, options]) => Reflect.apply(sync[key], sync, [file, options ?? undefined]);
  }
  // Only `stat` may be quiet about absence when it is asynchronous.
  if (name !== "lstat") return (values) => Reflect.apply(sync[key], sync, values) as unknown;
  return ([path, options]) => {
    const bigint = typeof options === "object" && (options as { bigint?: boolean } | null)?.bigint;
    return Reflect.apply(sync[key], sync, [path, { bigint: bigint === true }]) as unknown;
  };
}

type Check = (platform: AsyncPlatform, values: unknown[]) => void;
const checkIds: Check = (platform, [, uid, gid]) => {
  requireInteger(platform, uid, "uid", -1, UINT32_MAX);
  requireInteger(platform, gid, "gid", -1, UINT32_MAX);
};
const checkLength: Check = (platform, [, length]) => {
  if (length !== undefined) requireInteger(platform, length, "len");
};
const INT32_MAX = 0x7fffffff;
const UINT32_MAX = 0xffffffff;

/** What Node checks before it misses the callback. */
const CHECKED_FIRST: Readonly<Record<string, Check>> = {
  access: (platform, [path]) => void textPath(platform, path),
  chmod: (platform, [path, mode]) => {
    textPath(platform, path);
    modeOf(platform, mode, "mode");
  },
  copyFile: (platform, [source, target]) => {
    textPath(platform, source, "src");
    textPath(platform, target, "dest");
  },
  fchmod: (platform, [, mode]) => void modeOf(platform, mode, "mode"),
  fchown: checkIds,
  ftruncate: checkLength,
  futimes: (platform, [, accessed, modified]) => {
    requireTime(platform, accessed, "atime");
    requireTime(platform, modified, "mtime");
  },
  open: (platform, [path, flags]) => {
    openFlagsOf(platform, flags);
    textPath(platform, path);
  },
  truncate: checkLength,
};

/** Those whose options have a flag. */
const WHOLE_FILES: readonly string[] = ["appendFile", "readFile", "writeFile"];

function callBack(
  schedule: Schedule,
  work: (values: unknown[]) => unknown,
  values: unknown[],
  required: number,
  name: string,
): void {
  const at = values.findIndex((value, index) => index >= required && typeof value === "function");
  const last = values.length > required ? values[values.length - 1] : undefined;
  const callback = at < 0 ? last : values[at];
  if (typeof callback !== "function") CHECKED_FIRST[name]?.(schedule.platform, values);
  requireFunction(schedule.platform, callback, "cb");
  const given = values.slice(0, at);
  if (WHOLE_FILES.includes(name))
    requireFlag(schedule.platform, given[required], name === "readFile");
  if (ABORTABLE.includes(name) && hasSignal(given[required])) {
    abortable(schedule, work, given, given[required].signal, callback);
  } else tell(schedule, () => work(given), callback);
}

/** Do the work, throw a refusal, and tell everything else later. */
export function tell(schedule: Schedule, work: () => unknown, callback: Callback): void {
  let result: unknown;
  try {
    result = work();
  } catch (error) {
    if (isRefusal(error)) throw error;
    schedule.defer(() => callback(error));
    return;
  }
  if (result === undefined) schedule.defer(() => callback(null));
  else schedule.defer(() => callback(null, result));
}

function hasSignal(options: unknown): options is { signal: AbortSignal } {
  return typeof options === "object" && options !== null && "signal" in options && !!options.signal;
}

/** An abort that comes before the outcome is told wins, as in Node. */
function abortable(
  schedule: Schedule,
  work: (values: unknown[]) => unknown,
  values: unknown[],
  signal: AbortSignal,
  callback: Callback,
): void {
  requireSignal(schedule.platform, signal, "options.signal");
  if (signal.aborted) return callback(abortError(signal));
  tell(
    schedule,
    () => work(values),
    (error, ...results) => {
      if (signal.aborted) callback(abortError(signal));
      else callback(error, ...results);
    },
  );
}

function withName<F extends (...values: never[]) => unknown>(name: string, form: F): F {
  return Object.defineProperty(form, "name", { value: name });
}

/** What util.promisify asks a function for: `Symbol.for`, so that node:util is not needed. */
const PROMISIFY = Symbol.for("nodejs.util.promisify.custom");

function promisified(form: (...values: unknown[]) => void, names: readonly string[]) {
  const custom = (...values: unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      form(...values, (error: unknown, ...results: unknown[]) => {
        if (error !== null && error !== undefined) reject(error);
        else resolve(Object.fromEntries(names.map((name, index) => [name, results[index]])));
      });
    });
  return Object.defineProperty(form, PROMISIFY, { value: withName(form.name, custom) });
}

function exists(sync: SyncFs, schedule: Schedule) {
  const form = withName("exists", (path: unknown, callback: unknown): void => {
    requireFunction(schedule.platform, callback, "cb");
    const found = sync.existsSync(path as string);
    schedule.defer(() => callback(found));
  });
  const custom = (path: unknown): Promise<unknown> => new Promise((resolve) => form(path, resolve));
  return Object.defineProperty(form, PROMISIFY, { value: withName("exists", custom) });
}

/** Without a callback an error is thrown where nobody catches it, as in Node. */
function close(sync: SyncFs, schedule: Schedule) {
  return withName("close", (fd: unknown, ...rest: unknown[]): void => {
    const callback = rest[0] === undefined ? throwError : rest[0];
    requireFunction(schedule.platform, callback, "cb");
    tell(schedule, () => sync.closeSync(fd as number), callback);
  });
}

function throwError(error: unknown): void {
  if (error !== null) throw error;
}

function realpath(sync: SyncFs, schedule: Schedule) {
  const derive = (work: (path: string, options: undefined) => string) =>
    withName("realpath", (...values: unknown[]): void => {
      const given = (all: unknown[]): unknown => Reflect.apply(work, sync, all);
      callBack(schedule, given, values, 1, "realpath");
    });
  const form = derive((path, options) => sync.realpathSync(path, options));
  const native = derive((path, options) => sync.realpathSync.native(path, options));
  return Object.assign(form, { native });
}

type ParseCall = (platform: AsyncPlatform, values: readonly unknown[]) => TransferCall;

/** The four that tell the buffers back. */
function transfers(sync: SyncFs, schedule: Schedule) {
  const single = (name: "read" | "write", count: string, parse: ParseCall) => {
    const work = synchronous(sync, name);
    const form = withName(name, (...values: unknown[]): void => {
      requireInteger(schedule.platform, values[0], "fd", 0, INT32_MAX);
      const { buffer, callback, given } = parse(schedule.platform, values);
      requireFunction(schedule.platform, callback, "cb");
      transfer(schedule, () => work([values[0], ...given]), buffer, callback);
    });
    return promisified(form, [count, "buffer"]);
  };
  const several = (name: "readv" | "writev", names: readonly string[]) => {
    const work = synchronous(sync, name);
    const form = withName(name, (fd: unknown, buffers: unknown, ...rest: unknown[]): void => {
      requireInteger(schedule.platform, fd, "fd", 0, INT32_MAX);
      buffersOf(schedule.platform, buffers);
      const callback = rest[1] ? rest[1] : rest[0];
      requireFunction(schedule.platform, callback, "cb");
      const position = typeof rest[0] === "number" ? rest[0] : null;
      transfer(schedule, () => work([fd, buffers, position]), buffers, callback);
    });
    return promisified(form, names);
  };
  return [
    single("read", "bytesRead", readCall),
    single("write", "bytesWritten", writeCall),
    several("readv", ["bytesRead", "buffers"]),
    several("writev", ["bytesWritten", "buffer"]),
  ];
}

function transfer(schedule: Schedule, work: () => unknown, buffer: unknown, told: Callback): void {
  tell(schedule, work, (error, count) => told(error, count ?? 0, buffer));
}
