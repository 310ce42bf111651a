/**
 * Reading a log: which transactions are complete, what each has of which block, and what is revoked.
 * Nothing is written here, and nothing that the log says is believed before it is bounded: a log may
 * hold anything.
 *
 * The log ends at the first block that is not the next one of a transaction: wrong magic number, or
 * another sequence number, as of what is left of an earlier round. A transaction counts from its
 * commit block on; a commit block whose checksum is wrong is one that a power cut tore, unless the
 * next transaction follows it, which starts only when it was durable.
 */
import { corrupt, type PmemDevice, SEGMENT_SIZE } from "@xiplab/core";
import { crcRaw, crcZeros } from "../checksum.ts";
import * as j from "../format/jbd2.ts";
import { COMMIT_BLOCK, JBD2_HEADER, REVOKE_BLOCK } from "../format/jbd2.ts";
import type { JournalMap } from "./journal-map.ts";
import type { JournalSuperblock } from "./journal-superblock.ts";
import { crc32Be } from "./crc32-be.ts";
import { TagFormat } from "./tags.ts";

/** The blocks of all complete transactions, in the order of the log. Parallel arrays. */
export interface LoggedBlocks {
  /** Where they belong. */
  readonly pblks: number[];
  /** Where in the journal the copies stand. */
  readonly indices: number[];
  /** TAG_* */
  readonly flags: number[];
  readonly checksums: number[];
  /** Number of the transaction, as on the medium. */
  readonly sequences: number[];
}

/** Where a transaction starts: what the tail of the log may be. */
export interface Boundary {
  readonly sequence: number;
  readonly index: number;
}

const emptyBlocks = (): LoggedBlocks => ({
  pblks: [],
  indices: [],
  flags: [],
  checksums: [],
  sequences: [],
});

export class LogScan {
  readonly blocks = emptyBlocks();
  /** Start of each complete transaction, and where the next one would start. */
  readonly boundaries: Boundary[] = [];
  /** Number of the first transaction that is not complete. */
  sequence: number;
  /** Last transaction that revoked a block. */
  readonly revoked = new Map<number, number>();
  private readonly device: PmemDevice;
  private readonly map: JournalMap;
  private readonly journal: JournalSuperblock;
  private readonly tags: TagFormat;
  private readonly seed: number;
  private readonly blockSize: number;
  private index: number;
  /** Blocks of the log that were seen: it has no more than it has. */
  private used = 0;
  private pending = emptyBlocks();
  private pendingRevokes: number[] = [];
  /** A block of the pending transaction with a wrong checksum, or -1. */
  private bad = -1;
  private crc = 0xffffffff;
  private lastCommitSec = 0;

  /** @throws CorruptionError; FsError EIO */
  constructor(device: PmemDevice, map: JournalMap, journal: JournalSuperblock) {
    this.device = device;
    this.map = map;
    this.journal = journal;
    this.tags = new TagFormat(journal);
    this.seed = journal.seed;
    this.blockSize = journal.blockSize;
    this.sequence = journal.sequence;
    this.index = journal.start;
    if (this.index === 0) return;
    this.boundaries.push({ sequence: this.sequence, index: this.index });
    while (this.used < journal.end - journal.first && this.readBlock());
  }

  /** Is transaction `sequence` not later than the one that revoked the block? */
  isRevoked(pblk: number, sequence: number): boolean {
    const by = this.revoked.get(pblk);
    return by !== undefined && ((by - sequence) | 0) >= 0;
  }

  /** Every block of the log that has a header, whatever round it is of: where a tail may have been. */
  headers(): Boundary[] {
    const found: Boundary[] = [];
    for (let index = this.journal.first; index < this.journal.end; index++) {
      const view = this.look(index);
      const at = this.map.devByte(index) % SEGMENT_SIZE;
      if (JBD2_HEADER.magic.get(view, at) !== j.JBD2_MAGIC) continue;
      found.push({ sequence: JBD2_HEADER.sequence.get(view, at), index });
    }
    return found;
  }

  /** Look at block `index` of the journal. */
  private look(index: number): DataView {
    return this.device.view(this.map.devByte(index), this.blockSize);
  }

  /** One block and what belongs to it. False: the log ends here. */
  private readBlock(): boolean {
    const view = this.look(this.index);
    const at = this.map.devByte(this.index) % SEGMENT_SIZE;
    if (!this.isNext(view, at, this.sequence)) return false;
    switch (JBD2_HEADER.type.get(view, at)) {
      case j.BLOCK_DESCRIPTOR:
        return this.readDescriptor(view, at);
      case j.BLOCK_REVOKE:
        return this.readRevokes(view, at);
      case j.BLOCK_COMMIT:
        return this.readCommit(view, at);
      default:
        return false;
    }
  }

  private isNext(view: DataView, at: number, sequence: number): boolean {
    if (JBD2_HEADER.magic.get(view, at) !== j.JBD2_MAGIC) return false;
    return JBD2_HEADER.sequence.get(view, at) === sequence;
  }

