/** Step 4: what an inode is: attributes, links, other types than files, files without names. */
import {
  type Ino,
  type Name,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFSOCK,
  S_ISGID,
} from "@xiplab/core";
import { pattern } from "../pattern.ts";
import { USERS } from "../users.ts";
import type { Case, Group } from "./cases.ts";
import { bytesEqual, equal, fails, holds } from "./expect.ts";
import { BLOCK, type Fixture, n } from "./fixture.ts";

const PERMISSIONS = 0o7777;

export const attributeCases: Group<Case> = {
  title: "attributes",
  cases: [
    { name: "mode and owner of a new file", run: newFile },
    { name: "chmod and chown are on the medium", run: chmodChown },
    { name: "times to the nanosecond, before 1970 and after 2038", run: farTimes },
    { name: "which operation moves which time", run: movedTimes },
    { name: "access times: moved by a read where they are old, and kept", run: accessTimes },
    { name: "a write by others than root clears set-user-id", run: writeClearsSuid },
    { name: "chown clears set-user-id", run: chownClearsSuid },
    { name: "set-group-id directories hand their group down", run: setgidDirectory },
    { name: "sticky directories protect names", run: stickyDirectory },
    { name: "permissions bind everybody but root", run: permissions },
    { name: "inodes by number, and generations", run: byNumber },
  ],
};

const modeOf = (f: Fixture, path: string): number => f.stat(path).mode & PERMISSIONS;

function newFile(f: Fixture): void {
  f.task.chmod(n("/"), 0o777);
  const alice = f.as("alice");
  alice.close(alice.open(n("/f"), 0o102, 0o4777));
  alice.mkdir(n("/d"), 0o777);
  equal([modeOf(f, "/f"), modeOf(f, "/d")], [0o4755, 0o755], "create takes mode as it is given");
  const { uid, gid, nlink, size, rdev } = f.stat("/f");
  const expected = [USERS.alice.uid, USERS.alice.gid, 1, 0, 0];
  equal([uid, gid, nlink, size, rdev], expected, "create takes uid and gid from NewInode");
}

function chmodChown(f: Fixture): void {
  f.create("/f");
  f.task.chmod(n("/f"), 0o6751);
  f.remount();
  equal(modeOf(f, "/f"), 0o6751, "updateInode makes the mode durable, all 12 bits");
  f.task.chown(n("/f"), 70_000, 2 ** 31);
  f.remount();
  const { uid, gid } = f.stat("/f");
  equal([uid, gid], [70_000, 2 ** 31], "uid and gid have 32 bits, without a sign");
}

function farTimes(f: Fixture): void {
  const times = [
    [0, 0],
    [-1, 999_999_999],
    // The first second that 32 bits have is cut to whole seconds by some.
    [-(2 ** 31) + 1, 1],
    [2 ** 31, 123_456_789],
    [2 ** 33, 5],
  ] as const;
  for (const [index, [sec, nsec]] of times.entries()) {
    f.create(`/f${index}`);
    f.task.utimens(n(`/f${index}`), { sec: sec + 1, nsec }, { sec, nsec });
  }
  f.remount();
  for (const [index, [sec, nsec]] of times.entries()) {
    const s = f.stat(`/f${index}`);
    const found = [s.atimeSec, s.atimeNsec, s.mtimeSec, s.mtimeNsec];
    equal(found, [sec + 1, nsec, sec, nsec], "times have seconds with a sign beyond 32 bits");
  }
}

function movedTimes(f: Fixture): void {
  f.mkdir("/d");
  f.create("/d/f", pattern(1, 0, 10));
  const moved = (path: string, act: () => void): string[] => {
    const before = f.stat(path);
    f.tick();
    act();
    const after = f.stat(path);
    const names = ["mtimeSec", "ctimeSec", "btimeSec"] as const;
    return names.filter((name) => before[name] !== after[name]);
  };
  const both = ["mtimeSec", "ctimeSec"];
  const file = f.open("/d/f");
  equal(
    moved("/d/f", () => void f.putPattern(file, 1, 0, 4)),
    both,
    "a write moves mtime, ctime",
  );
  equal(
    moved("/d/f", () => void f.get(file, 0, 4)),
    [],
    "a read moves at most atime",
  );
  equal(
    moved("/d/f", () => f.task.ftruncate(file, 4)),
    both,
    "truncate moves mtime and ctime",
  );
  equal(
    moved("/d/f", () => f.task.fchmod(file, 0o600)),
    ["ctimeSec"],
    "chmod moves ctime",
  );
  equal(
    moved("/d", () => f.create("/d/g")),
    both,
    "a new name moves the directory's times",
  );
  equal(
    moved("/d", () => f.task.unlink(n("/d/g"))),
    both,
    "a removed name, too",
  );
  const renamed = moved("/d", () => f.task.rename(n("/d/f"), n("/d/g")));
  equal(renamed, both, "rename moves the directory's times");
  f.tick();
  f.task.rename(n("/d/g"), n("/d/h"));
  const { ctimeSec, mtimeSec } = f.stat("/d/h");
  const isMoved = ctimeSec === f.volume.clock.time.sec && mtimeSec < ctimeSec;
  holds(
    isMoved,
    `ctime ${ctimeSec}, mtime ${mtimeSec}`,
    "rename moves the ctime of the file alone",
  );
}

