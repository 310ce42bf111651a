/** Mapped files: what the vfs adds to the data path's regions. */
import { FsError } from "../spec/errors.ts";
import type { MapOptions, MappedRegion } from "../spec/file-operations.ts";
import { INODE_APPEND, type Inode } from "../spec/inode.ts";
import { isRegular } from "../spec/mode.ts";
import { PAGE_SIZE } from "../spec/units.ts";
import { accessed, modified } from "./attributes.ts";
import type { Credentials } from "./credentials.ts";
import { release } from "./icache.ts";
import { isOpenForReading, type OpenFile, requireFile } from "./open-file.ts";
import type { Superblock } from "./superblock.ts";

/**
 * Map part of an open file; the mapping outlives the open file. `pos` is a multiple of the page size.
 * @throws FsError EBADF, ENODEV (no regular file), EACCES (open mode), EINVAL, EOPNOTSUPP, EROFS
 */
export function mapFile(
  sb: Superblock,
  credentials: Credentials,
  file: OpenFile,
  pos: number,
  length: number,
  options: MapOptions,
): MappedRegion {
  requireFile(sb, file);
  const { inode } = file;
  const isPlaced = Number.isSafeInteger(pos) && pos >= 0 && pos % PAGE_SIZE === 0;
  if (!isPlaced || !Number.isSafeInteger(length) || length <= 0) throw new FsError("EINVAL");
  if (!isOpenForReading(file)) throw new FsError("EACCES", "not opened for reading");
  if (options.shared && options.writable) {
    if (!file.canWrite) throw new FsError("EACCES", "not opened for writing");
    // The flag of the inode, not O_APPEND: what Linux looks at.
    if ((inode.flags & INODE_APPEND) !== 0) throw new FsError("EACCES", "append-only file");
    sb.requireWritable();
  }
  if (!isRegular(inode.mode)) throw new FsError("ENODEV");
  const region = sb.files.map(inode, pos, length, options);
  accessed(sb, inode);
  return new FileMapping(sb, credentials, region, options);
}

/** A region that holds its inode, and moves the file's times when it is stored to. */
class FileMapping implements MappedRegion {
  readonly inode: Inode;
  readonly pos: number;
  readonly length: number;
  private readonly sb: Superblock;
  private readonly credentials: Credentials;
  private readonly region: MappedRegion;
  private readonly movesTimes: boolean;
  /** The times were moved since the last msync: once in between is what POSIX asks for. */
  private timesMoved = false;
  private isMapped = true;

  constructor(sb: Superblock, credentials: Credentials, region: MappedRegion, options: MapOptions) {
    this.sb = sb;
    this.credentials = credentials;
    this.region = region;
    this.inode = region.inode;
    this.pos = region.pos;
    this.length = region.length;
    this.movesTimes = options.shared && options.writable;
    this.inode.references++;
    sb.mappedRegions.add(this);
  }

  load(offset: number, target: Uint8Array, start: number, length: number): void {
    this.requireMapped();
    try {
      this.region.load(offset, target, start, length);
    } catch (error) {
      throw this.sb.failed(error);
    }
  }

  store(offset: number, source: Uint8Array, start: number, length: number): void {
    this.requireMapped();
    if (this.movesTimes && this.sb.readOnly) this.sb.requireWritable();
    this.sb.actAs(this.credentials);
    try {
      this.region.store(offset, source, start, length);
    } catch (error) {
      throw this.sb.failed(error);
    }
    if (!this.movesTimes || this.timesMoved) return;
    modified(this.sb, this.inode);
    this.timesMoved = true;
  }

  msync(offset: number, length: number): void {
    this.requireMapped();
    this.timesMoved = false;
    try {
      this.region.msync(offset, length);
    } catch (error) {
      throw this.sb.failed(error);
    }
  }

  unmap(): void {
    if (!this.isMapped) return;
    this.isMapped = false;
    this.sb.mappedRegions.delete(this);
    try {
      this.region.unmap();
      release(this.sb, this.inode);
    } catch (error) {
      throw this.sb.failed(error);
    }
  }

  revoke(first: number, end: number): void {
    this.region.revoke(first, end);
  }

  discard(first: number, end: number): void {
    this.region.discard(first, end);
  }

  protect(first: number, end: number): void {
    this.region.protect(first, end);
  }

  private requireMapped(): void {
    if (!this.isMapped) throw new FsError("EFAULT", "the region is not mapped any more");
  }
}
