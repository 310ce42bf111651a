/**
 * Inode numbers: who gets which.
 *
 * Files stand in the flex group of their directory, so that a directory is read in one place.
 * Directories stand near their parent as long as that place is not full of directories, short of
 * inodes or short of blocks; those below the root are spread over the device (Orlov).
 * Ref: behaviour of fs/ext4/ialloc.c, find_group_orlov and find_group_other
 *
 *   allocate   group → number → bitmap and descriptor. The record is inode-init.ts's to fill.
 *   free       bitmap and descriptor
 *
 * With a journal a freed number may be taken again at once: both are in one transaction, or in this
 * order. Without one a power cut could leave a name on the medium that leads to the number's next
 * owner: numbers that a commit has not freed yet are taken last.
 */
import { assert, corrupt, FsError, isDirectory, type Name } from "@xiplab/core";
import { DX_HASH_HALF_MD4 } from "./format/htree.ts";
import { FL_TOPDIR, INO_ROOT } from "./format/inode.ts";
import type { Geometry } from "./geometry.ts";
import type { GroupTable } from "./groups.ts";
import { nextFree } from "./groups/bits.ts";
import { hashName, type NameHash } from "./hash.ts";
import type { Ext4Inode } from "./inode.ts";
import type { Transactions } from "./journal/transactions.ts";
import type { InodeAllocator } from "./volume.ts";

const NOWHERE = -1;
/** A flex group with more directories than average plus this share of its inodes is full of them. */
const DIRECTORY_SHARE = 16;
/** It is short of inodes, or blocks, with so much of them less than average. */
const DEBT_SHARE = 4;

export class OrlovAllocator implements InodeAllocator {
  private readonly groups: GroupTable;
  private readonly geometry: Geometry;
  private readonly journal: Transactions;
  /** By group: no number before it is free, but for those of `freed`. */
  private readonly hints: Uint32Array;
  /** Without a journal: numbers that the running transaction freed. */
  private readonly freed = new Set<number>();
  /** By flex group: the group in which an inode of a directory of it was put last, once it was
   * full itself. */
  private readonly overflow: Int32Array;
  private readonly nameHash: NameHash = { major: 0, minor: 0 };

  constructor(groups: GroupTable, journal: Transactions) {
    const { geometry } = groups;
    this.groups = groups;
    this.geometry = geometry;
    this.journal = journal;
    this.hints = new Uint32Array(groups.count);
    this.overflow = new Int32Array(groups.flexCount).fill(NOWHERE);
    // Reserved inodes have bits; were one clear, it would not be for files all the same.
    for (let group = 0; group < groups.count; group++) {
      const reserved = geometry.firstIno - 1 - group * geometry.inodesPerGroup;
      if (reserved <= 0) break;
      this.hints[group] = Math.min(reserved, geometry.inodesPerGroup);
    }
  }

  /** HOT. */
  allocate(parent: Ext4Inode, mode: number, name?: Name): number {
    const directory = isDirectory(mode);
    const first = directory ? this.groupForDirectory(parent, name) : this.groupForFile(parent);
    const { groups, geometry } = this;
    if (first === NOWHERE) throw new FsError("ENOSPC");
    for (let i = 0, group = first; i < groups.count; i++) {
      const index = this.findFree(group);
      if (index !== NOWHERE) {
        groups.takeInode(group, index, directory);
        this.hints[group] = Math.max(this.hints[group]!, index + 1);
        return group * geometry.inodesPerGroup + index + 1;
      }
      group = group + 1 === groups.count ? 0 : group + 1;
    }
    throw new FsError("ENOSPC");
  }

  free(ino: number, directory: boolean): void {
    const { groups, geometry } = this;
    if (ino < geometry.firstIno || ino > geometry.inodeCount) {
      corrupt("ext4_inode", `inode ${ino}`, "number", ino, `${geometry.firstIno} or more`);
    }
    const group = geometry.groupOfIno(ino);
    assert(group < groups.count, "an inode is in a group");
    const index = ino - 1 - group * geometry.inodesPerGroup;
    groups.releaseInode(group, index, directory);
    if (geometry.hasJournal) {
      this.hints[group] = Math.min(this.hints[group]!, index);
    } else {
      if (this.freed.size === 0) this.journal.whenDurable(() => this.settle());
      this.freed.add(ino);
    }
  }

  private settle(): void {
    const { inodesPerGroup } = this.geometry;
    for (const ino of this.freed) {
      const group = this.geometry.groupOfIno(ino);
      const index = ino - 1 - group * inodesPerGroup;
      this.hints[group] = Math.min(this.hints[group]!, index);
    }
    this.freed.clear();
  }

  /** The number to take, counted in its group; NOWHERE where the group is full. */
  private findFree(group: number): number {
    const { groups, freed } = this;
    if (groups.freeInodesOf(group) === 0) return NOWHERE;
    const end = this.geometry.inodesPerGroup;
    const { view, at } = groups.inodeBitmap(group);
    let index = nextFree(view, at, this.hints[group]!, end);
    if (freed.size > 0) {
      const first = group * end + 1;
      while (index < end && freed.has(first + index)) index = nextFree(view, at, index + 1, end);
      if (index === end) return this.lowestFreed(group);
    }
    return index < end ? index : NOWHERE;
  }

  private lowestFreed(group: number): number {
    const { inodesPerGroup } = this.geometry;
    let lowest = NOWHERE;
    for (const ino of this.freed) {
      if (this.geometry.groupOfIno(ino) !== group) continue;
      const index = ino - 1 - group * inodesPerGroup;
      if (lowest === NOWHERE || index < lowest) lowest = index;
    }
    if (lowest !== NOWHERE) this.freed.delete(group * inodesPerGroup + lowest + 1);
    return lowest;
  }

