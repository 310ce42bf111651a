/**
 * What may or may not have reached the medium at one crash point: stores in flight, and which sets
 * of them the persistence model allows.
 *
 * Stores are atomic units. Each stands in one chain, of which any prefix may be there: under adr a
 * chain is the cached stores to one cache line, under eadr all cached stores; a non-temporal store
 * is a chain of its own. Chains are independent. Lines group the stores for the plans that treat a
 * cache line as one thing.
 */
import type { Purpose } from "@xiplab/core";

export interface FlightStore {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly nonTemporal: boolean;
  readonly purpose: Purpose;
  /** Index into `chains`. */
  readonly chain: number;
}

export interface Flight {
  /** In program order. */
  readonly stores: readonly FlightStore[];
  /** Indices of stores, in the order in which they persist. */
  readonly chains: ReadonlyArray<readonly number[]>;
  /** Indices of stores by cache line, in program order. */
  readonly lines: ReadonlyArray<readonly number[]>;
  /** Base-2 logarithm of the number of states that the model allows. */
  readonly statesLog2: number;
}

/** The product of the choices of all chains, as a logarithm: it is beyond any number soon. */
export function statesLog2(chains: ReadonlyArray<readonly number[]>): number {
  let sum = 0;
  for (const chain of chains) sum += Math.log2(chain.length + 1);
  return sum;
}
