/** The file operations of a mount without a cache (data=xip). */
import { assert } from "../spec/errors.ts";
import type {
  FiemapExtent,
  FileOperations,
  MapOptions,
  MappedRegion,
  WriteProtocolName,
} from "../spec/file-operations.ts";
import type { Inode, Mapping } from "../spec/inode.ts";
import { PAGE_SIZE } from "../spec/units.ts";
import { newXipRange, type XipRange } from "../spec/xip.ts";
import { forgetPages, xipWriteback } from "./fault.ts";
import { type WriteProtocol, WriteProtocols } from "./protocols.ts";
import type { Backing } from "./ranges.ts";
import { xipFileRead, xipFileViews } from "./read.ts";
import { XipRegion } from "./region.ts";
import { noDirtyRuns, xipReport, xipSeek } from "./report.ts";
import { fallocateFile, type FileShadow, truncateFile } from "./space.ts";
import { xipFileWrite } from "./write.ts";
import { newWriteCall, type WriteCall } from "./write-call.ts";

const END_OF_PAGES = Number.MAX_SAFE_INTEGER;

export class XipOperations implements FileOperations, FileShadow {
  readonly name = "xip";
  readonly backing: Backing;
  /** Files with stores through mappings that are not flushed. */
  readonly dirtyMappings = new Set<Mapping>();
  private readonly protocol: WriteProtocol;
  /** Reused by every call: a personality does not call back into the data path. */
  private readonly range: XipRange = newXipRange();
  private readonly call: WriteCall;

  constructor(backing: Backing, protocol: WriteProtocolName) {
    assert(backing.blockSize === PAGE_SIZE, "XIP needs blocks of the size of a page");
    this.backing = backing;
    this.protocol = WriteProtocols[protocol];
    this.call = newWriteCall(backing);
  }

  read(inode: Inode, pos: number, target: Uint8Array, start: number, length: number): number {
    return xipFileRead(this.backing, this.range, inode, pos, target, start, length);
  }

  readViews(inode: Inode, pos: number, length: number, views: Uint8Array[]): number {
    return xipFileViews(this.backing, this.range, inode, pos, length, views);
  }

  write(inode: Inode, pos: number, source: Uint8Array, start: number, length: number): number {
    return xipFileWrite(this.protocol, this.call, inode, pos, source, start, length);
  }

  map(inode: Inode, pos: number, length: number, options: MapOptions): MappedRegion {
    return new XipRegion(this, inode, pos, length, options);
  }

  truncate(inode: Inode, size: number): void {
    truncateFile(this.backing, this, inode, size);
  }

  fallocate(inode: Inode, mode: number, pos: number, length: number): void {
    fallocateFile(this.backing, this, inode, mode, pos, length);
  }

  /** Written data is durable already: what is left is stores through mappings, and metadata. */
  fsync(inode: Inode, datasync: boolean): void {
    xipWriteback(this, inode, 0, END_OF_PAGES);
    this.backing.fsync(inode, datasync);
  }

  seek(inode: Inode, pos: number, whence: number): number {
    return xipSeek(this.backing, inode, pos, whence, noDirtyRuns);
  }

  fiemap(inode: Inode, pos: number, length: number): FiemapExtent[] {
    return xipReport(this.backing, inode, pos, length, noDirtyRuns);
  }

  sync(): void {
    for (const mapping of this.dirtyMappings) {
      xipWriteback(this, mapping.inode, 0, END_OF_PAGES);
    }
  }

  release(inode: Inode, discard: boolean): void {
    if (!discard) xipWriteback(this, inode, 0, END_OF_PAGES);
    else inode.mapping.dirty = null;
    this.dirtyMappings.delete(inode.mapping);
  }

  settle(inode: Inode, pos: number, end: number): void {
    xipWriteback(this, inode, Math.floor(pos / PAGE_SIZE), Math.ceil(end / PAGE_SIZE));
  }

  forget(inode: Inode, pos: number, end: number): void {
    forgetPages(inode.mapping, Math.floor(pos / PAGE_SIZE), Math.ceil(end / PAGE_SIZE));
  }

  /** The blocks themselves were zeroed, and translations lead to them. */
  zero(): void {}
}
