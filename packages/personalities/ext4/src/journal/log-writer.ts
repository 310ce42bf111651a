/**
 * One transaction into the log: revoke blocks, descriptors and copies, commit block. Copies are
 * stored straight from the buffers' bytes.
 *
 * The commit block counts when its number (s_sequence of its header, one word) stands there. `write`
 * stores everything but that word, whatever was there before: blocks of an earlier round have other
 * numbers. So the commit is one atomic store, and neither the kernel nor e2fsck ever sees a commit
 * block that is torn.
 */
import { assert, type DevByte, type PmemDevice, PURPOSE_JOURNAL } from "@xiplab/core";
import { SEGMENT_SIZE, type Timespec } from "@xiplab/core";
import type { Buffer } from "../buffers.ts";
import { crcRaw, crcZeros } from "../checksum.ts";
import * as j from "../format/jbd2.ts";
import { BLOCK_TAIL, COMMIT_BLOCK, JBD2_HEADER, REVOKE_BLOCK } from "../format/jbd2.ts";
import type { Geometry } from "../geometry.ts";
import { crcSparse, crcZeroRun } from "./crc-zeros.ts";
import type { JournalMap } from "./journal-map.ts";
import type { JournalSuperblock } from "./journal-superblock.ts";
import { sequenceSeed } from "./sequence-seed.ts";
import { TagFormat } from "./tags.ts";

const WORD_SIZE = 8;
/** Byte of the word that makes a commit block count. */
const COMMIT_WORD_AT = 8;
const COMMIT_SIZE = 60;
const CHECKSUM_SIZE = 4;

export class LogWriter {
  /** Block of the journal where the next transaction starts. */
  head: number;
  private readonly device: PmemDevice;
  private readonly geometry: Geometry;
  private readonly map: JournalMap;
  private readonly journal: JournalSuperblock;
  private readonly tags: TagFormat;
  private readonly seed: number;
  private readonly blockSize: number;
  private readonly revokesPerBlock: number;
  /** Descriptor, revoke and commit blocks are put together here. */
  private readonly block: Uint8Array<ArrayBuffer>;
  private readonly view: DataView;
  private commitAt = 0;
  private readonly commitWord = new Uint8Array(WORD_SIZE);

  constructor(device: PmemDevice, geometry: Geometry, map: JournalMap, journal: JournalSuperblock) {
    this.device = device;
    this.geometry = geometry;
    this.map = map;
    this.journal = journal;
    this.tags = new TagFormat(journal);
    this.seed = journal.seed;
    this.blockSize = journal.blockSize;
    const room = this.blockSize - j.REVOKE_HEADER_SIZE - this.tags.tailSize;
    this.revokesPerBlock = Math.floor(room / (journal.isWide ? 8 : 4));
    this.block = new Uint8Array(this.blockSize);
    this.view = new DataView(this.block.buffer);
    this.head = journal.first;
  }

  /** Blocks of the log that a transaction takes. */
  lengthOf(blocks: number, revokes: number): number {
    const descriptors = Math.ceil(blocks / this.tags.perBlock);
    return blocks + descriptors + Math.ceil(revokes / this.revokesPerBlock) + 1;
  }

  /** The log is empty: start at its beginning, where recovery of a torn tail looks for it. */
  rewind(): void {
    this.head = this.journal.first;
  }

  /** Store the transaction, but for the word that makes it count. The caller fences. */
  write(tid: number, blocks: readonly Buffer[], revokes: Set<number>, time: Timespec): void {
    const sequence = tid % 2 ** 32;
    if (revokes.size > 0) this.writeRevokes(sequence, revokes);
    const seed = sequenceSeed(this.seed, sequence);
    for (let start = 0; start < blocks.length; start += this.tags.perBlock) {
      this.writeBlocks(sequence, seed, blocks, start);
    }
    this.writeCommit(sequence, time);
  }

  /** COMMIT POINT, with the fence that the caller has come next. */
  storeCommitWord(): void {
    assert(this.commitAt !== 0, "a transaction was written");
    const at = this.commitAt + COMMIT_WORD_AT;
    this.device.storeNonTemporal(at, this.commitWord, 0, WORD_SIZE, PURPOSE_JOURNAL);
    this.commitAt = 0;
  }

  /** The next block of the log. */
  private next(): DevByte {
    const at = this.map.devByte(this.head);
    this.head++;
    if (this.head === this.journal.end) this.head = this.journal.first;
    return at;
  }

  private begin(type: number, sequence: number): void {
    this.block.fill(0);
    JBD2_HEADER.magic.set(this.view, 0, j.JBD2_MAGIC);
    JBD2_HEADER.type.set(this.view, 0, type);
    JBD2_HEADER.sequence.set(this.view, 0, sequence);
  }

  private store(at: DevByte): void {
    this.device.storeNonTemporal(at, this.block, 0, this.blockSize, PURPOSE_JOURNAL);
  }

  /** Checksum of a descriptor or revoke block of which `used` bytes are not zero. */
  private storeWithTail(at: DevByte, used: number): void {
    if (this.tags.tailSize > 0) {
      const crc = crcZeroRun(crcRaw(this.seed, this.view, 0, used), this.blockSize - used);
      BLOCK_TAIL.checksum.set(this.view, this.blockSize - this.tags.tailSize, crc);
    }
    this.store(at);
  }

