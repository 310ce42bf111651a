/**
 * The policy `alloc=mballoc`, after the kernel's multiblock allocator: a request takes what is
 * preallocated for it, or looks for more than it asks for, and keeps the rest.
 *
 *   request → preallocation of the inode, or of the locality group
 *           → normalise → search (goal, criteria) → preallocate the rest
 *           → nothing found: give all preallocations back, search again
 *
 * Files of up to 16 blocks are cut from chunks that all small files share (the locality group; the
 * kernel has one for each CPU, here there is one). Larger ones have preallocations of their own and
 * begin to search where the last large allocation ended, not at their inode (the stream goal).
 */
import { FsError, isRegular } from "@xiplab/core";
import { FL_EXTENTS } from "../format/inode.ts";
import type { Geometry } from "../geometry.ts";
import type { GroupTable } from "../groups.ts";
import type { Ext4Inode } from "../inode.ts";
import type { BlockRequest, BlockRun, Volume } from "../volume.ts";
import { GroupIndex } from "./group-index.ts";
import { normalize, type Window } from "./normalize.ts";
import { ChunkPool, InodePreallocation } from "./preallocation.ts";
import { FLEX_DATA_APART, Search } from "./search.ts";
import { Policy } from "./policy.ts";
import { Space } from "./space.ts";

/** Files of at most so many blocks share chunks. */
const SMALL_FILE = 16;
/** Blocks of such a chunk. */
const CHUNK = 512;
/** Pieces preallocated for one inode. */
const PIECES_MAX = 512;

const NOTHING = 0;
const FOR_INODE = 1;
const FOR_GROUP = 2;

export class Mballoc extends Policy {
  readonly space: Space;
  private readonly geometry: Geometry;
  private readonly search: Search;
  private readonly chunks = new ChunkPool();
  /** Inodes with preallocations, to ask them back. */
  private readonly holders = new Set<Ext4Inode>();
  private readonly window: Window = { lblk: 0, length: 0 };
  /** Group in which the last large allocation ended. */
  private streamGroup = 0;

  constructor(volume: Pick<Volume, "journal" | "privileged">, groups: GroupTable) {
    super(volume);
    this.geometry = groups.geometry;
    this.space = new Space(groups, volume.journal, (group, buddy) => index.update(group, buddy));
    const index = new GroupIndex(groups, this.space.orderMax);
    this.search = new Search(this.space, index);
  }

  discardPreallocation(inode: Ext4Inode): void {
    const kept = inode.preallocation;
    if (kept === null) return;
    for (let i = 0; i < kept.count; i++) this.giveBack(kept.starts[i]!, kept.lengths[i]!);
    inode.preallocation = null;
    this.holders.delete(inode);
  }

  protected find(request: BlockRequest, out: BlockRun, staging: boolean): void {
    const length = this.space.claim(request, this.volume.privileged);
    const data = request.lblk >= 0 && isRegular(request.inode.mode);
    const purpose = data ? purposeOf(request, length, this.geometry.blockSize) : NOTHING;
    const goal = this.goalOf(request);
    if (!(data && this.takeKept(request, length, purpose, goal, out))) {
      if (!this.take(request, length, purpose, goal, data, out)) {
        this.discardAll();
        if (!this.take(request, length, purpose, goal, data, out)) throw new FsError("ENOSPC");
      }
    }
    const { geometry, space } = this;
    const group = geometry.groupOf(out.start);
    const first = out.start - geometry.groupStart(group);
    space.use(group, first, out.length, request.reserved, staging);
  }

  /** From what is preallocated. HOT. */
  private takeKept(
    request: BlockRequest,
    length: number,
    purpose: number,
    goal: number,
    out: BlockRun,
  ): boolean {
    const kept = request.inode.preallocation;
    if (kept !== null) {
      const index = kept.find(request.lblk);
      if (index >= 0) {
        this.cutPiece(kept, index, request.lblk, length, out);
        if (kept.count === 0) this.discardPreallocation(request.inode);
        return true;
      }
    }
    if (purpose !== FOR_GROUP) return false;
    const index = this.chunks.nearest(goal, length);
    if (index < 0) return false;
    this.cutChunk(index, length, out);
    return true;
  }

  private cutPiece(
    kept: InodePreallocation,
    index: number,
    lblk: number,
    length: number,
    out: BlockRun,
  ): void {
    const offset = lblk - kept.lblks[index]!;
    out.start = kept.starts[index]! + offset;
    out.length = Math.min(length, kept.lengths[index]! - offset);
    kept.cut(index, lblk, out.length);
    this.space.preallocated -= out.length;
  }

  private cutChunk(index: number, length: number, out: BlockRun): void {
    const rest = this.chunks.lengths[index]! - length;
    out.start = this.chunks.cut(index, length);
    out.length = length;
    this.space.preallocated -= length;
    if (rest === 0) return;
    this.chunks.trim(rest, (start, dropped) => this.giveBack(start, dropped));
  }

