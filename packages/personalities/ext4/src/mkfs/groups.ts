/** What mkfs writes per group: bitmaps, descriptors, copies of superblock and descriptors. */
import { type PmemDevice, PURPOSE_METADATA } from "@xiplab/core";
import { crcRaw } from "../checksum.ts";
import * as d from "../format/group-descriptor.ts";
import { SUPERBLOCK, SUPERBLOCK_SIZE } from "../format/superblock.ts";
import { superblockChecksum } from "../super.ts";
import type { Maker } from "./files.ts";
import { copiesLength } from "./layout.ts";

export interface GroupWriter {
  /** Everything but the superblock in group 0. */
  store(device: PmemDevice): void;
}

/** Work out descriptors and totals; the superblock is complete then, but for its checksum. */
export function makeGroups(maker: Maker): GroupWriter {
  const { geometry, superblock } = maker.plan;
  const { groupCount, blockSize, descSize } = geometry;
  const descriptors = new DataView(new ArrayBuffer(geometry.gdtBlocks * blockSize));
  let freeBlocks = 0;
  for (let group = 0; group < groupCount; group++) {
    freeBlocks += fillDescriptor(maker, descriptors, group * descSize, group);
  }
  SUPERBLOCK.freeBlocksLo.set(superblock, 0, freeBlocks % 2 ** 32);
  SUPERBLOCK.freeBlocksHi.set(superblock, 0, Math.floor(freeBlocks / 2 ** 32));
  SUPERBLOCK.freeInodes.set(superblock, 0, geometry.inodeCount - maker.lastIno);
  SUPERBLOCK.overheadBlocks.set(superblock, 0, overhead(maker));
  return { store: (device) => storeGroups(device, maker, descriptors) };
}

/** Returns the free blocks of the group. */
function fillDescriptor(maker: Maker, view: DataView, at: number, group: number): number {
  const { geometry } = maker.plan;
  const { blockBitmaps, inodeBitmaps, inodeTables, space } = maker.layout;
  const { inodesPerGroup, metadataCsum, gdtCsum } = geometry;
  setPlace(geometry.descSize, view, at, "blockBitmap", blockBitmaps[group]!);
  setPlace(geometry.descSize, view, at, "inodeBitmap", inodeBitmaps[group]!);
  setPlace(geometry.descSize, view, at, "inodeTable", inodeTables[group]!);
  const start = geometry.groupStart(group);
  const length = geometry.groupLength(group);
  const freeBlocks = length - space.usedIn(start, start + length);
  const used = group === 0 ? maker.lastIno : 0;
  const freeInodes = inodesPerGroup - used;
  const directories = group === 0 ? maker.directories : 0;
  const unused = gdtCsum ? freeInodes : 0;
  d.setCounts(geometry, view, at, freeBlocks, freeInodes, directories, unused);
  let flags = maker.plan.lazyTables ? 0 : d.BG_ITABLE_ZEROED;
  d.GROUP_DESC.flags.set(view, at, flags);
  if (!gdtCsum) return freeBlocks;
  if (group > 0) flags |= d.BG_INODE_UNINIT;
  if (isUntouched(maker, group, freeBlocks)) flags |= d.BG_BLOCK_UNINIT;
  d.GROUP_DESC.flags.set(view, at, flags);
  if (metadataCsum) stampBitmaps(maker, view, at, group, flags);
  const checksum = d.groupDescChecksum(geometry, view, at, group);
  d.GROUP_DESC.checksum.set(view, at, checksum);
  return freeBlocks;
}

function setPlace(
  descSize: number,
  view: DataView,
  at: number,
  what: "blockBitmap" | "inodeBitmap" | "inodeTable",
  pblk: number,
): void {
  d.GROUP_DESC[`${what}Lo`].set(view, at, pblk % 2 ** 32);
  if (descSize >= 64) d.GROUP_DESC_HIGH[`${what}Hi`].set(view, at, Math.floor(pblk / 2 ** 32));
}

/** Can the bitmap of the group be made from the descriptors alone? Not of the last one, which may be
 * shorter. */
function isUntouched(maker: Maker, group: number, freeBlocks: number): boolean {
  const { layout } = maker;
  const { geometry } = maker.plan;
  if (group === 0 || group === geometry.groupCount - 1) return false;
  const own = [layout.blockBitmaps[group]!, layout.inodeBitmaps[group]!].filter(
    (pblk) => geometry.groupOf(pblk) === group,
  ).length;
  const tableHere = geometry.groupOf(layout.inodeTables[group]!) === group;
  const table = tableHere ? geometry.itableBlocks : 0;
  const used = geometry.groupLength(group) - freeBlocks;
  return used === copiesLength(geometry, group) + own + table;
}

