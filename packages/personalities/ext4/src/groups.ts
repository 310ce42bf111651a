/**
 * Block groups: their descriptors in memory, and the two bitmaps of each.
 *
 * All descriptors are read and verified at mount, into arrays that are true from then on. A change
 * goes to the arrays, and `touch` puts the descriptor's block into the running transaction; at
 * commit, bitmaps first put their checksums into the descriptors, then these get counts, flags and
 * their own checksums.
 *
 *   takeBlocks, releaseBlocks      bits of the block bitmap, and the counts
 *   takeInode, releaseInode        bits of the inode bitmap, and the counts
 *
 * A group that is not initialised (BLOCK_UNINIT, INODE_UNINIT) has no bitmap on the medium yet: who
 * only looks gets a computed one, who takes something makes it real.
 */
import {
  assert,
  corrupt,
  CorruptionError,
  type PmemDevice,
  type Pblk,
  PURPOSE_ZEROING,
  verify,
} from "@xiplab/core";
import type { BlockKind, Buffer, Buffers } from "./buffers.ts";
import * as d from "./format/group-descriptor.ts";
import { BG_BLOCK_UNINIT, BG_INODE_UNINIT, BG_ITABLE_ZEROED } from "./format/group-descriptor.ts";
import type { Geometry } from "./geometry.ts";
import { countUsed, isUsed, setBits } from "./groups/bits.ts";
import { FixedRuns } from "./groups/fixed.ts";
import { crcSparse } from "./journal/crc-zeros.ts";
import type { Transactions } from "./journal/transactions.ts";
import type { Groups } from "./volume.ts";

const DESC = "ext4_group_desc";

export class GroupTable implements Groups {
  readonly count: number;
  freeBlocks = 0;
  freeInodes = 0;
  /** Directories on the whole device. */
  usedDirs = 0;
  /** Flex groups; groups where there are none of these. What each has: */
  readonly flexCount: number;
  readonly flexFreeBlocks: Float64Array;
  readonly flexFreeInodes: Uint32Array;
  readonly flexDirs: Uint32Array;
  readonly fixed: FixedRuns;
  readonly geometry: Geometry;
  private readonly device: PmemDevice;
  private readonly buffers: Buffers;
  private readonly journal: Transactions;
  private readonly blockBitmaps: Float64Array;
  private readonly inodeBitmaps: Float64Array;
  private readonly inodeTables: Float64Array;
  private readonly blocksFree: Uint32Array;
  private readonly inodesFree: Uint32Array;
  private readonly dirsUsed: Uint32Array;
  private readonly unused: Uint32Array;
  private readonly flags: Uint16Array;
  /** The transaction that has the group's descriptor, or 0. */
  private readonly touchedBy: Float64Array;
  private readonly descKind: BlockKind;
  private readonly blockBitmapKind: BlockKind;
  private readonly inodeBitmapKind: BlockKind;

  /** Read and verify all descriptors. @throws CorruptionError; FsError EIO */
  constructor(device: PmemDevice, geometry: Geometry, buffers: Buffers, journal: Transactions) {
    const count = geometry.groupCount;
    this.count = count;
    this.device = device;
    this.geometry = geometry;
    this.buffers = buffers;
    this.journal = journal;
    this.blockBitmaps = new Float64Array(count);
    this.inodeBitmaps = new Float64Array(count);
    this.inodeTables = new Float64Array(count);
    this.blocksFree = new Uint32Array(count);
    this.inodesFree = new Uint32Array(count);
    this.dirsUsed = new Uint32Array(count);
    this.unused = new Uint32Array(count);
    this.flags = new Uint16Array(count);
    this.touchedBy = new Float64Array(count);
    this.flexCount = Math.ceil(count / geometry.flexSize);
    this.flexFreeBlocks = new Float64Array(this.flexCount);
    this.flexFreeInodes = new Uint32Array(this.flexCount);
    this.flexDirs = new Uint32Array(this.flexCount);
    this.descKind = this.makeDescKind();
    this.blockBitmapKind = this.makeBlockBitmapKind();
    this.inodeBitmapKind = this.makeInodeBitmapKind();
    const perBlock = geometry.blockSize / geometry.descSize;
    for (let first = 0; first < count; first += perBlock) {
      this.readDescBlock(first, Math.min(count, first + perBlock));
    }
    this.fixed = new FixedRuns(geometry, this.blockBitmaps, this.inodeBitmaps, this.inodeTables);
  }

