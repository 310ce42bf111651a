/** Extended attributes: namespaces, flags, limits. */
import { describe, expect, test } from "vitest";
import { S_IFIFO, XATTR_CREATE, XATTR_REPLACE } from "../spec/mode.ts";
import { Task } from "./task.ts";
import { codeOf, mountMemory, n, writeFile } from "./testing.ts";

function setUp(parts = {}) {
  const { vfs } = mountMemory(parts);
  const task = new Task(vfs);
  writeFile(task, "/f");
  return { task, user: new Task(vfs, { credentials: { uid: 7, gid: 7, groups: [] } }) };
}

const value = new Uint8Array([1, 2, 3]);

describe("extended attributes", () => {
  test("are set, read, listed and removed", () => {
    const { task } = setUp();
    task.setxattr(n("/f"), n("user.a"), value);
    task.setxattr(n("/f"), n("user.b"), new Uint8Array(0));
    expect(task.getxattr(n("/f"), n("user.a"))).toEqual(value);
    expect(task.listxattr(n("/f"))).toEqual(["user.a", "user.b"]);
    task.removexattr(n("/f"), n("user.a"));
    expect(task.listxattr(n("/f"))).toEqual(["user.b"]);
    expect(codeOf(() => task.getxattr(n("/f"), n("user.a")))).toBe("ENODATA");
    expect(codeOf(() => task.removexattr(n("/f"), n("user.a")))).toBe("ENODATA");
  });

  test("obey CREATE and REPLACE", () => {
    const { task } = setUp();
    const set = (flags: number) => codeOf(() => task.setxattr(n("/f"), n("user.a"), value, flags));
    expect(set(XATTR_REPLACE)).toBe("ENODATA");
    expect(set(XATTR_CREATE)).toBe("ok");
    expect(set(XATTR_CREATE)).toBe("EEXIST");
    expect(set(XATTR_REPLACE)).toBe("ok");
    expect(set(4)).toBe("EINVAL");
  });

  test("have names in a namespace, of at most 255 bytes, and at most 64 KiB", () => {
    const { task } = setUp();
    const set = (name: string, bytes = value) =>
      codeOf(() => task.setxattr(n("/f"), n(name), bytes));
    expect(set("")).toBe("ERANGE");
    expect(set(`user.${"x".repeat(251)}`)).toBe("ERANGE");
    expect(set(`user.${"x".repeat(250)}`)).toBe("ok");
    expect(set("user.")).toBe("EINVAL");
    expect(set("other.a")).toBe("EOPNOTSUPP");
    expect(set("plain")).toBe("EOPNOTSUPP");
    expect(set("system.posix_acl_access")).toBe("EINVAL");
    expect(set("user.big", new Uint8Array(65_536))).toBe("ok");
    expect(set("user.big", new Uint8Array(65_537))).toBe("E2BIG");
    expect(codeOf(() => task.getxattr(n("/f"), n("system.a")))).toBe("EOPNOTSUPP");
  });

  test("of users take the permissions of the file; others are root's", () => {
    const { task, user } = setUp();
    for (const name of ["user.a", "trusted.a", "security.a"]) {
      task.setxattr(n("/f"), n(name), value);
      expect(codeOf(() => user.setxattr(n("/f"), n(name), value))).toBe(
        name === "user.a" ? "EACCES" : "EPERM",
      );
    }
    expect(codeOf(() => user.getxattr(n("/f"), n("user.a")))).toBe("ok");
    expect(codeOf(() => user.getxattr(n("/f"), n("security.a")))).toBe("ok");
    expect(codeOf(() => user.getxattr(n("/f"), n("trusted.a")))).toBe("ENODATA");
    expect(user.listxattr(n("/f"))).toEqual(["user.a", "security.a"]);
    task.chmod(n("/f"), 0o602);
    expect(codeOf(() => user.getxattr(n("/f"), n("user.a")))).toBe("EACCES");
    expect(codeOf(() => user.setxattr(n("/f"), n("user.a"), value))).toBe("ok");
    task.mkdir(n("/d"));
    task.chmod(n("/d"), 0o1777);
    expect(codeOf(() => user.setxattr(n("/d"), n("user.a"), value))).toBe("EPERM");
    task.chmod(n("/d"), 0o777);
    expect(codeOf(() => user.setxattr(n("/d"), n("user.a"), value))).toBe("ok");
  });

  test("of users are for files and directories alone", () => {
    const { task } = setUp();
    task.symlink(n("f"), n("/l"));
    task.mknod(n("/p"), S_IFIFO | 0o666);
    for (const path of ["/l", "/p"]) {
      expect(codeOf(() => task.setxattr(n(path), n("user.a"), value, 0, false))).toBe("EPERM");
      expect(codeOf(() => task.getxattr(n(path), n("user.a"), false))).toBe("ENODATA");
      expect(codeOf(() => task.setxattr(n(path), n("trusted.a"), value, 0, false))).toBe("ok");
    }
    task.setxattr(n("/l"), n("user.a"), value);
    expect(task.listxattr(n("/f"))).toEqual(["user.a"]);
  });

  test("are refused where the design has none", () => {
    const { task } = setUp({ capabilities: { xattrs: "no room in the inode" } });
    for (const operation of [
      () => task.getxattr(n("/f"), n("user.a")),
      () => task.setxattr(n("/f"), n("user.a"), value),
      () => task.listxattr(n("/f")),
      () => task.removexattr(n("/f"), n("user.a")),
    ]) {
      expect(codeOf(operation)).toBe("EOPNOTSUPP");
    }
  });
});
