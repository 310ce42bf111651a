/**
 * Inodes in memory and on the medium, and the transaction that all changes of a file go through.
 *
 *   edit the extents in memory, taking and giving up blocks
 *   leaves of extents that changed → new blocks           flush
 *                                                         fence
 *   the whole record → over its older copy                flush
 *   COMMIT POINT: the record is durable                   fence
 *   blocks that were given up are free
 *
 * Where anything fails, the extents are read back from the medium, which has not changed.
 */
import { type Clock, FsError, type FsCounters, Inode, type Ino, NO_INO } from "@xiplab/core";
import { type MountContext, type PmemDevice, PURPOSE_METADATA, SEGMENT_SIZE } from "@xiplab/core";
import { isDirectory, isSymlink, PATH_MAX } from "@xiplab/core";
import { BlockAllocator } from "./balloc.ts";
import type { Directory } from "./dir.ts";
import { Extents } from "./extents.ts";
import { INODE, INODE_SIZE, readSlot, recordChecksum, seedOf, SLOT_SIZE } from "./format/inode.ts";
import {
  BLOCK_SIZE,
  corrupt,
  LBLK_MAX,
  slotToDevByte,
  type Superblock,
  type Volume,
} from "./geometry.ts";
import { InodeAllocator } from "./ialloc.ts";

export class PlainInode extends Inode {
  sequence = 0;
  /** Copies on the medium that a power cut left half-written: bits. */
  torn = 0;
  /** Of a directory: where it stands. */
  parentIno = NO_INO;
  extents = new Extents();
  /** Of a directory: its names, once they were read. */
  index: Directory | null = null;
}

export const SIZE_MAX = LBLK_MAX * BLOCK_SIZE;
/** Bit n: a file of type n (DT_*) exists. */
const TYPES = 0b1_0101_0101_0110;

/**
 * Read `ino` and verify it. A slot that was never used gives an inode of mode 0. With `recover` a copy
 * that a power cut left half-written is passed over; else it is corruption, for recovery removes it.
 * @throws CorruptionError; FsError EIO
 */
export function readInode(
  device: PmemDevice,
  sb: Superblock,
  ino: Ino,
  recover: boolean,
): PlainInode {
  const slotAt = slotToDevByte(sb, ino);
  const view = device.view(slotAt, SLOT_SIZE);
  const slot = readSlot(view, slotAt % SEGMENT_SIZE, seedOf(sb.seed, ino));
  const lost = slot.torn === 3 || (slot.torn !== 0 && !recover);
  if (lost) corrupt("plain inode", `inode ${ino}`, "checksum", "wrong", "right");
  const inode = new PlainInode(ino);
  const { at, torn } = slot;
  inode.torn = torn;
  if (at < 0) return inode;
  inode.sequence = INODE.sequence.get(view, at);
  inode.generation = INODE.generation.get(view, at);
  inode.mode = INODE.mode.get(view, at);
  if (inode.mode === 0) return inode;
  inode.flags = INODE.flags.get(view, at);
  inode.uid = INODE.uid.get(view, at);
  inode.gid = INODE.gid.get(view, at);
  inode.nlink = INODE.nlink.get(view, at);
  inode.rdev = INODE.rdev.get(view, at);
  inode.parentIno = INODE.parent.get(view, at);
  inode.atimeSec = INODE.atimeSec.get(view, at);
  inode.mtimeSec = INODE.mtimeSec.get(view, at);
  inode.ctimeSec = INODE.ctimeSec.get(view, at);
  inode.btimeSec = INODE.btimeSec.get(view, at);
  inode.atimeNsec = INODE.atimeNsec.get(view, at);
  inode.mtimeNsec = INODE.mtimeNsec.get(view, at);
  inode.ctimeNsec = INODE.ctimeNsec.get(view, at);
  inode.btimeNsec = INODE.btimeNsec.get(view, at);
  inode.resize(INODE.size.get(view, at));
  inode.extents.load(device, sb, view, at, ino);
  inode.blocks = inode.extents.leaves.length;
  for (const { length } of inode.extents.list) inode.blocks += length;
  verify(inode);
  return inode;
}

function verify(inode: PlainInode): void {
  const { extents, ino, mode, size } = inode;
  const require = (right: boolean, field: string, found: number, expected: string): void => {
    if (!right) corrupt("plain inode", `inode ${ino}`, field, found, expected);
  };
  require(((TYPES >>> (mode >>> 12)) & 1) === 1, "mode", mode, "a type of file that exists");
  require(size <= SIZE_MAX, "size", size, `<= ${SIZE_MAX}`);
  for (const time of ["atime", "mtime", "ctime", "btime"] as const) {
    const seconds = inode[`${time}Sec`];
    require(Number.isSafeInteger(seconds), `${time}Sec`, seconds, "within 2^53");
    require(inode[`${time}Nsec`] < 1e9, `${time}Nsec`, inode[`${time}Nsec`], "< 10^9");
  }
  if (!isDirectory(mode) && !isSymlink(mode)) return;
  // All their blocks are there and written, so that reading them needs no cases.
  const blocks = isDirectory(mode) ? size / BLOCK_SIZE : 1;
  const last = extents.at(extents.list.length - 1);
  const mapped = extents.list.reduce((sum, extent) => sum + extent.length, 0);
  const dense = mapped === blocks && (mapped === 0 || last.lblk + last.length === mapped);
  require(dense &&
    !extents.hasUnwritten(0, mapped), "extents", mapped, `${blocks} blocks, written`);
  require(isDirectory(mode) || (size > 0 && size < PATH_MAX), "size", size, `1 to ${PATH_MAX - 1}`);
}

