/**
 * What a power cut may leave of the stores that are not durable yet: the x86 persistence model.
 *
 * Fed with the events of a recording it keeps the stores that are in flight, tells which bytes
 * become durable, and lists the rest as groups to choose from. One choice per group makes a crash
 * state; every combination of choices is one that the model allows.
 *
 * The rules (sources: FAST'20 "An Empirical Guide" §2.1; Px86 as restated in Jaaru, ASPLOS'21, §2;
 * Vinter, ATC'22, §4 and §8.1; BBB, HPCA'21, table I for eadr):
 * - An aligned 8-byte unit is atomic, nothing larger is. A store is cut into such units, ascending.
 * - Cached stores to one 64-byte line become durable as a prefix of their order: the line is written
 *   back whole. Lines are independent of each other.
 * - A line may be evicted, and so become durable, at any time, flushed or not.
 * - A flush (CLWB) followed by a fence makes durable what the line held at the flush.
 * - Non-temporal stores are independent units in any order until the fence, which makes all durable.
 * - Within a byte, program order rules: never an older store over a newer one, cached or not.
 * - Domain `eadr`: a cached store is durable when it is made. What is in flight is the non-temporal
 *   stores alone, and, inside one cached store of several units, any prefix (see `cutIntoUnits`).
 *
 * Choosing: `pending()` gives
 * - lines: choose a prefix length from 0 to `stores.length`;
 * - runs of adjacent non-temporal units of one store: choose any subset, 0 or 1 for each unit.
 * Apply the chosen stores over the durable bytes in ascending `order`. That settles every overlap.
 *
 * Two liberties, both on the safe side (a state too many, never one too few): a non-temporal store
 * to a line that is dirty in the cache writes the line back on real processors, and partial stores
 * to one unit merge in a write-combining buffer. Here they stay independent.
 *
 * Cost: a few objects per cached line of a store, one per non-temporal store however long; units
 * are cut only when somebody asks for `pending()`.
 */
import { assert } from "../spec/errors.ts";
import type { PersistenceDomain } from "../spec/device.ts";
import { LINE_SIZE } from "../spec/units.ts";
import { EVENT_FENCE, EVENT_FLUSH, EVENT_STORE, type PmemEvent } from "./observer.ts";

/** x86: an aligned store of so many bytes is atomic, in visibility and in persistence. */
export const UNIT_SIZE = 8;

/** One store, or the part of it that lies in one unit. `bytes` is not to be changed. */
export interface PendingStore {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Place in program order: of two stores to one byte the higher one wins. */
  readonly order: number;
}

export const PENDING_LINE = 0;
export const PENDING_RUN = 1;

/** Cached stores to one line, in order. A crash state has a prefix of them. */
export interface PendingLine {
  readonly kind: typeof PENDING_LINE;
  /** Device byte at which the line starts. */
  readonly offset: number;
  /** Atomic stores of at most 8 bytes. */
  readonly stores: readonly PendingStore[];
  /** So many of `stores` the next fence makes durable. Any prefix may be durable before. */
  readonly flushed: number;
}

/** One non-temporal store. A crash state has any subset of its units. */
export interface PendingRun {
  readonly kind: typeof PENDING_RUN;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly order: number;
  /** How many 8-byte units it touches: see `runUnit`. */
  readonly units: number;
}

export type PendingGroup = PendingLine | PendingRun;

/** Told of every piece that has become durable. `bytes` stays valid and is not to be changed. */
export type PersistCallback = (offset: number, bytes: Uint8Array) => void;

/** How many aligned 8-byte units [offset, offset+length) touches. */
export function countUnits(offset: number, length: number): number {
  if (length === 0) return 0;
  return Math.floor((offset + length - 1) / UNIT_SIZE) - Math.floor(offset / UNIT_SIZE) + 1;
}

/** Unit `index` (from 0) of a run, as a store of its own. */
export function runUnit(run: PendingRun, index: number): PendingStore {
  assert(index >= 0 && index < run.units, "a unit is inside its run");
  return unitAt(run.offset, run.bytes, run.order, index);
}

/**
 * A store as its atomic units, in order. Under eadr every prefix of the units of a cached store is
 * a crash state: the power may fail in the midst of it.
 */
export function cutIntoUnits(offset: number, bytes: Uint8Array, order = 0): PendingStore[] {
  const units: PendingStore[] = [];
  const count = countUnits(offset, bytes.length);
  for (let index = 0; index < count; index++) units.push(unitAt(offset, bytes, order, index));
  return units;
}

