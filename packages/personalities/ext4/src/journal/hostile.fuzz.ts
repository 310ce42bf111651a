/**
 * Logs that hold anything. A log that was written here is changed, a field at a time or at random,
 * and every checksum that covers the place is mended, so that what is behind it is reached. Recovery
 * either works or refuses by name (CorruptionError, OptionError); it ends, and it stores nothing
 * when it refuses, and nothing outside the device or over the journal when it works.
 */
import { CorruptionError, OptionError, type Pblk, type Pmem, PURPOSE_DATA } from "@xiplab/core";
import { expect, test } from "vitest";
import { crcRaw } from "../checksum.ts";
import * as j from "../format/jbd2.ts";
import { JBD2_MAGIC, JBD2_SUPERBLOCK as S } from "../format/jbd2.ts";
import { openGeometry } from "../super-state.ts";
import { type JournalMap, readJournalMap } from "./journal-map.ts";
import { recover } from "./recovery.ts";
import * as t from "./testing.ts";

const SEED = 20131206;
const ROUNDS = 3000;
const BLOCK_SIZE = 4096;
/** Blocks of the log that the image uses. */
const LOG_BLOCKS = 40;
const INTERESTING = [0, 1, 2, 3, 7, 8, 12, 16, 255, 1023, 1024, 4096, 2 ** 31, 2 ** 32 - 1];

function dirtyImage(args: readonly string[]): Pmem {
  const device = t.imageOf(16, "-b", "4096", ...args);
  const mounted = t.openOn(device);
  for (let round = 1; round <= 4; round++) {
    mounted.journal.run(10, () => {
      for (let index = 0; index < 5; index++) t.fill(mounted, 3000 + index + round, round);
      if (round > 1) mounted.buffers.forget((3000 + round) as Pblk);
    });
    mounted.journal.commit();
  }
  return device;
}

class Mutator {
  private readonly device: Pmem;
  private readonly map: JournalMap;
  private readonly random: () => number;
  private readonly bytes = new Uint8Array(BLOCK_SIZE);
  private readonly view = new DataView(this.bytes.buffer);

  constructor(device: Pmem, random: () => number) {
    this.device = device;
    this.random = random;
    this.map = readJournalMap(device, openGeometry(device).geometry);
  }

  mutate(): void {
    const index = this.random() % 4 === 0 ? 0 : 1 + (this.random() % LOG_BLOCKS);
    this.device.load(this.map.devByte(index), this.bytes, 0, BLOCK_SIZE);
    const used = index === 0 ? 0x60 : 120;
    for (let count = 1 + (this.random() % 3); count > 0; count--) this.change(used);
    if (this.random() % 8 !== 0) this.mend(index);
    this.device.store(this.map.devByte(index), this.bytes, 0, BLOCK_SIZE, PURPOSE_DATA);
  }

  private change(used: number): void {
    const at = 4 * (this.random() % (used / 4));
    const old = this.view.getUint32(at);
    const choice = this.random() % 4;
    let value = this.random();
    if (choice === 0) value = INTERESTING[this.random() % INTERESTING.length]!;
    if (choice === 1) value = old ^ (1 << (this.random() % 32));
    if (choice === 2) value = old + (this.random() % 3) - 1;
    this.view.setUint32(at, value >>> 0);
  }

  private mend(index: number): void {
    if (index === 0) {
      S.checksum.set(this.view, 0, 0);
      S.checksum.set(this.view, 0, crcRaw(0xffffffff, this.view, 0, 1024));
      return;
    }
    if (this.view.getUint32(0) !== JBD2_MAGIC) return;
    const isCommit = this.view.getUint32(4) === j.BLOCK_COMMIT;
    const at = isCommit ? j.COMMIT_BLOCK.checksum.offset : BLOCK_SIZE - 4;
    this.view.setUint32(at, 0);
    const uuid = new Uint8Array(1024);
    this.device.load(this.map.devByte(0), uuid, 0, 1024);
    const seed = crcRaw(0xffffffff, new DataView(uuid.buffer), S.uuid.offset, 16);
    this.view.setUint32(at, crcRaw(seed, this.view, 0, BLOCK_SIZE));
  }
}

const journalBytes = (device: Pmem, map: JournalMap): Uint8Array => {
  const bytes = new Uint8Array((LOG_BLOCKS + 1) * BLOCK_SIZE);
  for (let index = 1; index <= LOG_BLOCKS; index++) {
    device.load(map.devByte(index), bytes, index * BLOCK_SIZE, BLOCK_SIZE);
  }
  return bytes;
};

test.each([
  ["with checksums", []],
  ["without checksums", ["-O", "^metadata_csum"]],
])("no log does harm, %s", (_, args) => {
  const device = dirtyImage(args);
  const random = t.randomOf(SEED);
  const counts = { recovered: 0, refused: 0, storesOfRefused: 0 };
  const fields = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    device.snapshot();
    const mutator = new Mutator(device, random);
    for (let count = 1 + (random() % 2); count > 0; count--) mutator.mutate();
    const { geometry } = openGeometry(device);
    const map = readJournalMap(device, geometry);
    const log = journalBytes(device, map);
    const { stores } = device.counters;
    try {
      recover(device, geometry, { readOnly: false });
      counts.recovered++;
      expect(Buffer.compare(log, journalBytes(device, map))).toBe(0);
    } catch (error) {
      const expected = error instanceof CorruptionError || error instanceof OptionError;
      if (!expected) throw new Error(`seed=${SEED} round=${round}`, { cause: error });
      if (error instanceof CorruptionError) fields.add(error.corruption.field);
      if (device.counters.stores !== stores) counts.storesOfRefused++;
      counts.refused++;
    }
    device.rollback();
  }
  console.log(`seed=${SEED}`, counts, [...fields].sort().join(" "));
  expect(counts.storesOfRefused).toBe(0);
  expect(counts.recovered).toBeGreaterThan(ROUNDS / 10);
  expect(counts.refused).toBeGreaterThan(ROUNDS / 10);
});
