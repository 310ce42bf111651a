/** For the tests of the journal: images of mkfs.ext4, and metadata of a trivial kind in their free
 * blocks. */
import { type Clock, counterClock, type FsCounters, Pmem, type Pblk } from "@xiplab/core";
import { type PmemDevice, PURPOSE_DATA } from "@xiplab/core";
import { mkfsExt4, readImage, withTempDirectory } from "@xiplab/oracles";
import { type BlockKind, type Buffer, Buffers } from "../buffers.ts";
import type { Geometry } from "../geometry.ts";
import { openGeometry, storeRecoveryFlag } from "../super-state.ts";
import { type Journal, openJournal } from "./journal.ts";
import { recover, type RecoveryResult } from "./recovery.ts";

const MIB = 1024 * 1024;
const UUID = "01234567-89ab-cdef-0123-456789abcdef";

/** Any bytes are right. */
export const ANY: BlockKind = { name: "any", verify() {}, stamp() {} };

const images = new Map<string, Pmem>();

/** An image of mkfs.ext4 on a device of its own; made once per arguments. */
export function imageOf(sizeMib: number, ...args: string[]): Pmem {
  const key = [sizeMib, ...args].join(" ");
  let made = images.get(key);
  if (made === undefined) {
    made = withTempDirectory((directory) => {
      const file = `${directory}/image`;
      mkfsExt4(file, sizeMib * MIB, ["-U", UUID, "-E", `hash_seed=${UUID}`, ...args]);
      return readImage(file);
    });
    images.set(key, made);
  }
  return copyDevice(made, new Pmem(made.size));
}

export function copyDevice<Device extends PmemDevice>(source: PmemDevice, target: Device): Device {
  const bytes = new Uint8Array(MIB);
  for (let at = 0; at < source.size; at += MIB) {
    source.load(at, bytes, 0, MIB);
    target.store(at, bytes, 0, MIB, PURPOSE_DATA);
  }
  return target;
}

export interface Mounted {
  readonly device: PmemDevice;
  readonly geometry: Geometry;
  readonly buffers: Buffers;
  readonly journal: Journal;
  readonly counters: FsCounters;
  readonly recovered: RecoveryResult;
}

/** Recover and open the journal, as a mount does. */
export function openOn(device: PmemDevice, clock: Clock = counterClock()): Mounted {
  const { geometry, torn } = openGeometry(device);
  const recovered = recover(device, geometry, { readOnly: false, torn });
  const buffers = new Buffers(device, geometry);
  const counters = { transactions: 0 };
  const options = { clock, commitIntervalSec: 5, readOnly: false };
  const journal = openJournal(buffers, counters, options) as Journal;
  storeRecoveryFlag(device, geometry, true);
  return { device, geometry, buffers, journal, counters, recovered };
}

/** As at unmount. */
export function close({ device, geometry, journal }: Mounted): void {
  journal.checkpoint();
  storeRecoveryFlag(device, geometry, false);
}

/** Fill the block with bytes that tell `value`, from byte `from` on. Inside a handle. */
export function fill({ buffers }: Mounted, pblk: number, value: number, from = 0): Buffer {
  const buffer = buffers.read(pblk as Pblk, ANY, 0);
  buffers.write(buffer);
  buffer.bytes!.fill(value & 0xff, from);
  return buffer;
}

export function bytesAt(device: PmemDevice, geometry: Geometry, pblk: number): Uint8Array {
  const bytes = new Uint8Array(geometry.blockSize);
  device.load(geometry.pblkToDevByte(pblk), bytes, 0, bytes.length);
  return bytes;
}

/** Numbers from 0 to 2^32 - 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return (value ^ (value >>> 14)) >>> 0;
  };
}
