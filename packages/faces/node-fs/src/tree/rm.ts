/** rm: files, and trees from the leaves up. Names are taken as bytes, so that all of them go. */
import type { RmOptions } from "node:fs";
import { requireBoolean, requireInteger, requireObject } from "../sync/arguments.ts";
import { hasCode, type TreeContext } from "./context.ts";
import { Delay, PAUSE, type Steps } from "./steps.ts";
import { systemErrorOf } from "./system-error.ts";

const EISDIR = 21;
const INT32_MAX = 0x7fffffff;
const UINT32_MAX = 0xffffffff;
/** What may be over soon, where other processes use the files. */
const RETRIED = ["EBUSY", "EMFILE", "ENFILE", "ENOTEMPTY", "EPERM"];

/** Complete. */
type Options = { readonly [K in keyof RmOptions]-?: NonNullable<RmOptions[K]> };
type Path = string | Uint8Array;

/** @throws TypeError, RangeError for wrong options */
export function rmOptions({ schedule }: TreeContext, given: unknown): Options {
  const { platform } = schedule;
  const defaults = { recursive: false, force: false, retryDelay: 100, maxRetries: 0 };
  if (given === undefined) return defaults;
  requireObject(platform, given, "options");
  const options = { ...defaults, ...given };
  requireBoolean(platform, options.force, "options.force");
  requireBoolean(platform, options.recursive, "options.recursive");
  requireInteger(platform, options.retryDelay, "options.retryDelay", 0, INT32_MAX);
  requireInteger(platform, options.maxRetries, "options.maxRetries", 0, UINT32_MAX);
  return options;
}

/**
 * Remove what is at `path`. What vanishes meanwhile is as good as removed.
 * @throws Error ENOENT unless forced, ERR_FS_EISDIR for a directory unless recursive
 */
export function* rm(
  context: TreeContext,
  path: Path,
  options: Options,
  isSync = false,
): Steps<void> {
  const { sync } = context;
  let isDirectory: boolean;
  try {
    isDirectory = sync.lstatSync(path as string).isDirectory();
  } catch (error) {
    // Node's rmSync does not look first where it need not, and takes "not below a file" for absent.
    const isQuiet = isSync && options.recursive && hasCode(error, "ENOTDIR");
    if (options.force && (isQuiet || hasCode(error, "ENOENT"))) return;
    throw error;
  }
  if (!isDirectory) {
    yield* retry(() => sync.unlinkSync(path as string), options);
  } else if (options.recursive) {
    if (isNamed(context, path) || !isRemoved(context, path))
      yield* removeTree(context, path, options);
  } else {
    const info = { code: "EISDIR", message: "is a directory", path: String(path), syscall: "rm" };
    throw systemErrorOf("ERR_FS_EISDIR", "Path is a directory", { ...info, errno: EISDIR });
  }
}

/** Does the path end in the name of what is to be removed, not in "/", "/." or "/.."? */
function isNamed({ schedule }: TreeContext, path: Path): boolean {
  const text = typeof path === "string" ? path : schedule.platform.decode(path, "latin1");
  return !/(^|\/)\.{0,2}$/.test(text);
}

/** "full/." and "link/" cannot be removed whatever is in them: then that has to stay too. */
function isRemoved({ sync }: TreeContext, path: Path): boolean {
  try {
    sync.rmdirSync(path as string);
    return true;
  } catch (error) {
    if (!hasCode(error, "ENOTEMPTY", "ENOENT", ...RETRIED)) throw error;
    return false;
  }
}

interface Level {
  readonly path: Path;
  /** What is left to remove in it; null before it was read. */
  names: { readonly path: Uint8Array; readonly isDirectory: boolean }[] | null;
}

/** Without recursion, for trees may be deeper than the stack. */
function* removeTree(context: TreeContext, root: Path, options: Options): Steps<void> {
  const { sync } = context;
  const levels: Level[] = [{ path: root, names: null }];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    yield PAUSE;
    const { path } = level;
    level.names ??= entriesOf(context, path);
    const entry = level.names.pop();
    if (entry === undefined) {
      yield* retry(() => sync.rmdirSync(path as string), options);
      levels.pop();
    } else if (entry.isDirectory) levels.push({ path: entry.path, names: null });
    else yield* retry(() => sync.unlinkSync(entry.path as Buffer), options);
  }
}

function entriesOf({ sync, schedule }: TreeContext, path: Path): NonNullable<Level["names"]> {
  const { platform } = schedule;
  const start = typeof path === "string" ? platform.encode(path, "utf8") : path;
  try {
    const entries = sync.readdirSync(path as string, { withFileTypes: true, encoding: "buffer" });
    return entries.map((entry) => {
      const bytes = new Uint8Array(start.length + 1 + entry.name.length);
      bytes.set(start);
      bytes[start.length] = SLASH;
      bytes.set(entry.name, start.length + 1);
      return { path: platform.wrap(bytes), isDirectory: entry.isDirectory() };
    });
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}

const SLASH = 0x2f;

/** Do it, again after a while where that may help; what is not there any more is done. */
function* retry(work: () => void, options: Options): Steps<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return work();
    } catch (error) {
      if (hasCode(error, "ENOENT")) return;
      if (attempt > options.maxRetries || !hasCode(error, ...RETRIED)) throw error;
      yield new Delay(attempt * options.retryDelay);
    }
  }
}