/** relatime: a read moves atime if it is not younger than mtime and ctime. */
function accessTimes(f: Fixture): void {
  f.create("/f", pattern(1, 0, 100));
  const file = f.open("/f");
  const readAt = (): number => {
    f.tick();
    f.get(file, 0, 10);
    return f.stat("/f").atimeSec;
  };
  const first = readAt();
  equal(first, f.volume.clock.time.sec, "the first read moves atime, which is as old as mtime");
  equal(readAt(), first, "the next one does not");
  f.putPattern(file, 2, 0, 10);
  const second = readAt();
  equal(second, f.volume.clock.time.sec, "a read after a write does");
  f.remount();
  equal(f.stat("/f").atimeSec, second, "atime is on the medium, too");
}

function writeClearsSuid(f: Fixture): void {
  f.create("/f", new Uint8Array(0), 0o666);
  f.task.chmod(n("/f"), 0o6777);
  const file = f.open("/f");
  f.putPattern(file, 1, 0, 1);
  equal(modeOf(f, "/f"), 0o6777, "root keeps the bits");
  const alice = f.as("alice");
  const hers = alice.open(n("/f"), O_RDWR);
  alice.pwrite(hers, pattern(1, 0, 1), 0, 1, 0);
  alice.close(hers);
  equal(modeOf(f, "/f"), 0o777, "updateInode is called with the mode that core has changed");
  f.remount();
  equal(modeOf(f, "/f"), 0o777, "and makes it durable");
}

function chownClearsSuid(f: Fixture): void {
  f.create("/f");
  f.task.chmod(n("/f"), 0o6755);
  f.task.chown(n("/f"), USERS.alice.uid, -1);
  equal(modeOf(f, "/f"), 0o755, "updateInode is called with the mode that core has changed");
}

function setgidDirectory(f: Fixture): void {
  f.mkdir("/d");
  f.task.chown(n("/d"), -1, USERS.alice.gid);
  f.task.chmod(n("/d"), 0o2777);
  f.create("/d/f");
  f.mkdir("/d/e");
  equal(f.stat("/d/f").gid, USERS.alice.gid, "create takes gid from NewInode");
  holds((f.stat("/d/e").mode & S_ISGID) !== 0, "no set-group-id", "create takes mode as given");
}

function stickyDirectory(f: Fixture): void {
  f.mkdir("/d");
  f.task.chmod(n("/d"), 0o1777);
  const alice = f.as("alice");
  alice.close(alice.open(n("/d/f"), 0o102, 0o666));
  const advice = "core checks this: mode and uid of both inodes must be true";
  fails("EPERM", () => f.as("bob").unlink(n("/d/f")), advice);
  fails("EPERM", () => f.as("bob").rename(n("/d/f"), n("/d/g")), advice);
  alice.unlink(n("/d/f"));
}

function permissions(f: Fixture): void {
  f.create("/f", pattern(1, 0, 10));
  f.task.chmod(n("/f"), 0o640);
  f.task.chown(n("/f"), 0, USERS.alice.gid);
  const advice = "core checks this: mode, uid and gid must be true";
  const bob = f.as("bob");
  bob.close(bob.open(n("/f"), O_RDONLY));
  fails("EACCES", () => bob.open(n("/f"), O_RDWR), advice);
  f.task.chmod(n("/f"), 0);
  fails("EACCES", () => bob.open(n("/f"), O_RDONLY), advice);
  fails("EPERM", () => bob.chmod(n("/f"), 0o777), advice);
  fails("EACCES", () => bob.mkdir(n("/d")), advice);
  bytesEqual(f.content("/f"), pattern(1, 0, 10), "root may read everything");
}

