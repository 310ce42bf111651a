/**
 * Logs before other judges, both ways. What is written here and left in the log is replayed by
 * e2fsck and by the kernel, and must give the bytes that our own replay gives; debugfs reads every
 * record. What the kernel leaves in its log is replayed here, and must give the bytes that e2fsck's
 * replay gives: in every block but superblocks and the journal.
 */
import fs from "node:fs";
import path from "node:path";
import { createPmem, EVENT_FENCE, InFlight, type Pblk, type Pmem } from "@xiplab/core";
import { PURPOSE_DATA } from "@xiplab/core";
import {
  debugfs,
  readImage,
  requireOracle,
  runOrThrow,
  shutdownMount,
  withImageFile,
  withLoopMount,
  withTempDirectory,
  writeImage,
} from "@xiplab/oracles";
import { describe, expect, test } from "vitest";
import { Buffers } from "../buffers.ts";
import { INCOMPAT_64BIT, INCOMPAT_CSUM_V2, JBD2_MAGIC } from "../format/jbd2.ts";
import { openGeometry, storeRecoveryFlag } from "../super-state.ts";
import { readJournalMap } from "./journal-map.ts";
import { JournalSuperblock } from "./journal-superblock.ts";
import { LogWriter } from "./log-writer.ts";
import { recover } from "./recovery.ts";
import * as t from "./testing.ts";
import { BLOCKS, REUSED, wholeLife } from "./testing-run.ts";

const SEED = 11;

const FORMATS: ReadonlyArray<readonly [string, readonly string[]]> = [
  ["the defaults", ["-b", "4096"]],
  ["no 64bit: short tags", ["-b", "4096", "-O", "^64bit"]],
  ["no checksums", ["-b", "4096", "-O", "^metadata_csum"]],
  ["neither: the oldest tags", ["-b", "4096", "-O", "^metadata_csum,^64bit"]],
  ["blocks of 1 KiB", ["-b", "1024"]],
  ["blocks of 2 KiB", ["-b", "2048"]],
  ["a journal behind block pointers", ["-b", "4096", "-O", "^extents,^64bit"]],
];

/** A log that went round, with revoked, escaped and repeated blocks, left as by a power cut. */
function dirtyImage(args: readonly string[]): { device: Pmem; blocks: number[] } {
  const device = t.imageOf(16, ...args);
  const mounted = t.openOn(device);
  const { buffers, geometry, journal } = mounted;
  const random = t.randomOf(SEED);
  const first = Math.floor(geometry.blockCount * 0.8);
  const blocks = Array.from({ length: 300 }, (_, index) => first + index);
  for (let round = 1; round <= 60; round++) {
    journal.run(100, () => {
      for (let count = 1 + (random() % 80); count > 0; count--) {
        const pblk = blocks[random() % blocks.length]!;
        const known = buffers.peek(pblk as Pblk);
        if (random() % 8 === 0 && known?.committedTid !== 0) {
          buffers.forget(pblk as Pblk);
          continue;
        }
        const buffer = t.fill(mounted, pblk, round);
        if (random() % 4 === 0) buffer.view.setUint32(buffer.at, JBD2_MAGIC);
      }
    });
    journal.commit();
  }
  return { device, blocks };
}

/** A log with checksum version 2, which nobody writes any more: one transaction, put in by hand. */
function oldImage(features: number): Pmem {
  const device = t.imageOf(16, "-b", "4096");
  const mounted = t.openOn(device);
  const { geometry, journal } = mounted;
  const map = readJournalMap(device, geometry);
  const superblock = new JournalSuperblock(device, geometry, map);
  superblock.persistFeatures(features);
  const writer = new LogWriter(device, geometry, map, superblock);
  const blocks = journal.run(250, () =>
    Array.from({ length: 250 }, (_, index) => t.fill(mounted, 3000 + index, 1 + (index % 200))),
  );
  blocks[5]!.view.setUint32(blocks[5]!.at, JBD2_MAGIC);
  const { sequence } = superblock;
  writer.write(sequence, blocks, new Set([3600, 3601]), { sec: 5, nsec: 0 });
  superblock.storeTail(sequence, superblock.first);
  writer.storeCommitWord();
  return device;
}