/** What the layers of a mount share: its state, and the transaction. */
export abstract class PlainVolume {
  readonly device: PmemDevice;
  readonly readOnly: boolean;
  readonly blockSize = BLOCK_SIZE;
  readonly sizeMax = SIZE_MAX;
  readonly counters: FsCounters = { transactions: 0 };
  protected readonly sb: Superblock;
  protected readonly clock: Clock;
  readonly balloc: BlockAllocator;
  readonly ialloc: InodeAllocator;

  constructor(device: PmemDevice, sb: Superblock, context: MountContext) {
    this.device = device;
    this.sb = sb;
    this.readOnly = context.readOnly;
    this.clock = context.clock;
    this.balloc = new BlockAllocator(sb, context.options.alloc === "first-fit");
    this.ialloc = new InodeAllocator(device, sb);
  }

  iget(ino: Ino): PlainInode {
    if (ino < 1 || ino > this.ialloc.end) throw new FsError("ESTALE");
    const inode = readInode(this.device, this.sb, ino, false);
    if (inode.mode === 0) throw new FsError("ESTALE");
    return inode;
  }

  /**
   * A transaction: edit the extents of `inode`, and commit them together with `size` and whatever
   * else changed in the inode. What the edit stores it makes durable itself.
   * @throws FsError ENOSPC, EFBIG: nothing changed then.
   */
  protected change(inode: PlainInode, size: number, edit: () => void): void {
    const { balloc, device, sb } = this;
    try {
      edit();
      const seed = seedOf(sb.seed, inode.ino);
      // Leaves are durable before a record that names them is.
      if (inode.extents.flushLeaves(device, balloc, seed)) device.fence();
    } catch (error) {
      balloc.rollback();
      inode.extents = readInode(device, sb, inode.ino, false).extents;
      throw error;
    }
    inode.publishSize(size);
    this.commit(inode);
    inode.blocks += balloc.commit();
  }

  /** Make what changed in the inode durable. */
  protected commit(inode: PlainInode): void {
    flushRecord(this.device, this.sb, inode);
    // COMMIT POINT: the record holds, whole.
    this.device.fence();
    this.counters.transactions++;
  }
}

/** Not state: filled and copied to the device within one call. */
const record = new Uint8Array(INODE_SIZE);
const view = new DataView(record.buffer);

/** Write the record of `inode` over its older copy. Durable after the next fence. */
export function flushRecord(device: PmemDevice, volume: Volume, inode: PlainInode): void {
  record.fill(0);
  inode.sequence = (inode.sequence + 1) >>> 0;
  INODE.sequence.set(view, 0, inode.sequence);
  INODE.generation.set(view, 0, inode.generation);
  INODE.mode.set(view, 0, inode.mode);
  INODE.flags.set(view, 0, inode.flags);
  INODE.uid.set(view, 0, inode.uid);
  INODE.gid.set(view, 0, inode.gid);
  INODE.nlink.set(view, 0, inode.nlink);
  INODE.size.set(view, 0, inode.diskSize);
  INODE.rdev.set(view, 0, inode.rdev);
  INODE.parent.set(view, 0, inode.parentIno);
  INODE.atimeSec.set(view, 0, inode.atimeSec);
  INODE.mtimeSec.set(view, 0, inode.mtimeSec);
  INODE.ctimeSec.set(view, 0, inode.ctimeSec);
  INODE.btimeSec.set(view, 0, inode.btimeSec);
  INODE.atimeNsec.set(view, 0, inode.atimeNsec);
  INODE.mtimeNsec.set(view, 0, inode.mtimeNsec);
  INODE.ctimeNsec.set(view, 0, inode.ctimeNsec);
  INODE.btimeNsec.set(view, 0, inode.btimeNsec);
  inode.extents.encode(view, 0);
  const { ino, sequence } = inode;
  INODE.checksum.set(view, 0, recordChecksum(view, 0, seedOf(volume.seed, ino)));
  const at = slotToDevByte(volume, ino) + INODE_SIZE * (sequence % 2);
  device.store(at, record, 0, INODE_SIZE, PURPOSE_METADATA);
  device.flush(at, INODE_SIZE);
  inode.timesDirty = false;
}
