/**
 * Proves for each request about names what it answers, by the kernel's own rules; that the kernel's
 * references are counted; and that nothing stays behind when it forgets.
 */
import { type Personality, ROOT, type Vfs } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { describe, expect, test } from "vitest";
import { ATTR, ENTRY_HEAD, ENTRY_HEAD_SIZE, SETATTR_IN } from "../protocol/attributes.ts";
import { CREATE_IN, OPEN_OUT, RELEASE_IN } from "../protocol/file-structs.ts";
import * as protocol from "../protocol/names.ts";
import * as opcodes from "../protocol/opcodes.ts";
import { EXTENSION, FUSE_EXT_GROUPS } from "../protocol/structs.ts";
import { freshMount, named, nodeidOf, record, TestKernel, textOf } from "../testing.ts";

const NAME_MAX = "n".repeat(255);

class Names extends TestKernel {
  lookup = (name: string, node = 1) => this.call(opcodes.FUSE_LOOKUP, node, [named(name)]);
  mkdir = (name: string, node = 1, mode = 0o777, umask = 0o022) =>
    this.call(opcodes.FUSE_MKDIR, node, [record(protocol.MKDIR_IN, { mode, umask }), named(name)]);
  mknod = (name: string, mode: number, rdev = 0, node = 1) =>
    this.call(opcodes.FUSE_MKNOD, node, [
      record(protocol.MKNOD_IN, { mode, rdev, umask: 0o027 }),
      named(name),
    ]);
  unlink = (name: string, node = 1) => this.call(opcodes.FUSE_UNLINK, node, [named(name)]);
  rmdir = (name: string, node = 1) => this.call(opcodes.FUSE_RMDIR, node, [named(name)]);
  rename = (from: string, to: string, flags = 0, newDirectory = 1, node = 1) =>
    this.call(opcodes.FUSE_RENAME2, node, [
      record(protocol.RENAME2_IN, { newDirectory, flags }),
      named(from),
      named(to),
    ]);
  link = (oldNodeid: number, name: string) =>
    this.call(opcodes.FUSE_LINK, 1, [record(protocol.LINK_IN, { oldNodeid }), named(name)]);
  forget = (node: number, lookups: number) =>
    this.tell(opcodes.FUSE_FORGET, node, [record(protocol.FORGET_IN, { lookups })]);
}

function begin(personality: Personality): { vfs: Vfs; kernel: Names } {
  const vfs = freshMount(personality);
  const kernel = new Names(vfs);
  kernel.start();
  return { vfs, kernel };
}

