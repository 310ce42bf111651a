/** Who may do what: the mode bits, the sticky bit, set-id bits, file flags. */
import { describe, expect, test } from "vitest";
import { INODE_APPEND, INODE_IMMUTABLE } from "../spec/inode.ts";
import {
  O_APPEND,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  R_OK,
  UTIME_NOW,
  UTIME_OMIT,
  W_OK,
  X_OK,
} from "../spec/mode.ts";
import { ROOT } from "./credentials.ts";
import { Task } from "./task.ts";
import { codeOf, mountMemory, n, writeFile } from "./testing.ts";

function setUp() {
  const { vfs, fs } = mountMemory();
  const as = (uid: number, gid: number, ...groups: number[]): Task =>
    new Task(vfs, { credentials: { uid, gid, groups } });
  const root = new Task(vfs, { umask: 0 });
  const flag = (path: string, flags: number): void =>
    vfs.setFlags(ROOT, vfs.lookup(ROOT, vfs.root, n(path)), flags);
  root.chmod(n("/"), 0o777);
  return { vfs, fs, as, root, flag };
}

describe("the mode bits", () => {
  test("of the first class that fits decide, for all 512 modes", () => {
    const { root, as } = setUp();
    writeFile(root, "/f");
    root.chown(n("/f"), 10, 20);
    const classes = [
      { task: as(10, 20), shift: 6 },
      { task: as(11, 20), shift: 3 },
      { task: as(11, 21, 5, 20), shift: 3 },
      { task: as(11, 21, 5), shift: 0 },
    ];
    for (let mode = 0; mode < 0o1000; mode++) {
      root.chmod(n("/f"), mode);
      for (const { task, shift } of classes) {
        for (let mask = 0; mask < 8; mask++) {
          const expected = ((mode >> shift) & mask) === mask ? "ok" : "EACCES";
          expect(codeOf(() => task.access(n("/f"), mask))).toBe(expected);
        }
      }
      const execute = (mode & 0o111) !== 0 ? "ok" : "EACCES";
      expect(codeOf(() => root.access(n("/f"), R_OK | W_OK))).toBe("ok");
      expect(codeOf(() => root.access(n("/f"), X_OK))).toBe(execute);
    }
    expect(codeOf(() => root.access(n("/f"), 8))).toBe("EINVAL");
  });

  test("of a directory: x to pass, r to list, w and x to change", () => {
    const { root, as } = setUp();
    const user = as(10, 10);
    root.mkdir(n("/d"));
    writeFile(root, "/d/f");
    root.chmod(n("/d/f"), 0o666);
    const expected: Record<number, string[]> = {
      0o770: ["EACCES", "EACCES", "EACCES", "EACCES"],
      0o771: ["ok", "EACCES", "EACCES", "ENOENT"],
      0o774: ["EACCES", "ok", "EACCES", "EACCES"],
      0o772: ["EACCES", "EACCES", "EACCES", "EACCES"],
      0o773: ["ok", "EACCES", "ok", "ok"],
    };
    for (const [mode, codes] of Object.entries(expected)) {
      root.chmod(n("/d"), Number(mode));
      expect([
        codeOf(() => user.stat(n("/d/f"))),
        codeOf(() => user.readdir(n("/d"))),
        codeOf(() => user.mkdir(n("/d/new"))),
        codeOf(() => user.rmdir(n("/d/new"))),
      ]).toEqual(codes);
    }
  });

  test("are asked when a file is opened, not afterwards, and not of who makes it", () => {
    const { root, as } = setUp();
    const user = as(10, 10);
    const made = user.open(n("/f"), O_CREAT | O_RDWR, 0o000);
    expect(user.write(made, new Uint8Array(1))).toBe(1);
    expect(codeOf(() => user.open(n("/f"), O_RDONLY))).toBe("EACCES");
    expect(codeOf(() => user.open(n("/f"), O_CREAT | O_RDONLY))).toBe("EACCES");
    root.chmod(n("/f"), 0o644);
    expect(codeOf(() => as(11, 11).open(n("/f"), O_RDONLY | O_TRUNC))).toBe("EACCES");
    expect(codeOf(() => as(11, 11).truncate(n("/f"), 0))).toBe("EACCES");
    expect(user.fstat(made).size).toBe(1);
  });
});

