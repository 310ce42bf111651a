/**
 * Inode records: between the inode table and inodes in memory. Nobody else writes them.
 *
 *   initInode    the number was allocated → a record with attributes and a target (inode-init.ts)
 *   writeInode   what changed in memory → the record, in the running transaction
 *   clearInode   links 0, size 0, dtime → before the number is freed
 *
 * Most inodes change several times in a transaction, directories with each name. So `writeInode` only
 * notes that the record is behind; fields are put into it once, at the commit, or before somebody
 * reads the inode into another object.
 *
 * The 60 bytes of i_block exist in the record alone: who works on the root of an extent tree, on
 * block pointers or on a short symlink does so there, through `slotOf`. Bytes and bits that nothing
 * here knows stay as they are.
 *
 * A record has a checksum of its own. It is put in when the block's transaction commits; until then
 * `buffer.slots` names the record and nobody looks at the checksum.
 */
import { assert, corrupt, FsError, type Ino, isDevice, isRegular, type Pblk } from "@xiplab/core";
import type { BlockKind, Buffer } from "./buffers.ts";
import { inodeSeed } from "./checksum.ts";
import { INCOMPAT_64BIT, RO_COMPAT_LARGE_FILE, RO_COMPAT_PROJECT } from "./format/features.ts";
import * as f from "./format/inode.ts";
import { covers, I_BLOCK_AT, INODE, INODE_BASE_SIZE } from "./format/inode.ts";
import { INODE_EXTRA } from "./format/inode.ts";
import type { PutOff } from "./journal/transactions.ts";
import { SUPERBLOCK } from "./format/superblock.ts";
import type { Geometry } from "./geometry.ts";
import { Ext4Inode } from "./inode.ts";
import { superBuffer } from "./super-buffer.ts";
import { editSuperblock } from "./super-state.ts";
import { recordChecksum, verifyInode } from "./verify-inode.ts";
import type { Volume } from "./volume.ts";

const TWO_32 = 2 ** 32;
/** Files from this size on need the feature large_file. */
const LARGE_SIZE = 2 ** 31;
/** stat and i_blocks count in these. */
const SECTOR_SIZE = 512;
/** More sectors than 48 bits need i_blocks in blocks. */
const SECTORS_MAX = 2 ** 48 - 1;

/**
 * A block of an inode table; `owner` is the number of its first inode. The records have checksums,
 * the block has none, so there is nothing to verify in it: `readInode` looks at one record.
 */
const ITABLE: BlockKind = {
  name: "ext4 inode table",
  verify() {},
  stamp(geometry, buffer) {
    if (geometry.metadataCsum) {
      for (const slot of buffer.slots) {
        const at = buffer.at + slot * geometry.inodeSize;
        stampRecord(geometry, buffer.view, at, buffer.owner + slot);
      }
    }
    buffer.slots.clear();
  },
};

/** Inodes of the running transaction whose records are behind. */
export class StaleRecords implements PutOff {
  /** The records are in the transaction. */
  readonly credits = 0;
  private readonly volume: Volume;
  private readonly inodes: Ext4Inode[] = [];

  constructor(volume: Volume) {
    this.volume = volume;
  }

  /** HOT. */
  add(inode: Ext4Inode): void {
    assert(inode.stale < 0, "an inode is behind once");
    inode.stale = this.inodes.length;
    this.inodes.push(inode);
  }

  /** The record is as the inode is. HOT. */
  remove(inode: Ext4Inode): void {
    const { stale } = inode;
    if (stale < 0) return;
    const last = this.inodes.pop()!;
    assert(this.inodes.length >= stale, "who is behind has a place");
    if (last !== inode) {
      this.inodes[stale] = last;
      last.stale = stale;
    }
    inode.stale = -1;
  }

  /** Bring all records up to date. */
  run(): void {
    const { inodes, volume } = this;
    for (const inode of inodes) {
      const { buffer, at } = slotOf(volume, inode.ino);
      encode(volume.geometry, buffer.view, buffer.at + at, inode);
      inode.stale = -1;
    }
    inodes.length = 0;
  }
}

/** Where a record stands. Read at `buffer.view`, `buffer.at + at`, asking for both each time. */
export interface Slot {
  readonly buffer: Buffer;
  /** Byte in the block, not in the view. */
  readonly at: number;
}

/** The record of an inode. Its i_block is at `buffer.at + at + I_BLOCK_AT`. HOT.
 * @throws FsError EIO */
