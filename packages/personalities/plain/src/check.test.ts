/**
 * Proves that check finds each thing that can be wrong, names it, never throws, and that a mount
 * mends what a power cut explains and refuses the rest.
 */
import { type FileByte, type Ino, type Pmem, PURPOSE_METADATA } from "@xiplab/core";
import { describe, expect, test } from "vitest";
import { UNIT_SIZE } from "./format/dirent.ts";
import { readSuperblock } from "./geometry.ts";
import { plain } from "./index.ts";
import { readInode } from "./inode.ts";
import { directory, editInode, file, lookup, makeImage, mountFs, n, symlink } from "./testing.ts";

const SIZE = 2 ** 20;

interface Image {
  readonly device: Pmem;
  readonly root: number;
  readonly a: number;
  readonly b: number;
  readonly d: number;
  readonly e: number;
  readonly link: number;
}

/** /a and /b of 2 blocks each, /link, and the directories /d and /d/e; cleanly unmounted. */
function image(): Image {
  const device = makeImage(SIZE);
  const fs = mountFs(device);
  const root = fs.iget(fs.rootIno);
  for (const name of ["a", "b"]) {
    const inode = fs.create(root, n(name), file);
    fs.fallocate(inode, 0, 0, 8192);
  }
  fs.create(root, n("link"), symlink("a"));
  const d = fs.create(root, n("d"), directory);
  fs.create(d, n("e"), directory);
  fs.unmount();
  const ro = mountFs(device, true);
  const [a, b, link, dIno] = ["a", "b", "link", "d"].map((name) => lookup(ro, name));
  const e = lookup(ro, "e", d.ino);
  return { device, root: root.ino, a: a!, b: b!, link: link!, d: dIno!, e };
}

/** Device byte of the unit that is number `unit` of a directory. */
function unitAt(device: Pmem, ino: number, unit: number): number {
  const inode = readInode(device, readSuperblock(device), ino as Ino);
  return inode.extents.map(0) * 4096 + unit * UNIT_SIZE;
}

const setHead = (device: Pmem, at: number, ino: number, tail: number): void =>
  device.storeU64(at, ino, tail, PURPOSE_METADATA);

const REGULAR = 8 * 256;
const DIRECTORY = 4 * 256;

describe("refused", () => {
  const cases: Array<readonly [string, (image: Image) => void, string]> = [
    [
      "blocks of two files",
      ({ device, a, b }) => {
        const sb = readSuperblock(device);
        const { pblk } = readInode(device, sb, a as Ino).extents.list[0]!;
        editInode(device, b, ({ extents }) => {
          extents.remove(0, 2);
          extents.insert(0, 2, pblk + 1, false);
        });
      },
      "pblk is",
    ],
    [
      "blocks that the device does not have",
      ({ device, a }) => editInode(device, a, ({ extents }) => extents.insert(9, 9, 250, false)),
      "lblk, pblk is 9 blocks: 9 at 250",
    ],
    [
      "blocks of the inode table",
      ({ device, a }) => editInode(device, a, ({ extents }) => extents.insert(9, 1, 2, false)),
      "lblk, pblk is 1 blocks: 9 at 2",
    ],
    [
      "a type that does not exist",
      ({ device, a }) => editInode(device, a, (inode) => (inode.mode = 0o30644)),
      "mode is",
    ],
    [
      "a size beyond the largest file",
      ({ device, a }) => editInode(device, a, (inode) => inode.resize(2 ** 50)),
      "size is 1125899906842624",
    ],
    [
      "a symbolic link without a block",
      ({ device, link }) => editInode(device, link, ({ extents }) => void extents.remove(0, 1)),
      "block 0: mapping is hole",
    ],
    [
      "a symbolic link of 4 KiB",
      ({ device, link }) => editInode(device, link, (inode) => inode.resize(4096)),
      "size is 4096, expected <= 4095",
    ],
    [
      "a directory with a hole",
      ({ device, d }) => editInode(device, d, ({ extents }) => void extents.remove(0, 1)),
      "block 0: mapping is hole",
    ],
    [
      "a name of a free inode",
      ({ device, root, a }) => setHead(device, unitAt(device, root, 0), a + 7, REGULAR + 1),
      "a name of inode 9 in inode 1: type is 8, expected 0",
    ],
    [
      "a name of an inode that the table does not have",
      ({ device, root }) => setHead(device, unitAt(device, root, 0), 0xffffffff, REGULAR + 1),
      "a name of inode 4294967295 in inode 1",
    ],
    [
      "a name with another type than its inode",
      ({ device, root, a }) => setHead(device, unitAt(device, root, 0), a, DIRECTORY + 1),
      "type is 4, expected 8",
    ],
    [
      "two names alike",
      ({ device, root }) => {
        device.storeU32(unitAt(device, root, 1) + 8, 0x61, PURPOSE_METADATA);
      },
      'name is "a", expected legal, once',
    ],
    [
      "a slash in a name",
      ({ device, root }) => device.storeU32(unitAt(device, root, 1) + 8, 0x2f, PURPOSE_METADATA),
      'name is "/"',
    ],
    [
      "a name that is a dot",
      ({ device, root }) => device.storeU32(unitAt(device, root, 1) + 8, 0x2e, PURPOSE_METADATA),
      'name is "."',
    ],
    [
      "a name without a length",
      ({ device, root, a }) => setHead(device, unitAt(device, root, 0), a, REGULAR),
      "tail is 2048",
    ],
    [
      "a name that goes beyond its block",
      ({ device, root, a }) => setHead(device, unitAt(device, root, 63), a, REGULAR + 100),
      "tail is 2148",
    ],
    [
      "a name inside a name",
      ({ device, root, a }) => {
        const at = unitAt(device, root, 0);
        device.store(at + 8, new Uint8Array(56).fill(0x78), 0, 56, PURPOSE_METADATA);
        setHead(device, at, a, REGULAR + 57);
      },
      "tail is",
    ],
    [
      "a directory with two names",
      ({ device, root, d }) => {
        const at = unitAt(device, root, 9);
        device.storeU32(at + 8, 0x7a, PURPOSE_METADATA);
        setHead(device, at, d, DIRECTORY + 1);
      },
      "names is 2, expected 1",
    ],
    [
      "directories that lead to each other, and nowhere else to them",
      ({ device, root, d, e }) => {
        editInode(device, e, (inode) => {
          inode.extents.insert(0, 1, 200, false);
          inode.resize(4096);
        });
        device.zero(200 * 4096, 4096, PURPOSE_METADATA);
        device.storeU32(200 * 4096 + 8, 0x64, PURPOSE_METADATA);
        setHead(device, 200 * 4096, d, DIRECTORY + 1);
        setHead(device, unitAt(device, root, 3), 0, 0);
      },
      "names in what has no name is 1, expected 0",
    ],
    [
      "no root",
      ({ device, root }) => editInode(device, root, (inode) => (inode.mode = 0)),
      "a name of inode 1 in inode 1: type is 4, expected 0",
    ],
  ];

  test.each(cases)("%s", (_, damage, message) => {
    const made = image();
    expect(plain.check(made.device).findings).toEqual([]);
    damage(made);
    const { stores } = made.device.counters;
    expect(plain.check(made.device).findings.length).toBeGreaterThan(0);
    expect(() => mountFs(made.device)).toThrow(message);
    expect(made.device.counters.stores).toBe(stores);
  });
});

