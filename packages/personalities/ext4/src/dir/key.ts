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
  /** The last byte, in which most names that are alike differ. */
  last = 0;
  major = 0;
  minor = 0;

  /** Take a name. HOT. */
  set(name: Name): this {
    const { length } = name;
    assert(length > 0, "a name is not empty");
    assert(length <= NAME_MAX, "a name has at most 255 bytes");
    for (let index = 0; index < length; index++) this.view.setUint8(index, name.charCodeAt(index));
    this.length = length;
    this.last = name.charCodeAt(length - 1);
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

export const nameKey = new NameKey();
