/**
 * A file as memory, with its holes left alone.
 *
 * The file is cut into windows of 1 GiB. A window is address space that reads as zeros (reserved: one
 * private mapping that takes no memory). Over it, where the file has data, the file itself is mapped,
 * at the same addresses: so a hole that gets data becomes file under views that exist already.
 *
 *   page:  hole --prepare--> file, backed        data --segment--> file --prepare--> file, backed
 *
 * Invariants:
 * - what is not mapped in a segment that was asked for is a hole of the file;
 * - a page is stored to only when it is backed: the host has room for it, and a store cannot fail;
 * - memory that was given out is unmapped only when nobody can reach it any more (window.ts).
 *
 * Every mapping that touches no other costs the host a structure of its own, and there is a limit for
 * all of the process (vm.max_map_count, 65530), beyond which malloc fails as well. So the more pieces
 * there are, the larger the next ones are made, holes included: those of a file in memory (tmpfs) then
 * take room when they are read, which is why they are not mapped from the start.
 */
import type { HostMapping } from "@xiplab/core";
import type { Libc } from "./libc.ts";
import { PAGE_SIZE, SEGMENT_SIZE, Window, WINDOW_SIZE } from "./window.ts";

/** The least that is mapped at once. */
const PIECE_SIZE = 64 * 1024;
/** Pieces of a window, before segments are mapped. */
const PIECES_MAX = 64;
/** Mappings of one file, before windows are mapped. */
const MAPPINGS_MAX = 8192;

export class FfiMapping implements HostMapping {
  private readonly libc: Libc;
  private readonly fd: number;
  private readonly size: number;
  private readonly isWritable: boolean;
  private windows: Array<Window | undefined> = [];
  private mappings = 0;
  /** A range that is known to be a hole. */
  private holeFrom = 0;
  private holeEnd = 0;

  constructor(libc: Libc, fd: number, size: number, isWritable: boolean) {
    this.libc = libc;
    this.fd = fd;
    this.size = size;
    this.isWritable = isWritable;
  }

  segment(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const window = this.windowAt(offset);
    const from = offset - window.offset;
    if (!window.isMapped(from, from + length)) this.mapData(window, from, from + length);
    return window.segment(from, length);
  }

  isHole(offset: number, length: number): boolean {
    if (offset < this.holeFrom || offset >= this.holeEnd) {
      this.holeFrom = offset;
      this.holeEnd = this.libc.nextData(this.fd, offset);
    }
    return offset + length <= this.holeEnd;
  }

  /** HOT. */
  isPrepared(offset: number, length: number): boolean {
    const window = this.windows[Math.floor(offset / WINDOW_SIZE)];
    return window !== undefined && window.isBacked(offset - window.offset, length);
  }

  prepare(offset: number, length: number): void {
    const window = this.windowAt(offset);
    const from = offset - window.offset;
    this.back(window, from, from + length);
  }

  zero(offset: number, length: number): void {
    const window = this.windowAt(offset);
    const end = offset - window.offset + length;
    for (let at = offset - window.offset; at < end;) {
      const pageEnd = Math.min(end, (Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE);
      let runEnd = at;
      while (runEnd < end && !this.isZero(window, runEnd)) {
        runEnd = Math.min(end, (Math.floor(runEnd / PAGE_SIZE) + 1) * PAGE_SIZE);
      }
      if (runEnd > at) {
        this.back(window, at, runEnd);
        window.fill(at, runEnd);
      }
      at = Math.max(runEnd, pageEnd);
    }
  }

  close(): void {
    const { windows } = this;
    // Whoever asks from here on finds no window.
    this.windows = [];
    for (const window of windows) window?.close();
  }

  private windowAt(offset: number): Window {
    const index = Math.floor(offset / WINDOW_SIZE);
    let window = this.windows[index];
    if (window === undefined) {
      const start = index * WINDOW_SIZE;
      window = new Window(this.libc, start, Math.min(WINDOW_SIZE, this.size - start));
      this.windows[index] = window;
    }
    return window;
  }

  /** Map the data that there is in [from, end), and as far as it goes on. */
  private mapData(window: Window, from: number, end: number): void {
    for (let at = from; at < end;) {
      const data = this.libc.nextData(this.fd, window.offset + at) - window.offset;
      if (data >= end) return;
      const hole = this.libc.nextHole(this.fd, window.offset + data) - window.offset;
      at = Math.min(hole, window.length);
      this.map(window, data, at);
    }
  }

  /** Map at least [from, end), where it is not yet. */
  private map(window: Window, from: number, end: number): void {
    if (window.isMapped(from, end)) return;
    const unit = this.unitIn(window);
    const wideFrom = Math.floor(from / unit) * unit;
    const wideEnd = Math.min(Math.ceil(end / unit) * unit, window.length);
    const { libc, fd, isWritable } = this;
    const length = wideEnd - wideFrom;
    libc.share(window.address + wideFrom, length, fd, window.offset + wideFrom, isWritable);
    window.setMapped(wideFrom, wideEnd);
    this.mappings++;
  }

  private unitIn(window: Window): number {
    if (this.mappings >= MAPPINGS_MAX) return WINDOW_SIZE;
    return window.mappings >= PIECES_MAX ? SEGMENT_SIZE : PIECE_SIZE;
  }

  /** The host has room for [from, end) from here on. */
  private back(window: Window, from: number, end: number): void {
    let pageFrom = Math.floor(from / PAGE_SIZE) * PAGE_SIZE;
    let pageEnd = Math.ceil(end / PAGE_SIZE) * PAGE_SIZE;
    while (pageFrom < pageEnd && window.isBacked(pageFrom, PAGE_SIZE)) pageFrom += PAGE_SIZE;
    while (pageFrom < pageEnd && window.isBacked(pageEnd - 1, 1)) pageEnd -= PAGE_SIZE;
    if (pageFrom === pageEnd) return;
    this.holeEnd = 0;
    this.map(window, pageFrom, pageEnd);
    this.populate(window, pageFrom, pageEnd - pageFrom);
    window.setBacked(pageFrom, pageEnd);
  }

  private populate(window: Window, from: number, length: number): void {
    try {
      this.libc.populate(window.address + from, length);
    } catch {
      // It says no more than that a store would have failed. This says why.
      this.libc.allocate(this.fd, window.offset + from, length);
      this.libc.populate(window.address + from, length);
    }
  }

  /** Is the page with `at` zero in the file? One that is backed is taken for not zero. */
  private isZero(window: Window, at: number): boolean {
    if (window.isBacked(at, 1)) return false;
    const page = Math.floor(at / PAGE_SIZE) * PAGE_SIZE;
    return this.isHole(window.offset + page, PAGE_SIZE) || window.isZero(page);
  }
}