describe.each([plain, ext4])("$name", (personality) => {
  test("LOOKUP gives the inode with its generation, or says that there is none", () => {
    const { vfs, kernel } = begin(personality);
    const absent = kernel.lookup("a");
    expect([absent.status, nodeidOf(absent)]).toEqual(["ok", 0]);
    expect(ENTRY_HEAD.entryValidSec.get(absent.view, 0)).toBe(3600);
    const made = kernel.mkdir("a");
    const found = kernel.lookup("a");
    expect(found.bytes).toEqual(made.bytes);
    const inode = vfs.find(vfs.root, "a" as never)!;
    expect(ENTRY_HEAD.generation.get(found.view, 0)).toBe(inode.generation);
    expect(nodeidOf(found)).toBe(inode.ino);
    expect(ATTR.mode.get(found.view, ENTRY_HEAD_SIZE)).toBe(0o040755);
    vfs.forget(inode);
  });

  test("names: any byte, 255 of them, and no more", () => {
    const { kernel } = begin(personality);
    expect(kernel.mkdir("\x01\xff\n ").status).toBe("ok");
    expect(nodeidOf(kernel.lookup("\x01\xff\n "))).not.toBe(0);
    expect(kernel.mkdir(NAME_MAX).status).toBe("ok");
    expect(kernel.lookup(`${NAME_MAX}n`).status).toBe("ENAMETOOLONG");
    expect(kernel.mkdir(`${NAME_MAX}n`).status).toBe("ENAMETOOLONG");
    expect(kernel.rename(NAME_MAX, `${NAME_MAX}n`).status).toBe("ENAMETOOLONG");
    expect(kernel.lookup("a/b").status).toBe("EINVAL");
    expect(kernel.lookup("").status).toBe("EINVAL");
    expect(kernel.lookup("x", nodeidOf(kernel.mknod("file", 0o100644))).status).toBe("ENOTDIR");
  });

  test.each([".", "..", ""])("%j is nothing to make, move or remove", (name) => {
    const { vfs, kernel } = begin(personality);
    kernel.mkdir("d");
    for (const answer of [
      kernel.mkdir(name),
      kernel.mknod(name, 0o100644),
      kernel.unlink(name),
      kernel.rmdir(name),
      kernel.rename(name, "x"),
      kernel.rename("d", name),
      kernel.call(opcodes.FUSE_SYMLINK, 1, [named(name), named("target")]),
      kernel.call(opcodes.FUSE_CREATE, 1, [record(CREATE_IN, { mode: 0o644 }), named(name)]),
    ]) {
      expect(answer.status).toBe("EINVAL");
    }
    expect(vfs.readOnly).toBe(false);
  });

  test("for export: numbers of old are found by . and ..", () => {
    const { vfs, kernel } = begin(personality);
    const outer = nodeidOf(kernel.mkdir("outer"));
    const inner = nodeidOf(kernel.mkdir("inner", outer));
    kernel.forget(inner, 1);
    kernel.forget(outer, 1);
    expect(vfs.census().referenced).toBe(1);
    expect(kernel.call(opcodes.FUSE_GETATTR, inner).status).toBe("ESTALE");
    expect(nodeidOf(kernel.lookup(".", inner))).toBe(inner);
    expect(nodeidOf(kernel.lookup("..", inner))).toBe(outer);
    expect(nodeidOf(kernel.lookup("..", outer))).toBe(1);
    expect(kernel.lookup(".", 7777).status).toBe("ESTALE");
    kernel.rmdir("inner", outer);
    expect(kernel.lookup(".", inner).status).toBe("ESTALE");
    kernel.connection.close();
    expect(vfs.census().referenced).toBe(1);
  });

  test("MKNOD makes what it is told, without the umask's bits", () => {
    const { kernel } = begin(personality);
    const modeOf = (name: string) =>
      ATTR.mode.get(kernel.lookup(name).view, ENTRY_HEAD_SIZE).toString(8);
    kernel.mknod("file", 0o100666);
    expect(modeOf("file")).toBe("100640");
    kernel.mknod("pipe", 0o010777);
    expect(modeOf("pipe")).toBe("10750");
    expect(kernel.mknod("file", 0o100644).status).toBe("EEXIST");
    expect(kernel.mknod("d", 0o040755).status).toBe("EPERM");
    if (personality.capabilities.deviceNodes !== true) return;
    const device = kernel.mknod("tty", 0o020600, 0x1234567);
    expect(ATTR.rdev.get(device.view, ENTRY_HEAD_SIZE)).toBe(0x1234567);
  });

  test("SYMLINK and READLINK", () => {
    const { kernel } = begin(personality);
    const make = (name: string, target: string) =>
      kernel.call(opcodes.FUSE_SYMLINK, 1, [named(name), named(target)]);
    const long = "t".repeat(4095);
    const targetMax = personality === ext4 ? long : long.slice(0, 100);
    for (const target of ["../\xfe", targetMax]) {
      const node = nodeidOf(make(`to ${target.length}`, target));
      expect(textOf(kernel.call(opcodes.FUSE_READLINK, node))).toBe(target);
    }
    expect(make("empty", "").status).toBe("ENOENT");
    expect(make("long", "t".repeat(4096)).status).toBe("ENAMETOOLONG");
    expect(kernel.call(opcodes.FUSE_READLINK, 1).status).toBe("EINVAL");
  });

  test("UNLINK and RMDIR", () => {
    const { kernel } = begin(personality);
    kernel.mknod("file", 0o100644);
    const directory = nodeidOf(kernel.mkdir("d"));
    kernel.mkdir("below", directory);
    expect(kernel.rmdir("file").status).toBe("ENOTDIR");
    expect(kernel.unlink("d").status).toBe("EISDIR");
    expect(kernel.rmdir("d").status).toBe("ENOTEMPTY");
    expect(kernel.rmdir("below", directory).status).toBe("ok");
    expect(kernel.rmdir("d").status).toBe("ok");
    expect(kernel.unlink("file").status).toBe("ok");
    expect(kernel.unlink("file").status).toBe("ENOENT");
    expect(kernel.mkdir("x", directory).status).toBe("ENOENT");
  });

  test("RENAME and RENAME2 with their flags", () => {
    const { kernel } = begin(personality);
    const file = nodeidOf(kernel.mknod("file", 0o100644));
    const directory = nodeidOf(kernel.mkdir("d"));
    const plainRename = kernel.call(opcodes.FUSE_RENAME, 1, [
      record(protocol.RENAME_IN, { newDirectory: directory }),
      named("file"),
      named("moved"),
    ]);
    expect(plainRename.status).toBe("ok");
    expect(nodeidOf(kernel.lookup("moved", directory))).toBe(file);
    const other = nodeidOf(kernel.mknod("other", 0o100644));
    expect(kernel.rename("other", "d", 1).status).toBe("EEXIST");
    expect(kernel.rename("other", "other2", 1).status).toBe("ok");
    expect(kernel.rename("d", "x", 0, directory).status).toBe("EINVAL");
    const swapped = kernel.rename("other2", "moved", 2, directory).status;
    const swaps = personality.capabilities.renameExchange === true;
    expect(swapped).toBe(swaps ? "ok" : "EINVAL");
    expect(nodeidOf(kernel.lookup("moved", directory))).toBe(swaps ? other : file);
    expect(kernel.rename("d", "e", 4).status).toBe("EINVAL");
    expect(kernel.rename("d", "e", 3).status).toBe("EINVAL");
    expect(kernel.rename("gone", "e").status).toBe("ENOENT");
    expect(kernel.rename("d", "e", 0, 4711).status).toBe("ESTALE");
  });

  test("LINK gives another name, also to a file that never had one", () => {
    const { vfs, kernel } = begin(personality);
    const file = nodeidOf(kernel.mknod("file", 0o100644));
    const hasLinks = personality.capabilities.hardLinks === true;
    const linked = kernel.link(file, "again");
    expect(linked.status).toBe(hasLinks ? "ok" : "EPERM");
    if (!hasLinks) return;
    expect(ATTR.nlink.get(linked.view, ENTRY_HEAD_SIZE)).toBe(2);
    expect(kernel.link(file, "again").status).toBe("EEXIST");
    expect(kernel.link(nodeidOf(kernel.mkdir("d")), "e").status).toBe("EPERM");
    if (personality.capabilities.tmpfile !== true) return;
    const flags = 0o20200002;
    const body = [record(CREATE_IN, { flags, mode: 0o100600 }), named("#tmp")];
    const nameless = kernel.call(opcodes.FUSE_TMPFILE, 1, body);
    expect(nameless.status).toBe("ok");
    expect(ATTR.nlink.get(nameless.view, ENTRY_HEAD_SIZE)).toBe(0);
    expect(kernel.link(nodeidOf(nameless), "named").status).toBe("ok");
    expect(nodeidOf(kernel.lookup("named"))).toBe(nodeidOf(nameless));
    kernel.connection.close();
    expect(vfs.census()).toMatchObject({ referenced: 1, openFiles: 0 });
  });

  test("what was told is counted, and given back as told: then the file is freed", () => {
    const { vfs, kernel } = begin(personality);
    const before = vfs.statfs();
    const node = nodeidOf(kernel.mknod("file", 0o100644));
    kernel.lookup("file");
    kernel.lookup("file");
    expect(kernel.unlink("file").status).toBe("ok");
    const size = record(SETATTR_IN, { valid: 8, size: 100 });
    expect(kernel.call(opcodes.FUSE_SETATTR, node, [size]).status).toBe("ok");
    kernel.forget(node, 2);
    expect(vfs.census().referenced).toBe(2);
    const one = record(protocol.FORGET_ONE, { nodeid: node, lookups: 1 });
    const strange = record(protocol.FORGET_ONE, { nodeid: 99, lookups: 5 });
    const count = record(protocol.BATCH_FORGET_IN, { count: 2 });
    kernel.tell(opcodes.FUSE_BATCH_FORGET, 0, [count, strange, one]);
    expect(kernel.sent).toEqual([]);
    expect(vfs.census()).toMatchObject({ referenced: 1, openFiles: 0 });
    expect(vfs.statfs().filesFree).toBe(before.filesFree);
    expect(kernel.call(opcodes.FUSE_GETATTR, node).status).toBe("ESTALE");
  });

  test("a file that is open outlives its name and its lookups", () => {
    const { vfs, kernel } = begin(personality);
    const made = kernel.call(opcodes.FUSE_CREATE, 1, [
      record(CREATE_IN, { flags: 0o102, mode: 0o100600 }),
      named("file"),
    ]);
    const handle = OPEN_OUT.handle.get(made.view, 128);
    kernel.unlink("file");
    kernel.forget(nodeidOf(made), 1);
    expect(vfs.census()).toMatchObject({ referenced: 2, openFiles: 1 });
    kernel.call(opcodes.FUSE_RELEASE, nodeidOf(made), [record(RELEASE_IN, { handle })]);
    expect(vfs.census()).toMatchObject({ referenced: 1, openFiles: 0 });
  });
});

