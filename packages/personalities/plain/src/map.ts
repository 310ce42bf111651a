/**
 * The only door from the data paths: the address-space operations.
 *
 *   hole → unwritten   getXipMem with GXM_CREATE
 *   unwritten → written   getXipMem with GXM_ALLOC or GXM_ZERO, xipComplete, xipConvert
 *   staged → written   xipSwap: blocks of nobody take the place of what the file has
 *
 * Each arrow is one transaction, durable when the call returns.
 */
import { assert, FsError, GXM_ALLOC, GXM_CREATE, GXM_HINT, GXM_ZERO } from "@xiplab/core";
import { type DevByte, type Mapping, type MappingOperations, PURPOSE_ZEROING } from "@xiplab/core";
import { XIP_FRESH, XIP_HOLE, XIP_UNWRITTEN, XIP_WRITTEN } from "@xiplab/core";
import type { XipOutcome, XipRange, XipState } from "@xiplab/core";
import { BLOCK_SIZE, pblkToDevByte } from "./geometry.ts";
import { type PlainInode, PlainVolume } from "./inode.ts";

export abstract class PlainMapping extends PlainVolume implements MappingOperations {
  /** HOT with `flags` 0. */
  getXipMem(mapping: Mapping, pos: number, length: number, flags: number, out: XipRange): void {
    const inode = mapping.inode as PlainInode;
    const lblk = Math.floor(pos / BLOCK_SIZE);
    let extent = inode.extents.at(inode.extents.find(lblk));
    let state: XipState = extent.unwritten ? XIP_UNWRITTEN : XIP_WRITTEN;
    let end = extent.lblk + extent.length;
    if (extent.lblk > lblk) {
      state = XIP_HOLE;
      end = extent.lblk;
    }
    const written = (flags & (GXM_ALLOC | GXM_ZERO)) !== 0;
    const create = state === XIP_HOLE && (flags & GXM_CREATE) !== 0;
    if (create || (state === XIP_UNWRITTEN && written)) {
      end = Math.min(end, Math.ceil((pos + length) / BLOCK_SIZE));
      this.change(inode, inode.diskSize, () => {
        if (create) end = this.fillHole(inode, lblk, end, (flags & GXM_HINT) !== 0);
        if ((flags & GXM_ZERO) !== 0) this.zero(inode, lblk, end);
        if (written) inode.extents.convert(lblk, end, false);
      });
      state = written ? XIP_FRESH : XIP_UNWRITTEN;
      extent = inode.extents.at(inode.extents.find(lblk));
    }
    const pblk = extent.pblk + lblk - extent.lblk;
    out.offset =
      state === XIP_HOLE ? (-1 as DevByte) : ((pblk * BLOCK_SIZE + (pos % BLOCK_SIZE)) as DevByte);
    out.length = Math.min(length, end * BLOCK_SIZE - pos);
    out.state = state;
    out.cookie = 0;
  }

  xipComplete(mapping: Mapping, pos: number, copied: number, _out: XipRange, outcome: XipOutcome) {
    this.xipConvert(mapping, pos, copied, outcome.newSize);
  }

  xipConvert(mapping: Mapping, pos: number, length: number, newSize: number): void {
    const inode = mapping.inode as PlainInode;
    const first = Math.floor(pos / BLOCK_SIZE);
    const end = length === 0 ? first : Math.ceil((pos + length) / BLOCK_SIZE);
    const convert = inode.extents.hasUnwritten(first, end);
    if (!convert && newSize === inode.diskSize) return;
    this.change(inode, newSize, () => {
      if (convert) inode.extents.convert(first, end, false);
    });
  }

  setSize(mapping: Mapping, newSize: number): void {
    this.xipConvert(mapping, 0, 0, newSize);
  }

  xipStage(mapping: Mapping, pos: number, length: number, out: XipRange): void {
    const { extents } = mapping.inode as PlainInode;
    const goal = extents.goal(extents.find(pos / BLOCK_SIZE));
    const run = this.balloc.allocate(length / BLOCK_SIZE, goal, true);
    this.balloc.commit();
    out.offset = pblkToDevByte(run.start);
    out.length = run.length * BLOCK_SIZE;
    out.state = XIP_FRESH;
  }

  xipSwap(mapping: Mapping, pos: number, staged: readonly XipRange[], newSize: number): void {
    const inode = mapping.inode as PlainInode;
    const first = pos / BLOCK_SIZE;
    const blocks = staged.reduce((sum, { length }) => sum + length / BLOCK_SIZE, 0);
    this.change(inode, newSize, () => {
      inode.extents.remove(first, first + blocks, this.balloc);
      let at = first;
      for (const { offset, length } of staged) {
        inode.extents.insert(at, length / BLOCK_SIZE, offset / BLOCK_SIZE, false);
        at += length / BLOCK_SIZE;
      }
    });
    inode.blocks += blocks;
  }

  xipUnstage(_mapping: Mapping, staged: readonly XipRange[]): void {
    for (const { offset, length } of staged) {
      this.balloc.release(offset / BLOCK_SIZE, length / BLOCK_SIZE);
    }
    this.balloc.commit();
  }

  reserve(_mapping: Mapping, blocks: number): void {
    if (blocks > this.balloc.available) throw new FsError("ENOSPC");
    this.balloc.reserved += blocks;
  }

  unreserve(_mapping: Mapping, blocks: number): void {
    assert(blocks <= this.balloc.reserved, "no more is taken back than was promised");
    this.balloc.reserved -= blocks;
  }

  /** Give unwritten blocks, in one run, to the start of a hole. Returns the block behind them. */
  protected fillHole(inode: PlainInode, lblk: number, end: number, whole: boolean): number {
    const goal = inode.extents.goal(inode.extents.find(lblk));
    const run = this.balloc.allocate(end - lblk, goal, whole);
    inode.extents.insert(lblk, run.length, run.start, true);
    return lblk + run.length;
  }

  /** Zero [lblk, end), which is one run, durably. */
  protected zero(inode: PlainInode, lblk: number, end: number): void {
    const at = pblkToDevByte(inode.extents.map(lblk));
    this.device.zero(at, (end - lblk) * BLOCK_SIZE, PURPOSE_ZEROING);
    // Old contents are gone before a commit can show them.
    this.device.fence();
  }
}
