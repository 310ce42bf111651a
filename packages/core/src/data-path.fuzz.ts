/**
 * Proves that every sound data path is a file: random sequences of reads, writes, mapped loads and
 * stores, truncation, fallocate, fsync and power cuts, against a plain byte array. Seeds are fixed; a
 * failure prints the seed and a shrunk sequence.
 */
import { strict as check } from "node:assert";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FsError } from "./spec/errors.ts";
import {
  type FileOperations,
  type MappedRegion,
  SoundProtocols,
  type WriteProtocolName,
} from "./spec/file-operations.ts";
import type { Inode } from "./spec/inode.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE as COLLAPSE,
  FALLOC_FL_INSERT_RANGE as INSERT,
  FALLOC_FL_KEEP_SIZE as KEEP,
  FALLOC_FL_PUNCH_HOLE as PUNCH,
  FALLOC_FL_ZERO_RANGE as ZERO,
  SEEK_DATA,
  SEEK_HOLE,
} from "./spec/mode.ts";
import { PageCacheOperations } from "./pagecache/operations.ts";
import { XipOperations } from "./xip/operations.ts";
import { contents, FakeFs, pattern, PowerCut, survivor } from "./xip/testing.ts";

const SEED = 20131206;
const PAGE = 4096;
/** Files stay below this: a dozen pages are enough for every kind of neighbour. */
const SIZE_MAX = 12 * PAGE;
const DEVICE_PAGES = 256;

interface Design {
  readonly name: string;
  readonly blockSize: number;
  readonly make: (fs: FakeFs) => FileOperations;
}

const xip = (protocol: WriteProtocolName): Design => ({
  name: `xip ${protocol}`,
  blockSize: PAGE,
  make: (fs) => new XipOperations(fs, protocol),
});
const cached = (name: "delalloc" | "nodelalloc", blockSize: number): Design => ({
  name: `${name}, blocks of ${blockSize}`,
  blockSize,
  // A cache so small that eviction and writeback by the writer happen all the time.
  make: (fs) => new PageCacheOperations(fs, name, { foliosMax: 6, dirtyMax: 4 }),
});
const DESIGNS: Design[] = [
  ...SoundProtocols.map(xip),
  ...[1024, PAGE, 4 * PAGE].flatMap((size) => [
    cached("delalloc", size),
    cached("nodelalloc", size),
  ]),
];

type Kind = "write" | "store" | "load" | "private" | "truncate" | "fallocate" | "sync" | "cut";
interface Step {
  readonly kind: Kind;
  readonly pos: number;
  readonly length: number;
  readonly seed: number;
  readonly mode: number;
}

/** Positions and lengths meet at page and block borders more often than chance would have it. */
const place = fc.oneof(
  fc.integer({ min: 0, max: SIZE_MAX - 1 }),
  fc
    .tuple(fc.integer({ min: 0, max: SIZE_MAX / 1024 - 1 }), fc.integer({ min: -2, max: 2 }))
    .map(([block, off]) => Math.min(SIZE_MAX - 1, Math.max(0, block * 1024 + off))),
  fc.integer({ min: 0, max: SIZE_MAX / PAGE - 1 }).map((page) => page * PAGE),
);
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Kind>(
    ...(["write", "write", "write", "store", "store", "load", "private"] as const),
    ...(["truncate", "fallocate", "fallocate", "sync", "cut"] as const),
  ),
  pos: place,
  length: fc.oneof(
    fc.integer({ min: 1, max: 200 }),
    place.map((length) => length + 1),
  ),
  seed: fc.integer({ min: 0, max: 200 }),
  mode: fc.constantFrom(0, KEEP, PUNCH | KEEP, ZERO, ZERO | KEEP, COLLAPSE, INSERT),
});

/** What either happens, or is refused and changes nothing. */
const tightStep = step.map((one): Step => ({
  ...one,
  kind: one.kind === "store" || one.kind === "private" ? "write" : one.kind,
  mode: PUNCH | KEEP,
}));

/** One file under test, and the bytes that it should hold. */
class Run {
  readonly watch = new PowerCut(DEVICE_PAGES * PAGE);
  readonly fs: FakeFs;
  readonly design: Design;
  readonly unit: number;
  operations: FileOperations;
  inode: Inode;
  model = new Uint8Array(0);
  shared: MappedRegion;
  private: MappedRegion;
  /** Bytes of the private region that were stored to, by position. */
  copies = new Map<number, Uint8Array>();

  private readonly blocks: number;

  constructor(design: Design, rangeMax: number, unwritten: boolean, devicePages = DEVICE_PAGES) {
    const { blockSize } = design;
    const blocks = (devicePages * PAGE) / blockSize;
    this.design = design;
    this.blocks = blocks;
    this.fs = new FakeFs({ blocks, blockSize, unwritten, observers: [this.watch] });
    this.fs.rangeMax = rangeMax;
    this.unit = Math.max(PAGE, blockSize);
    this.operations = design.make(this.fs);
    this.inode = this.fs.newInode();
    [this.shared, this.private] = this.map();
  }

