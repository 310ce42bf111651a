/**
 * Test only: the smallest file system that the data paths can run on. Block maps live in memory,
 * data on a real emulated device; free blocks are filled with a pattern that no file ever holds.
 *
 * It is deliberately strict and unhelpful: it never fences for the data path, answers in pieces as
 * short as a test wants (`rangeMax`), fails where a test wants (`fail`), and keeps what a power cut
 * would keep (`committed`) apart from what is in memory.
 */
import { PURPOSE_DATA, PURPOSE_ZEROING } from "../spec/device.ts";
import { assert, type ErrorCode, FsError } from "../spec/errors.ts";
import type { FileOperations } from "../spec/file-operations.ts";
import { Inode, type Mapping } from "../spec/inode.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from "../spec/mode.ts";
import type { DevByte, Ino } from "../spec/units.ts";
import {
  GXM_ALLOC,
  GXM_CREATE,
  GXM_HINT,
  GXM_ZERO,
  XIP_FRESH,
  XIP_HOLE,
  XIP_UNWRITTEN,
  XIP_WRITTEN,
  type XipOutcome,
  type XipRange,
  type XipState,
} from "../spec/xip.ts";
import { createPmem } from "../pmem/observed.ts";
import { InFlight, type PendingGroup } from "../pmem/in-flight.ts";
import { EVENT_FENCE, EVENT_FLUSH, EVENT_STORE, type PmemObserver } from "../pmem/observer.ts";
import type { Pmem } from "../pmem/pmem.ts";
import type { Backing } from "./ranges.ts";

/** What free blocks hold: no test writes this byte. */
export const STALE = 0xee;

interface Block {
  readonly pblk: number;
  readonly unwritten: boolean;
}
type BlockMap = Map<number, Block>;

export interface FakeOptions {
  readonly blocks?: number;
  readonly blockSize?: number;
  /** The format has unwritten extents. */
  readonly unwritten?: boolean;
  readonly observers?: readonly PmemObserver[];
  /** Changes join a transaction that only fsync commits; what they free is free from then on. */
  readonly batches?: boolean;
}

export class FakeFs implements Backing {
  readonly device: Pmem;
  readonly blockSize: number;
  readonly sizeMax = 2 ** 40;
  readonly readOnly = false;
  readonly hasUnwritten: boolean;
  /** Longest answer, bytes: at least a block is always answered. */
  rangeMax = Infinity;
  /** Called first in every method; a code makes it fail. */
  fail: (method: string) => ErrorCode | null = () => null;
  /** Called after each change that a power cut would keep. */
  onCommit: () => void = () => {};
  /** Changing calls, in order: "create 0+4096". */
  log: string[] = [];
  promised = 0;
  readonly free = new Set<number>();
  readonly committed = new Map<Inode, { blocks: BlockMap; size: number }>();
  private readonly maps = new Map<Inode, BlockMap>();
  private inodes = 0;
  private readonly batches: boolean;
  /** The running transaction: inodes that it changed, and blocks that it frees. */
  private readonly running = new Set<Inode>();
  private waiting: number[] = [];

  constructor(options: FakeOptions = {}) {
    this.blockSize = options.blockSize ?? 4096;
    this.hasUnwritten = options.unwritten ?? true;
    this.batches = options.batches ?? false;
    const count = options.blocks ?? 64;
    const size = Math.ceil((count * this.blockSize) / 4096) * 4096;
    this.device = createPmem({
      size,
      observers: options.observers ?? [],
      source: { read: (_offset, target) => void target.fill(STALE), isHole: () => false },
    });
    for (let pblk = 0; pblk < count; pblk++) this.free.add(pblk);
  }

  /** An inode of no blocks. */
  newInode(): Inode {
    const inode = new Inode(++this.inodes as Ino);
    this.maps.set(inode, new Map());
    this.commit(inode);
    this.commitAll();
    return inode;
  }

  blocksOf(inode: Inode): BlockMap {
    return this.maps.get(inode)!;
  }

