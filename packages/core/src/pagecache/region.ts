/**
 * Mapped files over the page cache: loads and stores go to folios. There is no page table to keep:
 * the cache is asked at each access, so clean folios may come and go under a mapping.
 */
import { FsError } from "../spec/errors.ts";
import type { MapOptions, MappedRegion } from "../spec/file-operations.ts";
import type { Inode } from "../spec/inode.ts";
import { PAGE_SIZE } from "../spec/units.ts";
import { checkAccess, checkFault, checkRegion } from "../xip/fault.ts";
import { alignUp } from "../xip/ranges.ts";
import type { PageCache } from "./cache.ts";

/** What a region needs of its mount beside the cache. */
export interface CacheOwner {
  readonly cache: PageCache;
  /** Make [pos, end) durable, and the metadata that reading it back needs. */
  syncRange(inode: Inode, pos: number, end: number): void;
  /** Write back if too much is dirty. */
  balance(): void;
}

export class CacheRegion implements MappedRegion {
  readonly inode: Inode;
  readonly pos: number;
  readonly length: number;
  private readonly owner: CacheOwner;
  private readonly options: MapOptions;
  /** Pages of a private mapping that were stored to, by page index in the file. */
  private readonly copies = new Map<number, Uint8Array>();

  /** @throws FsError EOPNOTSUPP: a cached page cannot keep the promise of MAP_SYNC. */
  constructor(owner: CacheOwner, inode: Inode, pos: number, length: number, options: MapOptions) {
    checkRegion(pos, length);
    if (options.sync) throw new FsError("EOPNOTSUPP", "MAP_SYNC needs data=xip");
    this.owner = owner;
    this.inode = inode;
    this.pos = pos;
    this.length = length;
    this.options = options;
    (inode.mapping.regions ??= new Set()).add(this);
  }

  load(offset: number, target: Uint8Array, start: number, length: number): void {
    checkAccess(this, offset, length);
    for (let done = 0; done < length;) {
      const at = this.pos + offset + done;
      const inPage = at % PAGE_SIZE;
      const part = Math.min(length - done, PAGE_SIZE - inPage);
      const bytes = this.page((at - inPage) / PAGE_SIZE);
      target.set(bytes.subarray(inPage, inPage + part), start + done);
      done += part;
    }
  }

  store(offset: number, source: Uint8Array, start: number, length: number): void {
    checkAccess(this, offset, length);
    if (!this.options.writable) throw new FsError("EACCES", "the region is mapped read-only");
    for (let done = 0; done < length;) {
      const at = this.pos + offset + done;
      const inPage = at % PAGE_SIZE;
      const part = Math.min(length - done, PAGE_SIZE - inPage);
      const index = (at - inPage) / PAGE_SIZE;
      const bytes = this.options.shared
        ? this.sharedPage(index, inPage, inPage + part)
        : this.privatePage(index);
      bytes.set(source.subarray(start + done, start + done + part), inPage);
      done += part;
    }
    this.owner.balance();
  }

  msync(offset: number, length: number): void {
    checkAccess(this, offset, length);
    this.owner.syncRange(this.inode, this.pos + offset, this.pos + offset + length);
  }

  unmap(): void {
    this.inode.mapping.regions?.delete(this);
    this.copies.clear();
  }

  /** Only private copies are kept here; they go when the file ends before them. */
  revoke(first: number, end: number): void {
    for (const index of this.copies.keys()) {
      const isBeyond = index * PAGE_SIZE >= this.inode.size;
      if (index >= first && index < end && isBeyond) this.copies.delete(index);
    }
  }

  discard(first: number, end: number): void {
    for (const index of this.copies.keys()) {
      if (index >= first && index < end) this.copies.delete(index);
    }
  }

  /** Every store dirties its folio: there is no permission to take away. */
  protect(): void {}

  private page(index: number): Uint8Array {
    const copy = this.copies.get(index);
    if (copy !== undefined) return copy;
    checkFault(this.inode, index);
    return this.owner.cache.fill(this.inode, index).bytes;
  }

  /** The folio, marked: blocks wholly beyond the end of the file are stored to, but never dirty. */
  private sharedPage(index: number, from: number, to: number): Uint8Array {
    const { cache } = this.owner;
    checkFault(this.inode, index);
    const folio = cache.fill(this.inode, index);
    const limit = alignUp(this.inode.size, cache.unit) - index * PAGE_SIZE;
    const end = Math.min(to, limit);
    if (from < end) cache.dirtyBytes(folio, from, end, end - from);
    return folio.bytes;
  }

  private privatePage(index: number): Uint8Array {
    const copy = this.copies.get(index) ?? this.page(index).slice();
    this.copies.set(index, copy);
    return copy;
  }
}
