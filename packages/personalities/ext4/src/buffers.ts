/**
 * Metadata blocks in memory: the buffer cache of a mount.
 *
 * A clean buffer is no copy: it looks at the device itself, which is memory. `write` gives it bytes
 * of its own and puts it into the running transaction (journal/), which writes it to the log, and
 * home once it is checkpointed; then it looks at the device again.
 *
 *   clean       view of the device at the block's home
 *   dirty       own bytes, in the running transaction
 *   committed   durable in the log, not yet home: own bytes, or a view of the copy in the log
 *
 * Each block is verified when it is read for the first time, checksum first, and its checksum is
 * put in when its transaction commits: between the two nobody looks at checksums.
 *
 * Rules: read through `buffer.view` at `buffer.at + …` each time, and ask for both again after
 * `write`, which moves them, and after a commit. Change the bytes between `write` and the end of the
 * handle only. Who keeps a buffer for longer than a handle pins it: the cache keeps at most
 * `CLEAN_MAX` others, and a clean one that was not found for a while is forgotten.
 *
 * A mount that must not write has what recovery found in memory (`overlay`): buffers look there
 * first.
 */
import { assert, corrupt, type DevByte, type PmemDevice, type Pblk } from "@xiplab/core";
import { SEGMENT_SIZE } from "@xiplab/core";
import type { Geometry } from "./geometry.ts";

/** What a kind of metadata block needs: one constant per structure, beside its field table. */
export interface BlockKind {
  /** As in CorruptionError.structure: "ext4_extent_block". */
  readonly name: string;
  /** Checksum, then content. @throws CorruptionError */
  verify(geometry: Geometry, buffer: Buffer): void;
  /** Put checksums in, before the block leaves memory. May write to other buffers of the running
   * transaction that are stamped later (`late`), as bitmaps do to group descriptors. */
  stamp(geometry: Geometry, buffer: Buffer): void;
  /** Stamped after the others. */
  readonly late?: true;
  /**
   * How many bytes from the start of a stamped block its own checksum covers, where that is the raw
   * crc32c from `owner` on and stands in the last 4 bytes; else 0. The journal goes on from it, and
   * need not look at those bytes again.
   */
  covered?(geometry: Geometry, buffer: Buffer): number;
}

/** Buffers that are kept although nobody changed them. */
const CLEAN_MAX = 2 ** 16;
/** Blocks of memory are made so many at a time. */
const SLAB_BLOCKS = 64;
/** Blocks of memory that are kept for later when they are given back. */
const FRAMES_MAX = 4096;

/** Most buffers have no records with checksums of their own: they share this one. */
class NoSlots extends Set<number> {
  override add(): this {
    assert(false, "records are named through Buffers.writeSlot");
    return this;
  }
}
const NO_SLOTS = new NoSlots();

export class Buffer {
  readonly pblk: Pblk;
  readonly kind: BlockKind;
  /** What checksums of the block start from: the seed of the inode that owns it, or a group number. */
  readonly owner: number;
  view: DataView;
  /** Where the block starts in `view`. */
  at: number;
  /** Own bytes; null while the buffer looks at the device, or at the overlay. */
  bytes: Uint8Array<ArrayBuffer> | null = null;
  /** The running transaction has it: its number, or 0. */
  tid = 0;
  /** Number of the last transaction that committed it and that is not checkpointed, or 0. */
  committedTid = 0;
  /** Where on the device the copy of that transaction stands, in the log; or 0. */
  logAt = 0 as DevByte;
  /** That copy starts with zeros instead of the log's magic number. */
  logEscaped = false;
  /** Records in the block whose own checksums are to be put in (inode tables, descriptors). */
  slots: Set<number> = NO_SLOTS;
  /** Found since the hand of the clock passed. */
  referenced = true;
  /** Small changes that the running transaction made; counted by kinds that ask. */
  edits = 0;
  /** Never forgotten by the cache. */
  pinned = false;
  /** The cache has it no more. */
  dropped = false;

  constructor(pblk: Pblk, kind: BlockKind, owner: number, view: DataView, at: number) {
    this.pblk = pblk;
    this.kind = kind;
    this.owner = owner;
    this.view = view;
    this.at = at;
  }
}