  /**
   * An inode of `size` bytes with a block for each letter: w written, with `oldByte`s; u unwritten;
   * a point is a hole. Blocks hold STALE wherever the file has no data, beyond its end too.
   */
  build(layout: string, size: number): Inode {
    const inode = this.newInode();
    const map = this.blocksOf(inode);
    for (let lblk = 0; lblk < layout.length; lblk++) {
      if (layout[lblk] === ".") continue;
      const { pblk } = this.takeRun(1);
      map.set(lblk, { pblk, unwritten: layout[lblk] === "u" });
      const start = lblk * this.blockSize;
      const length = Math.max(0, Math.min(this.blockSize, size - start));
      if (layout[lblk] === "u" || length === 0) continue;
      const bytes = Uint8Array.from({ length }, (_, index) => oldByte(start + index));
      this.device.storeNonTemporal(pblk * this.blockSize, bytes, 0, length, PURPOSE_DATA);
    }
    this.device.fence();
    inode.resize(size);
    this.commit(inode);
    this.commitAll();
    return inode;
  }

  /** One letter per block, as in `build`: "wwu." */
  layout(inode: Inode): string {
    const map = this.blocksOf(inode);
    const end = Math.max(
      Math.ceil(inode.size / this.blockSize),
      ...[...map.keys()].map((k) => k + 1),
      0,
    );
    let text = "";
    for (let lblk = 0; lblk < end; lblk++) text += "wu."[this.stateOf(map.get(lblk))]!;
    return text;
  }

  private stateOf(block: Block | undefined): 0 | 1 | 2 {
    if (block === undefined) return 2;
    return block.unwritten ? 1 : 0;
  }

  getXipMem(mapping: Mapping, pos: number, length: number, flags: number, out: XipRange): void {
    this.enter(flags === 0 ? "look" : "getXipMem");
    const map = this.blocksOf(mapping.inode);
    const first = Math.floor(pos / this.blockSize);
    const found = map.get(first);
    const asked = this.countBlocks(pos, length);
    const isLast = found === undefined && this.runLength(map, first, Infinity) === Infinity;
    // The hole behind the last block is answered whole, or walks to the largest size never end.
    const count = isLast && flags === 0 ? asked : Math.min(asked, this.blocksMax());
    const makesWritten = (flags & (GXM_ALLOC | GXM_ZERO)) !== 0;
    let fresh = 0;
    if (found === undefined && (flags & GXM_CREATE) !== 0) {
      const wanted = (flags & GXM_HINT) === 0 ? 1 : count;
      fresh = this.allocate(mapping.inode, first, wanted, flags, pos, length);
      if (!makesWritten && this.hasUnwritten) fresh = 0;
    } else if (found?.unwritten && makesWritten) {
      fresh = this.runLength(map, first, count);
      this.note("convert", pos, length);
      if ((flags & GXM_ZERO) !== 0) this.zeroBlocks(map, first, fresh);
      this.markWritten(mapping.inode, first, fresh);
      this.commit(mapping.inode);
    }
    this.answer(map, pos, length, fresh > 0 ? fresh : count, out);
    if (fresh > 0) out.state = XIP_FRESH;
  }

  xipComplete(
    mapping: Mapping,
    pos: number,
    copied: number,
    _out: XipRange,
    outcome: XipOutcome,
  ): void {
    this.enter("xipComplete");
    this.note("complete", pos, copied);
    if (copied === 0) return;
    this.convert(mapping.inode, pos, copied, outcome.newSize);
  }

  xipConvert(mapping: Mapping, pos: number, length: number, newSize: number): void {
    this.enter("xipConvert");
    this.note("convertAll", pos, length);
    this.convert(mapping.inode, pos, length, newSize);
  }

  setSize(mapping: Mapping, newSize: number): void {
    this.enter("setSize");
    this.note("size", newSize, 0);
    assert(newSize >= mapping.inode.diskSize, "the size on the medium does not shrink");
    mapping.inode.publishSize(newSize);
    this.commit(mapping.inode);
  }

