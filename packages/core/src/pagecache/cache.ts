/**
 * The folios of a mount: pages of files in memory, clean or newer than the medium.
 *
 * Invariants:
 * - a dirty block of a folio has a block on the device, or a promise of one (`reserved`): writeback
 *   finds space, because running out of it was the write's error;
 * - `reserved` is a subset of `dirty`, and clean folios may be dropped at any time;
 * - bytes of a folio that the file had not when it was filled are zeros or a mapping's stores
 *   beyond the end; whoever moves the end over them zeroes or overwrites them;
 * - `mapping.dirty` holds the indices of the dirty folios, `dirtyMappings` the files that have some.
 */
import { assert } from "../spec/errors.ts";
import type { Folio, Inode, Mapping } from "../spec/inode.ts";
import { type Lblk, PAGE_SIZE } from "../spec/units.ts";
import {
  GXM_CREATE,
  GXM_HINT,
  newXipRange,
  XIP_HOLE,
  XIP_WRITTEN,
  type XipRange,
} from "../spec/xip.ts";
import { askRange, type Backing } from "../xip/ranges.ts";

export interface CacheLimits {
  /** Cached pages before clean ones are given up: 64 MiB. */
  readonly foliosMax: number;
  /** Dirty pages before writers write back: 16 MiB. */
  readonly dirtyMax: number;
}
export const CACHE_LIMITS: CacheLimits = { foliosMax: 16_384, dirtyMax: 4_096 };

/** A folio and its place in the cache. */
export interface CachedFolio extends Folio {
  readonly mapping: Mapping;
  /** Index in the clock. */
  readonly slot: number;
  /** Used since the hand of the clock passed. */
  referenced: boolean;
}

export class PageCache {
  readonly backing: Backing;
  /** Promise blocks at write time and choose them at writeback; else choose them at write time. */
  readonly delayed: boolean;
  readonly limits: CacheLimits;
  /** Bytes that one bit of a folio's masks stands for. */
  readonly unit: number;
  readonly dirtyMappings = new Set<Mapping>();
  dirtyCount = 0;
  reservedCount = 0;
  private readonly range: XipRange = newXipRange();
  /** Second chance: the hand goes round and gives up what was not used since its last visit. */
  private readonly clock: Array<CachedFolio | null> = [];
  private readonly freeSlots: number[] = [];
  private hand = 0;

  constructor(backing: Backing, delayed: boolean, limits: CacheLimits) {
    assert(limits.foliosMax > limits.dirtyMax, "the cache holds more than its dirty folios");
    assert(limits.dirtyMax > 0, "the cache holds a dirty folio");
    this.backing = backing;
    this.delayed = delayed;
    this.limits = limits;
    this.unit = Math.min(backing.blockSize, PAGE_SIZE);
    assert((this.unit & (this.unit - 1)) === 0, "block sizes are powers of two");
    assert(PAGE_SIZE / this.unit <= 32, "the blocks of a page fit a mask");
  }

  /** The folio at page `index`, if it is cached. HOT. */
  find(mapping: Mapping, index: number): CachedFolio | undefined {
    const folio = mapping.folios?.get(index) as CachedFolio | undefined;
    if (folio !== undefined) folio.referenced = true;
    return folio;
  }

  /** The folio at page `index`, read from the medium if need be. @throws FsError EIO */
  fill(inode: Inode, index: number): CachedFolio {
    const found = this.find(inode.mapping, index);
    if (found !== undefined) return found;
    const folio = this.add(inode.mapping, index);
    try {
      this.readFolio(inode, folio);
    } catch (error) {
      this.drop(folio);
      throw error;
    }
    return folio;
  }

  /** The folio at page `index` for somebody who overwrites all of it: contents undefined if new. */
  grab(mapping: Mapping, index: number): CachedFolio {
    return this.find(mapping, index) ?? this.add(mapping, index);
  }

  /**
   * Bytes [from, to) of the folio are about to change: see that their blocks can be written back,
   * and mark them, all or none. `ahead` bytes of the file from `from` on will follow in the same
   * call. @throws FsError ENOSPC
   */
  dirtyBytes(folio: CachedFolio, from: number, to: number, ahead: number): void {
    assert(from < to, "some bytes change");
    assert(to <= PAGE_SIZE, "the bytes are in the folio");
    const { unit } = this;
    let bits = 0;
    try {
      for (let at = from - (from % unit); at < to; at += unit) {
        const bit = 1 << (at / unit);
        if ((folio.dirty & bit) !== 0) continue;
        bits |= bit;
        this.backUnit(folio, at, bit, Math.max(unit, ahead - (at - from)));
      }
    } catch (error) {
      this.releasePromises(folio, bits);
      throw error;
    }
    if (bits !== 0) this.markDirty(folio, bits);
  }

  /** What is in `bits` is on the medium, or not wanted any more. */
  markClean(folio: CachedFolio, bits: number): void {
    this.releasePromises(folio, bits);
    const wasDirty = folio.dirty !== 0;
    folio.dirty &= ~bits;
    if (!wasDirty || folio.dirty !== 0) return;
    const { mapping } = folio;
    mapping.dirty!.delete(folio.index);
    if (mapping.dirty!.size === 0) this.dirtyMappings.delete(mapping);
    this.dirtyCount--;
  }

  /** Take back promises of blocks in `bits`: they exist now, or will never be needed. */
  releasePromises(folio: CachedFolio, bits: number): void {
    const released = countBits(folio.reserved & bits);
    if (released === 0) return;
    folio.reserved &= ~bits;
    this.reservedCount -= released;
    this.backing.unreserve(folio.mapping, released);
  }

