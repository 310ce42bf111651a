/**
 * The only door from the data paths: the address-space operations, and what else changes the blocks
 * of a file.
 *
 *   hole → unwritten      getXipMem with GXM_CREATE, fallocate
 *   unwritten → written   getXipMem with GXM_ALLOC or GXM_ZERO, xipComplete, xipConvert
 *   staged → written      xipSwap: blocks of nobody take the place of what the file has
 *
 * Each arrow is one transaction, durable when the call returns.
 */
import { FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_UNSHARE_RANGE, PURPOSE_ZEROING } from "@xiplab/core";
import { FALLOC_FL_INSERT_RANGE, FALLOC_FL_ZERO_RANGE, type MappingOperations } from "@xiplab/core";
import { FALLOC_FL_KEEP_SIZE, XIP_UNWRITTEN, type XipOutcome, type XipRange } from "@xiplab/core";
import { type DevByte, GXM_ALLOC, GXM_CREATE, type Mapping, XIP_WRITTEN } from "@xiplab/core";
import { assert, FsError, GXM_HINT, GXM_ZERO, XIP_FRESH, XIP_HOLE } from "@xiplab/core";
import { BLOCK_SIZE, LBLK_MAX, pblkToDevByte } from "./geometry.ts";
import { type PlainInode, PlainVolume } from "./inode.ts";

export abstract class PlainMapping extends PlainVolume implements MappingOperations {
  /** HOT. */
  getXipMem(mapping: Mapping, pos: number, length: number, flags: number, out: XipRange): void {
    const inode = mapping.inode as PlainInode;
    const lblk = Math.floor(pos / BLOCK_SIZE);
    const extent = inode.extents.at(lblk);
    if (extent.lblk > lblk) {
      out.state = XIP_HOLE;
      out.offset = -1 as DevByte;
      out.length = Math.min(length, extent.lblk * BLOCK_SIZE - pos);
    } else {
      out.state = extent.unwritten ? XIP_UNWRITTEN : XIP_WRITTEN;
      out.offset = ((extent.pblk - extent.lblk) * BLOCK_SIZE + pos) as DevByte;
      out.length = Math.min(length, (extent.lblk + extent.length) * BLOCK_SIZE - pos);
    }
    const wanted = out.state === XIP_HOLE ? GXM_CREATE : GXM_ALLOC | GXM_ZERO;
    if (out.state !== XIP_WRITTEN && (flags & wanted) !== 0) this.prepare(inode, pos, flags, out);
  }

  /** Do what `flags` ask, to the blocks that the hole or unwritten range `out` touches. */
  private prepare(inode: PlainInode, pos: number, flags: number, out: XipRange): void {
    const { extents } = inode;
    const first = Math.floor(pos / BLOCK_SIZE);
    const written = (flags & (GXM_ALLOC | GXM_ZERO)) !== 0;
    const whole = (flags & GXM_HINT) !== 0;
    let end = Math.ceil((pos + out.length) / BLOCK_SIZE);
    this.change(inode, inode.diskSize, () => {
      if (out.state === XIP_HOLE) end = this.fillHole(inode, first, end, whole);
      if ((flags & GXM_ZERO) !== 0) this.zero(inode, first, end);
      if (written) extents.convert(first, end, false);
    });
    out.state = written ? XIP_FRESH : XIP_UNWRITTEN;
    out.offset = (pblkToDevByte(extents.map(first)) + (pos % BLOCK_SIZE)) as DevByte;
    out.length = Math.min(out.length, end * BLOCK_SIZE - pos);
  }

  xipComplete(mapping: Mapping, pos: number, copied: number, _out: XipRange, outcome: XipOutcome) {
    this.xipConvert(mapping, pos, copied, outcome.newSize);
  }

  xipConvert(mapping: Mapping, pos: number, length: number, newSize: number): void {
    const inode = mapping.inode as PlainInode;
    const first = Math.floor(pos / BLOCK_SIZE);
    const end = length === 0 ? first : Math.ceil((pos + length) / BLOCK_SIZE);
    const convert = (): void => inode.extents.convert(first, end, false);
    if (inode.extents.hasUnwritten(first, end)) this.change(inode, newSize, convert);
    else if (newSize !== inode.diskSize) this.setSize(mapping, newSize);
  }

  setSize(mapping: Mapping, newSize: number): void {
    mapping.inode.publishSize(newSize);
    this.updateInode(mapping.inode as PlainInode);
  }

