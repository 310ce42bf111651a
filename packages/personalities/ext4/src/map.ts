/**
 * The only door from the data paths: the address-space operations, and what else changes the blocks
 * of a file.
 *
 *   hole → unwritten      getXipMem with GXM_CREATE, fallocate
 *   unwritten → written   getXipMem with GXM_ALLOC or GXM_ZERO, xipComplete, xipConvert
 *   staged → written      xipSwap: blocks of nobody take the place of what the file has
 *
 * Each arrow joins the running transaction, in order, and is durable with its commit. Data goes to
 * its place by non-temporal stores and never through the log; a commit fences first, so that what
 * was stored before it, zeros too, is durable before the metadata that leads there.
 *
 * No block that lies wholly beyond the end of the file is written on the medium: a power cut would
 * leave an inode that fsck calls wrong, or stale blocks that a later growth shows. Where a data path
 * must have such blocks written before it publishes the size (GXM_ALLOC, GXM_ZERO) they are so in
 * memory alone until the size comes (`FileMap.aheadFrom`). Files without an unwritten state are
 * orphans meanwhile, which the next mount cuts off at their size.
 *
 * What one transaction cannot take goes in several. Each leaves a sound file, and a power cut
 * between two of them one that is half way:
 *
 *   truncate          has the new size: the inode is an orphan meanwhile, and the mount goes on
 *   conversions       the front of the range is written, and the size goes as far as that
 *   PUNCH_HOLE        the back of the range is a hole
 *   ZERO_RANGE        the front of the range reads as zeros
 *   COLLAPSE_RANGE    has the old size. The back of the range, or all of it, is a hole, which may
 *                     have moved on: what is before it is in its new place, the rest in its old one
 *   INSERT_RANGE      has the new size. The hole has not come to its place yet: what is behind it is
 *                     in its new place, what is before it in its old one
 *
 * So it is in Linux, which moves leaf by leaf too. A small file is moved in one piece.
 *
 * With data=writeback (`ordered` off) and delayed allocation, holes inside the file get written
 * blocks at once, as the kernel gives them without dioread_nolock: a power cut between a commit and
 * the copy shows what the medium held there before. This is the mode's known hazard. Where blocks
 * are allocated before the copy (nodelalloc) a read of the rest of the run would show the same even
 * without a power cut, so they come unwritten there in both modes.
 */
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
} from "@xiplab/core";
import { FALLOC_FL_PUNCH_HOLE, FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_ZERO_RANGE } from "@xiplab/core";
import { assert, type DevByte, FsError, GXM_ALLOC, GXM_CREATE, GXM_HINT } from "@xiplab/core";
import { GXM_ZERO, type Mapping, PURPOSE_ZEROING, XIP_FRESH, XIP_HOLE } from "@xiplab/core";
import { XIP_UNWRITTEN, XIP_WRITTEN, type XipOutcome, type XipRange } from "@xiplab/core";
import { type ConvertOptions, type FileMap, LBLK_MAX, type LblkRange } from "./block-map.ts";
import {
  blockRequest,
  changeBlocks,
  type Filling,
  dropMap,
  fileMap,
  fillHole,
  freeExtents,
} from "./file-map.ts";
import {
  dataCredits,
  freeRange,
  pieceStart,
  removeCredits,
  removeRange,
  retryForSpace,
} from "./file-map.ts";
import { writeInode } from "./inode-io.ts";
import { isPromising, promisedNow, redeem, redeemNodes, settlePromises } from "./promises.ts";
import type { Ext4Inode } from "./inode.ts";
import { addOrphan, ORPHAN_CREDITS, removeOrphan } from "./orphan.ts";
import type { BlockRun, Volume } from "./volume.ts";

/** Of a preallocation: all of what is asked for, and no more. */
const EXACTLY: Filling = { whole: true, exact: true, noFail: false };
const FREELY: Filling = { whole: true, exact: false, noFail: false };
/** The inode's record, and the orphan list. */
const INODE_CREDITS = 1 + ORPHAN_CREDITS;
/** Most blocks of one out-of-place run. */
const STAGE_MAX = 32767;

