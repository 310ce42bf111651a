/** Inodes come and go. Which are free is known in memory alone: mount reads the inode table. */
import { ATIME, CTIME, FsError, type Ino, isDirectory, MTIME, nameToBytes } from "@xiplab/core";
import { type NewInode, PURPOSE_DATA, PURPOSE_METADATA } from "@xiplab/core";
import { STATE_AT } from "./format/superblock.ts";
import { LBLK_MAX, pblkToDevByte } from "./geometry.ts";
import { flushInode, PlainInode, readInode } from "./inode.ts";
import { PlainMapping } from "./map.ts";

/** Inodes taken into use at a time. Mount reads those that were, and no others. */
const STEP = 32;

export abstract class PlainInodes extends PlainMapping {
  /** No inode above this one was ever used. */
  protected inodesEnd = this.sb.inodesEnd;
  /** Free inodes up to `inodesEnd`. */
  readonly inodesFree: Ino[] = [];
  /** Read-only mounts: what recovery would have written. */
  readonly mended = new Map<Ino, PlainInode>();

  /** Inodes whose times are newer in memory. */
  protected readonly lazy = new Set<PlainInode>();

  iget(ino: Ino): PlainInode {
    const exists = ino >= 1 && ino <= this.inodesEnd;
    const inode = exists ? (this.mended.get(ino) ?? readInode(this.device, this.sb, ino)) : null;
    if (inode === null || inode.mode === 0) throw new FsError("ESTALE");
    return inode;
  }

  tmpfile(directory: PlainInode, attributes: NewInode): PlainInode {
    const inode = this.newInode(directory, attributes, 0);
    // This copy of the record is durable before an update writes the other: both may be torn else.
    this.device.fence();
    return inode;
  }

  /** Without a name, so gone after a power cut. Durable after the next fence. */
  protected newInode(directory: PlainInode, attributes: NewInode, nlink: number): PlainInode {
    const { balloc, clock, device, sb } = this;
    const { gid, mode, rdev, target, uid } = attributes;
    if (target !== undefined && balloc.available <= 0) throw new FsError("ENOSPC");
    const old = readInode(device, sb, this.allocateIno());
    const inode = new PlainInode(old.ino);
    Object.assign(inode, { mode, uid, gid, rdev, sequence: old.sequence });
    inode.nlink = isDirectory(mode) ? 2 : nlink;
    inode.parentIno = isDirectory(mode) ? directory.ino : 0;
    inode.generation = (old.generation + 1) >>> 0;
    inode.touch(ATIME | MTIME | CTIME, clock);
    inode.btimeSec = inode.ctimeSec;
    inode.btimeNsec = inode.ctimeNsec;
    if (target !== undefined) {
      this.fillHole(inode, 0, 1, false);
      inode.extents.convert(0, 1, false);
      const at = pblkToDevByte(inode.extents.map(0));
      device.storeNonTemporal(at, nameToBytes(target), 0, target.length, PURPOSE_DATA);
      inode.resize(target.length);
      inode.blocks = balloc.commit();
    }
    flushInode(device, sb.seed, inode);
    return inode;
  }

  evict(inode: PlainInode): void {
    this.lazy.delete(inode);
    if (inode.nlink > 0) return this.fsync(inode, false);
    this.change(inode, 0, () => {
      this.releaseRange(inode, 0, LBLK_MAX);
      inode.mode = 0;
    });
    this.inodesFree.push(inode.ino);
  }

  fsync(inode: PlainInode, datasync: boolean): void {
    if (inode.timesDirty && !datasync) this.updateInode(inode);
  }

  private allocateIno(): Ino {
    if (this.inodesFree.length === 0) {
      const { inodesEnd, sb } = this;
      if (inodesEnd === sb.inodes) throw new FsError("ENOSPC", "no inode is left");
      this.inodesEnd = Math.min(inodesEnd + STEP, sb.inodes);
      for (let ino = this.inodesEnd; ino > inodesEnd; ino--) this.inodesFree.push(ino as Ino);
      this.device.storeU64(STATE_AT, 0, this.inodesEnd, PURPOSE_METADATA);
      // Durable before the first record above the old end is stored: none is ever beyond the end.
      this.device.persist(STATE_AT, 8);
    }
    return this.inodesFree.pop()!;
  }
}
