/**
 * cp: files, links and trees. One walk for cpSync and for promises.cp, which wait for a filter that
 * answers later. What Node's two say differently of the same failure is kept (cp-errors.ts).
 */
import type { BigIntStats, CopyOptions, Stats } from "node:fs";
import { requireFunction } from "../callback/arguments.ts";
import { codedError } from "../callback/coded-error.ts";
import { requireBoolean, requireInteger, requireObject } from "../sync/arguments.ts";
import { invalidType, invalidValue } from "../errors.ts";
import { dirname, joinPath } from "./paths.ts";
import { hasCode, resolve, textPath, type TreeContext } from "./context.ts";
import { existsError, invalid, refuse, specialFile } from "./cp-errors.ts";
import { PAUSE, type Steps } from "./steps.ts";

type Filter = (source: string, target: string) => unknown;

interface CpOptions {
  readonly dereference: boolean;
  readonly errorOnExist: boolean;
  readonly filter: Filter | undefined;
  readonly force: boolean;
  readonly mode: number;
  readonly preserveTimestamps: boolean;
  readonly recursive: boolean;
  readonly verbatimSymlinks: boolean;
}

/** One call. */
export interface Copy extends TreeContext {
  readonly options: CpOptions;
  /** cpSync: does not wait, and has words of its own for failures. */
  readonly isSync: boolean;
}

const FLAGS = [
  "dereference",
  "errorOnExist",
  "force",
  "preserveTimestamps",
  "recursive",
  "verbatimSymlinks",
] as const;
const COPYFILE_ALL = 7;

/** @throws TypeError, RangeError for wrong options */
function cpOptions({ schedule }: TreeContext, given: unknown): CpOptions {
  const { platform } = schedule;
  const defaults: CpOptions = {
    dereference: false,
    errorOnExist: false,
    filter: undefined,
    force: true,
    mode: 0,
    preserveTimestamps: false,
    recursive: false,
    verbatimSymlinks: false,
  };
  if (given === undefined) return defaults;
  requireObject(platform, given, "options");
  const options = { ...defaults, ...(given as Partial<CpOptions>) };
  for (const flag of FLAGS) requireBoolean(platform, options[flag], `options.${flag}`);
  const mode = options.mode ?? 0;
  requireInteger(platform, mode, "mode", 0, COPYFILE_ALL);
  if (options.dereference && options.verbatimSymlinks) {
    const message =
      'Option "dereference" cannot be used in combination with option "verbatimSymlinks"';
    throw codedError(TypeError, "ERR_INCOMPATIBLE_OPTION_PAIR", message);
  }
  if (options.filter !== undefined) requireFunction(platform, options.filter, "options.filter");
  return { ...options, mode };
}

/** The arguments of a call, checked. @throws TypeError, RangeError */
export function cpCall(
  context: TreeContext,
  source: unknown,
  target: unknown,
  options: CopyOptions | undefined,
  isSync: boolean,
): Steps<void> {
  const { platform } = context.schedule;
  const copy = { ...context, options: cpOptions(context, options), isSync };
  const from = textPath(platform, source, "src");
  const to = textPath(platform, target, "dest");
  if (isSync) return cpAtOnce(copy, exactText(copy, source, from), exactText(copy, target, to));
  return cpLater(
    copy,
    from,
    to,
    [source, target].find((path) => path instanceof Uint8Array),
  );
}

/** The walk is one over texts: bytes that have none would name another file. */
function exactText({ schedule }: Copy, given: unknown, text: string): string {
  if (!(given instanceof Uint8Array)) return text;
  const bytes = schedule.platform.encode(text, "utf8");
  const isExact = bytes.length === given.length && bytes.every((byte, at) => byte === given[at]);
  if (!isExact) throw invalidValue(schedule.platform, "path", given, "must be UTF-8");
  return text;
}

/** `bytes`: a path that was given as such. Node finds out after its first look. */
function* cpLater(copy: Copy, source: string, target: string, bytes: unknown): Steps<void> {
  const found = yield* look(copy, source, target);
  if (found === null) return;
  if (bytes !== undefined) {
    throw invalidType(copy.schedule.platform, "path", "of type string", bytes);
  }
  requireOutside(copy, source, found.source, target);
  makeParent(copy, target);
  yield* copyItem(copy, source, target, found.target);
}

