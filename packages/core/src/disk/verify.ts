/** How a reader of a medium says that something is wrong, and how a check collects it. */
import { type Corruption, CorruptionError, FsError } from "../spec/errors.ts";

type Value = string | number;

/** @throws CorruptionError always. See `Corruption` for the arguments. */
export function corrupt(
  structure: string,
  at: Value,
  field: string,
  found: Value,
  expected: Value,
): never {
  throw new CorruptionError({ structure, at, field, found, expected });
}

/** The standard shape of a verifier's line: `field` of a structure is `found`, and that is right. */
export function verify(
  right: boolean,
  structure: string,
  at: Value,
  field: string,
  found: Value,
  expected: Value,
): void {
  if (!right) corrupt(structure, at, field, found, expected);
}

/** Run a part of a check: what it throws about the medium becomes a finding. */
export function collect(findings: Corruption[], part: () => void): void {
  try {
    part();
  } catch (error) {
    if (error instanceof CorruptionError) findings.push(error.corruption);
    else if (error instanceof FsError && error.code === "EIO") {
      const at = error.detail ?? "an unknown place";
      findings.push({ structure: "medium", at, field: "line", found: "EIO", expected: "data" });
    } else throw error;
  }
}

/** What `read` finds, or `otherwise` where the medium does not allow to read or believe it. */
export function readOr<T>(otherwise: T, read: () => T): T {
  let found = otherwise;
  collect([], () => {
    found = read();
  });
  return found;
}