/** What the cache asks of the journal. */
export interface WriteAccess {
  /** `buffer` is about to change: it belongs to the running transaction from now on. */
  join(buffer: Buffer): void;
  /** The block is freed: whatever the log has of it must not be replayed (revoke). */
  revoke(pblk: Pblk): void;
}

export class Buffers {
  readonly device: PmemDevice;
  readonly geometry: Geometry;
  /** Set once, by whoever builds the mount. */
  journal: WriteAccess | null = null;
  /** Blocks of memory that buffers have. */
  framesUsed = 0;
  private readonly overlay: ReadonlyMap<number, Uint8Array<ArrayBuffer>> | null;
  private readonly cached = new Map<number, Buffer>();
  private readonly cleanMax: number;
  /** The clock: every buffer of `cached`, and some that were dropped. */
  private readonly ring: Buffer[] = [];
  private hand = 0;
  private readonly freeBytes: Uint8Array<ArrayBuffer>[] = [];
  private readonly freeViews: DataView[] = [];

  /** `overlay`: what recovery left in memory. */
  constructor(
    device: PmemDevice,
    geometry: Geometry,
    overlay: ReadonlyMap<number, Uint8Array<ArrayBuffer>> | null = null,
    cleanMax = CLEAN_MAX,
  ) {
    this.device = device;
    this.geometry = geometry;
    this.overlay = overlay;
    this.cleanMax = cleanMax;
  }

  /** The block, verified as `kind`. HOT. @throws CorruptionError; FsError EIO */
  read(pblk: Pblk, kind: BlockKind, owner: number): Buffer {
    const found = this.cached.get(pblk);
    if (found !== undefined && found.kind === kind && found.owner === owner) {
      found.referenced = true;
      return found;
    }
    return this.readFirst(pblk, kind, owner, found);
  }

  /** The buffer of the block, whatever its kind, or undefined. */
  peek(pblk: Pblk): Buffer | undefined {
    return this.cached.get(pblk);
  }

  /** A block that was just allocated: zeros, in the running transaction. Inside a handle. */
  create(pblk: Pblk, kind: BlockKind, owner: number): Buffer {
    const old = this.cached.get(pblk);
    assert(old === undefined || old.tid === 0, "a new block is nobody's");
    assert(old === undefined || old.committedTid === 0, "a new block was forgotten by its owner");
    const buffer = this.look(pblk, kind, owner);
    this.keep(buffer, old);
    this.own(buffer);
    buffer.bytes!.fill(0);
    this.join(buffer);
    return buffer;
  }

  /** The buffer is about to change. Inside a handle; cheap where it did so before. HOT. */
  write(buffer: Buffer): void {
    if (buffer.bytes === null) this.copyIn(buffer);
    this.join(buffer);
  }

  /** Write, and have the checksum of record `slot` put in at commit. HOT. */
  writeSlot(buffer: Buffer, slot: number): void {
    this.write(buffer);
    if (buffer.slots === NO_SLOTS) buffer.slots = new Set();
    buffer.slots.add(slot);
  }

  /** The block holds metadata no more: it was freed. Inside the handle that frees it. */
  forget(pblk: Pblk): void {
    assert(this.journal !== null, "the mount has a journal, or what stands in for one");
    this.journal.revoke(pblk);
    const buffer = this.cached.get(pblk);
    if (buffer === undefined) return;
    this.cached.delete(pblk);
    buffer.dropped = true;
  }

  /** For the journal: the block is home, look at the device again. */
  settle(buffer: Buffer): void {
    buffer.committedTid = 0;
    buffer.logAt = 0 as DevByte;
    this.lookAt(buffer, this.geometry.pblkToDevByte(buffer.pblk));
  }

  /** For the journal: what the buffer holds stands on the device at `source`; look there. */
  lookAt(buffer: Buffer, source: DevByte): void {
    if (buffer.bytes !== null) {
      this.framesUsed--;
      if (this.freeBytes.length < FRAMES_MAX) {
        this.freeBytes.push(buffer.bytes);
        this.freeViews.push(buffer.view);
      }
      buffer.bytes = null;
    }
    buffer.view = this.device.view(source, this.geometry.blockSize);
    buffer.at = source % SEGMENT_SIZE;
  }

