/**
 * What can be watched on a device, and the form in which it is recorded.
 *
 * Observers are given to the device when it is made and never change. A device without observers
 * pays nothing for them: it is another class (`Pmem` against `ObservedPmem`).
 */
import type { Purpose } from "../spec/device.ts";

export interface PmemObserver {
  /** Bytes are about to be read. */
  onLoad?(offset: number, length: number): void;
  /** Before the bytes change: the moment to refuse (fault injection). */
  beforeStore?(offset: number, length: number, nonTemporal: boolean): void;
  /** After `bytes` were stored at `offset`. `bytes` is a view of the device: copy it to keep it. */
  onStore?(offset: number, bytes: Uint8Array, nonTemporal: boolean, purpose: Purpose): void;
  onFlush?(offset: number, length: number): void;
  onFence?(): void;
  /** A snapshot is about to be taken: the moment to refuse, for who could not follow a rollback. */
  onSnapshot?(): void;
}

export const EVENT_STORE = 0;
export const EVENT_FLUSH = 1;
export const EVENT_FENCE = 2;
/** A note of whoever drives the run ("operation 12 begins"): not a device event. */
export const EVENT_MARK = 3;

/** One line of a recording. */
export type PmemEvent =
  | {
      readonly kind: typeof EVENT_STORE;
      readonly offset: number;
      /** The recorder's own copy of what was stored. */
      readonly bytes: Uint8Array;
      readonly nonTemporal: boolean;
      readonly purpose: Purpose;
    }
  | { readonly kind: typeof EVENT_FLUSH; readonly offset: number; readonly length: number }
  | { readonly kind: typeof EVENT_FENCE }
  | { readonly kind: typeof EVENT_MARK; readonly mark: number };
