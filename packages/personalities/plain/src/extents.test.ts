/**
 * Proves how extents get to the medium and back: in the record, in leaves, only changed leaves anew,
 * old ones given up with the commit; and what happens at the limits.
 */
import {
  crc32c,
  type Extent,
  GXM_CREATE,
  GXM_HINT,
  GXM_ZERO,
  newXipRange,
  Pmem,
  PURPOSE_METADATA,
} from "@xiplab/core";
import { expect, test } from "vitest";
import { BlockAllocator } from "./balloc.ts";
import { Extents } from "./extents.ts";
import {
  EXTENTS_MAX,
  INLINE_MAX,
  INODE,
  INODE_SIZE,
  LEAF_MAX,
  seedOf,
  UNWRITTEN,
} from "./format/inode.ts";
import { LBLK_MAX, readSuperblock, slotToDevByte } from "./geometry.ts";
import { plain } from "./index.ts";
import type { PlainInode } from "./inode.ts";
import { editInode, file, lookup, makeImage, mountFs, n } from "./testing.ts";

const MEBIBYTE = 2 ** 20;
const BLOCK = 4096;

function setUp(size: number) {
  const device = makeImage(size);
  const fs = mountFs(device);
  const inode = fs.create(fs.iget(fs.rootIno), n("f"), file);
  const out = newXipRange();
  /** Block `lblk`, away from others on the device: every second one, so that none can be joined. */
  const fill = (lblk: number): void =>
    fs.getXipMem(inode.mapping, lblk * BLOCK, BLOCK, GXM_CREATE | GXM_ZERO, out);
  return { device, fs, inode, fill };
}

/** What a mount reads back. */
function reread(device: Pmem): PlainInode {
  const fs = mountFs(device, true);
  return fs.iget(lookup(fs, "f"));
}

const listOf = ({ extents }: PlainInode): readonly Extent[] => extents.list;

test("extents move from the record to leaves and back, and nothing leaks", () => {
  const { device, fs, inode, fill } = setUp(8 * MEBIBYTE);
  const { blocksFree } = fs.statfs();
  for (let index = 0; index < 2 * LEAF_MAX + 5; index++) {
    fill(2 * index);
    const count = index + 1;
    const leaves = count <= INLINE_MAX ? 0 : Math.ceil(count / LEAF_MAX);
    expect([inode.extents.list.length, inode.extents.leaves.length]).toEqual([count, leaves]);
    expect(inode.blocks).toBe(count + leaves);
    expect(fs.statfs().blocksFree).toBe(blocksFree - count - leaves);
    if (count % 97 !== 0 && count !== INLINE_MAX + 1) continue;
    expect(listOf(reread(device))).toEqual(listOf(inode));
    expect(plain.check(device).findings).toEqual([]);
  }
  for (const count of [LEAF_MAX + 1, LEAF_MAX, INLINE_MAX + 1, INLINE_MAX, 1, 0]) {
    fs.truncate(inode, 2 * count * BLOCK);
    const leaves = count <= INLINE_MAX ? 0 : Math.ceil(count / LEAF_MAX);
    expect(fs.statfs().blocksFree).toBe(blocksFree - count - leaves);
    expect(listOf(reread(device))).toEqual(listOf(inode));
    expect(plain.check(device).findings).toEqual([]);
  }
});

test("a commit writes changed leaves and keeps the others", () => {
  const { fs, inode, fill } = setUp(16 * MEBIBYTE);
  for (let index = 0; index < 3 * LEAF_MAX; index++) fill(3 * index);
  const before = [...inode.extents.leaves];
  fs.fallocate(inode, 3, 3 * 700 * BLOCK, BLOCK);
  expect(inode.extents.leaves.map((leaf, index) => leaf === before[index])).toEqual([
    true,
    true,
    false,
  ]);
  const second = [...inode.extents.leaves];
  fs.getXipMem(inode.mapping, (3 * 400 + 1) * BLOCK, BLOCK, GXM_CREATE | GXM_HINT, newXipRange());
  expect(inode.extents.leaves[0]).toBe(second[0]);
  expect(inode.extents.leaves[1]).not.toBe(second[1]);
  const third = [...inode.extents.leaves];
  fs.setSize(inode.mapping, 5);
  expect(inode.extents.leaves).toEqual(third);
});