  /** The parent's flex group, or where it went over to. HOT. */
  private groupForFile(parent: Ext4Inode): number {
    const { groups, geometry } = this;
    const home = geometry.groupOfIno(parent.ino);
    if (geometry.flexSize === 1) return this.groupNear(parent.ino, home);
    const flex = groups.flexOf(home);
    if (groups.flexFreeInodes[flex]! > 0) return this.firstInFlex(flex);
    const over = this.overflow[flex]!;
    if (over !== NOWHERE) {
      const other = groups.flexOf(over);
      if (groups.flexFreeInodes[other]! > 0) return this.firstInFlex(other);
    }
    const found = this.groupInDebt(parent);
    this.overflow[flex] = found;
    return found;
  }

  /** Without flex groups: the parent's group, or one that its number leads to, so that the files of
   * one directory meet again. */
  private groupNear(parentIno: number, home: number): number {
    const { groups } = this;
    const { count } = groups;
    if (groups.freeInodesOf(home) > 0 && groups.freeBlocksOf(home) > 0) return home;
    let group = (home + parentIno) % count;
    for (let step = 1; step < count; step *= 2) {
      group = (group + step) % count;
      if (groups.freeInodesOf(group) > 0 && groups.freeBlocksOf(group) > 0) return group;
    }
    for (let i = 1; i <= count; i++) {
      group = (home + i) % count;
      if (groups.freeInodesOf(group) > 0) return group;
    }
    return NOWHERE;
  }

  private groupForDirectory(parent: Ext4Inode, name: Name | undefined): number {
    const top = parent.ino === INO_ROOT || (parent.flags & FL_TOPDIR) !== 0;
    if (!top) return this.groupInDebt(parent);
    const flex = this.emptiestFlex(name);
    return flex === NOWHERE ? this.anyGroup(parent) : this.firstInFlex(flex);
  }

  /** The flex group with the fewest directories among those that have inodes and blocks above
   * average; beginning at a place that the name decides. */
  private emptiestFlex(name: Name | undefined): number {
    const { groups } = this;
    const { flexCount, flexDirs, flexFreeInodes, flexFreeBlocks } = groups;
    const averageInodes = Math.floor(groups.freeInodes / flexCount);
    const averageBlocks = Math.floor(groups.freeBlocks / flexCount);
    const first = this.hashOf(name) % flexCount;
    let best = NOWHERE;
    let fewest = this.geometry.inodesPerGroup;
    for (let i = 0; i < flexCount && fewest > 0; i++) {
      const flex = (first + i) % flexCount;
      if (flexFreeInodes[flex] === 0 || flexDirs[flex]! >= fewest) continue;
      if (flexFreeInodes[flex]! < averageInodes || flexFreeBlocks[flex]! < averageBlocks) continue;
      best = flex;
      fewest = flexDirs[flex]!;
    }
    return best;
  }

  /** The parent's flex group, or the next that is not in debt: too many directories, too few inodes
   * or blocks, compared with the average. */
  private groupInDebt(parent: Ext4Inode): number {
    const { groups, geometry } = this;
    const { flexCount, flexDirs, flexFreeInodes, flexFreeBlocks } = groups;
    const flexInodes = geometry.inodesPerGroup * geometry.flexSize;
    const flexBlocks = geometry.blocksPerGroup * geometry.flexSize;
    const dirsMax = Math.floor(groups.usedDirs / flexCount + flexInodes / DIRECTORY_SHARE);
    const averageInodes = Math.floor(groups.freeInodes / flexCount);
    const inodesMin = Math.max(1, averageInodes - Math.floor(flexInodes / DEBT_SHARE));
    const averageBlocks = Math.floor(groups.freeBlocks / flexCount);
    const blocksMin = averageBlocks - Math.floor(flexBlocks / DEBT_SHARE);
    const home = groups.flexOf(geometry.groupOfIno(parent.ino));
    const over = this.overflow[home]!;
    const first = over === NOWHERE ? home : groups.flexOf(over);
    for (let i = 0; i < flexCount; i++) {
      const flex = (first + i) % flexCount;
      if (flexDirs[flex]! >= dirsMax || flexFreeInodes[flex]! < inodesMin) continue;
      if (flexFreeBlocks[flex]! < blocksMin) continue;
      return this.firstInFlex(flex);
    }
    return this.anyGroup(parent);
  }

  /** The parent's group or the next with an average of free inodes, or with any. */
  private anyGroup(parent: Ext4Inode): number {
    const { groups, geometry } = this;
    const home = geometry.groupOfIno(parent.ino);
    const average = Math.floor(groups.freeInodes / groups.count);
    for (const least of [Math.max(1, average), 1]) {
      for (let i = 0; i < groups.count; i++) {
        const group = (home + i) % groups.count;
        if (groups.freeInodesOf(group) >= least) return group;
      }
    }
    return NOWHERE;
  }

  /** The first group of a flex group that has free inodes. There is one. */
  private firstInFlex(flex: number): number {
    const { groups } = this;
    let group = flex * this.geometry.flexSize;
    while (groups.freeInodesOf(group) === 0) group++;
    assert(groups.flexOf(group) === flex, "a flex group counts its inodes right");
    return group;
  }

  /** As the kernel spreads directories: half MD4 of the name. */
  private hashOf(name: Name | undefined): number {
    if (name === undefined || name.length === 0) return 0;
    const bytes = Uint8Array.from({ length: name.length }, (_, index) => name.charCodeAt(index));
    const view = new DataView(bytes.buffer);
    const { hashSeed } = this.geometry;
    hashName(view, 0, bytes.length, DX_HASH_HALF_MD4, false, hashSeed, this.nameHash);
    return this.nameHash.major;
  }
}
