/**
 * The file operations of a mount with a page cache: data=delalloc and data=nodelalloc.
 *
 * write() copies into folios and moves `inode.size`; `inode.diskSize` follows at writeback. Whatever
 * publishes a size by another way (truncate, fallocate) writes back first, so that a size never
 * becomes durable before the data that it covers. Hence: where `diskSize < size` there is a dirty
 * block at or behind `diskSize`, and writing it back publishes the size.
 */
import { FsError } from "../spec/errors.ts";
import type {
  FiemapExtent,
  FileOperations,
  MapOptions,
  MappedRegion,
} from "../spec/file-operations.ts";
import type { Inode, Mapping } from "../spec/inode.ts";
import { type FileByte, PAGE_SIZE } from "../spec/units.ts";
import { type Backing, revokePages } from "../xip/ranges.ts";
import { type DirtyRuns, type Run, xipReport, xipSeek } from "../xip/report.ts";
import { fallocateFile, type FileShadow, truncateFile, xipZeroRange } from "../xip/space.ts";
import { CACHE_LIMITS, type CachedFolio, type CacheLimits, PageCache } from "./cache.ts";
import { type CacheOwner, CacheRegion } from "./region.ts";
import { dirtyRuns, writeBack } from "./writeback.ts";

const END_OF_FILE = Number.MAX_SAFE_INTEGER;

export class PageCacheOperations implements FileOperations, FileShadow, CacheOwner {
  readonly name: "delalloc" | "nodelalloc";
  readonly cache: PageCache;
  private readonly backing: Backing;
  /** Failures of writeback that nobody waited for: the next fsync of the file reports them. */
  private readonly failures = new Map<Mapping, FsError>();

  constructor(backing: Backing, name: "delalloc" | "nodelalloc", limits = CACHE_LIMITS) {
    this.backing = backing;
    this.name = name;
    this.cache = new PageCache(backing, name === "delalloc", limits satisfies CacheLimits);
  }

  read(inode: Inode, pos: number, target: Uint8Array, start: number, length: number): number {
    return this.visit(inode, pos, length, (view, done) => target.set(view, start + done));
  }

  readViews(inode: Inode, pos: number, length: number, views: Uint8Array[]): number {
    return this.visit(inode, pos, length, (view) => views.push(view));
  }

  /** Give `body` what stands in the pages of the range, in turn. Returns the bytes. */
  private visit(
    inode: Inode,
    pos: number,
    length: number,
    body: (view: Uint8Array, done: number) => void,
  ): number {
    const wanted = Math.min(length, inode.size - pos);
    let done = 0;
    try {
      while (done < wanted) {
        const inPage = (pos + done) % PAGE_SIZE;
        const part = Math.min(wanted - done, PAGE_SIZE - inPage);
        const folio = this.cache.fill(inode, (pos + done - inPage) / PAGE_SIZE);
        body(folio.bytes.subarray(inPage, inPage + part), done);
        done += part;
      }
    } catch (error) {
      if (!(error instanceof FsError) || done === 0) throw error;
    }
    return done;
  }

  write(inode: Inode, pos: number, source: Uint8Array, start: number, length: number): number {
    if (length > 0 && pos > inode.size) xipZeroRange(this.backing, this, inode, inode.size, pos);
    let done = 0;
    try {
      while (done < length) {
        const part = Math.min(length - done, PAGE_SIZE - ((pos + done) % PAGE_SIZE));
        this.writePage(inode, pos + done, source, start + done, part, length - done);
        done += part;
      }
    } catch (error) {
      if (!(error instanceof FsError) || done === 0) throw error;
    }
    this.balance();
    return done;
  }

  map(inode: Inode, pos: number, length: number, options: MapOptions): MappedRegion {
    return new CacheRegion(this, inode, pos, length, options);
  }

  truncate(inode: Inode, size: number): void {
    // What stays must be durable before a size that covers it is.
    if (inode.diskSize < Math.min(size, inode.size)) writeBack(this.cache, inode, 0, END_OF_FILE);
    truncateFile(this.backing, this, inode, size);
  }

  fallocate(inode: Inode, mode: number, pos: number, length: number): void {
    // Punching drops dirty blocks: the size that they brought must not hang on them.
    if (inode.diskSize < inode.size) writeBack(this.cache, inode, 0, END_OF_FILE);
    fallocateFile(this.backing, this, inode, mode, pos, length);
  }

  fsync(inode: Inode, datasync: boolean): void {
    writeBack(this.cache, inode, 0, END_OF_FILE);
    this.backing.fsync(inode, datasync);
    this.reportFailure(inode.mapping);
  }

  syncRange(inode: Inode, pos: number, end: number): void {
    writeBack(this.cache, inode, pos, end);
    this.backing.fsync(inode, true);
    this.reportFailure(inode.mapping);
  }

