/**
 * What stands in for the journal on images that have none: a commit writes the blocks home. A power
 * cut in the middle leaves a part of them, as on ext2: such an image needs fsck.
 */
import { PURPOSE_METADATA } from "@xiplab/core";
import { Transactions } from "./transactions.ts";

/** Blocks of a transaction before it is written, to bound memory. */
const BLOCKS_MAX = 4096;

export class WithoutJournal extends Transactions {
  readonly creditsMax = BLOCKS_MAX;

  checkpoint(): void {
    this.commit();
  }

  protected makeRoom(credits: number): void {
    if (this.blocks + credits > BLOCKS_MAX) this.commit();
  }

  protected writeTransaction(): boolean {
    const { device, geometry } = this.buffers;
    if (this.dirty.length === 0) return false;
    for (const { bytes, pblk } of this.dirty) {
      const home = geometry.pblkToDevByte(pblk);
      device.storeNonTemporal(home, bytes!, 0, geometry.blockSize, PURPOSE_METADATA);
    }
    // COMMIT POINT, as far as there is one.
    device.fence();
    for (const buffer of this.dirty) {
      buffer.tid = 0;
      this.buffers.settle(buffer);
    }
    this.dirty.length = 0;
    return true;
  }

  protected joined(): void {}

  protected forgotten(): void {}
}
