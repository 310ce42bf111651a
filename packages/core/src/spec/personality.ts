/**
 * What a file-system design plugs into the core: one `Personality`, and below it a `FileSystem` for
 * each mount.
 */
import type { Corruption } from "./errors.ts";
import type { Clock, Inode } from "./inode.ts";
import type { OptionTable, OptionValues } from "./options.ts";
import type { PmemDevice } from "./device.ts";
import type { MappingOperations } from "./xip.ts";
import type { Ino, Name } from "./units.ts";

/**
 * What a design can do. `true`, or the reason why not, in words: tests of what is missing are
 * skipped with that reason, and callers get EOPNOTSUPP (or what the operation documents).
 */
export type Capability = true | string;

export interface Capabilities {
  readonly unwrittenExtents: Capability;
  readonly hardLinks: Capability;
  readonly symlinks: Capability;
  readonly deviceNodes: Capability;
  readonly xattrs: Capability;
  readonly tmpfile: Capability;
  /** A rename is there entirely or not at all after a power cut. */
  readonly atomicRename: Capability;
  readonly renameExchange: Capability;
  readonly punchHole: Capability;
  readonly zeroRange: Capability;
  readonly collapseRange: Capability;
  readonly insertRange: Capability;
  /** Every change is durable when the operation returns, fsync or not. See `FileSystem`. */
  readonly synchronousMetadata: Capability;
  /** Access control lists, as extended attributes `system.posix_acl_*`: see acl.ts. */
  readonly posixAcls: Capability;
  /** `Inode.projectId` is kept. */
  readonly projectIds: Capability;
}
export type CapabilityName = keyof Capabilities;

/** What the vfs asks of a new inode. */
export interface NewInode {
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Device nodes only, else 0. */
  readonly rdev: number;
  /** Symbolic links only: what it points at. */
  readonly target?: Name;
  /** Extended attributes that it has from the start: inherited lists, where the design has them. */
  readonly xattrs?: readonly (readonly [name: Name, value: Uint8Array])[];
}

/** Parallel arrays, so that listing a directory allocates nothing per entry. */
export interface DirBatch {
  readonly names: Name[];
  readonly inos: Ino[];
  /** DT_* types. */
  readonly types: number[];
  /** Position after the entry: give it to `readdir` to go on. Stable while names come and go. */
  readonly cookies: number[];
}
export const newDirBatch = (): DirBatch => ({ names: [], inos: [], types: [], cookies: [] });

export interface StatFs {
  /** Magic number, as statfs(2) gives it. */
  readonly type: number;
  readonly blockSize: number;
  readonly blocks: number;
  /** Not in use. Some may be kept back, from root too. */
  readonly blocksFree: number;
  /** Free for others than root: what a program can count on, metadata included. */
  readonly blocksAvailable: number;
  readonly files: number;
  readonly filesFree: number;
  readonly nameMax: number;
}

/** Running totals of a mount. */
export interface FsCounters {
  /** Durable state changes: journal commits, or atomic updates in a design without a journal. */
  transactions: number;
}

/**
 * One mounted file system: Linux's super_operations and inode_operations in one interface.
 *
 * Names, permissions, types and existence have been checked by the vfs: `create` is not called for
 * a name that exists. `.` and `..` never reach a personality. Methods keep `nlink`, `size`, `blocks`
 * and the times of the inodes that they are given true, in memory and on the medium.
 *
 * When a change is durable. With `synchronousMetadata`: when the call returns. Without it: the change
 * joins a transaction that is atomic and in order with everything before it, and that is durable at
 * the latest when `fsync` of an inode that it touched, `sync` or `unmount` returns. Where a comment
 * here or in xip.ts says "durable", it means one of these two. Data that was fenced before the call
 * is durable no later than the change, either way.
 *
 * Every method may throw FsError EROFS, ENOSPC, EIO, and CorruptionError.
 */
export interface FileSystem extends MappingOperations {
  readonly device: PmemDevice;
  readonly readOnly: boolean;
  /** Bytes; equal to the page size where XIP is to work. */
  readonly blockSize: number;
  readonly rootIno: Ino;
  readonly sizeMax: number;
  readonly linkMax: number;
  /** Most links of a directory, which are 2 and one for each subdirectory. Default: linkMax. A design
   * that stops counting somewhere has no limit. */
  readonly directoryLinkMax?: number;
  readonly counters: FsCounters;
  /** May the caller of the running operation use space that is kept for root? The vfs assigns it
   * before what may allocate. Absent in a design that keeps nothing back. */
  privileged?: boolean;
  /** Flags that users may set and take away (INODE_*, chattr). Default: immutable and append-only.
   * The vfs changes no other bit of `Inode.flags`. */
  readonly settableFlags?: number;
  /** Seconds since the epoch of the first and the last time that the format has. Default: no limit. */
  readonly timeMin?: number;
  readonly timeMax?: number;
  /** Nanoseconds between two times that the format tells apart; a divisor of a second. Default 1. Its
   * own clock is to be as coarse (`coarseClock`), or times would change when they are read back. */
  readonly timeGranularity?: number;

  /** Read an inode from the medium. The vfs calls it once per inode and keeps the object.
   * @throws FsError ESTALE where `ino` is free or out of range; CorruptionError. */
  iget(ino: Ino): Inode;
  /** Mode, owner, flags, project id, rdev or times were changed by the vfs: make them durable.
   * @throws FsError EOPNOTSUPP for a project id that this image has no place for. */
  updateInode(inode: Inode): void;
  /** The last reference is gone: if `nlink` is 0 free the inode and its blocks, durably. */
  evict(inode: Inode): void;

