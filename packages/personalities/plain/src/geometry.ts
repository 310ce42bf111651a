/** Where things are on the device, and the one reader of the superblock. */
import { CorruptionError, crc32c, type DevByte, PAGE_SIZE, type PmemDevice } from "@xiplab/core";
import { SLOT_SIZE } from "./format/inode.ts";
import { checksumOf, CLEAN, MAGIC, STATE, STATE_AT } from "./format/superblock.ts";
import { SUPERBLOCK, VERSION } from "./format/superblock.ts";

export const BLOCK_SIZE = PAGE_SIZE;
/** Blocks of the largest file: a block number of a file has 32 bits. */
export const LBLK_MAX = 2 ** 32;

/** superblock | block bitmap | inode table | data. Places are blocks of the device. */
export interface Geometry {
  readonly blocks: number;
  readonly bitmapStart: number;
  readonly inodeStart: number;
  readonly inodes: number;
  readonly dataStart: number;
}

export function layOut(blocks: number, inodes: number): Geometry {
  const bitmapStart = 1;
  const inodeStart = bitmapStart + Math.ceil(blocks / (8 * BLOCK_SIZE));
  const dataStart = inodeStart + Math.ceil((inodes * SLOT_SIZE) / BLOCK_SIZE);
  return { blocks, bitmapStart, inodeStart, inodes, dataStart };
}

export interface Volume extends Geometry {
  /** Goes into all checksums, so that what an older file system left here is not taken. */
  readonly seed: number;
}

export interface Superblock extends Volume {
  readonly clean: boolean;
  readonly inodesEnd: number;
}

/** Read and verify. @throws CorruptionError naming the field. */
export function readSuperblock(device: PmemDevice): Superblock {
  const view = device.view(0, BLOCK_SIZE);
  const check = (name: "magic" | "version" | "checksum", expected: number): void => {
    const found = SUPERBLOCK[name].get(view, 0);
    if (found !== expected) corrupt("plain superblock", 0, name, found, expected);
  };
  check("magic", MAGIC);
  check("version", VERSION);
  check("checksum", checksumOf(SUPERBLOCK, view, 0));
  const blocks = SUPERBLOCK.blocks.get(view, 0);
  const inodes = SUPERBLOCK.inodes.get(view, 0);
  const blocksMax = device.size / BLOCK_SIZE;
  if (blocks > blocksMax) corrupt("plain superblock", 0, "blocks", blocks, `<= ${blocksMax}`);
  const geometry = layOut(blocks, inodes);
  if (inodes === 0 || geometry.dataStart >= blocks) {
    corrupt("plain superblock", 0, "inodes", inodes, "at least 1, with room for data");
  }
  const clean = STATE.clean.get(view, STATE_AT);
  const inodesEnd = STATE.inodesEnd.get(view, STATE_AT);
  if (clean !== 0 && clean !== CLEAN) corrupt("plain state", STATE_AT, "clean", clean, CLEAN);
  if (inodesEnd === 0 || inodesEnd > inodes) {
    corrupt("plain state", STATE_AT, "inodesEnd", inodesEnd, `1 to ${inodes}`);
  }
  return { ...geometry, clean: clean === CLEAN, inodesEnd, seed: volumeSeed(view) };
}

export const volumeSeed = (view: DataView): number =>
  crc32c(view, SUPERBLOCK.uuid.offset, SUPERBLOCK.uuid.size);

export const pblkToDevByte = (pblk: number): DevByte => (pblk * BLOCK_SIZE) as DevByte;

/** Device byte of the slot of inode `ino`. */
export const slotToDevByte = (geometry: Geometry, ino: number): DevByte =>
  (geometry.inodeStart * BLOCK_SIZE + (ino - 1) * SLOT_SIZE) as DevByte;

type Value = string | number;

/** @throws CorruptionError always */
export function corrupt(
  structure: string,
  at: Value,
  field: string,
  found: Value,
  expected: Value,
): never {
  throw new CorruptionError({ structure, at, field, found, expected });
}