  seek(inode: Inode, pos: number, whence: number): number {
    return xipSeek(this.backing, inode, pos, whence, this.dirtyRunsOf(inode));
  }

  fiemap(inode: Inode, pos: number, length: number): FiemapExtent[] {
    return xipReport(this.backing, inode, pos, length, this.dirtyRunsOf(inode));
  }

  sync(): void {
    let first: FsError | null = null;
    for (const mapping of this.cache.dirtyMappings) {
      const failure = this.tryWriteBack(mapping);
      first ??= failure;
    }
    if (first !== null) throw first;
  }

  release(inode: Inode, discard: boolean): void {
    try {
      if (!discard) writeBack(this.cache, inode, 0, END_OF_FILE);
    } finally {
      this.cache.forget(inode.mapping, 0, END_OF_FILE);
      this.failures.delete(inode.mapping);
    }
  }

  /** Writers pay for what they dirty: the files that were dirty first go first. */
  balance(): void {
    const { cache } = this;
    if (cache.dirtyCount <= cache.limits.dirtyMax) return;
    for (const mapping of cache.dirtyMappings) {
      if (cache.dirtyCount <= cache.limits.dirtyMax / 2) return;
      this.writeBackUnasked(mapping);
    }
  }

  settle(inode: Inode, pos: number, end: number): void {
    writeBack(this.cache, inode, pos, end);
  }

  forget(inode: Inode, pos: number, end: number): void {
    this.cache.forget(inode.mapping, pos, end);
    revokePages(inode.mapping, Math.floor(pos / PAGE_SIZE), Math.ceil(end / PAGE_SIZE));
  }

  zero(inode: Inode, pos: number, end: number): void {
    this.cache.zero(inode.mapping, pos, end);
  }

  /** Copy `length` bytes into one page; `ahead` bytes of the same write() begin with them. */
  private writePage(
    inode: Inode,
    pos: number,
    source: Uint8Array,
    start: number,
    length: number,
    ahead: number,
  ): void {
    const { cache } = this;
    const { mapping } = inode;
    const inPage = pos % PAGE_SIZE;
    const index = (pos - inPage) / PAGE_SIZE;
    const isNew = cache.find(mapping, index) === undefined;
    const folio = length === PAGE_SIZE ? cache.grab(mapping, index) : cache.fill(inode, index);
    try {
      this.dirtyBytes(folio, inPage, inPage + length, ahead);
    } catch (error) {
      // A grabbed folio has no contents of its own yet.
      if (isNew) cache.drop(folio);
      throw error;
    }
    folio.bytes.set(source.subarray(start, start + length), inPage);
    if (pos + length > inode.size) inode.size = (pos + length) as FileByte;
  }

  /** Promises are careful estimates: before giving up, turn them into blocks and try once more. */
  private dirtyBytes(folio: CachedFolio, from: number, to: number, ahead: number): void {
    try {
      this.cache.dirtyBytes(folio, from, to, ahead);
    } catch (error) {
      const isFull = error instanceof FsError && error.code === "ENOSPC";
      if (!isFull || this.cache.reservedCount === 0) throw error;
      for (const mapping of this.cache.dirtyMappings) this.writeBackUnasked(mapping);
      this.cache.dirtyBytes(folio, from, to, ahead);
    }
  }

  private tryWriteBack(mapping: Mapping): FsError | null {
    try {
      writeBack(this.cache, mapping.inode, 0, END_OF_FILE);
      return null;
    } catch (error) {
      if (error instanceof FsError) return error;
      throw error;
    }
  }

  /** Nobody waits for this one: its failure waits for the next fsync of the file. */
  private writeBackUnasked(mapping: Mapping): void {
    const failure = this.tryWriteBack(mapping);
    if (failure !== null) this.failures.set(mapping, failure);
  }

  private reportFailure(mapping: Mapping): void {
    const failure = this.failures.get(mapping);
    if (failure === undefined) return;
    this.failures.delete(mapping);
    throw failure;
  }

  /** For one walk: the runs are collected once. */
  private dirtyRunsOf(inode: Inode): DirtyRuns {
    const all = [false, true].map((reservedOnly) =>
      dirtyRuns(this.cache, inode.mapping, 0, END_OF_FILE, reservedOnly),
    );
    return (pos, end, reservedOnly) => clipRuns(all[reservedOnly ? 1 : 0]!, pos, end);
  }
}

function clipRuns(runs: readonly Run[], pos: number, end: number): Run[] {
  const clipped: Run[] = [];
  for (const run of runs) {
    if (run.end <= pos || run.pos >= end) continue;
    clipped.push({ pos: Math.max(run.pos, pos), end: Math.min(run.end, end) });
  }
  return clipped;
}
