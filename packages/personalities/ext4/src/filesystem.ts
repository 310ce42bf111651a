/**
 * One mounted ext4: the contract of core on one side, the modules of this package on the other.
 *
 * Changes join the running transaction, which is durable after fsync of an inode that it changed,
 * sync, unmount, or by itself when it is old or large (journal/).
 */
import { type DirBatch, type FileSystem, type FsCounters, FsError, type Ino } from "@xiplab/core";
import { type Inode, type Name, NAME_MAX, type NewInode, type PmemDevice } from "@xiplab/core";
import type { Mapping, StatFs, XipOutcome, XipRange } from "@xiplab/core";
import { finishTruncation, freeInode, settleOrphans } from "./evict.ts";
import { retryForSpace } from "./file-map.ts";
import { RO_COMPAT_PROJECT } from "./format/features.ts";
import * as f from "./format/inode.ts";
import { covers, INO_ROOT, INODE_EXTRA } from "./format/inode.ts";
import { EXT4_MAGIC } from "./format/superblock.ts";
import type { Geometry } from "./geometry.ts";
import { readInode, writeInode } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import * as map from "./map.ts";
import * as namei from "./namei.ts";
import { setPresent } from "./orphan.ts";
import { reserve, unreserve } from "./promises.ts";
import { overheadBlocks } from "./statfs.ts";
import { endMount, type MountState, storeTotals } from "./super-state.ts";
import { readTarget } from "./symlink.ts";
import { fileSizeMax, hasWideTimes, timeGranularity } from "./verify-inode.ts";
import type { Volume } from "./volume.ts";
import { getxattr, listxattr, setxattr } from "./xattr.ts";

const SETTABLE_FLAGS =
  f.FL_SYNC |
  f.FL_IMMUTABLE |
  f.FL_APPEND |
  f.FL_NODUMP |
  f.FL_NOATIME |
  f.FL_DIRSYNC |
  f.FL_TOPDIR |
  f.FL_PROJINHERIT;

export class Ext4FileSystem implements FileSystem {
  readonly device: PmemDevice;
  readonly readOnly: boolean;
  readonly blockSize: number;
  readonly rootIno = INO_ROOT as Ino;
  readonly sizeMax: number;
  readonly linkMax = namei.LINK_MAX;
  readonly directoryLinkMax: number;
  readonly counters: FsCounters;
  readonly settableFlags = SETTABLE_FLAGS;
  readonly timeMin = f.SECONDS_MIN;
  readonly timeMax: number;
  readonly timeGranularity: number;
  readonly volume: Volume;
  /** Blocks that can hold no file: counted when somebody asks first. */
  private overhead = -1;

  private readonly state: MountState | null;

  /** `state` as `beginMount` gave it; null on a read-only mount. */
  constructor(volume: Volume, state: MountState | null) {
    const { geometry } = volume;
    this.state = state;
    this.volume = volume;
    this.device = volume.device;
    this.readOnly = volume.readOnly;
    this.blockSize = geometry.blockSize;
    this.counters = volume.counters;
    this.directoryLinkMax = geometry.dirNlink ? Infinity : this.linkMax;
    this.sizeMax = fileSizeMax(geometry, geometry.extents);
    this.timeMax = hasWideTimes(geometry) ? f.SECONDS_MAX_EXTRA : f.SECONDS_MAX_BASE;
    this.timeGranularity = timeGranularity(geometry);
  }

  get privileged(): boolean {
    return this.volume.privileged;
  }
  set privileged(privileged: boolean) {
    this.volume.privileged = privileged;
  }

  iget(ino: Ino): Ext4Inode {
    return readInode(this.volume, ino);
  }

  updateInode(inode: Inode): void {
    const { volume } = this;
    const ext4 = this.changing(inode);
    requireProject(volume.geometry, ext4);
    volume.journal.run(1, () => writeInode(volume, ext4, false));
  }

  evict(inode: Inode): void {
    const ext4 = inode as Ext4Inode;
    if (this.readOnly) return;
    if (inode.nlink === 0) return freeInode(this.volume, ext4);
    if (ext4.orphan) finishTruncation(this.volume, ext4);
    if (ext4.preallocation !== null) this.volume.balloc.discardPreallocation(ext4);
  }

  lookup(directory: Inode, name: Name): Ino {
    return namei.lookup(this.volume, directory as Ext4Inode, name);
  }

  parentOf(directory: Inode): Ino {
    return namei.parentOf(this.volume, directory as Ext4Inode);
  }

  create(directory: Inode, name: Name, attributes: NewInode): Ext4Inode {
    const parent = this.changing(directory);
    return namei.create(this.volume, parent, name, attributes);
  }

  tmpfile(directory: Inode, attributes: NewInode): Ext4Inode {
    const parent = this.changing(directory);
    return namei.tmpfile(this.volume, parent, attributes);
  }

  link(directory: Inode, name: Name, inode: Inode): void {
    const parent = this.changing(directory);
    requireSameProject(parent, inode);
    namei.link(this.volume, parent, name, inode as Ext4Inode);
  }

  unlink(directory: Inode, name: Name, inode: Inode): void {
    namei.unlink(this.volume, this.changing(directory), name, inode as Ext4Inode);
  }

  rename(
    oldDirectory: Inode,
    oldName: Name,
    newDirectory: Inode,
    newName: Name,
    inode: Inode,
    displaced: Inode | null,
    exchange: boolean,
  ): void {
    const from = this.changing(oldDirectory);
    const to = this.changing(newDirectory);
    requireSameProject(to, inode);
    if (exchange && displaced !== null) requireSameProject(from, displaced);
    namei.rename(
      this.volume,
      from,
      oldName,
      to,
      newName,
      inode as Ext4Inode,
      displaced as Ext4Inode | null,
      exchange,
    );
  }

