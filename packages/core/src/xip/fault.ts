/**
 * Mapped files without a cache: what faults do to a file, and what flushes its stores.
 *
 *   read fault    changes nothing; a hole or an unwritten block is shown as one shared page of zeros
 *   write fault   shared: GXM_CREATE | GXM_ZERO whatever the write protocol, so that no fault ever
 *                 shows old bytes; private: a copy in memory, the file does not hear of it
 *   store         cached; the page is marked dirty by the fault that made it writable
 *   writeback     flush the dirty pages, fence, take write permission away: the next store faults
 *                 and marks again
 *
 * Invariants: a zero-page translation exists only where the file has no written block (I6: whoever
 * makes one revokes); a page that is writable in some shared region is in `mapping.dirty`.
 */
import { assert, BusError, FsError } from "../spec/errors.ts";
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

/** What the regions of one mount share. */
export interface FaultContext {
  readonly backing: Backing;
  /** Files with marks in `mapping.dirty`. */
  readonly dirtyMappings: Set<Mapping>;
}

/**
 * A load found no translation of page `index`: answer into `out` what is there. Only XIP_WRITTEN
 * has something to map. @throws BusError beyond the end of the file.
 */
export function xipReadFault(
  context: FaultContext,
  inode: Inode,
  index: number,
  out: XipRange,
): void {
  checkFault(inode, index);
  askRange(context.backing, inode.mapping, index * PAGE_SIZE, PAGE_SIZE, 0, out);
}

/**
 * A store to a shared mapping found page `index` absent or read-only: answer its written block into
 * `out`, made of zeros if there was none, and mark the page dirty.
 * @throws BusError beyond the end of the file; FsError ENOSPC
 */
export function xipWriteFault(
  context: FaultContext,
  inode: Inode,
  index: number,
  out: XipRange,
): void {
  checkFault(inode, index);
  const { mapping } = inode;
  askRange(context.backing, mapping, index * PAGE_SIZE, PAGE_SIZE, GXM_CREATE | GXM_ZERO, out);
  if (out.state === XIP_FRESH) revokePages(mapping, index, index + 1);
  mapping.dirty ??= new Set();
  mapping.dirty.add(index);
  context.dirtyMappings.add(mapping);
}

/**
 * Flush what was stored through mappings into pages [first, end) and not flushed since. The stores
 * are durable on return; the metadata that leads to them was durable when their faults returned, or
 * is when the caller has called fsync of the file system.
 */
export function xipWriteback(
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
    for (const region of mapping.regions ?? []) region.protect(index, index + 1);
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
export function indicesIn(
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