/** As Node: what the source leads to is what it is for the checks, a link as a target is a link. */
function* cpAtOnce(copy: Copy, source: string, target: string): Steps<void> {
  if (!(yield* isWanted(copy, source, target))) return;
  const { sync, options } = copy;
  const stat = statOf(copy);
  const own = stat(source, { bigint: true });
  // A link that leads nowhere can be copied too.
  const from = statIfAny(() => sync.statSync(source, { bigint: true })) ?? own;
  const behind = statIfAny(() => sync.statSync(target, { bigint: true }));
  if (behind !== null && isSame(from, behind)) throw invalid(copy, "same", source, target);
  const to = statIfAny(() => stat(target, { bigint: true }));
  requireDistinct(copy, source, target, { source: from, target: to });
  requireOutside(copy, source, own, target);
  if (from.isDirectory() && !options.recursive) throw refuse(copy, "directory", source, target);
  if (to === null) makeParent(copy, target);
  const existing = statOrNull(() => stat(target, { bigint: true }));
  yield* copyItem(copy, source, target, existing);
}

function makeParent({ sync }: Copy, target: string): void {
  const parent = dirname(target);
  if (statOrNull(() => sync.statSync(parent)) === null) sync.mkdirSync(parent, { recursive: true });
}

const statOf = ({ sync, options }: Copy) => (options.dereference ? sync.statSync : sync.lstatSync);

interface Found {
  readonly source: BigIntStats;
  readonly target: BigIntStats | null;
}

/** What is at both ends; null where the filter does not want it. @throws Error ERR_FS_CP_* */
function* look(copy: Copy, source: string, target: string): Steps<Found | null> {
  if (!(yield* isWanted(copy, source, target))) return null;
  const stat = statOf(copy);
  const from = stat(source, { bigint: true });
  const to = statOrNull(() => stat(target, { bigint: true }));
  const found = { source: from, target: to };
  requireDistinct(copy, source, target, found);
  return found;
}

function* isWanted({ options }: Copy, source: string, target: string): Steps<boolean> {
  if (options.filter === undefined) return true;
  const wanted = yield options.filter(source, target);
  if (wanted instanceof Promise) {
    const message = 'Expected boolean to be returned from the "filter" function but got an ';
    throw codedError(TypeError, "ERR_INVALID_RETURN_VALUE", `${message}instance of Promise.`);
  }
  return Boolean(wanted);
}

/** Not the same, not one over the other kind, not into itself. @throws Error ERR_FS_CP_* */
function requireDistinct(copy: Copy, source: string, target: string, found: Found): void {
  const { source: from, target: to } = found;
  if (to !== null) {
    if (isSame(from, to)) throw invalid(copy, "same", source, target);
    if (from.isDirectory() && !to.isDirectory()) throw refuse(copy, "toFile", source, target);
    if (!from.isDirectory() && to.isDirectory()) throw refuse(copy, "toDirectory", source, target);
  }
  if (from.isDirectory() && isInside(copy, source, target)) {
    throw invalid(copy, "inside", source, target);
  }
}

const isSame = (one: BigIntStats, other: BigIntStats): boolean =>
  one.ino === other.ino && one.dev === other.dev;

