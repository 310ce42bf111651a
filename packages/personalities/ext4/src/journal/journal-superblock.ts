/**
 * The journal's superblock: block 0 of the journal. What changes in it while mounted is the tail, one
 * word of 8 bytes (s_sequence, s_start), and the checksum, which stands in another line.
 *
 * Memory is atomic in words of 8 bytes only, so a power cut may leave either of the two without the
 * other. Who reads that looks for a tail that the log knows and that has this checksum (recovery.ts).
 * The word that stands there is right then, be it the old one or the new one: the new one is stored
 * when everything before it is home, and what the old one leads to is not overwritten before the new
 * one is durable. At every fence both are of the same tail, as the kernel and e2fsck want it.
 */
import { corrupt, type DevByte, OptionError, type PmemDevice } from "@xiplab/core";
import { PURPOSE_JOURNAL, verify } from "@xiplab/core";
import { crcRaw } from "../checksum.ts";
import { featureNames } from "../format/features.ts";
import * as j from "../format/jbd2.ts";
import { JBD2_SUPERBLOCK as S, JBD2_SUPERBLOCK_SIZE } from "../format/jbd2.ts";
import type { Geometry } from "../geometry.ts";
import type { JournalMap } from "./journal-map.ts";

const STRUCTURE = "journal_superblock";
const TAIL_AT = S.sequence.offset;
const FEATURES_AT = S.featureIncompat.offset;
const WORD_SIZE = 8;

export class JournalSuperblock {
  readonly device: PmemDevice;
  /** Where it stands. */
  readonly at: DevByte;
  readonly blockSize: number;
  /** The log goes round in [first, end). */
  readonly first: number;
  readonly end: number;
  readonly maxlen: number;
  /** Does the checksum hold? If not, only recovery can tell whether a power cut explains it. */
  readonly isSound: boolean;
  /** A copy of it, which is ahead of the device only between the two steps. */
  private readonly record = new Uint8Array(JBD2_SUPERBLOCK_SIZE);
  private readonly view = new DataView(this.record.buffer);

  /** @throws CorruptionError; OptionError naming a feature that is not supported; FsError EIO */
  constructor(device: PmemDevice, geometry: Geometry, map: JournalMap) {
    this.device = device;
    verify(map.length > 0, STRUCTURE, "journal inode", "blocks", 0, j.JOURNAL_BLOCKS_MIN);
    this.at = map.devByte(0);
    device.load(this.at, this.record, 0, JBD2_SUPERBLOCK_SIZE);
    const { view } = this;
    const magic = S.magic.get(view, 0);
    verify(magic === j.JBD2_MAGIC, STRUCTURE, this.at, "magic", magic, j.JBD2_MAGIC);
    const type = S.type.get(view, 0);
    const known = type === j.BLOCK_SUPERBLOCK_V1 || type === j.BLOCK_SUPERBLOCK_V2;
    verify(known, STRUCTURE, this.at, "type", type, "3 or 4");
    this.blockSize = S.blockSize.get(view, 0);
    const { blockSize } = geometry;
    verify(
      this.blockSize === blockSize,
      STRUCTURE,
      this.at,
      "blockSize",
      this.blockSize,
      blockSize,
    );
    this.refuseFeatures();
    this.maxlen = S.maxlen.get(view, 0);
    const long = this.maxlen >= j.JOURNAL_BLOCKS_MIN && this.maxlen <= map.length;
    const range = `${j.JOURNAL_BLOCKS_MIN} to ${map.length}`;
    if (!long) corrupt(STRUCTURE, this.at, "maxlen", this.maxlen, range);
    this.first = S.first.get(view, 0);
    this.end = this.maxlen - this.fastCommitBlocks();
    const inside = this.first >= 1 && this.first + j.JOURNAL_BLOCKS_MIN / 2 <= this.end;
    if (!inside) corrupt(STRUCTURE, this.at, "first", this.first, "1, with room for a log");
    const { start } = this;
    const right = start === 0 || (start >= this.first && start < this.end);
    if (!right) corrupt(STRUCTURE, this.at, "start", start, `0, or ${this.first} to ${this.end}`);
    this.isSound = this.checksumVersion < 2 || this.found === this.expected();
  }

  /** Number of the first transaction in the log, or of the next one where it is empty. */
  get sequence(): number {
    return S.sequence.get(this.view, 0);
  }

  /** Block where the log starts; 0: it is empty. */
  get start(): number {
    return S.start.get(this.view, 0);
  }

  get compat(): number {
    return this.hasFeatures ? S.featureCompat.get(this.view, 0) : 0;
  }

  get incompat(): number {
    return this.hasFeatures ? S.featureIncompat.get(this.view, 0) : 0;
  }

  /** Block numbers have 8 bytes. */
  get isWide(): boolean {
    return (this.incompat & j.INCOMPAT_64BIT) !== 0;
  }

