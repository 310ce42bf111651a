/** What a workload is: real work on a mounted file system, cut into operations that are counted. */
import type { Name, Task } from "@xiplab/core";
import type { TreeSnapshot } from "./tree-snapshot.ts";

export type WorkloadName = "tree" | "log" | "mmap" | "append-64" | "append-4k";
export const WorkloadNames: readonly WorkloadName[] = [
  "tree",
  "log",
  "mmap",
  "append-64",
  "append-4k",
];

/**
 * Does the workload write into preallocated blocks with write()? Then every negative control has to
 * be convicted on it; on another it may get away.
 */
export const provokes = (name: WorkloadName): boolean => name === "log";

/** Called around each operation. Without an observer both only count. */
export interface OperationHook {
  begin(): void;
  end(): void;
}

/** One run's worth: holds what the run wrote, to compare it with what can be read. */
export interface Workload {
  readonly name: WorkloadName;
  /** What it does, in words, with its sizes. */
  readonly title: string;
  /** Files that hold its data, for fiemap. */
  readonly files: readonly Name[];
  /** Bytes of data that will be on the device at the end. */
  readonly bytes: number;
  /** What has to stand before the work begins; not counted. Ends durable. */
  setup(task: Task): void;
  /** The work. Ends durable. */
  body(task: Task, hook: OperationHook): void;
  /** Compare all contents with what was written: what differs first, or null. */
  verify(task: Task): string | null;
}

export interface WorkloadOptions {
  readonly seed: number;
  /** Fewer operations: for a first look. */
  readonly quick: boolean;
  /** What `tree` copies; the other workloads do not look at it. */
  readonly tree: TreeSnapshot | null;
}