export function slotOf(volume: Volume, ino: number): Slot {
  const { geometry } = volume;
  assert(ino >= 1, "inode numbers start at 1");
  assert(ino <= geometry.inodeCount, "an inode number is in range");
  const index = (ino - 1) % geometry.inodesPerGroup;
  const slot = index % geometry.inodesPerBlock;
  const table = volume.groups.inodeTableAt(geometry.groupOfIno(ino));
  const pblk = table + (index - slot) / geometry.inodesPerBlock;
  const buffer = volume.buffers.read(pblk as Pblk, ITABLE, ino - slot);
  return { buffer, at: slot * geometry.inodeSize };
}

/** The record is about to change: as `slotOf`, in the running transaction, to be stamped. HOT. */
export function writableSlotOf(volume: Volume, ino: number): Slot {
  const slot = slotOf(volume, ino);
  volume.buffers.writeSlot(slot.buffer, slot.at / volume.geometry.inodeSize);
  return slot;
}

/**
 * Read and verify an inode. With `orphan` also one without links, as recovery finds them.
 * @throws FsError ESTALE where it is free or out of range; CorruptionError; FsError EIO
 */
export function readInode(volume: Volume, ino: Ino, orphan = false): Ext4Inode {
  const { geometry, groups } = volume;
  if (!(ino >= 1 && ino <= geometry.inodeCount)) throw new FsError("ESTALE");
  const group = geometry.groupOfIno(ino);
  const used = geometry.inodesPerGroup - groups.itableUnusedOf(group);
  if ((ino - 1) % geometry.inodesPerGroup >= used) throw new FsError("ESTALE");
  const { tid } = volume.journal;
  const { buffer, at } = slotOf(volume, ino);
  if (buffer.tid === tid) volume.records.run();
  const { view } = buffer;
  const record = buffer.at + at;
  const stamped = !buffer.slots.has(at / geometry.inodeSize);
  verifyInode(geometry, view, record, ino, stamped, orphan);
  const inode = new Ext4Inode(
    ino,
    inodeSeed(geometry.csumSeed, ino, INODE.generation.get(view, record)),
  );
  decode(geometry, view, record, inode);
  // Another object of this inode may have changed it before it was dropped: fsync must commit that.
  if (buffer.tid === tid) inode.syncTid = inode.datasyncTid = tid;
  return inode;
}

/**
 * Put what changed in memory into the record. `data`: the size or the blocks changed, which even
 * fdatasync must make durable. Inside a handle (one block). HOT.
 */
export function writeInode(volume: Volume, inode: Ext4Inode, data = true): void {
  const { journal } = volume;
  assert(journal.running, "inodes are written inside handles");
  assert(inode.diskSize <= inode.size, "the size on the medium is not ahead");
  requireBlocks(inode);
  if (inode.diskSize >= LARGE_SIZE) requireLargeFile(volume);
  clampTimes(inode);
  if (inode.stale < 0) {
    writableSlotOf(volume, inode.ino);
    volume.records.add(inode);
  }
  inode.timesDirty = false;
  inode.syncTid = journal.tid;
  if (data) inode.datasyncTid = journal.tid;
}

/** Last change of an inode whose blocks are freed: nothing leads to it. Inside a handle. */
export function clearInode(volume: Volume, inode: Ext4Inode): void {
  assert(inode.nlink === 0, "an inode with names is not cleared");
  requireBlocks(inode);
  inode.resize(0);
  clampTimes(inode);
  // At once: the number may have another owner before the commit.
  volume.records.remove(inode);
  const { buffer, at } = writableSlotOf(volume, inode.ino);
  encode(volume.geometry, buffer.view, buffer.at + at, inode);
  INODE.dtime.set(buffer.view, buffer.at + at, deletionTime(volume));
}

/** @throws CorruptionError where the count that was read was less than what the map had, as came out
 * when that was freed */
function requireBlocks({ blocks, ino }: Ext4Inode): void {
  if (blocks < 0) corrupt("ext4_inode", `inode ${ino}`, "blocks", blocks, "those of its map");
}

/** Images of other programs may be without the feature until a file needs it, as in the kernel. */
function requireLargeFile(volume: Volume): void {
  const { buffers, geometry } = volume;
  if ((geometry.roCompat & RO_COMPAT_LARGE_FILE) !== 0) return;
  const { view, at } = superBuffer(buffers);
  const features = SUPERBLOCK.featureRoCompat.get(view, at + geometry.superOffset);
  if ((features & RO_COMPAT_LARGE_FILE) !== 0) return;
  editSuperblock(volume, (view, at) =>
    SUPERBLOCK.featureRoCompat.set(view, at, (features | RO_COMPAT_LARGE_FILE) >>> 0),
  );
}

