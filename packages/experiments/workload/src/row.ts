/**
 * One line of a comparison: a design, on a medium, under a workload. This is the form that goes
 * into JSON files, so fields are only ever added.
 */
import type { DataPathName, PurposeName } from "@xiplab/core";

/** Of a design under a workload; the medium does not change what is stored. */
export interface CrashVerdict {
  /** Crash states that were recovered and judged. */
  readonly states: number;
  /** Of these: data that had been promised to survive is not there. */
  readonly lost: number;
  /** A file shows a byte that it never held. */
  readonly stale: number;
  /** Does not mount, or `check` finds something. */
  readonly broken: number;
  /** The first state with any of the three, to be replayed; null where there is none. */
  readonly firstId: string | null;
  /** Places at which the power was cut. */
  readonly points: number;
  /** Of these: places at which the model allows more states than were tried. */
  readonly pointsBounded: number;
}

/** Contents compared with what was written, in the same mount and after a remount. */
export interface Verification {
  readonly verified: boolean;
  /** What differed first; null where nothing did. */
  readonly failure: string | null;
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly mean: number;
}

export interface ComparisonRow extends Verification {
  readonly personality: string;
  /** The write protocol; "writeback" where a page cache converts when it writes back. */
  readonly unwritten: string;
  readonly data: DataPathName;
  readonly media: string;
  readonly workload: string;
  /** Expected to be convicted of nothing. False for negative controls. */
  readonly sound: boolean;
  /** The workload is one on which every negative control has to be convicted. */
  readonly controlExpected: boolean;
  /** Operations of the workload: what the figures per operation are divided by. */
  readonly ops: number;
  /** Nanoseconds of this machine per operation, nobody watching: the best of the rounds for each
   * short run of operations, added up. */
  readonly wallNsPerOp: number;
  /** Of whole rounds, the median. */
  readonly wallNsPerOpMedian: number;
  readonly rounds: number;
  /** Nanoseconds that the medium would take, by its model. */
  readonly modelledNsPerOp: Percentiles;
  /** Bytes stored, all operations together, by purpose. */
  readonly bytes: Readonly<Record<PurposeName, number>>;
  /** Bytes stored for zeroing, of all bytes stored: 0 to 1. */
  readonly zeroingShare: number;
  /** Totals of the run. */
  readonly stores: number;
  readonly flushes: number;
  readonly fences: number;
  readonly transactions: number;
  /** Bytes that the medium wrote per byte stored. */
  readonly mediaWriteAmplification: number;
  /** Mean over the workload's files that have data. */
  readonly extentsPerFile: number;
  /** Bytes of the device in use after the run, beyond those before it. */
  readonly spaceUsed: number;
  /** Null where the exploration was left out. */
  readonly crash: CrashVerdict | null;
}

export interface ComparisonMeta {
  readonly xiplab: string;
  readonly node: string;
  readonly platform: string;
  readonly seed: number;
  readonly quick: boolean;
  /** The command line, to run it again. */
  readonly command: string;
  /** What the tree workload copied. */
  readonly tree: TreeSummary | null;
  readonly elapsedMs: number;
}

export interface TreeSummary {
  readonly directory: string;
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  readonly bytes: number;
  /** Left out: too much, or of a kind that is not copied. */
  readonly skipped: number;
}

export interface Comparison {
  readonly meta: ComparisonMeta;
  readonly rows: readonly ComparisonRow[];
}
