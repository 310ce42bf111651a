/**
 * Extended attributes: in the inode, in a block, moved between the two, shared and copied; with the
 * kernel as the judge of what is written, and as the author of what is read.
 */
import fs from "node:fs";
import path from "node:path";
import {
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_UNDEFINED_ID,
  ACL_USER,
  ACL_USER_OBJ,
  CorruptionError,
  formatAcl,
  nameFromUtf8,
  type Pblk,
  S_IFDIR,
  S_IFREG,
  XATTR_ACL_ACCESS,
  XATTR_ACL_DEFAULT,
} from "@xiplab/core";
import { e2fsck, mkfsExt4, readImage, requireOracle, runOrThrow } from "@xiplab/oracles";
import { withLoopMount, withTempDirectory, writeImage } from "@xiplab/oracles";
import { describe, expect, test } from "vitest";
import { aclFromMedium, aclToMedium } from "./acl.ts";
import { emptyImage, openImage, rootOf } from "./dir/testing.ts";
import type { Ext4FileSystem } from "./filesystem.ts";
import { XATTR_BODY_HEADER_SIZE, XATTR_ENTRY, XATTR_HEADER } from "./format/xattr.ts";
import { readInode, slotOf, writableSlotOf } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";

const n = nameFromUtf8;
const value = (length: number, seed = 1): Uint8Array =>
  new Uint8Array(length).map((_, index) => index * 7 + seed);

const make = (image: Ext4FileSystem, name: string, mode = S_IFREG | 0o644): Ext4Inode =>
  image.create(rootOf(image), n(name), { mode, uid: 0, gid: 0, rdev: 0 });

/** Inodes that share the block of `inode`. */
function refcountOf(image: Ext4FileSystem, inode: Ext4Inode): number {
  const { buffers, geometry } = image.volume;
  const view = buffers.device.view(geometry.pblkToDevByte(inode.fileAcl), geometry.blockSize);
  image.sync();
  const buffer = buffers.peek(inode.fileAcl as Pblk);
  return buffer === undefined
    ? XATTR_HEADER.refcount.get(view, geometry.pblkToDevByte(inode.fileAcl) % 2 ** 21)
    : XATTR_HEADER.refcount.get(buffer.view, buffer.at);
}

/** The image is what a mount finds again, and e2fsck has nothing to say. */
function expectClean(image: Ext4FileSystem): void {
  image.unmount();
  const { clean, output } = e2fsck(image.device);
  expect(clean, output).toBe(true);
}