  xipStage(mapping: Mapping, pos: number, length: number, out: XipRange): void {
    const goal = (mapping.inode as PlainInode).extents.goal(pos / BLOCK_SIZE);
    const run = this.balloc.allocate(length / BLOCK_SIZE, goal, true);
    this.balloc.commit();
    out.offset = pblkToDevByte(run.start);
    out.length = run.length * BLOCK_SIZE;
    out.state = XIP_FRESH;
  }

  xipSwap(mapping: Mapping, pos: number, staged: readonly XipRange[], newSize: number): void {
    const inode = mapping.inode as PlainInode;
    let end = pos / BLOCK_SIZE;
    this.change(inode, newSize, () => {
      for (const { offset, length } of staged) {
        const blocks = length / BLOCK_SIZE;
        this.releaseRange(inode, end, end + blocks);
        inode.extents.insert(end, blocks, offset / BLOCK_SIZE, false);
        end += blocks;
      }
    });
    inode.blocks += end - pos / BLOCK_SIZE;
  }

  xipUnstage(_mapping: Mapping, staged: readonly XipRange[]): void {
    for (const { offset, length } of staged) {
      this.balloc.release(offset / BLOCK_SIZE, length / BLOCK_SIZE);
    }
    this.balloc.commit();
  }

  reserve(mapping: Mapping, blocks: number): void {
    this.unreserve(mapping, -blocks);
    if (this.balloc.available >= 0) return;
    this.unreserve(mapping, blocks);
    throw new FsError("ENOSPC");
  }

  unreserve(mapping: Mapping, blocks: number): void {
    const inode = mapping.inode as PlainInode;
    inode.reserved -= blocks;
    assert(inode.reserved >= 0, "no more is taken back than was promised");
    this.promise(inode);
  }

  truncate(inode: PlainInode, size: number): void {
    const first = Math.ceil(size / BLOCK_SIZE);
    this.change(inode, size, () => this.releaseRange(inode, first, LBLK_MAX));
    inode.resize(size);
  }

  fallocate(inode: PlainInode, mode: number, pos: number, length: number): void {
    const { diskSize, extents } = inode;
    const first = Math.floor(pos / BLOCK_SIZE);
    const end = Math.ceil((pos + length) / BLOCK_SIZE);
    const kind = mode & ~FALLOC_FL_KEEP_SIZE;
    if (kind === FALLOC_FL_UNSHARE_RANGE) throw new FsError("EOPNOTSUPP");
    const inserts = kind === FALLOC_FL_INSERT_RANGE;
    const moves = inserts || kind === FALLOC_FL_COLLAPSE_RANGE;
    const grown = kind === mode ? Math.max(diskSize, pos + length) : diskSize;
    const size = moves ? inode.size + (inserts ? length : -length) : grown;
    this.change(inode, size, () => {
      if (kind === 0 || kind === FALLOC_FL_ZERO_RANGE) this.fillHoles(inode, first, end);
      else if (!inserts) this.releaseRange(inode, first, end);
      if (kind === FALLOC_FL_ZERO_RANGE) extents.convert(first, end, true);
      if (moves) extents.shift(inserts ? first : end, inserts ? end - first : first - end);
    });
    if (moves) inode.resize(size);
  }

  /** Give unwritten blocks, in one run, to the start of a hole. Returns the block behind them. */
  protected fillHole(inode: PlainInode, first: number, end: number, whole: boolean): number {
    const run = this.balloc.allocate(end - first, inode.extents.goal(first), whole);
    inode.extents.insert(first, run.length, run.start, true);
    return first + run.length;
  }

  private fillHoles(inode: PlainInode, first: number, end: number): void {
    for (let at = first; at < end;) {
      const extent = inode.extents.at(at);
      if (extent.lblk <= at) at = extent.lblk + extent.length;
      else at = this.fillHole(inode, at, Math.min(end, extent.lblk), true);
    }
  }

  protected releaseRange(inode: PlainInode, first: number, end: number): void {
    const removed = inode.extents.remove(first, end);
    for (const { pblk, length } of removed) this.balloc.release(pblk, length);
  }

  /** Zero [first, end), which is one run, durably. */
  protected zero(inode: PlainInode, first: number, end: number): void {
    const at = pblkToDevByte(inode.extents.map(first));
    this.device.zero(at, (end - first) * BLOCK_SIZE, PURPOSE_ZEROING);
    // Old contents are gone before a commit can show them.
    this.device.fence();
  }
}
