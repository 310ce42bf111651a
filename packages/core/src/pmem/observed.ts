/**
 * The device that somebody watches. Another class than `Pmem`, so that an unwatched device pays
 * nothing; the observers are sorted by hook once, so that a watched one calls no empty hooks.
 *
 * Order of one store: range check, every `beforeStore` (one may refuse by throwing: nothing has
 * changed then), the bytes, every `onStore`. A load, flush or fence is announced first and done
 * after. Observers hear in the order in which they were given: a fault injector comes first.
 */
import { type PersistenceDomain, type Purpose, SEGMENT_SIZE } from "../spec/device.ts";
import type { PmemObserver } from "./observer.ts";
import { type DeviceMemory, Pmem, type SegmentSource } from "./pmem.ts";

export interface PmemOptions {
  /** Bytes, a multiple of the page size. */
  readonly size: number;
  /** Default: adr. */
  readonly domain?: PersistenceDomain;
  readonly observers?: readonly PmemObserver[];
  /** What the memory holds at first. Default: zeros. */
  readonly source?: SegmentSource;
  /** Memory that is not the device's own; it has no source then. */
  readonly memory?: DeviceMemory;
}

/** The device that fits: `ObservedPmem` where somebody watches, else the faster `Pmem`. */
export function createPmem(options: PmemOptions): Pmem {
  const watched = options.observers !== undefined && options.observers.length > 0;
  return watched
    ? new ObservedPmem(options)
    : new Pmem(options.size, options.domain, options.source, options.memory);
}

type Hook<Name extends keyof PmemObserver> = PmemObserver & Required<Pick<PmemObserver, Name>>;

export class ObservedPmem extends Pmem {
  private readonly onLoads: ReadonlyArray<Hook<"onLoad">>;
  private readonly beforeStores: ReadonlyArray<Hook<"beforeStore">>;
  private readonly onStores: ReadonlyArray<Hook<"onStore">>;
  private readonly onFlushes: ReadonlyArray<Hook<"onFlush">>;
  private readonly onFences: ReadonlyArray<Hook<"onFence">>;
  private readonly onSnapshots: ReadonlyArray<Hook<"onSnapshot">>;

  constructor(options: PmemOptions) {
    super(options.size, options.domain, options.source, options.memory);
    const observers = options.observers ?? [];
    this.onLoads = observers.filter(has("onLoad"));
    this.beforeStores = observers.filter(has("beforeStore"));
    this.onStores = observers.filter(has("onStore"));
    this.onFlushes = observers.filter(has("onFlush"));
    this.onFences = observers.filter(has("onFence"));
    this.onSnapshots = observers.filter(has("onSnapshot"));
  }

  override view(offset: number, length: number): DataView {
    this.announceLoad(offset, length);
    return super.view(offset, length);
  }

  override directAccess(offset: number, length: number): Uint8Array {
    this.announceLoad(offset, Math.min(length, SEGMENT_SIZE - (offset % SEGMENT_SIZE)));
    return super.directAccess(offset, length);
  }

  override load(offset: number, target: Uint8Array, start: number, length: number): void {
    this.announceLoad(offset, length);
    super.load(offset, target, start, length);
  }

  override store(
    offset: number,
    source: Uint8Array,
    start: number,
    length: number,
    purpose: Purpose,
  ): void {
    this.announceStore(offset, length, false);
    super.store(offset, source, start, length, purpose);
    this.reportStore(offset, length, false, purpose);
  }

  override storeNonTemporal(
    offset: number,
    source: Uint8Array,
    start: number,
    length: number,
    purpose: Purpose,
  ): void {
    this.announceStore(offset, length, true);
    super.storeNonTemporal(offset, source, start, length, purpose);
    this.reportStore(offset, length, true, purpose);
  }

  override storeU32(offset: number, value: number, purpose: Purpose): void {
    this.announceStore(offset, 4, false);
    super.storeU32(offset, value, purpose);
    this.reportStore(offset, 4, false, purpose);
  }

  override storeU64(offset: number, low: number, high: number, purpose: Purpose): void {
    this.announceStore(offset, 8, false);
    super.storeU64(offset, low, high, purpose);
    this.reportStore(offset, 8, false, purpose);
  }

  override zero(offset: number, length: number, purpose: Purpose): void {
    this.announceStore(offset, length, true);
    super.zero(offset, length, purpose);
    this.reportStore(offset, length, true, purpose);
  }

  override flush(offset: number, length: number): void {
    this.checkRange(offset, length);
    if (length > 0) for (const observer of this.onFlushes) observer.onFlush(offset, length);
    super.flush(offset, length);
  }

  override fence(): void {
    for (const observer of this.onFences) observer.onFence();
    super.fence();
  }

  override snapshot(): void {
    for (const observer of this.onSnapshots) observer.onSnapshot();
    super.snapshot();
  }

  private announceLoad(offset: number, length: number): void {
    this.checkRange(offset, length);
    if (length === 0) return;
    for (const observer of this.onLoads) observer.onLoad(offset, length);
  }

  private announceStore(offset: number, length: number, nonTemporal: boolean): void {
    this.checkRange(offset, length);
    if (length === 0) return;
    for (const observer of this.beforeStores) observer.beforeStore(offset, length, nonTemporal);
  }

  /** One event per segment that the range touches: observers get views, which end with it. */
  private reportStore(
    offset: number,
    length: number,
    nonTemporal: boolean,
    purpose: Purpose,
  ): void {
    if (this.onStores.length === 0) return;
    for (let done = 0; done < length;) {
      const bytes = this.bytesAt(offset + done, length - done);
      for (const observer of this.onStores) {
        observer.onStore(offset + done, bytes, nonTemporal, purpose);
      }
      done += bytes.length;
    }
  }
}

function has<Name extends keyof PmemObserver>(name: Name) {
  return (observer: PmemObserver): observer is Hook<Name> => observer[name] !== undefined;
}