function stampBitmaps(maker: Maker, view: DataView, at: number, group: number, flags: number) {
  const { geometry } = maker.plan;
  const { csumSeed, blocksPerGroup, inodesPerGroup } = geometry;
  if ((flags & d.BG_BLOCK_UNINIT) === 0) {
    const crc = crcRaw(csumSeed, blockBitmap(maker, group), 0, blocksPerGroup / 8);
    d.setBlockBitmapCsum(geometry, view, at, crc);
  }
  if ((flags & d.BG_INODE_UNINIT) === 0) {
    const crc = crcRaw(csumSeed, inodeBitmap(maker, group), 0, inodesPerGroup / 8);
    d.setInodeBitmapCsum(geometry, view, at, crc);
  }
}

function setBits(view: DataView, from: number, to: number): void {
  for (let bit = from; bit < to;) {
    if (bit % 8 === 0 && bit + 8 <= to) {
      view.setUint8(bit / 8, 0xff);
      bit += 8;
    } else {
      const byte = Math.floor(bit / 8);
      view.setUint8(byte, view.getUint8(byte) | (1 << (bit % 8)));
      bit++;
    }
  }
}

function clearedScratch({ scratch }: Maker): DataView {
  new Uint8Array(scratch.buffer).fill(0);
  return scratch;
}

/** With ones behind the last block of the group. Good until the next bitmap is made. */
function blockBitmap(maker: Maker, group: number): DataView {
  const { geometry } = maker.plan;
  const view = clearedScratch(maker);
  const start = geometry.groupStart(group);
  const length = geometry.groupLength(group);
  maker.layout.space.each(start, start + length, (from, to) => {
    setBits(view, from - start, to - start);
  });
  setBits(view, length, 8 * geometry.blockSize);
  return view;
}

function inodeBitmap(maker: Maker, group: number): DataView {
  const { blockSize, inodesPerGroup } = maker.plan.geometry;
  const view = clearedScratch(maker);
  if (group === 0) setBits(view, 0, maker.lastIno);
  setBits(view, inodesPerGroup, 8 * blockSize);
  return view;
}

/** Blocks that files can never have: metadata at fixed places, and the journal. */
function overhead(maker: Maker): number {
  const { geometry } = maker.plan;
  let blocks = geometry.firstDataBlock + maker.plan.journalBlocks;
  for (let group = 0; group < geometry.groupCount; group++) {
    blocks += copiesLength(geometry, group) + 2 + geometry.itableBlocks;
  }
  return blocks;
}

function storeGroups(device: PmemDevice, maker: Maker, descriptors: DataView): void {
  const { geometry, superblock } = maker.plan;
  const { layout } = maker;
  const put = (at: number, bytes: Uint8Array): void =>
    device.storeNonTemporal(at, bytes, 0, bytes.length, PURPOSE_METADATA);
  const table = new Uint8Array(descriptors.buffer);
  for (let group = 0; group < geometry.groupCount; group++) {
    const flags = d.GROUP_DESC.flags.get(descriptors, group * geometry.descSize);
    const blockAt = geometry.pblkToDevByte(layout.blockBitmaps[group]!);
    const inodeAt = geometry.pblkToDevByte(layout.inodeBitmaps[group]!);
    if ((flags & d.BG_BLOCK_UNINIT) === 0) {
      put(blockAt, new Uint8Array(blockBitmap(maker, group).buffer));
    }
    if ((flags & d.BG_INODE_UNINIT) === 0) {
      put(inodeAt, new Uint8Array(inodeBitmap(maker, group).buffer));
    }
    if (!geometry.hasSuper(group)) continue;
    const start = geometry.groupStart(group);
    put(geometry.pblkToDevByte(start + 1), table);
    if (group > 0) put(geometry.pblkToDevByte(start), superblockCopy(superblock, group));
  }
}

/** A copy says where it stands, and that it may be out of date. */
function superblockCopy(superblock: DataView, group: number): Uint8Array {
  const copy = new DataView(superblock.buffer.slice(0, SUPERBLOCK_SIZE));
  SUPERBLOCK.blockGroup.set(copy, 0, Math.min(group, 0xffff));
  SUPERBLOCK.state.set(copy, 0, 0);
  if (SUPERBLOCK.checksumType.get(copy, 0) !== 0) {
    SUPERBLOCK.checksum.set(copy, 0, superblockChecksum(copy, 0));
  }
  return new Uint8Array(copy.buffer);
}
