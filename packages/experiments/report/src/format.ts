/** Figures as people read them: three significant digits and a unit, at most seven characters. */

const scale = (value: number, units: readonly string[], step: number): string => {
  let scaled = value;
  let unit = 0;
  // 999.5 prints as 1000, which the next unit says shorter.
  while (Math.abs(scaled) >= step - 0.5 && unit < units.length - 1) {
    scaled /= step;
    unit++;
  }
  const digits = unit === 0 || Math.abs(scaled) >= 99.5 ? 0 : Math.abs(scaled) >= 9.95 ? 1 : 2;
  return `${scaled.toFixed(digits)}${units[unit]}`;
};

/** Nanoseconds: "834 ns", "1.23 µs", "45.6 ms". */
export const formatNs = (ns: number): string => scale(ns, [" ns", " µs", " ms", " s"], 1000);

/** Bytes: "512 B", "4.00 K", "12.3 M", powers of 1024. */
export const formatBytes = (bytes: number): string =>
  scale(bytes, [" B", " K", " M", " G", " T"], 1024);

/** A count: "340", "12.3 k". */
export const formatCount = (value: number): string => scale(value, ["", " k", " M", " G"], 1000);

/** A ratio or a mean: "1.00", "12.3", "340". */
export function formatRatio(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const digits = value >= 99.5 ? 0 : value >= 9.95 ? 1 : 2;
  return value.toFixed(digits);
}

/** A share from 0 to 1 as per cent: "0 %", "0.4 %", "52 %". */
export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return "-";
  const percent = share * 100;
  return `${percent > 0 && percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}
