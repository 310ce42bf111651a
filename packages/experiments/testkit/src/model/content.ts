/**
 * The bytes of a model file: pages that were written, zeros everywhere else. Nothing is ever kept
 * beyond `size`, so what grows reads as zeros.
 */
import { assert } from "@xiplab/core";

const PAGE = 4096;

export class Content {
  size = 0;
  private pages = new Map<number, Uint8Array>();

  clone(): Content {
    const copy = new Content();
    copy.size = this.size;
    for (const [index, page] of this.pages) copy.pages.set(index, page.slice());
    return copy;
  }

  /** Indices of the pages that may hold other bytes than zeros, ascending. */
  pageIndices(): number[] {
    return [...this.pages.keys()].sort((a, b) => a - b);
  }

  /** Pages that were written or allocated: an upper bound of what the file may occupy. */
  get pageCount(): number {
    return this.pages.size;
  }

  /** Back [pos, end) with pages of zeros where there are none; the size stays. */
  allocate(pos: number, end: number): void {
    for (let index = Math.floor(pos / PAGE); index * PAGE < end; index++) {
      if (!this.pages.has(index)) this.pages.set(index, new Uint8Array(PAGE));
    }
  }

  /** Up to `length` bytes from `pos`; stops at the size. */
  read(pos: number, length: number): Uint8Array {
    const end = Math.min(pos + length, this.size);
    const bytes = new Uint8Array(Math.max(0, end - pos));
    for (let at = pos; at < end; at = nextPage(at)) {
      const page = this.pages.get(Math.floor(at / PAGE));
      if (page) bytes.set(page.subarray(at % PAGE, (at % PAGE) + partOf(at, end)), at - pos);
    }
    return bytes;
  }

  write(pos: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const end = pos + bytes.length;
    for (let at = pos; at < end; at = nextPage(at)) {
      const index = Math.floor(at / PAGE);
      let page = this.pages.get(index);
      if (!page) this.pages.set(index, (page = new Uint8Array(PAGE)));
      page.set(bytes.subarray(at - pos, at - pos + partOf(at, end)), at % PAGE);
    }
    this.size = Math.max(this.size, end);
  }

  /** Zeros in [pos, end); the size stays. */
  zero(pos: number, end: number): void {
    const keep = new Map<number, Uint8Array>();
    for (const [index, page] of this.pages) {
      const from = Math.max(0, pos - index * PAGE);
      const to = Math.min(PAGE, end - index * PAGE);
      if (from < to) page.fill(0, from, to);
      if (from > 0 || to < PAGE) keep.set(index, page);
    }
    this.pages = keep;
  }

  truncate(size: number): void {
    if (size < this.size) this.zero(size, Infinity);
    this.size = size;
  }

  /** Cut [pos, pos + length) out; what follows moves down. Page-aligned. */
  collapse(pos: number, length: number): void {
    assert(pos % PAGE === 0, "a collapsed range starts at a page");
    assert(length % PAGE === 0, "a collapsed range is whole pages");
    this.zero(pos, pos + length);
    this.move(pos + length, -length);
    this.size -= length;
  }

  /** Put `length` zeros in at `pos`; what follows moves up. Page-aligned. */
  insert(pos: number, length: number): void {
    assert(pos % PAGE === 0, "an inserted range starts at a page");
    assert(length % PAGE === 0, "an inserted range is whole pages");
    this.move(pos, length);
    this.size += length;
  }

  private move(from: number, by: number): void {
    const moved = new Map<number, Uint8Array>();
    for (const [index, page] of this.pages) {
      moved.set(index * PAGE < from ? index : index + by / PAGE, page);
    }
    this.pages = moved;
  }
}

const nextPage = (at: number): number => (Math.floor(at / PAGE) + 1) * PAGE;
const partOf = (at: number, end: number): number => Math.min(PAGE - (at % PAGE), end - at);