/** As MappingOperations.getXipMem. HOT. */
export function getXipMem(
  volume: Volume,
  mapping: Mapping,
  pos: number,
  length: number,
  flags: number,
  out: XipRange,
): void {
  const { blockSize } = volume.geometry;
  const inode = mapping.inode as Ext4Inode;
  const map = inode.map ?? fileMap(volume, inode);
  const lblk = Math.floor(pos / blockSize);
  const extent = map.at(lblk);
  if (extent.lblk > lblk) {
    out.state = XIP_HOLE;
    out.offset = -1 as DevByte;
    out.length = Math.min(length, extent.lblk * blockSize - pos);
  } else {
    out.state = extent.unwritten ? XIP_UNWRITTEN : XIP_WRITTEN;
    out.offset = ((extent.pblk - extent.lblk) * blockSize + pos) as DevByte;
    out.length = Math.min(length, (extent.lblk + extent.length) * blockSize - pos);
  }
  const wanted = out.state === XIP_HOLE ? GXM_CREATE : GXM_ALLOC | GXM_ZERO;
  if (out.state !== XIP_WRITTEN && (flags & wanted) !== 0) {
    prepare(volume, inode, pos, flags, out);
  }
}

/** Do what `flags` ask, to the blocks that the hole or unwritten range `out` touches. */
function prepare(
  volume: Volume,
  inode: Ext4Inode,
  pos: number,
  flags: number,
  out: XipRange,
): void {
  const { blockSize } = volume.geometry;
  const first = Math.floor(pos / blockSize);
  let end = Math.ceil((pos + out.length) / blockSize);
  const endLblk = blocksOf(volume, inode.diskSize);
  // Inside the file and beyond its end are different things.
  if (first < endLblk && endLblk < end) end = endLblk;
  const hole = out.state === XIP_HOLE;
  end = retryForSpace(volume, () =>
    hole
      ? createRange(volume, inode, first, end, flags)
      : allocRange(volume, inode, first, end, flags),
  );
  const extent = fileMap(volume, inode).at(first);
  const written = !extent.unwritten;
  assert(extent.lblk <= first, "a range that was prepared has blocks");
  out.state = written ? XIP_FRESH : XIP_UNWRITTEN;
  out.offset = ((extent.pblk - extent.lblk) * blockSize + pos) as DevByte;
  out.length = Math.min(out.length, end * blockSize - pos);
}

/** Blocks that a file of `size` bytes has. */
const blocksOf = (volume: Volume, size: number): number =>
  Math.ceil(size / volume.geometry.blockSize);

/** Give blocks to the start of the hole [first, end). Returns the block behind them. */
function createRange(
  volume: Volume,
  inode: Ext4Inode,
  first: number,
  end: number,
  flags: number,
): number {
  const map = fileMap(volume, inode);
  const beyond = first >= blocksOf(volume, inode.diskSize);
  const asked = (flags & (GXM_ALLOC | GXM_ZERO)) !== 0;
  const direct = !volume.options.ordered && isPromising(volume) && !beyond;
  const written = !map.unwrittenState || asked || direct;
  const unwritten = !written || (beyond && map.unwrittenState);
  const zeroed = (flags & GXM_ZERO) !== 0 || !map.unwrittenState;
  const whole = (flags & GXM_HINT) !== 0;
  const promised = promisedNow(volume, inode);
  const noFail = promised > 0;
  const stop = noFail ? Math.min(end, first + promised) : end;
  if (noFail) redeemNodes(map, first);
  const credits = map.insertCredits() + INODE_CREDITS;
  return changeBlocks(volume, inode, credits, () => {
    const filling = { whole, exact: false, noFail };
    const behind = fillHole(map, first, stop, unwritten, filling, (run) => {
      if (zeroed) zeroRun(volume, run.start, run.length);
    });
    if (noFail) redeem(map, behind - first);
    if (written && beyond) goAhead(map, first, behind);
    writeInode(volume, inode);
    return behind;
  });
}