describe("places", () => {
  test("small ones stand in the inode, large ones in a block, and they move", ({ skip }) => {
    requireOracle(["e2fsck"], skip);
    const image = openImage(emptyImage(16));
    const file = make(image, "f");
    image.setxattr(file, n("user.a"), value(20));
    expect([file.fileAcl, file.blocks]).toEqual([0, 0]);
    image.setxattr(file, n("user.a"), value(2000));
    expect(file.fileAcl).toBeGreaterThan(0);
    expect(file.blocks).toBe(1);
    image.setxattr(file, n("user.b"), value(30, 2));
    image.setxattr(file, n("user.a"), value(10));
    expect([file.fileAcl, file.blocks]).toEqual([0, 0]);
    expect(image.getxattr(file, n("user.a"))).toEqual(value(10));
    expect(image.getxattr(file, n("user.b"))).toEqual(value(30, 2));
    image.setxattr(file, n("user.a"), null);
    expect(image.listxattr(file)).toEqual(["user.b"]);
    expectClean(image);
  });

  test("inodes of 128 bytes have the block alone", ({ skip }) => {
    requireOracle(["e2fsck"], skip);
    const image = openImage(emptyImage(16, { inodeSize: "128" }));
    const file = make(image, "f");
    image.setxattr(file, n("user.a"), value(1));
    expect(file.fileAcl).toBeGreaterThan(0);
    expect(image.getxattr(readInode(image.volume, file.ino), n("user.a"))).toEqual(value(1));
    expectClean(image);
  });

  test("what does not fit is refused, and nothing changes", () => {
    const image = openImage(emptyImage(16));
    const file = make(image, "f");
    image.setxattr(file, n("user.a"), value(3000));
    image.setxattr(file, n("user.b"), value(50));
    const free = image.statfs().blocksFree;
    for (const length of [1100, 4096, 65_536]) {
      expect(() => image.setxattr(file, n("user.c"), value(length))).toThrow("ENOSPC");
      expect(() => image.setxattr(file, n("user.b"), value(length))).toThrow("ENOSPC");
    }
    expect(image.listxattr(file).sort()).toEqual(["user.a", "user.b"]);
    expect(image.getxattr(file, n("user.b"))).toEqual(value(50));
    expect(image.statfs().blocksFree).toBe(free);
  });

  test("empty values, names of every length, and none twice", ({ skip }) => {
    requireOracle(["e2fsck"], skip);
    const image = openImage(emptyImage(16));
    const file = make(image, "f");
    const names = [1, 2, 3, 4, 100, 250].map((length) => n(`user.${"x".repeat(length)}`));
    for (const name of names) image.setxattr(file, name, value(0));
    for (const name of names) image.setxattr(file, name, value(name.length));
    expect(image.listxattr(file).sort()).toEqual(names.toSorted());
    for (const name of names) expect(image.getxattr(file, name)).toEqual(value(name.length));
    expectClean(image);
  });

  test("namespaces that there are not", () => {
    const image = openImage(emptyImage(16));
    const file = make(image, "f");
    expect(() => image.setxattr(file, n("system.other"), value(1))).toThrow("EOPNOTSUPP");
    expect(image.getxattr(file, n("nobody.x"))).toBe(null);
  });

  test("an entry of an unknown namespace stays", () => {
    const image = openImage(emptyImage(16));
    const file = make(image, "f");
    image.setxattr(file, n("user.strange"), value(8));
    image.volume.journal.run(1, () => {
      const { buffer, at } = writableSlotOf(image.volume, file.ino);
      const entry = buffer.at + at + 128 + file.extraIsize + XATTR_BODY_HEADER_SIZE;
      XATTR_ENTRY.nameIndex.set(buffer.view, entry, 99);
    });
    expect(image.listxattr(file)).toEqual([]);
    image.setxattr(file, n("user.b"), value(4));
    const { buffer, at } = slotOf(image.volume, file.ino);
    const entry = buffer.at + at + 128 + file.extraIsize + XATTR_BODY_HEADER_SIZE;
    expect(XATTR_ENTRY.nameIndex.get(buffer.view, entry)).toBe(99);
    expect(XATTR_ENTRY.valueSize.get(buffer.view, entry)).toBe(8);
  });
});

describe("sharing", () => {
  test("the same attributes take one block, until one of them changes", ({ skip }) => {
    requireOracle(["e2fsck"], skip);
    const image = openImage(emptyImage(16));
    const files = ["a", "b", "c"].map((name) => make(image, name));
    for (const file of files) image.setxattr(file, n("user.big"), value(500));
    const [a, b, c] = files as [Ext4Inode, Ext4Inode, Ext4Inode];
    expect([b.fileAcl, c.fileAcl]).toEqual([a.fileAcl, a.fileAcl]);
    expect(refcountOf(image, a)).toBe(3);
    image.setxattr(b, n("user.big"), value(500, 2));
    expect(b.fileAcl).not.toBe(a.fileAcl);
    expect([refcountOf(image, a), refcountOf(image, b)]).toEqual([2, 1]);
    expect(image.getxattr(a, n("user.big"))).toEqual(value(500));
    image.setxattr(b, n("user.big"), value(500));
    expect([b.fileAcl, refcountOf(image, a)]).toEqual([a.fileAcl, 3]);
    for (const [index, file] of files.entries()) {
      image.unlink(rootOf(image), n("abc"[index]!), file);
      file.nlink = 0;
      image.evict(file);
    }
    expectClean(image);
  });

  test("a block has 1024 owners at most, and the last one frees it", ({ skip }) => {
    requireOracle(["e2fsck"], skip);
    const image = openImage(emptyImage(24));
    const free = image.statfs().blocksFree;
    const files: Ext4Inode[] = [];
    for (let index = 0; index < 1030; index++) {
      files.push(make(image, `f${index}`));
      image.setxattr(files[index]!, n("user.big"), value(500));
    }
    expect(refcountOf(image, files[0]!)).toBe(1024);
    expect(refcountOf(image, files[1029]!)).toBe(6);
    for (const file of files) image.setxattr(file, n("user.big"), null);
    image.sync();
    // The directory has grown.
    expect(free - image.statfs().blocksFree).toBe(rootOf(image).blocks - 1);
    expectClean(image);
  });

  test("an inode that starts with attributes, and one that has no room for them", () => {
    const image = openImage(emptyImage(16));
    const attributes = { mode: S_IFREG | 0o644, uid: 0, gid: 0, rdev: 0 };
    const some = [[n("user.a"), value(10)] as const, [n("user.b"), value(900)] as const];
    const file = image.create(rootOf(image), n("f"), { ...attributes, xattrs: some });
    expect(image.getxattr(file, n("user.b"))).toEqual(value(900));
    const before = image.statfs();
    const many = [...some, [n("user.c"), value(4000)] as const];
    expect(() => image.create(rootOf(image), n("g"), { ...attributes, xattrs: many })).toThrow(
      "ENOSPC",
    );
    expect(image.statfs()).toEqual(before);
    expect(image.lookup(rootOf(image), n("g"))).toBe(0);
  });
});

