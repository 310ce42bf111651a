/** Bad images that the fuzzer found something with, each as a case of its own. */
import {
  counterClock,
  FsError,
  mkfs,
  mount,
  nameFromUtf8,
  Pmem,
  PURPOSE_METADATA,
  Task,
} from "@xiplab/core";
import { expect, test } from "vitest";
import { DIRENT } from "./format/dirent.ts";
import { GROUP_DESC } from "./format/group-descriptor.ts";
import { INODE } from "./format/inode.ts";
import { JBD2_SUPERBLOCK } from "./format/jbd2.ts";
import { ext4 } from "./index.ts";
import { readJournalMap } from "./journal/journal-map.ts";
import { readGeometry } from "./super.ts";

const SIZE = 8 * 2 ** 20;
const n = nameFromUtf8;

function makeImage(features: string, ...directories: string[]): Pmem {
  const device = new Pmem(SIZE);
  const clock = counterClock();
  mkfs(ext4, device, { features }, { clock });
  const vfs = mount(ext4, device, {}, { clock });
  const task = new Task(vfs);
  for (const path of directories) task.mkdir(n(path));
  vfs.unmount();
  return device;
}

/** Device byte of the directory entry with that name, the only place where it stands. */
function entryOf(device: Pmem, name: string): number {
  const bytes = Buffer.alloc(SIZE);
  device.load(0, bytes, 0, SIZE);
  const journal = readJournalMap(device, readGeometry(device));
  for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1)) {
    if (!journal.holds(Math.floor(at / 4096))) return at - 8;
  }
  throw new Error("the name is nowhere");
}

test("a directory with two names in one directory", () => {
  const device = makeImage("^metadata_csum", "/first", "/second");
  const view = device.view(0, SIZE / 4);
  const [first, second] = [entryOf(device, "first"), entryOf(device, "second")];
  device.storeU32(second, DIRENT.inode.get(view, first), PURPOSE_METADATA);
  const task = new Task(mount(ext4, device, {}, { clock: counterClock() }));
  expect(task.stat(n("/first")).nlink).toBe(2);
  expect(() => task.stat(n("/second"))).toThrow(FsError);
  expect(() => task.rmdir(n("/first"))).toThrow("EROFS");
});

test("a directory that counts fewer blocks than it has", () => {
  const device = makeImage("^metadata_csum", "/first");
  // Inode 12, the first that is not mkfs's own, in the table of group 0.
  const table = GROUP_DESC.inodeTableLo.get(device.view(4096, 64), 4096);
  device.storeU32(table * 4096 + 11 * 256 + INODE.blocksLo.offset, 0, PURPOSE_METADATA);
  const vfs = mount(ext4, device, {}, { clock: counterClock() });
  const task = new Task(vfs);
  expect(() => task.rmdir(n("/first"))).toThrow("ext4_inode at inode 12: blocks is -1");
  // Nothing is written any more: the change is not on the medium, in whole or in part.
  vfs.unmount();
  const again = new Task(mount(ext4, device, { ro: "1" }, { clock: counterClock() }));
  expect(again.readdir(n("/")).map(String)).toContain("first");
});

test.each([0, 1, 0xffffffff])("a journal whose next transaction is number %i", (sequence) => {
  const device = makeImage("", "/first");
  const at = readJournalMap(device, readGeometry(device)).devByte(0);
  const bytes = new Uint8Array(1024);
  device.load(at, bytes, 0, bytes.length);
  const view = new DataView(bytes.buffer);
  JBD2_SUPERBLOCK.sequence.set(view, 0, sequence);
  // Without features the journal's superblock has no checksum.
  JBD2_SUPERBLOCK.featureIncompat.set(view, 0, 0);
  device.store(at, bytes, 0, bytes.length, PURPOSE_METADATA);
  for (let round = 0; round < 3; round++) {
    const vfs = mount(ext4, device, {}, { clock: counterClock() });
    const task = new Task(vfs);
    task.mkdir(n(`/first/${round}`));
    task.syncfs();
    task.mkdir(n(`/first/${round}/below`));
    vfs.unmount();
    expect(ext4.check(device)).toMatchObject({ clean: true, findings: [] });
  }
});
