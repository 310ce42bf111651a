/**
 * Blocks: which are used, and which the transaction under way takes and gives up.
 *
 * The bitmap lives in memory. The medium has a copy that unmount writes before it sets the clean
 * flag and that only a clean mount trusts; after a power cut it is rebuilt from the inodes, which
 * say the same. So nothing of it has to be flushed, or ordered, while files change.
 *
 * A block that a transaction gives up is free for others when its commit is durable, not before:
 * else a power cut could bring back a file whose blocks are another's by then.
 */
import { assert, FsError, type PmemDevice, PURPOSE_METADATA } from "@xiplab/core";
import { corrupt, type Geometry, pblkToDevByte } from "./geometry.ts";

/** Blocks in a row on the device. */
export interface Run {
  readonly start: number;
  readonly length: number;
}

export class BlockAllocator {
  /** A bit for each block: 1 is used. */
  readonly words: Uint32Array<ArrayBuffer>;
  free: number;
  /** Blocks promised to delayed allocation. */
  reserved = 0;
  /** Blocks that only leaves of extents may take: a full file system must still convert and cut. */
  readonly spare: number;
  private readonly geometry: Geometry;
  private readonly firstFit: boolean;
  private cursor = 0;
  private readonly taken: Run[] = [];
  private readonly given: Run[] = [];

  constructor(geometry: Geometry, firstFit: boolean) {
    const { blocks, dataStart } = geometry;
    this.geometry = geometry;
    this.firstFit = firstFit;
    this.words = new Uint32Array(Math.ceil(blocks / 32));
    this.free = blocks;
    this.spare = 8 + Math.ceil(blocks / 128);
    this.mark(0, dataStart, true);
  }

  /** Blocks that data can take. Those that are promised will need leaves too. */
  get available(): number {
    return Math.max(0, this.free - this.spare - Math.ceil((this.reserved * 65) / 64));
  }

  /**
   * Take blocks for data: the first free run from `goal` on (0: from where the last one ended);
   * with `whole` the first that has `want` blocks, or else the longest. The answer may be shorter
   * than `want`. @throws FsError ENOSPC
   */
  allocate(want: number, goal: number, whole: boolean): Run {
    const most = Math.min(want, this.available);
    if (most === 0) throw new FsError("ENOSPC");
    return this.take(most, this.firstFit ? 0 : goal || this.cursor, whole);
  }

  /** Take a block for a leaf. @throws FsError ENOSPC */
  allocateLeaf(): number {
    if (this.free === 0) throw new FsError("ENOSPC", "no block is left for extents");
    return this.take(1, 0, false).start;
  }

  /** Give blocks up when the transaction commits. */
  release(start: number, length: number): void {
    this.given.push({ start, length });
  }

  /** The transaction is durable. Returns the blocks taken less those given up. */
  commit(): number {
    let grown = 0;
    for (const { length } of this.taken.splice(0)) grown += length;
    for (const { start, length } of this.given.splice(0)) {
      this.mark(start, length, false);
      grown -= length;
    }
    return grown;
  }

  /** The transaction failed. */
  rollback(): void {
    this.given.length = 0;
    for (const { start, length } of this.taken.splice(0)) this.mark(start, length, false);
  }

  /** HOT. @throws CorruptionError where a block already is what it is to become. */
  mark(start: number, length: number, used: boolean): void {
    const end = start + length;
    assert(end <= this.geometry.blocks, "marked blocks are inside the device");
    for (let at = start, bits = 0; at < end; at += bits) {
      bits = Math.min(32 - (at % 32), end - at);
      const mask = (bits === 32 ? -1 : (1 << bits) - 1) << (at % 32);
      const before = this.words[at >>> 5]! & mask;
      if (before !== (used ? 0 : mask)) {
        corrupt("plain bitmap", `block ${at}`, "used", used ? 1 : 0, used ? 0 : 1);
      }
      this.words[at >>> 5]! ^= mask;
    }
    this.free += used ? -length : length;
  }

  /** Read what `save` wrote. @throws CorruptionError where metadata would be free. */
  load(device: PmemDevice): void {
    const { blocks, bitmapStart, dataStart } = this.geometry;
    const bytes = new Uint8Array(this.words.buffer);
    device.load(pblkToDevByte(bitmapStart), bytes, 0, bytes.length);
    const first = this.next(false, 0, blocks);
    if (first < dataStart) corrupt("plain bitmap", `block ${first}`, "used", 0, 1);
    this.free = 0;
    for (let at = first, end = 0; at < blocks; at = this.next(false, end, blocks)) {
      end = this.next(true, at, blocks);
      this.free += end - at;
    }
  }

  /** Durable after the next fence. */
  save(device: PmemDevice): void {
    const bytes = new Uint8Array(this.words.buffer);
    const at = pblkToDevByte(this.geometry.bitmapStart);
    device.storeNonTemporal(at, bytes, 0, bytes.length, PURPOSE_METADATA);
  }

  /** Have the bits of `other`. */
  adopt(other: BlockAllocator): void {
    this.words.set(other.words);
    this.free = other.free;
  }

  private take(want: number, from: number, whole: boolean): Run {
    const ahead = this.search(want, from, this.geometry.blocks, whole);
    const done = ahead.length === want || (ahead.length > 0 && !whole);
    const behind = done ? ahead : this.search(want, 0, from, whole);
    const run = behind.length > ahead.length ? behind : ahead;
    assert(run.length > 0, "the count of free blocks is true");
    this.mark(run.start, run.length, true);
    this.cursor = run.start + run.length;
    this.taken.push(run);
    return run;
  }

  private search(want: number, begin: number, end: number, whole: boolean): Run {
    let best: Run = { start: 0, length: 0 };
    for (let start = this.next(false, begin, end); start < end;) {
      const stop = this.next(true, start, Math.min(end, start + want));
      if (stop - start > best.length) best = { start, length: stop - start };
      if (best.length === want || !whole) break;
      start = this.next(false, stop, end);
    }
    return best;
  }

  /** The first block at or after `at` whose bit is `used`, or `end`. HOT: 32 blocks at a time. */
  private next(used: boolean, at: number, end: number): number {
    const flip = used ? 0 : -1;
    for (let block = at; block < end; block += 32 - (block % 32)) {
      const word = (this.words[block >>> 5]! ^ flip) & (-1 << (block % 32));
      if (word !== 0) return Math.min(end, block - (block % 32) + 31 - Math.clz32(word & -word));
    }
    return end;
  }
}
