/**
 * Pass 1: inode 7, which keeps the blocks behind the descriptors for more descriptors to come.
 *
 * Its double indirect block names those blocks in group 0, each at the place of the descriptor block
 * that it would be; each of them in turn names the blocks at the same place in the groups that have
 * copies. Those blocks were claimed with the copies: here only the double indirect block is.
 */
import { COMPAT_RESIZE_INODE } from "../format/features.ts";
import { I_BLOCK_AT, INO_RESIZE } from "../format/inode.ts";
import type { BlockMap } from "./block-map.ts";
import type { Claims } from "./claims.ts";
import type { Image } from "./image.ts";

const STRUCT = "ext4_inode";
const WHERE = `inode ${INO_RESIZE}`;
/** Place of the double indirect pointer in i_block. */
const DOUBLE = 13;
const POINTERS = 15;
/** Blocks of a file before those that are behind indirect ones. */
const DIRECT = 12;

/** `map` counts the blocks. */
export function checkResizeInode(
  image: Image,
  claims: Claims,
  map: BlockMap,
  view: DataView,
  at: number,
): void {
  const { geometry, findings } = image;
  const resizes = (geometry.compat & COMPAT_RESIZE_INODE) !== 0;
  for (let index = 0; index < POINTERS; index++) {
    const pblk = view.getUint32(at + I_BLOCK_AT + 4 * index, true);
    if (pblk !== 0 && (index !== DOUBLE || !resizes)) {
      findings.add(STRUCT, WHERE, `block[${index}]`, pblk, 0);
    }
  }
  if (!resizes) return;
  const double = view.getUint32(at + I_BLOCK_AT + 4 * DOUBLE, true);
  if (!image.isOnDevice(double) || claims.claim(double, 1) > 0) {
    findings.add(STRUCT, WHERE, `block[${DOUBLE}]`, double, "a block that nothing else has");
    return;
  }
  map.blocks = 1;
  if (image.open(double)) checkDouble(image, map, double);
}

function checkDouble(image: Image, map: BlockMap, double: number): void {
  const { geometry, findings } = image;
  const { view, at } = image;
  const perBlock = geometry.blockSize / 4;
  const expected = new Uint32Array(perBlock);
  const first = geometry.firstDataBlock + 1 + geometry.gdtBlocks;
  let last = 0;
  for (let index = 0; index < geometry.reservedGdtBlocks; index++) {
    const place = (geometry.gdtBlocks + index) % perBlock;
    expected[place] = first + index;
    last = Math.max(last, place);
  }
  for (let index = 0; index < perBlock; index++) {
    const found = view.getUint32(at + 4 * index, true);
    if (found !== expected[index]) {
      findings.add("resize inode", `block ${double}`, `entry ${index}`, found, expected[index]!);
    }
  }
  const copies: number[] = [];
  for (let group = 1; group < geometry.groupCount; group++) {
    if (geometry.hasSuper(group)) copies.push(group);
  }
  const reserves = geometry.reservedGdtBlocks > 0 && copies.length > 0;
  if (reserves) map.endWritten = DIRECT + perBlock + last * perBlock + copies.length;
  map.blocks += geometry.reservedGdtBlocks * (1 + copies.length);
  for (let index = 0; index < geometry.reservedGdtBlocks; index++) {
    if (image.open(first + index)) checkCopies(image, copies, first + index);
  }
}

/** The block that would be a descriptor block names its copies, in the groups `copies`. */
function checkCopies(image: Image, copies: readonly number[], pblk: number): void {
  const { geometry, findings } = image;
  const { view, at } = image;
  for (let index = 0; index < geometry.blockSize / 4; index++) {
    const group = copies[index];
    const expected = group === undefined ? 0 : pblk + group * geometry.blocksPerGroup;
    const found = view.getUint32(at + 4 * index, true);
    if (found !== expected) {
      findings.add("resize inode", `block ${pblk}`, `entry ${index}`, found, expected);
    }
  }
}
