/**
 * fs.promises, derived from the synchronous functions. What walks trees, globs and watches is made in
 * `tree/` and `watch/`; the entry joins them.
 */
import type * as NodeFs from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { throwIfAborted } from "../callback/abort.ts";
import { requireSignal } from "../callback/arguments.ts";
import { synchronous } from "../callback/callbacks.ts";
import { methodNotImplemented } from "../callback/coded-error.ts";
import type { AsyncPlatform } from "../callback/platform.ts";
import { Schedule } from "../callback/schedule.ts";
import type { SyncFs } from "../callback/sync-fs.ts";
import { readNamed, requireFlag } from "../callback/whole-file.ts";
import { invalidType } from "../errors.ts";
import type { HandleStreams } from "../streams/handle-streams.ts";
import { modeOf, optionsOf, requireBoolean, requireObject } from "../sync/arguments.ts";
import { textPath } from "../tree/context.ts";
import { type FileHandleClass, fileHandleClass, unlessAborted } from "./file-handle.ts";
import { type HandleContext, handleStateOf } from "./handle-state.ts";
import { isPieces, writePieces } from "./write-data.ts";

type Promises = typeof NodeFs.promises;
type TreeName = "cp" | "glob" | "mkdtempDisposable" | "opendir" | "rm" | "watch" | "constants";
/** The names that are made here. */
export type PrimitivePromises = Omit<Promises, TreeName>;

/** One synchronous function each, and nothing to add. */
const PLAIN = [
  "access",
  "chmod",
  "chown",
  "copyFile",
  "lchown",
  "link",
  "lutimes",
  "mkdir",
  "mkdtemp",
  "readdir",
  "readlink",
  "rename",
  "rmdir",
  "statfs",
  "symlink",
  "truncate",
  "unlink",
  "utimes",
] as const;

/** What promises ask of arguments otherwise than synchronous forms; the arguments for these. */
type Check = (platform: AsyncPlatform, values: unknown[]) => unknown[];
const CHECKED_FIRST: Readonly<Partial<Record<string, Check>>> = {
  mkdir(platform, [path, options]) {
    if (typeof options !== "object" || options === null) return [path, options];
    const { recursive = false, mode = 0o777 } = options as { recursive?: unknown; mode?: unknown };
    textPath(platform, path);
    requireBoolean(platform, recursive, "options.recursive");
    return [path, { recursive, mode: modeOf(platform, mode, "mode", 0o777) }];
  },
  readdir(platform, [path, given]) {
    const options = optionsOf(platform, given, {}) as { recursive?: unknown };
    // Anything will do for a boolean.
    return [path, { ...options, recursive: Boolean(options.recursive) }];
  },
  readlink(platform, [path, options]) {
    optionsOf(platform, options, {});
    textPath(platform, path, "oldPath");
    return [path, options];
  },
};

type Form = (...values: unknown[]) => Promise<unknown>;

/** `streams`: what FileHandle.createReadStream and its like make; null where the host has none. */
export function createPromises(
  sync: SyncFs,
  platform: AsyncPlatform,
  streams: HandleStreams | null,
): PrimitivePromises {
  const schedule = new Schedule(platform);
  const context: HandleContext = { sync, schedule };
  const Handle = fileHandleClass(context, streams);
  const forms: Record<string, Form> = { ...files(context, Handle) };
  for (const name of PLAIN) {
    const work = synchronous(sync, name);
    const check = CHECKED_FIRST[name];
    forms[name] = (...values) => schedule.run(() => work(check?.(platform, values) ?? values));
  }
  for (const name of ["stat", "lstat"]) forms[name] = stat(context, name);
  forms["realpath"] = (path, options) =>
    schedule.run(() => sync.realpathSync.native(path as string, options as null));
  // Linux has no modes of symbolic links.
  forms["lchmod"] = async () => Promise.reject(methodNotImplemented("lchmod()"));
  for (const [name, form] of Object.entries(forms)) {
    Object.defineProperty(form, "name", { value: name });
  }
  return forms as unknown as PrimitivePromises;
}

