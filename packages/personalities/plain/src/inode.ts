/**
 * Inodes in memory and on the medium, and the transaction that every change of a file goes through:
 *
 *   edit the extents in memory, taking and giving up blocks
 *   changed leaves → new blocks, flush, fence
 *   the record → over its older copy, flush, fence   COMMIT POINT
 *   blocks that were given up are free
 *
 * Where it fails the extents are read back from the medium, which has not changed.
 */
import { type Clock, flushTwin, type FsCounters, FsError, Inode, type Ino } from "@xiplab/core";
import { isSymlink, type MountContext, PATH_MAX, type PmemDevice, verify } from "@xiplab/core";
import { readAttributes, readTwin, SEGMENT_SIZE, TwinRecord, writeAttributes } from "@xiplab/core";
import type { BlockAllocator } from "./balloc.ts";
import type { Directory } from "./dir.ts";
import { Extents } from "./extents.ts";
import { INODE, INODE_SIZE, INODE_TWIN, leavesOf, seedOf, UNWRITTEN } from "./format/inode.ts";
import { BLOCK_SIZE, LBLK_MAX, slotToDevByte, type Superblock } from "./geometry.ts";

export class PlainInode extends Inode {
  sequence = 0;
  /** Of a directory: the one that it stands in. */
  parentIno = 0;
  extents = new Extents(LBLK_MAX, UNWRITTEN - 1);
  /** Of a directory: its names, once they were read. */
  index: Directory | null = null;
  /** A power cut left half of a record. */
  torn = false;
  /** Blocks of delayed allocation, and what is kept back for them. */
  reserved = 0;
  promised = 0;
}

const SIZE_MAX = LBLK_MAX * BLOCK_SIZE;
/** Bit n: there are files of type n (DT_*). */
const TYPES = 0b1_0101_0101_0110;

/**
 * Read and verify. An inode that is free has mode 0. One of an image that is not clean may be torn.
 * @throws CorruptionError; FsError EIO
 */
export function readInode(device: PmemDevice, sb: Superblock, ino: Ino): PlainInode {
  const where = `inode ${ino}`;
  const slot = slotToDevByte(ino);
  const view = device.view(slot, 2 * INODE_SIZE);
  const twin = readTwin(INODE_TWIN, view, slot % SEGMENT_SIZE, seedOf(sb.seed, ino));
  const holds = twin !== null && !(twin.torn && sb.clean);
  verify(holds, "plain inode", where, "checksum", "bad", "good");
  const { at, torn } = twin!;
  const inode = new PlainInode(ino);
  inode.torn = torn;
  if (at < 0) return inode;
  readAttributes(INODE, view, at, inode);
  inode.sequence = INODE.sequence.get(view, at);
  inode.parentIno = INODE.parentIno.get(view, at);
  if (inode.mode === 0) return inode;
  const size = INODE.size.get(view, at);
  const sizeMax = isSymlink(inode.mode) ? PATH_MAX - 1 : SIZE_MAX;
  const exists = ((TYPES >>> (inode.mode >>> 12)) & 1) === 1;
  verify(exists, "plain inode", where, "mode", inode.mode, "of a type that there is");
  verify(size <= sizeMax, "plain inode", where, "size", size, `<= ${sizeMax}`);
  inode.resize(size);
  inode.extents.load(device, sb, view, at, ino);
  inode.blocks = inode.extents.blocks() + inode.extents.leaves.length;
  return inode;
}

/** Filled and copied to the device within one call: no state. */
const record = new TwinRecord(INODE_TWIN);

/** Store the record. It holds after the next fence. */
export function flushInode(device: PmemDevice, seed: number, inode: PlainInode): void {
  inode.sequence = (inode.sequence + 1) >>> 0;
  inode.timesDirty = false;
  writeAttributes(INODE, record.view, 0, inode);
  INODE.parentIno.set(record.view, 0, inode.parentIno);
  INODE.size.set(record.view, 0, inode.diskSize);
  inode.extents.encode(record.view);
  flushTwin(device, slotToDevByte(inode.ino), record, inode.sequence, seedOf(seed, inode.ino));
}

/** What the layers of a mount share. */
export abstract class PlainVolume {
  readonly device: PmemDevice;
  readonly readOnly: boolean;
  readonly blockSize = BLOCK_SIZE;
  readonly sizeMax = SIZE_MAX;
  readonly counters: FsCounters = { transactions: 0 };
  protected readonly sb: Superblock;
  protected readonly clock: Clock;
  protected readonly balloc: BlockAllocator;

  constructor(device: PmemDevice, sb: Superblock, context: MountContext, balloc: BlockAllocator) {
    this.device = device;
    this.readOnly = context.readOnly;
    this.sb = sb;
    this.clock = context.clock;
    this.balloc = balloc;
  }

  /**
   * A transaction: edit the extents, and commit them with `size` and whatever else changed in the
   * inode. What the edit stores it makes durable itself.
   * @throws FsError ENOSPC, EFBIG, EROFS: nothing changed then.
   */
  protected change(inode: PlainInode, size: number, edit: () => void): void {
    const { balloc, device, sb } = this;
    if (this.readOnly) throw new FsError("EROFS");
    try {
      edit();
      // Leaves are durable before the record that names them is.
      const seed = seedOf(sb.seed, inode.ino);
      if (inode.extents.flushLeaves(device, balloc, seed)) device.fence();
    } catch (error) {
      balloc.rollback();
      inode.extents = readInode(device, sb, inode.ino).extents;
      throw error;
    }
    inode.publishSize(size);
    this.updateInode(inode);
    inode.blocks += balloc.commit();
    this.promise(inode);
  }

  /** Keep back what the promises to an inode may come to need: its data, and leaves. */
  protected promise(inode: PlainInode): void {
    const { leaves, list } = inode.extents;
    const more = Math.max(0, leavesOf(list.length + inode.reserved) - leaves.length);
    const promised = inode.reserved === 0 ? 0 : inode.reserved + more;
    this.balloc.promised += promised - inode.promised;
    inode.promised = promised;
  }

  /** Make what changed in the inode, but for its extents, durable. @throws FsError EROFS */
  updateInode(inode: PlainInode): void {
    if (this.readOnly) throw new FsError("EROFS");
    flushInode(this.device, this.sb.seed, inode);
    // COMMIT POINT: the record holds.
    this.device.fence();
    this.counters.transactions++;
  }
}