/** Every block but those that a replay changes by its own rules. */
function differences(one: Pmem, other: Pmem): number[] {
  const { geometry } = openGeometry(one);
  const map = readJournalMap(one, geometry);
  const found: number[] = [];
  for (let pblk = 0; pblk < geometry.blockCount; pblk++) {
    if (pblk <= geometry.superBlock || map.holds(pblk)) continue;
    const [left, right] = [t.bytesAt(one, geometry, pblk), t.bytesAt(other, geometry, pblk)];
    if (Buffer.compare(left, right) !== 0) found.push(pblk);
  }
  return found;
}

function recovered(dirty: Pmem): Pmem {
  const device = t.copyDevice(dirty, createPmem({ size: dirty.size }));
  const { geometry, torn } = openGeometry(device);
  recover(device, geometry, { readOnly: false, torn });
  storeRecoveryFlag(device, geometry, false);
  return device;
}

function replayedByE2fsck(file: string): Pmem {
  return withTempDirectory((directory) => {
    const copy = path.join(directory, "replayed");
    fs.copyFileSync(file, copy);
    runOrThrow("e2fsck", ["-E", "journal_only", "-y", copy]);
    return readImage(copy);
  });
}

describe.each(FORMATS)("a log that is written here, with %s", (_, args) => {
  test("is replayed by e2fsck and read by debugfs", (context) => {
    requireOracle(["e2fsck", "debugfs"], context.skip);
    const { device } = dirtyImage(args);
    const ours = recovered(device);
    withTempDirectory((directory) => {
      const file = path.join(directory, "dirty");
      writeImage(device, file);
      const log = debugfs(file, "logdump -a");
      expect(log).toContain("end of journal");
      expect(log).not.toMatch(/unexpected|corrupt|mismatch/i);
      expect(differences(ours, replayedByE2fsck(file))).toEqual([]);
    });
  });

  test("is replayed by the kernel", (context) => {
    requireOracle(["loop", "xfs_io"], context.skip);
    const { device } = dirtyImage(args);
    const ours = recovered(device);
    withTempDirectory((directory) => {
      const file = path.join(directory, "dirty");
      writeImage(device, file);
      withLoopMount(file, {}, () => {});
      const theirs = readImage(file);
      const { geometry } = openGeometry(theirs);
      const changed = differences(ours, theirs);
      // A mount changes a few blocks of its own; not those that only the log had.
      expect(changed.filter((pblk) => pblk >= geometry.blockCount * 0.8)).toEqual([]);
    });
  });
});

test.each([
  ["long", INCOMPAT_CSUM_V2 | INCOMPAT_64BIT],
  ["short", INCOMPAT_CSUM_V2],
])("checksum version 2, with %s tags, is read as e2fsck reads it", (_, features) => {
  const device = oldImage(features);
  expect(checksumVersionOf(device)).toBe(2);
  const ours = recovered(device);
  expect(ours.directAccess(3249 * 4096, 1)[0]).toBe(50);
  expect(differences(ours, byE2fsck(device))).toEqual([]);
});

describe.each([FORMATS[0]!, FORMATS[3]!])("at every fence, with %s", (_, args) => {
  test("the kernel and e2fsck replay what we replay", (context) => {
    requireOracle(["e2fsck", "loop"], context.skip);
    const run = wholeLife(args);
    const device = t.copyDevice(run.start, createPmem({ size: run.start.size }));
    const flight = new InFlight("adr");
    let fences = 0;
    for (const event of run.recorder.events) {
      flight.add(event, (offset, bytes) => {
        device.store(offset, bytes, 0, bytes.length, PURPOSE_DATA);
      });
      if (event.kind !== EVENT_FENCE) continue;
      fences++;
      const contents = [recovered(device), byE2fsck(device), byKernel(device)].map((image) =>
        [...BLOCKS, REUSED].map((pblk) => image.directAccess(pblk * 4096, 4096)[100]),
      );
      expect(contents[1], `e2fsck at fence ${fences}`).toEqual(contents[0]);
      expect(contents[2], `the kernel at fence ${fences}`).toEqual(contents[0]);
    }
    expect(fences).toBeGreaterThan(15);
  });
});