  private readDescriptor(view: DataView, at: number): boolean {
    const { pending, tags } = this;
    if (!this.isTailSound(view, at)) this.bad = this.index;
    if (tags.version === 1) this.crc = crc32Be(this.crc, view, at, this.blockSize);
    this.advance(1);
    const end = at + this.blockSize - tags.tailSize;
    for (let tag = at + j.JBD2_HEADER_SIZE; tag + tags.size <= end;) {
      if (this.used >= this.journal.end - this.journal.first) return false;
      const flags = tags.flags(view, tag);
      pending.pblks.push(tags.pblk(view, tag));
      pending.indices.push(this.index);
      pending.flags.push(flags);
      pending.checksums.push(tags.checksum(view, tag));
      pending.sequences.push(this.sequence);
      if (tags.version === 1) this.sumBlock();
      this.advance(1);
      if ((flags & j.TAG_LAST) !== 0) break;
      tag += tags.size + ((flags & j.TAG_SAME_UUID) === 0 ? j.TAG_UUID_SIZE : 0);
    }
    return true;
  }

  private sumBlock(): void {
    const view = this.look(this.index);
    const at = this.map.devByte(this.index) % SEGMENT_SIZE;
    this.crc = crc32Be(this.crc, view, at, this.blockSize);
  }

  private readRevokes(view: DataView, at: number): boolean {
    if (!this.isTailSound(view, at)) this.bad = this.index;
    const count = REVOKE_BLOCK.count.get(view, at);
    const header = j.REVOKE_HEADER_SIZE;
    if (count < header || count > this.blockSize - this.tags.tailSize) this.bad = this.index;
    const wide = this.journal.isWide;
    const size = wide ? 8 : 4;
    const end = this.bad === this.index ? 0 : at + count;
    for (let entry = at + header; entry + size <= end; entry += size) {
      const high = wide ? view.getUint32(entry) * 2 ** 32 : 0;
      this.pendingRevokes.push(high + view.getUint32(entry + size - 4));
    }
    this.advance(1);
    return true;
  }

  private readCommit(view: DataView, at: number): boolean {
    const sec = COMMIT_BLOCK.commitSec.get(view, at);
    const older = sec < this.lastCommitSec;
    if (!this.isCommitSound(view, at)) {
      this.refuseIfFollowed();
      return false;
    }
    if (this.bad >= 0) {
      // What is left of another life of the device may look like this; its time tells.
      if (older) return false;
      const found = "wrong";
      corrupt("journal block", `block ${this.bad} of the journal`, "checksum", found, "right");
    }
    this.lastCommitSec = sec;
    this.complete();
    return true;
  }

  private complete(): void {
    const { blocks, pending } = this;
    for (let index = 0; index < pending.pblks.length; index++) {
      blocks.pblks.push(pending.pblks[index]!);
      blocks.indices.push(pending.indices[index]!);
      blocks.flags.push(pending.flags[index]!);
      blocks.checksums.push(pending.checksums[index]!);
      blocks.sequences.push(pending.sequences[index]!);
    }
    for (const pblk of this.pendingRevokes) this.revoked.set(pblk, this.sequence);
    this.pending = emptyBlocks();
    this.pendingRevokes = [];
    this.crc = 0xffffffff;
    this.advance(1);
    this.sequence = (this.sequence + 1) >>> 0;
    this.boundaries.push({ sequence: this.sequence, index: this.index });
  }

  /** A commit block is bad: was it durable once? @throws CorruptionError */
  private refuseIfFollowed(): void {
    const bad = this.index;
    this.advance(1);
    const at = this.map.devByte(this.index) % SEGMENT_SIZE;
    if (!this.isNext(this.look(this.index), at, (this.sequence + 1) >>> 0)) return;
    corrupt("commit_header", `block ${bad} of the journal`, "checksum", "wrong", "right");
  }

  private isTailSound(view: DataView, at: number): boolean {
    if (this.tags.tailSize === 0) return true;
    const length = this.blockSize - this.tags.tailSize;
    const crc = crcZeros(crcRaw(this.seed, view, at, length), this.tags.tailSize);
    return crc === view.getUint32(at + length);
  }

  private isCommitSound(view: DataView, at: number): boolean {
    const found = COMMIT_BLOCK.checksum.get(view, at);
    if (this.tags.version === 0) return true;
    if (this.tags.version === 1) {
      const type = COMMIT_BLOCK.checksumType.get(view, at);
      const unused = type === 0 && COMMIT_BLOCK.checksumSize.get(view, at) === 0 && found === 0;
      return unused || (type === j.CHECKSUM_CRC32 && found === this.crc);
    }
    const { offset, size } = COMMIT_BLOCK.checksum;
    const before = crcZeros(crcRaw(this.seed, view, at, offset), size);
    const rest = offset + size;
    return found === crcRaw(before, view, at + rest, this.blockSize - rest);
  }

  private advance(count: number): void {
    this.used += count;
    this.index += count;
    if (this.index >= this.journal.end) this.index -= this.journal.end - this.journal.first;
  }
}
