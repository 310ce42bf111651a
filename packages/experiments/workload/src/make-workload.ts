/** Every workload by its name. */
import { assert } from "@xiplab/core";
import type { Workload, WorkloadName, WorkloadOptions } from "./workload.ts";
import { appendWorkload } from "./workloads/append.ts";
import { logWorkload } from "./workloads/log.ts";
import { mmapWorkload } from "./workloads/mmap.ts";
import { treeWorkload } from "./workloads/tree.ts";

/** A workload for one run. `tree` needs `options.tree`. */
export function makeWorkload(name: WorkloadName, options: WorkloadOptions): Workload {
  switch (name) {
    case "tree":
      assert(options.tree !== null, "the tree workload needs a tree");
      return treeWorkload(options.tree);
    case "log":
      return logWorkload(options);
    case "mmap":
      return mmapWorkload(options);
    case "append-64":
      return appendWorkload(name, 64, options);
    case "append-4k":
      return appendWorkload(name, 4096, options);
  }
}
