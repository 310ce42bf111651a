/**
 * The checksum of a run of zeros without looking at them: what makes the checksum of a nearly empty
 * block (commit, descriptor) cost what its content costs.
 *
 * Going on over n zero bytes is a linear map of the 32 bits of the state. For each power of two up
 * to a block the map is kept as four tables, one per byte of the state.
 */
import { assert } from "@xiplab/core";
import { crcZeros } from "../checksum.ts";

/** Runs shorter than 2^this zeros. */
const LENGTH_LOG_MAX = 13;

const maps: Uint32Array[] = [];

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
