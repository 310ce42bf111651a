/** Results of xiplab for people (tables) and programs (JSON). */
export {
  type ComparisonLayout,
  designLabel,
  formatVerdict,
  renderComparison,
  type WorkloadTitles,
} from "./comparison.ts";
export { formatBytes, formatCount, formatNs, formatRatio, formatShare } from "./format.ts";
export { comparisonJson } from "./json.ts";
export { type Column, plainStyle, renderTable, type Style, type TableData } from "./table.ts";
export { type Conviction, type DesignVerdict, judge, renderVerdicts } from "./verdicts.ts";
