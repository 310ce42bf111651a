/**
 * What one mount keeps in memory: Linux's struct super_block. The functions of the other files of
 * this folder work on it; `Vfs` and `Task` are the two ways in.
 *
 * Invariants:
 * - One `Inode` object per inode number: it is in `icache` from `iget` or creation until it is
 *   dropped or evicted.
 * - `icache` keeps every inode that is referenced, that a cached name leads to (`dentries`), or
 *   that has cached names itself.
 * - `readOnly` never goes back to false: a mount that saw corruption changes nothing any more.
 */
import type { FileOperations, MappedRegion } from "../spec/file-operations.ts";
import type { Clock, Inode } from "../spec/inode.ts";
import { isDirectory } from "../spec/mode.ts";
import type { Capabilities, Capability, FileSystem } from "../spec/personality.ts";
import type { Ino } from "../spec/units.ts";
import { assert, CorruptionError, type ErrorCode, FsError } from "../spec/errors.ts";
import { coarseClock } from "./clock.ts";
import { Listeners } from "./events.ts";
import { KeptMap } from "./kept-map.ts";
import { LockTable } from "./locks.ts";
import { PathCache } from "./path-cache.ts";
import type { Credentials } from "./credentials.ts";

/** When a read moves the access time: if it is not younger than the last change, never, always. */
export type AtimePolicy = "relatime" | "noatime" | "strictatime";

export interface SuperblockParts {
  readonly fs: FileSystem;
  readonly files: FileOperations;
  readonly capabilities: Capabilities;
  readonly clock: Clock;
  readonly atime: AtimePolicy;
  readonly inodesMax: number;
  readonly dev: number;
}

export class Superblock {
  readonly fs: FileSystem;
  readonly files: FileOperations;
  readonly capabilities: Capabilities;
  readonly clock: Clock;
  readonly atime: AtimePolicy;
  /** st_dev. */
  readonly dev: number;
  readonly nameMax: number;
  /** The design has access control lists, or keeps space for root: asked on hot paths. */
  readonly hasAcls: boolean;
  private readonly keepsReserve: boolean;
  /** Inodes, and cached names, above which unreferenced ones are dropped. */
  readonly inodesMax: number;

  readonly root: Inode;
  readonly icache = new KeptMap<Ino, Inode>();
  /** Entries of all `children` maps together, those of absent names included. */
  dentryCount = 0;
  readonly paths: PathCache;
  /** Inodes whose times the vfs changed in memory: what sync must look at. */
  readonly timesDirty = new Set<Inode>();
  readonly locks = new LockTable();
  readonly listeners = new Listeners();

  readOnly: boolean;
  /** The first corruption that was met. */
  corruption: CorruptionError | null = null;
  /** Mounted. */
  live = true;
  openFiles = 0;
  readonly mappedRegions = new Set<MappedRegion>();

  constructor(parts: SuperblockParts) {
    assert(parts.inodesMax >= 1, "the inode cache holds at least the root");
    this.fs = parts.fs;
    this.files = parts.files;
    this.capabilities = parts.capabilities;
    this.clock = coarseClock(parts.clock, parts.fs.timeGranularity ?? 1);
    this.atime = parts.atime;
    this.dev = parts.dev;
    this.inodesMax = parts.inodesMax;
    this.paths = new PathCache(parts.inodesMax);
    this.hasAcls = parts.capabilities.posixAcls === true;
    this.keepsReserve = parts.fs.privileged !== undefined;
    this.readOnly = parts.fs.readOnly;
    this.nameMax = parts.fs.statfs().nameMax;
    this.root = parts.fs.iget(parts.fs.rootIno);
    requireRoot(this.root);
    this.root.references++;
    this.icache.set(this.root.ino, this.root);
  }

  /**
   * What a caller is to be given for `error`: bad disk becomes FsError EUCLEAN with the finding as
   * its cause, and the mount changes nothing from then on. Anything else is returned as it is.
   */
  failed(error: unknown): unknown {
    if (!(error instanceof CorruptionError)) return error;
    this.readOnly = true;
    this.corruption ??= error;
    const refused = new FsError("EUCLEAN", error.message);
    refused.cause = error;
    return refused;
  }

  /** Before what may allocate: may it use the space that is kept for root? HOT. */
  actAs(credentials: Credentials): void {
    if (this.keepsReserve) this.fs.privileged = credentials.uid === 0;
  }

  /** Sync is to look at the times of the inode. The flag saves what a set of objects costs. */
  listTimes(inode: Inode): void {
    inode.timesListed = true;
    this.timesDirty.add(inode);
  }

  unlistTimes(inode: Inode): void {
    inode.timesListed = false;
    this.timesDirty.delete(inode);
  }

  /** @throws FsError EROFS on a mount that must not change. */
  requireWritable(): void {
    if (this.readOnly) throw new FsError("EROFS", this.corruption?.message);
  }

  /** @throws FsError `code` where the design lacks something, with its own reason. */
  requireCapability(capability: Capability, code: ErrorCode): void {
    if (capability !== true) throw new FsError(code, capability);
  }
}

/** @throws CorruptionError where the root is no directory */
function requireRoot(root: Inode): void {
  if (isDirectory(root.mode) && root.nlink > 0) return;
  throw new CorruptionError({
    structure: "inode",
    at: `root inode ${root.ino}`,
    field: "mode",
    found: root.mode,
    expected: "a directory",
  });
}