  /** The inode number behind a name, or NO_INO. */
  lookup(directory: Inode, name: Name): Ino;
  /** The directory that `directory` stands in; the root stands in itself. */
  parentOf(directory: Inode): Ino;
  /** Make an inode of any type and give it a name, in one transaction. */
  create(directory: Inode, name: Name, attributes: NewInode): Inode;
  /** An inode without a name (O_TMPFILE): gone after a power cut, unless linked. */
  tmpfile(directory: Inode, attributes: NewInode): Inode;
  link(directory: Inode, name: Name, inode: Inode): void;
  /** Remove a name; also of an empty directory. The inode stays until `evict`. */
  unlink(directory: Inode, name: Name, inode: Inode): void;
  /**
   * Move `inode` to the new name. `displaced` is what stands there (already checked to be
   * replaceable), or null. With `exchange` both swap places.
   */
  rename(
    oldDirectory: Inode,
    oldName: Name,
    newDirectory: Inode,
    newName: Name,
    inode: Inode,
    displaced: Inode | null,
    exchange: boolean,
  ): void;
  /** Append up to `max` entries after `cookie` (0: from the start), without `.` and `..`.
   * Returns false when the directory has no more. */
  readdir(directory: Inode, cookie: number, batch: DirBatch, max: number): boolean;
  isEmpty(directory: Inode): boolean;
  readlink(inode: Inode): Name;

  /** Free the blocks beyond `size`, publish it durably and `inode.resize(size)`. Growing leaves a
   * hole. The part of the last block that is beyond is the data path's care. */
  truncate(inode: Inode, size: number): void;
  /**
   * One FALLOC_FL_* mode, durably, on a block-aligned range (allocation: any range). Arguments were
   * checked; partial blocks are the data path's care. Allocation without FALLOC_FL_KEEP_SIZE makes
   * the file end at `pos + length` if it ended before; collapsing and inserting move the end by
   * `length` (`inode.resize`). Punching and zeroing come with FALLOC_FL_KEEP_SIZE and leave it.
   * A zeroed range has blocks afterwards, unwritten where the format has that.
   * @throws FsError EOPNOTSUPP for a mode that the design lacks.
   */
  fallocate(inode: Inode, mode: number, pos: number, length: number): void;
  /** Make metadata of the inode durable: of a directory its names, of a new file its name too. With
   * `datasync` only what reading the data needs. */
  fsync(inode: Inode, datasync: boolean): void;

  /** The value, or null. */
  getxattr(inode: Inode, name: Name): Uint8Array | null;
  /** Set, or with null remove, an attribute, which may be absent then. Attributes of `inode` that
   * the vfs changed in the same breath (a list sets the mode) go into the same transaction. */
  setxattr(inode: Inode, name: Name, value: Uint8Array | null): void;
  listxattr(inode: Inode): Name[];

  statfs(): StatFs;
  /** Everything durable. */
  sync(): void;
  /** Sync, mark the file system clean. Nothing may be called afterwards. */
  unmount(): void;
}

export interface MountContext {
  readonly readOnly: boolean;
  readonly clock: Clock;
  /** The values of the personality's own `mountOptions`. */
  readonly options: OptionValues;
}

export interface MkfsContext {
  readonly clock: Clock;
  /** The values of the personality's `mkfsOptions`. */
  readonly options: OptionValues;
}

export interface CheckReport {
  /** Empty: the image is sound. Reading only; a dirty image may have findings that mounting mends. */
  readonly findings: readonly Corruption[];
  /** Cleanly unmounted. */
  readonly clean: boolean;
  readonly inodesUsed: number;
  readonly blocksUsed: number;
}

export interface Personality {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Bytes: the smallest device that mkfs takes with its default options. */
  readonly deviceSizeMin: number;
  readonly mkfsOptions: OptionTable;
  /** Beyond `data`, `unwritten` and `ro`, which every design has. */
  readonly mountOptions: OptionTable;
  /** Is this an image of this format? Looks at magic numbers only; never throws. */
  probe(device: PmemDevice): boolean;
  /**
   * Mount options that mkfs stored in the image, as ext4's s_mount_opts: `mount` starts from them,
   * and what the mounter gives wins. A format with a place for them has the mkfs option
   * `defaultOptions` (text, as `splitOptions` takes it); one without answers an empty record, as it
   * does where the superblock is not to be trusted. Never throws.
   */
  defaultOptions(device: PmemDevice): OptionValues;
  /** Make an empty file system. Deterministic: same device size and options, same bytes. */
  mkfs(device: PmemDevice, context: MkfsContext): void;
  /** Verify, recover if the image is dirty, and mount. Never formats; writes nothing before it has
   * verified the image. @throws CorruptionError; OptionError */
  mount(device: PmemDevice, context: MountContext): FileSystem;
  /** Full fsck that only reads. Bounded on any input; never throws on a bad image. */
  check(device: PmemDevice): CheckReport;
  /** Was the image unmounted, by itself, since it was last written to? If not, mounting recovers it.
   * Looks at the superblock only; what is no image is not clean; never throws. */
  isClean(device: PmemDevice): boolean;
  /** A few facts for people, in print order; labels with a dot ("superblock.magic") are fields of
   * structures, for those who ask for them. */
  describe(device: PmemDevice): ReadonlyArray<readonly [label: string, value: string]>;
}
