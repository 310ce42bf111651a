/**
 * What the data paths' door does where things go wrong or half way: no room for a split, a power cut
 * between allocation and size, a truncation too large for one transaction. e2fsck judges each image
 * that is left, if it is there; our own check always does.
 */
import { e2fsck, e2fsckAfterCrash, type E2fsckResult, requireOracle } from "@xiplab/oracles";
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FsError,
  GXM_ALLOC,
  GXM_CREATE,
  GXM_HINT,
  GXM_ZERO,
  mkfs,
  newXipRange,
  type OptionValues,
  Pmem,
  PURPOSE_DATA,
  S_IFREG,
  XIP_FRESH,
  XIP_HOLE,
  XIP_UNWRITTEN,
  XIP_WRITTEN,
} from "@xiplab/core";
import { describe, expect, it } from "vitest";
import { dropMap, fileMap } from "./file-map.ts";
import type { Ext4FileSystem } from "./filesystem.ts";
import { ext4 } from "./index.ts";
import type { Ext4Inode } from "./inode.ts";
import { mount } from "./mount.ts";
import { clock, n } from "./testing/files.ts";

const BLOCK = 4096;
const MIB = 2 ** 20;
const STALE = 0xee;
const range = newXipRange();

function makeDevice(size: number, options: OptionValues = {}): Pmem {
  const device = new Pmem(size);
  // Nothing is zero by luck.
  device.store(0, new Uint8Array(size).fill(STALE), 0, size, PURPOSE_DATA);
  mkfs(ext4, device, options);
  return device;
}

const openFs = (device: Pmem, options: OptionValues = {}): Ext4FileSystem =>
  mount(device, { readOnly: false, clock, options }) as Ext4FileSystem;

const attributes = { mode: S_IFREG | 0o644, uid: 0, gid: 0, rdev: 0 };

const newFile = (fs: Ext4FileSystem, name = "file"): Ext4Inode =>
  fs.create(fs.iget(fs.rootIno), n(name), attributes);

/** One letter for each block of [0, end): . hole, u unwritten, w written. */
function layout(fs: Ext4FileSystem, inode: Ext4Inode, end: number): string {
  const map = fileMap(fs.volume, inode);
  const letters = Array.from({ length: end }, (_, lblk) => {
    const extent = map.at(lblk);
    if (extent.lblk > lblk) return ".";
    return extent.unwritten ? "u" : "w";
  });
  return letters.join("");
}

/** The same, as the medium has it. */
function layoutAnew(fs: Ext4FileSystem, inode: Ext4Inode, end: number): string {
  dropMap(inode);
  return layout(fs, inode, end);
}

function bytesOf(fs: Ext4FileSystem, inode: Ext4Inode, lblk: number): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  fs.device.load(fileMap(fs.volume, inode).map(lblk) * BLOCK, bytes, 0, BLOCK);
  return bytes;
}

const judged = (judge: () => E2fsckResult): E2fsckResult =>
  requireOracle(["e2fsck"]) === null ? judge() : { clean: true, output: "" };

function expectSound(device: Pmem, fs: Ext4FileSystem): void {
  fs.unmount();
  expect(ext4.check(device).findings).toEqual([]);
  const { clean, output } = judged(() => e2fsck(device));
  expect(clean, output).toBe(true);
}

/** The power fails now: what a mount makes of the image, which e2fsck recovers too. */
function afterPowerCut(device: Pmem): { fs: Ext4FileSystem; inode: Ext4Inode } {
  const { clean, output } = judged(() => e2fsckAfterCrash(device));
  expect(clean, output).toBe(true);
  const bytes = new Uint8Array(device.size);
  device.load(0, bytes, 0, device.size);
  const copy = new Pmem(device.size);
  copy.store(0, bytes, 0, device.size, PURPOSE_DATA);
  const fs = openFs(copy);
  return { fs, inode: fs.iget(fs.lookup(fs.iget(fs.rootIno), n("file"))) };
}

/** From now on there is no block for metadata. */
function refuseNodes(fs: Ext4FileSystem): void {
  const { balloc } = fs.volume;
  const allocate = balloc.allocate.bind(balloc);
  balloc.allocate = (request, out) => {
    if (request.lblk < 0) throw new FsError("ENOSPC");
    allocate(request, out);
  };
}

