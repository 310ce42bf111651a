/**
 * The blocks of one file: a sorted map in memory, and the tree on the medium that it is read from.
 * Extent trees (extents.ts) and trees of indirect blocks (indirect.ts) are the two kinds.
 *
 * Lookups (`at`, `map`, `find`, `hasUnwritten` of ExtentMap) see memory alone. Changes go to the tree
 * first and to memory then, inside a handle of the caller; they allocate and free blocks of the tree,
 * and count those in `inode.blocks`. Data blocks are the caller's to allocate, free and count, and
 * the inode's record is the caller's to write, in the same handle.
 *
 * An error on the way leaves memory behind the tree: `dropMap` then (file-map.ts). ENOSPC does not:
 * it comes before any change that means something.
 */
import { type Extent, ExtentMap } from "@xiplab/core";
import type { Ext4Inode } from "./inode.ts";
import type { BlockRun, Volume } from "./volume.ts";

/** Files have blocks 0 to LBLK_MAX - 1. */
export const LBLK_MAX = 2 ** 32 - 1;

/** How unwritten blocks become written. */
export interface ConvertOptions {
  /** Blocks that the file has, with the size that is published in the same handle. What is converted
   * beyond the range that was asked for lies below it. */
  readonly endLblk: number;
  /** Convert up to 32 KiB around the range where that saves a split, zeroed here: what the kernel
   * does for blocks that it zeroes anyway. */
  readonly zeroout: boolean;
}

/** Blocks [first, end) of the file. */
export interface LblkRange {
  first: number;
  end: number;
}

/** Are all of these blocks on the device, and such as files may have? Data written to others would
 * be written over metadata. HOT. */
export function isData({ geometry, groups }: Volume, start: number, length: number): boolean {
  if (start <= geometry.firstDataBlock || start + length > geometry.blockCount) return false;
  return !groups.fixed.overlaps(start, start + length);
}

export abstract class FileMap extends ExtentMap {
  readonly volume: Volume;
  readonly inode: Ext4Inode;
  /** Has the format of the tree an unwritten state? */
  abstract readonly unwrittenState: boolean;
  /**
   * From here on blocks that memory has as written may be unwritten in the tree: a data path was
   * given them to copy into, beyond the end of the file. The tree follows when a size covers them.
   */
  aheadFrom = LBLK_MAX;

  constructor(volume: Volume, inode: Ext4Inode) {
    // Runs in memory have any length: what the medium must cut, a data path need not see.
    super(LBLK_MAX, LBLK_MAX);
    this.volume = volume;
    this.inode = inode;
  }

  /** Read and verify all of the tree. @throws CorruptionError; FsError EIO */
  abstract load(): void;

  /** Blocks from `lblk` on that one `insertBlocks` takes. */
  abstract runMax(lblk: number): number;
  /** Blocks that one `insertBlocks` changes at most, those of its allocations included. */
  abstract insertCredits(): number;
  /** Map [lblk, lblk + length), a hole. @throws FsError ENOSPC, EFBIG: nothing changed */
  abstract insertBlocks(lblk: number, length: number, pblk: number, unwritten: boolean): void;

  /** New blocks of the tree that `insertBlocks` at `lblk` takes. */
  abstract nodesNow(lblk: number): number;
  /** New blocks of the tree that `blocks` data blocks more, wherever they go, are likely to take. */
  abstract nodesFor(blocks: number): number;

  /** Blocks of the tree that one `removeBlocks` changes at most. */
  abstract removeCredits(first: number, end: number): number;
  /** Make [first, end) a hole. Returns what was there. @throws FsError ENOSPC: nothing changed */
  abstract removeBlocks(first: number, end: number): Extent[];

  /** Blocks that one conversion changes at most. */
  abstract convertCredits(first: number, end: number): number;
  /**
   * Make every unwritten block of [first, end) written. Does not fail for space: where a split has no
   * room, blocks around the range are zeroed and converted with it, or, beyond the end of the file,
   * given up; returns those that were, for the caller to free and to uncount.
   */
  abstract makeWritten(first: number, end: number, options: ConvertOptions): Extent[];
  /** As `makeWritten`, of what memory already has as written: the tree follows (`aheadFrom`). */
  abstract catchUp(first: number, end: number, options: ConvertOptions): Extent[];
  /** Make every written block of [first, end) unwritten. @throws FsError ENOSPC: nothing changed */
  abstract makeUnwritten(first: number, end: number): void;

  /** See that no entry of the tree has `lblk` inside. @throws FsError ENOSPC: nothing changed */
  abstract cutAt(lblk: number): void;
  /** Where one may cut [first, LBLK_MAX) to move it in pieces, sorted. */
  abstract shiftCuts(first: number): number[];
  /** Blocks of the tree that one `shiftBlocks` changes at most. */
  abstract shiftCredits(first: number, end: number): number;
  /**
   * Move [first, end) by `by` blocks, into a hole; `end` is one of `shiftCuts` or LBLK_MAX.
   * @throws FsError ENOSPC, EFBIG: nothing changed
   */
  abstract shiftBlocks(first: number, end: number, by: number): void;

  /** Blocks that one `replaceBlocks` changes at most. */
  abstract replaceCredits(first: number, runs: readonly BlockRun[]): number;
  /** Put `runs`, written, one after the other from `first` on, in the place of what is there.
   * Returns what was. @throws FsError ENOSPC: nothing changed */
  abstract replaceBlocks(first: number, runs: readonly BlockRun[]): Extent[];
}