  /** Index of the flex group. HOT. */
  flexOf(group: number): number {
    return Math.floor(group / this.geometry.flexSize);
  }

  blockBitmapAt(group: number): number {
    return this.blockBitmaps[group]!;
  }

  inodeBitmapAt(group: number): number {
    return this.inodeBitmaps[group]!;
  }

  inodeTableAt(group: number): number {
    return this.inodeTables[group]!;
  }

  freeBlocksOf(group: number): number {
    return this.blocksFree[group]!;
  }

  freeInodesOf(group: number): number {
    return this.inodesFree[group]!;
  }

  usedDirsOf(group: number): number {
    return this.dirsUsed[group]!;
  }

  itableUnusedOf(group: number): number {
    return this.geometry.gdtCsum ? this.unused[group]! : 0;
  }

  /** BG_* flags; none hold without checksums of descriptors. */
  flagsOf(group: number): number {
    return this.geometry.gdtCsum ? this.flags[group]! : 0;
  }

  /** The block bitmap, verified. Of a group that is not initialised it is made: inside a handle. */
  blockBitmap(group: number): Buffer {
    if ((this.flagsOf(group) & BG_BLOCK_UNINIT) !== 0) return this.makeBlockBitmap(group);
    return this.buffers.read(this.blockBitmaps[group]! as Pblk, this.blockBitmapKind, group);
  }

  /** The inode bitmap, verified. Of a group that is not initialised it is made: inside a handle. */
  inodeBitmap(group: number): Buffer {
    if ((this.flagsOf(group) & BG_INODE_UNINIT) !== 0) return this.makeInodeBitmap(group);
    return this.buffers.read(this.inodeBitmaps[group]! as Pblk, this.inodeBitmapKind, group);
  }

  /** Copy the block bitmap of a group to the start of `target`, without changing anything. */
  copyBlockBitmap(group: number, target: DataView): void {
    const { blockSize } = this.geometry;
    if ((this.flagsOf(group) & BG_BLOCK_UNINIT) !== 0) {
      this.computeBlockBitmap(group, target, 0);
      return;
    }
    const { view, at } = this.blockBitmap(group);
    const source = new Uint8Array(view.buffer, view.byteOffset + at, blockSize);
    new Uint8Array(target.buffer, target.byteOffset, blockSize).set(source);
  }

  /** Mark free blocks as used, from bit `start` of the group. Inside a handle. HOT. */
  takeBlocks(group: number, start: number, length: number): void {
    assert(start + length <= this.geometry.groupLength(group), "a run ends inside its group");
    const bitmap = this.blockBitmap(group);
    this.buffers.write(bitmap);
    const changed = setBits(bitmap.view, bitmap.at, start, length, true);
    assert(changed === length, "blocks that are taken were free");
    this.countBlocks(group, -length);
    this.touch(group);
  }

  /** Mark used blocks as free. Inside a handle. @throws CorruptionError, with nothing changed,
   * where one is free already */
  releaseBlocks(group: number, start: number, length: number): void {
    const { geometry } = this;
    assert(start + length <= geometry.groupLength(group), "a run ends inside its group");
    const bitmap = this.blockBitmap(group);
    const used = countUsed(bitmap.view, bitmap.at, start, start + length);
    if (used !== length) {
      const place = `block ${geometry.groupStart(group) + start}`;
      corrupt(this.blockBitmapKind.name, place, "free blocks in a used run", length - used, 0);
    }
    this.buffers.write(bitmap);
    setBits(bitmap.view, bitmap.at, start, length, false);
    this.countBlocks(group, length);
    this.touch(group);
  }

  /** Mark an inode of the group as used; see that its record is in zeroed space. In a handle. */
  takeInode(group: number, index: number, isDirectory: boolean): void {
    const { geometry } = this;
    assert(index < geometry.inodesPerGroup, "an inode is in its group");
    const bitmap = this.inodeBitmap(group);
    assert(!isUsed(bitmap.view, bitmap.at, index), "an inode that is taken was free");
    this.buffers.write(bitmap);
    setBits(bitmap.view, bitmap.at, index, 1, true);
    this.countInodes(group, -1);
    if (isDirectory) this.countDirs(group, 1);
    if (geometry.gdtCsum) this.useTable(group, index);
    this.touch(group);
  }