export class InFlight {
  readonly domain: PersistenceDomain;
  /** Lines with stores in flight, by line number. */
  private readonly lines = new Map<number, Line>();
  /** Lines of which a prefix is flushed: work of the next fence. */
  private flushedLines: Line[] = [];
  private runs: Run[] = [];
  /** Non-temporal stores over lines with older cached stores. Settled at the fence. */
  private overtaken: Array<{ readonly line: Line; readonly run: Run }> = [];
  private order = 0;

  constructor(domain: PersistenceDomain) {
    this.domain = domain;
  }

  /** Nothing is in flight: memory is what `persist` was told. */
  get isEmpty(): boolean {
    return this.lines.size === 0 && this.runs.length === 0;
  }

  /**
   * The next event of a recording. `persist` is called for every piece that becomes durable by it,
   * in an order in which later calls overwrite earlier ones. Marks pass unnoticed.
   */
  add(event: PmemEvent, persist: PersistCallback): void {
    if (event.kind === EVENT_FENCE) this.fence(persist);
    else if (event.kind === EVENT_FLUSH) this.flush(event.offset, event.length);
    else if (event.kind === EVENT_STORE) {
      this.order++;
      if (event.nonTemporal) this.storeNonTemporal(event.offset, event.bytes);
      else if (this.domain === "adr") this.storeCached(event.offset, event.bytes);
      else this.storeDurable(event.offset, event.bytes, persist);
    }
  }

  /**
   * What is in flight, as groups to choose from. The answer is valid until the next `add`. Empty
   * groups do not occur.
   */
  pending(): readonly PendingGroup[] {
    const groups: PendingGroup[] = [];
    for (const line of this.lines.values()) groups.push(line);
    for (const run of this.runs) groups.push(run);
    return groups;
  }

  /** Forget everything in flight, as after a power cut. */
  clear(): void {
    this.lines.clear();
    this.flushedLines = [];
    this.runs = [];
    this.overtaken = [];
  }

  private storeCached(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const number = Math.floor((offset + done) / LINE_SIZE);
      const part = Math.min(bytes.length - done, (number + 1) * LINE_SIZE - offset - done);
      let line = this.lines.get(number);
      if (line === undefined) {
        line = new Line(number * LINE_SIZE);
        this.lines.set(number, line);
      }
      line.append(new Piece(offset + done, bytes, done, part, this.order));
      done += part;
    }
  }

  /** eadr. What is older and still in flight below it must not come back over it. */
  private storeDurable(offset: number, bytes: Uint8Array, persist: PersistCallback): void {
    for (const run of this.runs) run.overwrite(offset, bytes);
    persist(offset, bytes);
  }

  private storeNonTemporal(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const run = new Run(offset, bytes, this.order);
    this.runs.push(run);
    if (this.lines.size === 0) return;
    const last = Math.floor((offset + bytes.length - 1) / LINE_SIZE);
    for (let number = Math.floor(offset / LINE_SIZE); number <= last; number++) {
      const line = this.lines.get(number);
      if (line !== undefined) this.overtaken.push({ line, run });
    }
  }

  private flush(offset: number, length: number): void {
    if (length === 0 || this.lines.size === 0) return;
    const last = Math.floor((offset + length - 1) / LINE_SIZE);
    for (let number = Math.floor(offset / LINE_SIZE); number <= last; number++) {
      const line = this.lines.get(number);
      if (line === undefined) continue;
      if (line.flushedPieces === 0) this.flushedLines.push(line);
      line.flushedPieces = line.pieces.length;
    }
  }

  private fence(persist: PersistCallback): void {
    const durable: Array<Piece | Run> = this.runs;
    const mixed = durable.length > 0 && this.flushedLines.length > 0;
    for (const line of this.flushedLines) {
      for (const piece of line.takeFlushed()) durable.push(piece);
      if (line.pieces.length === 0) this.lines.delete(line.offset / LINE_SIZE);
    }
    // Pieces of one kind are in program order already, or do not meet.
    if (mixed) durable.sort((one, other) => one.order - other.order);
    for (const store of durable) persist(store.offset, store.bytes);
    for (const { line, run } of this.overtaken) {
      line.overwrite(run);
      if (line.pieces.length === 0) this.lines.delete(line.offset / LINE_SIZE);
    }
    this.flushedLines = [];
    this.runs = [];
    this.overtaken = [];
  }
}

/** The part of one cached store that lies in one line. */
class Piece {
  readonly offset: number;
  readonly length: number;
  readonly order: number;
  private readonly whole: Uint8Array;
  private readonly start: number;

