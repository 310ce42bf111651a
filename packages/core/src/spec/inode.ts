/**
 * The inode in memory, shared by the vfs, the data paths and the personality, which extends it with
 * what it needs (`class PlainInode extends Inode`). One object per inode number and mount.
 */
import type { Acl } from "./acl.ts";
import type { FileByte, Ino, Lblk, Name } from "./units.ts";

/** Which times to set: arguments of `Inode.touch`. */
export const ATIME = 1;
export const MTIME = 2;
export const CTIME = 4;

/** Seconds since the epoch (may be negative) and nanoseconds (0 to 999,999,999). */
export interface Timespec {
  sec: number;
  nsec: number;
}

/** Where the time comes from: core has no clock of its own. */
export interface Clock {
  now(): Timespec;
  /**
   * The time of the last tick, a few milliseconds ago at most: cheap, and shared by many changes, so
   * that an fsync after each has nothing to write for them. Absent: every question gives a new time.
   */
  tick?(): Timespec;
}

/** Inode flags: values of FS_*_FL, as chattr and lsattr have them. The vfs honours those named S,
 * i, a, A and D there; nodump is for backup programs, topdir and projinherit are the design's. */
export const INODE_SYNC = 0x8;
export const INODE_IMMUTABLE = 0x10;
export const INODE_APPEND = 0x20;
export const INODE_NODUMP = 0x40;
export const INODE_NOATIME = 0x80;
export const INODE_DIRSYNC = 0x10000;
export const INODE_TOPDIR = 0x20000;
export const INODE_PROJINHERIT = 0x20000000;

/** The names of a directory in the order of their bytes, until one comes or goes. */
export interface DirListing {
  readonly names: readonly Name[];
  /** The names as text; the same array where both are the same. */
  readonly texts: readonly string[];
  /** DT_*. */
  readonly types: readonly number[];
}

export class Inode {
  readonly ino: Ino;
  generation = 0;
  mode = 0;
  uid = 0;
  gid = 0;
  nlink = 0;
  /** Device number of a device node: major and minor as Linux packs them (makedev). */
  rdev = 0;
  /** INODE_*, and whatever else the design keeps in its flag word. */
  flags = 0;
  /** For quota and accounting of trees. Inheriting it is the design's. */
  projectId = 0;
  /** i_size, bytes: where the file ends for programs. */
  size = 0 as FileByte;
  /**
   * The size that the medium has (ext4's i_disksize): what iget read and what the personality last
   * published. A personality writes this one into its records, never `size`. They differ only while
   * a page cache holds data beyond `diskSize` that is not written back: the size must not cover
   * data before the data is durable. `diskSize <= size` always.
   */
  diskSize = 0 as FileByte;
  /** Device blocks that the inode holds, metadata included. */
  blocks = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  btimeSec = 0;
  btimeNsec = 0;
  /**
   * Times that changed in memory alone. They become durable with the next change of the inode, with
   * fsync, sync or unmount, as with Linux's lazytime.
   */
  timesDirty = false;
  /** Somebody has seen the times since they last moved: the next change is to be told from it. Set by
   * stat, and by a face that shows the times without it. */
  timesSeen = false;
  /** The vfs has it on its list of inodes whose times may have changed. vfs only. */
  timesListed = false;
  /** File data: what is mapped, cached, dirty. */
  readonly mapping: Mapping;

  /** References from open files, mapped regions and callers: owned by the vfs. */
  references = 0;
  /** Names of a directory that were looked up: null for a name known to be absent. vfs only. */
  children: Map<Name, Inode | null> | null = null;
  /** `children` has every name of the directory, so that a miss needs no look at it. vfs only. */
  childrenComplete = false;
  /** How many entries of some directory's `children` lead here. vfs only. */
  dentries = 0;
  /** The path under which the vfs may have cached it. vfs only. */
  cachedPath: Name | null = null;
  /** The directory that a directory stands in, once known. vfs only. */
  parent: Inode | null = null;
  /** Its access control lists: undefined where nobody has looked, null where it has none. vfs only. */
  acl: Acl | null | undefined = undefined;
  defaultAcl: Acl | null | undefined = undefined;
  /** The sorted names of a directory that is listed again and again. vfs only. */
  listing: DirListing | null = null;

  constructor(ino: Ino) {
    this.ino = ino;
    this.mapping = new Mapping(this);
  }

  /**
   * A personality calls this when it has made `newSize` durable on behalf of a data path (setSize,
   * xipComplete, xipConvert, xipSwap). `size` only follows upwards: it may be ahead already.
   */
  publishSize(newSize: number): void {
    this.diskSize = newSize as FileByte;
    if (this.size < newSize) this.size = newSize as FileByte;
  }

  /** A personality calls this where both sizes become `newSize`: iget, truncate, fallocate. */
  resize(newSize: number): void {
    this.diskSize = newSize as FileByte;
    this.size = newSize as FileByte;
  }

  /** Set the times in `which` (ATIME | MTIME | CTIME) to now, in memory. */
  touch(which: number, clock: Clock): void {
    const time = clock.now();
    const { sec } = time;
    // As an integer: V8 would box what a clock worked out in floating point, four times per inode.
    const nsec = time.nsec | 0;
    if (which & ATIME) {
      this.atimeSec = sec;
      this.atimeNsec = nsec;
    }
    if (which & MTIME) {
      this.mtimeSec = sec;
      this.mtimeNsec = nsec;
    }
    if (which & CTIME) {
      this.ctimeSec = sec;
      this.ctimeNsec = nsec;
    }
    this.timesDirty = true;
  }
}

/**
 * Linux's address_space: the file's data as memory sees it. The data path of the mount owns what is
 * in here; a personality only passes it on.
 */
export class Mapping {
  readonly inode: Inode;
  /** Regions that programs mapped, so that truncation and new blocks can revoke their pages. Made at
   * first use: few files of many are ever mapped. */
  regions: Set<RevocableRegion> | null = null;
  /**
   * Page indices that are newer than the medium: with stores through a mapping that are not flushed
   * (XIP), or with dirty folios (page cache). Made at first use.
   */
  dirty: Set<number> | null = null;
  /** The page cache of the file (page-cache paths). Made at first use. */
  folios: Map<number, Folio> | null = null;

  constructor(inode: Inode) {
    this.inode = inode;
  }
}

/** The part of a mapped region that data paths need of one another. */
export interface RevocableRegion {
  /** Drop the translations of pages [first, end): the next access faults again. */
  revoke(first: number, end: number): void;
  /** As revoke, of private copies too: what they are copies of stands elsewhere in the file now. */
  discard(first: number, end: number): void;
  /** Take away write permission of pages [first, end): the next store faults and dirties again. */
  protect(first: number, end: number): void;
}

/**
 * One cached page. The masks have a bit for each block of the page, lowest first; one bit where a
 * block is as large as a page or larger.
 */
export interface Folio {
  readonly index: Lblk;
  readonly bytes: Uint8Array;
  /** Blocks that are newer here than on the medium. */
  dirty: number;
  /** Dirty blocks that are promised (`reserve`) but not allocated: delayed allocation. */
  reserved: number;
}