function stampRecord(geometry: Geometry, view: DataView, record: number, ino: number): void {
  const crc = recordChecksum(geometry, view, record, ino);
  INODE.checksumLo.set(view, record, crc & 0xffff);
  if (geometry.inodeSize === INODE_BASE_SIZE) return;
  if (!covers(INODE_EXTRA.extraIsize.get(view, record), INODE_EXTRA.checksumHi)) return;
  INODE_EXTRA.checksumHi.set(view, record, crc >>> 16);
}

function decode(geometry: Geometry, view: DataView, at: number, inode: Ext4Inode): void {
  const i = INODE;
  const mode = i.mode.get(view, at);
  inode.mode = mode;
  inode.uid = i.uidLo.get(view, at) + i.uidHi.get(view, at) * 0x10000;
  inode.gid = i.gidLo.get(view, at) + i.gidHi.get(view, at) * 0x10000;
  inode.nlink = i.linksCount.get(view, at);
  inode.flags = i.flags.get(view, at);
  inode.generation = i.generation.get(view, at);
  inode.resize(f.inodeSizeBytes(view, at));
  inode.fileAcl = i.fileAclLo.get(view, at);
  if ((geometry.incompat & INCOMPAT_64BIT) !== 0) {
    inode.fileAcl += i.fileAclHi.get(view, at) * TWO_32;
  }
  inode.blocks = decodeBlocks(geometry, view, at);
  if (isDevice(mode)) {
    const block = at + I_BLOCK_AT;
    inode.rdev = f.decodeDevice(view.getUint32(block, true), view.getUint32(block + 4, true));
  }
  const extra = geometry.inodeSize > INODE_BASE_SIZE ? INODE_EXTRA.extraIsize.get(view, at) : 0;
  inode.extraIsize = extra;
  decodeTimes(view, at, inode);
  const hasProjects = (geometry.roCompat & RO_COMPAT_PROJECT) !== 0;
  if (hasProjects && covers(extra, INODE_EXTRA.projectId)) {
    inode.projectId = INODE_EXTRA.projectId.get(view, at);
  }
}

function decodeTimes(view: DataView, at: number, inode: Ext4Inode): void {
  const { extraIsize } = inode;
  const e = INODE_EXTRA;
  const atime = covers(extraIsize, e.atimeExtra) ? e.atimeExtra.get(view, at) : 0;
  const mtime = covers(extraIsize, e.mtimeExtra) ? e.mtimeExtra.get(view, at) : 0;
  const ctime = covers(extraIsize, e.ctimeExtra) ? e.ctimeExtra.get(view, at) : 0;
  inode.atimeSec = f.timeSeconds(INODE.atime.get(view, at), atime);
  inode.atimeNsec = f.timeNanoseconds(atime);
  inode.mtimeSec = f.timeSeconds(INODE.mtime.get(view, at), mtime);
  inode.mtimeNsec = f.timeNanoseconds(mtime);
  inode.ctimeSec = f.timeSeconds(INODE.ctime.get(view, at), ctime);
  inode.ctimeNsec = f.timeNanoseconds(ctime);
  if (!covers(extraIsize, e.crtime)) return;
  const crtime = covers(extraIsize, e.crtimeExtra) ? e.crtimeExtra.get(view, at) : 0;
  inode.btimeSec = f.timeSeconds(e.crtime.get(view, at), crtime);
  inode.btimeNsec = f.timeNanoseconds(crtime);
}

/** i_blocks in file-system blocks: the record counts sectors, or blocks where the flag says so. */
function decodeBlocks(geometry: Geometry, view: DataView, at: number): number {
  const low = INODE.blocksLo.get(view, at);
  const perBlock = geometry.blockSize / SECTOR_SIZE;
  if (!geometry.hugeFile) return low / perBlock;
  const raw = low + INODE.blocksHi.get(view, at) * TWO_32;
  return (INODE.flags.get(view, at) & f.FL_HUGE_FILE) !== 0 ? raw : raw / perBlock;
}

