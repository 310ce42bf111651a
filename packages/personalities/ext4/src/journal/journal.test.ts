/** The journal's rules one by one: what is durable when, what goes home when, what memory is kept. */
import { createPmem, FsError, type Pblk, Recorder } from "@xiplab/core";
import { PURPOSE_CHECKPOINT, PURPOSE_DATA, PURPOSE_JOURNAL } from "@xiplab/core";
import { runOrThrow, withTempDirectory, writeImage } from "@xiplab/oracles";
import { expect, test } from "vitest";
import { JBD2_MAGIC, JBD2_SUPERBLOCK } from "../format/jbd2.ts";
import { openGeometry, storeRecoveryFlag } from "../super-state.ts";
import { readJournalMap } from "./journal-map.ts";
import { JournalSuperblock } from "./journal-superblock.ts";
import { recover } from "./recovery.ts";
import * as t from "./testing.ts";

const BLOCK = 3000;
const ARGS = ["-b", "4096"];
const open = () => t.openOn(t.imageOf(16, ...ARGS));

function change(mounted: t.Mounted, pblk: number, value: number): void {
  mounted.journal.run(1, () => t.fill(mounted, pblk, value));
}
const valueAt = (mounted: t.Mounted, pblk: number): number =>
  t.bytesAt(mounted.device, mounted.geometry, pblk)[2000]!;
const bytesOf = ({ device }: t.Mounted, purpose: number): number => device.counters.bytes[purpose]!;

test("a commit writes to the log alone, and nothing where nothing changed", () => {
  const mounted = open();
  const { counters, journal } = mounted;
  change(mounted, BLOCK, 1);
  const { tid } = journal;
  journal.commit();
  expect([journal.tid, counters.transactions, valueAt(mounted, BLOCK)]).toEqual([tid + 1, 1, 0]);
  expect(bytesOf(mounted, PURPOSE_CHECKPOINT)).toBe(0);
  const before = bytesOf(mounted, PURPOSE_JOURNAL);
  let actions = 0;
  journal.whenDurable(() => actions++);
  journal.commit();
  expect([journal.tid, counters.transactions, actions]).toEqual([tid + 1, 1, 1]);
  expect(bytesOf(mounted, PURPOSE_JOURNAL)).toBe(before);
});

test("a commit has two fences", () => {
  const mounted = open();
  change(mounted, BLOCK, 1);
  mounted.journal.commit();
  const { fences } = mounted.device.counters;
  change(mounted, BLOCK, 2);
  mounted.journal.commit();
  expect(mounted.device.counters.fences - fences).toBe(2);
});

test("what changed again since its commit goes home as it was committed", () => {
  const mounted = open();
  const { buffers, device, geometry, journal } = mounted;
  const changeBoth = (value: number): void => {
    change(mounted, BLOCK, value);
    change(mounted, BLOCK + 1, value);
    const second = buffers.read((BLOCK + 1) as Pblk, t.ANY, 0);
    second.view.setUint32(second.at, JBD2_MAGIC);
  };
  changeBoth(1);
  journal.commit();
  for (let round = 1; round <= 4; round++) {
    for (let index = 0; index < 240; index++) change(mounted, 3100 + index, round);
    journal.commit();
  }
  expect(valueAt(mounted, BLOCK)).toBe(0);
  changeBoth(9);
  for (let index = 0; index < 100; index++) change(mounted, 3100 + index, 9);
  // Finds the log full, and checkpoints the first transaction.
  journal.commit();
  expect(t.bytesAt(device, geometry, BLOCK).every((byte) => byte === 1)).toBe(true);
  const second = t.bytesAt(device, geometry, BLOCK + 1);
  expect(new DataView(second.buffer).getUint32(0)).toBe(JBD2_MAGIC);
  expect(second.subarray(4).every((byte) => byte === 1)).toBe(true);
  journal.checkpoint();
  expect([valueAt(mounted, BLOCK), valueAt(mounted, BLOCK + 1)]).toEqual([9, 9]);
});

