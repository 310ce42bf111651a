/**
 * The names of one directory, to see which stand there twice: a hash table in typed memory that
 * remembers where each name is, and compares them there.
 */
import { DIRENT_HEAD } from "../format/dirent.ts";
import type { Image } from "./image.ts";

const CAPACITY_MIN = 64;

export class NameSet {
  private readonly image: Image;
  private count = 0;
  private capacity = CAPACITY_MIN;
  /** Index of the entry, plus 1; 0 is free. Twice as many as entries at least. */
  private slots = new Uint32Array(2 * CAPACITY_MIN);
  private hashes = new Uint32Array(CAPACITY_MIN);
  private lengths = new Uint8Array(CAPACITY_MIN);
  private blocks = new Float64Array(CAPACITY_MIN);
  private offsets = new Uint16Array(CAPACITY_MIN);

  constructor(image: Image) {
    this.image = image;
  }

  /** Begin with no names. */
  reset(): void {
    this.slots.fill(0);
    // Do not clear for ever what one large directory needed.
    if (this.capacity > 1024 && this.count < this.capacity / 8) this.resize(CAPACITY_MIN);
    this.count = 0;
  }

  /** The name at `at`, whose entry is at `offset` of block `pblk`. False: it is there already. HOT. */
  add(pblk: number, offset: number, view: DataView, at: number, length: number): boolean {
    if (this.count === this.capacity) this.grow();
    const hash = hashOf(view, at, length);
    const mask = this.slots.length - 1;
    let slot = hash & mask;
    for (; this.slots[slot] !== 0; slot = (slot + 1) & mask) {
      const other = this.slots[slot]! - 1;
      if (this.hashes[other] !== hash || this.lengths[other] !== length) continue;
      if (this.isSame(other, view, at, length)) return false;
    }
    const index = this.count++;
    this.slots[slot] = index + 1;
    this.hashes[index] = hash;
    this.lengths[index] = length;
    this.blocks[index] = pblk;
    this.offsets[index] = offset;
    return true;
  }

  private isSame(other: number, view: DataView, at: number, length: number): boolean {
    const { image } = this;
    if (!image.open(this.blocks[other]!)) return false;
    const there = image.at + this.offsets[other]! + DIRENT_HEAD;
    for (let byte = 0; byte < length; byte++) {
      if (image.view.getUint8(there + byte) !== view.getUint8(at + byte)) return false;
    }
    return true;
  }

  private grow(): void {
    const { hashes, lengths, blocks, offsets } = this;
    this.resize(2 * this.capacity);
    this.hashes.set(hashes);
    this.lengths.set(lengths);
    this.blocks.set(blocks);
    this.offsets.set(offsets);
    const mask = this.slots.length - 1;
    for (let index = 0; index < this.count; index++) {
      let slot = hashes[index]! & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = index + 1;
    }
  }

  private resize(capacity: number): void {
    this.capacity = capacity;
    this.slots = new Uint32Array(2 * capacity);
    this.hashes = new Uint32Array(capacity);
    this.lengths = new Uint8Array(capacity);
    this.blocks = new Float64Array(capacity);
    this.offsets = new Uint16Array(capacity);
  }
}

/** FNV-1a of words, and a last mix so that the low bits depend on all. HOT. */
function hashOf(view: DataView, at: number, length: number): number {
  let hash = 0x811c9dc5;
  const end = at + length;
  let byte = at;
  for (; byte + 4 <= end; byte += 4) {
    hash = Math.imul(hash ^ view.getUint32(byte, true), 0x01000193);
    hash ^= hash >>> 15;
  }
  for (; byte < end; byte++) hash = Math.imul(hash ^ view.getUint8(byte), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
