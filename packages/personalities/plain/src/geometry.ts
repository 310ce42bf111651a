/** What is where on the device, and the one reader of block 0. */
import { type DevByte, PAGE_SIZE, type PmemDevice, readWordPair, verify } from "@xiplab/core";
import type { Word } from "@xiplab/core";
import { UNIT_SIZE } from "./format/dirent.ts";
import { INODE_SIZE } from "./format/inode.ts";
import { CLEAN, INTENT_AT, MAGIC, STATE, STATE_AT, SUPERBLOCK } from "./format/superblock.ts";
import { superblockChecksum, VERSION, volumeSeed } from "./format/superblock.ts";

export const BLOCK_SIZE = PAGE_SIZE;
/** Blocks of the largest file: 8 TiB. Numbers below 2^31 are the ones that V8 keeps unboxed. */
export const LBLK_MAX = 2 ** 31 - 1;

/** Block 0 | inode table | data. */
export interface Superblock {
  readonly blocks: number;
  readonly inodes: number;
  /** First block behind the inode table. */
  readonly dataStart: number;
  readonly seed: number;
  readonly clean: boolean;
  readonly inodesEnd: number;
  readonly defaultOptions: string;
  /** The head words of a rename that a power cut interrupted, or none. */
  readonly pending: readonly Word[];
}

export const dataStartOf = (inodes: number): number =>
  1 + Math.ceil((inodes * 2 * INODE_SIZE) / BLOCK_SIZE);

export const pblkToDevByte = (pblk: number): DevByte => (pblk * BLOCK_SIZE) as DevByte;

/** Device byte of the two records of inode `ino`. */
export const slotToDevByte = (ino: number): number => BLOCK_SIZE + (ino - 1) * 2 * INODE_SIZE;

/** Read and verify. @throws CorruptionError naming the field. */
export function readSuperblock(device: PmemDevice): Superblock {
  const view = device.view(0, BLOCK_SIZE);
  const fixed = { magic: MAGIC, version: VERSION, checksum: superblockChecksum(view) };
  for (const field of ["magic", "version", "checksum"] as const) {
    const found = SUPERBLOCK[field].get(view, 0);
    verify(found === fixed[field], "plain superblock", 0, field, found, fixed[field]);
  }
  const blocks = SUPERBLOCK.blocks.get(view, 0);
  const inodes = SUPERBLOCK.inodes.get(view, 0);
  const dataStart = dataStartOf(inodes);
  const blocksMax = device.size / BLOCK_SIZE;
  verify(blocks <= blocksMax, "plain superblock", 0, "blocks", blocks, `<= ${blocksMax}`);
  verify(inodes > 0 && dataStart < blocks, "plain superblock", 0, "inodes", inodes, "room behind");
  const clean = STATE.clean.get(view, STATE_AT);
  const inodesEnd = STATE.inodesEnd.get(view, STATE_AT);
  const used = inodesEnd > 0 && inodesEnd <= inodes;
  verify(clean === 0 || clean === CLEAN, "plain state", STATE_AT, "clean", clean, CLEAN);
  verify(used, "plain state", STATE_AT, "inodesEnd", inodesEnd, `1 to ${inodes}`);
  const pending = readWordPair(device, INTENT_AT);
  for (const { at } of pending) {
    const isUnit = at >= dataStart * BLOCK_SIZE && at < blocks * BLOCK_SIZE && at % UNIT_SIZE === 0;
    verify(isUnit, "plain intent", INTENT_AT, "at", at, "a unit of a directory");
  }
  const defaultOptions = SUPERBLOCK.defaultOptions.get(view, 0);
  const layout = { blocks, inodes, dataStart, seed: volumeSeed(view) };
  return { ...layout, clean: clean === CLEAN, inodesEnd, defaultOptions, pending };
}
