/**
 * Orphans: what a power cut leaves without a name, or longer than it says, is freed by the next
 * mount, from the list and from the orphan file; and a list that makes no sense is refused before
 * anything is written.
 */
import {
  CorruptionError,
  type FileByte,
  type Mapping,
  nameFromUtf8,
  type Pmem,
  PURPOSE_DATA,
  S_IFREG,
  XIP_HOLE,
  newXipRange,
} from "@xiplab/core";
import { e2fsck, requireOracle } from "@xiplab/oracles";
import { copyDevice } from "@xiplab/testkit";
import { describe, expect, test } from "vitest";
import { emptyImage, openImage, rootOf } from "./dir/testing.ts";
import { finishTruncation } from "./evict.ts";
import type { Ext4FileSystem } from "./filesystem.ts";
import { INODE } from "./format/inode.ts";
import { SUPERBLOCK } from "./format/superblock.ts";
import { slotOf, writableSlotOf, writeInode } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import { OrphanFile } from "./orphan-file.ts";
import { addOrphan } from "./orphan.ts";
import { superBuffer } from "./super-buffer.ts";
import { editSuperblock } from "./super-state.ts";

const attributes = { mode: S_IFREG | 0o644, uid: 0, gid: 0, rdev: 0 };
const KINDS: readonly Record<string, string>[] = [{}, { features: "orphan_file" }];

/** A file without a name that has `blocks` blocks. */
function unnamed(image: Ext4FileSystem, blocks: number): Ext4Inode {
  const inode = image.tmpfile(rootOf(image), attributes);
  if (blocks > 0) image.fallocate(inode, 0, 0, blocks * image.blockSize);
  return inode;
}

/** What the power leaves: everything that is committed. */
function cut(image: Ext4FileSystem): Pmem {
  image.sync();
  return copyDevice(image.device) as Pmem;
}

function expectSound(device: Pmem): void {
  const { clean, output } = e2fsck(device);
  expect(clean, output).toBe(true);
}

/** The list as the medium will have it. */
function listOf({ volume }: Ext4FileSystem): number[] {
  const { view, at } = superBuffer(volume.buffers);
  const list: number[] = [];
  let ino = SUPERBLOCK.lastOrphan.get(view, at + volume.geometry.superOffset);
  while (ino !== 0) {
    list.push(ino);
    const { buffer, at: record } = slotOf(volume, ino);
    ino = INODE.dtime.get(buffer.view, buffer.at + record);
  }
  return list;
}

describe.each(KINDS)("recovery: %o", (options) => {
  test("frees files without names, and their blocks", ({ skip }) => {
    requireOracle(["e2fsck"], skip);
    const image = openImage(emptyImage(24, options));
    const before = image.statfs();
    for (const blocks of [0, 1, 100, 7]) unnamed(image, blocks);
    const device = cut(image);
    expect(e2fsck(device).clean).toBe(false);
    const again = openImage(device);
    expect(again.statfs()).toEqual(before);
    expect(again.volume.orphans.count).toBe(0);
    again.unmount();
    expectSound(device);
  });

  test("truncates files that were to be shorter, and zeros what stood behind their end", () => {
    const image = openImage(emptyImage(24, options));
    const file = image.create(rootOf(image), nameFromUtf8("f"), attributes);
    fill(image, file.mapping, 20_000);
    image.volume.journal.run(8, () => {
      addOrphan(image.volume, file);
      file.resize(5000);
      writeInode(image.volume, file);
    });
    const again = openImage(cut(image));
    const found = again.iget(file.ino);
    expect([found.size, found.blocks, found.orphan]).toEqual([5000, 2, false]);
    const out = newXipRange();
    again.getXipMem(found.mapping, 4096, 4096, 0, out);
    expect(out.state).not.toBe(XIP_HOLE);
    const bytes = again.device.directAccess(out.offset, 4096);
    expect([...bytes.subarray(900, 910)]).toEqual([7, 7, 7, 7, 0, 0, 0, 0, 0, 0]);
    again.unmount();
    expectSound(again.device as Pmem);
  });

  test("a read-only mount leaves them", () => {
    const image = openImage(emptyImage(24, options));
    unnamed(image, 5);
    const device = cut(image);
    const { stores } = device.counters;
    openImage(device, true).unmount();
    expect(device.counters.stores).toBe(stores);
  });

  test("names given later end it", ({ skip }) => {
    requireOracle(["e2fsck"], skip);
    const image = openImage(emptyImage(24, options));
    const inode = unnamed(image, 3);
    image.link(rootOf(image), nameFromUtf8("f"), inode);
    expect([inode.orphan, image.volume.orphans.count]).toEqual([false, 0]);
    image.unmount();
    expectSound(image.device as Pmem);
  });
});

/** `length` bytes of 7 in written blocks. */
function fill(image: Ext4FileSystem, mapping: Mapping, length: number): void {
  const out = newXipRange();
  image.fallocate(mapping.inode, 0, 0, length);
  for (let pos = 0; pos < length;) {
    image.getXipMem(mapping, pos, length - pos, 0, out);
    const bytes = new Uint8Array(out.length).fill(7);
    image.device.store(out.offset, bytes, 0, bytes.length, PURPOSE_DATA);
    image.device.persist(out.offset, bytes.length);
    pos += out.length;
  }
  image.xipConvert(mapping, 0, length, length as FileByte);
}

