/** One field of an image set to a certain value. */
import { type PmemDevice, PURPOSE_METADATA } from "@xiplab/core";
import { Structures, type Target } from "./structures.ts";
import { bytesOf } from "./sweep.ts";

export interface Damage {
  /** "ext4_inode.mode": see structures.ts. */
  readonly name: string;
  /** Which of those there are; negative ones count from the end. */
  readonly nth: number;
  /** New value of the field, from the old one. Little-endian. */
  value(before: number): number;
  /** Default true: checksums are put right. */
  readonly mended?: boolean;
}

/** @throws Error where there is no such field */
export function damage(device: PmemDevice, { name, nth, value, mended = true }: Damage): void {
  const bytes = bytesOf(device);
  const { targets, view } = new Structures(bytes);
  const target = targets.filter((found) => found.name === name).at(nth);
  if (target === undefined) throw new Error(`the image has no ${name}`);
  write(view, target, value(read(view, target)));
  const ranges = [[target.at, target.size] as const, ...(mended ? target.mend() : [])];
  for (const [at, length] of ranges) device.store(at, bytes, at, length, PURPOSE_METADATA);
}

function read(view: DataView, { at, size }: Target): number {
  let value = 0;
  for (let byte = Math.min(size, 4) - 1; byte >= 0; byte--) {
    value = value * 256 + view.getUint8(at + byte);
  }
  return value;
}

function write(view: DataView, { at, size }: Target, value: number): void {
  for (let byte = 0; byte < Math.min(size, 4); byte++) {
    view.setUint8(at + byte, Math.floor(value / 256 ** byte) % 256);
  }
}
