/**
 * What one file may look like after a power cut.
 *
 * A file is, at every moment, a size and a byte at each position (0 beyond the end). Each operation
 * changes some of them. What was synced must be there; of what came later, each byte may be as it
 * was at any moment since then, independently of every other: memory persists in units of at most
 * 8 bytes, and nobody asked for more. A byte that the position never held since the last sync is a
 * finding: *lost* if it held it earlier or if it is zero, *stale* if it never held it.
 *
 * The size is one of the sizes since the last sync. A write that extends the file may be cut in
 * pieces, so any size on its way counts too, unless the design promises atomic writes.
 */
import { assert } from "@xiplab/core";
import { MARK } from "@xiplab/testkit";

/** One step of a file: `bytes` now stand at `at`, and the size is `sizeAfter`. */
interface Change {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly sizeAfter: number;
  /** All or nothing: see `Promises.atomicWrite`. */
  readonly atomic: boolean;
}

/** From the moment of this sync on, the positions of the range hold what was synced. */
interface RangeSync {
  /** The number of changes that were there before it. */
  readonly changes: number;
  readonly pos: number;
  readonly end: number;
}

/** Inclusive. */
interface SizeRange {
  readonly low: number;
  readonly high: number;
}

/** Positions in a row with illegal bytes of one kind. */
export interface IllegalRange {
  readonly pos: number;
  readonly end: number;
  readonly kind: "lost" | "stale";
}

/** Why a content is not legal. */
export interface ContentFinding {
  /** The size is none of the legal ones. */
  readonly badSize: boolean;
  /** Bytes that are not legal, in order. */
  readonly ranges: readonly IllegalRange[];
}

const EMPTY = new Uint8Array(0);

export class FileHistory {
  /** The content as the operations so far made it. */
  newest: Uint8Array = EMPTY;
  /** Every change since the file was made. Those from `synced` on are not synced. */
  private readonly changes: Change[] = [];
  private synced = 0;
  /** The content at the last sync of the whole file. */
  private base: Uint8Array = EMPTY;
  private rangeSyncs: RangeSync[] = [];
  private sizes: SizeRange[] = [{ low: 0, high: 0 }];

  /** The content is now `content` (kept). `gradual`: the size may move in steps. */
  change(content: Uint8Array, gradual: boolean, atomic: boolean): void {
    const old = this.newest;
    const span = Math.max(old.length, content.length);
    let first = 0;
    while (first < span && (old[first] ?? 0) === (content[first] ?? 0)) first++;
    let end = span;
    while (end > first && (old[end - 1] ?? 0) === (content[end - 1] ?? 0)) end--;
    if (first === end && old.length === content.length) return;
    const bytes = new Uint8Array(end - first);
    bytes.set(content.subarray(first, Math.min(end, content.length)));
    this.changes.push({ at: first, bytes, sizeAfter: content.length, atomic });
    const low = gradual ? Math.min(old.length, content.length) : content.length;
    this.sizes.push({ low, high: content.length });
    this.newest = content;
  }

  /** Everything so far must survive. */
  sync(): void {
    this.base = this.newest;
    this.synced = this.changes.length;
    this.rangeSyncs = [];
    this.sizes = [{ low: this.newest.length, high: this.newest.length }];
  }

  /**
   * What the positions [pos, pos+length) hold must survive, and a size with which it can be read:
   * one that covers what changed there. A range that only came to lie inside the file, because
   * something was written behind it, has nothing to survive.
   */
  syncRange(pos: number, length: number): void {
    const end = Math.min(pos + length, this.newest.length);
    if (end <= pos) return;
    this.rangeSyncs.push({ changes: this.changes.length, pos, end });
    let needed = 0;
    for (const { at, bytes } of this.changes.slice(this.synced)) {
      const last = Math.min(at + bytes.length, end);
      if (at < end && last > pos) needed = Math.max(needed, last);
    }
    this.sizes = this.sizes
      .filter((range) => range.high >= needed)
      .map((range) => ({ low: Math.max(range.low, needed), high: range.high }));
    assert(this.sizes.length > 0, "the newest size is always legal");
  }

  /** Does the file await a sync? */
  get pending(): boolean {
    return this.changes.length > this.synced;
  }

  /** Null if `content` is a legal content now. */
  judge(content: Uint8Array): ContentFinding | null {
    if (equalBytes(content, this.newest)) return null;
    const badSize = !this.sizes.some(
      ({ low, high }) => content.length >= low && content.length <= high,
    );
    const ranges = this.illegalBytes(content);
    if (badSize || ranges.length > 0) return { badSize, ranges };
    const torn = this.pending ? this.tornAt(content) : -1;
    if (torn < 0) return null;
    return { badSize, ranges: [{ pos: torn, end: content.length, kind: "lost" }] };
  }