/** Null where there is nothing. */
function statOrNull<T>(stat: () => T): T | null {
  try {
    return stat();
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}

/** Null where there is nothing, or nothing can be. */
function statIfAny<T>(stat: () => T): T | null {
  try {
    return stat();
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG")) return null;
    throw error;
  }
}

/** Is `target`, by its text, `source` or below it? */
function isInside(context: TreeContext, source: string, target: string): boolean {
  const from = resolve(context, source);
  return `${resolve(context, target)}/`.startsWith(from === "/" ? from : `${from}/`);
}

/** No directory above the target may be the source, whatever links lead there. */
function requireOutside(copy: Copy, source: string, stat: BigIntStats, target: string): void {
  const sourceParent = resolve(copy, dirname(source));
  // What an error names: Node's cp climbs with it, its cpSync does not.
  let below = target;
  let parent = resolve(copy, dirname(target));
  while (parent !== sourceParent && parent !== "/") {
    const above = parent;
    const found = statOrNull(() => copy.sync.statSync(above, { bigint: true }));
    if (found === null) return;
    if (isSame(stat, found)) throw invalid(copy, "inside", source, copy.isSync ? target : below);
    below = parent;
    parent = dirname(parent);
  }
}

function* copyItem(
  copy: Copy,
  source: string,
  target: string,
  existing: BigIntStats | null,
): Steps<void> {
  const { sync, options } = copy;
  const stat = options.dereference ? sync.statSync(source) : sync.lstatSync(source);
  if (stat.isDirectory()) {
    if (!options.recursive) throw refuse(copy, "directory", source, target);
    yield* copyDirectory(copy, source, target, stat, existing);
  } else if (stat.isFile() || stat.isCharacterDevice() || stat.isBlockDevice()) {
    copyFile(copy, source, target, stat, existing);
  } else if (stat.isSymbolicLink()) copyLink(copy, source, target, existing);
  else throw specialFile(copy, stat, target);
}

function* copyDirectory(
  copy: Copy,
  source: string,
  target: string,
  stat: Stats,
  existing: BigIntStats | null,
): Steps<void> {
  const { sync, options } = copy;
  if (existing === null) sync.mkdirSync(target);
  else if (options.errorOnExist && !options.force) throw existsError(target);
  for (const name of sync.readdirSync(source)) {
    yield PAUSE;
    const from = joinPath(source, name);
    const to = joinPath(target, name);
    // Node's cpSync goes past what it cannot copy, unless there is a filter.
    if (copy.isSync && options.filter === undefined && isSpecial(sync.lstatSync(from))) continue;
    const found = yield* look(copy, from, to);
    if (found !== null) yield* copyItem(copy, from, to, found.target);
  }
  if (options.preserveTimestamps) copyTimes(copy, source, target);
  if (existing === null) sync.chmodSync(target, stat.mode);
}

const isSpecial = (stat: Stats): boolean => stat.isFIFO() || stat.isSocket();

function copyFile(
  { sync, options, ...context }: Copy,
  source: string,
  target: string,
  stat: Stats,
  existing: BigIntStats | null,
): void {
  if (existing !== null) {
    if (!options.force && options.errorOnExist) throw existsError(target);
    if (!options.force) return;
    sync.unlinkSync(target);
  }
  sync.copyFileSync(source, target, options.mode);
  if (options.preserveTimestamps) copyTimes({ sync, options, ...context }, source, target);
  sync.chmodSync(target, stat.mode);
}

/** The times that the source has now: reading it may have moved them. */
function copyTimes({ sync }: Copy, source: string, target: string): void {
  const { atime, mtime } = sync.statSync(source);
  sync.utimesSync(target, atime, mtime);
}

function copyLink(copy: Copy, source: string, target: string, existing: BigIntStats | null): void {
  const { sync, options } = copy;
  const absolute = (path: string, link: string): string =>
    path.startsWith("/") ? path : resolve(copy, joinPath(dirname(link), path));
  const text = sync.readlinkSync(source);
  const from = options.verbatimSymlinks ? text : absolute(text, source);
  if (existing === null) return sync.symlinkSync(from, target);
  if (!existing.isSymbolicLink()) return sync.symlinkSync(from, target);

  const old = absolute(sync.readlinkSync(target), target);
  const isDirectory = statOrNull(() => sync.statSync(source))?.isDirectory() === true;
  if (isDirectory && isInside(copy, from, old))
    throw invalid(copy, "linkInside", from, old, target);
  // Its content would go with what is overwritten. Node asks what must be there: the source for cp,
  // the target for cpSync.
  const isOver = sync.statSync(copy.isSync ? target : source).isDirectory();
  if (isOver && isInside(copy, old, from)) throw refuse(copy, "link", from, old, target);
  sync.unlinkSync(target);
  sync.symlinkSync(from, target);
}
