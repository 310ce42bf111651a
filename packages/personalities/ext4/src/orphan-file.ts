/** The orphan file: a hidden file whose blocks are arrays of inode numbers. */
import { corrupt, type Ino, isRegular, type Pblk, verify } from "@xiplab/core";
import type { BlockKind, Buffer } from "./buffers.ts";
import { crcRaw, crcU64 } from "./checksum.ts";
import { fileMap } from "./file-map.ts";
import { COMPAT_ORPHAN_FILE, RO_COMPAT_ORPHAN_PRESENT } from "./format/features.ts";
import * as o from "./format/orphan-file.ts";
import type { Geometry } from "./geometry.ts";
import { readInode } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import type { Volume } from "./volume.ts";

/** Most blocks of the file, as mke2fs makes it: 2 MiB. More would be an absurd count. */
const BLOCKS_MAX = 2048;

/** A block of it; `owner` is the checksum seed of its inode. */
const ORPHAN_BLOCK: BlockKind = {
  name: "ext4 orphan block",
  verify(geometry, buffer) {
    const { view } = buffer;
    const tail = tailOf(geometry, buffer);
    const where = `block ${buffer.pblk}`;
    const magic = o.ORPHAN_TAIL.magic.get(view, tail);
    verify(magic === o.ORPHAN_MAGIC, this.name, where, "magic", magic, o.ORPHAN_MAGIC);
    if (!geometry.metadataCsum) return;
    const found = o.ORPHAN_TAIL.checksum.get(view, tail);
    const expected = checksumOf(geometry, buffer);
    verify(found === expected, this.name, where, "checksum", found, expected);
  },
  stamp(geometry, buffer) {
    if (!geometry.metadataCsum) return;
    const crc = checksumOf(geometry, buffer);
    o.ORPHAN_TAIL.checksum.set(buffer.view, tailOf(geometry, buffer), crc);
  },
};

const tailOf = (geometry: Geometry, buffer: Buffer): number =>
  buffer.at + geometry.blockSize - o.ORPHAN_TAIL_SIZE;

function checksumOf(geometry: Geometry, buffer: Buffer): number {
  const length = geometry.blockSize - o.ORPHAN_TAIL_SIZE;
  return crcRaw(crcU64(buffer.owner, buffer.pblk), buffer.view, buffer.at, length);
}

export class OrphanFile {
  /** Where each inode stands in the file: index over all blocks. */
  readonly slotOf = new Map<number, number>();
  readonly blocks: readonly number[];
  private readonly perBlock: number;
  private readonly seed: number;
  /** Where to look for a free place. */
  private hand = 0;

  constructor(geometry: Geometry, inode: Ext4Inode, blocks: readonly number[]) {
    this.blocks = blocks;
    this.seed = inode.seed;
    this.perBlock = (geometry.blockSize - o.ORPHAN_TAIL_SIZE) / o.ORPHAN_ENTRY_SIZE;
  }

  /** Put the inode in. False where the file is full. Inside a handle. */
  add(volume: Volume, ino: number): boolean {
    const places = this.blocks.length * this.perBlock;
    if (this.slotOf.size >= places) return false;
    for (let tried = 0; tried < places; tried++) {
      const slot = (this.hand + tried) % places;
      if (this.get(volume, slot) !== 0) continue;
      this.set(volume, slot, ino);
      this.slotOf.set(ino, slot);
      this.hand = slot + 1;
      return true;
    }
    return false;
  }

  /** Take the inode out. False where it is not in the file. Inside a handle. */
  remove(volume: Volume, ino: number): boolean {
    const slot = this.slotOf.get(ino);
    if (slot === undefined) return false;
    this.set(volume, slot, 0);
    this.slotOf.delete(ino);
    this.hand = slot;
    return true;
  }

  /** The inodes that the file names. @throws CorruptionError where one is there twice */
  load(volume: Volume): number[] {
    const found: number[] = [];
    for (let slot = 0; slot < this.blocks.length * this.perBlock; slot++) {
      const ino = this.get(volume, slot);
      if (ino === 0) continue;
      if (this.slotOf.has(ino)) corrupt("ext4 orphan block", `entry ${slot}`, "ino", ino, "once");
      this.slotOf.set(ino, slot);
      found.push(ino);
    }
    return found;
  }

  private buffer(volume: Volume, slot: number): Buffer {
    const pblk = this.blocks[Math.floor(slot / this.perBlock)]!;
    return volume.buffers.read(pblk as Pblk, ORPHAN_BLOCK, this.seed);
  }

  private get(volume: Volume, slot: number): number {
    const { view, at } = this.buffer(volume, slot);
    return view.getUint32(at + (slot % this.perBlock) * o.ORPHAN_ENTRY_SIZE, true);
  }

  private set(volume: Volume, slot: number, ino: number): void {
    const buffer = this.buffer(volume, slot);
    volume.buffers.write(buffer);
    const at = buffer.at + (slot % this.perBlock) * o.ORPHAN_ENTRY_SIZE;
    buffer.view.setUint32(at, ino, true);
  }
}

/** The orphan file of an image, or null. Its blocks are looked at when they are needed.
 * @throws CorruptionError */
export function openOrphanFile(volume: Volume): OrphanFile | null {
  const { geometry } = volume;
  if ((geometry.compat & COMPAT_ORPHAN_FILE) === 0) return null;
  const inode = readInode(volume, geometry.orphanFileIno as Ino);
  const where = `inode ${inode.ino}`;
  verify(isRegular(inode.mode), "ext4 orphan file", where, "mode", inode.mode, "a regular file");
  const count = inode.size / geometry.blockSize;
  const whole = Number.isInteger(count) && count > 0 && count <= BLOCKS_MAX;
  verify(whole, "ext4 orphan file", where, "size", inode.size, `1 to ${BLOCKS_MAX} blocks`);
  const map = fileMap(volume, inode);
  const blocks: number[] = [];
  for (let lblk = 0; lblk < count; lblk++) {
    const extent = map.at(lblk);
    const mapped = extent.lblk <= lblk && extent.length > 0 && !extent.unwritten;
    verify(mapped, "ext4 orphan file", where, `block ${lblk}`, "hole", "a written block");
    blocks.push(extent.pblk + lblk - extent.lblk);
  }
  return new OrphanFile(geometry, inode, blocks);
}

/** Does the superblock of the image say that the file has orphans? */
export const orphansPresent = (geometry: Geometry): boolean =>
  (geometry.roCompat & RO_COMPAT_ORPHAN_PRESENT) !== 0;
