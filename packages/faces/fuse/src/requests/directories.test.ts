/**
 * Proves that a listing has every name once, however small the pieces in which it is read; that
 * pieces are packed as the kernel takes them apart; and that it counts lookups of what it got alone.
 */
import { assert, type Personality, ROOT, type Vfs } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { describe, expect, test } from "vitest";
import { ATTR, ENTRY_HEAD, ENTRY_HEAD_SIZE, ENTRY_OUT_SIZE } from "../protocol/attributes.ts";
import { DIRENT, DIRENT_SIZE } from "../protocol/directories.ts";
import { FSYNC_IN, READ_IN } from "../protocol/file-structs.ts";
import { FORGET_IN, MKNOD_IN } from "../protocol/names.ts";
import * as opcodes from "../protocol/opcodes.ts";
import { freshMount, named, nodeidOf, record, TestKernel, textOf } from "../testing.ts";

interface Entry {
  readonly name: string;
  readonly ino: number;
  readonly type: number;
  readonly cookie: number;
  readonly nodeid: number;
}

class Directories extends TestKernel {
  file = (name: string, node = 1) =>
    nodeidOf(
      this.call(opcodes.FUSE_MKNOD, node, [record(MKNOD_IN, { mode: 0o100644 }), named(name)]),
    );

  /** One piece, taken apart as the kernel does (parse_dirfile, parse_dirplusfile). */
  piece(offset: number, size: number, plus: boolean): Entry[] {
    const opcode = plus ? opcodes.FUSE_READDIRPLUS : opcodes.FUSE_READDIR;
    const { status, bytes, view } = this.call(opcode, 1, [record(READ_IN, { offset, size })]);
    assert(status === "ok", "the piece is there");
    assert(bytes.length <= size, "a piece is no longer than asked for");
    const entries: Entry[] = [];
    for (let at = 0; at < bytes.length;) {
      const head = plus ? at : -1;
      if (plus) at += ENTRY_OUT_SIZE;
      const length = DIRENT.nameLength.get(view, at);
      const name = textOf({ status, view, bytes: bytes.subarray(at + 24, at + 24 + length) });
      const end = at + Math.ceil((DIRENT_SIZE + length) / 8) * 8;
      assert(end <= bytes.length, "an entry is there entirely");
      const filling = bytes.subarray(at + DIRENT_SIZE + length, end);
      assert(
        filling.every((byte) => byte === 0),
        "what fills an entry up is zero",
      );
      entries.push({
        name,
        ino: DIRENT.ino.get(view, at),
        type: DIRENT.type.get(view, at),
        cookie: DIRENT.offset.get(view, at),
        nodeid: plus ? ENTRY_HEAD.nodeid.get(view, head) : 0,
      });
      if (plus && name !== "." && name !== "..") {
        const ino = ATTR.ino.get(view, head + ENTRY_HEAD_SIZE);
        assert(ino === DIRENT.ino.get(view, at), "entry and attributes are of one inode");
      }
      at = end;
    }
    return entries;
  }

  /** All of it, in pieces of `size` bytes. */
  list(size: number, plus: boolean): Entry[] {
    const all: Entry[] = [];
    for (let cookie = 0; ;) {
      const piece = this.piece(cookie, size, plus);
      if (piece.length === 0) return all;
      all.push(...piece);
      cookie = piece.at(-1)!.cookie;
    }
  }
}

function begin(personality: Personality): { vfs: Vfs; kernel: Directories } {
  const vfs = freshMount(personality);
  const kernel = new Directories(vfs);
  kernel.start();
  return { vfs, kernel };
}

const NAMES = Array.from({ length: 120 }, (_, index) => `${"n".repeat(index)}${index}\xff`);

