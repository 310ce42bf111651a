/** Medians and spread over rounds. */

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Half the interquartile range over the median: how far a cell is to be trusted. 0 to 1 and more. */
export function spread(values: readonly number[]): number {
  const middle = median(values);
  return middle === 0 ? 0 : (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / middle;
}

/** Linear interpolation between the closest ranks. */
function quantile(values: readonly number[], fraction: number): number {
  if (values.length === 0) throw new RangeError("a quantile needs at least one value");
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * fraction;
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (at - low);
}
