/**
 * Mapped files without a cache: a region's page table, its faults, and what flushes its stores.
 *
 *   read fault    written: the block itself, read-only. Hole, unwritten: one shared page of zeros
 *   write fault   shared: GXM_CREATE | GXM_ZERO whatever the write protocol, so that no fault ever
 *                 shows old bytes; private: a copy in memory
 *   store         cached; the page is marked dirty by the fault that made it writable
 *   writeback     flush the dirty pages, fence, take write permission away: the next store faults
 *                 and marks again
 *
 * Invariants: a zero-page translation exists only where the file has no written block (I6: whoever
 * makes one revokes); a page that is writable in some shared region is in `mapping.dirty`.
 */
import { PURPOSE_DATA } from "../spec/device.ts";
import { assert, BusError, FsError } from "../spec/errors.ts";
import type { MapOptions, MappedRegion } from "../spec/file-operations.ts";
import type { Inode, Mapping } from "../spec/inode.ts";
import { PAGE_SIZE } from "../spec/units.ts";
import {
  GXM_CREATE,
  GXM_ZERO,
  newXipRange,
  XIP_FRESH,
  XIP_WRITTEN,
  type XipRange,
} from "../spec/xip.ts";
import { alignUp, askRange, type Backing, revokePages } from "./ranges.ts";

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

/** What the regions of one mount share. */
export interface FaultContext {
  readonly backing: Backing;
  /** Files with marks in `mapping.dirty`. */
  readonly dirtyMappings: Set<Mapping>;
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
    inode.mapping.regions.add(this);
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
    writeBackPages(this.context, this.inode, first, end);
    this.context.backing.fsync(this.inode, true);
  }

  /** Stores that were not flushed stay marked: a later fsync of the file finds them. */
  unmap(): void {
    this.inode.mapping.regions.delete(this);
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

  protect(first: number, end: number): void {
    for (const index of indicesIn(this.pages, first, end)) {
      const page = this.pages.get(index)!;
      if (page.memory === null) page.writable = false;
    }
  }

  private readFault(index: number): Translation {
    const { backing } = this.context;
    checkFault(this.inode, index);
    askRange(backing, this.inode.mapping, index * PAGE_SIZE, PAGE_SIZE, 0, this.range);
    const page = this.range.state === XIP_WRITTEN ? blockPage(this.range, false) : zeroPage();
    this.pages.set(index, page);
    return page;
  }

  private writeFault(index: number): Translation {
    checkFault(this.inode, index);
    const page = this.options.shared ? this.sharedWriteFault(index) : this.privateWriteFault(index);
    assert(page.writable, "a write fault ends with a writable page");
    this.pages.set(index, page);
    return page;
  }

  private sharedWriteFault(index: number): Translation {
    const { backing, dirtyMappings } = this.context;
    const { mapping } = this.inode;
    const flags = GXM_CREATE | GXM_ZERO;
    askRange(backing, mapping, index * PAGE_SIZE, PAGE_SIZE, flags, this.range);
    if (this.range.state === XIP_FRESH) revokePages(mapping, index, index + 1);
    mapping.dirty ??= new Set();
    mapping.dirty.add(index);
    dirtyMappings.add(mapping);
    // MAP_SYNC: flushing the store must be enough from here on, so the mapping is durable first.
    if (this.options.sync) backing.fsync(this.inode, true);
    return blockPage(this.range, true);
  }

  private privateWriteFault(index: number): Translation {
    const old = this.pages.get(index) ?? this.readFault(index);
    const memory = new Uint8Array(PAGE_SIZE);
    if (old.memory === null) this.context.backing.device.load(old.offset, memory, 0, PAGE_SIZE);
    return { offset: -1, memory, writable: true };
  }
}

/**
 * Flush what was stored through mappings into pages [first, end) and not flushed since. The stores
 * are durable on return; the metadata that leads to them was durable when their faults returned.
 */
export function writeBackPages(
  context: FaultContext,
  inode: Inode,
  first: number,
  end: number,
): void {
  const { backing, dirtyMappings } = context;
  const { mapping } = inode;
  if (mapping.dirty === null || mapping.dirty.size === 0) return;
  const range = newXipRange();
  let flushed = 0;
  for (const index of indicesIn(mapping.dirty, first, end)) {
    askRange(backing, mapping, index * PAGE_SIZE, PAGE_SIZE, 0, range);
    assert(range.state === XIP_WRITTEN, "a dirty page has a written block");
    assert(range.length === PAGE_SIZE, "a page is one block");
    backing.device.flush(range.offset, PAGE_SIZE);
    // Before the mark goes: a store after this must fault, and mark the page again.
    for (const region of mapping.regions) region.protect(index, index + 1);
    mapping.dirty.delete(index);
    flushed++;
  }
  // The flushed lines are durable before anybody is told so.
  if (flushed > 0) backing.device.fence();
  if (mapping.dirty.size === 0) dirtyMappings.delete(mapping);
}

/** Drop translations and dirty marks of pages [first, end): their blocks go, or went, away. */
export function forgetPages(mapping: Mapping, first: number, end: number): void {
  revokePages(mapping, first, end);
  if (mapping.dirty === null) return;
  for (const index of indicesIn(mapping.dirty, first, end)) mapping.dirty.delete(index);
}

/** @throws FsError EINVAL: a region starts at a page and is not empty. */
export function checkRegion(pos: number, length: number): void {
  if (pos < 0 || pos % PAGE_SIZE !== 0) throw new FsError("EINVAL", "mmap offset not page-aligned");
  if (length <= 0) throw new FsError("EINVAL", "mmap of no bytes");
}

/** @throws FsError EFAULT: the access leaves the region (SIGSEGV on Linux). */
export function checkAccess(
  region: { readonly length: number },
  offset: number,
  length: number,
): void {
  if (offset < 0 || length < 0 || offset + length > region.length) {
    throw new FsError("EFAULT", "the access leaves the mapped region");
  }
}

/** @throws BusError where the page lies wholly beyond the end of the file. */
export function checkFault(inode: Inode, index: number): void {
  if (index * PAGE_SIZE >= alignUp(inode.size, PAGE_SIZE)) {
    throw new BusError("the mapped page is beyond the end of the file");
  }
}

/** The members of a sparse collection in [first, end), by the cheaper way. A copy: safe to delete. */
function indicesIn(
  sparse: { readonly size: number; has(index: number): boolean; keys(): Iterable<number> },
  first: number,
  end: number,
): number[] {
  const found: number[] = [];
  if (end - first <= sparse.size) {
    for (let index = first; index < end; index++) if (sparse.has(index)) found.push(index);
  } else {
    for (const index of sparse.keys()) if (index >= first && index < end) found.push(index);
  }
  return found;
}

const zeroPage = (): Translation => ({ offset: -1, memory: ZERO_PAGE, writable: false });

const blockPage = (range: XipRange, writable: boolean): Translation => ({
  offset: range.offset,
  memory: null,
  writable,
});
