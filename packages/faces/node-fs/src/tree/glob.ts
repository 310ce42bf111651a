/**
 * glob: what matches patterns, found by walking from `cwd`. The rules are Node's: what "**" enters,
 * how "." and ".." count, that names with a dot are matched only by a dot, what is said twice.
 */
import type { Dirent } from "node:fs";
import { invalidType } from "../errors.ts";
import { requireBoolean, requireInteger, requireObject } from "../sync/arguments.ts";
import { requireString } from "../callback/arguments.ts";
import type { Platform } from "../platform.ts";
import { resolve, textPath, type TreeContext } from "./context.ts";
import { GlobFiles } from "./glob-files.ts";
import { GlobPattern, matcherOf } from "./glob-pattern.ts";
import { joinPath, relativePath } from "./paths.ts";
import { PAUSE } from "./steps.ts";

export interface GlobOptions {
  readonly cwd?: string | URL;
  readonly exclude?: readonly string[] | ((entry: string | Dirent) => boolean);
  readonly followSymlinks?: boolean;
  readonly maxDepth?: number;
  readonly withFileTypes?: boolean;
}

type Match = string | Dirent;
type Search = Generator<Match | typeof PAUSE, void, unknown>;

const never = (): boolean => false;

export class Glob {
  readonly #context: TreeContext;
  readonly #root: string;
  readonly #files: GlobFiles;
  readonly #withFileTypes: boolean;
  readonly #followSymlinks: boolean;
  readonly #depthMax: number;
  readonly #patterns: GlobPattern[];
  /** By absolute path: patterns that exclude. */
  #isExcluded: (path: string) => boolean = never;
  /** By name or entry: the caller's function. */
  #exclude: ((entry: Match) => boolean) | null = null;
  /** Paths that were found, in the order of their finding. */
  readonly #results = new Set<string>();
  /** For each path what was looked for in it. */
  readonly #seen = new Map<string, Set<string>>();
  /** Where to go on from the place that is being looked at. */
  readonly #next = new Map<string, GlobPattern[]>();