  /** Mark an inode of the group as free. In a handle. @throws CorruptionError, nothing changed */
  releaseInode(group: number, index: number, isDirectory: boolean): void {
    const bitmap = this.inodeBitmap(group);
    const ino = group * this.geometry.inodesPerGroup + index + 1;
    if (!isUsed(bitmap.view, bitmap.at, index)) {
      corrupt(this.inodeBitmapKind.name, `inode ${ino}`, "bit", "free", "used");
    }
    if (isDirectory && this.dirsUsed[group] === 0) {
      corrupt(DESC, `group ${group}`, "used directories", 0, "at least 1");
    }
    this.buffers.write(bitmap);
    setBits(bitmap.view, bitmap.at, index, 1, false);
    this.countInodes(group, 1);
    if (isDirectory) this.countDirs(group, -1);
    this.touch(group);
  }

  /** The descriptor of a group changed: it belongs to the running transaction. HOT. */
  private touch(group: number): void {
    const { tid } = this.journal;
    if (this.touchedBy[group] === tid) return;
    const buffer = this.descBuffer(group);
    this.buffers.writeSlot(buffer, group - buffer.owner);
    this.touchedBy[group] = tid;
  }

  /** `owner` is the first group of the block. */
  private descBuffer(group: number): Buffer {
    const perBlock = this.geometry.blockSize / this.geometry.descSize;
    const first = group - (group % perBlock);
    return this.buffers.read(this.geometry.descBlock(group), this.descKind, first);
  }

  /** The record of inode `index` is about to exist: move the end of what was used. */
  private useTable(group: number, index: number): void {
    const { geometry } = this;
    const used = geometry.inodesPerGroup - this.unused[group]!;
    if (index < used) return;
    // A table that nobody zeroed holds what stood there before. Nothing refers to the part behind
    // `used`: it is zeroed in place, and the next commit fences before it makes this durable.
    if ((this.flags[group]! & BG_ITABLE_ZEROED) === 0) {
      const firstBlock = Math.ceil(used / geometry.inodesPerBlock);
      const start = geometry.pblkToDevByte(this.inodeTables[group]! + firstBlock);
      const length = (geometry.itableBlocks - firstBlock) * geometry.blockSize;
      if (length > 0) this.device.zero(start, length, PURPOSE_ZEROING);
      this.flags[group]! |= BG_ITABLE_ZEROED;
    }
    this.unused[group] = geometry.inodesPerGroup - index - 1;
  }

  private makeBlockBitmap(group: number): Buffer {
    const pblk = this.blockBitmaps[group]! as Pblk;
    const check = new DataView(new ArrayBuffer(this.geometry.blockSize));
    this.computeBlockBitmap(group, check, 0);
    const buffer = this.buffers.create(pblk, this.blockBitmapKind, group);
    this.computeBlockBitmap(group, buffer.view, buffer.at);
    this.flags[group]! &= ~BG_BLOCK_UNINIT;
    this.touch(group);
    return buffer;
  }

  private makeInodeBitmap(group: number): Buffer {
    const { blockSize, inodesPerGroup } = this.geometry;
    const pblk = this.inodeBitmaps[group]! as Pblk;
    const free = this.inodesFree[group]!;
    verify(free === inodesPerGroup, DESC, `group ${group}`, "free inodes", free, inodesPerGroup);
    const buffer = this.buffers.create(pblk, this.inodeBitmapKind, group);
    const { view, at } = buffer;
    setBits(view, at, inodesPerGroup, blockSize * 8 - inodesPerGroup, true);
    this.flags[group]! &= ~BG_INODE_UNINIT;
    this.touch(group);
    // A group with inodes counts as used: its blocks are accounted for on the medium too.
    if ((this.flags[group]! & BG_BLOCK_UNINIT) !== 0) this.makeBlockBitmap(group);
    return buffer;
  }

  /** What the bitmap of a group holds that nobody has used: fixed blocks, and padding.
   * @throws CorruptionError where the descriptor counts otherwise */
  private computeBlockBitmap(group: number, view: DataView, at: number): void {
    const { geometry } = this;
    const start = geometry.groupStart(group);
    const length = geometry.groupLength(group);
    new Uint8Array(view.buffer, view.byteOffset + at, geometry.blockSize).fill(0);
    let free = length;
    this.fixed.within(start, start + length, (from, end) => {
      free -= setBits(view, at, from - start, end - from, true);
    });
    setBits(view, at, length, geometry.blockSize * 8 - length, true);
    const told = this.blocksFree[group]!;
    verify(told === free, DESC, `group ${group}`, "free blocks", told, free);
  }