  /** The values that a position may show now, the newest last. */
  legalAt(pos: number): number[] {
    let values = [this.base[pos] ?? 0];
    let nextSync = 0;
    for (let index = this.synced; index <= this.changes.length; index++) {
      for (; this.rangeSyncs[nextSync]?.changes === index; nextSync++) {
        const { pos: first, end } = this.rangeSyncs[nextSync]!;
        if (pos >= first && pos < end) values = values.slice(-1);
      }
      const value = valueOf(this.changes[index], pos);
      if (value >= 0) values.push(value);
    }
    return values;
  }

  /** "4096", or "0, 100 to 200": the legal sizes in words. */
  describeSizes(): string {
    const words = this.sizes.map(({ low, high }) =>
      low === high ? `${low}` : `${low} to ${high}`,
    );
    return [...new Set(words)].join(", ");
  }

  private illegalBytes(content: Uint8Array): IllegalRange[] {
    const { base, newest } = this;
    // Most of what differs is as it was at the last sync, and without range syncs that is legal.
    const baseIsLegal = this.rangeSyncs.length === 0;
    const ranges: Array<{ pos: number; end: number; kind: IllegalRange["kind"] }> = [];
    for (let pos = -1; (pos = nextDifference(content, newest, pos + 1)) < content.length;) {
      const value = content[pos]!;
      if (baseIsLegal && value === (base[pos] ?? 0)) continue;
      if (this.legalAt(pos).includes(value)) continue;
      const kind = this.everHeld(pos, value) ? "lost" : "stale";
      const last = ranges[ranges.length - 1];
      if (last?.end === pos && last.kind === kind) last.end++;
      else ranges.push({ pos, end: pos + 1, kind });
    }
    return ranges;
  }

  /**
   * Atomic writes come in order and whole: apart from bytes that something else changed since the
   * sync (a store through a mapping), the content is that of one moment. Returns -1 if it is, else
   * how far it is that of the moment which it follows longest.
   */
  private tornAt(content: Uint8Array): number {
    const pending = this.changes.slice(this.synced);
    if (!pending.some((change) => change.atomic)) return -1;
    const sizeMoves = pending.some((change) => !change.atomic);
    let tornAt = 0;
    let version = this.base;
    for (let index = this.synced; ; index++) {
      if (sizeMoves || version.length === content.length) {
        const at = this.mismatch(version, content);
        if (at < 0) return -1;
        tornAt = Math.max(tornAt, at);
      }
      if (index === this.changes.length) return tornAt;
      version = applyChange(version, this.changes[index]!);
    }
  }

  /** The first position at which `content` is not that version, nor torn by right; -1 if none. */
  private mismatch(version: Uint8Array, content: Uint8Array): number {
    for (let pos = 0; pos < content.length; pos++) {
      if (content[pos] === (version[pos] ?? 0) || this.mayTear(pos)) continue;
      return pos;
    }
    return -1;
  }

  private mayTear(pos: number): boolean {
    for (let index = this.synced; index < this.changes.length; index++) {
      const change = this.changes[index]!;
      if (!change.atomic && valueOf(change, pos) >= 0) return true;
    }
    return false;
  }

  private everHeld(pos: number, value: number): boolean {
    if (value === 0) return true;
    return value !== MARK && this.changes.some((change) => valueOf(change, pos) === value);
  }
}

/** What `change` puts at `pos`, or -1. */
function valueOf(change: Change | undefined, pos: number): number {
  if (change === undefined || pos < change.at) return -1;
  return change.bytes[pos - change.at] ?? -1;
}

function applyChange(version: Uint8Array, change: Change): Uint8Array {
  const next = new Uint8Array(change.sizeAfter);
  next.set(version.subarray(0, change.sizeAfter));
  const room = Math.max(0, change.sizeAfter - change.at);
  next.set(change.bytes.subarray(0, room), Math.min(change.at, change.sizeAfter));
  return next;
}

/** HOT: once for every file of every crash state. */
function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && nextDifference(a, b, 0) === a.length;
}

/** The first position from `from` on at which `a` is not `b`, which is zero beyond its end; or the
 * length of `a`. HOT. */
function nextDifference(a: Uint8Array, b: Uint8Array, from: number): number {
  const common = Math.min(a.length, b.length);
  let pos = from;
  while (pos < common && a[pos] === b[pos]) pos++;
  if (pos < common) return pos;
  while (pos < a.length && a[pos] === 0) pos++;
  return pos;
}
