/** Proves the two questions of GETXATTR and LISTXATTR (how long, and what), lists as attributes. */
import {
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_UNDEFINED_ID,
  ACL_USER,
  ACL_USER_OBJ,
  formatAcl,
} from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { expect, test } from "vitest";
import { ATTR, ATTR_HEAD_SIZE } from "../protocol/attributes.ts";
import { FUSE_SETXATTR_EXT } from "../protocol/init.ts";
import { MKNOD_IN } from "../protocol/names.ts";
import * as opcodes from "../protocol/opcodes.ts";
import * as protocol from "../protocol/xattrs.ts";
import { freshMount, named, nodeidOf, OFFERED, record, TestKernel, textOf } from "../testing.ts";

class Xattrs extends TestKernel {
  file = (name: string, mode = 0o100644) =>
    nodeidOf(this.call(opcodes.FUSE_MKNOD, 1, [record(MKNOD_IN, { mode }), named(name)]));
  get = (node: number, name: string, size: number, uid = 0) =>
    this.call(opcodes.FUSE_GETXATTR, node, [record(protocol.GETXATTR_IN, { size }), named(name)], {
      uid,
    });
  list = (node: number, size: number) =>
    this.call(opcodes.FUSE_LISTXATTR, node, [record(protocol.GETXATTR_IN, { size })]);
  set = (node: number, name: string, value: Uint8Array, flags = 0, setxattrFlags = 0) =>
    this.call(opcodes.FUSE_SETXATTR, node, [
      record(protocol.SETXATTR_IN, { size: value.length, flags }),
      record(protocol.SETXATTR_EXT, { setxattrFlags }),
      named(name),
      value,
    ]);
  remove = (node: number, name: string) => this.call(opcodes.FUSE_REMOVEXATTR, node, [named(name)]);
}

function begin(): { kernel: Xattrs; file: number } {
  const kernel = new Xattrs(freshMount(ext4));
  kernel.start();
  return { kernel, file: kernel.file("file") };
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const sizeIn = ({ view }: { view: DataView }): number => protocol.GETXATTR_OUT.size.get(view, 0);

test("set, asked for, listed, removed", () => {
  const { kernel, file } = begin();
  expect(kernel.get(file, "user.a", 0).status).toBe("ENODATA");
  expect(kernel.set(file, "user.a", bytesOf("value")).status).toBe("ok");
  expect(kernel.set(file, "user.b", new Uint8Array()).status).toBe("ok");
  expect(sizeIn(kernel.get(file, "user.a", 0))).toBe(5);
  expect(kernel.get(file, "user.a", 4).status).toBe("ERANGE");
  expect(textOf(kernel.get(file, "user.a", 5))).toBe("value");
  expect(textOf(kernel.get(file, "user.b", 9))).toBe("");
  expect(sizeIn(kernel.list(file, 0))).toBe(14);
  expect(kernel.list(file, 13).status).toBe("ERANGE");
  expect(textOf(kernel.list(file, 14)).split("\0").toSorted()).toEqual(["", "user.a", "user.b"]);
  expect(kernel.set(file, "user.a", bytesOf("x"), 1).status).toBe("EEXIST");
  expect(kernel.set(file, "user.c", bytesOf("x"), 2).status).toBe("ENODATA");
  expect(kernel.remove(file, "user.a").status).toBe("ok");
  expect(kernel.remove(file, "user.a").status).toBe("ENODATA");
});

test("names that are too long, strange or empty", () => {
  const { kernel, file } = begin();
  expect(kernel.set(file, `user.${"n".repeat(250)}`, bytesOf("x")).status).toBe("ok");
  expect(kernel.set(file, `user.${"n".repeat(251)}`, bytesOf("x")).status).toBe("ERANGE");
  expect(kernel.get(file, "", 0).status).toBe("ERANGE");
  expect(kernel.get(file, "other.a", 0).status).toBe("EOPNOTSUPP");
  expect(kernel.get(file, "user.", 0).status).toBe("EINVAL");
});

test("a value that is not there entirely is malformed", () => {
  const { kernel, file } = begin();
  const head = record(protocol.SETXATTR_IN, { size: 6 });
  const rest = record(protocol.SETXATTR_EXT, {});
  const short = [head, rest, named("user.a"), bytesOf("value")];
  expect(kernel.call(opcodes.FUSE_SETXATTR, file, short).status).toBe("EINVAL");
  expect(kernel.get(file, "user.a", 0).status).toBe("ENODATA");
});

test("the short form of SETXATTR, from kernels that know no other", () => {
  const { kernel, file } = begin();
  kernel.start(OFFERED & ~FUSE_SETXATTR_EXT);
  const head = record(protocol.SETXATTR_IN, { size: 1 });
  const body = [head, named("user.a"), bytesOf("v")];
  expect(kernel.call(opcodes.FUSE_SETXATTR, file, body).status).toBe("ok");
  expect(textOf(kernel.get(file, "user.a", 9))).toBe("v");
});

test("an access list sets the mode, and takes the set-gid bit where the kernel says so", () => {
  const { kernel } = begin();
  const file = kernel.file("shared", 0o102750);
  const acl = formatAcl([
    { tag: ACL_USER_OBJ, perm: 7, id: ACL_UNDEFINED_ID },
    { tag: ACL_USER, perm: 6, id: 1000 },
    { tag: ACL_GROUP_OBJ, perm: 5, id: ACL_UNDEFINED_ID },
    { tag: ACL_MASK, perm: 6, id: ACL_UNDEFINED_ID },
    { tag: ACL_OTHER, perm: 0, id: ACL_UNDEFINED_ID },
  ]);
  const modeOf = (): string => {
    const { view } = kernel.call(opcodes.FUSE_GETATTR, file);
    return (ATTR.mode.get(view, ATTR_HEAD_SIZE) & 0o7777).toString(8);
  };
  expect(kernel.set(file, "system.posix_acl_access", acl).status).toBe("ok");
  expect(modeOf()).toBe("2760");
  expect(kernel.get(file, "system.posix_acl_access", 200).bytes).toEqual(acl);
  const kill = protocol.FUSE_SETXATTR_ACL_KILL_SGID;
  expect(kernel.set(file, "system.posix_acl_access", acl, 0, kill).status).toBe("ok");
  expect(modeOf()).toBe("760");
  expect(kernel.get(file, "system.posix_acl_access", 200).bytes).toEqual(acl);
  const garbage = kernel.set(file, "system.posix_acl_access", bytesOf("x"));
  expect(garbage.status).toBe("EINVAL");
});

test("trusted attributes are root's, to see and to list", () => {
  const { kernel, file } = begin();
  expect(kernel.set(file, "trusted.a", bytesOf("x")).status).toBe("ok");
  expect(textOf(kernel.list(file, 100))).toBe("trusted.a\0");
  const asUser = kernel.call(
    opcodes.FUSE_LISTXATTR,
    file,
    [record(protocol.GETXATTR_IN, { size: 100 })],
    { uid: 5 },
  );
  expect(textOf(asUser)).toBe("");
});

test("a design without attributes says so once and for all", () => {
  const kernel = new Xattrs(freshMount(plain));
  kernel.start();
  const file = kernel.file("file");
  expect(plain.capabilities.xattrs).not.toBe(true);
  expect(kernel.get(file, "user.a", 0).status).toBe("ENOSYS");
  expect(kernel.list(file, 0).status).toBe("ENOSYS");
  expect(kernel.set(file, "user.a", bytesOf("x")).status).toBe("ENOSYS");
  expect(kernel.remove(file, "user.a").status).toBe("ENOSYS");
});
