/** Workloads, and the runner that measures a design under them. */
export { type CompareHooks, comparePlan, type Execute } from "./compare.ts";
export { type CrashSteps, crashSteps } from "./crash-case.ts";
export { type Design, designId, type DesignName, designsOf, WRITEBACK } from "./design.ts";
export { loadTree, type TreeBounds } from "./host-tree.ts";
export type { Job, JobResult, Plan } from "./jobs.ts";
export { makeWorkload } from "./make-workload.ts";
export type {
  Comparison,
  ComparisonMeta,
  ComparisonRow,
  CrashVerdict,
  Percentiles,
  TreeSummary,
  Verification,
} from "./row.ts";
export { type JobSurroundings, replayId, runJob } from "./run-job.ts";
export type { TreeEntry, TreeSnapshot } from "./tree-snapshot.ts";
export {
  type OperationHook,
  type Workload,
  type WorkloadName,
  WorkloadNames,
  type WorkloadOptions,
} from "./workload.ts";