/** Four extents, so that the root in the inode is full: [4 n, 4 n + 3) for n = 0 … 3, unwritten. */
function fullRoot(fs: Ext4FileSystem): Ext4Inode {
  const inode = newFile(fs);
  fs.fallocate(inode, 0, 0, 15 * BLOCK);
  const punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  for (const hole of [3, 7, 11]) fs.fallocate(inode, punch, hole * BLOCK, BLOCK);
  expect(layout(fs, inode, 16)).toBe("uuu.uuu.uuu.uuu.");
  return inode;
}

describe("a conversion without room for a split", () => {
  it("zeroes the rest of the extent and converts it too", () => {
    const device = makeDevice(16 * MIB);
    const fs = openFs(device);
    const inode = fullRoot(fs);
    refuseNodes(fs);
    const data = new Uint8Array(BLOCK).fill(7);
    const at = fileMap(fs.volume, inode).map(5) * BLOCK;
    device.storeNonTemporal(at, data, 0, BLOCK, PURPOSE_DATA);
    fs.xipConvert(inode.mapping, 5 * BLOCK, BLOCK, inode.diskSize);
    expect(layout(fs, inode, 16)).toBe("uuu.www.uuu.uuu.");
    expect(layoutAnew(fs, inode, 16)).toBe("uuu.www.uuu.uuu.");
    expect(bytesOf(fs, inode, 4)).toEqual(new Uint8Array(BLOCK));
    expect(bytesOf(fs, inode, 5)).toEqual(data);
    expect(bytesOf(fs, inode, 6)).toEqual(new Uint8Array(BLOCK));
    expectSound(device, fs);
  });

  it("gives up what is preallocated beyond the end of the file", () => {
    const device = makeDevice(16 * MIB);
    const fs = openFs(device);
    const inode = fullRoot(fs);
    fs.truncate(inode, 12 * BLOCK);
    fs.fallocate(inode, FALLOC_FL_KEEP_SIZE, 12 * BLOCK, 5 * BLOCK);
    refuseNodes(fs);
    const free = fs.volume.balloc.available(true) + 3;
    const blocks = inode.blocks;
    fs.xipConvert(inode.mapping, 13 * BLOCK, BLOCK, 14 * BLOCK);
    expect(layoutAnew(fs, inode, 18)).toBe("uuu.uuu.uuu.ww....");
    expect(inode.blocks).toBe(blocks - 3);
    fs.sync();
    expect(fs.volume.balloc.available(true)).toBe(free);
    expectSound(device, fs);
  });

  it("stores zeros where blocks cannot become unwritten again", () => {
    const device = makeDevice(16 * MIB);
    const fs = openFs(device);
    const inode = fullRoot(fs);
    fs.xipConvert(inode.mapping, 0, 15 * BLOCK, inode.diskSize);
    refuseNodes(fs);
    fs.fallocate(inode, 0x10 | FALLOC_FL_KEEP_SIZE, 5 * BLOCK, BLOCK);
    expect(layoutAnew(fs, inode, 16)).toBe("www.www.www.www.");
    expect(bytesOf(fs, inode, 5)).toEqual(new Uint8Array(BLOCK));
    expect(bytesOf(fs, inode, 4)[0]).toBe(STALE);
    expectSound(device, fs);
  });

  it("refuses a hole in the middle of an extent, and changes nothing", () => {
    const device = makeDevice(16 * MIB);
    const fs = openFs(device);
    const inode = fullRoot(fs);
    refuseNodes(fs);
    const punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    expect(() => fs.fallocate(inode, punch, 5 * BLOCK, BLOCK)).toThrow("ENOSPC");
    expect(layoutAnew(fs, inode, 16)).toBe("uuu.uuu.uuu.uuu.");
    expectSound(device, fs);
  });
});