  constructor(offset: number, whole: Uint8Array, start: number, length: number, order: number) {
    this.offset = offset;
    this.whole = whole;
    this.start = start;
    this.length = length;
    this.order = order;
  }

  /** Made when wanted: most pieces become durable without anybody looking at them. */
  get bytes(): Uint8Array {
    if (this.length === this.whole.length) return this.whole;
    return this.whole.subarray(this.start, this.start + this.length);
  }
}

class Line implements PendingLine {
  readonly kind = PENDING_LINE;
  readonly offset: number;
  pieces: Piece[] = [];
  /** Length of the prefix of `pieces` that the next fence makes durable. */
  flushedPieces = 0;
  /** Units of the first `cutPieces` pieces: cut on demand, and only once. */
  private cut: PendingStore[] = [];
  private cutPieces = 0;

  constructor(offset: number) {
    this.offset = offset;
  }

  get stores(): readonly PendingStore[] {
    for (; this.cutPieces < this.pieces.length; this.cutPieces++) {
      const piece = this.pieces[this.cutPieces]!;
      const { offset, bytes, order } = piece;
      const count = countUnits(offset, bytes.length);
      for (let index = 0; index < count; index++) {
        this.cut.push(unitAt(offset, bytes, order, index));
      }
    }
    return this.cut;
  }

  get flushed(): number {
    let units = 0;
    for (let index = 0; index < this.flushedPieces; index++) {
      const piece = this.pieces[index]!;
      units += countUnits(piece.offset, piece.length);
    }
    return units;
  }

  append(piece: Piece): void {
    this.pieces.push(piece);
  }

  /** Remove the flushed prefix and return it. */
  takeFlushed(): readonly Piece[] {
    const taken = this.pieces;
    this.replace(this.pieces.slice(this.flushedPieces));
    taken.length = this.flushedPieces;
    this.flushedPieces = 0;
    return taken;
  }

  /** `run` is durable: what is older here must not bring older bytes back when it is evicted. */
  overwrite(run: Run): void {
    assert(this.flushedPieces === 0, "flushed stores left with the fence");
    const left: Piece[] = [];
    for (const piece of this.pieces) {
      if (piece.order > run.order || !meets(piece, run.offset, run.bytes)) left.push(piece);
      else if (!covers(run.offset, run.bytes, piece)) {
        const bytes = overlay(piece, run.offset, run.bytes);
        left.push(new Piece(piece.offset, bytes, 0, bytes.length, piece.order));
      }
    }
    this.replace(left);
  }

  private replace(pieces: Piece[]): void {
    this.pieces = pieces;
    this.cut = [];
    this.cutPieces = 0;
  }
}

class Run implements PendingRun {
  readonly kind = PENDING_RUN;
  readonly offset: number;
  bytes: Uint8Array;
  readonly order: number;
  readonly units: number;

  constructor(offset: number, bytes: Uint8Array, order: number) {
    this.offset = offset;
    this.bytes = bytes;
    this.order = order;
    this.units = countUnits(offset, bytes.length);
  }

  get length(): number {
    return this.bytes.length;
  }

  /** A newer store is durable: units that it covers change nothing any more. */
  overwrite(offset: number, bytes: Uint8Array): void {
    if (meets(this, offset, bytes)) this.bytes = overlay(this, offset, bytes);
  }
}

interface Extent {
  readonly offset: number;
  readonly length: number;
}

function meets(extent: Extent, offset: number, bytes: Uint8Array): boolean {
  return offset < extent.offset + extent.length && extent.offset < offset + bytes.length;
}

function covers(offset: number, bytes: Uint8Array, extent: Extent): boolean {
  return offset <= extent.offset && extent.offset + extent.length <= offset + bytes.length;
}

/** A copy of `store` with the bytes of a newer store laid over it: writing it changes none. */
function overlay(
  store: Extent & { readonly bytes: Uint8Array },
  offset: number,
  bytes: Uint8Array,
): Uint8Array {
  const copy = store.bytes.slice();
  const from = Math.max(store.offset, offset);
  const end = Math.min(store.offset + store.length, offset + bytes.length);
  copy.set(bytes.subarray(from - offset, end - offset), from - store.offset);
  return copy;
}

function unitAt(offset: number, bytes: Uint8Array, order: number, index: number): PendingStore {
  const first = Math.floor(offset / UNIT_SIZE);
  const from = Math.max(offset, (first + index) * UNIT_SIZE);
  const end = Math.min(offset + bytes.length, (first + index + 1) * UNIT_SIZE);
  return { offset: from, bytes: bytes.subarray(from - offset, end - offset), order };
}