  map(): [MappedRegion, MappedRegion] {
    return [true, false].map((shared) =>
      this.operations.map(this.inode, 0, SIZE_MAX + 4 * PAGE, {
        shared,
        writable: true,
        sync: false,
      }),
    ) as [MappedRegion, MappedRegion];
  }

  take(one: Step): void {
    const { kind, pos, seed } = one;
    const length = Math.min(one.length, SIZE_MAX - pos);
    const data = pattern(seed, length);
    if (kind === "write") this.write(pos, data);
    else if (kind === "store") this.store(pos, data);
    else if (kind === "load") this.load(pos, length);
    else if (kind === "private") this.storePrivate(pos, data);
    else if (kind === "truncate") this.truncate(pos);
    else if (kind === "fallocate") this.fallocate(one.mode, pos, length);
    else if (kind === "sync") this.sync();
    else this.cut();
    this.check();
  }

  private write(pos: number, data: Uint8Array): void {
    const written = this.writeOrFill(pos, data);
    if (written === 0) return;
    this.grow(pos + written);
    this.model.set(data.subarray(0, written), pos);
  }

  /** Bytes written: all, unless the device is full. */
  private writeOrFill(pos: number, data: Uint8Array): number {
    try {
      const written = this.operations.write(this.inode, pos, data, 0, data.length);
      check(written > 0);
      check(written === data.length || this.isTight, "a short write on a device with space");
      return written;
    } catch (error) {
      if (this.isTight && error instanceof FsError && error.code === "ENOSPC") return 0;
      throw error;
    }
  }

  private get isTight(): boolean {
    return this.blocks * this.design.blockSize < DEVICE_PAGES * PAGE;
  }

  private grow(size: number): void {
    if (size <= this.model.length) return;
    const grown = new Uint8Array(size);
    grown.set(this.model);
    this.model = grown;
  }

  /** What is stored beyond the end of the file, in its last page, is lost; further on is a bus error. */
  private store(pos: number, data: Uint8Array): void {
    const mapped = Math.ceil(this.model.length / PAGE) * PAGE;
    const isInside = pos + data.length <= mapped;
    if (!isInside) {
      check.throws(() => this.shared.store(mapped, data, 0, 1), /beyond the end/);
      return;
    }
    this.shared.store(pos, data, 0, data.length);
    const kept = Math.max(0, Math.min(data.length, this.model.length - pos));
    this.model.set(data.subarray(0, kept), Math.min(pos, this.model.length));
  }

  private load(pos: number, length: number): void {
    const end = Math.min(this.model.length, pos + length);
    if (pos >= end) return;
    const found = new Uint8Array(end - pos);
    this.shared.load(pos, found, 0, found.length);
    expectSame(found, this.model.subarray(pos, end), "load");
    this.private.load(pos, found, 0, found.length);
    for (let at = pos; at < end; at++) {
      const copy = this.copies.get(Math.floor(at / PAGE));
      const want = copy === undefined ? this.model[at]! : copy[at % PAGE]!;
      if (found[at - pos] !== want) check.equal(found[at - pos], want, `private load at ${at}`);
    }
  }

  private storePrivate(pos: number, data: Uint8Array): void {
    if (pos + data.length > this.model.length) return;
    this.private.store(pos, data, 0, data.length);
    const last = Math.floor((pos + data.length - 1) / PAGE);
    for (let index = Math.floor(pos / PAGE); index <= last; index++) {
      if (this.copies.has(index)) continue;
      const copy = new Uint8Array(PAGE);
      copy.set(this.model.subarray(index * PAGE, (index + 1) * PAGE));
      this.copies.set(index, copy);
    }
    for (let at = 0; at < data.length; at++) {
      this.copies.get(Math.floor((pos + at) / PAGE))![(pos + at) % PAGE] = data[at]!;
    }
  }

  private truncate(size: number): void {
    this.operations.truncate(this.inode, size);
    this.model = this.model.slice(0, size);
    this.grow(size);
    this.dropCopies();
  }

  private dropCopies(): void {
    for (const index of this.copies.keys()) {
      if (index * PAGE >= this.model.length) this.copies.delete(index);
    }
    // Private pages that the end of the file passes through are nobody's business here.
    if (this.model.length % PAGE !== 0) this.remapPrivate();
  }

  private remapPrivate(): void {
    this.private.unmap();
    this.copies.clear();
    this.private = this.operations.map(this.inode, 0, SIZE_MAX + 4 * PAGE, {
      shared: false,
      writable: true,
      sync: false,
    });
  }

