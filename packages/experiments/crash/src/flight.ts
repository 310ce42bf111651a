/**
 * What may or may not have reached the medium at one crash point: stores in flight, and which sets
 * of them the persistence model allows.
 *
 * Stores are atomic units of at most 8 bytes. Each stands in one chain, of which any prefix may be
 * there; chains are independent. Under adr (rules and sources: `InFlight` in core) a chain is the
 * cached stores to one line, flushed or not, since the line became durable; a non-temporal unit is
 * a chain of its own. Under eadr a cached store is durable when it is made, so what is in doubt is
 * how far the program came: one chain of all cached stores since the last fence.
 *
 * Crash points lie before fences and at the ends of operations. None is needed in between: whatever
 * a cut inside an interval leaves is a choice of prefixes that its end offers too.
 *
 * `lines` group the stores for the plans that treat a cache line as one thing.
 */
import {
  EVENT_FENCE,
  EVENT_STORE,
  InFlight,
  LINE_SIZE,
  PENDING_LINE,
  type PendingStore,
  type PersistCallback,
  type PersistenceDomain,
  type PmemEvent,
  cutIntoUnits,
  runUnit,
} from "@xiplab/core";

export interface FlightStore {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Place in program order: of two stores to one byte the higher one wins. */
  readonly order: number;
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

/** Follows a recording and tells at any moment what is in flight. */
export interface FlightTracker {
  /** `persist` hears of every piece that becomes durable by the event, in program order. */
  add(event: PmemEvent, persist: PersistCallback): void;
  flight(): Flight;
}

export function trackFlight(domain: PersistenceDomain): FlightTracker {
  return domain === "adr" ? new AdrTracker() : new EadrTracker();
}

class AdrTracker implements FlightTracker {
  private readonly inFlight = new InFlight("adr");

  add(event: PmemEvent, persist: PersistCallback): void {
    this.inFlight.add(event, persist);
  }

  flight(): Flight {
    const builder = new FlightBuilder();
    for (const group of this.inFlight.pending()) {
      if (group.kind === PENDING_LINE) builder.addChain(group.stores, group.offset / LINE_SIZE);
      else for (let unit = 0; unit < group.units; unit++) builder.addUnit(runUnit(group, unit));
    }
    return builder.finish();
  }
}

class EadrTracker implements FlightTracker {
  private cached: PendingStore[] = [];
  private nonTemporal: PendingStore[] = [];
  private order = 0;

  add(event: PmemEvent, persist: PersistCallback): void {
    if (event.kind === EVENT_STORE) {
      const units = cutIntoUnits(event.offset, event.bytes, ++this.order);
      const stores = event.nonTemporal ? this.nonTemporal : this.cached;
      for (const unit of units) stores.push(unit);
    } else if (event.kind === EVENT_FENCE) {
      const stores = [...this.cached, ...this.nonTemporal].sort((a, b) => a.order - b.order);
      for (const store of stores) persist(store.offset, store.bytes);
      this.cached = [];
      this.nonTemporal = [];
    }
  }

  flight(): Flight {
    const builder = new FlightBuilder();
    // One "line" of its own: what is left out of a chain is left out to its end.
    if (this.cached.length > 0) builder.addChain(this.cached, -1);
    for (const unit of this.nonTemporal) builder.addUnit(unit);
    return builder.finish();
  }
}

class FlightBuilder {
  private readonly stores: FlightStore[] = [];
  private readonly lineOf: number[] = [];
  private chainCount = 0;
  private log2 = 0;

  addChain(stores: readonly PendingStore[], line: number): void {
    for (const { offset, bytes, order } of stores) {
      this.stores.push({ offset, bytes, order, chain: this.chainCount });
      this.lineOf.push(line);
    }
    this.chainCount++;
    this.log2 += Math.log2(stores.length + 1);
  }

  addUnit(unit: PendingStore): void {
    this.addChain([unit], Math.floor(unit.offset / LINE_SIZE));
  }

  finish(): Flight {
    const { stores, lineOf } = this;
    // Stable: units of one store share its order and stay ascending, chains keep their sequence.
    const sequence = stores.map((_, index) => index);
    sequence.sort((a, b) => stores[a]!.order - stores[b]!.order || a - b);
    const chains: number[][] = Array.from({ length: this.chainCount }, () => []);
    const lines = new Map<number, number[]>();
    const ordered: FlightStore[] = [];
    for (const [place, index] of sequence.entries()) {
      const store = stores[index]!;
      ordered.push(store);
      chains[store.chain]!.push(place);
      const line = lines.get(lineOf[index]!);
      if (line === undefined) lines.set(lineOf[index]!, [place]);
      else line.push(place);
    }
    return { stores: ordered, chains, lines: [...lines.values()], statesLog2: this.log2 };
  }
}

/** The product of the choices of all chains, as a logarithm: it is beyond any number soon. */
export function statesLog2(chains: ReadonlyArray<readonly number[]>): number {
  let sum = 0;
  for (const chain of chains) sum += Math.log2(chain.length + 1);
  return sum;
}
