/**
 * struct ext4_group_desc: 32 bytes, or with the 64bit feature s_desc_size (64) of which the second
 * half holds high words. Little-endian, packed into the blocks behind the superblock and its copies.
 * Ref: Linux Documentation/filesystems/ext4/group_descr.rst
 */
import { pad, struct, u16le, u32le } from "@xiplab/core";
import { crcRaw, crcU32 } from "../checksum.ts";
import type { Geometry } from "../geometry.ts";

export const GROUP_DESC = struct("ext4_group_desc", 32, {
  blockBitmapLo: u32le(0x0),
  inodeBitmapLo: u32le(0x4),
  inodeTableLo: u32le(0x8),
  freeBlocksLo: u16le(0xc),
  freeInodesLo: u16le(0xe),
  usedDirsLo: u16le(0x10),
  flags: u16le(0x12),
  excludeBitmapLo: u32le(0x14),
  blockBitmapCsumLo: u16le(0x18),
  inodeBitmapCsumLo: u16le(0x1a),
  itableUnusedLo: u16le(0x1c),
  checksum: u16le(0x1e),
});

/** Bytes 32 to 63: only where s_desc_size is 64 or more. Read at `at` of the whole descriptor. */
export const GROUP_DESC_HIGH = struct("ext4_group_desc (64bit)", 64, {
  low: pad(0x0, 32),
  blockBitmapHi: u32le(0x20),
  inodeBitmapHi: u32le(0x24),
  inodeTableHi: u32le(0x28),
  freeBlocksHi: u16le(0x2c),
  freeInodesHi: u16le(0x2e),
  usedDirsHi: u16le(0x30),
  itableUnusedHi: u16le(0x32),
  excludeBitmapHi: u32le(0x34),
  blockBitmapCsumHi: u16le(0x38),
  inodeBitmapCsumHi: u16le(0x3a),
  reserved: u32le(0x3c),
});

/** bg_flags */
export const BG_INODE_UNINIT = 1;
export const BG_BLOCK_UNINIT = 2;
export const BG_ITABLE_ZEROED = 4;

/** Bytes of a descriptor that hold words of their own; more may follow and is kept as it is. */
const wide = (geometry: Geometry): boolean => geometry.descSize >= 64;

/** Block of the block bitmap. */
export function blockBitmapOf(geometry: Geometry, view: DataView, at: number): number {
  const high = wide(geometry) ? GROUP_DESC_HIGH.blockBitmapHi.get(view, at) : 0;
  return GROUP_DESC.blockBitmapLo.get(view, at) + high * 2 ** 32;
}

/** Block of the inode bitmap. */
export function inodeBitmapOf(geometry: Geometry, view: DataView, at: number): number {
  const high = wide(geometry) ? GROUP_DESC_HIGH.inodeBitmapHi.get(view, at) : 0;
  return GROUP_DESC.inodeBitmapLo.get(view, at) + high * 2 ** 32;
}

/** First block of the inode table. */
export function inodeTableOf(geometry: Geometry, view: DataView, at: number): number {
  const high = wide(geometry) ? GROUP_DESC_HIGH.inodeTableHi.get(view, at) : 0;
  return GROUP_DESC.inodeTableLo.get(view, at) + high * 2 ** 32;
}

export function freeBlocksOf(geometry: Geometry, view: DataView, at: number): number {
  const high = wide(geometry) ? GROUP_DESC_HIGH.freeBlocksHi.get(view, at) : 0;
  return GROUP_DESC.freeBlocksLo.get(view, at) + high * 2 ** 16;
}

export function freeInodesOf(geometry: Geometry, view: DataView, at: number): number {
  const high = wide(geometry) ? GROUP_DESC_HIGH.freeInodesHi.get(view, at) : 0;
  return GROUP_DESC.freeInodesLo.get(view, at) + high * 2 ** 16;
}

export function usedDirsOf(geometry: Geometry, view: DataView, at: number): number {
  const high = wide(geometry) ? GROUP_DESC_HIGH.usedDirsHi.get(view, at) : 0;
  return GROUP_DESC.usedDirsLo.get(view, at) + high * 2 ** 16;
}

/** Inodes at the end of the table that were never used; holds with gdtCsum only. */
export function itableUnusedOf(geometry: Geometry, view: DataView, at: number): number {
  const high = wide(geometry) ? GROUP_DESC_HIGH.itableUnusedHi.get(view, at) : 0;
  return GROUP_DESC.itableUnusedLo.get(view, at) + high * 2 ** 16;
}

