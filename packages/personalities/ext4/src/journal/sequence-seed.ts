/** The checksum of a block in the log starts from the journal's seed and the transaction's number. */
import { crcU32 } from "../checksum.ts";

const swap = new DataView(new ArrayBuffer(4));

/** The number is big-endian there. */
export function sequenceSeed(seed: number, sequence: number): number {
  swap.setUint32(0, sequence >>> 0);
  return crcU32(seed, swap.getUint32(0, true));
}