describe.each(KINDS)("before the commit: %o", (options) => {
  test("nothing is on the medium of one that is gone by then", () => {
    const image = openImage(emptyImage(16, options));
    const { buffers, journal, orphans } = image.volume;
    journal.commit();
    const inode = unnamed(image, 1);
    expect([inode.orphan, orphans.count, orphans.waiting.length]).toEqual([true, 1, 1]);
    image.evict(inode);
    expect([orphans.count, orphans.credits]).toEqual([0, 0]);
    expect(superBuffer(buffers).tid).not.toBe(journal.tid);
    journal.commit();
    expect([listOf(image), orphans.present]).toEqual([[], false]);
  });

  test("those that wait come to the medium with it, and leave as any", () => {
    const image = openImage(emptyImage(16, options));
    const { journal, orphans } = image.volume;
    const inodes = [unnamed(image, 1), unnamed(image, 0)];
    expect([orphans.count, orphans.credits]).toEqual([2, options.features === undefined ? 1 : 3]);
    journal.commit();
    expect([orphans.count, orphans.waiting.length, orphans.credits]).toEqual([2, 0, 0]);
    for (const inode of inodes) image.evict(inode);
    expect(orphans.count).toBe(0);
    image.unmount();
  });

  test("a handle finds room beside them, in a transaction that is full", () => {
    const image = openImage(emptyImage(16, options));
    const { journal, orphans } = image.volume;
    unnamed(image, 1);
    const { tid } = journal;
    const taken = journal.creditsMax - orphans.credits;
    journal.run(taken, () => {});
    expect([journal.tid, orphans.waiting.length]).toEqual([tid + 1, 0]);
  });
});

describe("the list", () => {
  test("gives up its first, last and middle inode", ({ skip }) => {
    requireOracle(["e2fsck"], skip);
    const image = openImage(emptyImage(16));
    const [a, b, c, d, e] = Array.from({ length: 5 }, () => unnamed(image, 1));
    const inos = (...inodes: (Ext4Inode | undefined)[]): number[] => inodes.map((one) => one!.ino);
    image.sync();
    expect(listOf(image)).toEqual(inos(e, d, c, b, a));
    image.evict(c!);
    expect(listOf(image)).toEqual(inos(e, d, b, a));
    image.evict(e!);
    expect(listOf(image)).toEqual(inos(d, b, a));
    image.evict(a!);
    expect(listOf(image)).toEqual(inos(d, b));
    image.evict(d!);
    image.evict(b!);
    expect(listOf(image)).toEqual([]);
    image.unmount();
    expectSound(image.device as Pmem);
  });

  test("is not walked for ever, nor to inodes that are no orphans", () => {
    const target = { loop: 0, free: 500, reserved: 8, none: 1_000_000 };
    for (const next of Object.values(target)) {
      const image = openImage(emptyImage(16));
      const inode = unnamed(image, 1);
      image.sync();
      image.volume.journal.run(1, () => {
        const { buffer, at } = writableSlotOf(image.volume, inode.ino);
        INODE.dtime.set(buffer.view, buffer.at + at, next === 0 ? inode.ino : next);
      });
      const device = cut(image);
      const recovered = copyDevice(device) as Pmem;
      expect(() => openImage(recovered)).toThrow(CorruptionError);
      // The log was replayed; the list was looked at before anything else was written.
      const { stores } = recovered.counters;
      expect(() => openImage(recovered)).toThrow(/orphan list/);
      expect(recovered.counters.stores).toBe(stores);
    }
  });

  test("a superblock that names one which is not there is refused", () => {
    const image = openImage(emptyImage(16));
    image.volume.journal.run(1, () =>
      editSuperblock(image.volume, (view, at) => SUPERBLOCK.lastOrphan.set(view, at, 300)),
    );
    image.unmount();
    expect(() => openImage(image.device as Pmem)).toThrow(/orphan list at ext4_super_block/);
  });
});

test("when the orphan file is full the list takes over", ({ skip }) => {
  requireOracle(["e2fsck"], skip);
  const image = openImage(emptyImage(24, { features: "orphan_file", blockSize: "1024" }));
  const { geometry, orphans } = image.volume;
  const before = image.statfs();
  const whole = orphans.file!;
  const one = whole.blocks.slice(0, 1);
  orphans.file = new OrphanFile(geometry, image.iget(geometry.orphanFileIno), one);
  const perBlock = (1024 - 8) / 4;
  const inodes = Array.from({ length: perBlock + 5 }, () => unnamed(image, 0));
  image.sync();
  expect([orphans.file.slotOf.size, orphans.nextOf.size]).toEqual([perBlock, 5]);
  image.evict(inodes[3]!);
  const late = unnamed(image, 2);
  image.sync();
  expect(orphans.file.slotOf.has(late.ino)).toBe(true);
  const again = openImage(cut(image));
  expect(again.statfs()).toEqual(before);
  again.unmount();
  expectSound(again.device as Pmem);
});

test("truncating what is whole changes nothing but the list", () => {
  const image = openImage(emptyImage(16));
  const file = image.create(rootOf(image), nameFromUtf8("f"), attributes);
  fill(image, file.mapping, 9000);
  const { blocks } = file;
  image.volume.journal.run(4, () => addOrphan(image.volume, file));
  finishTruncation(image.volume, file);
  expect([file.blocks, file.orphan, listOf(image)]).toEqual([blocks, false, []]);
});