  xipStage(_mapping: Mapping, pos: number, length: number, out: XipRange): void {
    this.enter("xipStage");
    assert(pos % this.blockSize === 0, "staging is block-aligned");
    const wanted = Math.min(length / this.blockSize, this.blocksMax());
    const run = this.takeRun(wanted);
    this.note("stage", pos, run.count * this.blockSize);
    out.offset = (run.pblk * this.blockSize) as DevByte;
    out.length = run.count * this.blockSize;
    out.state = XIP_FRESH;
  }

  xipSwap(mapping: Mapping, pos: number, staged: readonly XipRange[], newSize: number): void {
    this.enter("xipSwap");
    const map = this.blocksOf(mapping.inode);
    let lblk = pos / this.blockSize;
    for (const range of staged) {
      for (let at = 0; at < range.length; at += this.blockSize, lblk++) {
        const old = map.get(lblk);
        if (old !== undefined) this.release(old.pblk);
        map.set(lblk, { pblk: (range.offset + at) / this.blockSize, unwritten: false });
      }
    }
    this.note("swap", pos, lblk * this.blockSize - pos);
    mapping.inode.publishSize(newSize);
    this.commit(mapping.inode);
  }

  xipUnstage(_mapping: Mapping, staged: readonly XipRange[]): void {
    for (const range of staged) {
      this.note("unstage", range.offset, range.length);
      for (let at = 0; at < range.length; at += this.blockSize) {
        this.free.add((range.offset + at) / this.blockSize);
      }
    }
  }

  reserve(_mapping: Mapping, blocks: number): void {
    this.enter("reserve");
    if (this.free.size - this.promised < blocks) throw new FsError("ENOSPC");
    this.promised += blocks;
  }

  unreserve(_mapping: Mapping, blocks: number): void {
    this.promised -= blocks;
    assert(this.promised >= 0, "nobody takes back more than was promised");
  }

  truncate(inode: Inode, size: number): void {
    this.enter("truncate");
    this.note("truncate", size, 0);
    this.freeBlocks(inode, Math.ceil(size / this.blockSize), Infinity);
    inode.resize(size);
    this.commit(inode);
  }

  fallocate(inode: Inode, mode: number, pos: number, length: number): void {
    this.enter("fallocate");
    const kind = mode & ~FALLOC_FL_KEEP_SIZE;
    this.note(`fallocate${mode}`, pos, length);
    const first = Math.floor(pos / this.blockSize);
    const end = Math.ceil((pos + length) / this.blockSize);
    if (kind !== 0) assert(pos % this.blockSize === 0, "the range starts at a block");
    if (kind !== 0) assert(length % this.blockSize === 0, "the range is whole blocks");
    if (kind === FALLOC_FL_PUNCH_HOLE) this.freeBlocks(inode, first, end);
    else if (kind === FALLOC_FL_ZERO_RANGE) {
      this.freeBlocks(inode, first, end);
      this.fillHoles(inode, first, end);
    } else if (kind === FALLOC_FL_COLLAPSE_RANGE) {
      this.freeBlocks(inode, first, end);
      this.shift(inode, end, first - end);
      inode.resize(inode.size - length);
    } else if (kind === FALLOC_FL_INSERT_RANGE) {
      this.shift(inode, first, end - first);
      inode.resize(inode.size + length);
    } else {
      this.fillHoles(inode, first, end);
      if ((mode & FALLOC_FL_KEEP_SIZE) === 0 && pos + length > inode.size) {
        inode.resize(pos + length);
      }
    }
    this.commit(inode);
  }

  fsync(_inode: Inode, datasync: boolean): void {
    this.enter("fsync");
    this.note(datasync ? "fdatasync" : "fsync", 0, 0);
    this.device.fence();
    this.commitAll();
  }

  private enter(method: string): void {
    const code = this.fail(method);
    if (code !== null) throw new FsError(code, method);
  }

  private note(what: string, pos: number, length: number): void {
    this.log.push(`${what} ${pos}+${length}`);
  }

  private commit(inode: Inode): void {
    this.running.add(inode);
    if (!this.batches) this.commitAll();
  }

