/**
 * The verbs of a data path. A mount has exactly one of three sets: `xip` (no cache), `delalloc` and
 * `nodelalloc` (page cache). They are chosen in `data-path.ts` and nowhere else.
 */
import type { Inode, RevocableRegion } from "./inode.ts";

export type DataPathName = "xip" | "delalloc" | "nodelalloc";
export const DataPathNames: readonly DataPathName[] = ["xip", "delalloc", "nodelalloc"];

export type WriteProtocolName = "none" | "prewrite" | "complete" | "wrapped" | "own" | "zero";
export const WriteProtocolNames: readonly WriteProtocolName[] = [
  "none",
  "prewrite",
  "complete",
  "wrapped",
  "own",
  "zero",
];
/** The protocols that lose nothing and show nothing stale. The other two are negative controls. */
export const SoundProtocols: readonly WriteProtocolName[] = ["complete", "wrapped", "own", "zero"];

export interface MapOptions {
  /** Stores go to the file (MAP_SHARED), or to a copy of the page (MAP_PRIVATE). */
  readonly shared: boolean;
  /** PROT_WRITE. */
  readonly writable: boolean;
  /** MAP_SYNC: a write fault returns with the metadata durable. XIP only: EOPNOTSUPP elsewhere. */
  readonly sync: boolean;
}

/** A mapped part of a file. Offsets are from the start of the region. */
export interface MappedRegion extends RevocableRegion {
  readonly inode: Inode;
  readonly pos: number;
  readonly length: number;
  /** @throws BusError where the page is beyond the end of the file. */
  load(offset: number, target: Uint8Array, start: number, length: number): void;
  /** @throws BusError; FsError ENOSPC (SIGBUS on Linux), EACCES where not writable. */
  store(offset: number, source: Uint8Array, start: number, length: number): void;
  /** Make stores durable (MS_SYNC), and the metadata that reading them back needs. */
  msync(offset: number, length: number): void;
  unmap(): void;
}

/** One extent as fiemap reports it. Bytes; flags FIEMAP_EXTENT_*. */
export interface FiemapExtent {
  readonly logical: number;
  /** Device byte; 0 where delayed allocation has not chosen one. */
  readonly physical: number;
  readonly length: number;
  readonly flags: number;
}

export interface FileOperations {
  readonly name: DataPathName;
  /** Copy up to `length` bytes at `pos` into `target`; stops at i_size. Returns the bytes copied. */
  read(inode: Inode, pos: number, target: Uint8Array, start: number, length: number): number;
  /**
   * As `read`, without the copy: append views of what stands there to `views` (of a hole, of zeros).
   * They are for reading at once: the next change of the file may change them or not.
   */
  readViews(inode: Inode, pos: number, length: number, views: Uint8Array[]): number;
  /** Returns the bytes written: fewer than `length` if the space ran out on the way.
   * @throws FsError ENOSPC where nothing could be written; EFBIG. */
  write(inode: Inode, pos: number, source: Uint8Array, start: number, length: number): number;
  map(inode: Inode, pos: number, length: number, options: MapOptions): MappedRegion;
  /** Set the size: pages and partial blocks here, blocks in the personality. */
  truncate(inode: Inode, size: number): void;
  /** Any FALLOC_FL_* mode: partial blocks here, whole blocks in the personality. */
  fallocate(inode: Inode, mode: number, pos: number, length: number): void;
  fsync(inode: Inode, datasync: boolean): void;
  /** SEEK_DATA or SEEK_HOLE. @throws FsError ENXIO at or beyond the end of the file. */
  seek(inode: Inode, pos: number, whence: number): number;
  fiemap(inode: Inode, pos: number, length: number): FiemapExtent[];
  /** Write all dirty data of the mount back. */
  sync(): void;
  /** The inode leaves memory. With `discard` its data is not wanted any more. */
  release(inode: Inode, discard: boolean): void;
}
