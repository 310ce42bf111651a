/**
 * The map of a file, and what all kinds of files need of it: directories, symlinks, regular files.
 *
 * Blocks go in pieces: a handle frees what its credits allow, from the end of the file backwards, so
 * that whatever a power cut leaves is a shorter file. Whoever needs all or nothing puts the inode on
 * the orphan list first.
 */
import { assert, FsError, isRegular, type Pblk } from "@xiplab/core";
import { type FileMap, LBLK_MAX } from "./block-map.ts";
import { ExtentTree } from "./extents.ts";
import { FL_EXTENTS } from "./format/inode.ts";
import { IndirectTree } from "./indirect.ts";
import { writeInode } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import type { BlockRequest, BlockRun, Volume } from "./volume.ts";

/** Block of an inode record, and what it may share: of every handle that writes an inode. */
const INODE_CREDITS = 1;

/** The map of a file, loaded and verified at first use. HOT. @throws CorruptionError; FsError EIO */
export function fileMap(volume: Volume, inode: Ext4Inode): FileMap {
  return inode.map ?? loadMap(volume, inode);
}

function loadMap(volume: Volume, inode: Ext4Inode): FileMap {
  const hasExtents = (inode.flags & FL_EXTENTS) !== 0;
  const map = hasExtents ? new ExtentTree(volume, inode) : new IndirectTree(volume, inode);
  map.load();
  inode.map = map;
  return map;
}

/** Forget what memory has: the next question reads the medium. */
export function dropMap(inode: Ext4Inode): void {
  inode.map = null;
}

/** The device block of `lblk`, or 0 for a hole. HOT. */
export function mapBlock(volume: Volume, inode: Ext4Inode, lblk: number): number {
  const extent = fileMap(volume, inode).at(lblk);
  return extent.lblk > lblk ? 0 : extent.pblk + lblk - extent.lblk;
}

/**
 * A handle that changes the blocks of the inode. An error but ENOSPC leaves memory behind the tree:
 * it is forgotten then. @throws what `body` throws; FsError EROFS
 */
export function changeBlocks<T>(
  volume: Volume,
  inode: Ext4Inode,
  credits: number,
  body: () => T,
): T {
  if (volume.readOnly) throw new FsError("EROFS");
  try {
    return volume.journal.run(credits, body);
  } catch (error) {
    if (!(error instanceof FsError && error.code === "ENOSPC")) dropMap(inode);
    throw error;
  }
}

/** Try again after a commit where one gives space. For callers outside handles. */
export function retryForSpace<T>(volume: Volume, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const isFull = error instanceof FsError && error.code === "ENOSPC";
    if (!isFull || volume.journal.running || !volume.balloc.wouldCommitHelp) throw error;
  }
  volume.journal.commit();
  return body();
}

/** How blocks are taken: as in BlockRequest. */
export interface Filling {
  readonly whole: boolean;
  readonly exact: boolean;
  readonly noFail: boolean;
}

/** What to ask the allocator for blocks from `lblk` on: near those of the file around it. */
export function blockRequest(
  map: FileMap,
  lblk: number,
  length: number,
  { whole, exact, noFail }: Filling,
): BlockRequest {
  const { geometry } = map.volume;
  const index = map.find(lblk);
  const left = map.list[index - 1];
  const right = map.list[index];
  const asked = { inode: map.inode, lblk, length, reserved: false, whole, exact, noFail };
  if (right !== undefined && right.lblk <= lblk) {
    // Out of place: near what is replaced, and next to nothing.
    return { ...asked, exact: true, goal: right.pblk + lblk - right.lblk };
  }
  let goal = 0;
  // Where the block would stand if the file were laid out in one piece.
  if (left !== undefined) goal = left.pblk + (lblk - left.lblk);
  else if (right !== undefined) goal = right.pblk - (right.lblk - lblk);
  if (goal < geometry.firstDataBlock || goal >= geometry.blockCount) goal = 0;
  return {
    ...asked,
    goal,
    ...(left === undefined
      ? {}
      : { leftLblk: left.lblk + left.length - 1, leftPblk: left.pblk + left.length - 1 }),
    ...(right === undefined ? {} : { rightLblk: right.lblk, rightPblk: right.pblk }),
  };
}

/**
 * Give blocks to the start of the hole [first, end), and put them into the map. Returns the block
 * behind them. Inside a handle; the caller writes the inode.
 * @throws FsError ENOSPC, EFBIG: nothing changed
 */
export function fillHole(
  map: FileMap,
  first: number,
  end: number,
  unwritten: boolean,
  filling: Filling,
  before?: (run: BlockRun) => void,
): number {
  const { inode, volume } = map;
  const run: BlockRun = { start: 0, length: 0 };
  const most = Math.min(end - first, map.runMax(first));
  volume.balloc.allocate(blockRequest(map, first, most, filling), run);
  assert(run.length > 0, "an allocation has blocks");
  assert(run.length <= most, "an allocation is no longer than asked");
  try {
    before?.(run);
    map.insertBlocks(first, run.length, run.start, unwritten);
  } catch (error) {
    volume.balloc.free(run.start, run.length);
    throw error;
  }
  inode.blocks += run.length;
  return first + run.length;
}

/** Credits of one `addBlock`, the inode's record included. */
export function creditsForBlock(volume: Volume, inode: Ext4Inode): number {
  return fileMap(volume, inode).insertCredits() + INODE_CREDITS;
}

