/**
 * Trees that nobody made: one field wrong, checksums right. Each is refused when the file is looked
 * at, with the structure and the field; loops end.
 */
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, mkfs, type OptionValues } from "@xiplab/core";
import { CorruptionError, GXM_CREATE, newXipRange, Pmem, S_IFREG } from "@xiplab/core";
import { describe, expect, test } from "vitest";
import { childOf, entryAt, type Level, rootOf, writeNode } from "./extents/nodes.ts";
import { dropMap, fileMap } from "./file-map.ts";
import type { Ext4FileSystem } from "./filesystem.ts";
import { EXTENT, EXTENT_HEADER, EXTENT_INDEX } from "./format/extent.ts";
import { I_BLOCK_AT } from "./format/inode.ts";
import { ext4 } from "./index.ts";
import { slotOf, writableSlotOf } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import { mount } from "./mount.ts";
import { clock, n } from "./testing/files.ts";

const BLOCK = 4096;
const EXTENTS = 400;

function openFile(options: OptionValues = {}): { fs: Ext4FileSystem; inode: Ext4Inode } {
  const device = new Pmem(16 * 2 ** 20);
  mkfs(ext4, device, options);
  const fs = mount(device, { readOnly: false, clock, options: {} }) as Ext4FileSystem;
  const attributes = { mode: S_IFREG | 0o644, uid: 0, gid: 0, rdev: 0 };
  return { fs, inode: fs.create(fs.iget(fs.rootIno), n("file"), attributes) };
}

/** A root with two leaves. */
function openDeepFile(): { fs: Ext4FileSystem; inode: Ext4Inode } {
  const { fs, inode } = openFile();
  fs.fallocate(inode, 0, 0, 2 * EXTENTS * BLOCK);
  const punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  for (let index = 0; index < EXTENTS; index++) {
    fs.fallocate(inode, punch, (2 * index + 1) * BLOCK, BLOCK);
  }
  return { fs, inode };
}

/** What the map of the file says after `damage`, which gets the root and the first leaf. */
function refusal(damage: (root: Level, leaf: Level, fs: Ext4FileSystem) => void): string {
  const { fs, inode } = openDeepFile();
  const { volume } = fs;
  const root = rootOf(volume, inode);
  root.index = 0;
  const leaf = childOf(volume, inode, root);
  volume.journal.run(10, () => {
    writeNode(volume, root);
    writeNode(volume, leaf);
    damage(root, leaf, fs);
  });
  volume.journal.commit();
  return look(fs, inode);
}

function look(fs: Ext4FileSystem, inode: Ext4Inode): string {
  dropMap(inode);
  try {
    fileMap(fs.volume, inode);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    return `${error.corruption.structure}.${error.corruption.field}`;
  }
  return "accepted";
}

const viewOf = ({ buffer }: Level): DataView => buffer.view;

describe("extent trees", () => {
  test("as they should be", () => {
    expect(refusal(() => {})).toBe("accepted");
  });

  test("of a node that is its own child", () => {
    const found = refusal((root) => {
      const first = EXTENT_INDEX.leafLo.get(viewOf(root), entryAt(root, 0));
      EXTENT_INDEX.leafLo.set(viewOf(root), entryAt(root, 1), first);
    });
    expect(found).toBe("ext4_extent_idx.block");
  });

  test("with an extent in an inode table", () => {
    const found = refusal((_root, leaf, fs) => {
      EXTENT.startLo.set(viewOf(leaf), entryAt(leaf, 3), fs.volume.groups.inodeTableAt(0) + 2);
    });
    expect(found).toBe("ext4_extent.start");
  });

  test("with a node in an inode table", () => {
    const found = refusal((root, _leaf, fs) => {
      const table = fs.volume.groups.inodeTableAt(0);
      EXTENT_INDEX.leafLo.set(viewOf(root), entryAt(root, 0), table);
    });
    expect(found).toBe("ext4_extent_idx.leaf");
  });

  test.each([
    ["overlapping extents", "block", 5, 7, "ext4_extent.block"],
    ["an extent that reaches into the next", "length", 5, 100, "ext4_extent.block"],
    ["an empty extent", "length", 5, 0, "ext4_extent.length"],
    ["an extent beyond the device", "startLo", 5, 2 ** 31, "ext4_extent.start"],
    ["a first extent that its parent does not know", "block", 0, 1, "ext4_extent_idx.block"],
  ] as const)("with %s", (_what, field, index, value, expected) => {
    const found = refusal((_root, leaf) => {
      EXTENT[field].set(viewOf(leaf), entryAt(leaf, index), value);
    });
    expect(found).toBe(expected);
  });

  test.each([
    ["magic", 0xf30b],
    ["max", 5],
    ["entries", 5],
    ["depth", 6],
    ["depth", 2],
  ] as const)("with the root's %s %d", (field, value) => {
    const found = refusal((root) => {
      EXTENT_HEADER[field].set(viewOf(root), entryAt(root, -1), value);
    });
    expect(found).toBe(`ext4_extent_block.${field}`);
  });
});

describe("indirect blocks", () => {
  const damaged = (
    damage: (view: DataView, iBlock: number, fs: Ext4FileSystem) => void,
  ): string => {
    const { fs, inode } = openFile({ features: "^extent:^64bit" });
    fs.truncate(inode, 3000 * BLOCK);
    for (const lblk of [0, 12, 13, 2000]) {
      fs.getXipMem(inode.mapping, lblk * BLOCK, BLOCK, GXM_CREATE, newXipRange());
    }
    fs.volume.journal.run(1, () => {
      writableSlotOf(fs.volume, inode.ino);
      const { buffer, at } = slotOf(fs.volume, inode.ino);
      damage(buffer.view, buffer.at + at + I_BLOCK_AT, fs);
    });
    return look(fs, inode);
  };

  test("as they should be", () => {
    expect(damaged(() => {})).toBe("accepted");
  });

  test("that are named twice", () => {
    const found = damaged((view, at) => {
      view.setUint32(at + 4 * 14, view.getUint32(at + 4 * 13, true), true);
    });
    expect(found).toBe("ext4 indirect block.block");
  });

  test("beyond the device, and in an inode table", () => {
    const beyond = damaged((view, at) => view.setUint32(at + 4 * 12, 2 ** 31, true));
    expect(beyond).toBe("ext4 block pointer.block");
    const inside = damaged((view, at, fs) => {
      view.setUint32(at, fs.volume.groups.inodeTableAt(0), true);
    });
    expect(inside).toBe("ext4 block pointer.block");
  });
});