describe("blocks beyond the end of the file", () => {
  it.each([GXM_ZERO, GXM_ALLOC])(
    "are written on the medium when a size covers them (%d)",
    (flag) => {
      const device = makeDevice(16 * MIB);
      const fs = openFs(device);
      const inode = newFile(fs);
      fs.getXipMem(inode.mapping, 0, 3 * BLOCK, GXM_CREATE | GXM_HINT | flag, range);
      expect(range).toMatchObject({ state: XIP_FRESH, length: 3 * BLOCK });
      fs.getXipMem(inode.mapping, 0, 3 * BLOCK, 0, range);
      expect(range.state).toBe(XIP_WRITTEN);
      fs.sync();
      const cut = afterPowerCut(device);
      expect(layout(cut.fs, cut.inode, 4)).toBe("uuu.");
      expect(cut.inode.size).toBe(0);
      fs.setSize(inode.mapping, BLOCK + 1);
      expect(layout(fs, inode, 4)).toBe("www.");
      fs.sync();
      const later = afterPowerCut(device);
      expect(layout(later.fs, later.inode, 4)).toBe("wwu.");
      fs.setSize(inode.mapping, 3 * BLOCK);
      expect(layoutAnew(fs, inode, 4)).toBe("www.");
      expectSound(device, fs);
    },
  );

  it("are forgotten by a truncation: nobody published them", () => {
    const device = makeDevice(16 * MIB);
    const fs = openFs(device);
    const inode = newFile(fs);
    fs.fallocate(inode, FALLOC_FL_KEEP_SIZE, 0, 4 * BLOCK);
    fs.getXipMem(inode.mapping, BLOCK, BLOCK, GXM_ZERO, range);
    expect(layout(fs, inode, 4)).toBe("uwuu");
    fs.truncate(inode, 3 * BLOCK);
    expect(layout(fs, inode, 4)).toBe("uuu.");
    expectSound(device, fs);
  });

  it("are part of an answer for themselves alone", () => {
    const fs = openFs(makeDevice(16 * MIB));
    const inode = newFile(fs);
    fs.truncate(inode, BLOCK + 10);
    fs.getXipMem(inode.mapping, 0, 5 * BLOCK, GXM_CREATE | GXM_HINT | GXM_ZERO, range);
    expect(range.length).toBe(2 * BLOCK);
    expect(layoutAnew(fs, inode, 3)).toBe("ww.");
  });

  it("make an orphan of a file without extents, until the size comes", () => {
    const device = makeDevice(16 * MIB, { features: "^extent:^64bit" });
    const fs = openFs(device);
    const inode = newFile(fs);
    fs.getXipMem(inode.mapping, 0, 3 * BLOCK, GXM_CREATE | GXM_HINT, range);
    expect(range.state).toBe(XIP_FRESH);
    expect(bytesOf(fs, inode, 2)).toEqual(new Uint8Array(BLOCK));
    expect(inode.orphan).toBe(true);
    fs.sync();
    const cut = afterPowerCut(device);
    expect(layout(cut.fs, cut.inode, 4)).toBe("....");
    fs.setSize(inode.mapping, 2 * BLOCK);
    expect(inode.orphan).toBe(true);
    fs.setSize(inode.mapping, 2 * BLOCK + 1);
    expect(inode.orphan).toBe(false);
    fs.sync();
    const later = afterPowerCut(device);
    expect(layout(later.fs, later.inode, 4)).toBe("www.");
    fs.getXipMem(inode.mapping, 5 * BLOCK, BLOCK, GXM_CREATE, range);
    expectSound(device, fs);
    const last = openFs(device);
    const again = last.iget(last.lookup(last.iget(last.rootIno), n("file")));
    expect(layout(last, again, 6)).toBe("www...");
  });
});