  /** 0: none; 1: of whole transactions; 2 and 3: of every block. */
  get checksumVersion(): 0 | 1 | 2 | 3 {
    if ((this.incompat & j.INCOMPAT_CSUM_V3) !== 0) return 3;
    if ((this.incompat & j.INCOMPAT_CSUM_V2) !== 0) return 2;
    return (this.compat & j.COMPAT_CHECKSUM) !== 0 ? 1 : 0;
  }

  /** Seed of every checksum in the log. */
  get seed(): number {
    return crcRaw(0xffffffff, this.view, S.uuid.offset, S.uuid.size);
  }

  get uuid(): Uint8Array {
    return S.uuid.get(this.view, 0);
  }

  /** The checksum on the medium. */
  get found(): number {
    return S.checksum.get(this.view, 0);
  }

  /** What the checksum of the content is. */
  expected(): number {
    const at = S.checksum.offset;
    const before = crcRaw(0xffffffff, this.view, 0, at);
    const zeros = crcRaw(before, ZERO_WORD, 0, S.checksum.size);
    return crcRaw(zeros, this.view, at + 4, JBD2_SUPERBLOCK_SIZE - at - 4);
  }

  /** Would the content have its checksum with this tail? */
  isExplainedBy(sequence: number, start: number): boolean {
    const { sequence: sequenceNow, start: startNow, view } = this;
    S.sequence.set(view, 0, sequence >>> 0);
    S.start.set(view, 0, start);
    const expected = this.expected();
    S.sequence.set(view, 0, sequenceNow);
    S.start.set(view, 0, startNow);
    return expected === this.found;
  }

  /** Move the tail. The caller fences, before and after. COMMIT POINT */
  storeTail(sequence: number, start: number): void {
    S.sequence.set(this.view, 0, sequence >>> 0);
    S.start.set(this.view, 0, start);
    if (this.checksumVersion >= 2) this.storeChecksum();
    this.storeWord(TAIL_AT);
  }

  /**
   * Turn on and off what the log is written with from now on, as the kernel does when it mounts. The
   * log is empty. Checksums of the superblock are first switched off (then nobody looks at the
   * field), the new one is put in, and then the word of the features makes it valid.
   */
  persistFeatures(incompat: number): void {
    if (!this.hasFeatures) return;
    const { device, view } = this;
    if (this.incompat === incompat && this.compat === 0 && this.isSound) return;
    const none = incompat & ~(j.INCOMPAT_CSUM_V2 | j.INCOMPAT_CSUM_V3);
    S.featureIncompat.set(view, 0, none);
    this.storeWord(FEATURES_AT);
    // No checksum is looked at before the fields that it covers change.
    device.fence();
    S.featureCompat.set(view, 0, 0);
    S.checksumType.set(view, 0, incompat === none ? 0 : j.CHECKSUM_CRC32C);
    this.storeWord(S.errno.offset);
    this.storeWord(S.checksumType.offset);
    if (incompat !== none) {
      S.featureIncompat.set(view, 0, incompat);
      this.storeChecksum();
    }
    // The checksum must be durable before the feature that has it looked at.
    device.fence();
    this.storeWord(FEATURES_AT);
    // The features must be durable before a log is written with them.
    device.fence();
  }

  private get hasFeatures(): boolean {
    return S.type.get(this.view, 0) === j.BLOCK_SUPERBLOCK_V2;
  }

  private fastCommitBlocks(): number {
    if ((this.incompat & j.INCOMPAT_FAST_COMMIT) === 0) return 0;
    // 256 is what a superblock without the count means.
    const count = S.fastCommitBlocks.get(this.view, 0) || 256;
    const right = count < this.maxlen;
    if (!right) corrupt(STRUCTURE, this.at, "fastCommitBlocks", count, `less than ${this.maxlen}`);
    return count;
  }

  private refuseFeatures(): void {
    const { incompat } = this;
    const unknown = incompat & ~j.INCOMPAT_KNOWN;
    if (unknown !== 0) {
      const names = featureNames(unknown, j.JournalIncompatNames).join(", ");
      throw new OptionError(`ext4: the journal uses ${names}, which is not supported`);
    }
    const fast = (incompat & j.INCOMPAT_FAST_COMMIT) !== 0;
    if (fast && this.start !== 0) {
      throw new OptionError(
        "ext4: the journal has to be replayed and uses fast_commit, which is not supported",
      );
    }
    const type = S.checksumType.get(this.view, 0);
    if (this.checksumVersion >= 2) {
      const expected = j.CHECKSUM_CRC32C;
      verify(type === expected, STRUCTURE, this.at, "checksumType", type, expected);
    }
  }

  private storeChecksum(): void {
    const at = S.checksum.offset;
    S.checksum.set(this.view, 0, this.expected());
    this.device.storeNonTemporal(this.at + at, this.record, at, S.checksum.size, PURPOSE_JOURNAL);
  }

  /** The aligned word at `at`: atomic. */
  private storeWord(at: number): void {
    this.device.storeNonTemporal(this.at + at, this.record, at, WORD_SIZE, PURPOSE_JOURNAL);
  }
}

const ZERO_WORD = new DataView(new ArrayBuffer(WORD_SIZE));