  private commitAll(): void {
    if (this.running.size === 0) return;
    for (const inode of this.running) {
      this.committed.set(inode, { blocks: new Map(this.blocksOf(inode)), size: inode.diskSize });
    }
    this.running.clear();
    for (const pblk of this.waiting.splice(0)) this.free.add(pblk);
    this.onCommit();
  }

  private release(pblk: number): void {
    if (this.batches) this.waiting.push(pblk);
    else this.free.add(pblk);
  }

  private blocksMax(): number {
    return Math.max(1, Math.floor(this.rangeMax / this.blockSize));
  }

  private countBlocks(pos: number, length: number): number {
    return Math.ceil((pos + length) / this.blockSize) - Math.floor(pos / this.blockSize);
  }

  /** Blocks from `first` on in one state and contiguous on the device; or of a hole. */
  private runLength(map: BlockMap, first: number, max: number): number {
    const start = map.get(first);
    if (start === undefined) {
      let next = Infinity;
      for (const lblk of map.keys()) if (lblk > first && lblk < next) next = lblk;
      return Math.min(max, next - first);
    }
    let count = 1;
    for (; count < max; count++) {
      const block = map.get(first + count);
      if (block?.pblk !== start.pblk + count || block.unwritten !== start.unwritten) break;
    }
    return count;
  }

  private answer(map: BlockMap, pos: number, length: number, max: number, out: XipRange): void {
    const first = Math.floor(pos / this.blockSize);
    const start = map.get(first);
    const inBlock = pos % this.blockSize;
    const state = [XIP_WRITTEN, XIP_UNWRITTEN, XIP_HOLE][this.stateOf(start)]!;
    out.state = state as XipState;
    out.offset = (start === undefined ? -1 : start.pblk * this.blockSize + inBlock) as DevByte;
    out.length = Math.min(length, this.runLength(map, first, max) * this.blockSize - inBlock);
  }

  private allocate(
    inode: Inode,
    first: number,
    wanted: number,
    flags: number,
    pos: number,
    length: number,
  ): number {
    const map = this.blocksOf(inode);
    const run = this.takeRun(this.runLength(map, first, wanted));
    this.note("create", pos, length);
    const makesWritten = (flags & (GXM_ALLOC | GXM_ZERO)) !== 0 || !this.hasUnwritten;
    for (let index = 0; index < run.count; index++) {
      map.set(first + index, { pblk: run.pblk + index, unwritten: !makesWritten });
    }
    const zeroes = (flags & GXM_ZERO) !== 0 || (!this.hasUnwritten && (flags & GXM_ALLOC) === 0);
    if (zeroes) this.zeroBlocks(map, first, run.count);
    this.commit(inode);
    return run.count;
  }

  /** The first free run, of at most `wanted` blocks. */
  private takeRun(wanted: number): { pblk: number; count: number } {
    if (this.free.size - this.promised < 1) throw new FsError("ENOSPC");
    const most = Math.min(wanted, this.free.size - this.promised);
    const pblk = Math.min(...this.free);
    let count = 0;
    while (count < most && this.free.delete(pblk + count)) count++;
    return { pblk, count };
  }

  /** Zero before the change that makes them visible is committed. */
  private zeroBlocks(map: BlockMap, first: number, count: number): void {
    for (let lblk = first; lblk < first + count; lblk++) {
      const { pblk } = map.get(lblk)!;
      this.device.zero(pblk * this.blockSize, this.blockSize, PURPOSE_ZEROING);
    }
    this.device.fence();
  }

  private markWritten(inode: Inode, first: number, count: number): void {
    const map = this.blocksOf(inode);
    for (let lblk = first; lblk < first + count; lblk++) {
      const block = map.get(lblk);
      if (block !== undefined) map.set(lblk, { pblk: block.pblk, unwritten: false });
    }
  }

  private convert(inode: Inode, pos: number, length: number, newSize: number): void {
    assert(newSize >= inode.diskSize, "the size on the medium does not shrink");
    this.markWritten(inode, Math.floor(pos / this.blockSize), this.countBlocks(pos, length));
    inode.publishSize(newSize);
    this.commit(inode);
  }

