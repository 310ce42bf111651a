/**
 * The fields of what stands in the log of an image that waits for its recovery: headers, tags,
 * revoked blocks, commits, and words of the copies, with checksums of version 3 mended around them.
 */
import { layoutOf, type PmemDevice, type Struct } from "@xiplab/core";
import type { Mend, Target } from "../check/testing/structures.ts";
import { crcRaw, crcZeros } from "../checksum.ts";
import * as j from "../format/jbd2.ts";
import { type JournalMap, readJournalMap } from "../journal/journal-map.ts";
import { sequenceSeed } from "../journal/sequence-seed.ts";
import { geometryUnchecked } from "../super.ts";

/** One word in so many bytes of a copy is a field of its own. */
const COPY_STEP = 36;

/** `bytes` holds the device; targets are mended there. */
export function logTargets(device: PmemDevice, bytes: Uint8Array<ArrayBuffer>): Target[] {
  const geometry = geometryUnchecked(device);
  const log = new Log(readJournalMap(device, geometry), bytes, geometry.blockSize);
  return log.targets;
}

class Log {
  readonly targets: Target[] = [];
  private readonly map: JournalMap;
  private readonly view: DataView;
  private readonly blockSize: number;
  /** Of checksums of the log: by the uuid in the journal's superblock. */
  private readonly seed: number;

  constructor(map: JournalMap, bytes: Uint8Array<ArrayBuffer>, blockSize: number) {
    this.map = map;
    this.view = new DataView(bytes.buffer);
    this.blockSize = blockSize;
    const uuidAt = map.devByte(0) + j.JBD2_SUPERBLOCK.uuid.offset;
    this.seed = crcRaw(0xffffffff, this.view, uuidAt, 16);
    for (let index = 1; index < map.length;) index += 1 + this.addBlock(index);
  }

  private table(structure: Struct<object>, at: number, mend: Mend): void {
    const { name: owner, fields } = layoutOf(structure);
    for (const [name, { offset, size }] of fields) {
      this.targets.push({ name: `${owner}.${name}`, at: at + offset, size, mend });
    }
  }

  /** Returns how many copies follow. */
  private addBlock(index: number): number {
    const at = this.map.devByte(index);
    if (j.JBD2_HEADER.magic.get(this.view, at) !== j.JBD2_MAGIC) return 0;
    const type = j.JBD2_HEADER.type.get(this.view, at);
    if (type === j.BLOCK_COMMIT) this.table(j.COMMIT_BLOCK, at, () => this.mendCommit(at));
    if (type === j.BLOCK_REVOKE) this.addRevokes(at);
    return type === j.BLOCK_DESCRIPTOR ? this.addTags(index, at) : 0;
  }

  private mendCommit(at: number): ReturnType<Mend> {
    const { checksum } = j.COMMIT_BLOCK;
    checksum.set(this.view, at, 0);
    checksum.set(this.view, at, crcRaw(this.seed, this.view, at, this.blockSize));
    return [[at + checksum.offset, checksum.size]];
  }

  private mendTail(at: number): ReturnType<Mend> {
    const tail = at + this.blockSize - 4;
    const crc = crcZeros(crcRaw(this.seed, this.view, at, this.blockSize - 4), 4);
    j.BLOCK_TAIL.checksum.set(this.view, tail, crc);
    return [[tail, 4]];
  }

  private addRevokes(at: number): void {
    const mend: Mend = () => this.mendTail(at);
    this.table(j.REVOKE_BLOCK, at, mend);
    const end = at + Math.min(j.REVOKE_BLOCK.count.get(this.view, at), this.blockSize - 4);
    for (let entry = at + j.REVOKE_HEADER_SIZE; entry < end; entry += 4) {
      this.targets.push({ name: "journal revoke.word", at: entry, size: 4, mend });
    }
  }

  private addTags(index: number, at: number): number {
    const { TAG3 } = j;
    const mend: Mend = () => this.mendTail(at);
    this.table(j.JBD2_HEADER, at, mend);
    const seed = sequenceSeed(this.seed, j.JBD2_HEADER.sequence.get(this.view, at));
    for (let copies = 1, tag = at + j.JBD2_HEADER_SIZE; ; copies++) {
      this.table(TAG3, tag, mend);
      const tagAt = tag;
      const copy = this.map.devByte(index + copies);
      const mendCopy: Mend = () => {
        TAG3.checksum.set(this.view, tagAt, crcRaw(seed, this.view, copy, this.blockSize));
        return [[tagAt, 16], ...mend()];
      };
      for (let word = 0; word < this.blockSize; word += COPY_STEP) {
        // Names are drawn evenly: copies are much of what there is.
        const name = `journal copy ${copies % 16}.word`;
        this.targets.push({ name, at: copy + word, size: 4, mend: mendCopy });
      }
      const flags = TAG3.flags.get(this.view, tag);
      if ((flags & j.TAG_LAST) !== 0) return copies;
      tag += 16 + ((flags & j.TAG_SAME_UUID) === 0 ? j.TAG_UUID_SIZE : 0);
    }
  }
}
