/** Results of one operation, side by side, and as text. */
import type { Operation, Result, StatValue, Value } from "../operations.ts";
import { diffBytes, diffStats, hex } from "./tree.ts";

/** In words how `found` differs from `expected`, or null. */
export function diffResults(expected: Result, found: Result): string | null {
  if ("error" in expected || "error" in found) {
    const same = "error" in expected && "error" in found && expected.error === found.error;
    return same ? null : `gave ${printResult(found)}, expected ${printResult(expected)}`;
  }
  const difference = diffValues(expected.ok, found.ok);
  return difference === null ? null : `${difference} (gave ${printResult(found)})`;
}

function diffValues(expected: Value, found: Value): string | null {
  if (expected instanceof Uint8Array && found instanceof Uint8Array) {
    return diffBytes(expected, found, 0);
  }
  if (isStat(expected) && isStat(found)) return diffStats(expected, found, true);
  const [a, b] = [JSON.stringify(expected), JSON.stringify(found)];
  return a === b ? null : `value is ${b}, expected ${a}`;
}

function isStat(value: Value): value is StatValue {
  return typeof value === "object" && value !== null && "nlink" in value;
}

export function printResult(result: Result): string {
  if ("error" in result) return result.error + (result.detail ? ` (${result.detail})` : "");
  const { ok } = result;
  if (ok === null) return "ok";
  if (ok instanceof Uint8Array) {
    return `${ok.length} bytes ${hex(ok.subarray(0, 16))}${ok.length > 16 ? "…" : ""}`;
  }
  return JSON.stringify(ok);
}

/** One line of a sequence that can be pasted. */
export function printOperation(operation: Operation): string {
  const fields = Object.entries(operation).map(([key, value]) => `${key}: ${literal(value)}`);
  return `{ ${fields.join(", ")} }`;
}

/** An array literal, one operation a line, to paste into a test. */
export function printOperations(operations: readonly Operation[]): string {
  return `[\n${operations.map((operation) => `  ${printOperation(operation)},\n`).join("")}]`;
}

/** A long run of one character is spelled as `"L".repeat(255)`. */
function literal(value: unknown): string {
  const run = /([^"\\])\1{30,}/g;
  return JSON.stringify(value).replace(
    run,
    (text, one) => `" + "${one}".repeat(${text.length}) + "`,
  );
}
