/** Expectations of the contract suite. A failure says what is wrong and what to do about it. */
import { BusError, type ErrorCode, FsError } from "@xiplab/core";
import { firstNonZero } from "../bytes.ts";
import { diffBytes } from "../compare/tree.ts";
import { describeByte } from "../pattern.ts";

/** A design does not keep the contract. */
export class ContractError extends Error {
  override readonly name = "ContractError";

  constructor(what: string, advice: string, cause?: unknown) {
    super(`${what}\n  what to do: ${advice}`, { cause });
  }
}

/** Equal as JSON: numbers, strings, lists and records of them. @throws ContractError */
export function equal(found: unknown, expected: unknown, advice: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new ContractError(`found ${a}, expected ${b}`, advice);
}

/** @throws ContractError */
export function holds(condition: boolean, what: string, advice: string): void {
  if (!condition) throw new ContractError(what, advice);
}

/** @throws ContractError with the first byte that differs */
export function bytesEqual(found: Uint8Array, expected: Uint8Array, advice: string): void {
  const difference = diffBytes(expected, found, 0);
  if (difference !== null) throw new ContractError(difference, advice);
}

/** @throws ContractError with the first byte that is not zero */
export function zeros(found: Uint8Array, advice: string): void {
  const index = firstNonZero(found);
  if (index < 0) return;
  throw new ContractError(`byte ${index} is ${describeByte(found[index]!)}, expected 0`, advice);
}

/** `act` is refused with one of `codes`. @throws ContractError */
export function fails(
  codes: ErrorCode | "SIGBUS" | readonly ErrorCode[],
  act: () => unknown,
  advice: string,
): void {
  const wanted: readonly string[] = typeof codes === "string" ? [codes] : codes;
  try {
    act();
  } catch (error) {
    const isRefusal = error instanceof FsError || error instanceof BusError;
    if (isRefusal && wanted.includes(error.code)) return;
    // A bug of the design shows with its own stack.
    if (!isRefusal) throw error;
    throw new ContractError(`failed with ${error.code}, expected ${wanted.join(" or ")}`, advice);
  }
  throw new ContractError(`went through, expected ${wanted.join(" or ")}`, advice);
}

/** `act` goes through. @throws ContractError with the failure as its cause */
export function succeeds(act: () => unknown, advice: string): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    throw new ContractError(`failed: ${error.message}`, advice, error);
  }
}