  private readDescBlock(first: number, end: number): void {
    // Not from the device: a read-only mount has what recovery found in memory.
    const { view, at } = this.descBuffer(first);
    for (let group = first; group < end; group++) {
      this.readDesc(group, view, at + (group - first) * this.geometry.descSize);
    }
  }

  private readDesc(group: number, view: DataView, at: number): void {
    const { geometry } = this;
    if (geometry.gdtCsum) {
      const found = d.GROUP_DESC.checksum.get(view, at);
      const sum = d.groupDescChecksum(geometry, view, at, group);
      if (found !== sum) descError(group, "checksum", found, sum);
    }
    this.blockBitmaps[group] = d.blockBitmapOf(geometry, view, at);
    this.inodeBitmaps[group] = d.inodeBitmapOf(geometry, view, at);
    this.inodeTables[group] = d.inodeTableOf(geometry, view, at);
    this.checkPlace(group, "block bitmap", this.blockBitmaps[group]!, 1);
    this.checkPlace(group, "inode bitmap", this.inodeBitmaps[group]!, 1);
    this.checkPlace(group, "inode table", this.inodeTables[group]!, geometry.itableBlocks);
    const freeBlocks = d.freeBlocksOf(geometry, view, at);
    const freeInodes = d.freeInodesOf(geometry, view, at);
    const usedDirs = d.usedDirsOf(geometry, view, at);
    const unused = d.itableUnusedOf(geometry, view, at);
    const length = geometry.groupLength(group);
    const inodes = geometry.inodesPerGroup;
    if (freeBlocks > length) descError(group, "free blocks", freeBlocks, `at most ${length}`);
    if (freeInodes > inodes) descError(group, "free inodes", freeInodes, `at most ${inodes}`);
    if (usedDirs > inodes - freeInodes) {
      descError(group, "used directories", usedDirs, `at most ${inodes - freeInodes}`);
    }
    if (geometry.gdtCsum && unused > freeInodes) {
      descError(group, "itable_unused", unused, `at most ${freeInodes}`);
    }
    this.countBlocks(group, freeBlocks);
    this.countInodes(group, freeInodes);
    this.countDirs(group, usedDirs);
    this.unused[group] = unused;
    this.flags[group] = d.GROUP_DESC.flags.get(view, at);
  }

  private countBlocks(group: number, more: number): void {
    this.blocksFree[group]! += more;
    this.flexFreeBlocks[this.flexOf(group)]! += more;
    this.freeBlocks += more;
  }

  private countInodes(group: number, more: number): void {
    this.inodesFree[group]! += more;
    this.flexFreeInodes[this.flexOf(group)]! += more;
    this.freeInodes += more;
  }

  private countDirs(group: number, more: number): void {
    this.dirsUsed[group]! += more;
    this.flexDirs[this.flexOf(group)]! += more;
    this.usedDirs += more;
  }

  private checkPlace(group: number, field: string, start: number, length: number): void {
    const { firstDataBlock, blockCount } = this.geometry;
    if (start > firstDataBlock && start + length <= blockCount) return;
    descError(group, field, start, `${firstDataBlock + 1} to ${blockCount - length}`);
  }

  private makeDescKind(): BlockKind {
    return {
      name: DESC,
      late: true,
      // Verified at mount, one by one; the arrays are what holds.
      verify() {},
      stamp: (geometry, buffer) => {
        for (const slot of buffer.slots) this.stampDesc(geometry, buffer, slot);
        buffer.slots.clear();
      },
    };
  }

  private stampDesc(geometry: Geometry, buffer: Buffer, slot: number): void {
    const { view } = buffer;
    const group = buffer.owner + slot;
    const at = buffer.at + slot * geometry.descSize;
    const blocks = this.blocksFree[group]!;
    const inodes = this.inodesFree[group]!;
    d.setCounts(geometry, view, at, blocks, inodes, this.dirsUsed[group]!, this.unused[group]!);
    d.GROUP_DESC.flags.set(view, at, this.flags[group]!);
    if (!geometry.gdtCsum) return;
    d.GROUP_DESC.checksum.set(view, at, d.groupDescChecksum(geometry, view, at, group));
  }

