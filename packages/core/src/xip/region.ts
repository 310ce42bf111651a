/**
 * A mapped part of a file without a cache: its page table, and the loads and stores that go through
 * it. What a fault does to the file is in fault.ts.
 *
 * A translation leads to the block itself, to the shared page of zeros, or to a private copy.
 */
import { PURPOSE_DATA } from "../spec/device.ts";
import { assert, FsError } from "../spec/errors.ts";
import type { MapOptions, MappedRegion } from "../spec/file-operations.ts";
import type { Inode } from "../spec/inode.ts";
import { PAGE_SIZE } from "../spec/units.ts";
import { newXipRange, XIP_WRITTEN, type XipRange } from "../spec/xip.ts";
import {
  checkAccess,
  checkRegion,
  type FaultContext,
  indicesIn,
  xipReadFault,
  xipWriteback,
  xipWriteFault,
} from "./fault.ts";

/** What every read fault of a hole maps. Never written: write faults replace the translation. */
const ZERO_PAGE = new Uint8Array(PAGE_SIZE);

/** What stands behind one page of a region. */
interface Translation {
  /** Device byte of the page, or -1 where `memory` stands behind it. */
  readonly offset: number;
  /** The zero page, or a private copy. */
  readonly memory: Uint8Array | null;
  writable: boolean;
}

export class XipRegion implements MappedRegion {
  readonly inode: Inode;
  readonly pos: number;
  readonly length: number;
  private readonly options: MapOptions;
  private readonly context: FaultContext;
  private readonly range: XipRange = newXipRange();
  /** The page table, by page index in the file. */
  private readonly pages = new Map<number, Translation>();

  constructor(
    context: FaultContext,
    inode: Inode,
    pos: number,
    length: number,
    options: MapOptions,
  ) {
    checkRegion(pos, length);
    this.context = context;
    this.inode = inode;
    this.pos = pos;
    this.length = length;
    this.options = options;
    (inode.mapping.regions ??= new Set()).add(this);
  }

  load(offset: number, target: Uint8Array, start: number, length: number): void {
    checkAccess(this, offset, length);
    const { device } = this.context.backing;
    for (let done = 0; done < length;) {
      const at = this.pos + offset + done;
      const inPage = at % PAGE_SIZE;
      const part = Math.min(length - done, PAGE_SIZE - inPage);
      const index = (at - inPage) / PAGE_SIZE;
      const page = this.pages.get(index) ?? this.readFault(index);
      if (page.memory === null) device.load(page.offset + inPage, target, start + done, part);
      else target.set(page.memory.subarray(inPage, inPage + part), start + done);
      done += part;
    }
  }

  store(offset: number, source: Uint8Array, start: number, length: number): void {
    checkAccess(this, offset, length);
    if (!this.options.writable) throw new FsError("EACCES", "the region is mapped read-only");
    const { device } = this.context.backing;
    for (let done = 0; done < length;) {
      const at = this.pos + offset + done;
      const inPage = at % PAGE_SIZE;
      const part = Math.min(length - done, PAGE_SIZE - inPage);
      const index = (at - inPage) / PAGE_SIZE;
      let page = this.pages.get(index);
      if (page === undefined || !page.writable) page = this.writeFault(index);
      const from = start + done;
      if (page.memory === null) {
        device.store(page.offset + inPage, source, from, part, PURPOSE_DATA);
      } else {
        page.memory.set(source.subarray(from, from + part), inPage);
      }
      done += part;
    }
  }

  msync(offset: number, length: number): void {
    checkAccess(this, offset, length);
    const first = Math.floor((this.pos + offset) / PAGE_SIZE);
    const end = Math.ceil((this.pos + offset + length) / PAGE_SIZE);
    xipWriteback(this.context, this.inode, first, end);
    this.context.backing.fsync(this.inode, true);
  }

  /** Stores that were not flushed stay marked: a later fsync of the file finds them. */
  unmap(): void {
    this.inode.mapping.regions?.delete(this);
    this.pages.clear();
  }

  /** Private copies stay, unless the file ends before them. */
  revoke(first: number, end: number): void {
    for (const index of indicesIn(this.pages, first, end)) {
      const page = this.pages.get(index)!;
      const isCopy = page.memory !== null && page.memory !== ZERO_PAGE;
      if (!isCopy || index * PAGE_SIZE >= this.inode.size) this.pages.delete(index);
    }
  }

  discard(first: number, end: number): void {
    for (const index of indicesIn(this.pages, first, end)) this.pages.delete(index);
  }

  protect(first: number, end: number): void {
    for (const index of indicesIn(this.pages, first, end)) {
      const page = this.pages.get(index)!;
      if (page.memory === null) page.writable = false;
    }
  }

  private readFault(index: number): Translation {
    xipReadFault(this.context, this.inode, index, this.range);
    const page = this.range.state === XIP_WRITTEN ? blockPage(this.range, false) : zeroPage();
    this.pages.set(index, page);
    return page;
  }

  private writeFault(index: number): Translation {
    const page = this.options.shared ? this.sharedWriteFault(index) : this.privateWriteFault(index);
    assert(page.writable, "a write fault ends with a writable page");
    this.pages.set(index, page);
    return page;
  }

  private sharedWriteFault(index: number): Translation {
    const { context, inode, options, range } = this;
    xipWriteFault(context, inode, index, range);
    // MAP_SYNC: flushing the store must be enough from here on, so the mapping is durable first.
    if (options.sync) context.backing.fsync(inode, true);
    return blockPage(range, true);
  }

  /** Copy on write. */
  private privateWriteFault(index: number): Translation {
    const old = this.pages.get(index) ?? this.readFault(index);
    const memory = new Uint8Array(PAGE_SIZE);
    if (old.memory === null) this.context.backing.device.load(old.offset, memory, 0, PAGE_SIZE);
    return { offset: -1, memory, writable: true };
  }
}

const zeroPage = (): Translation => ({ offset: -1, memory: ZERO_PAGE, writable: false });

const blockPage = (range: XipRange, writable: boolean): Translation => ({
  offset: range.offset,
  memory: null,
  writable,
});
