/**
 * Inode numbers: who gets which.
 */
import { assert, corrupt, FsError, isDirectory } from "@xiplab/core";
import type { Geometry } from "./geometry.ts";
import type { GroupTable } from "./groups.ts";
import { nextFree } from "./groups/bits.ts";
import type { Ext4Inode } from "./inode.ts";
import type { InodeAllocator } from "./volume.ts";

export class OrlovAllocator implements InodeAllocator {
  private readonly groups: GroupTable;
  private readonly geometry: Geometry;

  constructor(groups: GroupTable) {
    this.groups = groups;
    this.geometry = groups.geometry;
  }

  allocate(parent: Ext4Inode, mode: number): number {
    const { groups, geometry } = this;
    const home = geometry.groupOfIno(parent.ino);
    for (let i = 0; i < groups.count; i++) {
      const group = (home + i) % groups.count;
      if (groups.freeInodesOf(group) === 0) continue;
      const { view, at } = groups.inodeBitmap(group);
      const first = group === 0 ? geometry.firstIno - 1 : 0;
      const index = nextFree(view, at, first, geometry.inodesPerGroup);
      if (index >= geometry.inodesPerGroup) continue;
      groups.takeInode(group, index, isDirectory(mode));
      return group * geometry.inodesPerGroup + index + 1;
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
    groups.releaseInode(group, ino - 1 - group * geometry.inodesPerGroup, directory);
  }
}