  /** Search, and hold what was found: the request's part, and the rest as preallocation. */
  private take(
    request: BlockRequest,
    length: number,
    purpose: number,
    goal: number,
    data: boolean,
    out: BlockRun,
  ): boolean {
    const { search, geometry, window } = this;
    const { inode } = request;
    window.lblk = request.lblk;
    window.length = length;
    const grows = request.exact !== true;
    if (purpose === FOR_GROUP && grows) window.length = CHUNK;
    else if (purpose === FOR_INODE && grows) {
      const size = Math.max(request.lblk + length, Math.ceil(inode.size / geometry.blockSize));
      normalize(geometry, request, length, size, inode.preallocation, window);
    }
    search.needed = length;
    search.length = window.length;
    search.data = data;
    search.lists = (inode.flags & FL_EXTENTS) !== 0;
    const joins = purpose === FOR_INODE && grows ? joiningGoal(geometry, request, window) : 0;
    this.setGoal(joins === 0 ? goal : joins);
    if (joins === 0 || !search.runAtGoal()) {
      if (purpose === FOR_INODE) search.group = this.streamGroup;
      if (!search.run()) return false;
    }
    if (purpose === FOR_INODE) this.streamGroup = search.foundGroup;
    this.space.hold(search.foundGroup, search.foundStart, search.foundLength);
    out.start = geometry.groupStart(search.foundGroup) + search.foundStart;
    out.length = Math.min(length, search.foundLength);
    if (search.foundLength > length) this.keepRest(request, purpose, length, out);
    return true;
  }

  /** What was found is longer than the request: all of it becomes a preallocation, and the request
   * is cut from it. */
  private keepRest(request: BlockRequest, purpose: number, length: number, out: BlockRun): void {
    const { inode, lblk } = request;
    const found = this.search.foundLength;
    this.space.preallocated += found;
    if (purpose === FOR_GROUP) {
      this.chunks.add(out.start, found);
      this.cutChunk(this.chunks.starts.length - 1, length, out);
      return;
    }
    if (inode.preallocation === null) {
      inode.preallocation = new InodePreallocation();
      this.holders.add(inode);
    }
    const kept = inode.preallocation;
    kept.add(this.firstLblk(lblk, length, found), out.start, found);
    this.cutPiece(kept, kept.find(lblk), lblk, length, out);
    while (kept.count > PIECES_MAX) this.dropPiece(kept);
  }

  /** Which logical block the first block of a find stands for. A find that is shorter than the
   * window goes to the window's end, or to its beginning, or to the request: wherever it covers
   * the request. */
  private firstLblk(lblk: number, length: number, found: number): number {
    const { window } = this;
    const atEnd = window.lblk + window.length - found;
    if (lblk >= atEnd) return atEnd;
    return lblk + length <= window.lblk + found ? window.lblk : lblk;
  }

  private dropPiece(kept: InodePreallocation): void {
    this.giveBack(kept.starts[0]!, kept.lengths[0]!);
    kept.remove(0);
  }

  private discardAll(): void {
    for (const inode of this.holders) this.discardPreallocation(inode);
    const { starts, lengths } = this.chunks;
    while (starts.length > 0) {
      const length = lengths[0]!;
      this.giveBack(this.chunks.cut(0, length), length);
    }
  }

  private giveBack(start: number, length: number): void {
    const group = this.geometry.groupOf(start);
    this.space.letGo(group, start - this.geometry.groupStart(group), length);
    this.space.preallocated -= length;
  }

  private setGoal(goal: number): void {
    const { geometry, search } = this;
    search.group = geometry.groupOf(goal);
    search.start = goal - geometry.groupStart(search.group);
  }

  /** The block to begin at: the caller's, or what suits the inode. */
  private goalOf(request: BlockRequest): number {
    const { geometry } = this;
    const { firstDataBlock, blockCount } = geometry;
    let { goal } = request;
    if (goal === 0) {
      let group = geometry.groupOfIno(request.inode.ino);
      if (geometry.flexSize >= FLEX_DATA_APART) {
        // Directories share the first group of a flex group with its inode tables; data begins in
        // the next.
        group -= group % geometry.flexSize;
        if (isRegular(request.inode.mode)) group++;
      }
      goal = geometry.groupStart(group);
    }
    return goal <= firstDataBlock || goal >= blockCount ? firstDataBlock : goal;
  }
}

/** Whose preallocation a request for data belongs to. */
function purposeOf({ inode, lblk }: BlockRequest, length: number, blockSize: number): number {
  const sizeBlocks = Math.ceil(inode.size / blockSize);
  const end = lblk + length;
  if (Math.max(end, sizeBlocks) <= SMALL_FILE) return FOR_GROUP;
  // Closed, and this is its end: it will not grow.
  return inode.references === 0 && end === sizeBlocks ? NOTHING : FOR_INODE;
}

/** Where the window has to stand to join the file's neighbours on the medium, or 0. */
function joiningGoal(geometry: Geometry, request: BlockRequest, window: Window): number {
  const { leftLblk, leftPblk, rightLblk, rightPblk } = request;
  const { firstDataBlock, blockCount } = geometry;
  if (leftPblk !== undefined && leftLblk! + 1 === window.lblk) {
    if (leftPblk + 1 < blockCount) return leftPblk + 1;
  }
  if (rightPblk !== undefined && rightLblk === window.lblk + window.length) {
    if (rightPblk - window.length > firstDataBlock) return rightPblk - window.length;
  }
  return 0;
}
