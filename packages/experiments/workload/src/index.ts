/** Workloads, and the runner that measures a design under them. */
export type {
  Comparison,
  ComparisonMeta,
  ComparisonRow,
  CrashVerdict,
  Percentiles,
  TreeSummary,
  Verification,
} from "./row.ts";
