/** A comparison for programs. Fields are only ever added. */
import type { Comparison } from "@xiplab/workload";

/** The text of a `--json` file. */
export const comparisonJson = (comparison: Comparison): string =>
  `${JSON.stringify(comparison, null, 2)}\n`;