describe("set-id bits", () => {
  test("go when somebody without privileges changes the file", () => {
    const { root, as } = setUp();
    const user = as(10, 10);
    const changes: Array<() => void> = [
      () => user.write(user.open(n("/f"), O_WRONLY), new Uint8Array(1)),
      () => user.truncate(n("/f"), 0),
      () => user.open(n("/f"), O_WRONLY | O_TRUNC),
      () => user.fallocate(user.open(n("/f"), O_WRONLY), 0, 0, 1),
    ];
    for (const change of changes) {
      writeFile(root, "/f", "text");
      root.chown(n("/f"), 99, 99);
      root.chmod(n("/f"), 0o6777);
      change();
      expect(root.stat(n("/f")).mode & 0o7777).toBe(0o777);
      // Without execution for the group the bit means mandatory locking, and stays with a member.
      root.chown(n("/f"), 99, 10);
      root.chmod(n("/f"), 0o2767);
      change();
      expect(root.stat(n("/f")).mode & 0o7777).toBe(0o2767);
      root.chmod(n("/f"), 0o6777);
    }
    root.write(root.open(n("/f"), O_WRONLY), new Uint8Array(1));
    expect(root.stat(n("/f")).mode & 0o7777).toBe(0o6777);
  });

  test("go with chown, also root's, but from no directory", () => {
    const { root, as } = setUp();
    writeFile(root, "/f");
    root.mkdir(n("/d"));
    for (const name of ["/f", "/d"]) {
      root.chmod(n(name), 0o6755);
      root.chown(n(name), -1, -1);
    }
    expect(root.stat(n("/f")).mode & 0o7777).toBe(0o755);
    expect(root.stat(n("/d")).mode & 0o7777).toBe(0o6755);
    root.chown(n("/f"), 10, 10);
    const user = as(10, 10, 30);
    expect(codeOf(() => user.chown(n("/f"), 11, -1))).toBe("EPERM");
    expect(codeOf(() => user.chown(n("/f"), 10, 30))).toBe("ok");
    expect(codeOf(() => user.chown(n("/f"), -1, 31))).toBe("EPERM");
    expect(codeOf(() => as(11, 30).chown(n("/f"), -1, 30))).toBe("EPERM");
  });

  test("of a directory pass on the group; chmod keeps setgid for members alone", () => {
    const { root, as } = setUp();
    root.mkdir(n("/d"));
    root.chown(n("/d"), 0, 50);
    root.chmod(n("/d"), 0o2777);
    const stranger = as(10, 10);
    stranger.mkdir(n("/d/sub"), 0o777);
    expect(root.stat(n("/d/sub"))).toMatchObject({ gid: 50, mode: 0o42755 });
    stranger.close(stranger.open(n("/d/f"), O_CREAT | O_WRONLY, 0o2770));
    expect(root.stat(n("/d/f"))).toMatchObject({ gid: 50, mode: 0o100750 });
    stranger.chmod(n("/d/f"), 0o2770);
    expect(root.stat(n("/d/f")).mode & 0o7777).toBe(0o770);
    const member = as(11, 11, 50);
    member.close(member.open(n("/d/g"), O_CREAT | O_WRONLY, 0o2770));
    expect(root.stat(n("/d/g")).mode & 0o7777).toBe(0o2750);
    expect(codeOf(() => member.chmod(n("/d/f"), 0o777))).toBe("EPERM");
  });
});

test("a sticky directory keeps names for the owners of file and directory", () => {
  const { root, as } = setUp();
  root.mkdir(n("/tmp"), 0o1777);
  root.chown(n("/tmp"), 5, 5);
  const owner = as(10, 10);
  const other = as(11, 11);
  const make = (): void => {
    const file = owner.open(n("/tmp/f"), O_CREAT | O_WRONLY);
    owner.close(file);
  };
  make();
  other.mkdir(n("/tmp/d"));
  expect(codeOf(() => other.unlink(n("/tmp/f")))).toBe("EPERM");
  expect(codeOf(() => other.rename(n("/tmp/f"), n("/tmp/g")))).toBe("EPERM");
  expect(codeOf(() => owner.rename(n("/tmp/d"), n("/tmp/e")))).toBe("EPERM");
  expect(codeOf(() => owner.unlink(n("/tmp/f")))).toBe("ok");
  make();
  expect(codeOf(() => as(5, 5).unlink(n("/tmp/f")))).toBe("ok");
  make();
  expect(codeOf(() => root.unlink(n("/tmp/f")))).toBe("ok");
});

