/** Proves what attributes the kernel sees, and what each bit of SETATTR does to them. */
import {
  type Clock,
  INODE_IMMUTABLE,
  INODE_NODUMP,
  type Name,
  type Personality,
  ROOT,
  type Vfs,
} from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { describe, expect, test } from "vitest";
import * as protocol from "../protocol/attributes.ts";
import { ACCESS_IN, KSTATFS } from "../protocol/directories.ts";
import { FUSE_WRITE_KILL_SUIDGID, OPEN_IN, OPEN_OUT, WRITE_IN } from "../protocol/file-structs.ts";
import { MKNOD_IN } from "../protocol/names.ts";
import { FUSE_NOTIFY_INVAL_INODE, INVAL_INODE } from "../protocol/notifications.ts";
import * as opcodes from "../protocol/opcodes.ts";
import { OUT_HEADER } from "../protocol/structs.ts";
import { type Answer, freshMount, named, nodeidOf, record, TestKernel } from "../testing.ts";

const { ATTR, STATX } = protocol;
const AT = protocol.ATTR_HEAD_SIZE;

class Attributes extends TestKernel {
  mknod = (name: string, mode: number, rdev = 0) =>
    nodeidOf(
      this.call(opcodes.FUSE_MKNOD, 1, [record(MKNOD_IN, { mode, rdev }), named(name)], { uid: 7 }),
    );
  get = (node: number) => this.call(opcodes.FUSE_GETATTR, node);
  set = (node: number, values: Record<string, number>, uid = 0) =>
    this.call(opcodes.FUSE_SETATTR, node, [record(protocol.SETATTR_IN, values)], { uid });
  statx = (node: number) => this.call(opcodes.FUSE_STATX, node, [record(protocol.STATX_IN, {})]);
}

function begin(personality: Personality): { vfs: Vfs; kernel: Attributes; file: number } {
  const vfs = freshMount(personality);
  const kernel = new Attributes(vfs);
  kernel.start();
  return { vfs, kernel, file: kernel.mknod("file", 0o106755) };
}

const modeOf = ({ view }: Answer): string => (ATTR.mode.get(view, AT) & 0o7777).toString(8);