function encode(geometry: Geometry, view: DataView, at: number, inode: Ext4Inode): void {
  const i = INODE;
  i.mode.set(view, at, inode.mode);
  i.uidLo.set(view, at, inode.uid & 0xffff);
  i.uidHi.set(view, at, inode.uid >>> 16);
  i.gidLo.set(view, at, inode.gid & 0xffff);
  i.gidHi.set(view, at, inode.gid >>> 16);
  i.linksCount.set(view, at, inode.nlink);
  i.generation.set(view, at, inode.generation);
  i.sizeLo.set(view, at, inode.diskSize % TWO_32);
  if (isRegular(inode.mode)) i.sizeHi.set(view, at, Math.floor(inode.diskSize / TWO_32));
  i.fileAclLo.set(view, at, inode.fileAcl % TWO_32);
  if ((geometry.incompat & INCOMPAT_64BIT) !== 0) {
    i.fileAclHi.set(view, at, Math.floor(inode.fileAcl / TWO_32));
  }
  encodeBlocks(geometry, view, at, inode);
  i.flags.set(view, at, inode.flags);
  if (geometry.inodeSize > INODE_BASE_SIZE) {
    INODE_EXTRA.extraIsize.set(view, at, inode.extraIsize);
  }
  encodeTimes(view, at, inode);
  encodeVersion(view, at, inode);
  const hasProjects = (geometry.roCompat & RO_COMPAT_PROJECT) !== 0;
  if (hasProjects && covers(inode.extraIsize, INODE_EXTRA.projectId)) {
    INODE_EXTRA.projectId.set(view, at, inode.projectId);
  }
}

function encodeBlocks(geometry: Geometry, view: DataView, at: number, inode: Ext4Inode): void {
  const { blocks } = inode;
  const sectors = blocks * (geometry.blockSize / SECTOR_SIZE);
  const huge = sectors > SECTORS_MAX;
  if (huge) assert(geometry.hugeFile, "files so large need huge_file");
  const raw = huge ? blocks : sectors;
  inode.flags = huge ? (inode.flags | f.FL_HUGE_FILE) >>> 0 : clearBit(inode.flags, f.FL_HUGE_FILE);
  INODE.blocksLo.set(view, at, raw % TWO_32);
  if (geometry.hugeFile) INODE.blocksHi.set(view, at, Math.floor(raw / TWO_32));
}

/** Times that the record cannot hold are cut in memory too, so that they stay the same. */
function clampTimes(inode: Ext4Inode): void {
  const wide = covers(inode.extraIsize, INODE_EXTRA.atimeExtra);
  const max = wide ? f.SECONDS_MAX_EXTRA : f.SECONDS_MAX_BASE;
  inode.atimeSec = clampSeconds(inode.atimeSec, max);
  inode.mtimeSec = clampSeconds(inode.mtimeSec, max);
  inode.ctimeSec = clampSeconds(inode.ctimeSec, max);
  if (wide) return;
  inode.atimeNsec = 0;
  inode.mtimeNsec = 0;
  inode.ctimeNsec = 0;
}

function encodeTimes(view: DataView, at: number, inode: Ext4Inode): void {
  const e = INODE_EXTRA;
  const { extraIsize } = inode;
  INODE.atime.set(view, at, inode.atimeSec);
  INODE.mtime.set(view, at, inode.mtimeSec);
  INODE.ctime.set(view, at, inode.ctimeSec);
  if (covers(extraIsize, e.atimeExtra)) {
    e.atimeExtra.set(view, at, f.timeExtra(inode.atimeSec, inode.atimeNsec));
    e.mtimeExtra.set(view, at, f.timeExtra(inode.mtimeSec, inode.mtimeNsec));
    e.ctimeExtra.set(view, at, f.timeExtra(inode.ctimeSec, inode.ctimeNsec));
  }
  if (!covers(extraIsize, e.crtimeExtra)) return;
  e.crtime.set(view, at, inode.btimeSec);
  e.crtimeExtra.set(view, at, f.timeExtra(inode.btimeSec, inode.btimeNsec));
}

/** i_version: a counter of transactions that changed the inode, for NFS servers. */
function encodeVersion(view: DataView, at: number, inode: Ext4Inode): void {
  const low = (INODE.versionLo.get(view, at) + 1) >>> 0;
  INODE.versionLo.set(view, at, low);
  if (low !== 0 || !covers(inode.extraIsize, INODE_EXTRA.versionHi)) return;
  INODE_EXTRA.versionHi.set(view, at, INODE_EXTRA.versionHi.get(view, at) + 1);
}

/** Nearest second that a record can hold whose latest is `max`. */
export const clampSeconds = (sec: number, max: number): number =>
  Math.max(f.SECONDS_MIN, Math.min(max, sec));

/** Without a sign, and no inode number: e2fsck takes that for the next of an orphan. */
function deletionTime({ clock, geometry }: Volume): number {
  return Math.max(geometry.inodeCount, Math.min(TWO_32 - 1, clock.now().sec));
}

const clearBit = (flags: number, bit: number): number => (flags & ~bit) >>> 0;
