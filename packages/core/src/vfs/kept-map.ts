/**
 * A map whose keys come back: what is taken out leaves its key behind, with nothing at it, until
 * such keys are more than half.
 *
 * Why: V8 keeps what was deleted from a `Map` in its chains until the table is full. A key that comes
 * and goes, as the number of the first free inode does, makes a chain as long as the table, and each
 * question for it takes microseconds.
 */
import { assert } from "../spec/errors.ts";

/** So many empty keys are no matter, however few others there are. */
const VACANT_MIN = 64;

export class KeptMap<Key, Value extends object | string> {
  private readonly entries = new Map<Key, Value | undefined>();
  private vacant = 0;

  /** Keys that have values. HOT. */
  get size(): number {
    return this.entries.size - this.vacant;
  }

  /** HOT. */
  get(key: Key): Value | undefined {
    return this.entries.get(key);
  }

  /** The key has no value. HOT. */
  add(key: Key, value: Value): void {
    const { entries } = this;
    assert(entries.get(key) === undefined, "a key that is added has no value");
    const { size } = entries;
    entries.set(key, value);
    // A key that was left behind is used again.
    if (entries.size === size) this.vacant--;
    assert(this.vacant >= 0, "keys without a value are counted");
  }

  /** HOT. */
  set(key: Key, value: Value): void {
    if (this.entries.get(key) === undefined) this.add(key, value);
    else this.entries.set(key, value);
  }

  /** Nothing happens where the key has no value. HOT. */
  delete(key: Key): void {
    if (this.entries.get(key) === undefined) return;
    this.entries.set(key, undefined);
    this.vacant++;
    if (this.vacant > VACANT_MIN && this.vacant > this.entries.size / 2) this.sweep();
  }

  clear(): void {
    this.entries.clear();
    this.vacant = 0;
  }

  /** The key with its value comes behind all others. */
  renew(key: Key): void {
    const value = this.entries.get(key);
    assert(value !== undefined, "a key that is renewed has a value");
    this.entries.delete(key);
    this.entries.set(key, value);
  }

  /** Oldest first: a key that came back counts from its first time. Keys may go, and be renewed,
   * meanwhile. */
  *values(): Generator<Value> {
    for (const value of this.entries.values()) if (value !== undefined) yield value;
  }

  /** As `values`. */
  *[Symbol.iterator](): Generator<[Key, Value]> {
    for (const [key, value] of this.entries) if (value !== undefined) yield [key, value];
  }

  private sweep(): void {
    for (const [key, value] of this.entries) if (value === undefined) this.entries.delete(key);
    this.vacant = 0;
  }
}
