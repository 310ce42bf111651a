/**
 * Proves that the page on the format says what the code does, and that the format stays as it is:
 * images that exist must mount for ever.
 */
import { readFileSync } from "node:fs";
import { crc32c, type Ino, layoutOf, type Pmem, WORD_PAIR } from "@xiplab/core";
import { expect, test } from "vitest";
import { BlockAllocator } from "../balloc.ts";
import { dataStartOf, LBLK_MAX, readSuperblock, slotToDevByte } from "../geometry.ts";
import { flushInode, PlainInode } from "../inode.ts";
import { file, makeImage, mountFs, n } from "../testing.ts";
import { DIRENT, tailOf, UNIT_NAME, UNIT_SIZE, UNITS_PER_BLOCK, unitsOf } from "./dirent.ts";
import { EXTENT, EXTENTS_MAX, INLINE_MAX, INODE, INODE_SIZE, LEAF, LEAF_MAX } from "./inode.ts";
import { CLEAN, INTENT_AT, MAGIC, STATE, STATE_AT, SUPERBLOCK } from "./superblock.ts";

const page = readFileSync(new URL("../../../../../docs/formats/plain.md", import.meta.url), "utf8");

/** offset, size, type and field of each row of the table below a heading. */
function tableBelow(heading: string): string[][] {
  const section = page.split(`### ${heading}\n`)[1] ?? "";
  const rows = section.split("\n| ---")[1]?.split("\n\n")[0]!.split("\n").slice(1) ?? [];
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, 5)
      .map((cell) => cell.trim()),
  );
}

test.each([SUPERBLOCK, STATE, WORD_PAIR, INODE, EXTENT, LEAF, DIRENT])(
  "the page has every field: table %#",
  (structure) => {
    const { fields, name } = layoutOf(structure);
    const wanted = fields.map(([field, { offset, size, type }]) => [
      `0x${offset.toString(16)}`,
      `${size}`,
      type,
      field,
    ]);
    expect(tableBelow(name)).toEqual(wanted);
  },
);

test("the page has the numbers", () => {
  expect(page).toContain(`At byte 0x${STATE_AT.toString(16)}.`);
  expect(page).toContain(`At byte 0x${INTENT_AT.toString(16)},`);
  expect(page).toContain(`0x${CLEAN.toString(16)} after an orderly unmount`);
  expect(new TextDecoder().decode(Uint32Array.of(MAGIC))).toBe("XPLN");
  expect(page).toContain(`Up to ${INLINE_MAX} extents are in`);
  expect(page).toContain(`at most ${EXTENTS_MAX} `);
  expect(page).toContain(`All leaves but the last have ${LEAF_MAX}.`);
  expect(page).toContain(`⌈n / ${UNIT_NAME}⌉ units`);
  expect([UNIT_SIZE, UNITS_PER_BLOCK, INODE_SIZE]).toEqual([64, 64, 256]);
  expect(LBLK_MAX).toBe(2 ** 31 - 1);
  expect([1, 8, 9, 100].map(dataStartOf)).toEqual([2, 2, 3, 14]);
  expect([1, 2, 9].map(slotToDevByte)).toEqual([4096, 4608, 8192]);
  expect([1, 56, 57, 255].map(unitsOf)).toEqual([1, 1, 2, 5]);
  expect(tailOf(3, 8)).toBe(0x0803);
});

function crcOf(device: Pmem, from: number, length: number): string {
  const bytes = new Uint8Array(length);
  device.load(from, bytes, 0, length);
  return crc32c(new DataView(bytes.buffer), 0, length).toString(16);
}

test("the bytes are those of the first version", () => {
  const device = makeImage(2 ** 20, { label: "golden", uuid: "f".repeat(32) });
  expect(crcOf(device, 0, dataStartOf(128) * 4096)).toBe("57f21320");

  const inode = new PlainInode(5 as Ino);
  Object.assign(inode, { sequence: 6, generation: 3, mode: 0o100644, uid: 1, gid: 2, nlink: 3 });
  Object.assign(inode, { rdev: 4, flags: 0x10, parentIno: 9, diskSize: 2 ** 40 + 1 });
  Object.assign(inode, { atimeSec: -1, mtimeSec: 2 ** 33, ctimeSec: 3, btimeSec: 4 });
  Object.assign(inode, { atimeNsec: 5, mtimeNsec: 6, ctimeNsec: 7, btimeNsec: 999_999_999 });
  inode.extents.insert(7, 5, 100, true);
  inode.extents.insert(90, 1, 99, false);
  flushInode(device, 0x1234, inode);
  expect(crcOf(device, slotToDevByte(5) + INODE_SIZE, 0x60 + 2 * 12)).toBe("80c54a67");

  for (let index = 0; index < 20; index++)
    inode.extents.insert(100 + 2 * index, 1, 30 + index, false);
  inode.extents.flushLeaves(device, new BlockAllocator(readSuperblock(device), false), 0x77);
  expect(crcOf(device, inode.extents.leaves[0]! * 4096, 16 + 22 * 12)).toBe("411733c6");
  flushInode(device, 0x1234, inode);
  expect(crcOf(device, slotToDevByte(5), 0x60 + 4)).toBe("d51bf48c");

  const fs = mountFs(makeImage(2 ** 20));
  const root = fs.iget(fs.rootIno);
  fs.create(root, n("a name of more than 56 bytes, so that it takes two units"), file);
  expect(crcOf(fs.device as Pmem, root.extents.map(0) * 4096, 4096)).toBe("b1df8e8f");
});