test("a full log is checkpointed; blocks that change all the time stay in it", () => {
  const mounted = open();
  const { journal } = mounted;
  for (let round = 1; round <= 300; round++) {
    journal.run(4, () => {
      t.fill(mounted, BLOCK, round);
      t.fill(mounted, BLOCK + 1, round);
      t.fill(mounted, BLOCK + 10 + round, round);
    });
    journal.commit();
  }
  expect(valueAt(mounted, BLOCK + 11)).toBe(1);
  const home = bytesOf(mounted, PURPOSE_CHECKPOINT) / 4096;
  expect(home).toBeGreaterThan(50);
  // Of each checkpoint the two hot blocks are newer further on in the log.
  expect(home).toBeLessThan(300);
  expect(valueAt(mounted, BLOCK)).toBe(0);
  t.close(mounted);
  expect([valueAt(mounted, BLOCK), valueAt(mounted, BLOCK + 310)]).toEqual([
    300 & 0xff,
    300 & 0xff,
  ]);
});

test("a block that is freed goes home until the freeing is durable, and never after", () => {
  const mounted = open();
  const { buffers, device, geometry, journal } = mounted;
  change(mounted, BLOCK, 1);
  change(mounted, BLOCK + 1, 1);
  journal.commit();
  journal.run(1, () => buffers.forget(BLOCK as Pblk));
  journal.commit();
  journal.run(1, () => buffers.forget((BLOCK + 1) as Pblk));
  const data = new Uint8Array(4096).fill(77);
  device.storeNonTemporal(geometry.pblkToDevByte(BLOCK), data, 0, 4096, PURPOSE_DATA);
  journal.checkpoint();
  expect(valueAt(mounted, BLOCK)).toBe(77);
  const again = t.openOn(device);
  expect(again.recovered.blocks).toBe(0);
});

test("a freed block that is metadata again in the same transaction is not revoked", () => {
  const mounted = open();
  const { buffers, device, journal } = mounted;
  change(mounted, BLOCK, 1);
  journal.commit();
  journal.run(1, () => {
    buffers.forget(BLOCK as Pblk);
    buffers.create(BLOCK as Pblk, t.ANY, 0).bytes!.fill(2);
  });
  journal.commit();
  const again = t.openOn(device);
  expect(again.recovered.blocks).toBe(1);
  expect(valueAt(again, BLOCK)).toBe(2);
});

test("a block that is metadata again later is replayed from there", () => {
  const mounted = open();
  const { buffers, device, journal } = mounted;
  change(mounted, BLOCK, 1);
  journal.commit();
  journal.run(1, () => buffers.forget(BLOCK as Pblk));
  journal.commit();
  journal.run(1, () => buffers.create(BLOCK as Pblk, t.ANY, 0).bytes!.fill(3));
  journal.commit();
  expect(valueAt(t.openOn(device), BLOCK)).toBe(3);
});

test("a transaction commits before it grows beyond a quarter of the log", () => {
  const mounted = open();
  const { counters, journal } = mounted;
  expect(journal.creditsMax).toBe(256);
  for (let index = 0; index < 300; index++) change(mounted, BLOCK + index, 1);
  expect(counters.transactions).toBe(1);
  expect(() => journal.run(257, () => {})).toThrow("fits into a transaction");
});

test("a transaction commits when it is old", () => {
  let sec = 100;
  const mounted = t.openOn(t.imageOf(16, ...ARGS), { now: () => ({ sec, nsec: 0 }) });
  const some = (): void => {
    for (let index = 0; index < 20; index++) change(mounted, BLOCK, index);
  };
  some();
  sec += 4;
  some();
  expect(mounted.counters.transactions).toBe(0);
  sec += 1;
  some();
  expect(mounted.counters.transactions).toBe(1);
});

test("an error in the midst of a change aborts: nothing is written any more", () => {
  const mounted = open();
  const { journal } = mounted;
  const fail = (error: Error): void => {
    journal.run(1, () => {
      t.fill(mounted, BLOCK, 1);
      throw error;
    });
  };
  expect(() => fail(new FsError("ENOSPC"))).toThrow("ENOSPC");
  expect(journal.aborted).toBeNull();
  expect(() => fail(new Error("a bug"))).toThrow("a bug");
  expect(() => journal.run(1, () => {})).toThrow("EROFS");
  expect(() => journal.commit()).toThrow("EROFS");
  expect(() => journal.checkpoint()).toThrow("EROFS");
  expect(bytesOf(mounted, PURPOSE_CHECKPOINT)).toBe(0);
});

