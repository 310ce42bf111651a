/**
 * Recovery: what a power cut left in the log is brought home, before anything else of the image is
 * read.
 *
 *   scan      to the end of what is complete; whatever is wrong in there is found now (log-scan.ts)
 *   revoke    which copies must not come back, since their block was freed later
 *   replay    the last copy of each block goes home; fence; then the log is declared empty
 *
 * Nothing is stored before every checksum and every bound was looked at. A power cut meanwhile
 * leaves the log as it was: replaying again gives the same. On a read-only mount the blocks stay in
 * memory (`overlay`), where `Buffers` looks first.
 */
import { corrupt, type PmemDevice, PURPOSE_CHECKPOINT, SEGMENT_SIZE, verify } from "@xiplab/core";
import { INCOMPAT_RECOVER } from "../format/features.ts";
import * as j from "../format/jbd2.ts";
import type { Geometry } from "../geometry.ts";
import { isSuperblockSound } from "../super.ts";
import { crcSparse } from "./crc-zeros.ts";
import { type JournalMap, readJournalMap } from "./journal-map.ts";
import { JournalSuperblock } from "./journal-superblock.ts";
import { LogScan } from "./log-scan.ts";
import { sequenceSeed } from "./sequence-seed.ts";
import { TagFormat } from "./tags.ts";

/** What the log has of blocks that must not be changed on the device: bytes by device block. */
export type Overlay = ReadonlyMap<number, Uint8Array<ArrayBuffer>>;

export interface RecoveryResult {
  /** Complete transactions that the log had. */
  readonly transactions: number;
  /** Blocks that were brought home. */
  readonly blocks: number;
  /** Read-only: where these blocks are now. */
  readonly overlay: Overlay | null;
}

export interface RecoveryOptions {
  readonly readOnly: boolean;
  /** The checksum of the ext4 superblock is wrong: only a copy of it in the log can mend that. */
  readonly torn?: boolean;
}

const NOTHING: RecoveryResult = { transactions: 0, blocks: 0, overlay: null };

/**
 * Replay the journal of the image, if it has one and it is to be replayed.
 * @throws CorruptionError: nothing was stored then; OptionError naming a feature that is not
 *   supported; FsError EIO
 */
export function recover(
  device: PmemDevice,
  geometry: Geometry,
  options: RecoveryOptions,
): RecoveryResult {
  const torn = options.torn === true;
  if (!geometry.hasJournal) {
    if (torn) refuseSuperblock(geometry, "no journal has a copy");
    return NOTHING;
  }
  const map = readJournalMap(device, geometry);
  const journal = new JournalSuperblock(device, geometry, map);
  const scan = new LogScan(device, map, journal);
  refuseUnexplained(journal, scan);
  const replays = torn || (geometry.incompat & INCOMPAT_RECOVER) !== 0;
  const replay = new Replay(device, geometry, map, journal, scan, replays);
  if (torn) replay.requireSuperblock();
  const result = options.readOnly ? replay.intoMemory() : replay.home();
  return { ...result, transactions: replays ? scan.boundaries.length - 1 : 0 };
}

/**
 * A wrong checksum is right where a power cut has parted it from the tail that it is for: then the
 * log, which both tails lead into, can tell that tail. The one that stands there is right as well.
 */
function refuseUnexplained(journal: JournalSuperblock, scan: LogScan): void {
  if (journal.isSound) return;
  const { sequence, start } = journal;
  const end = scan.sequence;
  const explained =
    // The log was empty, or was about to be.
    journal.isExplainedBy(sequence, start === 0 ? journal.first : 0) ||
    journal.isExplainedBy(end, 0) ||
    journal.isExplainedBy(end + 1, 0) ||
    scan.boundaries.some((at) => journal.isExplainedBy(at.sequence, at.index)) ||
    // The tail has moved; where it was, the log is not overwritten yet.
    scan.headers().some((at) => journal.isExplainedBy(at.sequence, at.index));
  const expected = journal.expected();
  verify(explained, "journal_superblock", journal.at, "checksum", journal.found, expected);
}

function refuseSuperblock(geometry: Geometry, found: string): never {
  const at = geometry.pblkToDevByte(geometry.superBlock) + geometry.superOffset;
  corrupt("ext4_super_block", at, "checksum", found, "a copy in the journal");
}

