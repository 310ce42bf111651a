/**
 * The door between a data path and a personality. The personality answers one question, the largest
 * range at a position, in bytes, into the caller's struct; every verb of the core is a driver plus
 * a body per range.
 *
 * The GXM flags were never published beyond their names (Wilcox to Chinner, linux-fsdevel, 6 Dec
 * 2013), so their meaning is defined here.
 */
import type { DevByte } from "./units.ts";
import type { Mapping } from "./inode.ts";

/** Back a hole with blocks. They come unwritten if the format has such a state, else zeroed. */
export const GXM_CREATE = 0x1;
/** `length` foretells how much follows: choose one contiguous extent for all of it now. */
export const GXM_HINT = 0x2;
/** The caller commits to overwrite the range: make it written now, before the copy. */
export const GXM_ALLOC = 0x4;
/** And have it read as zeros; they are durable before that is. Implies GXM_ALLOC. */
export const GXM_ZERO = 0x8;

/** No blocks. Reads as zeros. `offset` is meaningless. */
export const XIP_HOLE = 0;
/** Blocks that belong to the file and read as zeros until they are converted. */
export const XIP_UNWRITTEN = 1;
/** Blocks with data. */
export const XIP_WRITTEN = 2;
/**
 * Blocks that this very call made written, for the first time. With GXM_ZERO they hold zeros; with
 * GXM_ALLOC alone whatever was on the medium. Translations of the range must be revoked.
 */
export const XIP_FRESH = 3;
export const XipStateNames = ["hole", "unwritten", "written", "fresh"] as const;
export type XipState = 0 | 1 | 2 | 3;

/** The answer of getXipMem: owned by the caller, filled by the personality. */
export interface XipRange {
  /** Device byte that backs `pos`; -1 for a hole. */
  offset: DevByte;
  /** Bytes from `pos` that are contiguous on the device and in one state. At least 1. */
  length: number;
  state: XipState;
  /** The personality's own, carried from getXipMem to xipComplete or from xipStage to xipSwap. */
  cookie: number;
}

export const newXipRange = (): XipRange => ({
  offset: -1 as DevByte,
  length: 0,
  state: XIP_HOLE,
  cookie: 0,
});

/** How a copy ended, for the completion hook. */
export interface XipOutcome {
  /** Bytes that were asked for in this range. `copied` of xipComplete may be less, or 0. */
  requested: number;
  /** Size to publish in the same transaction; the present diskSize where it does not move. */
  newSize: number;
}

/**
 * Address-space operations of a personality. Positions and lengths are bytes; a range that a
 * personality is asked to change covers the blocks that it touches.
 *
 * What a call changed is durable when it returns in a design with `synchronousMetadata`; in another
 * one it is part of a transaction, atomic and in order with all before it, and durable after fsync
 * (see FileSystem). So whoever promises durability (MAP_SYNC, msync, O_SYNC) calls fsync.
 *
 * `newSize` is the file size that becomes durable with the change, never below `inode.diskSize`.
 * With the change the personality calls `inode.publishSize(newSize)`; a data path that goes
 * through here never assigns `size` itself, except the page cache, whose `size` runs ahead.
 */
export interface MappingOperations {
  /**
   * Answer the largest range at `pos` into `out`, at most `length` bytes for a lookup, and first
   * do what `flags` ask (GXM_*; 0 only looks). With GXM_CREATE and more, the answer may be shorter
   * than `length`, never longer; the caller asks again for the rest.
   * @throws FsError ENOSPC, EFBIG; EROFS on a read-only mount.
   */
  getXipMem(mapping: Mapping, pos: number, length: number, flags: number, out: XipRange): void;

  /**
   * The completion hook: the caller copied `copied` bytes to the range that `out` describes, and
   * they are durable. Converts the blocks that [pos, pos+copied) touches, and publishes
   * `outcome.newSize`, in one transaction. Called for short and failed copies too (copied = 0: undo
   * what creation prepared, or leave it unwritten).
   */
  xipComplete(
    mapping: Mapping,
    pos: number,
    copied: number,
    out: XipRange,
    outcome: XipOutcome,
  ): void;

  /**
   * Convert every unwritten block that [pos, pos+length) touches and publish `newSize`, in one
   * transaction, however many extents that is: what a wrapper around the write path calls once.
   */
  xipConvert(mapping: Mapping, pos: number, length: number, newSize: number): void;

  /** Publish the size; blocks stay as they are. */
  setSize(mapping: Mapping, newSize: number): void;

  /**
   * Out-of-place write, first half: blocks that belong to nobody yet, for the block-aligned range
   * at `pos`. `out` has the device range and a cookie; it may be shorter than asked. Volatile: after
   * a power cut they are free again.
   * @throws FsError ENOSPC
   */
  xipStage(mapping: Mapping, pos: number, length: number, out: XipRange): void;

  /**
   * Second half: put the staged ranges in the place of what the file has from block-aligned `pos`
   * on, one after the other, as written, and publish `newSize`, in one transaction. Then free the
   * old blocks: they must not be anybody else's before that is durable. The caller has made the
   * data durable.
   */
  xipSwap(mapping: Mapping, pos: number, staged: readonly XipRange[], newSize: number): void;

  /** Give staged blocks back: the write failed. */
  xipUnstage(mapping: Mapping, staged: readonly XipRange[]): void;

  /** Promise that `blocks` more data blocks, and what metadata they need, can be allocated later. */
  reserve(mapping: Mapping, blocks: number): void;
  /** Take a promise back: the blocks are about to be allocated, or will never be. */
  unreserve(mapping: Mapping, blocks: number): void;
}