  /** Promise the blocks of dirty bits that have none, again: allocation failed half-way. */
  renewPromises(folio: CachedFolio): void {
    for (let at = 0; at < PAGE_SIZE; at += this.unit) {
      const bit = 1 << (at / this.unit);
      const promised = (folio.reserved & bit) !== 0 || (folio.dirty & bit) === 0;
      if (!promised) this.backUnit(folio, at, bit, this.unit);
    }
  }

  /** Forget a folio, newer contents included. */
  drop(folio: CachedFolio): void {
    this.markClean(folio, -1);
    folio.mapping.folios!.delete(folio.index);
    this.clock[folio.slot] = null;
    this.freeSlots.push(folio.slot);
  }

  /** Forget [pos, end), whole blocks: a folio that is covered in part keeps the rest. */
  forget(mapping: Mapping, pos: number, end: number): void {
    for (const folio of this.foliosIn(mapping, pos, end)) {
      const from = Math.max(0, pos - folio.index * PAGE_SIZE);
      const to = Math.min(PAGE_SIZE, end - folio.index * PAGE_SIZE);
      if (from === 0 && to === PAGE_SIZE) {
        this.drop(folio);
        continue;
      }
      folio.bytes.fill(0, from, to);
      let covered = 0;
      for (let at = from; at < to; at += this.unit) covered |= 1 << (at / this.unit);
      this.markClean(folio, covered);
    }
  }

  /** Zero what is cached of [pos, end), clean or dirty as it is. */
  zero(mapping: Mapping, pos: number, end: number): void {
    for (const folio of this.foliosIn(mapping, pos, end)) {
      const start = folio.index * PAGE_SIZE;
      folio.bytes.fill(0, Math.max(0, pos - start), Math.min(PAGE_SIZE, end - start));
    }
  }

  /** Cached folios that [pos, end) touches, in no order. A copy: safe to drop. */
  private foliosIn(mapping: Mapping, pos: number, end: number): CachedFolio[] {
    const { folios } = mapping;
    const found: CachedFolio[] = [];
    if (folios === null || pos >= end) return found;
    const first = Math.floor(pos / PAGE_SIZE);
    const last = Math.ceil(end / PAGE_SIZE);
    if (last - first <= folios.size) {
      for (let index = first; index < last; index++) {
        const folio = folios.get(index);
        if (folio !== undefined) found.push(folio as CachedFolio);
      }
    } else {
      for (const folio of folios.values()) {
        if (folio.index >= first && folio.index < last) found.push(folio as CachedFolio);
      }
    }
    return found;
  }

  private readFolio(inode: Inode, folio: CachedFolio): void {
    const { backing, range } = this;
    const start = folio.index * PAGE_SIZE;
    const valid = Math.max(0, Math.min(PAGE_SIZE, inode.size - start));
    for (let done = 0; done < valid; done += range.length) {
      askRange(backing, inode.mapping, start + done, valid - done, 0, range);
      if (range.state === XIP_WRITTEN) {
        backing.device.load(range.offset, folio.bytes, done, range.length);
      } else {
        folio.bytes.fill(0, done, done + range.length);
      }
    }
    folio.bytes.fill(0, valid);
  }

  /** See that the unit at byte `at` of the folio has a block, or the promise of one. */
  private backUnit(folio: CachedFolio, at: number, bit: number, ahead: number): void {
    const { backing, range } = this;
    const pos = folio.index * PAGE_SIZE + at;
    askRange(backing, folio.mapping, pos, this.unit, 0, range);
    if (range.state !== XIP_HOLE) return;
    if (this.delayed) {
      // A block larger than a page is promised once for each of its dirty pages: never too few.
      backing.reserve(folio.mapping, 1);
      folio.reserved |= bit;
      this.reservedCount++;
    } else {
      askRange(backing, folio.mapping, pos, ahead, GXM_CREATE | GXM_HINT, range);
    }
  }

  private markDirty(folio: CachedFolio, bits: number): void {
    if (folio.dirty === 0) {
      const { mapping } = folio;
      mapping.dirty ??= new Set();
      mapping.dirty.add(folio.index);
      this.dirtyMappings.add(mapping);
      this.dirtyCount++;
    }
    folio.dirty |= bits;
  }

  private add(mapping: Mapping, index: number): CachedFolio {
    const slot = this.takeSlot();
    const folio: CachedFolio = {
      mapping,
      index: index as Lblk,
      // Never those of a folio that was given up: somebody may be looking at them (readViews).
      bytes: new Uint8Array(PAGE_SIZE),
      slot,
      dirty: 0,
      reserved: 0,
      referenced: true,
    };
    mapping.folios ??= new Map();
    assert(!mapping.folios.has(index), "a page is cached once");
    mapping.folios.set(index, folio);
    this.clock[slot] = folio;
    return folio;
  }

  /** A place for one more folio: that of a clean one if the cache is full. */
  private takeSlot(): number {
    const free = this.freeSlots.pop();
    if (free !== undefined) return free;
    if (this.clock.length >= this.limits.foliosMax) {
      // Twice round: the first may only take the second chances away.
      for (let step = 0; step < 2 * this.clock.length; step++) {
        const folio = this.clock[this.hand]!;
        this.hand = (this.hand + 1) % this.clock.length;
        if (folio.dirty !== 0) continue;
        if (folio.referenced) {
          folio.referenced = false;
          continue;
        }
        this.drop(folio);
        return this.freeSlots.pop()!;
      }
    }
    // Room, or everything is dirty because writeback fails: dirty data is never given up.
    return this.clock.length;
  }
}

function countBits(mask: number): number {
  let bits = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) bits++;
  return bits;
}
