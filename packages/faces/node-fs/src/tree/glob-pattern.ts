/**
 * A pattern of glob, cut at its slashes, and how far a walk has come in it. A walk may be at several
 * places of one pattern at once, for "**" stands for any number of directories.
 */
import { GLOBSTAR, Minimatch, type ParseReturnFiltered } from "minimatch";

type Part = ParseReturnFiltered;

/** Of every pattern, in glob and in watch: as Node does; the file system below distinguishes upper and lower case, wherever this runs. */
export const MATCH_OPTIONS = {
  nocase: false,
  windowsPathsNoEscape: true,
  nonegate: true,
  nocomment: true,
  optimizationLevel: 2,
  platform: "linux",
  nocaseMagicOnly: true,
} as const;

export const matcherOf = (pattern: string): Minimatch => new Minimatch(pattern, MATCH_OPTIONS);

export class GlobPattern {
  readonly isAbsolute: boolean;
  /** Index of the last part. */
  readonly last: number;
  /** The parts that the next name is compared with. */
  readonly indexes: ReadonlySet<number>;
  /** Those of them that were reached through a symbolic link, where "**" does not go on. */
  readonly symlinks: ReadonlySet<number>;
  /** The real paths of the directories on the way, where links are followed. */
  readonly realpaths: ReadonlySet<string>;
  private readonly parts: readonly Part[];
  private readonly texts: readonly string[];

  private constructor(
    parts: readonly Part[],
    texts: readonly string[],
    indexes: ReadonlySet<number>,
    symlinks: ReadonlySet<number>,
    realpaths: ReadonlySet<string>,
  ) {
    this.parts = parts;
    this.texts = texts;
    this.indexes = indexes;
    this.symlinks = symlinks;
    this.realpaths = realpaths;
    this.last = parts.length - 1;
    this.isAbsolute = texts.join("/").startsWith("/");
  }

  /** All that a text stands for: braces are several patterns. */
  static parse(text: string): GlobPattern[] {
    const { set, globParts } = matcherOf(text);
    return set.map((parts, index) => {
      return new GlobPattern(parts, globParts[index]!, new Set([0]), new Set(), new Set());
    });
  }

  /** The same pattern, further on. */
  child(
    indexes: ReadonlySet<number>,
    symlinks: ReadonlySet<number> = new Set(),
    realpaths = this.realpaths,
  ): GlobPattern {
    return new GlobPattern(this.parts, this.texts, indexes, symlinks, realpaths);
  }

  /** The part; -1 is the last one. */
  at(index: number): Part | undefined {
    return this.parts.at(index);
  }

  isGlobstar(index: number): boolean {
    return this.parts[index] === GLOBSTAR;
  }

  /** Is the walk at the end, or before a slash at the end that only directories match? */
  isLast(isDirectory: boolean): boolean {
    if (this.indexes.has(this.last)) return true;
    const isBeforeSlash = this.indexes.has(this.last - 1) && this.at(-2) === GLOBSTAR;
    return this.at(-1) === "" && isDirectory && isBeforeSlash;
  }

  get isFirst(): boolean {
    return this.indexes.has(0);
  }

  /** Is there a place that was not reached through a link? */
  get mayEnterLink(): boolean {
    return [...this.indexes].some((index) => !this.symlinks.has(index));
  }

  /** Does part `index` match the name? */
  test(index: number, name: string): boolean {
    const part = this.parts[index];
    if (part === undefined) return false;
    if (part === GLOBSTAR) return true;
    return typeof part === "string" ? part === name : (part as RegExp).test(name);
  }

  /** The only part that is compared next, if it is plain text: then no directory need be read. */
  get literal(): string | null {
    const [index, more] = this.indexes;
    const part = index === undefined || more !== undefined ? undefined : this.at(index);
    return typeof part === "string" ? part : null;
  }

  /** What is left of the pattern from `index` on, as text: two walks with the same do the same. */
  rest(index: number): string {
    return this.texts.slice(index).join("/");
  }
}