  /** @throws TypeError, RangeError for wrong arguments */
  constructor(context: TreeContext, pattern: unknown, given: unknown = {}) {
    const { platform } = context.schedule;
    requireObject(platform, given, "options");
    const options = given as GlobOptions;
    this.#context = context;
    this.#root = options.cwd === undefined ? "." : textPath(platform, options.cwd, "options.cwd");
    this.#files = new GlobFiles(context.sync);
    if (options.followSymlinks !== undefined && options.followSymlinks !== null) {
      requireBoolean(platform, options.followSymlinks, "options.followSymlinks");
    }
    this.#followSymlinks = options.followSymlinks === true;
    this.#depthMax = options.maxDepth ?? Number.POSITIVE_INFINITY;
    if (this.#depthMax !== Number.POSITIVE_INFINITY) {
      requireInteger(platform, this.#depthMax, "options.maxDepth", 0);
    }
    this.#withFileTypes = Boolean(options.withFileTypes);
    this.#setExclude(platform, options.exclude);
    this.#patterns = patternsOf(platform, pattern).flatMap((text) => GlobPattern.parse(text));
  }

  /** Every match once, and pauses. */
  *search(): Search {
    const queue = [{ path: ".", patterns: this.#patterns }];
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) {
      for (const pattern of item.patterns) yield* this.#expand(item.path, pattern);
      for (const [path, patterns] of this.#next) queue.push({ path, patterns });
      this.#next.clear();
      yield PAUSE;
    }
  }

  /** All of them. Entries are those of the paths as they are found from here. */
  all(): Match[] {
    const walk = this.search();
    while (!walk.next().done);
    const paths = [...this.#results];
    if (!this.#withFileTypes) return paths;
    const whole = (path: string): string =>
      path.startsWith("/") ? path : joinPath(this.#root, path);
    return paths.map((path) => this.#files.entry(whole(path))!);
  }

  #setExclude(platform: Platform, exclude: GlobOptions["exclude"] | null): void {
    if (exclude === undefined || exclude === null) return;
    if (typeof exclude === "function") {
      this.#exclude = exclude;
      return;
    }
    if (!Array.isArray(exclude)) {
      throw invalidType(platform, "options.exclude", "of type function or string[]", exclude);
    }
    for (const [index, text] of exclude.entries()) {
      requireString(platform, text, `options.exclude[${index}]`);
    }
    const matchers = (exclude as readonly string[]).map((text) => matcherOf(this.#absolute(text)));
    this.#isExcluded = (path) => matchers.some((matcher) => matcher.match(path));
  }

  #absolute(path: string): string {
    const root = resolve(this.#context, this.#root);
    return resolve({ ...this.#context, cwd: () => root }, path);
  }

  /** Look into one place for what one pattern may find there. */
  *#expand(path: string, pattern: GlobPattern): Search {
    if (this.#wasSeen(path, pattern)) return;
    const full = this.#absolute(path);
    if (this.#isExcluded(full)) return;
    if (pattern.isFirst && this.#enterStart(pattern)) return;
    const entry = this.#files.entry(full);
    const isDirectory = this.#isDirectory(full, entry, pattern);
    const { last } = pattern;
    const isLast = pattern.isLast(isDirectory);
    const end = pattern.at(-1);

    if (isLast && typeof end === "string") {
      const found = this.#files.entry(joinPath(full, end));
      if (found !== null && (end !== "" || isDirectory))
        yield* this.#add(joinPath(path, end), found);
      if (pattern.indexes.size === 1 && pattern.indexes.has(last)) return;
    } else if (isLast && pattern.isGlobstar(last)) {
      // The start itself counts only if the pattern says "." or is "**" alone.
      const counts = path !== "." || pattern.at(0) === "." || (last === 0 && entry !== null);
      if (counts) yield* this.#add(path, entry!);
    }
    if (!isDirectory || !this.#mayEnter(path, pattern)) return;
    const real = this.#followSymlinks ? this.#files.realpath(full) : null;
    if (real !== null && pattern.realpaths.has(real)) return;
    const realpaths = real === null ? pattern.realpaths : new Set([...pattern.realpaths, real]);
    for (const child of this.#children(full, pattern)) {
      yield* this.#visit(path, full, child, pattern, isLast, realpaths);
    }
  }

  #wasSeen(path: string, pattern: GlobPattern): boolean {
    const seen = this.#seen.get(path) ?? new Set<string>();
    this.#seen.set(path, seen);
    const before = seen.size;
    for (const index of pattern.indexes) seen.add(pattern.rest(index));
    return seen.size !== before + pattern.indexes.size;
  }

  #wasSeenFrom(path: string, pattern: GlobPattern, index: number): boolean {
    return this.#seen.get(path)?.has(pattern.rest(index)) === true;
  }

  /** Patterns may start at the root, in the parent, or say that they start here. */
  #enterStart(pattern: GlobPattern): boolean {
    const start = pattern.at(0);
    const place = start === "" ? "/" : start === ".." ? "../" : start === "." ? "." : null;
    if (place === null) return false;
    this.#goOn(place, pattern.child(new Set([1])));
    return true;
  }

  #isDirectory(full: string, entry: Dirent | null, pattern: GlobPattern): boolean {
    if (entry === null) return false;
    if (entry.isDirectory()) return true;
    if (!entry.isSymbolicLink()) return false;
    return this.#followSymlinks ? this.#files.leadsToDirectory(full) : pattern.mayEnterLink;
  }

  /** Parts of the way from the root to a path. */
  #depthOf(path: string): number {
    const way = relativePath(this.#absolute("."), this.#absolute(path));
    return way === "" ? 0 : way.split("/").length;
  }

  #mayEnter(path: string, pattern: GlobPattern): boolean {
    if (this.#depthMax === Number.POSITIVE_INFINITY) return true;
    if (pattern.isAbsolute) {
      const way = relativePath(this.#absolute(path), this.#absolute("."));
      if (way !== "" && way !== ".." && !way.startsWith("../")) return true;
    }
    return this.#depthOf(path) < this.#depthMax;
  }

  #children(full: string, pattern: GlobPattern): Dirent[] {
    const { literal } = pattern;
    if (literal === null) return this.#files.list(full);
    const entry = this.#files.entry(joinPath(full, literal));
    if (entry === null) return [];
    entry.name = literal;
    return [entry];
  }

  *#add(path: string, entry: Dirent): Search {
    if (this.#results.has(path) || this.#depthOf(path) > this.#depthMax) return;
    if (this.#isExcluded(this.#absolute(path))) return;
    this.#results.add(path);
    yield this.#withFileTypes ? entry : path;
  }

  /** What a name in a directory means for each place that the pattern is at. */
  *#visit(
    path: string,
    full: string,
    child: Dirent,
    pattern: GlobPattern,
    isLast: boolean,
    realpaths: ReadonlySet<string>,
  ): Search {
    const { name } = child;
    const place: Place = { path, child, pattern, isLast, own: joinPath(path, name) };
    const childFull = joinPath(full, name);
    this.#files.remember(childFull, child);
    place.isDirectory =
      child.isDirectory() ||
      (this.#followSymlinks && child.isSymbolicLink() && this.#files.leadsToDirectory(childFull));
    const next = new Set<number>();
    const symlinks = new Set<number>();
    for (const index of pattern.indexes) {
      const part = pattern.at(index);
      const isMatch = pattern.test(index, name);
      if (pattern.isGlobstar(index)) yield* this.#visitGlobstar(place, index, next, symlinks);
      else if (typeof part === "string") {
        if (isMatch && index !== pattern.last) next.add(index + 1);
        else if (part === "." && pattern.test(index + 1, name)) {
          if (index + 1 === pattern.last) yield* this.#add(place.own, child);
          else next.add(index + 2);
        }
      } else if (isMatch) {
        if (index === pattern.last) yield* this.#add(place.own, child);
        else if (place.isDirectory) next.add(index + 1);
      }
    }
    if (next.size > 0) this.#goOn(place.own, pattern.child(next, symlinks, realpaths));
  }

  /** "**" stays where it is, and what follows it is tried at once. */
  *#visitGlobstar(place: Place, index: number, next: Set<number>, symlinks: Set<number>): Search {
    const { child, pattern, own } = place;
    const { last } = pattern;
    const isDirectory = place.isDirectory === true;
    const follows = index + 1;
    const matches = pattern.test(follows, child.name);
    const fromSymlink = !this.#followSymlinks && pattern.symlinks.has(index);
    let beyond = follows;
    while (pattern.isGlobstar(beyond)) beyond++;
    if (child.name.startsWith(".") && !pattern.test(beyond, child.name)) return;
    if (this.#exclude?.(this.#withFileTypes ? child : child.name)) return;

    if (!fromSymlink && isDirectory) next.add(index);
    else if (!fromSymlink && index === last) yield* this.#add(own, child);
    if (matches && follows === last && !place.isLast) yield* this.#add(own, child);
    else if (matches && isDirectory) next.add(index + 2);
    if ((matches || pattern.at(0) === ".") && isDirectory && !fromSymlink) next.add(follows);
    if (!this.#followSymlinks && child.isSymbolicLink()) symlinks.add(index);
    if (pattern.at(follows) === ".." && isDirectory) yield* this.#goUp(place, follows);
  }

  /** "**" and then "..": the directory and the one above it. */
  *#goUp({ path, pattern }: Place, index: number): Search {
    const parent = joinPath(path, "..");
    for (const place of [path, parent]) {
      if (index < pattern.last) {
        if (this.#next.has(place) || this.#wasSeenFrom(place, pattern, index + 1)) continue;
        this.#next.set(place, [pattern.child(new Set([index + 1]))]);
      } else if (!this.#wasSeenFrom(place, pattern, index)) {
        this.#wasSeen(place, pattern.child(new Set([index])));
        const entry = this.#files.entry(this.#absolute(place));
        if (entry !== null) yield* this.#add(place, entry);
      }
    }
  }

  #goOn(path: string, pattern: GlobPattern): void {
    if (this.#isExcluded(path)) return;
    const full = this.#absolute(path);
    if (this.#isExcluded(`${full}/`) && this.#files.entry(full)?.isDirectory()) return;
    if (this.#exclude !== null) {
      const entry = this.#withFileTypes ? this.#files.entry(path) : path;
      if (entry !== null && this.#exclude(entry)) return;
    }
    const patterns = this.#next.get(path);
    if (patterns === undefined) this.#next.set(path, [pattern]);
    else patterns.push(pattern);
  }
}

/** A name that is being looked at. */
interface Place {
  /** The directory, and the name in it. */
  readonly path: string;
  readonly own: string;
  readonly child: Dirent;
  readonly pattern: GlobPattern;
  readonly isLast: boolean;
  isDirectory?: boolean;
}

function patternsOf(platform: Platform, given: unknown): string[] {
  if (typeof given !== "object") {
    requireString(platform, given, "patterns");
    return [given];
  }
  if (!Array.isArray(given)) throw invalidType(platform, "patterns", "an instance of Array", given);
  for (const [index, text] of given.entries()) requireString(platform, text, `patterns[${index}]`);
  return given as string[];
}