describe("blocks that are not right", () => {
  const FIELDS = [
    ["magic", XATTR_HEADER.magic, 1],
    ["refcount", XATTR_HEADER.refcount, 0],
    ["refcount", XATTR_HEADER.refcount, 1025],
    ["blocks", XATTR_HEADER.blocks, 2],
  ] as const;
  test.each(FIELDS)("%s", (field, access, wrong) => {
    const device = emptyImage(16, { features: "^metadata_csum" });
    const image = openImage(device);
    const file = make(image, "f");
    image.setxattr(file, n("user.big"), value(500));
    image.unmount();
    const home = image.volume.geometry.pblkToDevByte(file.fileAcl);
    device.storeU32(home + access.offset, wrong, 1);
    const found = corruptedField(() => openImage(device).getxattr(file, n("user.big")));
    expect(found).toBe(field);
  });

  const ENTRY = [
    ["valueOffset", XATTR_ENTRY.valueSize, 5000],
    ["valueIno", XATTR_ENTRY.valueIno, 7],
  ] as const;
  test.each(ENTRY)("%s", (field, access, wrong) => {
    const image = openImage(emptyImage(16));
    const file = make(image, "f");
    image.setxattr(file, n("user.a"), value(8));
    image.volume.journal.run(1, () => {
      const { buffer, at } = writableSlotOf(image.volume, file.ino);
      const entry = buffer.at + at + 128 + file.extraIsize + XATTR_BODY_HEADER_SIZE;
      access.set(buffer.view, entry, wrong);
    });
    expect(corruptedField(() => image.getxattr(file, n("user.a")))).toBe(field);
  });
});

function corruptedField(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof CorruptionError) return error.corruption.field;
    throw error;
  }
  return "nothing";
}

const ACL = formatAcl([
  { tag: ACL_USER_OBJ, perm: 7, id: ACL_UNDEFINED_ID },
  { tag: ACL_USER, perm: 6, id: 1000 },
  { tag: ACL_USER, perm: 0, id: 4_000_000_000 },
  { tag: ACL_GROUP_OBJ, perm: 5, id: ACL_UNDEFINED_ID },
  { tag: ACL_MASK, perm: 7, id: ACL_UNDEFINED_ID },
  { tag: ACL_OTHER, perm: 4, id: ACL_UNDEFINED_ID },
]);