describe("large changes", () => {
  it("truncate in several transactions, each of which a power cut may follow", () => {
    const device = makeDevice(128 * MIB, { journalSize: String(4 * MIB) });
    const fs = openFs(device);
    const inode = newFile(fs);
    const count = 10_000;
    fs.fallocate(inode, 0, 0, 2 * count * BLOCK);
    const punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    for (let index = 0; index < count; index++) {
      fs.fallocate(inode, punch, (2 * index + 1) * BLOCK, BLOCK);
    }
    fs.sync();
    const { journal } = fs.volume;
    Object.defineProperty(journal, "creditsMax", { value: 50 });
    let commits = 0;
    const commit = journal.commit.bind(journal);
    journal.commit = () => {
      commit();
      if (commits++ > 0) return;
      expect(inode.orphan).toBe(true);
      const { fs: other, inode: cut } = afterPowerCut(device);
      expect(cut.size).toBe(10 * BLOCK);
      expect(layout(other, cut, 11)).toBe("u.u.u.u.u..");
    };
    fs.truncate(inode, 10 * BLOCK);
    expect(commits).toBeGreaterThan(0);
    expect(layoutAnew(fs, inode, 11)).toBe("u.u.u.u.u..");
    expect(inode.blocks).toBe(
      5 + (fileMap(fs.volume, inode) as unknown as { treeBlocks: number }).treeBlocks,
    );
    expectSound(device, fs);
  });

  it("allocate all or nothing", () => {
    const device = makeDevice(16 * MIB);
    const fs = openFs(device);
    const inode = newFile(fs);
    fs.fallocate(inode, 0, 2 * BLOCK, BLOCK);
    fs.sync();
    const free = fs.volume.balloc.available(true);
    expect(() => fs.fallocate(inode, 0, 0, (free + 2) * BLOCK)).toThrow("ENOSPC");
    expect(layoutAnew(fs, inode, 10)).toBe("..u.......");
    fs.sync();
    expect(fs.volume.balloc.available(true)).toBe(free);
    expectSound(device, fs);
  });

  it("use what a commit makes free", () => {
    const device = makeDevice(16 * MIB);
    const fs = openFs(device);
    const inode = newFile(fs);
    const free = fs.volume.balloc.available(true) - 10;
    fs.fallocate(inode, 0, 0, free * BLOCK);
    fs.truncate(inode, 0);
    fs.fallocate(inode, 0, 0, free * BLOCK);
    expect(inode.blocks).toBeGreaterThanOrEqual(free);
    expectSound(device, fs);
  });
});

describe("staged blocks", () => {
  it("are free after a power cut, and the file's after the swap", () => {
    const device = makeDevice(16 * MIB);
    const fs = openFs(device);
    const inode = newFile(fs);
    fs.getXipMem(inode.mapping, 0, 4 * BLOCK, GXM_CREATE | GXM_HINT | GXM_ZERO, range);
    fs.setSize(inode.mapping, 4 * BLOCK);
    const before = [0, 1, 2, 3].map((lblk) => fileMap(fs.volume, inode).map(lblk));
    const staged = newXipRange();
    fs.xipStage(inode.mapping, BLOCK, 2 * BLOCK, staged);
    expect(staged.length).toBe(2 * BLOCK);
    fs.sync();
    afterPowerCut(device);
    fs.xipSwap(inode.mapping, BLOCK, [staged], 4 * BLOCK);
    const after = [0, 1, 2, 3].map((lblk) => fileMap(fs.volume, inode).map(lblk));
    const start = staged.offset / BLOCK;
    expect(after).toEqual([before[0], start, start + 1, before[3]]);
    expect(inode.blocks).toBe(4);
    fs.xipStage(inode.mapping, 0, BLOCK, staged);
    fs.xipUnstage(inode.mapping, [staged]);
    expectSound(device, fs);
  });
});

describe("data=writeback", () => {
  it("gives holes inside the file written blocks at once, under delayed allocation alone", () => {
    const fs = openFs(makeDevice(16 * MIB), { journal: "writeback" });
    const inode = newFile(fs);
    fs.truncate(inode, 4 * BLOCK);
    fs.getXipMem(inode.mapping, 0, BLOCK, GXM_CREATE | GXM_HINT, range);
    expect(range.state).toBe(XIP_UNWRITTEN);
    fs.reserve(inode.mapping, 1);
    fs.unreserve(inode.mapping, 1);
    fs.getXipMem(inode.mapping, BLOCK, BLOCK, 0, range);
    expect(range.state).toBe(XIP_HOLE);
    fs.getXipMem(inode.mapping, BLOCK, BLOCK, GXM_CREATE | GXM_HINT, range);
    expect(range.state).toBe(XIP_FRESH);
    fs.getXipMem(inode.mapping, 4 * BLOCK, BLOCK, GXM_CREATE | GXM_HINT, range);
    expect(range.state).toBe(XIP_UNWRITTEN);
  });
});