  readdir(directory: Inode, cookie: number, batch: DirBatch, max: number): boolean {
    return namei.readdir(this.volume, directory as Ext4Inode, cookie, batch, max);
  }

  isEmpty(directory: Inode): boolean {
    return namei.isEmpty(this.volume, directory as Ext4Inode);
  }

  readlink(inode: Inode): Name {
    return readTarget(this.volume, inode as Ext4Inode);
  }

  truncate(inode: Inode, size: number): void {
    const ext4 = this.changing(inode);
    map.truncate(this.volume, ext4, size);
  }

  fallocate(inode: Inode, mode: number, pos: number, length: number): void {
    const ext4 = this.changing(inode);
    map.fallocate(this.volume, ext4, mode, pos, length);
  }

  getXipMem(mapping: Mapping, pos: number, length: number, flags: number, out: XipRange): void {
    map.getXipMem(this.volume, mapping, pos, length, flags, out);
  }

  xipComplete(
    mapping: Mapping,
    pos: number,
    copied: number,
    out: XipRange,
    outcome: XipOutcome,
  ): void {
    map.xipComplete(this.volume, mapping, pos, copied, out, outcome);
  }

  xipConvert(mapping: Mapping, pos: number, length: number, newSize: number): void {
    map.xipConvert(this.volume, mapping, pos, length, newSize);
  }

  setSize(mapping: Mapping, newSize: number): void {
    map.setSize(this.volume, mapping, newSize);
  }

  xipStage(mapping: Mapping, pos: number, length: number, out: XipRange): void {
    map.xipStage(this.volume, mapping, pos, length, out);
  }

  xipSwap(mapping: Mapping, pos: number, staged: readonly XipRange[], newSize: number): void {
    map.xipSwap(this.volume, mapping, pos, staged, newSize);
  }

  xipUnstage(mapping: Mapping, staged: readonly XipRange[]): void {
    map.xipUnstage(this.volume, mapping, staged);
  }

  reserve(mapping: Mapping, blocks: number): void {
    reserve(this.volume, mapping, blocks);
  }

  unreserve(mapping: Mapping, blocks: number): void {
    unreserve(this.volume, mapping, blocks);
  }

  /** Commit if the running transaction has what the caller wants to keep: nothing else. */
  fsync(inode: Inode, datasync: boolean): void {
    if (this.readOnly) return;
    const { journal } = this.volume;
    const ext4 = inode as Ext4Inode;
    if (!datasync && inode.timesDirty) this.updateInode(inode);
    const tid = datasync ? ext4.datasyncTid : ext4.syncTid;
    if (tid === journal.tid) journal.commit();
  }

  getxattr(inode: Inode, name: Name): Uint8Array | null {
    return getxattr(this.volume, inode as Ext4Inode, name);
  }

  setxattr(inode: Inode, name: Name, value: Uint8Array | null): void {
    const ext4 = this.changing(inode);
    retryForSpace(this.volume, () => setxattr(this.volume, ext4, name, value));
  }

  listxattr(inode: Inode): Name[] {
    return listxattr(this.volume, inode as Ext4Inode);
  }

  statfs(): StatFs {
    const { balloc, geometry, groups } = this.volume;
    if (this.overhead < 0) this.overhead = overheadBlocks(this.volume);
    return {
      type: EXT4_MAGIC,
      blockSize: geometry.blockSize,
      blocks: geometry.blockCount - this.overhead,
      // As the kernel: what is kept back for conversions is free, and available to nobody.
      blocksFree: balloc.unused,
      blocksAvailable: balloc.available(false),
      files: geometry.inodeCount,
      filesFree: groups.freeInodes,
      nameMax: NAME_MAX,
    };
  }

  sync(): void {
    if (this.readOnly) return;
    const { journal } = this.volume;
    if (!journal.pending) return;
    journal.run(1, () => storeTotals(this.volume));
    journal.commit();
  }

  unmount(): void {
    if (this.state === null) return;
    const { volume } = this;
    const { journal, orphans } = volume;
    if (orphans.count > 0 && journal.aborted === null) settleOrphans(volume);
    if (orphans.present && orphans.count === 0 && journal.aborted === null) {
      journal.run(1, () => setPresent(volume, false));
    }
    endMount(volume, this.state);
  }

  /** @throws FsError EROFS */
  private changing(inode: Inode): Ext4Inode {
    if (this.readOnly) throw new FsError("EROFS");
    return inode as Ext4Inode;
  }
}

/** @throws FsError EOPNOTSUPP where the image, or the record, has no place for a project id */
function requireProject(geometry: Geometry, inode: Ext4Inode): void {
  if (inode.projectId === 0) return;
  const kept =
    (geometry.roCompat & RO_COMPAT_PROJECT) !== 0 &&
    covers(inode.extraIsize, INODE_EXTRA.projectId);
  if (!kept) throw new FsError("EOPNOTSUPP", "the image has no project ids");
}

/** @throws FsError EXDEV: a tree with a project takes in nothing of another one */
function requireSameProject(directory: Ext4Inode, inode: Inode): void {
  const inherits = (directory.flags & f.FL_PROJINHERIT) !== 0;
  if (inherits && directory.projectId !== inode.projectId) {
    throw new FsError("EXDEV", "the directory has another project");
  }
}
