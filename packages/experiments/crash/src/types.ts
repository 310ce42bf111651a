/**
 * What goes into an exploration and what comes out of it.
 *
 * A case is data: a personality, options, and two lists of operations. The same case gives the same
 * crash states in the same order, so that an id (see `id.ts`) is enough to find one again.
 */
import type { PersistenceDomain, Personality } from "@xiplab/core";
import type { Operation } from "@xiplab/testkit";

/** One design under one small piece of work. */
export interface CrashCase {
  /** Names the work in ids: lower-case letters, digits and dashes. */
  readonly name: string;
  readonly personality: Personality;
  /** As for `mount`: `data`, `unwritten`, and the personality's own. */
  readonly mountOptions: Readonly<Record<string, string>>;
  readonly mkfsOptions?: Readonly<Record<string, string>>;
  /** Bytes; a multiple of the page size. */
  readonly deviceSize: number;
  /** Default `adr`. */
  readonly domain?: PersistenceDomain;
  /** Runs before the first crash point, and is synced. */
  readonly setup: readonly Operation[];
  /** Every fence interval of these is explored, and so is the unmount after them. */
  readonly body: readonly Operation[];
  readonly bounds?: Partial<CrashBounds>;
  /** What the sampled plans are drawn from. Default 1. */
  readonly seed?: number;
  /** Overrides what follows from the personality and the mount options: see `promisesOf`. */
  readonly promises?: Partial<Promises>;
  /** Called after each crash point. */
  readonly onProgress?: (progress: CrashProgress) => void;
}

/** How far each crash point is explored. What a bound drops is counted: see `Skipped`. */
export interface CrashBounds {
  /** Try every state of a crash point that has at most this many. Default 64. */
  readonly exhaustiveStates: number;
  /** Else: with at most this many lines in flight, every subset of whole lines. Default 5. */
  readonly exhaustiveLines: number;
  /** Lines tried alone, and all but this one, per crash point; spread evenly. Default 12. */
  readonly linesMax: number;
  /** Prefixes of the run of stores, in program order, per crash point. Default 8. */
  readonly prefixesMax: number;
  /** States drawn by the seed, per crash point. Default 8. */
  readonly samples: number;
}

/** What a design says that a power cut leaves alone. The oracle convicts whatever breaks these. */
export interface Promises {
  /** A name that was made, moved or removed is durable when the call returns. Without it: when
   * the file system, or the directory, was synced. */
  readonly synchronousMetadata: boolean;
  /** A rename is there entirely or not at all. Without it a crash may show the file under both
   * names, or the target gone; never under no name. */
  readonly atomicRename: boolean;
  /** One write() is there entirely or not at all. */
  readonly atomicWrite: boolean;
}

export interface VerdictCount {
  /** Crash states with this verdict. */
  readonly count: number;
  /** The first of them, to be given to `replayCrash`; null where there is none. */
  readonly firstId: string | null;
}

/** What bounds left out. Nothing is left out in silence. */
export interface Skipped {
  /** Crash points at which not every state of the model was tried. */
  readonly points: number;
  /** States of the one-line, all-but-one and prefix plans that a bound dropped. */
  readonly planned: number;
  /** Crash points at which the subsets of lines were sampled instead of enumerated. */
  readonly sampled: number;
}

export interface CrashResult {
  /** Crash states tried: recovered, compared, checked. */
  readonly states: number;
  /** Further plans that led to an image and an obligation that had been judged already. */
  readonly duplicates: number;
  /** Places at which the power was cut: every fence and every end of an operation. */
  readonly points: number;
  /** States that the model allows at these points; Number.MAX_VALUE where it has no room. */
  readonly naiveStates: number;
  /** The decimal logarithm of the same, which always has. */
  readonly naiveStatesLog10: number;
  readonly skipped: Skipped;
  /** Data or names that were promised to survive are not there. */
  readonly lost: VerdictCount;
  /** A file shows a byte that it never held. */
  readonly stale: VerdictCount;
  /** Does not mount, an operation throws, or `check` finds something. */
  readonly broken: VerdictCount;
  /** Id of the first state with any verdict, or null. */
  readonly firstId: string | null;
  /** Pages of the device that held the marker of free space when the run began. 0 would mean that
   * stale bytes could not have been told from zeros. */
  readonly markedPages: number;
  readonly seed: number;
  readonly elapsedMs: number;
  readonly statesPerSecond: number;
}

export interface CrashProgress {
  readonly pointsDone: number;
  readonly pointsTotal: number;
  readonly states: number;
  readonly lost: number;
  readonly stale: number;
  readonly broken: number;
}

export type VerdictName = "lost" | "stale" | "broken";
export const VerdictNames: readonly VerdictName[] = ["lost", "stale", "broken"];

/** Files that are compared byte by byte have at most so many bytes, holes included. */
export const CONTENT_MAX = 2 ** 28;

/** The case itself cannot be explored: an operation does something else than POSIX wants. */
export class CrashCaseError extends Error {
  override readonly name = "CrashCaseError";
}
