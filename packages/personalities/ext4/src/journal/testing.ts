/** For the tests of the journal: images of mkfs.ext4, and metadata of a trivial kind in their free
 * blocks. */
import fs from "node:fs";
import path from "node:path";
import {
  type Clock,
  counterClock,
  type FsCounters,
  type Pblk,
  type PmemDevice,
} from "@xiplab/core";
import type { Pmem } from "@xiplab/core";
import { mkfsExt4, readImage, withTempDirectory } from "@xiplab/oracles";
import { type BlockKind, type Buffer, Buffers } from "../buffers.ts";
import type { Geometry } from "../geometry.ts";
import { openGeometry, storeRecoveryFlag } from "../super-state.ts";
import { type Journal, openJournal } from "./journal.ts";
import { recover, type RecoveryResult } from "./recovery.ts";

export const MIB = 1024 * 1024;

/** Any bytes are right. */
export const ANY: BlockKind = { name: "any", verify() {}, stamp() {} };

const images = new Map<string, Uint8Array>();

/** An image of mkfs.ext4, made once per arguments. */
export function imageBytes(sizeMib: number, ...args: string[]): Uint8Array {
  const key = [sizeMib, ...args].join(" ");
  const known = images.get(key);
  if (known !== undefined) return known;
  const bytes = withTempDirectory((directory) => {
    const file = path.join(directory, "image");
    mkfsExt4(file, sizeMib * MIB, ["-U", "01234567-89ab-cdef-0123-456789abcdef", ...args]);
    return fs.readFileSync(file);
  });
  images.set(key, bytes);
  return bytes;
}

export function imageOf(sizeMib: number, ...args: string[]): Pmem {
  return withTempDirectory((directory) => {
    const file = path.join(directory, "image");
    fs.writeFileSync(file, imageBytes(sizeMib, ...args));
    return readImage(file);
  });
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
  storeRecoveryFlag(device, geometry, true);
  const journal = openJournal(buffers, counters, options) as Journal;
  return { device, geometry, buffers, journal, counters, recovered };
}

/** As at unmount. */
export function close({ device, geometry, journal }: Mounted): void {
  journal.checkpoint();
  storeRecoveryFlag(device, geometry, false);
}

/** Fill the block, from `from` on, with bytes that tell `value`. Inside a handle. */
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
