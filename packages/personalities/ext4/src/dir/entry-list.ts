/** The entries of a block, taken out to be sorted by hash and put elsewhere. */
import { assert } from "@xiplab/core";
import type { Buffer } from "../buffers.ts";
import { DIRENT, DIRENT_HEAD, direntSize } from "../format/dirent.ts";
import type { Geometry } from "../geometry.ts";
import { hashName, type NameHash } from "../hash.ts";
import { entriesEnd, initBlock, initTail } from "./block.ts";

/** Filled and used within one call. */
const hash: NameHash = { major: 0, minor: 0 };

export class EntryList {
  /** A copy of the block: entries are moved within it. */
  private readonly bytes: Uint8Array<ArrayBuffer>;
  private readonly view: DataView;
  private readonly geometry: Geometry;
  /** Where each entry starts in the copy. */
  private readonly offsets: number[] = [];
  /** Hash of each entry, once it was sorted. */
  private majors: number[] = [];

  /** The entries in use from byte `from` on. */
  constructor(geometry: Geometry, buffer: Buffer, from: number) {
    const start = buffer.view.byteOffset + buffer.at;
    this.geometry = geometry;
    this.bytes = new Uint8Array(buffer.view.buffer, start, geometry.blockSize).slice();
    this.view = new DataView(this.bytes.buffer);
    const end = entriesEnd(geometry);
    for (let at = 0; at < end; at += DIRENT.recLen.get(this.view, at)) {
      if (at < from || DIRENT.inode.get(this.view, at) === 0) continue;
      this.offsets.push(at);
    }
  }

  get count(): number {
    return this.offsets.length;
  }

  majorOf(index: number): number {
    return this.majors[index]!;
  }

  /** Bytes of the entry, without room behind its name. */
  sizeOf(index: number): number {
    return direntSize(DIRENT.nameLen.get(this.view, this.offsets[index]!));
  }

  /** Order by hash; entries with one hash keep their order. */
  sortByHash(version: number): void {
    const { hashSeed, hashUnsigned } = this.geometry;
    const keyed = this.offsets.map((offset) => {
      const length = DIRENT.nameLen.get(this.view, offset);
      const at = offset + DIRENT_HEAD;
      hashName(this.view, at, length, version, hashUnsigned, hashSeed, hash);
      return { offset, major: hash.major };
    });
    keyed.sort((a, b) => a.major - b.major);
    keyed.forEach(({ offset, major }, index) => {
      this.offsets[index] = offset;
      this.majors[index] = major;
    });
  }

  /** Fill a block, in the transaction, with entries [first, end), and its tail. */
  packInto(buffer: Buffer, first: number, end: number): void {
    const { bytes } = buffer;
    assert(bytes !== null, "the buffer is being written");
    bytes.fill(0);
    initBlock(this.geometry, buffer);
    let at = 0;
    for (let index = first; index < end; index++) {
      const offset = this.offsets[index]!;
      const size = this.sizeOf(index);
      bytes.set(this.bytes.subarray(offset, offset + size), at);
      const isLast = index + 1 === end;
      DIRENT.recLen.set(
        buffer.view,
        buffer.at + at,
        isLast ? entriesEnd(this.geometry) - at : size,
      );
      at += size;
    }
    initTail(this.geometry, buffer);
  }
}