  /** For the journal: nobody wants what the buffer holds any more; its memory is free. */
  release(buffer: Buffer): void {
    assert(buffer.dropped, "a block of the cache keeps what it holds");
    this.lookAt(buffer, this.geometry.pblkToDevByte(buffer.pblk));
  }

  private readFirst(pblk: Pblk, kind: BlockKind, owner: number, old: Buffer | undefined): Buffer {
    const unchanged = old === undefined || (old.bytes === null && old.committedTid === 0);
    if (!unchanged) {
      const { kind: other } = old;
      corrupt(kind.name, `block ${pblk}`, "owner", `another's: ${other.name}`, "one");
    }
    const buffer = this.look(pblk, kind, owner);
    kind.verify(this.geometry, buffer);
    this.keep(buffer, old);
    return buffer;
  }

  private look(pblk: Pblk, kind: BlockKind, owner: number): Buffer {
    const laid = this.overlay?.get(pblk);
    if (laid !== undefined) {
      const view = new DataView(laid.buffer, laid.byteOffset, laid.length);
      return new Buffer(pblk, kind, owner, view, 0);
    }
    const home = this.geometry.pblkToDevByte(pblk);
    const view = this.device.view(home, this.geometry.blockSize);
    return new Buffer(pblk, kind, owner, view, home % SEGMENT_SIZE);
  }

  /** Own bytes, with what the buffer looked at. */
  private copyIn(buffer: Buffer): void {
    assert(this.overlay === null, "a mount with an overlay is read-only");
    const { device, geometry } = this;
    if (buffer.dropped) this.bringBack(buffer);
    const committed = buffer.committedTid !== 0;
    const source = committed ? buffer.logAt : geometry.pblkToDevByte(buffer.pblk);
    this.own(buffer);
    device.load(source, buffer.bytes!, 0, geometry.blockSize);
  }

  /** The clock took the buffer while somebody went on using it: it is the one from now on. */
  private bringBack(buffer: Buffer): void {
    const other = this.cached.get(buffer.pblk);
    const free = other === undefined || (other.bytes === null && other.committedTid === 0);
    assert(free, "a block has one buffer: who keeps one for long pins it");
    this.keep(buffer, other);
  }

  private keep(buffer: Buffer, old: Buffer | undefined): void {
    if (old !== undefined) old.dropped = true;
    buffer.dropped = false;
    buffer.referenced = true;
    this.cached.set(buffer.pblk, buffer);
    if (this.ring.length < this.cleanMax) this.ring.push(buffer);
    else this.replace(buffer);
  }

  /** Put the buffer in the place of a clean one that was not found lately. */
  private replace(buffer: Buffer): void {
    const { ring } = this;
    // Two rounds: the first may do no more than take the marks away.
    for (let step = 0; step < 2 * ring.length; step++) {
      const slot = this.hand;
      const victim = ring[slot]!;
      this.hand = slot + 1 < ring.length ? slot + 1 : 0;
      if (!victim.dropped) {
        const idle = victim.bytes === null && victim.committedTid === 0 && !victim.pinned;
        if (!idle) continue;
        if (victim.referenced) {
          victim.referenced = false;
          continue;
        }
        victim.dropped = true;
        this.cached.delete(victim.pblk);
      }
      ring[slot] = buffer;
      return;
    }
    ring.push(buffer);
  }

  private own(buffer: Buffer): void {
    if (this.freeBytes.length === 0) this.makeFrames();
    this.framesUsed++;
    const bytes = this.freeBytes.pop()!;
    buffer.bytes = bytes;
    buffer.view = this.freeViews.pop()!;
    buffer.at = bytes.byteOffset;
  }

  private makeFrames(): void {
    const { blockSize } = this.geometry;
    const slab = new ArrayBuffer(SLAB_BLOCKS * blockSize);
    const view = new DataView(slab);
    for (let block = SLAB_BLOCKS - 1; block >= 0; block--) {
      this.freeBytes.push(new Uint8Array(slab, block * blockSize, blockSize));
      this.freeViews.push(view);
    }
  }

  private join(buffer: Buffer): void {
    assert(this.journal !== null, "the mount has a journal, or what stands in for one");
    this.journal.join(buffer);
  }
}