/** Make the start of [first, end), which is unwritten, written. Returns the block behind it. */
function allocRange(
  volume: Volume,
  inode: Ext4Inode,
  first: number,
  end: number,
  flags: number,
): number {
  const map = fileMap(volume, inode);
  const endLblk = blocksOf(volume, inode.diskSize);
  const zeroed = (flags & GXM_ZERO) !== 0;
  const stop = convertEnd(map, first, end);
  const credits = map.convertCredits(first, stop) + INODE_CREDITS;
  changeBlocks(volume, inode, credits, () => {
    // Zeros come before the state, in the same handle: decided once, so stored once (I1, I4).
    if (zeroed) zeroRun(volume, map.map(first), stop - first);
    if (first >= endLblk) return goAhead(map, first, stop);
    freeExtents(map, map.makeWritten(first, stop, { endLblk, zeroout: zeroed }));
    writeInode(volume, inode);
  });
  return stop;
}

/** Blocks beyond the end of the file are given to be written before a size covers them. */
function goAhead(map: FileMap, first: number, end: number): void {
  if (map.unwrittenState) {
    map.convert(first, end, false);
    map.aheadFrom = Math.min(map.aheadFrom, first);
  } else {
    addOrphan(map.volume, map.inode);
  }
}

function zeroRun(volume: Volume, pblk: number, length: number): void {
  const { device, geometry } = volume;
  device.zero(geometry.pblkToDevByte(pblk), length * geometry.blockSize, PURPOSE_ZEROING);
}

/** As MappingOperations.xipComplete. */
export function xipComplete(
  volume: Volume,
  mapping: Mapping,
  pos: number,
  copied: number,
  _out: XipRange,
  outcome: XipOutcome,
): void {
  xipConvert(volume, mapping, pos, copied, outcome.newSize);
}

/** As MappingOperations.xipConvert. What one transaction cannot take goes in several, each with the
 * part of the size that it covers. */
export function xipConvert(
  volume: Volume,
  mapping: Mapping,
  pos: number,
  length: number,
  newSize: number,
): void {
  const inode = mapping.inode as Ext4Inode;
  const { blockSize } = volume.geometry;
  const map = fileMap(volume, inode);
  const first = Math.floor(pos / blockSize);
  const end = length === 0 ? first : Math.ceil((pos + length) / blockSize);
  if (!map.hasUnwritten(first, end)) {
    if (newSize !== inode.diskSize) convertPiece(map, end, end, newSize);
    return;
  }
  assert(end <= blocksOf(volume, newSize), "what becomes written is inside the file");
  for (let at = first; at < end;) {
    const stop = convertEnd(map, at, end);
    const size = stop === end ? newSize : Math.max(inode.diskSize, stop * blockSize);
    convertPiece(map, at, stop, Math.min(size, newSize));
    at = stop;
  }
}

/** Where a piece of [first, end) ends that one handle can convert. */
function convertEnd(
  map: FileMap,
  first: number,
  end: number,
  budget: number = map.volume.journal.creditsMax / 2,
): number {
  let stop = end;
  while (stop - first > 1 && map.convertCredits(first, stop) > budget) {
    stop = first + Math.ceil((stop - first) / 2);
  }
  return stop;
}

function convertPiece(map: FileMap, first: number, end: number, newSize: number): void {
  const { inode, volume } = map;
  catchUpInPieces(map, newSize);
  const options: ConvertOptions = { endLblk: blocksOf(volume, newSize), zeroout: false };
  const ahead = aheadEnd(map, options.endLblk);
  const own = first < end ? map.convertCredits(first, end) : 0;
  changeBlocks(volume, inode, own + aheadCredits(map, ahead) + INODE_CREDITS, () => {
    if (first < end) freeExtents(map, map.makeWritten(first, end, options));
    publish(map, newSize, ahead, options);
  });
}

/** As MappingOperations.setSize. */
export function setSize(volume: Volume, mapping: Mapping, newSize: number): void {
  xipConvert(volume, mapping, 0, 0, newSize);
}