  private fallocate(mode: number, pos: number, length: number): void {
    const shift = mode === COLLAPSE || mode === INSERT;
    const from = shift ? pos - (pos % this.design.blockSize) : pos;
    const bytes = shift ? Math.ceil(length / this.unit) * this.unit : length;
    const size = this.model.length;
    const isOutside = mode === COLLAPSE ? from + bytes >= size : from >= size;
    if (mode === INSERT && size + bytes > SIZE_MAX) return;
    if (shift && isOutside) {
      check.throws(() => this.operations.fallocate(this.inode, mode, from, bytes), /EINVAL/);
      return;
    }
    this.operations.fallocate(this.inode, mode, from, bytes);
    if ((mode & KEEP) === 0 && !shift) this.grow(from + bytes);
    if ((mode & (PUNCH | ZERO)) !== 0) this.model.fill(0, from, from + bytes);
    if (shift) {
      const head = this.model.subarray(0, from);
      const gap = mode === INSERT ? new Uint8Array(bytes) : new Uint8Array(0);
      const tail = this.model.subarray(mode === INSERT ? from : from + bytes);
      this.model = Uint8Array.from([...head, ...gap, ...tail]);
      // Which private pages move with the file is not for this test to say.
      this.remapPrivate();
    }
  }

  private sync(): void {
    this.operations.fsync(this.inode, false);
    expectSame(survivor(this.fs, this.inode, this.watch.nothing()), this.model, "synced");
  }

  /** fsync, then the power fails: everything in memory is gone, nothing of the file is. */
  private cut(): void {
    this.sync();
    this.shared.unmap();
    this.private.unmap();
    this.copies.clear();
    this.operations.release(this.inode, true);
    check.equal(this.inode.mapping.folios?.size ?? 0, 0);
    check.equal(this.fs.promised, 0);
    check.equal(this.inode.size, this.inode.diskSize);
    this.operations = this.design.make(this.fs);
    [this.shared, this.private] = this.map();
  }

  private check(): void {
    check.equal(this.inode.size, this.model.length);
    check(this.inode.diskSize <= this.inode.size);
    // A size that is not published has dirty data that will bring it.
    const isBehind = this.inode.diskSize < this.inode.size;
    check(!(isBehind && (this.inode.mapping.dirty?.size ?? 0) === 0));
    expectSame(contents(this.operations, this.inode), this.model, "contents");
    this.checkSeek();
    if (this.operations instanceof PageCacheOperations) {
      const { cache } = this.operations;
      check.equal(cache.reservedCount, this.fs.promised);
      check.equal(cache.dirtyCount, this.inode.mapping.dirty?.size ?? 0);
      check(cache.dirtyCount <= 5);
    }
    const used = this.fs.blocksOf(this.inode).size;
    check.equal(used + this.fs.free.size, this.blocks);
  }

  /** What is not data reads as zeros, and data and holes take turns to the end. */
  private checkSeek(): void {
    for (let at = 0; at < this.model.length;) {
      const data = this.seekOr(at, SEEK_DATA);
      const isZero = this.model.subarray(at, data).every((byte) => byte === 0);
      check(isZero, `a hole from ${at} to ${data} has data`);
      if (data >= this.model.length) return;
      const hole = this.seekOr(data, SEEK_HOLE);
      check(hole > data);
      at = hole;
    }
  }

  private seekOr(pos: number, whence: number): number {
    try {
      return this.operations.seek(this.inode, pos, whence);
    } catch (error) {
      if (error instanceof FsError && error.code === "ENXIO") return this.model.length;
      throw error;
    }
  }
}

function expectSame(found: Uint8Array, want: Uint8Array, what: string): void {
  if (found.length === want.length && Buffer.compare(found, want) === 0) return;
  const at = found.findIndex((byte, index) => byte !== want[index]);
  check.fail(
    `${what}: ${found.length} bytes for ${want.length}, at ${at}: ${found[at]} for ${want[at]}`,
  );
}

describe.each(DESIGNS)("$name", (design) => {
  it("agrees with a plain byte array", () => {
    const property = fc.property(
      fc.array(step, { minLength: 1, maxLength: 25 }),
      fc.constantFrom(Infinity, PAGE, 3 * PAGE),
      fc.boolean(),
      (steps, rangeMax, unwritten) => {
        const run = new Run(design, rangeMax, unwritten);
        for (const one of steps) run.take(one);
      },
    );
    const run = () => fc.assert(property, { seed: SEED, numRuns: 250 });
    expect(run).not.toThrow();
  });

  it("loses nothing on a device that fills up", () => {
    const property = fc.property(fc.array(tightStep, { minLength: 1, maxLength: 25 }), (steps) => {
      const run = new Run(design, Infinity, true, 8);
      for (const one of steps) run.take(one);
      run.take({ ...steps[0]!, kind: "cut" });
    });
    const run = () => fc.assert(property, { seed: SEED, numRuns: 250 });
    expect(run).not.toThrow();
  });
});
