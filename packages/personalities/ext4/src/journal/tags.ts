/** The tags of descriptor blocks, in the four forms that features of the journal give them. */
import * as j from "../format/jbd2.ts";
import { TAG, TAG3 } from "../format/jbd2.ts";
import type { JournalSuperblock } from "./journal-superblock.ts";

const TWO_32 = 2 ** 32;

export class TagFormat {
  /** Of checksums. */
  readonly version: 0 | 1 | 2 | 3;
  readonly isWide: boolean;
  /** Bytes of a tag. */
  readonly size: number;
  /** Bytes of the checksum at the end of descriptor and revoke blocks. */
  readonly tailSize: number;
  /** Tags that a descriptor block has room for. */
  readonly perBlock: number;

  constructor(journal: JournalSuperblock) {
    this.version = journal.checksumVersion;
    this.isWide = journal.isWide;
    this.tailSize = this.version >= 2 ? 4 : 0;
    if (this.version === 3) this.size = 16;
    else this.size = (this.isWide ? 12 : 8) + (this.version === 2 ? 2 : 0);
    const room = journal.blockSize - j.JBD2_HEADER_SIZE - j.TAG_UUID_SIZE - this.tailSize;
    this.perBlock = Math.floor(room / this.size);
  }

  /** HOT. */
  pblk(view: DataView, at: number): number {
    if (this.version === 3) {
      const high = this.isWide ? TAG3.blockHigh.get(view, at) * TWO_32 : 0;
      return high + TAG3.block.get(view, at);
    }
    const high = this.isWide ? TAG.blockHigh.get(view, at) * TWO_32 : 0;
    return high + TAG.block.get(view, at);
  }

  flags(view: DataView, at: number): number {
    return this.version === 3 ? TAG3.flags.get(view, at) : TAG.flags.get(view, at);
  }

  checksum(view: DataView, at: number): number {
    return this.version === 3 ? TAG3.checksum.get(view, at) : TAG.checksum.get(view, at);
  }

  /** As a tag holds it: version 2 has room for the low half. */
  fold(checksum: number): number {
    if (this.version === 3) return checksum;
    return this.version === 2 ? checksum & 0xffff : 0;
  }

  /** HOT. `checksum` as `fold` gives it. */
  set(view: DataView, at: number, pblk: number, flags: number, checksum: number): void {
    const high = Math.floor(pblk / TWO_32);
    if (this.version === 3) {
      TAG3.block.set(view, at, pblk % TWO_32);
      TAG3.flags.set(view, at, flags);
      TAG3.blockHigh.set(view, at, high);
      TAG3.checksum.set(view, at, checksum);
    } else {
      TAG.block.set(view, at, pblk % TWO_32);
      TAG.checksum.set(view, at, checksum);
      TAG.flags.set(view, at, flags);
      if (this.isWide) TAG.blockHigh.set(view, at, high);
    }
  }
}
