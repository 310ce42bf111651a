/** The state of one write() on its way through the driver and its protocol. */
import type { PmemDevice } from "../spec/device.ts";
import { Inode } from "../spec/inode.ts";
import { NO_INO } from "../spec/units.ts";
import { newXipRange, type XipOutcome, type XipRange } from "../spec/xip.ts";
import type { Backing } from "./ranges.ts";

/** One write() on its way. The data path has one such object and fills it anew for each call. */
export interface WriteCall {
  readonly backing: Backing;
  readonly device: PmemDevice;
  /** The last answer of the personality. */
  readonly range: XipRange;
  readonly outcome: XipOutcome;
  inode: Inode;
  /** Where the call began. */
  begin: number;
  /** File position of the next byte. */
  pos: number;
  source: Uint8Array;
  /** The next byte in `source`. */
  start: number;
  /** Bytes to go. */
  length: number;
  /** Data was copied into blocks that are still unwritten. */
  unconverted: boolean;
}

/** What a call holds of the caller's memory when it is over. */
export const NO_BYTES = new Uint8Array(0);
const NO_INODE = new Inode(NO_INO);

/** The call object of a mount: filled anew by each write(). */
export const newWriteCall = (backing: Backing): WriteCall => ({
  backing,
  device: backing.device,
  range: newXipRange(),
  outcome: { requested: 0, newSize: 0 },
  inode: NO_INODE,
  begin: 0,
  pos: 0,
  source: NO_BYTES,
  start: 0,
  length: 0,
  unconverted: false,
});