test("who makes a file owns it; its group in a set-gid directory is the directory's", () => {
  const { vfs, kernel } = begin(ext4);
  vfs.setattr(ROOT, vfs.root, { gid: 77, mode: 0o2777 });
  const groups = new Uint8Array(16);
  new DataView(groups.buffer).setUint32(8, 1, true);
  new DataView(groups.buffer).setUint32(12, 77, true);
  groups.set(record(EXTENSION, { size: 16, type: FUSE_EXT_GROUPS }));
  const label = record(EXTENSION, { size: 8, type: 1 });
  const extensions = Uint8Array.of(...label, ...groups);
  const body = [record(protocol.MKDIR_IN, { mode: 0o755 }), named("d")];
  const made = kernel.call(opcodes.FUSE_MKDIR, 1, body, { uid: 5, gid: 6, extensions });
  expect(made.status).toBe("ok");
  expect(ATTR.uid.get(made.view, ENTRY_HEAD_SIZE)).toBe(5);
  expect(ATTR.gid.get(made.view, ENTRY_HEAD_SIZE)).toBe(77);
  expect(ATTR.mode.get(made.view, ENTRY_HEAD_SIZE)).toBe(0o042755);
});

test("a vfs that others change too is believed for no time", () => {
  const kernel = new Names(freshMount(plain), { shared: true });
  kernel.start();
  const made = kernel.mkdir("d");
  expect(ENTRY_HEAD.entryValidSec.get(made.view, 0)).toBe(0);
  expect(ENTRY_HEAD.attrValidSec.get(made.view, 0)).toBe(0);
});
