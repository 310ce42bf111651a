/**
 * Blocks that are kept for somebody without being used: taken in the buddy, free on the medium, so
 * that a power cut gives them back.
 *
 * - Of an inode: blocks for logical blocks that are not mapped yet, so that a file that grows, or is
 *   written in any order, lies in a row.
 * - Of the locality group: chunks from which small files are cut one behind the other, so that what
 *   is written together stands together.
 */

/** Pieces of one inode, in parallel arrays, by logical block, not overlapping. */
export class InodePreallocation {
  readonly lblks: number[] = [];
  /** Device block of each piece's first block; a piece stands in one group. */
  readonly starts: number[] = [];
  readonly lengths: number[] = [];

  get count(): number {
    return this.lblks.length;
  }

  /** Index of the last piece that begins at `lblk` or before, or -1. HOT. */
  at(lblk: number): number {
    const { lblks } = this;
    let low = 0;
    let high = lblks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (lblks[middle]! <= lblk) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Index of the piece that has `lblk`, or -1. HOT. */
  find(lblk: number): number {
    const index = this.at(lblk);
    return index >= 0 && this.lblks[index]! + this.lengths[index]! > lblk ? index : -1;
  }

  add(lblk: number, start: number, length: number): void {
    const index = this.at(lblk) + 1;
    this.lblks.splice(index, 0, lblk);
    this.starts.splice(index, 0, start);
    this.lengths.splice(index, 0, length);
  }

  /** Take [lblk, lblk + length) out of piece `index`, which has all of it. HOT. */
  cut(index: number, lblk: number, length: number): void {
    const before = lblk - this.lblks[index]!;
    const after = this.lengths[index]! - before - length;
    const start = this.starts[index]!;
    if (before === 0 && after > 0) {
      this.lblks[index] = lblk + length;
      this.starts[index] = start + length;
      this.lengths[index] = after;
    } else if (before > 0) {
      this.lengths[index] = before;
      if (after > 0) this.add(lblk + length, start + before + length, after);
    } else {
      this.remove(index);
    }
  }

  remove(index: number): void {
    this.lblks.splice(index, 1);
    this.starts.splice(index, 1);
    this.lengths.splice(index, 1);
  }
}

/** Most chunks of one order: what is too small for many files would pile up. */
const CHUNKS_MAX = 8;
const CHUNKS_KEPT = 5;

/** Chunks of the locality group. */
export class ChunkPool {
  readonly starts: number[] = [];
  readonly lengths: number[] = [];

  /** Index of the chunk with room for `length` blocks that is nearest to `goal`, or -1. HOT. */
  nearest(goal: number, length: number): number {
    let best = -1;
    let bestDistance = Infinity;
    for (let index = 0; index < this.starts.length; index++) {
      if (this.lengths[index]! < length) continue;
      const distance = Math.abs(this.starts[index]! - goal);
      if (distance >= bestDistance) continue;
      best = index;
      bestDistance = distance;
    }
    return best;
  }

  /** Take blocks from the front of a chunk. Returns the first. HOT. */
  cut(index: number, length: number): number {
    const start = this.starts[index]!;
    if (this.lengths[index] === length) {
      this.starts.splice(index, 1);
      this.lengths.splice(index, 1);
    } else {
      this.starts[index] = start + length;
      this.lengths[index]! -= length;
    }
    return start;
  }

  add(start: number, length: number): void {
    this.starts.push(start);
    this.lengths.push(length);
  }

  /** Where more chunks than enough have the order of `length`: give the oldest of them to `drop`. */
  trim(length: number, drop: (start: number, length: number) => void): void {
    const order = Math.clz32(length);
    let same = 0;
    for (const other of this.lengths) if (Math.clz32(other) === order) same++;
    if (same <= CHUNKS_MAX) return;
    for (let index = 0; same > CHUNKS_KEPT;) {
      if (Math.clz32(this.lengths[index]!) !== order) {
        index++;
        continue;
      }
      const dropped = this.lengths[index]!;
      drop(this.cut(index, dropped), dropped);
      same--;
    }
  }
}
