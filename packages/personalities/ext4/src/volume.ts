/**
 * What the modules of a mount share, and the contracts between them. `mount.ts` builds one; every
 * function of this package that works on a mounted file system takes it as its first argument.
 */
import type { Clock, FsCounters, Name, PmemDevice } from "@xiplab/core";
import type { InodePreallocation } from "./balloc/preallocation.ts";
import type { Buffer, Buffers } from "./buffers.ts";
import type { Geometry } from "./geometry.ts";
import type { Listings } from "./dir/listings.ts";
import type { Ext4Inode } from "./inode.ts";
import type { StaleRecords } from "./inode-io.ts";
import type { Transactions } from "./journal/transactions.ts";
import type { Orphans } from "./orphan.ts";
import type { XattrBlocks } from "./xattr/block.ts";

export interface Volume {
  readonly device: PmemDevice;
  readonly geometry: Geometry;
  readonly readOnly: boolean;
  readonly clock: Clock;
  readonly options: Ext4Options;
  readonly counters: FsCounters;
  readonly buffers: Buffers;
  readonly journal: Transactions;
  readonly groups: Groups;
  readonly balloc: BlockAllocator;
  readonly ialloc: InodeAllocator;
  readonly orphans: Orphans;
  readonly records: StaleRecords;
  readonly xattrBlocks: XattrBlocks;
  readonly listings: Listings;
  /** The caller may take blocks that are kept for root. Set by the vfs with each call. */
  privileged: boolean;
}

/** Mount options of ext4's own, parsed. */
export interface Ext4Options {
  readonly alloc: "mballoc" | "first-fit";
  /** Whether data of the page-cache paths is on the medium before metadata that leads to it. */
  readonly ordered: boolean;
  /** Seconds until a transaction commits by itself. */
  readonly commitIntervalSec: number;
}

/** Descriptors of the block groups, in memory and in the running transaction. groups.ts */
export interface Groups {
  readonly count: number;
  /** Blocks and inodes free on the whole device; what is freed counts at once. */
  freeBlocks: number;
  freeInodes: number;
  /** Superblocks, descriptors, bitmaps and inode tables: blocks that no file may have. */
  readonly fixed: { overlaps(start: number, end: number): boolean };
  blockBitmapAt(group: number): number;
  inodeBitmapAt(group: number): number;
  inodeTableAt(group: number): number;
  freeBlocksOf(group: number): number;
  freeInodesOf(group: number): number;
  usedDirsOf(group: number): number;
  /** Inodes at the end of the table that were never used. */
  itableUnusedOf(group: number): number;
  flagsOf(group: number): number;
  /** The bitmap of a group, verified; made if the group is not initialised. */
  blockBitmap(group: number): Buffer;
  inodeBitmap(group: number): Buffer;
}

/** Blocks in a row on the device. */
export interface BlockRun {
  start: number;
  length: number;
}

export interface BlockRequest {
  /** Whose blocks: its locality and preallocation count. */
  readonly inode: Ext4Inode;
  /** Logical block; -1 for metadata of the inode (extent nodes, indirect blocks, xattr blocks). */
  readonly lblk: number;
  /** Blocks wanted, at least 1. */
  readonly length: number;
  /** The device block that would be best, or 0: the allocator chooses by the inode. */
  readonly goal: number;
  /** The blocks were promised by `reserve`: the promise is used up as they are taken. */
  readonly reserved: boolean;
  /** `length` foretells: one run for all of it is worth looking for. */
  readonly whole: boolean;
  /** Nothing will follow these blocks: preallocate none. fallocate, and what replaces blocks. */
  readonly exact?: boolean;
  /** May use what is kept back so that conversions do not fail (I8). */
  readonly noFail: boolean;
  /** The nearest mapped blocks of the file on either side of `lblk`, and where they stand: what is
   * preallocated ends there, and likes to join them. Left out where there is none. */
  readonly leftLblk?: number;
  readonly leftPblk?: number;
  readonly rightLblk?: number;
  readonly rightPblk?: number;
}

/** balloc.ts: mballoc, or first-fit. All inside handles; bitmaps and descriptors are in the
 * transaction. The caller adds to `inode.blocks` and writes the inode. */
export interface BlockAllocator {
  /** Take between 1 and `length` blocks in a row. @throws FsError ENOSPC: nothing changed */
  allocate(request: BlockRequest, out: BlockRun): void;
  /** Give blocks up. They are free for others once the running transaction is durable. */
  free(start: number, length: number): void;
  /** Give back what is preallocated for the inode: its last close, truncation, eviction. */
  discardPreallocation(inode: Ext4Inode): void;
  /** Promise data blocks (and what metadata they need) to delayed allocation. @throws ENOSPC */
  reserve(blocks: number): void;
  unreserve(blocks: number): void;
  /** Neither taken nor promised; the spare for metadata is part of it. */
  readonly unused: number;
  /** Free for a caller now: without promises, and without root's share unless privileged. */
  available(privileged: boolean): number;
  /** After ENOSPC: blocks were freed that only wait for a commit. Commit between handles, and try
   * again. */
  readonly wouldCommitHelp: boolean;
  /** Blocks that were given up and are nobody's before the running transaction is durable: where
   * space runs out, a commit gives so many. */
  readonly waiting: number;
  /**
   * Take blocks in memory alone: nobody else gets them, and the medium does not know, so that a
   * power cut leaves them free. Outside handles too. @throws FsError ENOSPC: nothing changed
   */
  stage(request: BlockRequest, out: BlockRun): void;
  /** Staged blocks become a file's: bitmap and descriptor, in the running handle. */
  adopt(start: number, length: number): void;
  /** Staged blocks are free again, at once: no metadata ever led to them. */
  unstage(start: number, length: number): void;
}

/** The allocator's own: opaque to others. */
export type Preallocation = InodePreallocation;

/** ialloc.ts. Inside handles. */
export interface InodeAllocator {
  /** Take a free inode number near the parent (Orlov for directories, which `name` spreads where
   * the parent is the root). Its record holds what stood there before, or zeros: initInode fills it.
   * @throws FsError ENOSPC: nothing changed */
  allocate(parent: Ext4Inode, mode: number, name?: Name): number;
  /** Free the number. The record must have been cleared (dtime set, mode kept) by the caller. */
  free(ino: number, isDirectory: boolean): void;
}
