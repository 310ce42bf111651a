/** Files whose blocks are named by pointers: twelve in the inode, and trees of indirect blocks. */
import { type Extent, FsError } from "@xiplab/core";
import { FileMap } from "./block-map.ts";

export class IndirectTree extends FileMap {
  readonly unwrittenState = false;
  readonly endMax = 12;

  load(): void {
    throw new FsError("EOPNOTSUPP", "files without extents");
  }
  insertCredits(): number {
    return 0;
  }
  insertBlocks(): void {}
  removeCredits(): number {
    return 0;
  }
  removeBlocks(): Extent[] {
    return [];
  }
  convertCredits(): number {
    return 0;
  }
  makeWritten(): Extent[] {
    return [];
  }
  catchUp(): Extent[] {
    return [];
  }
  makeUnwritten(): void {}
  shiftCredits(): number {
    return 0;
  }
  shiftBlocks(): void {}
  replaceCredits(): number {
    return 0;
  }
  replaceBlocks(): Extent[] {
    return [];
  }
}
