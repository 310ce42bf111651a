/**
 * The checksum of a run of zeros without looking at them: what makes the checksum of a nearly empty
 * block cost what its content costs. Descriptor and commit blocks are nearly empty always; bitmaps,
 * descriptors of groups and fresh directories often.
 *
 * Going on over n zero bytes is a linear map of the 32 bits of the state. For each power of two up
 * to a block the map is kept as four tables, one per byte of the state.
 */
import { assert } from "@xiplab/core";
import { crcRaw, crcZeros } from "../checksum.ts";

/** Runs shorter than 2^this zeros. */
const LENGTH_LOG_MAX = 13;

/** Bytes that are looked at together for being zero. */
const CHUNK_LOG = 8;
const CHUNK = 2 ** CHUNK_LOG;

const maps: Uint32Array[] = [];

/** Raw crc32c of `length` bytes from `at`, as `crcRaw`: faster where many are zero. HOT. */
export function crcSparse(seed: number, view: DataView, at: number, length: number): number {
  if (maps.length === 0) makeMaps();
  const chunkMap = maps[CHUNK_LOG]!;
  const end = at + length;
  let crc = seed;
  let start = at;
  let index = at;
  for (; index + CHUNK <= end; index += CHUNK) {
    if (view.getUint32(index) !== 0 || !isZero(view, index)) continue;
    if (index > start) crc = crcRaw(crc, view, start, index - start);
    crc = apply(chunkMap, crc) >>> 0;
    start = index + CHUNK;
  }
  return start < end ? crcRaw(crc, view, start, end - start) : crc;
}

function isZero(view: DataView, at: number): boolean {
  for (let index = at; index < at + CHUNK; index += 16) {
    const one = view.getUint32(index) | view.getUint32(index + 4);
    if ((one | view.getUint32(index + 8) | view.getUint32(index + 12)) !== 0) return false;
  }
  return true;
}

/** Raw crc32c over `length` zero bytes, fewer than 8192, chained from `crc`. HOT. */
export function crcZeroRun(crc: number, length: number): number {
  assert(length >= 0, "a run of zeros has a length");
  assert(length < 2 ** LENGTH_LOG_MAX, "a run of zeros is no longer than a block");
  if (maps.length === 0) makeMaps();
  let state = crc;
  for (let log = 0; length >>> log !== 0; log++) {
    if (((length >>> log) & 1) === 1) state = apply(maps[log]!, state);
  }
  return state >>> 0;
}

const apply = (map: Uint32Array, crc: number): number =>
  map[crc & 0xff]! ^
  map[256 + ((crc >>> 8) & 0xff)]! ^
  map[512 + ((crc >>> 16) & 0xff)]! ^
  map[768 + (crc >>> 24)]!;

function makeMaps(): void {
  let advance = (crc: number): number => crcZeros(crc, 1);
  for (let log = 0; log < LENGTH_LOG_MAX; log++) {
    const map = new Uint32Array(4 * 256);
    for (let index = 0; index < map.length; index++) {
      map[index] = advance(((index & 0xff) << (8 * (index >>> 8))) >>> 0);
    }
    maps.push(map);
    advance = (crc) => apply(map, apply(map, crc) >>> 0) >>> 0;
  }
}
