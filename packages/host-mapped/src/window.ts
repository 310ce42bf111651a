/**
 * A GiB of a file in the address space: what of it is mapped, what is backed, and its memory.
 *
 * JavaScript holds the memory by ArrayBuffers, one per segment, which know nothing of mappings. So the
 * address space is given back when the last of them was collected; when the file is closed, only what
 * lies there changes: zeros in place of the file. A view that somebody kept reads them, and no more.
 */
import { assert } from "@xiplab/core";
import type { Libc } from "./libc.ts";

export const WINDOW_SIZE = 2 ** 30;
export const SEGMENT_SIZE = 2 ** 21;
export const PAGE_SIZE = 4096;

export class Window {
  /** Of the file. */
  readonly offset: number;
  readonly length: number;
  readonly address: number;
  private readonly libc: Libc;
  private readonly space: AddressSpace;
  private readonly mapped: Uint32Array;
  private readonly backed: Uint32Array;
  private readonly segments = new Map<number, Uint8Array<ArrayBuffer>>();

  constructor(libc: Libc, offset: number, length: number) {
    assert(offset % WINDOW_SIZE === 0, "windows begin at each GiB");
    assert(length > 0 && length % PAGE_SIZE === 0, "a window has pages");
    this.libc = libc;
    this.offset = offset;
    this.length = length;
    this.mapped = new Uint32Array(Math.ceil(length / PAGE_SIZE / 32));
    this.backed = new Uint32Array(Math.ceil(length / PAGE_SIZE / 32));
    this.address = libc.reserve(length);
    this.space = { libc, address: this.address, length, buffers: 0 };
  }

  /** The memory of a segment. It never moves. */
  segment(at: number, length: number): Uint8Array<ArrayBuffer> {
    assert(at % SEGMENT_SIZE === 0, "segments begin at each 2 MiB");
    assert(at + length <= this.length, "a segment lies in its window");
    const buffer = this.libc.memory(this.address + at, length);
    this.space.buffers++;
    unreachable.register(buffer, this.space);
    const bytes = new Uint8Array(buffer);
    this.segments.set(at, bytes);
    return bytes;
  }

  isMapped(from: number, end: number): boolean {
    return allSet(this.mapped, from, end - from);
  }

  /** Is there mapped memory right before or after the range? */
  touchesMapped(from: number, end: number): boolean {
    const before = from > 0 && this.isMapped(from - 1, from);
    return before || (end < this.length && this.isMapped(end, end + 1));
  }

  setMapped(from: number, end: number): void {
    setBits(this.mapped, from / PAGE_SIZE, end / PAGE_SIZE);
  }

  /** HOT. */
  isBacked(from: number, length: number): boolean {
    return allSet(this.backed, from, length);
  }

  setBacked(from: number, end: number): void {
    assert(this.isMapped(from, end), "what is backed is mapped");
    setBits(this.backed, from / PAGE_SIZE, end / PAGE_SIZE);
  }

  /** Zeros, over what is backed, inside one segment. */
  fill(from: number, end: number): void {
    assert(this.isBacked(from, end - from), "only what is backed is stored to");
    const start = Math.floor(from / SEGMENT_SIZE) * SEGMENT_SIZE;
    this.bytesOf(start).fill(0, from - start, end - start);
  }

  /** Is the page zero? */
  isZero(page: number): boolean {
    const start = Math.floor(page / SEGMENT_SIZE) * SEGMENT_SIZE;
    const { buffer } = this.bytesOf(start);
    return new Uint32Array(buffer, page - start, PAGE_SIZE / 4).every((word) => word === 0);
  }

  close(): void {
    this.libc.reserveAgain(this.address, this.length);
    this.segments.clear();
  }

  private bytesOf(start: number): Uint8Array<ArrayBuffer> {
    const bytes = this.segments.get(start);
    assert(bytes !== undefined, "the segment was asked for before");
    return bytes;
  }
}

const PAGE_LOG = 12;

/** What is left of a window when nobody has it any more: no reference to its buffers. */
interface AddressSpace {
  readonly libc: Libc;
  readonly address: number;
  readonly length: number;
  /** ArrayBuffers in it that live. */
  buffers: number;
}

const unreachable = new FinalizationRegistry<AddressSpace>((space) => {
  space.buffers--;
  if (space.buffers === 0) space.libc.unmap(space.address, space.length);
});

/** Have all pages of the range their bit? HOT. */
function allSet(bits: Uint32Array, from: number, length: number): boolean {
  const last = (from + length - 1) >>> PAGE_LOG;
  for (let page = from >>> PAGE_LOG; page <= last; page++) {
    if ((bits[page >>> 5]! & (1 << (page & 31))) === 0) return false;
  }
  return true;
}

function setBits(bits: Uint32Array, from: number, end: number): void {
  for (let bit = from; bit < end; bit++) bits[bit >>> 5]! |= 1 << (bit & 31);
}