  private freeBlocks(inode: Inode, first: number, end: number): void {
    const map = this.blocksOf(inode);
    for (const [lblk, block] of map) {
      if (lblk < first || lblk >= end) continue;
      map.delete(lblk);
      this.release(block.pblk);
    }
  }

  private fillHoles(inode: Inode, first: number, end: number): void {
    const map = this.blocksOf(inode);
    for (let lblk = first; lblk < end; lblk++) {
      if (map.has(lblk)) continue;
      const { pblk } = this.takeRun(1);
      map.set(lblk, { pblk, unwritten: this.hasUnwritten });
      if (!this.hasUnwritten) this.zeroBlocks(map, lblk, 1);
    }
  }

  private shift(inode: Inode, first: number, by: number): void {
    const old = this.blocksOf(inode);
    const moved: BlockMap = new Map();
    for (const [lblk, block] of old) moved.set(lblk >= first ? lblk + by : lblk, block);
    this.maps.set(inode, moved);
  }
}

/** Follows a device and knows, at any moment, the two extreme states that a power cut may leave. */
export class PowerCut implements PmemObserver {
  private readonly inFlight = new InFlight("adr");
  private readonly durable: Uint8Array;

  constructor(size: number) {
    this.durable = new Uint8Array(size).fill(STALE);
  }

  onStore(offset: number, bytes: Uint8Array, nonTemporal: boolean): void {
    const copy = bytes.slice();
    this.feed({ kind: EVENT_STORE, offset, bytes: copy, nonTemporal, purpose: 0 });
  }

  onFlush(offset: number, length: number): void {
    this.feed({ kind: EVENT_FLUSH, offset, length });
  }

  onFence(): void {
    this.feed({ kind: EVENT_FENCE });
  }

  /** Nothing that is in flight survives. */
  nothing(): Uint8Array {
    return this.durable.slice();
  }

  /** Everything in flight survives. */
  everything(): Uint8Array {
    const bytes = this.durable.slice();
    const stores = this.inFlight.pending().flatMap(storesOf);
    stores.sort((one, other) => one.order - other.order);
    for (const store of stores) bytes.set(store.bytes, store.offset);
    return bytes;
  }

  private feed(event: Parameters<InFlight["add"]>[0]): void {
    this.inFlight.add(event, (offset, bytes) => this.durable.set(bytes, offset));
  }
}

type AnyStore = { readonly offset: number; readonly bytes: Uint8Array; readonly order: number };

const storesOf = (group: PendingGroup): readonly AnyStore[] =>
  "stores" in group ? group.stores : [group];

/** What the file holds after a power cut that left `memory`, by what was committed. */
export function survivor(fs: FakeFs, inode: Inode, memory: Uint8Array): Uint8Array {
  const { blocks, size } = fs.committed.get(inode)!;
  const bytes = new Uint8Array(size);
  for (const [lblk, block] of blocks) {
    const start = lblk * fs.blockSize;
    if (block.unwritten || start >= size) continue;
    const from = block.pblk * fs.blockSize;
    const length = Math.min(fs.blockSize, size - start);
    bytes.set(memory.subarray(from, from + length), start);
  }
  return bytes;
}

/** What `build` puts at byte `pos` of a file. */
const oldByte = (pos: number): number => 1 + (pos % 101);

/** The contents of a file that `build` made. */
export function oldContents(layout: string, size: number, blockSize = 4096): Uint8Array {
  return Uint8Array.from({ length: size }, (_, pos) =>
    layout[Math.floor(pos / blockSize)] === "w" ? oldByte(pos) : 0,
  );
}

/** All of a file, through its data path. */
export function contents(operations: FileOperations, inode: Inode): Uint8Array {
  const bytes = new Uint8Array(inode.size);
  const read = operations.read(inode, 0, bytes, 0, bytes.length);
  assert(read === bytes.length, "the file is read to its end");
  return bytes;
}

/** `length` bytes, none of them 0 or STALE, that differ between seeds and along the way. */
export function pattern(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) {
    const value = ((seed * 37 + index * 7 + (index >> 8) * 13) % 251) + 1;
    bytes[index] = value === STALE ? 252 : value;
  }
  return bytes;
}
