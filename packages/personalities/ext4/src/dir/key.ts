/**
 * The name that a call is about, as bytes, with its hash: one for all calls, since none of them
 * waits or calls another. So nothing is allocated per lookup.
 */
import { assert, type Name, NAME_MAX } from "@xiplab/core";
import type { NameHash } from "../hash.ts";

/** Names are compared four bytes at a time; behind the name is slack to load from. */
const SLACK = 4;

export class NameKey implements NameHash {
  readonly view = new DataView(new ArrayBuffer(NAME_MAX + 1 + SLACK));
  length = 0;
  /** The last bytes, at most four, in which most names that are alike differ; the last one lowest. */
  last = 0;
  /** Which bits of `last` are of the name. */
  lastMask = 0;
  major = 0;
  minor = 0;

  /** Take a name. HOT. */
  set(name: Name): this {
    const { length } = name;
    assert(length > 0, "a name is not empty");
    assert(length <= NAME_MAX, "a name has at most 255 bytes");
    for (let index = 0; index < length; index++) this.view.setUint8(index, name.charCodeAt(index));
    this.length = length;
    this.lastMask = length >= 4 ? -1 : 2 ** (8 * length) - 1;
    this.last = length >= 4 ? this.view.getInt32(length - 4) : lastOf(this.view, length);
    return this;
  }

  /** Are the bytes at `at` the name? HOT. */
  equals(view: DataView, at: number): boolean {
    const { length } = this;
    let index = 0;
    for (; index + 4 <= length; index += 4) {
      if (view.getUint32(at + index) !== this.view.getUint32(index)) return false;
    }
    for (; index < length; index++) {
      if (view.getUint8(at + index) !== this.view.getUint8(index)) return false;
    }
    return true;
  }

  /** Copy the bytes to `at`. */
  copyTo(view: DataView, at: number): void {
    for (let index = 0; index < this.length; index++) {
      view.setUint8(at + index, this.view.getUint8(index));
    }
  }
}

function lastOf(view: DataView, length: number): number {
  let last = 0;
  for (let index = 0; index < length; index++) last = last * 256 + view.getUint8(index);
  return last;
}

export const nameKey = new NameKey();