/** The counts, of which the high halves exist in wide descriptors only. */
export function setCounts(
  geometry: Geometry,
  view: DataView,
  at: number,
  freeBlocks: number,
  freeInodes: number,
  usedDirs: number,
  itableUnused: number,
): void {
  GROUP_DESC.freeBlocksLo.set(view, at, freeBlocks & 0xffff);
  GROUP_DESC.freeInodesLo.set(view, at, freeInodes & 0xffff);
  GROUP_DESC.usedDirsLo.set(view, at, usedDirs & 0xffff);
  GROUP_DESC.itableUnusedLo.set(view, at, itableUnused & 0xffff);
  if (!wide(geometry)) return;
  GROUP_DESC_HIGH.freeBlocksHi.set(view, at, freeBlocks >>> 16);
  GROUP_DESC_HIGH.freeInodesHi.set(view, at, freeInodes >>> 16);
  GROUP_DESC_HIGH.usedDirsHi.set(view, at, usedDirs >>> 16);
  GROUP_DESC_HIGH.itableUnusedHi.set(view, at, itableUnused >>> 16);
}

/** Checksum of the block bitmap; narrow descriptors have its low half alone. */
export function blockBitmapCsumOf(geometry: Geometry, view: DataView, at: number): number {
  const high = wide(geometry) ? GROUP_DESC_HIGH.blockBitmapCsumHi.get(view, at) : 0;
  return GROUP_DESC.blockBitmapCsumLo.get(view, at) + high * 2 ** 16;
}

export function setBlockBitmapCsum(geometry: Geometry, view: DataView, at: number, crc: number) {
  GROUP_DESC.blockBitmapCsumLo.set(view, at, crc & 0xffff);
  if (wide(geometry)) GROUP_DESC_HIGH.blockBitmapCsumHi.set(view, at, crc >>> 16);
}

/** Checksum of the inode bitmap; narrow descriptors have its low half alone. */
export function inodeBitmapCsumOf(geometry: Geometry, view: DataView, at: number): number {
  const high = wide(geometry) ? GROUP_DESC_HIGH.inodeBitmapCsumHi.get(view, at) : 0;
  return GROUP_DESC.inodeBitmapCsumLo.get(view, at) + high * 2 ** 16;
}

export function setInodeBitmapCsum(geometry: Geometry, view: DataView, at: number, crc: number) {
  GROUP_DESC.inodeBitmapCsumLo.set(view, at, crc & 0xffff);
  if (wide(geometry)) GROUP_DESC_HIGH.inodeBitmapCsumHi.set(view, at, crc >>> 16);
}

/** The part of a bitmap's checksum that descriptors of this image keep. */
export function keptBitmapCsum(geometry: Geometry, crc: number): number {
  return wide(geometry) ? crc : crc & 0xffff;
}

/**
 * Checksum of the descriptor of `group` at `at`: the low half of a crc32c with metadata_csum, a
 * crc16 with uninit_bg alone, 0 without either.
 */
export function groupDescChecksum(
  geometry: Geometry,
  view: DataView,
  at: number,
  group: number,
): number {
  const { csumSeed, descSize } = geometry;
  const before = GROUP_DESC.checksum.offset;
  const after = before + GROUP_DESC.checksum.size;
  if (geometry.metadataCsum) {
    const whole = crcRaw(crcU32(csumSeed, group), view, at, descSize);
    const shadow = shadowOf(descSize);
    const first = shadow[view.getUint8(at + before)]!;
    return (whole ^ first ^ shadow[256 + view.getUint8(at + before + 1)]!) & 0xffff;
  }
  if (!geometry.gdtCsum) return 0;
  let crc = 0xffff;
  for (const byte of geometry.uuid) crc = crc16Byte(crc, byte);
  for (let shift = 0; shift < 32; shift += 8) crc = crc16Byte(crc, (group >>> shift) & 0xff);
  for (let i = 0; i < before; i++) crc = crc16Byte(crc, view.getUint8(at + i));
  for (let i = after; i < descSize; i++) crc = crc16Byte(crc, view.getUint8(at + i));
  return crc;
}

/** By size of descriptors. */
const SHADOWS: Array<Uint32Array | undefined> = [];

/**
 * What each value of the first, and of the second byte of the checksum field adds to the crc of a
 * whole descriptor: a crc is linear, so that the field is taken out again instead of copied away.
 * Mounting sums a descriptor per group.
 */
function shadowOf(descSize: number): Uint32Array {
  const known = SHADOWS[descSize];
  if (known !== undefined) return known;
  const rest = new DataView(new ArrayBuffer(descSize - GROUP_DESC.checksum.offset));
  const shadow = new Uint32Array(512);
  for (let place = 0; place < 2; place++) {
    for (let byte = 0; byte < 256; byte++) {
      rest.setUint8(place, byte);
      shadow[place * 256 + byte] = crcRaw(0, rest, 0, rest.byteLength);
    }
    rest.setUint8(place, 0);
  }
  SHADOWS[descSize] = shadow;
  return shadow;
}

/** Polynomial 0x8005, bits reversed. */
const CRC16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xa001 : 0);
  return crc;
});

const crc16Byte = (crc: number, byte: number): number => (crc >>> 8) ^ CRC16[(crc ^ byte) & 0xff]!;