/** Where blocks that are ahead of the tree, and that `endLblk` covers, end. */
const aheadEnd = (map: FileMap, endLblk: number): number =>
  map.aheadFrom < endLblk ? endLblk : map.aheadFrom;

const aheadCredits = (map: FileMap, end: number): number =>
  map.aheadFrom < end ? map.convertCredits(map.aheadFrom, end) : 0;

/** Before `newSize` is published: what of the blocks ahead of the tree one handle cannot take
 * along goes in handles of its own, each with the part of the size that it covers. */
function catchUpInPieces(map: FileMap, newSize: number): void {
  const { inode, volume } = map;
  const end = blocksOf(volume, newSize);
  const budget = volume.journal.creditsMax / 4;
  while (aheadCredits(map, end) > budget) {
    const from = map.aheadFrom;
    const stop = convertEnd(map, from, end, budget);
    if (stop === end) return;
    const size = Math.max(inode.diskSize, stop * volume.geometry.blockSize);
    const options: ConvertOptions = { endLblk: stop, zeroout: false };
    changeBlocks(volume, inode, aheadCredits(map, stop) + INODE_CREDITS, () =>
      publish(map, size, stop, options),
    );
    assert(map.aheadFrom >= stop, "each piece brings the tree further");
  }
}

/** The size, and the tree's part of what it covers, in the handle that runs. */
function publish(map: FileMap, newSize: number, ahead: number, options: ConvertOptions): void {
  const { inode, volume } = map;
  if (map.aheadFrom < ahead) freeExtents(map, map.catchUp(map.aheadFrom, ahead, options));
  inode.publishSize(newSize);
  if (inode.orphan && inode.nlink > 0 && endOf(map) <= options.endLblk) removeOrphan(volume, inode);
  writeInode(volume, inode);
}

/** Behind the last block that the file has. */
function endOf(map: FileMap): number {
  const last = map.list.at(-1);
  return last === undefined ? 0 : last.lblk + last.length;
}

/** As MappingOperations.xipStage. */
export function xipStage(
  volume: Volume,
  mapping: Mapping,
  pos: number,
  length: number,
  out: XipRange,
): void {
  if (volume.readOnly) throw new FsError("EROFS");
  const { blockSize } = volume.geometry;
  const map = fileMap(volume, mapping.inode as Ext4Inode);
  const blocks = Math.min(length / blockSize, STAGE_MAX);
  const run: BlockRun = { start: 0, length: 0 };
  const request = blockRequest(map, pos / blockSize, blocks, FREELY);
  retryForSpace(volume, () => volume.balloc.stage(request, run));
  out.offset = volume.geometry.pblkToDevByte(run.start);
  out.length = run.length * blockSize;
  out.state = XIP_FRESH;
}

/** As MappingOperations.xipSwap. */
export function xipSwap(
  volume: Volume,
  mapping: Mapping,
  pos: number,
  staged: readonly XipRange[],
  newSize: number,
): void {
  const inode = mapping.inode as Ext4Inode;
  const { blockSize } = volume.geometry;
  const map = fileMap(volume, inode);
  const first = pos / blockSize;
  const runs = staged.map(({ offset, length }) => ({
    start: offset / blockSize,
    length: length / blockSize,
  }));
  const blocks = runs.reduce((sum, { length }) => sum + length, 0);
  const options: ConvertOptions = { endLblk: blocksOf(volume, newSize), zeroout: false };
  catchUpInPieces(map, newSize);
  const ahead = aheadEnd(map, options.endLblk);
  const credits =
    map.replaceCredits(first, runs) +
    dataCredits(map, first, first + blocks) +
    aheadCredits(map, ahead) +
    2 * Math.min(runs.length, volume.groups.count) +
    INODE_CREDITS;
  // A swap is all or nothing, so it has no pieces. The error is the kernel's for such a handle.
  if (credits > volume.journal.creditsMax) {
    throw new FsError("ENOSPC", "what is replaced has more extents than a transaction can free");
  }
  retryForSpace(volume, () =>
    changeBlocks(volume, inode, credits, () => {
      const removed = map.replaceBlocks(first, runs);
      for (const { start, length } of runs) volume.balloc.adopt(start, length);
      inode.blocks += blocks;
      freeExtents(map, removed);
      publish(map, newSize, ahead, options);
    }),
  );
}

