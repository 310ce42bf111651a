/**
 * Metadata blocks in memory: the buffer cache of a mount.
 *
 * A clean buffer is no copy: it looks at the device itself, which is memory. `write` gives it bytes
 * of its own and puts it into the running transaction (journal/), which writes it to the log, and
 * home once it is checkpointed; then it looks at the device again.
 *
 *   clean       view of the device at the block's home
 *   dirty       own bytes, in the running transaction
 *   committed   own bytes, durable in the log, not yet home
 *
 * Each block is verified when it is read for the first time, checksum first, and its checksum is
 * put in when its transaction commits: between the two nobody looks at checksums.
 *
 * Rules: read through `buffer.view` at `buffer.at + …` each time, and ask for both again after
 * `write`, which moves them. Change the bytes between `write` and the end of the handle only.
 */
import { assert, type PmemDevice, type Pblk, SEGMENT_SIZE } from "@xiplab/core";
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
}

export class Buffer {
  readonly pblk: Pblk;
  readonly kind: BlockKind;
  /** What checksums of the block start from: the seed of the inode that owns it, or a group number. */
  readonly owner: number;
  view: DataView;
  /** Where the block starts in `view`. */
  at: number;
  /** Own bytes; null while the buffer looks at the device. */
  bytes: Uint8Array<ArrayBuffer> | null = null;
  /** The running transaction has it: its number, or 0. */
  tid = 0;
  /** Number of the last transaction that committed it and that is not checkpointed, or 0. */
  committedTid = 0;
  /** Where in the log that copy stands (block of the journal), or 0. */
  logBlock = 0;
  /** Records in the block whose own checksums are to be put in (inode tables, descriptors). */
  readonly slots = new Set<number>();
  /** Found since the hand of the clock passed. */
  referenced = true;

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
  private readonly cached = new Map<number, Buffer>();

  constructor(device: PmemDevice, geometry: Geometry) {
    this.device = device;
    this.geometry = geometry;
  }

  /** The block, verified as `kind`. HOT. @throws CorruptionError; FsError EIO */
  read(pblk: Pblk, kind: BlockKind, owner: number): Buffer {
    const found = this.cached.get(pblk);
    if (found !== undefined && found.kind === kind && found.owner === owner) {
      found.referenced = true;
      return found;
    }
    assert(found === undefined || found.bytes === null, "a changed block has one kind");
    const buffer = this.look(pblk, kind, owner);
    kind.verify(this.geometry, buffer);
    this.cached.set(pblk, buffer);
    return buffer;
  }

  /** A block that was just allocated: zeros, in the running transaction. Inside a handle. */
  create(pblk: Pblk, kind: BlockKind, owner: number): Buffer {
    const old = this.cached.get(pblk);
    assert(old === undefined || old.bytes === null, "a new block is nobody's");
    const buffer = this.look(pblk, kind, owner);
    this.cached.set(pblk, buffer);
    this.own(buffer, new Uint8Array(this.geometry.blockSize));
    return buffer;
  }

  /** The buffer is about to change. Inside a handle; cheap where it did so before. HOT. */
  write(buffer: Buffer): void {
    if (buffer.bytes === null) {
      const { device, geometry } = this;
      const bytes = new Uint8Array(geometry.blockSize);
      device.load(geometry.pblkToDevByte(buffer.pblk), bytes, 0, bytes.length);
      this.own(buffer, bytes);
    } else {
      this.join(buffer);
    }
  }

  /** Write, and have the checksum of record `slot` put in at commit. HOT. */
  writeSlot(buffer: Buffer, slot: number): void {
    this.write(buffer);
    buffer.slots.add(slot);
  }

  /** The block holds metadata no more: it was freed. Inside the handle that frees it. */
  forget(pblk: Pblk): void {
    assert(this.journal !== null, "the mount has a journal, or what stands in for one");
    this.journal.revoke(pblk);
    this.cached.delete(pblk);
  }

  /** For the journal: the block is home, look at the device again. */
  settle(buffer: Buffer): void {
    const home = this.geometry.pblkToDevByte(buffer.pblk);
    buffer.view = this.device.view(home, this.geometry.blockSize);
    buffer.at = home % SEGMENT_SIZE;
    buffer.bytes = null;
    buffer.committedTid = 0;
    buffer.logBlock = 0;
  }

  private look(pblk: Pblk, kind: BlockKind, owner: number): Buffer {
    const home = this.geometry.pblkToDevByte(pblk);
    const view = this.device.view(home, this.geometry.blockSize);
    return new Buffer(pblk, kind, owner, view, home % SEGMENT_SIZE);
  }

  private own(buffer: Buffer, bytes: Uint8Array<ArrayBuffer>): void {
    buffer.bytes = bytes;
    buffer.view = new DataView(bytes.buffer);
    buffer.at = 0;
    this.join(buffer);
  }

  private join(buffer: Buffer): void {
    assert(this.journal !== null, "the mount has a journal, or what stands in for one");
    this.journal.join(buffer);
  }
}