/** What a face keeps that gives numbers to others, such as a kernel. */
function byNumber(f: Fixture): void {
  const { vfs } = f.volume;
  f.create("/f", pattern(1, 0, 10));
  const { ino } = f.stat("/f");
  const inode = vfs.iget(ino as Ino);
  const { generation } = inode;
  vfs.forget(inode);
  f.task.unlink(n("/f"));
  fails("ESTALE", () => vfs.iget(ino as Ino), "iget of a free inode");
  fails("ESTALE", () => vfs.iget((2 ** 31) as Ino), "iget of a number that there is not");
  for (let index = 0; index < 50; index++) f.create(`/g${index}`);
  for (let index = 0; index < 50; index++) {
    if (f.stat(`/g${index}`).ino !== ino) continue;
    const advice = "an inode number that is used again gets another generation";
    fails("ESTALE", () => vfs.iget(ino as Ino, generation), advice);
  }
}

export const linkCases: Group<Case> = {
  title: "links and other types",
  cases: [
    { name: "hard links", needs: ["hardLinks"], run: hardLinks },
    { name: "symbolic links: targets of every length", needs: ["symlinks"], run: symlinkTargets },
    { name: "symbolic links are followed", needs: ["symlinks"], run: symlinksFollowed },
    { name: "device nodes, pipes and sockets", needs: ["deviceNodes"], run: deviceNodes },
    { name: "a file lives until its last name and opener are gone", run: unlinkedOpen },
    { name: "a file without a name", needs: ["tmpfile"], run: tmpfile },
    { name: "a file without a name gets one", needs: ["tmpfile", "hardLinks"], run: linkTmpfile },
    { name: "extended attributes", needs: ["xattrs"], run: xattrs },
    { name: "many extended attributes", needs: ["xattrs"], run: manyXattrs },
  ],
};

function hardLinks(f: Fixture): void {
  f.mkdir("/d");
  f.create("/a", pattern(1, 0, 100));
  f.task.link(n("/a"), n("/d/b"));
  equal([f.stat("/a").nlink, f.stat("/d/b").nlink], [2, 2], "link counts names in nlink");
  equal(f.stat("/a").ino, f.stat("/d/b").ino, "both names lead to one inode");
  f.putPattern(f.open("/d/b"), 2, 0, 50);
  bytesEqual(f.content("/a").subarray(0, 50), pattern(2, 0, 50), "and to one content");
  f.task.unlink(n("/a"));
  f.remount();
  equal(f.stat("/d/b").nlink, 1, "unlink takes one link");
  bytesEqual(f.content("/d/b").subarray(0, 50), pattern(2, 0, 50), "the other name keeps the file");
  fails("EPERM", () => f.task.link(n("/d"), n("/e")), "directories have one name");
}

function symlinkTargets(f: Fixture): void {
  const lengths = [1, 2, 39, 40, 59, 60, 61, 100, 255, 256, 1000, 1023];
  for (const length of lengths) f.task.symlink("\xfe".repeat(length) as Name, n(`/l${length}`));
  f.remount();
  for (const length of lengths) {
    const advice = "symlinks keep their target byte by byte, and size is its length";
    equal(f.task.readlink(n(`/l${length}`)).length, length, advice);
    equal(f.task.readlink(n(`/l${length}`)), "\xfe".repeat(length), advice);
    equal(f.task.lstat(n(`/l${length}`)).size, length, advice);
    f.task.unlink(n(`/l${length}`));
  }
}

function symlinksFollowed(f: Fixture): void {
  f.mkdir("/d");
  f.create("/d/f", pattern(1, 0, 10));
  f.task.symlink(n("d/../d/f"), n("/a"));
  f.task.symlink(n("/d"), n("/b"));
  f.task.symlink(n("loop"), n("/loop"));
  bytesEqual(f.content("/a"), pattern(1, 0, 10), "readlink gives what symlink got");
  equal(f.names("/b"), ["f"], "a link to a directory leads there");
  fails("ELOOP", () => f.stat("/loop"), "core counts the links of a walk");
  fails("EINVAL", () => f.task.readlink(n("/d")), "only symbolic links have a target");
  equal(f.task.lstat(n("/a")).mode & PERMISSIONS, 0o777, "a symbolic link has all permissions");
}

function deviceNodes(f: Fixture): void {
  const nodes = [
    [S_IFCHR, 0x103],
    [S_IFBLK, 0xfff_ffff],
    [S_IFIFO, 0],
    [S_IFSOCK, 0],
  ] as const;
  for (const [type, rdev] of nodes) f.task.mknod(n(`/${type}`), type | 0o600, rdev);
  f.remount();
  for (const [type, rdev] of nodes) {
    const stat = f.stat(`/${type}`);
    equal([stat.mode & S_IFMT, stat.rdev], [type, rdev], "create keeps type and rdev (32 bits)");
    fails("ENXIO", () => f.open(`/${type}`), "core drives no devices");
    f.task.unlink(n(`/${type}`));
  }
}