function stat({ sync, schedule }: HandleContext, name: string): Form {
  const work = synchronous(sync, name);
  // Without options nothing is there to check, and no asynchronous function to wait for.
  return (path, options) =>
    options === undefined
      ? schedule.run(() => work([path]))
      : statWith(schedule, () => work([path, options]), options);
}

async function statWith(
  schedule: Schedule,
  work: () => unknown,
  options: unknown,
): Promise<unknown> {
  requireObject(schedule.platform, options, "options");
  const { signal } = options as { signal?: AbortSignal };
  requireSignal(schedule.platform, signal, "options.signal");
  throwIfAborted(signal);
  return unlessAborted(schedule.run(work, !!signal), signal);
}

interface FileOptions {
  readonly encoding?: BufferEncoding | null;
  readonly flag?: string;
  readonly flush?: boolean;
  readonly mode?: number;
  readonly signal?: AbortSignal;
}

/** Those that take a path or a FileHandle, and `open`, which makes one. */
function files(context: HandleContext, Handle: FileHandleClass): Record<string, Form> {
  const { sync, schedule } = context;
  const open: Form = (path, flags, mode) =>
    schedule.run(() => {
      return new Handle(sync.openSync(path as string, flags as string, mode as number));
    });
  const readFile: Form = async (path, options) => {
    if (handleStateOf(path) !== undefined) return (path as FileHandle).readFile(options as null);
    requirePath(schedule.platform, path);
    const signal = signalOf(schedule.platform, options);
    const given = withFlag(options);
    const work = (): unknown =>
      readNamed(schedule.platform, path, () => sync.readFileSync(path as string, given as null));
    return unlessAborted(schedule.run(work, !!signal), signal);
  };
  const write = (name: "appendFile" | "writeFile"): Form => {
    const work = synchronous(sync, name);
    return async (path, data, options) => {
      const handle = handleStateOf(path) === undefined ? null : (path as FileHandle);
      if (handle !== null) return handle.writeFile(data as string, options as FileOptions);
      requirePath(schedule.platform, path);
      const signal = signalOf(schedule.platform, options);
      const flag = name === "appendFile" ? "a" : "w";
      requireFlag(schedule.platform, options, false);
      if (isPieces(data)) return writeFrom(context, path as string, data, options, flag);
      return unlessAborted(
        schedule.run(() => work([path, data, options]), !!signal),
        signal,
      );
    };
  };
  return { open, readFile, writeFile: write("writeFile"), appendFile: write("appendFile") };
}

/** Whatever is falsy is no flag. */
function withFlag(options: unknown): unknown {
  if (typeof options !== "object" || options === null || !("flag" in options)) return options;
  return { ...options, flag: options.flag || "r" };
}

/** A descriptor is no path here. @throws TypeError ERR_INVALID_ARG_TYPE */
function requirePath(platform: AsyncPlatform, path: unknown): void {
  if (typeof path !== "number" && typeof path !== "symbol" && typeof path !== "bigint") return;
  throw invalidType(platform, "path", "of type string or an instance of Buffer or URL", path);
}

/** @throws TypeError ERR_INVALID_ARG_TYPE, AbortError */
function signalOf(platform: AsyncPlatform, options: unknown): AbortSignal | undefined {
  if (typeof options !== "object" || options === null) return undefined;
  const { signal } = options as FileOptions;
  requireSignal(platform, signal, "options.signal");
  throwIfAborted(signal);
  return signal;
}

/** Open the file, write what comes, and close it whatever happens. */
async function writeFrom(
  context: HandleContext,
  path: string,
  data: Parameters<typeof writePieces>[2],
  options: unknown,
  defaultFlag: string,
): Promise<void> {
  const given = typeof options === "string" ? { encoding: options } : (options as FileOptions);
  const { encoding, flag, flush, mode, signal } = (given ?? {}) as FileOptions;
  const { sync } = context;
  const fd = sync.openSync(path, flag ?? defaultFlag, mode ?? 0o666);
  try {
    await writePieces(context, () => fd, data, { encoding, signal });
    if (flush === true) sync.fsyncSync(fd);
  } finally {
    sync.closeSync(fd);
  }
}