/**
 * Give the hole at `lblk` one written block, for metadata: the caller makes its contents with
 * `buffers.create`, sets the size and writes the inode. Inside a handle.
 * @throws FsError ENOSPC, EFBIG: nothing changed
 */
export function addBlock(volume: Volume, inode: Ext4Inode, lblk: number): number {
  assert(volume.journal.running, "blocks are added inside handles");
  const map = fileMap(volume, inode);
  fillHole(map, lblk, lblk + 1, false, { whole: false, exact: false, noFail: false });
  return map.map(lblk);
}

/** Make [first, end) a hole and free its blocks. Inside a handle; the caller writes the inode. */
export function freeRange(map: FileMap, first: number, end: number): void {
  freeExtents(map, map.removeBlocks(first, end));
}

/** Blocks that the file does not have any more. Inside a handle; the caller writes the inode. */
export function freeExtents(map: FileMap, extents: ReadonlyArray<Readonly<BlockRunOf>>): void {
  const { inode, volume } = map;
  // Blocks of directories and symlinks are metadata: what the log has of them is void.
  const isMetadata = !isRegular(inode.mode);
  for (const { length, pblk } of extents) {
    if (isMetadata) forgetRun(volume, pblk, length);
    volume.balloc.free(pblk, length);
    inode.blocks -= length;
  }
}

function forgetRun({ buffers }: Volume, pblk: number, length: number): void {
  for (let block = pblk; block < pblk + length; block++) buffers.forget(block as Pblk);
}

interface BlockRunOf {
  readonly pblk: number;
  readonly length: number;
}

/** Blocks that freeing [first, end) in one handle changes: tree, bitmaps, descriptors, inode. */
export const removeCredits = (map: FileMap, first: number, end: number): number =>
  map.removeCredits(first, end) + dataCredits(map, first, end) + INODE_CREDITS;

/** Bitmaps and descriptors that freeing the data blocks of [first, end) changes. */
export function dataCredits(map: FileMap, first: number, end: number): number {
  const { list, volume } = map;
  let groups = 0;
  for (let index = map.find(first); index < list.length; index++) {
    const extent = list[index]!;
    if (extent.lblk >= end) break;
    groups += groupsOf(volume, extent);
  }
  return 2 * Math.min(groups, volume.groups.count);
}

/** Groups that a run is in. */
const groupsOf = ({ geometry }: Volume, { length, pblk }: Readonly<BlockRunOf>): number =>
  geometry.groupOf(pblk + length - 1) - geometry.groupOf(pblk) + 1;

/**
 * Free [first, end), in as many handles as it takes, from the end; the inode is written in each, and
 * `finish` runs in the last. Inside a handle of the caller it is one.
 * @throws FsError ENOSPC, before anything changed, where an extent must be cut in two
 */
export function removeRange(
  map: FileMap,
  first: number,
  end: number,
  extraCredits: number,
  finish: () => void,
): void {
  const { inode, volume } = map;
  for (let stop = end; ;) {
    const from = pieceStart(map, first, stop, extraCredits);
    // The caller's handle has them.
    const credits = volume.journal.running ? 0 : removeCredits(map, from, stop) + extraCredits;
    changeBlocks(volume, inode, credits, () => {
      freeRange(map, from, stop);
      if (from === first) finish();
      writeInode(volume, inode);
    });
    if (from === first) return;
    stop = from;
  }
}

/** Where a piece of [first, end) starts that one handle can free: `first` if all of it fits. */
export function pieceStart(map: FileMap, first: number, end: number, extra: number): number {
  const { journal } = map.volume;
  if (journal.running) return first;
  const budget = Math.max(16, Math.floor(journal.creditsMax / 2) - extra);
  if (removeCredits(map, first, end) <= budget) return first;
  for (let most = budget / 4; ; most /= 2) {
    const from = lastPiece(map, first, end, most);
    if (most < 4 || removeCredits(map, from, end) <= budget) return from;
  }
}

/** The last extents of [first, end) that are in at most so many groups, one counted per extent. */
function lastPiece(map: FileMap, first: number, end: number, groupsMax: number): number {
  const { geometry } = map.volume;
  let from = end;
  let groups = 0;
  for (let index = map.find(end - 1); index >= 0; index--) {
    const extent = map.list[index];
    if (extent === undefined || extent.lblk >= end) continue;
    if (extent.lblk + extent.length <= first) return first;
    groups += groupsOf(map.volume, extent);
    if (groups > groupsMax) {
      if (from < end) return from;
      const length = Math.max(1, Math.floor(groupsMax)) * geometry.blocksPerGroup;
      const stop = Math.min(end, extent.lblk + extent.length);
      return Math.max(first, extent.lblk, stop - length);
    }
    from = Math.max(first, extent.lblk);
  }
  return first;
}

/**
 * Free all blocks from `firstLblk` on and write the inode's record. In several handles where one is
 * too small: the caller has put the inode on the orphan list then. Inside a handle of the caller it
 * is one, which needs `creditsForTruncate`.
 */
export function truncateBlocks(volume: Volume, inode: Ext4Inode, firstLblk: number): void {
  const map = fileMap(volume, inode);
  removeRange(map, firstLblk, LBLK_MAX, 0, () => {});
}

/** Blocks that `truncateBlocks` would change in one handle. */
export function creditsForTruncate(volume: Volume, inode: Ext4Inode, firstLblk: number): number {
  return removeCredits(fileMap(volume, inode), firstLblk, LBLK_MAX);
}