/** As MappingOperations.xipUnstage. */
export function xipUnstage(volume: Volume, _mapping: Mapping, staged: readonly XipRange[]): void {
  const { blockSize } = volume.geometry;
  for (const { offset, length } of staged) {
    volume.balloc.unstage(offset / blockSize, length / blockSize);
  }
}

/** The map, without what is ahead of the tree: nobody published it, and nobody will. */
function settledMap(volume: Volume, inode: Ext4Inode): FileMap {
  settlePromises(volume);
  if (inode.map !== null && inode.map.aheadFrom < LBLK_MAX) dropMap(inode);
  return fileMap(volume, inode);
}

/** As FileSystem.truncate. */
export function truncate(volume: Volume, inode: Ext4Inode, size: number): void {
  const map = settledMap(volume, inode);
  const first = blocksOf(volume, size);
  volume.balloc.discardPreallocation(inode);
  if (pieceStart(map, first, LBLK_MAX, INODE_CREDITS) > first) {
    // Several handles: a power cut between them leaves an orphan, which the next mount cuts off.
    changeBlocks(volume, inode, INODE_CREDITS, () => {
      addOrphan(volume, inode);
      inode.resize(size);
      writeInode(volume, inode);
    });
  }
  removeRange(map, first, LBLK_MAX, ORPHAN_CREDITS, () => {
    if (inode.nlink > 0) removeOrphan(volume, inode);
    inode.resize(size);
  });
}

/** As FileSystem.fallocate. */
export function fallocate(
  volume: Volume,
  inode: Ext4Inode,
  mode: number,
  pos: number,
  length: number,
): void {
  const map = settledMap(volume, inode);
  const { blockSize } = volume.geometry;
  const first = Math.floor(pos / blockSize);
  const end = Math.ceil((pos + length) / blockSize);
  const kind = mode & ~FALLOC_FL_KEEP_SIZE;
  if (kind === FALLOC_FL_PUNCH_HOLE) {
    return removeRange(map, first, end, 0, () => {});
  }
  // As the kernel: files without extents have no other mode.
  if (!map.unwrittenState) throw new FsError("EOPNOTSUPP", "the file has no extents");
  if (kind === 0) {
    const size = kind === mode ? Math.max(inode.diskSize, pos + length) : inode.diskSize;
    allocateRange(map, first, end, size);
  } else if (kind === FALLOC_FL_ZERO_RANGE) {
    allocateRange(map, first, end, inode.diskSize);
    clearRange(map, first, end);
  } else if (kind === FALLOC_FL_COLLAPSE_RANGE) collapse(map, first, end, inode.size - length);
  else if (kind === FALLOC_FL_INSERT_RANGE) insertHole(map, first, end, inode.size + length);
  else {
    assert(kind === FALLOC_FL_UNSHARE_RANGE, "the modes of fallocate are known");
    throw new FsError("EOPNOTSUPP");
  }
}

/** Unwritten blocks for every hole of [first, end), all or none. @throws FsError ENOSPC */
function allocateRange(map: FileMap, first: number, end: number, size: number): void {
  const { inode, volume } = map;
  const filled: Array<readonly [first: number, end: number]> = [];
  try {
    for (let at = first; at < end;) {
      const extent = map.at(at);
      if (extent.lblk <= at) {
        at = extent.lblk + extent.length;
        continue;
      }
      const stop = Math.min(end, extent.lblk);
      const behind = retryForSpace(volume, () => allocatePiece(map, at, stop));
      filled.push([at, behind]);
      at = behind;
    }
  } catch (error) {
    if (error instanceof FsError && error.code === "ENOSPC") {
      for (const [from, to] of filled.toReversed()) removeRange(map, from, to, 0, () => {});
    }
    throw error;
  }
  if (size === inode.diskSize) return;
  changeBlocks(volume, inode, INODE_CREDITS, () => {
    inode.publishSize(size);
    writeInode(volume, inode);
  });
}

