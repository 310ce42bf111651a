/**
 * What stands in for the journal on images that have none: a commit writes the blocks home. A power
 * cut in the middle leaves a part of them, as on ext2: such an image needs fsck.
 */
import { type Pblk, PURPOSE_METADATA } from "@xiplab/core";
import { Transactions } from "./transactions.ts";

/** Blocks of a transaction before it is written, to bound memory. */
const BLOCKS_MAX = 4096;

export class WithoutJournal extends Transactions {
  readonly creditsMax = BLOCKS_MAX;

  protected makeRoom(credits: number): void {
    if (this.dirty.length + credits > BLOCKS_MAX) this.commit();
  }

  protected writeTransaction(): void {
    const { device, geometry } = this.buffers;
    for (const { bytes, pblk } of this.dirty) {
      const home = geometry.pblkToDevByte(pblk);
      device.storeNonTemporal(home, bytes!, 0, geometry.blockSize, PURPOSE_METADATA);
    }
    // COMMIT POINT, as far as there is one.
    device.fence();
    for (const buffer of this.dirty) this.buffers.settle(buffer);
  }

  checkpoint(): void {
    this.commit();
  }

  revoke(pblk: Pblk): void {
    const index = this.dirty.findIndex((buffer) => buffer.pblk === pblk);
    if (index >= 0) this.dirty.splice(index, 1);
  }
}