test("a record that counts more extents than there can be is refused", () => {
  const { device, fs, inode, fill } = setUp(8 * MEBIBYTE);
  for (let index = 0; index < 20; index++) fill(2 * index);
  fs.unmount();
  const at = slotToDevByte(inode.ino) + INODE_SIZE * (inode.sequence % 2);
  const bytes = device.directAccess(at, INODE_SIZE).slice();
  const record = new DataView(bytes.buffer);
  INODE.extentCount.set(record, 0, EXTENTS_MAX + 1);
  const seed = seedOf(readSuperblock(device).seed, inode.ino);
  INODE.checksum.set(record, 0, crc32c(record, 4, INODE_SIZE - 4, seed));
  device.store(at, bytes, 0, INODE_SIZE, PURPOSE_METADATA);
  expect(() => mountFs(device)).toThrow("extentCount is 13601, expected 13600");
});

test("leaves: a flipped bit, and a place outside the data", () => {
  const { device, fs, inode, fill } = setUp(8 * MEBIBYTE);
  for (let index = 0; index < 20; index++) fill(2 * index);
  fs.unmount();
  const leaf = inode.extents.leaves[0]!;
  const word = device
    .view(leaf * BLOCK + 40, 4)
    .getUint32((leaf * BLOCK + 40) % (2 * MEBIBYTE), true);
  device.storeU32(leaf * BLOCK + 40, word ^ 1, PURPOSE_METADATA);
  expect(() => mountFs(device)).toThrow("plain leaf at byte");
  device.storeU32(leaf * BLOCK + 40, word, PURPOSE_METADATA);
  expect(plain.check(device).findings).toEqual([]);
  editInode(device, inode.ino, ({ extents }) => (extents.leaves = [1]));
  expect(() => mountFs(device)).toThrow("leaf is 1, expected a data block");
});

test("more extents than leaves can hold: EFBIG, and the file is as it was", () => {
  const device = new Pmem(256 * MEBIBYTE);
  plain.mkfs(device, { clock: { now: () => ({ sec: 0, nsec: 0 }) }, options: {} });
  const balloc = new BlockAllocator(readSuperblock(device), false);
  const extents = new Extents(LBLK_MAX, UNWRITTEN - 1);
  for (let index = 0; index < EXTENTS_MAX; index++)
    extents.insert(2 * index, 1, 30_000 + 2 * index, false);
  extents.flushLeaves(device, balloc, 0);
  expect(extents.leaves.length).toBe(40);
  extents.insert(2 * EXTENTS_MAX, 1, 29_000, false);
  expect(() => extents.flushLeaves(device, balloc, 0)).toThrow("EFBIG");
});

test("an edit that fails for want of space changes nothing, in memory and on the medium", () => {
  const { device, fs, inode, fill } = setUp(MEBIBYTE);
  for (let index = 0; index < 20; index++) fill(2 * index);
  const before = structuredClone(listOf(inode));
  const { blocks, size } = inode;
  const { blocksAvailable, blocksFree } = fs.statfs();
  expect(() => fs.fallocate(inode, 0, 0, MEBIBYTE)).toThrow("ENOSPC");
  expect(listOf(inode)).toEqual(before);
  expect(inode).toMatchObject({ blocks, size });
  expect(fs.statfs()).toMatchObject({ blocksAvailable, blocksFree });
  expect(plain.check(device).findings).toEqual([]);
  expect(listOf(reread(device))).toEqual(before);
});

test("a full file system can still convert, punch, cut and remove: that is what the spare is for", () => {
  const { device, fs, inode } = setUp(4 * MEBIBYTE);
  const { blocksAvailable } = fs.statfs();
  fs.fallocate(inode, 0, 0, blocksAvailable * BLOCK);
  expect(fs.statfs().blocksAvailable).toBe(0);
  expect(() => fs.fallocate(inode, 0, 0, (blocksAvailable + 1) * BLOCK)).toThrow("ENOSPC");
  for (let index = 0; index < blocksAvailable; index += 2) {
    fs.xipConvert(inode.mapping, index * BLOCK, BLOCK, inode.diskSize);
  }
  expect(inode.extents.list.length).toBe(blocksAvailable);
  for (let index = 1; index < 60; index += 6) fs.fallocate(inode, 3, index * BLOCK, BLOCK);
  fs.truncate(inode, 500 * BLOCK);
  expect(plain.check(device).findings).toEqual([]);
  fs.unlink(fs.iget(fs.rootIno), n("f"), inode);
  fs.evict(inode);
  expect(fs.statfs().blocksAvailable).toBe(blocksAvailable);
  fs.unmount();
  expect(plain.check(device)).toMatchObject({ findings: [], clean: true });
});
