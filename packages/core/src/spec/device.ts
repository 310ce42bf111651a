/**
 * The contract of the emulated persistent memory. `pmem` implements it; everything above uses it.
 *
 * A store is volatile until it is flushed and a fence has passed (see `flush`, `fence`). Nothing
 * writes to the memory except through the methods here: views are for reading.
 */

/** The memory is an array of segments of this size; no block crosses one. */
export const SEGMENT_SIZE = 2 * 1024 * 1024;

/** What a store is for. Every store says it, so that a run can tell where its bytes went. */
export const PURPOSE_DATA = 0;
export const PURPOSE_METADATA = 1;
export const PURPOSE_JOURNAL = 2;
export const PURPOSE_ZEROING = 3;
export const PURPOSE_CHECKPOINT = 4;
export const PurposeNames = ["data", "metadata", "journal", "zeroing", "checkpoint"] as const;
export type Purpose = 0 | 1 | 2 | 3 | 4;
export type PurposeName = (typeof PurposeNames)[number];

/**
 * Where stores become safe. `adr`: the memory controller's queues survive, caches do not.
 * `eadr`: caches survive too, so a store is durable as soon as it is globally visible.
 */
export type PersistenceDomain = "adr" | "eadr";

/** Kinds of memory whose cost is modelled: the figures are in `MediaModels`. */
export const MediaNames = ["dram", "optane", "cxl"] as const;
export type MediaName = (typeof MediaNames)[number];

/** Running totals since the device was made. Plain numbers, cheap enough to be always on. */
export interface PmemCounters {
  /** Bytes stored, indexed by purpose. */
  readonly bytes: Float64Array;
  /** Store instructions, counted as calls of `store*` and `zero`. */
  stores: number;
  /** Lines flushed (CLWB). */
  flushes: number;
  /** SFENCE. */
  fences: number;
}

/** Every method throws FsError EIO, and does nothing, for a range that is not on the device. */
export interface PmemDevice {
  /** Bytes. A multiple of the page size. */
  readonly size: number;
  readonly domain: PersistenceDomain;
  readonly counters: PmemCounters;

  /**
   * The DataView of the segment that holds `offset`; read at `offset % SEGMENT_SIZE`. `length` says
   * how many bytes from `offset` are about to be read (they lie inside the segment): this is how
   * a load is seen by whoever watches.
   * @throws FsError EIO on a poisoned line.
   */
  view(offset: number, length: number): DataView;

  /**
   * A zero-copy view of what is contiguous: at most `length` bytes, at most to the end of the
   * segment. For reading; counts as a load of what it covers. Valid for the device's life.
   * @throws FsError EIO on a poisoned line.
   */
  directAccess(offset: number, length: number): Uint8Array;

  /**
   * Copy `length` bytes from the device into `target` at `start`; crosses segments.
   * @throws FsError EIO on a poisoned line; nothing is copied then.
   */
  load(offset: number, target: Uint8Array, start: number, length: number): void;

  /** Cached stores of `length` bytes of `source` from `start`, in ascending 8-byte units. */
  store(offset: number, source: Uint8Array, start: number, length: number, purpose: Purpose): void;

  /** One aligned 4-byte little-endian cached store: atomic. */
  storeU32(offset: number, value: number, purpose: Purpose): void;

  /** One aligned 8-byte little-endian cached store, as two halves: atomic. */
  storeU64(offset: number, low: number, high: number, purpose: Purpose): void;

  /** Non-temporal stores: unordered 8-byte units, durable at the next fence, no flush needed. */
  storeNonTemporal(
    offset: number,
    source: Uint8Array,
    start: number,
    length: number,
    purpose: Purpose,
  ): void;

  /** Non-temporal stores of zeros. Costs nothing where the memory was never touched and is zero. */
  zero(offset: number, length: number, purpose: Purpose): void;

  /** CLWB of every line that the range touches: durable at the next fence. */
  flush(offset: number, length: number): void;

  /** SFENCE: what was flushed or stored non-temporally before is durable after. */
  fence(): void;

  /** Flush the range, then fence. */
  persist(offset: number, length: number): void;
}
