/**
 * What may or may not have reached the medium at one crash point: stores in flight, and which sets
 * of them the persistence model allows.
 *
 * Stores are atomic units of at most 8 bytes. Each stands in one chain, of which any prefix may be
 * there; chains are independent. Under adr (rules and sources: `InFlight` in core) a chain is the
 * cached stores to one line, flushed or not, since the line became durable; a non-temporal unit is
 * a chain of its own. Under eadr a cached store is durable when it is made, so what is in doubt is
 * how far the program came: one chain of all cached stores since the last fence or the last return
 * of an operation.
 *
 * Crash points lie before fences, and before (eadr) and after the return of an operation. None is
 * needed in between: whatever a cut inside an interval leaves is a choice of prefixes that its end
 * offers too.
 *
 * `lines` group the stores for the plans that treat a cache line as one thing.
 */
import {
  EVENT_FLUSH,
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
  /** `persist` hears of every piece that becomes durable by the event; later ones go over earlier
   * ones. */
  add(event: PmemEvent, persist: PersistCallback): void;
  flight(): Flight;
  /** Stores are in flight only because the program may not have come so far: the return of an
   * operation settles them. Never under adr, where nothing but a flush and a fence settles. */
  readonly undecided: boolean;
}

export function trackFlight(domain: PersistenceDomain): FlightTracker {
  return domain === "adr" ? new AdrTracker() : new EadrTracker();
}

class AdrTracker implements FlightTracker {
  readonly undecided = false;
  private readonly inFlight = new InFlight("adr");

  add(event: PmemEvent, persist: PersistCallback): void {
    this.inFlight.add(event, persist);
  }

  flight(): Flight {
    const builder = new FlightBuilder();
    addPending(builder, this.inFlight);
    return builder.finish();
  }
}

/**
 * Cached stores are in doubt only while the program goes on: how far did it come? A fence, or the
 * return of the operation, settles that. Until then their events wait in `undecided`.
 */
class EadrTracker implements FlightTracker {
  private readonly inFlight = new InFlight("eadr");
  private waiting: PmemEvent[] = [];
  /** Stores that were handed to `inFlight`, which numbers them from 1. */
  private settled = 0;
  undecided = false;

  add(event: PmemEvent, persist: PersistCallback): void {
    if (event.kind === EVENT_STORE) {
      this.waiting.push(event);
      this.undecided ||= !event.nonTemporal;
    } else if (event.kind !== EVENT_FLUSH) {
      for (const store of this.waiting) this.inFlight.add(store, persist);
      this.inFlight.add(event, persist);
      this.settled += this.waiting.length;
      this.waiting = [];
      this.undecided = false;
    }
  }

  flight(): Flight {
    const builder = new FlightBuilder();
    const cached: PendingStore[] = [];
    addPending(builder, this.inFlight);
    for (const [index, event] of this.waiting.entries()) {
      if (event.kind !== EVENT_STORE) continue;
      const units = cutIntoUnits(event.offset, event.bytes, this.settled + index + 1);
      if (event.nonTemporal) for (const unit of units) builder.addUnit(unit);
      else for (const unit of units) cached.push(unit);
    }
    // One "line" of its own: what is left out of a chain is left out to its end.
    if (cached.length > 0) builder.addChain(cached, -1);
    return builder.finish();
  }
}

function addPending(builder: FlightBuilder, inFlight: InFlight): void {
  for (const group of inFlight.pending()) {
    if (group.kind === PENDING_LINE) builder.addChain(group.stores, group.offset / LINE_SIZE);
    else for (let unit = 0; unit < group.units; unit++) builder.addUnit(runUnit(group, unit));
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
