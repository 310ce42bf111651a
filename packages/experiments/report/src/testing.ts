/** Rows for the tests of this package. */
import type { ComparisonRow } from "@xiplab/workload";

const CLEAN = {
  states: 340,
  lost: 0,
  stale: 0,
  broken: 0,
  firstId: null,
  points: 40,
  pointsBounded: 0,
};

/** A row of `plain zero` on dram under `log`, with what `over` changes. */
export const row = (over: Partial<ComparisonRow> = {}): ComparisonRow => ({
  personality: "plain",
  unwritten: "zero",
  data: "xip",
  media: "dram",
  workload: "log",
  sound: true,
  controlExpected: true,
  ops: 100,
  wallNsPerOp: 1234,
  wallNsPerOpMedian: 1300,
  rounds: 3,
  modelledNsPerOp: { p50: 800, p99: 45_600, mean: 900 },
  bytes: { data: 102_400, metadata: 6400, journal: 0, zeroing: 102_400, checkpoint: 0 },
  zeroingShare: 0.485,
  stores: 500,
  flushes: 200,
  fences: 300,
  transactions: 100,
  mediaWriteAmplification: 1.25,
  extentsPerFile: 1,
  spaceUsed: 131_072,
  verified: true,
  failure: null,
  crash: CLEAN,
  ...over,
});

/** A convicted negative control. */
export const control = (over: Partial<ComparisonRow> = {}): ComparisonRow =>
  row({
    unwritten: "none",
    sound: false,
    verified: false,
    failure: "/log: byte 0 is 0x00",
    crash: { ...CLEAN, lost: 12, firstId: "case@4" },
    ...over,
  });

export const bothMedia = (one: ComparisonRow): ComparisonRow[] => [
  one,
  { ...one, media: "optane", mediaWriteAmplification: 3.1 },
];