test("committed blocks keep a bounded part of memory, and are read and changed all the same", () => {
  const mounted = t.openOn(t.imageOf(256, ...ARGS, "-J", "size=64"));
  const { buffers, journal } = mounted;
  const first = 40_000;
  for (let index = 0; index < 10_000; index++) change(mounted, first + index, 1 + (index % 100));
  journal.commit();
  expect(buffers.framesUsed).toBeLessThan(4096 + journal.creditsMax);
  for (let index = 0; index < 10_000; index += 9) {
    const { at, view } = buffers.read((first + index) as Pblk, t.ANY, 0);
    expect(view.getUint8(at + 4000)).toBe(1 + (index % 100));
  }
  journal.run(1, () => {
    const buffer = buffers.read(first as Pblk, t.ANY, 0);
    expect(buffer.bytes).toBeNull();
    buffers.write(buffer);
    expect(buffer.bytes![4000]).toBe(1);
    buffer.bytes!.fill(200, 0, 2000);
  });
  t.close(mounted);
  expect([valueAt(mounted, first), valueAt(mounted, first + 9999)]).toEqual([1, 100]);
  expect(buffers.framesUsed).toBe(0);
});

test("numbers of transactions go round at 2^32, also for e2fsck", () => {
  const device = t.imageOf(16, ...ARGS);
  const { geometry } = openGeometry(device);
  const superblock = new JournalSuperblock(device, geometry, readJournalMap(device, geometry));
  superblock.storeTail(0xfffffffd, 0);
  const mounted = t.openOn(device);
  for (let round = 1; round <= 6; round++) {
    change(mounted, BLOCK, round);
    mounted.journal.commit();
  }
  withTempDirectory((directory) => {
    const file = `${directory}/image`;
    writeImage(device, file);
    runOrThrow("e2fsck", ["-E", "journal_only", "-y", file]);
    expect(runOrThrow("xxd", ["-p", "-s", `${BLOCK * 4096}`, "-l", "2", file]).stdout).toBe(
      "0606\n",
    );
  });
  const again = t.openOn(device);
  expect([again.recovered.transactions, valueAt(again, BLOCK)]).toEqual([6, 6]);
});

test("a log is discarded where the superblock says that it is not needed", () => {
  const mounted = open();
  const { device, geometry } = mounted;
  change(mounted, BLOCK, 1);
  mounted.journal.commit();
  storeRecoveryFlag(device, geometry, false);
  const again = t.openOn(device);
  expect([again.recovered.transactions, valueAt(again, BLOCK)]).toEqual([0, 0]);
});

test("recovery of a read-only mount stores nothing", () => {
  const recorder = new Recorder();
  const source = t.imageOf(16, ...ARGS);
  const device = createPmem({ size: source.size, observers: [recorder] });
  const mounted = t.openOn(t.copyDevice(source, device));
  change(mounted, BLOCK, 1);
  mounted.journal.commit();
  recorder.start();
  const opened = openGeometry(device);
  const { overlay } = recover(device, opened.geometry, { readOnly: true, torn: opened.torn });
  expect(recorder.events).toEqual([]);
  expect(overlay!.get(BLOCK)![0]).toBe(1);
});

test("features of the journal that are not known are refused by name", () => {
  const edit = (change: (view: DataView) => void): (() => t.Mounted) => {
    const device = t.imageOf(16, ...ARGS);
    const { geometry } = openGeometry(device);
    const at = readJournalMap(device, geometry).devByte(0);
    const bytes = new Uint8Array(1024);
    device.load(at, bytes, 0, 1024);
    change(new DataView(bytes.buffer));
    device.store(at, bytes, 0, 1024, PURPOSE_DATA);
    return () => t.openOn(device);
  };
  const S = JBD2_SUPERBLOCK;
  expect(edit((view) => S.featureIncompat.set(view, 0, 0x42))).toThrow("0x40");
  const dirtyFast = edit((view) => {
    S.featureIncompat.set(view, 0, 0x20);
    S.start.set(view, 0, 1);
  });
  expect(dirtyFast).toThrow("fast_commit");
  expect(edit((view) => S.featureIncompat.set(view, 0, 0x20))).not.toThrow();
  expect(edit((view) => S.maxlen.set(view, 0, 2000))).toThrow("maxlen is 2000");
  expect(edit((view) => S.magic.set(view, 0, 5))).toThrow("magic is 5");
});
