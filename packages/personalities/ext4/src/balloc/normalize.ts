/**
 * How much to look for when a file asks for a few blocks: files that grow mostly grow on, so that a
 * request is rounded up to what the file may want next. The rest is preallocated.
 *
 *   files to 1 MiB      the next power of two of the size the file will have, from 16 KiB
 *   to 4 MiB, 8 MiB     the aligned window of 2 MiB, 4 MiB around the block
 *   larger              the aligned window of 8 MiB, for requests that fit into one; else as asked
 *
 * Ref: behaviour of ext4_mb_normalize_request, fs/ext4/mballoc.c
 */
import { assert } from "@xiplab/core";
import type { Geometry } from "../geometry.ts";
import type { BlockRequest } from "../volume.ts";
import type { InodePreallocation } from "./preallocation.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** Logical blocks of a file end here. */
const LBLK_END = 0xffffffff;

/** Logical blocks to look for; they hold the request. */
export interface Window {
  lblk: number;
  length: number;
}

/**
 * `length`: blocks that the request may have. `sizeBlocks`: blocks up to the end of the file, or of
 * the request where that is behind it. HOT.
 */
export function normalize(
  geometry: Geometry,
  request: BlockRequest,
  length: number,
  sizeBlocks: number,
  kept: InodePreallocation | null,
  out: Window,
): void {
  const { lblk } = request;
  const { blockSize } = geometry;
  roundUp(blockSize, lblk, length, sizeBlocks * blockSize, out);
  let start = out.lblk;
  let end = Math.min(start + out.length, LBLK_END);
  // Groups may be smaller than a window.
  start = Math.max(start, lblk - (lblk % geometry.blocksPerGroup));
  const left = request.leftLblk;
  if (left !== undefined && left >= start) start = left + 1;
  const right = request.rightLblk;
  if (right !== undefined && right < end) end = right;
  end = Math.min(end, start + geometry.blocksPerGroup);
  if (kept !== null) {
    const before = kept.at(lblk);
    if (before >= 0) start = Math.max(start, kept.lblks[before]! + kept.lengths[before]!);
    if (before + 1 < kept.count) end = Math.min(end, kept.lblks[before + 1]!);
  }
  assert(start <= lblk, "a window begins before the request");
  assert(end > lblk, "a window ends behind the request");
  out.lblk = start;
  out.length = end - start;
}

function roundUp(
  blockSize: number,
  lblk: number,
  length: number,
  sizeBytes: number,
  out: Window,
): void {
  // The largest chunk of a buddy has 2 * blockSize blocks: no window is larger.
  const chunkMax = 2 * blockSize;
  out.lblk = 0;
  for (let step = 16 * KIB; step <= MIB; step *= 2) {
    if (sizeBytes > step) continue;
    out.length = step / blockSize;
    return;
  }
  if (sizeBytes <= 4 * MIB || chunkMax <= 2 * KIB) align(out, blockSize, lblk, 2 * MIB);
  else if (sizeBytes <= 8 * MIB || chunkMax <= 4 * KIB) align(out, blockSize, lblk, 4 * MIB);
  else if (length * blockSize <= 8 * MIB || chunkMax <= 8 * KIB) {
    align(out, blockSize, lblk, 8 * MIB);
  } else {
    out.lblk = lblk;
    out.length = length;
  }
}

function align(out: Window, blockSize: number, lblk: number, windowBytes: number): void {
  const blocks = windowBytes / blockSize;
  out.lblk = lblk - (lblk % blocks);
  out.length = blocks;
}
