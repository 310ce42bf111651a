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
 * A file in memory (tmpfs) gives a mapped hole a page when it is *read*, and ends the process where
 * there is none left. So there a hole is allocated before it is mapped, and mapped by pages; elsewhere,
 * reading a hole takes nothing of the disk, and it is mapped by larger pieces, which is quicker.
 *
 * Each island of mapped pages costs the host two structures of a number that is limited for all of the
 * process (vm.max_map_count, 65530); at the limit malloc fails as well. So the more islands there are,
 * the larger the next ones are made.
 */
import type { HostMapping } from "@xiplab/core";
import type { Libc } from "./libc.ts";
import { PAGE_SIZE, SEGMENT_SIZE, Window, WINDOW_SIZE } from "./window.ts";

/** Mapped at once where that takes no room, or where a run of pages grows. */
const PIECE_SIZE = 64 * 1024;
/** Islands of a file that may be as small as can be. */
const SMALL_ISLANDS_MAX = 6_000;
/** And those that may be as small as pieces; beyond, they are segments. */
const ISLANDS_MAX = 12_000;

export interface FfiMappingOptions {
  readonly isWritable: boolean;
  /** Does reading a mapped hole take room? */
  readonly readsTakeRoom: boolean;
}

export class FfiMapping implements HostMapping {
  private readonly libc: Libc;
  private readonly fd: number;
  private readonly size: number;
  private readonly options: FfiMappingOptions;
  private windows: Array<Window | undefined> = [];
  private islands = 0;
  /** A range that is known to be a hole. */
  private holeFrom = 0;
  private holeEnd = 0;

  constructor(libc: Libc, fd: number, size: number, options: FfiMappingOptions) {
    this.libc = libc;
    this.fd = fd;
    this.size = size;
    this.options = options;
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
      const pageEnd = Math.min(end, floorTo(at, PAGE_SIZE) + PAGE_SIZE);
      let runEnd = at;
      while (runEnd < end && !this.isZero(window, runEnd)) {
        runEnd = Math.min(end, floorTo(runEnd, PAGE_SIZE) + PAGE_SIZE);
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
      this.share(window, floorTo(data, PAGE_SIZE), at, this.unit());
    }
  }

  /** Map [from, end), whole pages, some of them a hole, to be stored to. */
  private mapToStore(window: Window, from: number, end: number): void {
    const unit = this.unit();
    if (!this.options.readsTakeRoom) return this.share(window, from, end, unit);
    const grows = from > 0 && window.isMapped(from - PAGE_SIZE, from);
    const wideEnd = grows ? Math.min(ceilTo(end, PIECE_SIZE), window.length) : end;
    try {
      this.allocate(window, from, wideEnd, unit);
      this.share(window, from, wideEnd, unit);
    } catch (error) {
      if (wideEnd === end && unit === PAGE_SIZE) throw error;
      this.allocate(window, from, end, PAGE_SIZE);
      this.share(window, from, end, PAGE_SIZE);
    }
  }

  /** Map [from, end), widened to units. */
  private share(window: Window, from: number, end: number, unit: number): void {
    const wideFrom = floorTo(from, unit);
    const wideEnd = Math.min(ceilTo(end, unit), window.length);
    const { libc, fd, options } = this;
    const { address, offset } = window;
    const length = wideEnd - wideFrom;
    libc.share(address + wideFrom, length, fd, offset + wideFrom, options.isWritable);
    if (!window.touchesMapped(wideFrom, wideEnd)) this.islands++;
    window.setMapped(wideFrom, wideEnd);
  }

  private allocate(window: Window, from: number, end: number, unit: number): void {
    const wideFrom = floorTo(from, unit);
    const wideEnd = Math.min(ceilTo(end, unit), window.length);
    this.libc.allocate(this.fd, window.offset + wideFrom, wideEnd - wideFrom);
  }

  /** By how much is mapped at least. */
  private unit(): number {
    if (this.islands >= ISLANDS_MAX) return SEGMENT_SIZE;
    const isSmall = this.options.readsTakeRoom && this.islands < SMALL_ISLANDS_MAX;
    return isSmall ? PAGE_SIZE : PIECE_SIZE;
  }

  /** The host has room for [from, end) from here on. */
  private back(window: Window, from: number, end: number): void {
    let pageFrom = floorTo(from, PAGE_SIZE);
    let pageEnd = ceilTo(end, PAGE_SIZE);
    while (pageFrom < pageEnd && window.isBacked(pageFrom, PAGE_SIZE)) pageFrom += PAGE_SIZE;
    while (pageFrom < pageEnd && window.isBacked(pageEnd - 1, 1)) pageEnd -= PAGE_SIZE;
    if (pageFrom === pageEnd) return;
    this.holeEnd = 0;
    if (!window.isMapped(pageFrom, pageEnd)) this.mapToStore(window, pageFrom, pageEnd);
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
    const page = floorTo(at, PAGE_SIZE);
    return this.isHole(window.offset + page, PAGE_SIZE) || window.isZero(page);
  }
}

const floorTo = (at: number, unit: number): number => Math.floor(at / unit) * unit;
const ceilTo = (at: number, unit: number): number => Math.ceil(at / unit) * unit;
