/**
 * CRC-32 with the most significant bit first, as checksum version 1 of jbd2 has it: only old
 * journals, only read. Polynomial 0x04c11db7, no inversion.
 */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

/** Chained from `crc`; 0xffffffff to begin with. */
export function crc32Be(crc: number, view: DataView, at: number, length: number): number {
  let state = crc;
  for (let index = at; index < at + length; index++) {
    state = (state << 8) ^ TABLE[((state >>> 24) ^ view.getUint8(index)) & 0xff]!;
  }
  return state >>> 0;
}