const byE2fsck = (device: Pmem): Pmem =>
  withImageFile(device, (file) => {
    runOrThrow("e2fsck", ["-E", "journal_only", "-y", file]);
    return readImage(file);
  });

/** @throws Error where the kernel refuses the image or complains */
const byKernel = (device: Pmem): Pmem =>
  withImageFile(device, (file) => {
    withLoopMount(file, {}, () => {});
    return readImage(file);
  });

type KernelFormat = readonly [what: string, args: readonly string[], options: string];

const KERNEL_FORMATS: readonly KernelFormat[] = [
  ...FORMATS.map(([what, args]): KernelFormat => [what, args, "rw"]),
  ["checksums of whole transactions", ["-b", "4096", "-O", "^metadata_csum"], "journal_checksum"],
];

describe.each(KERNEL_FORMATS)("a log that the kernel leaves, with %s", (_, args, options) => {
  test("is replayed here as e2fsck does it", (context) => {
    requireOracle(["loop", "xfs_io"], context.skip);
    withTempDirectory((directory) => {
      const file = path.join(directory, "image");
      const crashed = path.join(directory, "crashed");
      writeImage(t.imageOf(16, ...args), file);
      const mountOptions = { complaintsAllowed: true, options };
      withLoopMount(file, mountOptions, (mount) => {
        work(mount.directory);
        shutdownMount(mount.directory);
        // Before the kernel closes the device: that would bring home what now is in the log alone.
        fs.copyFileSync(file, crashed);
      });
      const dirty = readImage(crashed);
      const theirs = replayedByE2fsck(crashed);
      const isOld = options === "journal_checksum";
      expect(checksumVersionOf(dirty) === 1).toBe(isOld);
      expect(differences(dirty, theirs).length).toBeGreaterThan(5);
      expect(differences(recovered(dirty), theirs)).toEqual([]);
      expectOverlay(dirty, theirs);
    });
  });
});

function checksumVersionOf(device: Pmem): number {
  const { geometry } = openGeometry(device);
  const map = readJournalMap(device, geometry);
  return new JournalSuperblock(device, geometry, map).checksumVersion;
}

/** Files and directories that come and go, so that the log has revoked blocks too. */
function work(root: string): void {
  for (let round = 0; round < 6; round++) {
    for (let index = 0; index < 20; index++) {
      const directory = path.join(root, `d${round}-${index}`);
      fs.mkdirSync(directory);
      fs.writeFileSync(path.join(directory, "file"), "x".repeat(100 * index));
    }
    commit(path.join(root, `first${round}`));
    for (let index = 0; index < 15; index++) {
      fs.rmSync(path.join(root, `d${round}-${index}`), { recursive: true });
    }
    commit(path.join(root, `second${round}`));
  }
}

function commit(file: string): void {
  const fd = fs.openSync(file, "w");
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

/** Read-only: nothing is stored, and buffers show what the replay would give. */
function expectOverlay(dirty: Pmem, theirs: Pmem): void {
  const { geometry, torn } = openGeometry(dirty);
  const stores = dirty.counters.stores;
  const { overlay, transactions } = recover(dirty, geometry, { readOnly: true, torn });
  expect(dirty.counters.stores).toBe(stores);
  expect(transactions).toBeGreaterThan(1);
  const buffers = new Buffers(dirty, geometry, overlay);
  for (const pblk of overlay!.keys()) {
    if (pblk <= geometry.superBlock) continue;
    const { at, view } = buffers.read(pblk as Pblk, t.ANY, 0);
    const shown = new Uint8Array(view.buffer, view.byteOffset + at, geometry.blockSize);
    expect(Buffer.compare(shown, t.bytesAt(theirs, geometry, pblk))).toBe(0);
  }
}