describe("access control lists", () => {
  test("are stored with short entries, and read back", () => {
    const stored = aclToMedium(ACL);
    expect(stored.length).toBe(4 + 4 * 4 + 2 * 8);
    expect(aclFromMedium(stored, "here")).toEqual(ACL);
  });

  test("are refused where they are none", () => {
    expect(() => aclToMedium(ACL.subarray(0, 11))).toThrow("EINVAL");
    expect(() => aclToMedium(ACL.subarray(0, 12))).toThrow("EINVAL");
    const version = ACL.slice();
    version[0] = 3;
    expect(() => aclToMedium(version)).toThrow("EOPNOTSUPP");
    const stored = aclToMedium(ACL);
    expect(() => aclFromMedium(stored.subarray(0, stored.length - 2), "x")).toThrow("size");
    expect(() => aclFromMedium(stored.subarray(0, 3), "x")).toThrow("version");
    expect(() => aclFromMedium(stored.subarray(0, 8), "x")).toThrow("entries");
  });
});

const NEEDS = ["e2fsck", "mkfs.ext4", "loop", "getfattr", "setfattr", "setfacl", "getfacl"];
/** Names and values that `getfattr -d -m - -e hex` prints. */
const dump = (file: string): string[] =>
  runOrThrow("getfattr", ["-d", "-m", "-", "-e", "hex", "--absolute-names", file])
    .stdout.split("\n")
    .filter((line) => line.includes("=") && !line.startsWith("#"))
    .toSorted();

const dumpHere = (image: Ext4FileSystem, name: string): string[] => {
  const inode = image.iget(image.lookup(rootOf(image), n(name)));
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return image
    .listxattr(inode)
    .map((key) => `${key}=0x${hex(image.getxattr(inode, key)!)}`)
    .toSorted();
};

describe("with the kernel", () => {
  test("it reads what was written here", ({ skip }) => {
    requireOracle(NEEDS, skip);
    const device = emptyImage(16);
    const image = openImage(device);
    for (const name of ["a", "b"]) {
      const file = make(image, name);
      image.setxattr(file, n("user.small"), value(9));
      image.setxattr(file, n("trusted.big"), value(1500));
      image.setxattr(file, n("security.mine"), value(40));
      image.setxattr(file, XATTR_ACL_ACCESS, ACL);
    }
    const directory = make(image, "d", S_IFDIR | 0o755);
    image.setxattr(directory, XATTR_ACL_DEFAULT, ACL);
    const names = ["a", "b", "d"];
    const here = names.map((name) => dumpHere(image, name));
    image.unmount();
    withTempDirectory((temp) => {
      const file = path.join(temp, "image");
      writeImage(device, file);
      withLoopMount(file, {}, (mount) => {
        expect(names.map((name) => dump(path.join(mount.directory, name)))).toEqual(here);
        const told = runOrThrow("getfacl", ["-np", path.join(mount.directory, "d")]).stdout;
        expect(told).toContain("default:user:4000000000:---");
        runOrThrow("setfattr", ["-n", "user.more", "-v", "x", path.join(mount.directory, "a")]);
      });
      const { clean, output } = e2fsck(file);
      expect(clean, output).toBe(true);
    });
  });

  test("what it wrote is read here, shared blocks and all, and changed", ({ skip }) => {
    requireOracle(NEEDS, skip);
    withTempDirectory((temp) => {
      const file = path.join(temp, "image");
      mkfsExt4(file, 16 * 2 ** 20, ["-b", "4096"]);
      const names = ["a", "b", "c"];
      const there = withLoopMount(file, {}, ({ directory }) => {
        for (const name of names) {
          const target = path.join(directory, name);
          fs.writeFileSync(target, "");
          runOrThrow("setfattr", ["-n", "user.s", "-v", "1", target]);
          runOrThrow("setfattr", ["-n", "user.big", "-v", "y".repeat(700), target]);
          runOrThrow("setfacl", ["-m", "u:1000:rw,g:5:r", target]);
        }
        return names.map((name) => dump(path.join(directory, name)));
      });
      const device = readImage(file);
      const image = openImage(device);
      expect(names.map((name) => dumpHere(image, name))).toEqual(there);
      const [a, b] = ["a", "b"].map((name) => image.iget(image.lookup(rootOf(image), n(name))));
      expect(a!.fileAcl).toBe(b!.fileAcl);
      image.setxattr(a!, n("user.big"), value(800));
      image.setxattr(b!, n("user.big"), null);
      expectClean(image);
    });
  });
});
