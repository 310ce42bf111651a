/**
 * Proves, request by request and for every design, what open files do: how they are opened in each
 * cache mode, that data comes back whole whichever way it is sent, who loses set-id bits, and that
 * handles are given back.
 */
import {
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  S_IFREG,
} from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { describe, expect, test } from "vitest";
import { ATTR, ENTRY_HEAD_SIZE, ENTRY_OUT_SIZE } from "../protocol/attributes.ts";
import * as structs from "../protocol/file-structs.ts";
import * as op from "../protocol/opcodes.ts";
import { Files, handleOf, openFlagsOf, pattern, ROOT, writtenOf } from "../testing-files.ts";
import { named, nodeidOf, record } from "../testing.ts";

const DIRECT = structs.FOPEN_DIRECT_IO | structs.FOPEN_PARALLEL_DIRECT_WRITES;

describe.each([plain, ext4])("$name: files", (personality) => {
  test("CREATE answers with an entry and a handle; the umask counts once", () => {
    const f = new Files(personality);
    const made = f.create("a", O_RDWR | O_CREAT | O_EXCL, 0o666, 0o027);
    expect([made.status, made.bytes.length]).toEqual(["ok", ENTRY_OUT_SIZE + 16]);
    expect(ATTR.mode.get(made.view, ENTRY_HEAD_SIZE)).toBe(S_IFREG | 0o640);
    expect(f.create("a", O_RDWR | O_CREAT | O_EXCL).status).toBe("EEXIST");
    const again = f.create("a", O_RDWR | O_CREAT);
    expect(nodeidOf(again)).toBe(nodeidOf(made));
    expect(handleOf(again)).not.toBe(handleOf(made));
    expect(f.kernel.connection.files.count).toBe(2);
  });

  test("who creates owns it; a directory's group goes to its files", () => {
    const f = new Files(personality);
    const alice = { uid: 1001, gid: 1002 };
    const made = f.create("a", O_RDWR | O_CREAT, 0o600, 0, alice);
    const { uid, gid } = f.inode(nodeidOf(made));
    expect([uid, gid]).toEqual([1001, 1002]);
    f.vfs.setattr({ uid: 0, gid: 0, groups: [] }, f.vfs.root, { mode: 0o2777, gid: 77 });
    expect(f.inode(nodeidOf(f.create("b", O_RDWR | O_CREAT, 0o600, 0, alice))).gid).toBe(77);
  });

  test("each cache mode opens as it says", () => {
    for (const [options, flags] of [
      [{}, DIRECT | structs.FOPEN_NOFLUSH],
      [{ cache: "writethrough" }, structs.FOPEN_KEEP_CACHE | structs.FOPEN_NOFLUSH],
      [{ cache: "writeback" }, structs.FOPEN_KEEP_CACHE | structs.FOPEN_NOFLUSH],
      [{ locks: "server" }, DIRECT],
    ] as const) {
      expect(openFlagsOf(new Files(personality, options).create("a"))).toBe(flags);
    }
  });

  test("with writeback, what is opened for writing can be read", () => {
    for (const [cache, status] of [
      ["writeback", "ok"],
      ["direct", "EBADF"],
    ] as const) {
      const f = new Files(personality, { cache });
      const made = f.create("a", O_WRONLY | O_CREAT);
      const node = nodeidOf(made);
      f.write(node, handleOf(made), 0, pattern(10));
      expect(f.read(node, handleOf(made), 0, 10).status).toBe(status);
    }
  });

  test("data comes back whole, however long and wherever it stands", () => {
    const f = new Files(personality);
    const made = f.create("a");
    const [node, handle] = [nodeidOf(made), handleOf(made)];
    const data = pattern(700_000);
    for (let at = 0; at < data.length; at += 300_000) {
      const part = data.subarray(at, at + 300_000);
      expect(writtenOf(f.write(node, handle, at + 5000, part))).toBe(part.length);
    }
    const whole = new Uint8Array(data.length + 5000);
    whole.set(data, 5000);
    for (const [offset, size] of [
      [0, 1],
      [0, 4096],
      [4999, 2],
      [0, 16 * 1024],
      [3, 16 * 1024 + 1],
      [0, 1 << 20],
      [whole.length - 7, 4096],
      [whole.length - 100_000, 1 << 20],
      [whole.length, 4096],
      [whole.length + 1, 1 << 20],
    ] as const) {
      const { status, bytes } = f.read(node, handle, offset, size);
      expect(status).toBe("ok");
      expect(Buffer.compare(bytes, whole.subarray(offset, offset + size))).toBe(0);
    }
  });

  test("a READ in many pieces is one answer", () => {
    const f = new Files(personality);
    const [a, b] = [f.create("a"), f.create("b")];
    // By turns, so that no two blocks of a file are neighbours.
    for (let block = 0; block < 64; block++) {
      for (const file of [a, b]) {
        f.write(nodeidOf(file), handleOf(file), block * 4096, pattern(4096, block));
      }
    }
    const { bytes } = f.read(nodeidOf(a), handleOf(a), 0, 1 << 20);
    expect(bytes.length).toBe(64 * 4096);
    for (let block = 0; block < 64; block++) {
      const part = bytes.subarray(block * 4096, (block + 1) * 4096);
      expect(Buffer.compare(part, pattern(4096, block))).toBe(0);
    }
  });

  test("the kernel's position counts, O_APPEND or not", () => {
    const f = new Files(personality);
    const made = f.create("a", O_WRONLY | O_APPEND | O_CREAT);
    const [node, handle] = [nodeidOf(made), handleOf(made)];
    f.write(node, handle, 0, pattern(100));
    f.write(node, handle, 100, pattern(100, 2));
    // A page that the kernel writes back comes by whatever handle can write.
    f.write(node, handle, 10, pattern(5, 9), structs.FUSE_WRITE_CACHE);
    expect(f.inode(node).size).toBe(200);
    const reader = handleOf(f.open(node, O_RDONLY));
    const expected = Uint8Array.of(...pattern(100), ...pattern(100, 2));
    expected.set(pattern(5, 9), 10);
    expect([...f.read(node, reader, 0, 4096).bytes]).toEqual([...expected]);
  });

  test("O_TRUNC empties, and set-id bits go where the kernel says so", () => {
    const f = new Files(personality);
    const made = f.create("a");
    const [node, handle] = [nodeidOf(made), handleOf(made)];
    const inode = f.inode(node);
    const user = { uid: 1001, gid: 1001 };
    const setMode = (mode: number) =>
      f.vfs.setattr({ uid: 0, gid: 0, groups: [] }, inode, { mode });
    setMode(0o6755);
    f.write(node, handle, 0, pattern(10), 0, user);
    expect(inode.mode & 0o7777).toBe(0o6755);
    f.write(node, handle, 0, pattern(10), structs.FUSE_WRITE_KILL_SUIDGID, user);
    expect(inode.mode & 0o7777).toBe(0o755);
    setMode(0o6755);
    expect(f.open(node, O_RDWR | O_TRUNC).status).toBe("ok");
    expect([inode.size, inode.mode & 0o7777]).toEqual([0, 0o6755]);
    f.open(node, O_RDWR | O_TRUNC, structs.FUSE_OPEN_KILL_SUIDGID);
    expect(inode.mode & 0o7777).toBe(0o755);
  });

  test("what cannot be is refused", () => {
    const f = new Files(personality);
    const made = f.create("a");
    const [node, handle] = [nodeidOf(made), handleOf(made)];
    expect(f.read(node, 99, 0, 10).status).toBe("EBADF");
    expect(f.read(node, 0, 0, 10).status).toBe("EBADF");
    expect(f.open(999, O_RDONLY).status).toBe("ESTALE");
    const short = record(structs.WRITE_IN, { handle, size: 100 });
    expect(f.kernel.call(op.FUSE_WRITE, node, [short, pattern(99)]).status).toBe("EINVAL");
    expect(f.kernel.call(op.FUSE_READ, node, [pattern(8)]).status).toBe("EINVAL");
    expect(f.write(node, handle, 2 ** 53 - 1, pattern(10)).status).toBe("EFBIG");
    expect(f.create("", O_RDWR | O_CREAT).status).toBe("EINVAL");
    expect(f.create("x".repeat(256), O_RDWR | O_CREAT).status).toBe("ENAMETOOLONG");
    // What the kernel would keep as an error for ever is given for nothing that may go by.
    const { kernel } = f;
    expect(kernel.call(op.FUSE_FLUSH, node, [record(structs.FLUSH_IN, { handle })]).status).toBe(
      "ENOSYS",
    );
    expect(f.write(node, handle, 0, pattern(1)).status).toBe("ok");
  });

  test("a full device writes what fits, then says so", () => {
    const f = new Files(personality);
    const made = f.create("a");
    const [node, handle] = [nodeidOf(made), handleOf(made)];
    const data = pattern(1 << 20);
    let at = 0;
    let answer = f.write(node, handle, at, data);
    for (; answer.status === "ok"; answer = f.write(node, handle, at, data)) {
      at += writtenOf(answer);
      expect(at < 16 * 2 ** 20).toBe(true);
    }
    expect(answer.status).toBe("ENOSPC");
    expect(f.inode(node).size).toBe(at);
    const last = f.read(node, handle, at - 4096, 4096).bytes;
    const from = (at - 4096) % data.length;
    expect(Buffer.compare(last, data.subarray(from, from + 4096))).toBe(0);
  });

  test("a file without a name goes with its handle, or gets one", () => {
    const f = new Files(personality);
    const body = record(structs.CREATE_IN, { flags: O_RDWR, mode: S_IFREG | 0o600 });
    const made = f.kernel.call(op.FUSE_TMPFILE, ROOT, [body, named("/")]);
    expect(made.status).toBe("ok");
    const [node, handle] = [nodeidOf(made), handleOf(made)];
    f.write(node, handle, 0, pattern(10_000));
    expect(f.inode(node).nlink).toBe(0);
    expect(f.vfs.census().openFiles).toBe(1);
    f.release(node, handle);
    expect(f.inode(node).size).toBe(10_000);
    f.kernel.connection.nodes.forget(node, 1);
    expect(f.vfs.census().referenced).toBe(1);
    expect(() => f.vfs.iget(node as never)).toThrow(/ESTALE/);
  });

  test("handles are given back, and what is still held at the end, too", () => {
    const f = new Files(personality);
    const made = f.create("a");
    const node = nodeidOf(made);
    const handles = [0, 1, 2, 3].map(() => handleOf(f.open(node, O_RDONLY)));
    expect(new Set([handleOf(made), ...handles]).size).toBe(5);
    expect(f.release(node, handles[1]!).status).toBe("ok");
    expect(f.read(node, handles[1]!, 0, 1).status).toBe("EBADF");
    expect(f.release(node, handles[1]!).status).toBe("EBADF");
    expect(handleOf(f.open(node, O_RDONLY))).toBe(handles[1]);
    expect(f.vfs.census().openFiles).toBe(5);
    f.kernel.connection.files.closeAll();
    expect(f.vfs.census().openFiles).toBe(0);
  });

  test("FSYNC makes it durable", () => {
    const f = new Files(personality);
    const made = f.create("a");
    const [node, handle] = [nodeidOf(made), handleOf(made)];
    f.write(node, handle, 0, pattern(10));
    for (const fsyncFlags of [0, structs.FUSE_FSYNC_FDATASYNC]) {
      const body = record(structs.FSYNC_IN, { handle, fsyncFlags });
      expect(f.kernel.call(op.FUSE_FSYNC, node, [body]).status).toBe("ok");
    }
    expect(f.inode(node).timesDirty).toBe(false);
    const gone = record(structs.FSYNC_IN, { handle: 77 });
    expect(f.kernel.call(op.FUSE_FSYNC, node, [gone]).status).toBe("EBADF");
  });
});