describe.each([plain, ext4])("$name", (personality) => {
  test("GETATTR", () => {
    const { vfs, kernel, file } = begin(personality);
    const { bytes, view } = kernel.get(file);
    expect(bytes.length).toBe(104);
    expect(protocol.ATTR_HEAD.validSec.get(view, 0)).toBe(3600);
    expect(ATTR.ino.get(view, AT)).toBe(file);
    expect(ATTR.mode.get(view, AT)).toBe(0o106755);
    expect(ATTR.nlink.get(view, AT)).toBe(1);
    expect(ATTR.uid.get(view, AT)).toBe(7);
    expect(ATTR.blksize.get(view, AT)).toBe(4096);
    expect(ATTR.ino.get(kernel.get(1).view, AT)).toBe(vfs.root.ino);
    expect(kernel.get(999).status).toBe("ESTALE");
    expect(kernel.get(0).status).toBe("ESTALE");
  });

  test("SETATTR: mode, owner, and what goes with them", () => {
    const { kernel, file } = begin(personality);
    expect(modeOf(kernel.set(file, { valid: protocol.FATTR_MODE, mode: 0o104711 }))).toBe("4711");
    const owned = kernel.set(file, {
      valid: protocol.FATTR_UID | protocol.FATTR_GID | protocol.FATTR_KILL_SUIDGID,
      uid: 11,
      gid: 12,
    });
    expect([ATTR.uid.get(owned.view, AT), ATTR.gid.get(owned.view, AT)]).toEqual([11, 12]);
    expect(modeOf(owned)).toBe("711");
    const group = kernel.set(file, { valid: protocol.FATTR_GID, gid: 13 });
    expect([ATTR.uid.get(group.view, AT), ATTR.gid.get(group.view, AT)]).toEqual([11, 13]);
  });

  test("SETATTR: a new size takes set-id bits away where the kernel says so", () => {
    const { kernel, file } = begin(personality);
    const grown = kernel.set(file, { valid: protocol.FATTR_SIZE, size: 10_000 });
    expect(ATTR.size.get(grown.view, AT)).toBe(10_000);
    expect(modeOf(grown)).toBe("6755");
    const valid = protocol.FATTR_SIZE | protocol.FATTR_KILL_SUIDGID;
    expect(modeOf(kernel.set(file, { valid, size: 10 }, 9))).toBe("755");
    expect(kernel.set(1, { valid: protocol.FATTR_SIZE, size: 1 }).status).toBe("EISDIR");
    expect(kernel.set(file, { valid: protocol.FATTR_SIZE, size: 2 ** 52 }).status).toBe("EFBIG");
  });

  test("SETATTR: times given, now, and of before the epoch", () => {
    const { kernel, file } = begin(personality);
    const times = protocol.FATTR_ATIME | protocol.FATTR_MTIME;
    const set = kernel.set(file, {
      valid: times,
      atimeSec: -5,
      atimeNsec: 6,
      mtimeSec: 2_000_000_000,
      mtimeNsec: 8,
    });
    expect(ATTR.atimeSec.get(set.view, AT)).toBe(-5);
    expect(ATTR.mtimeSec.get(set.view, AT)).toBe(2_000_000_000);
    expect(ATTR.mtimeNsec.get(set.view, AT)).toBe(8);
    const now = kernel.set(file, { valid: protocol.FATTR_MTIME | protocol.FATTR_MTIME_NOW });
    expect(ATTR.mtimeSec.get(now.view, AT)).toBe(ATTR.ctimeSec.get(now.view, AT));
    expect(ATTR.atimeSec.get(now.view, AT)).toBe(-5);
    const wrong = kernel.set(file, { valid: protocol.FATTR_ATIME, atimeNsec: 1_000_000_000 });
    expect(wrong.status).toBe("EINVAL");
  });

  test("SETATTR: ftruncate moves the times though the size stays, truncate does not", () => {
    const { kernel, file } = begin(personality);
    const at = (answer: Answer) => [
      ATTR.mtimeSec.get(answer.view, AT),
      ATTR.mtimeNsec.get(answer.view, AT),
    ];
    const before = at(kernel.get(file));
    expect(at(kernel.set(file, { valid: protocol.FATTR_SIZE }))).toEqual(before);
    const byHandle = kernel.set(file, { valid: protocol.FATTR_SIZE | protocol.FATTR_FH });
    expect(at(byHandle)).not.toEqual(before);
  });

  test("SETATTR of nothing is a chown to nobody else: ctime moves, set-id bits go", () => {
    const { kernel, file } = begin(personality);
    const before = ATTR.ctimeNsec.get(kernel.get(file).view, AT);
    const after = kernel.set(file, { valid: protocol.FATTR_KILL_SUIDGID });
    expect(ATTR.ctimeNsec.get(after.view, AT)).not.toBe(before);
    expect(modeOf(after)).toBe("755");
  });

  test("STATFS", () => {
    const { vfs, kernel } = begin(personality);
    const { view, bytes } = kernel.call(opcodes.FUSE_STATFS, 1);
    const stat = vfs.statfs();
    expect(bytes.length).toBe(80);
    expect(KSTATFS.blocks.get(view, 0)).toBe(stat.blocks);
    expect(KSTATFS.blocksAvailable.get(view, 0)).toBe(stat.blocksAvailable);
    expect(KSTATFS.filesFree.get(view, 0)).toBe(stat.filesFree);
    expect(KSTATFS.nameMax.get(view, 0)).toBe(255);
    expect(KSTATFS.fragmentSize.get(view, 0)).toBe(stat.blockSize);
  });

  test("ACCESS was decided by the kernel, but for what it cannot know", () => {
    const { vfs, kernel, file } = begin(personality);
    const access = (mask: number) =>
      kernel.call(opcodes.FUSE_ACCESS, file, [record(ACCESS_IN, { mask })], { uid: 9 }).status;
    expect(access(6)).toBe("ok");
    expect(access(64)).toBe("EINVAL");
    const inode = vfs.find(vfs.root, "file" as Name)!;
    vfs.setFlags(ROOT, inode, INODE_IMMUTABLE);
    expect(access(2)).toBe("EPERM");
    expect(kernel.set(file, { valid: protocol.FATTR_MODE, mode: 0 }).status).toBe("EPERM");
    vfs.forget(inode);
  });

  test("SYNCFS", () => {
    const { kernel } = begin(personality);
    expect(kernel.call(opcodes.FUSE_SYNCFS, 1).status).toBe("ok");
  });
});