function unlinkedOpen(f: Fixture): void {
  f.create("/warm");
  const free = f.freeBlocks();
  f.create("/f", pattern(1, 0, 10 * BLOCK));
  const file = f.open("/f");
  f.task.unlink(n("/f"));
  equal(f.task.fstat(file).nlink, 0, "unlink takes the link at once");
  bytesEqual(f.get(file, 0, 10 * BLOCK), pattern(1, 0, 10 * BLOCK), "the blocks stay until evict");
  f.putPattern(file, 2, 20 * BLOCK, 100);
  bytesEqual(f.get(file, 20 * BLOCK, 100), pattern(2, 20 * BLOCK, 100), "it can be written to");
  f.task.close(file);
  equal(f.freeBlocks(), free, "evict frees the inode and its blocks (the value counts blocks)");
}

function tmpfile(f: Fixture): void {
  const free = f.freeBlocks();
  const { filesFree } = f.task.statfs();
  const file = f.open("/", O_TMPFILE | O_RDWR);
  f.putPattern(file, 1, 0, 3 * BLOCK);
  equal([f.names("/"), f.task.fstat(file).nlink], [[], 0], "no name, no link");
  f.task.close(file);
  equal(f.freeBlocks(), free, "evict frees the blocks (the value counts them)");
  equal(f.task.statfs().filesFree, filesFree, "and the inode");
  f.open("/", O_TMPFILE | O_RDWR);
  const names = f.afterPowerCut((task) => task.readdir(n("/")));
  equal(names, [], "after a power cut nothing of it is left");
}

function linkTmpfile(f: Fixture): void {
  const file = f.open("/", O_TMPFILE | O_RDWR);
  f.putPattern(file, 1, 0, 3 * BLOCK);
  f.task.linkFile(file, n("/f"));
  f.remount();
  equal(f.stat("/f").nlink, 1, "link gives it a name and a link, durably");
  bytesEqual(f.content("/f"), pattern(1, 0, 3 * BLOCK), "and its content stays");
  const closed = f.open("/", O_TMPFILE | O_RDWR | O_EXCL);
  fails("ENOENT", () => f.task.linkFile(closed, n("/g")), "O_EXCL forbids it");
}

function xattrs(f: Fixture): void {
  f.create("/f");
  const set = (name: string, value: Uint8Array, flags = 0): void =>
    f.task.setxattr(n("/f"), n(name), value, flags);
  set("user.a", pattern(1, 0, 100));
  set("user.empty", new Uint8Array(0));
  set("trusted.\xff", pattern(2, 0, 5));
  set("user.a", pattern(3, 0, 300));
  f.remount();
  const names = ["trusted.\xff", "user.a", "user.empty"];
  equal(f.task.listxattr(n("/f")).sort(), names.map(n).sort(), "listxattr gives every name once");
  bytesEqual(f.task.getxattr(n("/f"), n("user.a")), pattern(3, 0, 300), "setxattr replaces");
  equal(f.task.getxattr(n("/f"), n("user.empty")).length, 0, "an empty value is a value");
  fails("EEXIST", () => set("user.a", pattern(1, 0, 1), 1), "getxattr tells that it exists");
  fails("ENODATA", () => set("user.no", pattern(1, 0, 1), 2), "getxattr gives null for none");
  f.task.removexattr(n("/f"), n("user.a"));
  fails("ENODATA", () => f.task.getxattr(n("/f"), n("user.a")), "setxattr with null removes");
}

function manyXattrs(f: Fixture): void {
  f.create("/f");
  const free = f.freeBlocks();
  for (let index = 0; index < 20; index++) {
    f.task.setxattr(n("/f"), n(`user.${index}`), pattern(index, 0, index * 5));
  }
  f.remount();
  for (let index = 0; index < 20; index++) {
    const value = f.task.getxattr(n("/f"), n(`user.${index}`));
    bytesEqual(value, pattern(index, 0, index * 5), "every attribute keeps its value");
    f.task.removexattr(n("/f"), n(`user.${index}`));
  }
  equal(f.task.listxattr(n("/f")), [], "all can be removed");
  f.task.unlink(n("/f"));
  holds(f.freeBlocks() >= free, "blocks are lost", "evict frees the blocks of attributes");
}