function allocatePiece(map: FileMap, first: number, end: number): number {
  const { inode, volume } = map;
  return changeBlocks(volume, inode, map.insertCredits() + INODE_CREDITS, () => {
    const behind = fillHole(map, first, end, true, EXACTLY);
    writeInode(volume, inode);
    return behind;
  });
}

/** All blocks of [first, end) become unwritten, in as many handles as it takes. */
function clearRange(map: FileMap, first: number, end: number): void {
  const { inode, volume } = map;
  for (let at = first; at < end;) {
    const from = at;
    const stop = convertEnd(map, from, end);
    changeBlocks(volume, inode, map.convertCredits(from, stop) + INODE_CREDITS, () => {
      map.makeUnwritten(from, stop);
      writeInode(volume, inode);
    });
    at = stop;
  }
}

/** Remove [first, end) and move what is behind it there: in one handle, or else in pieces. */
function collapse(map: FileMap, first: number, end: number, size: number): void {
  const { inode, volume } = map;
  const by = first - end;
  const credits = removeCredits(map, first, end) + shiftCredits(map, end, LBLK_MAX);
  if (credits <= volume.journal.creditsMax / 2) {
    changeBlocks(volume, inode, credits, () => {
      freeRange(map, first, end);
      map.shiftBlocks(end, LBLK_MAX, by);
      inode.resize(size);
      writeInode(volume, inode);
    });
    return;
  }
  removeRange(map, first, end, 0, () => {});
  // From the front, into the hole that goes on behind each piece.
  for (const { first: from, end: stop } of shiftPieces(map, end)) {
    changeBlocks(volume, inode, shiftCredits(map, from, stop), () => {
      map.shiftBlocks(from, stop, by);
      // The size comes last: what still stands where it stood is inside of the file.
      if (stop === LBLK_MAX) inode.resize(size);
      writeInode(volume, inode);
    });
  }
}

/** Move what is at and behind `first` to `end`: in one handle, or else in pieces. */
function insertHole(map: FileMap, first: number, end: number, size: number): void {
  const { inode, volume } = map;
  const by = end - first;
  const credits = shiftCredits(map, first, LBLK_MAX);
  if (credits <= volume.journal.creditsMax / 2) {
    changeBlocks(volume, inode, credits, () => {
      map.shiftBlocks(first, LBLK_MAX, by);
      inode.resize(size);
      writeInode(volume, inode);
    });
    return;
  }
  if (endOf(map) + by > LBLK_MAX) throw new FsError("EFBIG", "the last blocks would not fit");
  changeBlocks(volume, inode, map.insertCredits() + INODE_CREDITS, () => {
    // What may find no room comes first.
    map.cutAt(first);
    // And the size: where the pieces go is inside of the file.
    inode.resize(size);
    writeInode(volume, inode);
  });
  for (const { first: from, end: stop } of shiftPieces(map, first).toReversed()) {
    changeBlocks(volume, inode, shiftCredits(map, from, stop), () => {
      map.shiftBlocks(from, stop, by);
      writeInode(volume, inode);
    });
  }
}

const shiftCredits = (map: FileMap, first: number, end: number): number =>
  map.shiftCredits(first, end) + INODE_CREDITS;

/** All from `first` on, in pieces that one handle can move: some leaves of the tree each. */
function shiftPieces(map: FileMap, first: number): LblkRange[] {
  const budget = map.volume.journal.creditsMax / 2;
  const ends = [...map.shiftCuts(first), LBLK_MAX];
  const pieces: LblkRange[] = [];
  for (let from = first, index = 0; index < ends.length;) {
    let count = ends.length - index;
    while (count > 1 && shiftCredits(map, from, ends[index + count - 1]!) > budget) {
      count = Math.ceil(count / 2);
    }
    index += count;
    const end = ends[index - 1]!;
    pieces.push({ first: from, end });
    from = end;
  }
  return pieces;
}