test("STATX tells of birth, flags and devices too", () => {
  const { vfs, kernel, file } = begin(ext4);
  const inode = vfs.find(vfs.root, "file" as Name)!;
  vfs.setFlags(ROOT, inode, INODE_NODUMP);
  const { bytes, view } = kernel.statx(file);
  expect(bytes.length).toBe(288);
  const at = protocol.STATX_HEAD_SIZE;
  expect(STATX.mask.get(view, at)).toBe(0xfff);
  expect(STATX.ino.get(view, at)).toBe(inode.ino);
  expect(STATX.mode.get(view, at)).toBe(0o106755);
  expect(STATX.btimeSec.get(view, at)).toBe(inode.btimeSec);
  expect(STATX.btimeNsec.get(view, at)).toBe(inode.btimeNsec);
  expect(STATX.attributes.get(view, at)).toBe(protocol.STATX_ATTR_NODUMP);
  const mask = STATX.attributesMask.get(view, at);
  expect(mask).toBe(
    protocol.STATX_ATTR_IMMUTABLE | protocol.STATX_ATTR_APPEND | protocol.STATX_ATTR_NODUMP,
  );
  vfs.forget(inode);
  const disk = kernel.statx(kernel.mknod("disk", 0o060600, 0x123_008_45)).view;
  expect(STATX.rdevMajor.get(disk, at)).toBe(8);
  expect(STATX.rdevMinor.get(disk, at)).toBe(0x12345);
});

test("a write that takes set-id bits away has the kernel ask for the attributes again", () => {
  const { kernel, file } = begin(ext4);
  const opened = kernel.call(opcodes.FUSE_OPEN, file, [record(OPEN_IN, { flags: 1 })]);
  const handle = OPEN_OUT.handle.get(opened.view, 0);
  const write = (writeFlags: number) => {
    const head = record(WRITE_IN, { handle, size: 1, writeFlags });
    kernel.call(opcodes.FUSE_WRITE, file, [head, Uint8Array.of(1)], { uid: 9 });
    return kernel.notifications.splice(0);
  };
  expect(write(0)).toEqual([]);
  const [view] = write(FUSE_WRITE_KILL_SUIDGID) as [DataView];
  expect(OUT_HEADER.length.get(view, 0)).toBe(40);
  expect(OUT_HEADER.error.get(view, 0)).toBe(FUSE_NOTIFY_INVAL_INODE);
  expect(INVAL_INODE.nodeid.get(view, 16)).toBe(file);
  expect(INVAL_INODE.offset.get(view, 16)).toBe(-1);
  expect(modeOf(kernel.get(file))).toBe("755");
  expect(write(FUSE_WRITE_KILL_SUIDGID)).toEqual([]);
});

test("a change after the kernel was shown the times has one of its own, within one tick", () => {
  let nsec = 0;
  const clock: Clock = {
    now: () => ({ sec: 2_000_000_000, nsec: ++nsec * 1000 }),
    tick: () => ({ sec: 2_000_000_000, nsec: 0 }),
  };
  const vfs = freshMount(plain, {}, { clock });
  const kernel = new Attributes(vfs);
  kernel.start();
  const file = kernel.mknod("file", 0o100644);
  const handle = OPEN_OUT.handle.get(
    kernel.call(opcodes.FUSE_OPEN, file, [record(OPEN_IN, { flags: 1 })]).view,
    0,
  );
  const write = () =>
    kernel.call(opcodes.FUSE_WRITE, file, [
      record(WRITE_IN, { handle, size: 1 }),
      Uint8Array.of(1),
    ]);
  const mtime = () => ATTR.mtimeNsec.get(kernel.get(file).view, AT);
  write();
  const shown = mtime();
  write();
  const next = mtime();
  expect(next).toBeGreaterThan(shown);
  kernel.call(opcodes.FUSE_LOOKUP, 1, [named("file")]);
  write();
  expect(mtime()).toBeGreaterThan(next);
});