describe("times", () => {
  const now = { sec: 0, nsec: UTIME_NOW };
  const omit = { sec: 0, nsec: UTIME_OMIT };
  const some = { sec: -5, nsec: 999_999_999 };

  test("are set by the owner; to now also by who may write", () => {
    const { root, as } = setUp();
    writeFile(root, "/f");
    root.chmod(n("/f"), 0o666);
    const other = as(10, 10);
    expect(codeOf(() => other.utimens(n("/f"), some, some))).toBe("EPERM");
    expect(codeOf(() => other.utimens(n("/f"), now, omit))).toBe("EPERM");
    expect(codeOf(() => other.utimens(n("/f"), now, now))).toBe("ok");
    root.chmod(n("/f"), 0o644);
    expect(codeOf(() => other.utimens(n("/f"), now, now))).toBe("EACCES");
    expect(codeOf(() => other.utimens(n("/f"), omit, omit))).toBe("ok");
    expect(codeOf(() => other.utimens(n("/absent"), omit, omit))).toBe("ok");
    root.utimens(n("/f"), some, omit);
    expect(root.stat(n("/f"))).toMatchObject({ atimeSec: -5, atimeNsec: 999_999_999 });
    expect(codeOf(() => root.utimens(n("/f"), { sec: 0, nsec: 1e9 }, omit))).toBe("EINVAL");
    expect(codeOf(() => root.utimens(n("/f"), { sec: 0.5, nsec: 0 }, omit))).toBe("EINVAL");
  });
});

describe("file flags", () => {
  test("immutable: nothing changes, not even for root", () => {
    const { root, flag, as, vfs } = setUp();
    writeFile(root, "/f", "text");
    root.mkdir(n("/d"));
    flag("f", INODE_IMMUTABLE);
    flag("d", INODE_IMMUTABLE);
    const now = { sec: 0, nsec: UTIME_NOW };
    for (const operation of [
      () => root.open(n("/f"), O_WRONLY),
      () => root.truncate(n("/f"), 0),
      () => root.chmod(n("/f"), 0),
      () => root.chown(n("/f"), 1, 1),
      () => root.utimens(n("/f"), now, now),
      () => root.unlink(n("/f")),
      () => root.rename(n("/f"), n("/g")),
      () => root.link(n("/f"), n("/g")),
      () => root.setxattr(n("/f"), n("user.a"), new Uint8Array(1)),
      () => root.mkdir(n("/d/new")),
    ]) {
      expect(codeOf(operation)).toBe("EPERM");
    }
    expect(codeOf(() => root.open(n("/f"), O_RDONLY))).toBe("ok");
    const { uid, gid, groups } = as(7, 7).credentials;
    expect(codeOf(() => vfs.setFlags({ uid, gid, groups }, vfs.root, 0))).toBe("EPERM");
    flag("f", 0);
    expect(codeOf(() => root.unlink(n("/f")))).toBe("ok");
  });

  test("append-only: written at the end alone", () => {
    const { root, flag } = setUp();
    writeFile(root, "/f", "text");
    flag("f", INODE_APPEND);
    expect(codeOf(() => root.open(n("/f"), O_WRONLY))).toBe("EPERM");
    expect(codeOf(() => root.open(n("/f"), O_WRONLY | O_APPEND | O_TRUNC))).toBe("EPERM");
    expect(codeOf(() => root.truncate(n("/f"), 0))).toBe("EPERM");
    expect(codeOf(() => root.unlink(n("/f")))).toBe("EPERM");
    const file = root.open(n("/f"), O_WRONLY | O_APPEND);
    expect(root.write(file, new Uint8Array(2))).toBe(2);
    expect(codeOf(() => root.ftruncate(file, 0))).toBe("EPERM");
    expect(root.stat(n("/f")).size).toBe(6);
  });
});
