/**
 * The device on which crash states are built, with a hash of its content that moves along with
 * every store: two states of one image are known to be the same without reading them.
 *
 * The hash is a sum over the 8-byte units, so a store subtracts what stood there and adds what
 * stands there now. 64 bits of it: among a million states two different ones meet with a
 * probability of about 3e-8.
 */
import { type Pmem, PURPOSE_DATA, SEGMENT_SIZE, assert } from "@xiplab/core";
import type { Flight } from "./flight.ts";

export class CrashImage {
  readonly device: Pmem;
  private low = 0;
  private high = 0;

  constructor(device: Pmem) {
    this.device = device;
  }

  /** Two states with the same text are the same bytes. Relative to the image at the beginning. */
  get hash(): string {
    return `${this.low >>> 0}.${this.high >>> 0}`;
  }

  /** Store for good, or until the snapshot around it is rolled back with `at`. HOT. */
  put(offset: number, bytes: Uint8Array): void {
    const first = Math.floor(offset / 8) * 8;
    const end = offset + bytes.length;
    for (let unit = first; unit < end; unit += 8) this.weigh(unit, -1);
    this.device.store(offset, bytes, 0, bytes.length, PURPOSE_DATA);
    for (let unit = first; unit < end; unit += 8) this.weigh(unit, 1);
  }

  /** Lay the stores of a state over the image, in program order. */
  putTaken(flight: Flight, taken: Uint8Array): void {
    assert(taken.length === flight.stores.length, "a state says of each store whether it is there");
    for (let index = 0; index < taken.length; index++) {
      if (taken[index] === 0) continue;
      const { offset, bytes } = flight.stores[index]!;
      this.put(offset, bytes);
    }
  }

  /** Run `visit` on top of the image, then have every byte back as it was. */
  under(visit: () => void): void {
    const { low, high } = this;
    this.device.snapshot();
    try {
      visit();
    } finally {
      this.device.rollback();
      this.low = low;
      this.high = high;
    }
  }

  private weigh(unit: number, sign: number): void {
    const view = this.device.view(unit, 8);
    const at = unit % SEGMENT_SIZE;
    const low = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    let mixed = Math.imul(unit, 0x9e3779b1) ^ Math.imul(low, 0x85ebca77);
    mixed = Math.imul(mixed ^ (mixed >>> 15) ^ high, 0xc2b2ae3d);
    mixed = Math.imul(mixed ^ (mixed >>> 13) ^ low, 0x27d4eb2f);
    this.low = (this.low + sign * (mixed ^ (mixed >>> 16))) | 0;
    mixed = Math.imul(mixed ^ high, 0x165667b1) ^ Math.imul(unit ^ low, 0x9e3779b1);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca77);
    this.high = (this.high + sign * (mixed ^ (mixed >>> 13))) | 0;
  }
}