  private writeRevokes(sequence: number, revokes: Set<number>): void {
    const isWide = this.journal.isWide;
    const pblks = revokes.values();
    for (let left = revokes.size; left > 0;) {
      const count = Math.min(left, this.revokesPerBlock);
      left -= count;
      this.begin(j.BLOCK_REVOKE, sequence);
      let at = j.REVOKE_HEADER_SIZE;
      for (let index = 0; index < count; index++) {
        const pblk = pblks.next().value!;
        if (isWide) this.view.setUint32(at, Math.floor(pblk / 2 ** 32));
        at += isWide ? 8 : 4;
        this.view.setUint32(at - 4, pblk % 2 ** 32);
      }
      REVOKE_BLOCK.count.set(this.view, 0, at);
      this.storeWithTail(this.next(), at);
    }
  }

  /** A descriptor and the blocks that it has room for, from `start` on. HOT. */
  private writeBlocks(
    sequence: number,
    seed: number,
    blocks: readonly Buffer[],
    start: number,
  ): void {
    const { tags, view } = this;
    const end = Math.min(start + tags.perBlock, blocks.length);
    const descriptorAt = this.next();
    this.begin(j.BLOCK_DESCRIPTOR, sequence);
    let at = j.JBD2_HEADER_SIZE;
    for (let index = start; index < end; index++) {
      const buffer = blocks[index]!;
      const checksum = this.writeCopy(buffer, seed);
      let flags = index === start ? 0 : j.TAG_SAME_UUID;
      if (buffer.logEscaped) flags |= j.TAG_ESCAPE;
      if (index === end - 1) flags |= j.TAG_LAST;
      tags.set(view, at, buffer.pblk, flags, tags.fold(checksum));
      at += tags.size;
      if (index === start) {
        this.block.set(this.journal.uuid, at);
        at += j.TAG_UUID_SIZE;
      }
    }
    this.storeWithTail(descriptorAt, at);
  }

  /** The block into the log; the checksum of what stands there. HOT. */
  private writeCopy(buffer: Buffer, seed: number): number {
    const { blockSize, device } = this;
    const { at, bytes, view } = buffer;
    assert(bytes !== null, "a changed buffer has bytes of its own");
    const copyAt = this.next();
    buffer.logAt = copyAt;
    buffer.logEscaped = view.getUint32(at) === j.JBD2_MAGIC;
    if (!buffer.logEscaped) {
      device.storeNonTemporal(copyAt, bytes, 0, blockSize, PURPOSE_JOURNAL);
      return this.tags.tailSize > 0 ? this.checksumOf(buffer, seed) : 0;
    }
    device.zero(copyAt, 4, PURPOSE_JOURNAL);
    device.storeNonTemporal(copyAt + 4, bytes, 4, blockSize - 4, PURPOSE_JOURNAL);
    return crcSparse(crcZeros(seed, 4), view, at + 4, blockSize - 4);
  }

  /**
   * Of a whole block. What a block's own checksum covers adds the same to this one, but for the
   * seed, which is moved over it.
   */
  private checksumOf(buffer: Buffer, seed: number): number {
    const { blockSize } = this;
    const { at, kind, owner, view } = buffer;
    const covered = kind.covered?.(this.geometry, buffer) ?? 0;
    if (covered === 0) return crcSparse(seed, view, at, blockSize);
    const own = view.getUint32(at + blockSize - CHECKSUM_SIZE, true);
    const moved = (own ^ crcZeroRun((seed ^ owner) >>> 0, covered)) >>> 0;
    return crcRaw(moved, view, at + covered, blockSize - covered);
  }

  private writeCommit(sequence: number, time: Timespec): void {
    const { block, blockSize, device, view } = this;
    const at = this.next();
    this.begin(j.BLOCK_COMMIT, sequence);
    COMMIT_BLOCK.commitSec.set(view, 0, Math.max(time.sec, 0));
    COMMIT_BLOCK.commitNsec.set(view, 0, time.nsec);
    if (this.tags.tailSize > 0) {
      const crc = crcZeroRun(crcRaw(this.seed, view, 0, COMMIT_SIZE), blockSize - COMMIT_SIZE);
      COMMIT_BLOCK.checksum.set(view, 0, crc);
    }
    this.refuseWord(at, sequence);
    device.storeNonTemporal(at, block, 0, COMMIT_WORD_AT, PURPOSE_JOURNAL);
    const rest = COMMIT_WORD_AT + WORD_SIZE;
    device.storeNonTemporal(at + rest, block, rest, blockSize - rest, PURPOSE_JOURNAL);
    this.commitWord.set(block.subarray(COMMIT_WORD_AT, rest));
    this.commitAt = at;
  }

  /** By chance the number may stand there already, in a copy of some block: then not any more. */
  private refuseWord(at: DevByte, sequence: number): void {
    const view = this.device.view(at + COMMIT_WORD_AT, WORD_SIZE);
    if (view.getUint32((at + COMMIT_WORD_AT) % SEGMENT_SIZE) !== sequence) return;
    this.device.zero(at, COMMIT_WORD_AT + WORD_SIZE, PURPOSE_JOURNAL);
    // Zeros must be durable before the rest of a commit block stands around them.
    this.device.fence();
  }
}
