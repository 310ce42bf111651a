/** Proves FALLOCATE, LSEEK, COPY_FILE_RANGE and BMAP as the kernel asks for them, for every design. */
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  FALLOC_FL_ZERO_RANGE,
  O_RDONLY,
  SEEK_DATA,
  SEEK_HOLE,
} from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { describe, expect, test } from "vitest";
import * as structs from "../protocol/file-structs.ts";
import * as op from "../protocol/opcodes.ts";
import { Files, handleOf, pattern, writtenOf } from "../testing-files.ts";
import { type Answer, record } from "../testing.ts";

const PAGE = 4096;
const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const numberOf = ({ view }: Answer): number => structs.NUMBER_OUT.value.get(view, 0);

describe.each([plain, ext4])("$name: space", (personality) => {
  const setUp = (length = 16 * PAGE) => {
    const f = new Files(personality);
    const { node, handle } = f.file("a", pattern(length));
    const fallocate = (mode: number, offset: number, size: number, who = {}) => {
      const body = record(structs.FALLOCATE_IN, { handle, mode, offset, length: size });
      return f.kernel.call(op.FUSE_FALLOCATE, node, [body], who).status;
    };
    const seek = (offset: number, whence: number) => {
      const answer = f.kernel.call(op.FUSE_LSEEK, node, [
        record(structs.LSEEK_IN, { handle, offset, whence }),
      ]);
      return answer.status === "ok" ? numberOf(answer) : answer.status;
    };
    return { f, node, handle, fallocate, seek };
  };

  test("FALLOCATE: more room, holes, zeros, and what cannot be", () => {
    const { f, node, handle, fallocate } = setUp();
    const inode = f.inode(node);
    expect(fallocate(0, 16 * PAGE, 4 * PAGE)).toBe("ok");
    expect(inode.size).toBe(20 * PAGE);
    expect(fallocate(FALLOC_FL_KEEP_SIZE, 20 * PAGE, 4 * PAGE)).toBe("ok");
    expect(inode.size).toBe(20 * PAGE);
    expect(fallocate(PUNCH, PAGE, 2 * PAGE)).toBe("ok");
    expect(fallocate(FALLOC_FL_ZERO_RANGE, 19 * PAGE, 2 * PAGE)).toBe("ok");
    expect(inode.size).toBe(21 * PAGE);
    const expected = new Uint8Array(21 * PAGE);
    expected.set(pattern(16 * PAGE));
    expected.fill(0, PAGE, 3 * PAGE);
    expect(Buffer.compare(f.read(node, handle, 0, 1 << 20).bytes, expected)).toBe(0);
    expect(fallocate(0, 0, 0)).toBe("EINVAL");
    expect(fallocate(FALLOC_FL_PUNCH_HOLE, 0, PAGE)).toBe("EOPNOTSUPP");
    expect(fallocate(FALLOC_FL_UNSHARE_RANGE, 0, PAGE)).toBe("EOPNOTSUPP");
    expect(fallocate(0, Number.MAX_SAFE_INTEGER, PAGE)).toBe("EFBIG");
    expect(fallocate(0, 0, 2 ** 30)).toBe("ENOSPC");
    const lacks = personality.capabilities.collapseRange !== true;
    expect(fallocate(FALLOC_FL_COLLAPSE_RANGE, PAGE, PAGE)).toBe(lacks ? "EOPNOTSUPP" : "ok");
  });

  test("FALLOCATE of a user takes set-id bits away, of root not", () => {
    const { f, node, fallocate } = setUp();
    const inode = f.inode(node);
    f.vfs.setattr({ uid: 0, gid: 0, groups: [] }, inode, { mode: 0o4755 });
    fallocate(0, 0, PAGE);
    expect(inode.mode & 0o7777).toBe(0o4755);
    fallocate(0, 0, PAGE, { uid: 1001, gid: 1001 });
    expect(inode.mode & 0o7777).toBe(0o755);
  });

  test("LSEEK finds data and holes", () => {
    const { seek, fallocate } = setUp();
    fallocate(PUNCH, 4 * PAGE, 4 * PAGE);
    expect([seek(0, SEEK_DATA), seek(0, SEEK_HOLE)]).toEqual([0, 4 * PAGE]);
    expect([seek(5 * PAGE, SEEK_DATA), seek(5 * PAGE, SEEK_HOLE)]).toEqual([8 * PAGE, 5 * PAGE]);
    expect(seek(9 * PAGE, SEEK_HOLE)).toBe(16 * PAGE);
    expect([seek(16 * PAGE, SEEK_DATA), seek(16 * PAGE, SEEK_HOLE)]).toEqual(["ENXIO", "ENXIO"]);
    expect(seek(0, 9)).toBe("EINVAL");
  });

  test("LSEEK tells nothing of holes where the kernel has data of its own", () => {
    const f = new Files(personality, { cache: "writeback" });
    const { node, handle } = f.file("a", pattern(PAGE));
    const body = record(structs.LSEEK_IN, { handle, whence: SEEK_DATA });
    expect(f.kernel.call(op.FUSE_LSEEK, node, [body]).status).toBe("ENOSYS");
  });

  test("COPY_FILE_RANGE copies, in both of its forms", () => {
    const { f, node, handle } = setUp();
    const target = f.file("b");
    const copy = (opcode: number, values: Record<string, number>) =>
      f.kernel.call(opcode, node, [
        record(structs.COPY_IN, {
          sourceHandle: handle,
          targetNodeid: target.node,
          targetHandle: target.handle,
          ...values,
        }),
      ]);
    const first = copy(op.FUSE_COPY_FILE_RANGE, {
      sourceOffset: 10,
      targetOffset: 5,
      length: 9999,
    });
    expect([first.bytes.length, writtenOf(first)]).toEqual([8, 9999]);
    // A whole file, however long the caller says that it is.
    const rest = copy(op.FUSE_COPY_FILE_RANGE_64, {
      sourceOffset: 10_009,
      targetOffset: 10_004,
      length: Number.MAX_SAFE_INTEGER,
    });
    expect(numberOf(rest)).toBe(16 * PAGE - 10_009);
    const expected = new Uint8Array(16 * PAGE - 5);
    expected.set(pattern(16 * PAGE).subarray(10), 5);
    expect(Buffer.compare(f.read(target.node, target.handle, 0, 1 << 20).bytes, expected)).toBe(0);
    expect(copy(op.FUSE_COPY_FILE_RANGE, { length: 1, flags: 1 }).status).toBe("EINVAL");
    expect(copy(op.FUSE_COPY_FILE_RANGE, { length: 1, sourceHandle: 99 }).status).toBe("EBADF");
    const overlap = { targetHandle: handle, targetOffset: 10, length: 100 };
    expect(copy(op.FUSE_COPY_FILE_RANGE, overlap).status).toBe("EINVAL");
    const reader = handleOf(f.open(target.node, O_RDONLY));
    expect(copy(op.FUSE_COPY_FILE_RANGE, { targetHandle: reader, length: 1 }).status).toBe("EBADF");
  });

  test("BMAP tells where a block is", () => {
    const { f, node, fallocate } = setUp();
    fallocate(PUNCH, 4 * PAGE, 4 * PAGE);
    const bmap = (block: number, blockSize = PAGE) => {
      const answer = f.kernel.call(op.FUSE_BMAP, node, [
        record(structs.BMAP_IN, { block, blockSize }),
      ]);
      return answer.status === "ok" ? numberOf(answer) : answer.status;
    };
    const [extent] = f.vfs.fiemap(f.inode(node), 0, PAGE);
    expect(bmap(1)).toBe((extent!.physical + PAGE) / PAGE);
    expect(bmap(1, 1024)).toBe((extent!.physical + 1024) / 1024);
    expect([bmap(5), bmap(100)]).toEqual([0, 0]);
    expect(bmap(0, 0)).toBe("EINVAL");
  });
});