describe.each([plain, ext4])("$name", (personality) => {
  test.each([false, true])(
    "every name once, in pieces of any size (with attributes: %s)",
    (plus) => {
      const { kernel } = begin(personality);
      for (const name of NAMES) kernel.file(name);
      const own = kernel.list(65536, false).filter(({ name }) => name === "lost+found");
      const expected = [".", "..", ...NAMES, ...own.map(({ name }) => name)].toSorted();
      for (const size of [65536, 4096, 1000, 300]) {
        const names = kernel.list(size, plus).map(({ name }) => name);
        expect(names.slice(0, 2)).toEqual([".", ".."]);
        expect(names.toSorted()).toEqual(expected);
      }
    },
  );

  test("inode numbers and types are those of stat", () => {
    const { vfs, kernel } = begin(personality);
    const file = kernel.file("file");
    const entries = new Map(kernel.list(4096, false).map((entry) => [entry.name, entry]));
    expect(entries.get("file")).toMatchObject({ ino: file, type: 8 });
    expect(entries.get(".")).toMatchObject({ ino: vfs.root.ino, type: 4 });
    expect(entries.get("..")).toMatchObject({ ino: vfs.root.ino, type: 4 });
  });

  test("names removed behind the reader neither hide nor repeat others", () => {
    const { kernel } = begin(personality);
    const names = Array.from({ length: 200 }, (_, index) => `file ${index}`);
    for (const name of names) kernel.file(name);
    const seen: string[] = [];
    for (let cookie = 0; ;) {
      const piece = kernel.piece(cookie, 512, false);
      if (piece.length === 0) break;
      for (const { name } of piece) {
        seen.push(name);
        if (!names.includes(name)) continue;
        expect(kernel.call(opcodes.FUSE_UNLINK, 1, [named(name)]).status).toBe("ok");
      }
      cookie = piece.at(-1)!.cookie;
    }
    expect(seen.filter((name) => names.includes(name)).toSorted()).toEqual(names.toSorted());
    expect(kernel.list(4096, false).some(({ name }) => names.includes(name))).toBe(false);
  });

  test("READDIRPLUS counts a lookup of what fitted, and of nothing else", () => {
    const { vfs, kernel } = begin(personality);
    for (const name of NAMES) {
      kernel.tell(opcodes.FUSE_FORGET, kernel.file(name), [record(FORGET_IN, { lookups: 1 })]);
    }
    expect(vfs.census().referenced).toBe(1);
    const piece = kernel.piece(0, 1000, true);
    expect(piece.length).toBeGreaterThan(2);
    const told = piece.filter(({ nodeid }) => nodeid !== 0);
    expect(told.map(({ nodeid }) => nodeid)).toEqual(piece.slice(2).map(({ ino }) => ino));
    expect(vfs.census().referenced).toBe(1 + told.length);
    for (const { nodeid } of told) {
      kernel.tell(opcodes.FUSE_FORGET, nodeid, [record(FORGET_IN, { lookups: 1 })]);
    }
    expect(vfs.census()).toMatchObject({ referenced: 1, openFiles: 0 });
  });

  test("a long listing comes with few attributes until the kernel asks for more", () => {
    const { kernel } = begin(personality);
    for (const name of NAMES) kernel.file(name);
    const first = kernel.piece(0, 8192, true);
    expect(first.length).toBe(16);
    const second = kernel.piece(first.at(-1)!.cookie, 8192, true);
    expect(second.length).toBeGreaterThan(16);
    expect(second.every(({ nodeid }) => nodeid !== 0)).toBe(true);
    // All of it in one piece: nobody has to ask again.
    expect(kernel.piece(0, 65536, true).length).toBeGreaterThan(NAMES.length);
  });

  test("no room for one entry is an error, not the end", () => {
    const { kernel } = begin(personality);
    const read = record(READ_IN, { size: 24 });
    expect(kernel.call(opcodes.FUSE_READDIR, 1, [read]).status).toBe("EINVAL");
  });

  test("of a file, of a removed directory, and past the end", () => {
    const { vfs, kernel } = begin(personality);
    const file = kernel.file("file");
    const read = record(READ_IN, { size: 4096 });
    expect(kernel.call(opcodes.FUSE_READDIR, file, [read]).status).toBe("ENOTDIR");
    const directory = vfs.mkdir(ROOT, vfs.root, "d" as never, 0o755);
    const node = nodeidOf(kernel.call(opcodes.FUSE_LOOKUP, 1, [named("d")]));
    vfs.rmdir(ROOT, vfs.root, "d" as never);
    expect(kernel.call(opcodes.FUSE_READDIR, node, [read]).status).toBe("ENOENT");
    vfs.forget(directory);
    const beyond = record(READ_IN, { size: 4096, offset: 2 ** 52 });
    const answer = kernel.call(opcodes.FUSE_READDIR, 1, [beyond]);
    expect([answer.status, answer.bytes.length]).toEqual(["ok", 0]);
  });
});

test("FSYNCDIR makes names durable", () => {
  const { vfs, kernel } = begin(ext4);
  kernel.file("file");
  const before = vfs.counters.transactions;
  expect(kernel.call(opcodes.FUSE_FSYNCDIR, 1, [record(FSYNC_IN, {})]).status).toBe("ok");
  expect(vfs.counters.transactions).toBeGreaterThan(before);
});
