/** Inode numbers: which are free. Known in memory alone; the inode table says it on the medium. */
import { FsError, type Ino, type PmemDevice, PURPOSE_METADATA, SEGMENT_SIZE } from "@xiplab/core";
import { INODE, INODE_SIZE, newestCopy, SLOT_SIZE } from "./format/inode.ts";
import { STATE_AT } from "./format/superblock.ts";
import { slotToDevByte, type Superblock } from "./geometry.ts";

/** Inodes taken into use at a time. Recovery reads those that were, and no others. */
const STEP = 32;

export class InodeAllocator {
  /** No inode above this one was ever used. */
  end: number;
  /** Free inodes up to `end`. */
  readonly free: Ino[] = [];
  private readonly device: PmemDevice;
  private readonly sb: Superblock;

  constructor(device: PmemDevice, sb: Superblock) {
    this.device = device;
    this.sb = sb;
    this.end = sb.inodesEnd;
  }

  /** Find the free inodes of a clean image. Looks at modes only; iget verifies. */
  scan(): void {
    for (let ino = this.end; ino > 0; ino--) {
      const slotAt = slotToDevByte(this.sb, ino);
      const view = this.device.view(slotAt, SLOT_SIZE);
      const at = slotAt % SEGMENT_SIZE;
      const mode = INODE.mode.get(view, at + INODE_SIZE * newestCopy(view, at));
      if (mode === 0) this.free.push(ino as Ino);
    }
  }

  /** Take one. That it was used is durable after the next fence. @throws FsError ENOSPC */
  allocate(): Ino {
    if (this.free.length === 0) {
      if (this.end === this.sb.inodes) throw new FsError("ENOSPC", "no inode is left");
      const end = Math.min(this.end + STEP, this.sb.inodes);
      for (let ino = end; ino > this.end; ino--) this.free.push(ino as Ino);
      this.end = end;
      this.device.storeU64(STATE_AT, 0, end, PURPOSE_METADATA);
      this.device.flush(STATE_AT, 8);
    }
    return this.free.pop()!;
  }
}
