/** Proves the ioctls that reach a FUSE server: flags, project, generation, extents, and ENOTTY. */
import {
  FALLOC_FL_KEEP_SIZE,
  FIEMAP_EXTENT_LAST,
  FIEMAP_EXTENT_UNWRITTEN,
  INODE_IMMUTABLE,
  INODE_NODUMP,
  O_RDWR,
  ROOT as SUPERUSER,
} from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { describe, expect, test } from "vitest";
import * as structs from "../protocol/file-structs.ts";
import { FUSE_IOCTL } from "../protocol/opcodes.ts";
import { Files, pattern, ROOT } from "../testing-files.ts";
import { record } from "../testing.ts";
import { XIP_IOC_EXTENTS } from "./ioctl.ts";

const GETFLAGS = 0x80086601;
const SETFLAGS = 0x40086602;
const GETVERSION = 0x80087601;
const FSGETXATTR = 0x801c581f;
const FSSETXATTR = 0x401c5820;
const EXTENT_FLAG = 0x80000;
const PAGE = 4096;
const NOTHING = new Uint8Array();

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** `node` is asked with `input`, and gives up to `outSize` bytes. */
function ask(
  f: Files,
  node: number,
  command: number,
  outSize: number,
  input: Uint8Array = NOTHING,
) {
  const head = record(structs.IOCTL_IN, { command, inSize: input.length, outSize });
  const answer = f.kernel.call(FUSE_IOCTL, node, [head, input]);
  const data = answer.bytes.subarray(structs.IOCTL_OUT_SIZE);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return { status: answer.status, data, view };
}

describe.each([plain, ext4])("$name: ioctl", (personality) => {
  test("chattr sets flags, and writes back those that it cannot set", () => {
    const f = new Files(personality);
    const { node } = f.file("a");
    const before = ask(f, node, GETFLAGS, 4).view.getUint32(0, true);
    expect((before & EXTENT_FLAG) !== 0).toBe(personality === ext4);
    expect(ask(f, node, SETFLAGS, 0, u32(before | INODE_IMMUTABLE)).status).toBe("ok");
    expect(ask(f, node, GETFLAGS, 8).view.getUint32(0, true)).toBe(before | INODE_IMMUTABLE);
    expect(f.open(node, O_RDWR).status).toBe("EPERM");
    expect(ask(f, node, SETFLAGS, 0, u32(before)).status).toBe("ok");
    expect(f.open(node, O_RDWR).status).toBe("ok");
    expect(ask(f, node, SETFLAGS, 0, u32(before | 0x4)).status).toBe("EOPNOTSUPP");
    expect(ask(f, node, SETFLAGS, 0, new Uint8Array(2)).status).toBe("EINVAL");
    expect(ask(f, ROOT, GETFLAGS, 4).status).toBe("ok");
  });

  test("struct fsxattr has the same flags, and the project", () => {
    const f = new Files(personality);
    const { node } = f.file("a");
    const inode = f.inode(node);
    const hasNodump = (f.vfs.getFlags(inode).settable & INODE_NODUMP) !== 0;
    const attributes = ask(f, node, FSGETXATTR, 28);
    expect(attributes.data.length).toBe(28);
    const wanted = new Uint8Array(attributes.data);
    wanted[0] = 0x8 | (hasNodump ? 0x80 : 0);
    expect(ask(f, node, FSSETXATTR, 0, wanted).status).toBe("ok");
    const flags = INODE_IMMUTABLE | (hasNodump ? INODE_NODUMP : 0);
    expect(f.vfs.getFlags(inode).flags).toBe(flags);
    expect(Array.from(ask(f, node, FSGETXATTR, 28).data)).toEqual(Array.from(wanted));
    wanted[0] = 0;
    wanted[12] = 42;
    // The designs lack projects, or this image has no place for them: nothing is changed then.
    expect(ask(f, node, FSSETXATTR, 0, wanted).status).toBe("EOPNOTSUPP");
    expect([inode.projectId, f.vfs.getFlags(inode).flags]).toEqual([0, flags]);
    expect(ask(f, node, FSSETXATTR, 0, new Uint8Array(27)).status).toBe("EINVAL");
    expect(ask(f, node, FSGETXATTR, 27).status).toBe("EINVAL");
  });

  test("the generation is an int, however long the command says it is", () => {
    const f = new Files(personality);
    const { node } = f.file("a");
    const { data, view } = ask(f, node, GETVERSION, 8);
    expect([data.length, view.getUint32(0, true)]).toEqual([4, f.inode(node).generation]);
  });

  test("XIP_IOC_EXTENTS lists extents, as many as fit", () => {
    const f = new Files(personality);
    const { node, handle } = f.file("a");
    const listOf = (start: number, length: number) => {
      const input = new Uint8Array(4096);
      new DataView(input.buffer).setBigUint64(0, BigInt(start), true);
      new DataView(input.buffer).setBigUint64(8, BigInt(length), true);
      const { status, view } = ask(f, node, XIP_IOC_EXTENTS, 4096, input);
      expect(status).toBe("ok");
      const count = view.getUint32(16, true);
      const number = (at: number) => Number(view.getBigUint64(at, true));
      const extents = Array.from({ length: count }, (_, index) => {
        const at = 32 + index * 32;
        const flags = view.getUint32(at + 24, true);
        return { logical: number(at), physical: number(at + 8), length: number(at + 16), flags };
      });
      return { extents, more: view.getUint32(20, true) };
    };
    expect(listOf(0, 100)).toEqual({ extents: [], more: 0 });
    for (let block = 0; block < 260; block += 2) f.write(node, handle, block * PAGE, pattern(PAGE));
    const file = f.kernel.connection.files.get(handle);
    f.vfs.fallocate(SUPERUSER, file, FALLOC_FL_KEEP_SIZE, 300 * PAGE, PAGE);
    f.vfs.fsync(file, false);
    const all = f.vfs.fiemap(f.inode(node), 0, Number.MAX_SAFE_INTEGER);
    expect(all.length).toBe(131);
    expect(listOf(0, Number.MAX_SAFE_INTEGER)).toEqual({ extents: all.slice(0, 127), more: 1 });
    const rest = listOf(127 * 2 * PAGE, 200 * PAGE);
    expect(rest).toEqual({ extents: all.slice(127), more: 0 });
    expect(rest.extents.at(-1)!.flags).toBe(FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_UNWRITTEN);
    expect(ask(f, ROOT, XIP_IOC_EXTENTS, 4096, new Uint8Array(4096)).status).toBe("EOPNOTSUPP");
    expect(ask(f, node, XIP_IOC_EXTENTS, 4095, new Uint8Array(4096)).status).toBe("EINVAL");
  });

  test("what nobody knows is ENOTTY, and what is cut short is refused", () => {
    const f = new Files(personality);
    const { node } = f.file("a");
    expect(ask(f, node, 0x5413, 0).status).toBe("ENOTTY");
    const head = record(structs.IOCTL_IN, { command: SETFLAGS, inSize: 100 });
    expect(f.kernel.call(FUSE_IOCTL, node, [head, u32(0)]).status).toBe("EINVAL");
    expect(ask(f, 999, GETFLAGS, 4).status).toBe("ESTALE");
  });
});
