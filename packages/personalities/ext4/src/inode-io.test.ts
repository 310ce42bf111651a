/**
 * Inode records: what is written is read back for every size of inode, what nobody here knows stays,
 * and what cannot be is refused by the name of the field.
 */
import {
  CorruptionError,
  type FileByte,
  FsError,
  type Ino,
  type Name,
  type Pmem,
  PURPOSE_DATA,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from "@xiplab/core";
import { debugfs, requireOracle } from "@xiplab/oracles";
import { copyDevice } from "@xiplab/testkit";
import { describe, expect, test } from "vitest";
import { emptyImage, openImage, rootOf } from "./dir/testing.ts";
import type { Ext4FileSystem } from "./filesystem.ts";
import { RO_COMPAT_LARGE_FILE } from "./format/features.ts";
import * as f from "./format/inode.ts";
import { INODE, INODE_EXTRA } from "./format/inode.ts";
import { SUPERBLOCK } from "./format/superblock.ts";
import { readInode, slotOf, writableSlotOf, writeInode } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import { superBuffer } from "./super-buffer.ts";

const make = (fs: Ext4FileSystem, name: string, mode: number, rdev = 0): Ext4Inode =>
  fs.create(rootOf(fs), name as Name, {
    mode,
    uid: 0,
    gid: 0,
    rdev,
    ...(mode >> 12 === S_IFLNK >> 12 ? { target: "there" as Name } : {}),
  });

/** Change the record as it stands in the table; its checksum is put in by the commit. */
function edit(fs: Ext4FileSystem, ino: number, change: (view: DataView, at: number) => void): void {
  const { journal } = fs.volume;
  journal.commit();
  journal.run(1, () => {
    const { buffer, at } = writableSlotOf(fs.volume, ino);
    change(buffer.view, buffer.at + at);
  });
  journal.commit();
}

describe("times", () => {
  // Documentation/filesystems/ext4/inodes.rst, "Inode Timestamps".
  const DECODED: readonly (readonly [base: number, epoch: number, sec: number])[] = [
    [0x80000000, 0, -0x80000000],
    [0xffffffff, 0, -1],
    [0x00000000, 0, 0],
    [0x7fffffff, 0, 0x7fffffff],
    [0x80000000, 1, 0x80000000],
    [0xffffffff, 1, 0xffffffff],
    [0x00000000, 1, 0x100000000],
    [0x7fffffff, 1, 0x17fffffff],
    [0x80000000, 2, 0x180000000],
    [0x7fffffff, 3, 0x37fffffff],
  ];

  test("the table of the documentation, both ways", () => {
    for (const [base, epoch, sec] of DECODED) {
      for (const nsec of [0, 1, 999_999_999]) {
        const extra = f.timeExtra(sec, nsec);
        expect([sec >>> 0, extra & 3]).toEqual([base, epoch]);
        expect([f.timeSeconds(base, extra), f.timeNanoseconds(extra)]).toEqual([sec, nsec]);
      }
    }
  });
});

test("device numbers: 8 bits each in the old word, else 12 and 20 in the new one", () => {
  for (const [major, minor] of [
    [0, 0],
    [5, 1],
    [255, 255],
    [256, 0],
    [0, 256],
    [4095, 2 ** 20 - 1],
  ] as const) {
    const rdev = ((major << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12)) >>> 0;
    const [old, wide] = f.encodeDevice(rdev);
    expect(old !== 0 && wide !== 0).toBe(false);
    expect(wide === 0).toBe(major < 256 && minor < 256);
    expect(f.decodeDevice(old, wide)).toBe(rdev);
  }
});

describe.each(["128", "256", "512"])("inodes of %s bytes", (inodeSize) => {
  test("every attribute is read back as it was written", () => {
    const fs = openImage(emptyImage(16, { inodeSize }));
    const wide = inodeSize !== "128";
    const inode = make(fs, "f", S_IFREG | 0o6754);
    Object.assign(inode, { uid: 4_000_000_000, gid: 70_000, nlink: 3, generation: 0xfedcba98 });
    Object.assign(inode, { atimeSec: -5, mtimeSec: wide ? 2 ** 33 : 2 ** 31 - 1, ctimeSec: 7 });
    if (wide) Object.assign(inode, { atimeNsec: 999_999_999, mtimeNsec: 1, btimeNsec: 3 });
    inode.flags = (inode.flags | f.FL_NODUMP | f.FL_NOATIME) >>> 0;
    inode.resize(2 ** 40 + 17);
    inode.blocks = 2 ** 31;
    fs.volume.journal.run(2, () => writeInode(fs.volume, inode));
    fs.sync();
    const read = readInode(fs.volume, inode.ino);
    const ours = { map: null, seed: 0, syncTid: 0, datasyncTid: 0, mapping: null };
    expect({ ...read, ...ours }).toEqual({ ...inode, ...ours });
  });

  test("what is unknown stays: reserved fields, flags, bytes behind the fields", () => {
    const fs = openImage(emptyImage(16, { inodeSize }));
    const inode = make(fs, "f", S_IFREG | 0o644);
    const unknown = 0x1000000 | 0x80000000;
    const behind = Number(inodeSize) - 4;
    edit(fs, inode.ino, (view, at) => {
      INODE.reserved.set(view, at, 0x1234);
      INODE.obsoleteFaddr.set(view, at, 0xdeadbeef);
      INODE.flags.set(view, at, (inode.flags | unknown) >>> 0);
      if (behind > 160) view.setUint32(at + behind, 0xcafebabe, true);
    });
    const read = readInode(fs.volume, inode.ino);
    read.mode = S_IFREG | 0o600;
    fs.updateInode(read);
    fs.volume.records.run();
    const { buffer, at } = slotOf(fs.volume, inode.ino);
    const { view } = buffer;
    const record = buffer.at + at;
    expect(INODE.mode.get(view, record)).toBe(S_IFREG | 0o600);
    expect(INODE.reserved.get(view, record)).toBe(0x1234);
    expect(INODE.obsoleteFaddr.get(view, record)).toBe(0xdeadbeef);
    expect((INODE.flags.get(view, record) & unknown) >>> 0).toBe(unknown >>> 0);
    const kept = behind > 160 ? view.getUint32(record + behind, true) : 0xcafebabe;
    expect(kept).toBe(0xcafebabe);
  });
});

test("blocks are counted in sectors, and in blocks where 48 bits are too few", () => {
  const fs = openImage(emptyImage(16));
  const inode = make(fs, "f", S_IFREG | 0o644);
  for (const [blocks, huge] of [
    [1, false],
    [2 ** 29, false],
    [2 ** 45 - 1, false],
    [2 ** 45, true],
    [5, false],
  ] as const) {
    inode.blocks = blocks;
    fs.volume.journal.run(1, () => writeInode(fs.volume, inode));
    expect(readInode(fs.volume, inode.ino).blocks).toBe(blocks);
    expect((inode.flags & f.FL_HUGE_FILE) !== 0).toBe(huge);
  }
});

describe("inheritance", () => {
  test("flags by type, and the project", () => {
    const fs = openImage(emptyImage(16, { features: "project" }));
    const parent = make(fs, "d", S_IFDIR | 0o755);
    const own = f.FL_SYNC | f.FL_NODUMP | f.FL_NOATIME | f.FL_DIRSYNC | f.FL_PROJINHERIT;
    parent.flags = (parent.flags | own | f.FL_IMMUTABLE | f.FL_APPEND | f.FL_TOPDIR) >>> 0;
    parent.projectId = 77;
    fs.updateInode(parent);
    const flagsOf = (mode: number, name: string): number => {
      const inode = fs.create(parent, name as Name, { mode, uid: 0, gid: 0, rdev: 0 });
      expect(inode.projectId).toBe(77);
      return (inode.flags & ~f.FL_EXTENTS) >>> 0;
    };
    expect(flagsOf(S_IFDIR | 0o755, "sub")).toBe(own);
    expect(flagsOf(S_IFREG | 0o644, "file")).toBe(f.FL_SYNC | f.FL_NODUMP | f.FL_NOATIME);
    expect(flagsOf(S_IFCHR | 0o600, "device")).toBe(f.FL_NODUMP | f.FL_NOATIME);
    fs.sync();
    expect(readInode(fs.volume, fs.lookup(parent, "sub" as Name)).projectId).toBe(77);
  });

  test("a tree with a project takes in nothing of another one", () => {
    const fs = openImage(emptyImage(16, { features: "project" }));
    const parent = make(fs, "d", S_IFDIR | 0o755);
    parent.flags = (parent.flags | f.FL_PROJINHERIT) >>> 0;
    parent.projectId = 77;
    fs.updateInode(parent);
    const stranger = make(fs, "f", S_IFREG | 0o644);
    expect(() => fs.link(parent, "x" as Name, stranger)).toThrow("EXDEV");
  });

  test("a project id where the image has no place for it is refused", () => {
    const fs = openImage(emptyImage(16));
    const inode = make(fs, "f", S_IFREG | 0o644);
    inode.projectId = 5;
    expect(() => fs.updateInode(inode)).toThrow("EOPNOTSUPP");
  });
});

test("the first file of 2 GiB turns the feature large_file on", () => {
  const fs = openImage(emptyImage(16, { features: "^large_file:^resize_inode" }));
  const hasFeature = (): boolean => {
    const { view, at } = superBuffer(fs.volume.buffers);
    const word = SUPERBLOCK.featureRoCompat.get(view, at + fs.volume.geometry.superOffset);
    return (word & RO_COMPAT_LARGE_FILE) !== 0;
  };
  const inode = make(fs, "f", S_IFREG | 0o644);
  fs.truncate(inode, 2 ** 31 - 1);
  expect(hasFeature()).toBe(false);
  fs.truncate(inode, 2 ** 31);
  expect(hasFeature()).toBe(true);
});

test("debugfs reads what was written", ({ skip }) => {
  requireOracle(["debugfs"], skip);
  const device = emptyImage(16);
  const fs = openImage(device);
  const inode = make(fs, "b", S_IFBLK | 0o640, (300 << 8) | 7);
  Object.assign(inode, { uid: 70_000, gid: 80_000, mtimeSec: -1, mtimeNsec: 0 });
  fs.updateInode(inode);
  fs.unmount();
  const told = debugfs(device, "stat /b");
  expect(told).toMatch(/Type: block special\s+Mode:\s+0640/);
  expect(told).toMatch(/User: 70000\s+Group: 80000/);
  expect(told).toContain("mtime: 0xffffffff:00000000");
  expect(told).toContain("Device major/minor number: 300:07");
});

describe("records follow at the commit", () => {
  const versionOf = ({ volume }: Ext4FileSystem, ino: number): number => {
    const { buffer, at } = slotOf(volume, ino);
    return INODE.versionLo.get(buffer.view, buffer.at + at);
  };

  test("once, however often the inode changed", () => {
    const fs = openImage(emptyImage(16));
    const inode = make(fs, "f", S_IFREG | 0o644);
    fs.sync();
    const version = versionOf(fs, inode.ino);
    for (const uid of [1, 2, 3]) {
      inode.uid = uid;
      fs.updateInode(inode);
    }
    expect(versionOf(fs, inode.ino)).toBe(version);
    fs.fsync(inode, false);
    expect([versionOf(fs, inode.ino), inode.stale]).toEqual([version + 1, -1]);
    const again = openImage(copyDevice(fs.device) as Pmem, true);
    expect(again.iget(inode.ino).uid).toBe(3);
  });

  test("or before another object is made of the inode", () => {
    const fs = openImage(emptyImage(16));
    const inode = make(fs, "f", S_IFREG | 0o644);
    inode.uid = 77;
    fs.updateInode(inode);
    fs.evict(inode);
    const other = fs.iget(inode.ino);
    expect([other.uid, other.syncTid]).toEqual([77, fs.volume.journal.tid]);
  });

  test("and not after the inode was freed: its number has another owner", () => {
    const fs = openImage(emptyImage(16));
    const files = ["a", "b", "c"].map((name) => make(fs, name, S_IFREG | 0o644));
    const gone = files[1]!;
    for (const [index, name] of ["a", "b"].entries()) {
      fs.unlink(rootOf(fs), name as Name, files[index]!);
      fs.evict(files[index]!);
    }
    const taken = [make(fs, "d", S_IFLNK | 0o777), make(fs, "e", S_IFREG | 0o600)];
    expect(taken.map(({ ino }) => ino)).toContain(gone.ino);
    fs.sync();
    const again = openImage(copyDevice(fs.device) as Pmem, true);
    const modes = taken.map(({ ino }) => again.iget(ino).mode);
    expect(modes).toEqual(taken.map(({ mode }) => mode));
    expect(again.iget(files[2]!.ino).nlink).toBe(1);
  });
});

describe("what is refused", () => {
  test("numbers that are free, never used, or none", () => {
    const fs = openImage(emptyImage(16));
    const gone = make(fs, "f", S_IFREG | 0o644);
    fs.unlink(rootOf(fs), "f" as Name, gone);
    fs.evict(gone);
    const { inodeCount } = fs.volume.geometry;
    for (const ino of [gone.ino, 0, -1, inodeCount, inodeCount + 1, 2 ** 31]) {
      expect(() => fs.iget(ino as Ino)).toThrow("ESTALE");
    }
  });

  test("the time of deletion is no inode number, whatever the clock says", () => {
    const fs = openImage(emptyImage(16));
    fs.volume.clock.now = () => ({ sec: 3, nsec: 0 });
    const gone = make(fs, "f", S_IFREG | 0o644);
    fs.unlink(rootOf(fs), "f" as Name, gone);
    fs.evict(gone);
    const { buffer, at } = slotOf(fs.volume, gone.ino);
    const dtime = INODE.dtime.get(buffer.view, buffer.at + at);
    expect(dtime).toBeGreaterThanOrEqual(fs.volume.geometry.inodeCount);
  });

  const BAD: readonly (readonly [string, number, (view: DataView, at: number) => void])[] = [
    ["mode", S_IFREG, (view, at) => INODE.mode.set(view, at, 0o030644)],
    ["extraIsize", S_IFREG, (view, at) => INODE_EXTRA.extraIsize.set(view, at, 132)],
    ["extraIsize", S_IFREG, (view, at) => INODE_EXTRA.extraIsize.set(view, at, 30)],
    ["fileAcl", S_IFREG, (view, at) => INODE.fileAclLo.set(view, at, 4096)],
    ["fileAcl", S_IFREG, (view, at) => INODE.fileAclHi.set(view, at, 1)],
    ["size", S_IFREG, (view, at) => INODE.sizeHi.set(view, at, 4096)],
    ["size", S_IFLNK, (view, at) => INODE.sizeLo.set(view, at, 4096)],
    ["size", S_IFLNK, (view, at) => INODE.sizeLo.set(view, at, 0)],
    ["flags", S_IFREG, (view, at) => INODE.flags.set(view, at, f.FL_INLINE_DATA)],
    ["flags", S_IFREG, (view, at) => INODE.flags.set(view, at, f.FL_EA_INODE)],
  ];

  test.each(BAD)("a bad %s", (field, type, change) => {
    const fs = openImage(emptyImage(16));
    const inode = make(fs, "f", type | 0o644);
    edit(fs, inode.ino, change);
    const found = corruptionOf(() => readInode(fs.volume, inode.ino));
    expect(found).toMatchObject({ structure: "ext4_inode", at: `inode ${inode.ino}`, field });
  });

  test("a changed byte, by the checksum", () => {
    const device = emptyImage(16);
    const fs = openImage(device);
    const inode = make(fs, "f", S_IFREG | 0o644);
    fs.unmount();
    const { buffer, at } = slotOf(fs.volume, inode.ino);
    const home = fs.volume.geometry.pblkToDevByte(buffer.pblk) + at;
    device.store(home + INODE.uidLo.offset, Uint8Array.of(9), 0, 1, PURPOSE_DATA);
    const again = openImage(device, true);
    expect(corruptionOf(() => again.iget(inode.ino)).field).toBe("checksum");
  });
});

function corruptionOf(body: () => unknown): CorruptionError["corruption"] {
  try {
    body();
  } catch (error) {
    if (error instanceof CorruptionError) return error.corruption;
    throw error;
  }
  throw new FsError("EINVAL", "nothing was refused");
}

test("fsync commits what another object of the inode changed before it was dropped", () => {
  const fs = openImage(emptyImage(16));
  const inode = make(fs, "f", S_IFREG | 0o644);
  const { transactions } = fs.counters;
  const again = fs.iget(inode.ino);
  fs.fsync(again, true);
  expect(fs.counters.transactions).toBe(transactions + 1);
  fs.fsync(fs.iget(inode.ino), false);
  expect(fs.counters.transactions).toBe(transactions + 1);
});

test("a size in memory that is ahead of the medium is not written", () => {
  const fs = openImage(emptyImage(16));
  const inode = make(fs, "f", S_IFREG | 0o644);
  inode.size = 5000 as FileByte;
  fs.updateInode(inode);
  expect(readInode(fs.volume, inode.ino).size).toBe(0);
});