describe("mended by a mount, though no excuse for a clean image", () => {
  const cases: Array<readonly [string, (image: Image) => void, string]> = [
    [
      "a link count that is wrong",
      ({ device, a }) => editInode(device, a, (inode) => (inode.nlink = 5)),
      "nlink, parent, torn is 5, 0, false, expected 1, 0, false",
    ],
    [
      "a directory's link count",
      ({ device, root }) => editInode(device, root, (inode) => (inode.nlink = 1)),
      "is 1, 1, false, expected 3, 1, false",
    ],
    [
      "a directory's parent",
      ({ device, e }) => editInode(device, e, (inode) => (inode.parentIno = 1)),
      "is 2, 1, false, expected 2, 5, false",
    ],
    [
      "a file without a name",
      ({ device, root }) => setHead(device, unitAt(device, root, 0), 0, 0),
      "is 1, 0, false, expected 0, 0, false",
    ],
    [
      "an empty directory without a name",
      ({ device, d }) => setHead(device, unitAt(device, d, 0), 0, 0),
      "is 2, 5, false, expected 0, 0, false",
    ],
  ];

  test.each(cases)("%s", (_, damage, message) => {
    const made = image();
    damage(made);
    const { findings } = plain.check(made.device);
    expect(
      findings
        .map(({ field, found, expected }) => `${field} is ${found}, expected ${expected}`)
        .join(),
    ).toContain(message);
    mountFs(made.device).unmount();
    expect(plain.check(made.device)).toMatchObject({ findings: [], clean: true });
  });
});

test("everything that is wrong is reported, not only the first", () => {
  const { device, a, b, root } = image();
  editInode(device, a, (inode) => (inode.nlink = 5));
  editInode(device, b, (inode) => (inode.mode = 0o30644));
  device.storeU32(unitAt(device, root, 9) + 8, 0x7a, PURPOSE_METADATA);
  setHead(device, unitAt(device, root, 9), 99, REGULAR + 1);
  const { findings, inodesUsed } = plain.check(device);
  // What follows from names, as the link count of a, is not asked where names are bad.
  expect(findings.map(({ field }) => field)).toEqual(["mode", "type", "type"]);
  expect(inodesUsed).toBe(5);
});

test("check reads only", () => {
  const { device } = image();
  const { stores, flushes, fences } = device.counters;
  plain.check(device);
  expect(device.counters).toMatchObject({ stores, flushes, fences });
});

test("a size that means something else is kept as it is", () => {
  const { device, a } = image();
  editInode(device, a, (inode) => (inode.size = 3 as FileByte));
  expect(plain.check(device).findings).toEqual([]);
});