class Replay {
  private readonly device: PmemDevice;
  private readonly geometry: Geometry;
  private readonly map: JournalMap;
  private readonly journal: JournalSuperblock;
  private readonly scan: LogScan;
  private readonly tags: TagFormat;
  /** Which of the scan's blocks is the last one for a device block. */
  private readonly last = new Map<number, number>();

  constructor(
    device: PmemDevice,
    geometry: Geometry,
    map: JournalMap,
    journal: JournalSuperblock,
    scan: LogScan,
    replays: boolean,
  ) {
    this.device = device;
    this.geometry = geometry;
    this.map = map;
    this.journal = journal;
    this.scan = scan;
    this.tags = new TagFormat(journal);
    if (replays) this.choose();
  }

  /** The superblock at home is torn: the log must have it whole. */
  requireSuperblock(): void {
    const { geometry } = this;
    const found = this.last.get(geometry.superBlock);
    if (found === undefined) refuseSuperblock(geometry, "wrong, and the journal has no copy");
    const copy = this.copyOf(found);
    if (isSuperblockSound(new DataView(copy.buffer), geometry.superOffset)) return;
    refuseSuperblock(geometry, "wrong, also in the journal");
  }

  intoMemory(): RecoveryResult {
    const overlay = new Map<number, Uint8Array<ArrayBuffer>>();
    for (const [pblk, index] of this.last) overlay.set(pblk, this.copyOf(index));
    return { transactions: 0, blocks: overlay.size, overlay };
  }

  home(): RecoveryResult {
    const { device, geometry, journal, last, scan } = this;
    const { blockSize } = geometry;
    for (const [pblk, index] of last) {
      const copy = this.isEscaped(index) ? this.copyOf(index) : this.inLog(index);
      const home = geometry.pblkToDevByte(pblk);
      device.storeNonTemporal(home, copy, 0, blockSize, PURPOSE_CHECKPOINT);
    }
    if (journal.start !== 0) {
      // Blocks must be home before the log is declared empty.
      device.fence();
      // A transaction with the first number that is missing may have begun: it must never look
      // complete together with one of the same number that is written later.
      journal.storeTail(scan.sequence + 1, 0);
      // The log must be empty before anything is written to it.
      device.fence();
    }
    return { transactions: 0, blocks: last.size, overlay: null };
  }

  /** The last copy of each block, looked at. */
  private choose(): void {
    const { pblks, sequences } = this.scan.blocks;
    for (let index = 0; index < pblks.length; index++) {
      const pblk = pblks[index]!;
      if (this.scan.isRevoked(pblk, sequences[index]!)) continue;
      this.verifyBlock(index);
      this.last.set(pblk, index);
    }
  }

  /** @throws CorruptionError; FsError EIO */
  private verifyBlock(index: number): void {
    const { blockSize, blockCount } = this.geometry;
    const { checksums, indices, pblks, sequences } = this.scan.blocks;
    const pblk = pblks[index]!;
    const where = `block ${indices[index]!} of the journal`;
    const inside = pblk < blockCount && !this.map.holds(pblk);
    if (!inside) corrupt("journal_block_tag", where, "block", pblk, `below ${blockCount}`);
    if (this.tags.version < 2) return;
    const home = this.map.devByte(indices[index]!);
    const view = this.device.view(home, blockSize);
    const seed = sequenceSeed(this.journal.seed, sequences[index]!);
    const expected = this.tags.fold(crcSparse(seed, view, home % SEGMENT_SIZE, blockSize));
    const found = checksums[index]!;
    verify(found === expected, "journal_block_tag", where, "checksum", found, expected);
  }

  private isEscaped(index: number): boolean {
    return (this.scan.blocks.flags[index]! & j.TAG_ESCAPE) !== 0;
  }

  private inLog(index: number): Uint8Array {
    const home = this.map.devByte(this.scan.blocks.indices[index]!);
    return this.device.directAccess(home, this.geometry.blockSize);
  }

  private copyOf(index: number): Uint8Array<ArrayBuffer> {
    const bytes = Uint8Array.from(this.inLog(index));
    if (this.isEscaped(index)) new DataView(bytes.buffer).setUint32(0, j.JBD2_MAGIC);
    return bytes;
  }
}