  private makeBlockBitmapKind(): BlockKind {
    return {
      name: "ext4 block bitmap",
      verify: (geometry, buffer) => this.verifyBlockBitmap(geometry, buffer),
      stamp: (geometry, buffer) => {
        if (!geometry.metadataCsum) return;
        const desc = this.stampedDesc(buffer.owner);
        const crc = bitmapChecksum(geometry, buffer, geometry.blocksPerGroup);
        d.setBlockBitmapCsum(geometry, desc.view, this.descAt(desc, buffer.owner), crc);
      },
    };
  }

  private makeInodeBitmapKind(): BlockKind {
    return {
      name: "ext4 inode bitmap",
      verify: (geometry, buffer) => this.verifyInodeBitmap(geometry, buffer),
      stamp: (geometry, buffer) => {
        if (!geometry.metadataCsum) return;
        const desc = this.stampedDesc(buffer.owner);
        const crc = bitmapChecksum(geometry, buffer, geometry.inodesPerGroup);
        d.setInodeBitmapCsum(geometry, desc.view, this.descAt(desc, buffer.owner), crc);
      },
    };
  }

  /** The descriptor that a bitmap of the running transaction puts its checksum into. */
  private stampedDesc(group: number): Buffer {
    const desc = this.descBuffer(group);
    assert(desc.bytes !== null, "a bitmap's descriptor changes with it");
    assert(desc.slots.has(group - desc.owner), "a bitmap's descriptor is stamped after it");
    return desc;
  }

  private descAt(desc: Buffer, group: number): number {
    return desc.at + (group - desc.owner) * this.geometry.descSize;
  }

  private verifyBlockBitmap(geometry: Geometry, buffer: Buffer): void {
    const group = buffer.owner;
    const { view, at, kind } = buffer;
    const place = `group ${group}`;
    if (geometry.metadataCsum) {
      const desc = this.descBuffer(group);
      const told = d.blockBitmapCsumOf(geometry, desc.view, this.descAt(desc, group));
      const sum = bitmapChecksum(geometry, buffer, geometry.blocksPerGroup);
      const kept = d.keptBitmapCsum(geometry, sum);
      verify(told === kept, kind.name, place, "checksum", told, kept);
    }
    const start = geometry.groupStart(group);
    const length = geometry.groupLength(group);
    const free = length - countUsed(view, at, 0, length);
    const told = this.blocksFree[group]!;
    verify(free === told, kind.name, place, "free blocks", free, told);
    this.fixed.within(start, start + length, (from, end) => {
      const used = countUsed(view, at, from - start, end - start);
      verify(used === end - from, kind.name, place, "used fixed blocks", used, end - from);
    });
  }

  private verifyInodeBitmap(geometry: Geometry, buffer: Buffer): void {
    const group = buffer.owner;
    const { view, at, kind } = buffer;
    const place = `group ${group}`;
    const inodes = geometry.inodesPerGroup;
    if (geometry.metadataCsum) {
      const desc = this.descBuffer(group);
      const told = d.inodeBitmapCsumOf(geometry, desc.view, this.descAt(desc, group));
      const kept = d.keptBitmapCsum(geometry, bitmapChecksum(geometry, buffer, inodes));
      verify(told === kept, kind.name, place, "checksum", told, kept);
    }
    const free = inodes - countUsed(view, at, 0, inodes);
    const told = this.inodesFree[group]!;
    verify(free === told, kind.name, place, "free inodes", free, told);
    // Behind itable_unused there is no record, so no inode either.
    const end = inodes - this.itableUnusedOf(group);
    const beyond = countUsed(view, at, end, inodes);
    verify(beyond === 0, kind.name, place, "inodes that were never used", beyond, 0);
  }
}

function descError(
  group: number,
  field: string,
  found: string | number,
  expected: string | number,
): never {
  throw new CorruptionError({ structure: DESC, at: `group ${group}`, field, found, expected });
}

/** crc32c of the bytes that hold the group's bits; padding beyond them does not count. */
function bitmapChecksum(geometry: Geometry, buffer: Buffer, bits: number): number {
  return crcSparse(geometry.csumSeed, buffer.view, buffer.at, bits >>> 3);
}
