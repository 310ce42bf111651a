/** Open flags, and reading, writing and seeking in open files, beyond what node:fs can ask for. */
import { describe, expect, test } from "vitest";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFSOCK,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from "../spec/mode.ts";
import { Task } from "./task.ts";
import { codeOf, mountMemory, n, readFile, writeFile } from "./testing.ts";

function setUp(parts = {}) {
  const { vfs, fs } = mountMemory(parts);
  const task = new Task(vfs);
  const user = new Task(vfs, { credentials: { uid: 7, gid: 7, groups: [] } });
  return { vfs, fs, task, user };
}

const text = (string: string): Uint8Array => new TextEncoder().encode(string);

describe("open", () => {
  test("with O_EXCL meets dangling links, and without O_CREAT ignores it", () => {
    const { task } = setUp();
    task.symlink(n("nowhere"), n("/link"));
    expect(codeOf(() => task.open(n("/link"), O_CREAT | O_EXCL | O_RDWR))).toBe("EEXIST");
    expect(codeOf(() => task.open(n("/"), O_CREAT | O_EXCL | O_RDWR))).toBe("EEXIST");
    expect(codeOf(() => task.open(n("/."), O_CREAT | O_RDWR))).toBe("EISDIR");
    expect(codeOf(() => task.open(n("/new/"), O_CREAT | O_RDWR))).toBe("EISDIR");
    expect(codeOf(() => task.open(n("/"), O_EXCL))).toBe("ok");
  });

  test("refuses directories for writing, and anything else with O_DIRECTORY", () => {
    const { task } = setUp();
    writeFile(task, "/f");
    task.symlink(n("/"), n("/link"));
    for (const flags of [O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC]) {
      expect(codeOf(() => task.open(n("/"), flags))).toBe("EISDIR");
    }
    expect(codeOf(() => task.open(n("/f"), O_DIRECTORY))).toBe("ENOTDIR");
    expect(codeOf(() => task.open(n("/link"), O_DIRECTORY))).toBe("ok");
    expect(codeOf(() => task.open(n("/link"), O_NOFOLLOW))).toBe("ELOOP");
    expect(codeOf(() => task.open(n("/link"), O_NOFOLLOW | O_DIRECTORY))).toBe("ENOTDIR");
    expect(codeOf(() => task.open(n("/new"), O_CREAT | O_DIRECTORY))).toBe("EINVAL");
  });

  test("gives a place, and no more, with O_PATH", () => {
    const { task, user } = setUp();
    writeFile(task, "/f", "secret");
    task.chmod(n("/f"), 0o600);
    task.symlink(n("/f"), n("/link"));
    const place = user.open(n("/f"), O_PATH | O_RDWR | O_TRUNC);
    expect(user.fstat(place).size).toBe(6);
    const bytes = new Uint8Array(1);
    for (const operation of [
      () => user.read(place, bytes),
      () => user.write(place, bytes),
      () => user.lseek(place, 0, SEEK_SET),
      () => user.fsync(place),
      () => user.fchmod(place, 0),
      () => user.ftruncate(place, 0),
      () => user.flock(place, 1),
    ]) {
      expect(codeOf(operation)).toBe("EBADF");
    }
    user.close(place);
    const link = task.open(n("/link"), O_PATH | O_NOFOLLOW);
    expect(task.fstat(link).size).toBe(2);
    task.close(link);
  });

  test("with O_TMPFILE makes a file without a name, which linkFile may give one", () => {
    const { task, fs } = setUp();
    task.mkdir(n("/d"));
    const file = task.open(n("/d"), O_TMPFILE | O_RDWR, 0o640);
    task.write(file, text("kept"));
    expect(task.readdir(n("/d"))).toEqual([]);
    expect(task.fstat(file)).toMatchObject({ nlink: 0, mode: 0o100640 });
    task.linkFile(file, n("/d/name"));
    expect(task.fstat(file).nlink).toBe(1);
    task.close(file);
    expect(readFile(task, "/d/name")).toBe("kept");

    const before = fs.inodes.size;
    const hidden = task.open(n("/d"), O_TMPFILE | O_WRONLY | O_EXCL);
    expect(codeOf(() => task.linkFile(hidden, n("/d/hidden")))).toBe("ENOENT");
    task.close(hidden);
    expect(fs.inodes.size).toBe(before);

    expect(codeOf(() => task.open(n("/d"), O_TMPFILE))).toBe("EINVAL");
    expect(codeOf(() => task.open(n("/d"), O_TMPFILE | O_RDWR | O_CREAT))).toBe("EINVAL");
    expect(codeOf(() => task.open(n("/d/name"), O_TMPFILE | O_RDWR))).toBe("ENOTDIR");
  });

  test("has nothing to drive pipes, sockets and devices with", () => {
    const { task, user } = setUp();
    for (const type of [S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK]) {
      task.mknod(n("/node"), type | 0o666, 0x103);
      expect(task.stat(n("/node")).mode).toBe(type | 0o644);
      expect(codeOf(() => task.open(n("/node"), O_RDONLY))).toBe("ENXIO");
      task.unlink(n("/node"));
    }
    expect(codeOf(() => task.mknod(n("/x"), S_IFDIR))).toBe("EPERM");
    expect(codeOf(() => task.mknod(n("/x"), S_IFLNK))).toBe("EINVAL");
    task.chmod(n("/"), 0o777);
    expect(codeOf(() => user.mknod(n("/x"), S_IFCHR | 0o666, 1))).toBe("EPERM");
    expect(codeOf(() => user.mknod(n("/x"), S_IFIFO | 0o666))).toBe("ok");
    expect(codeOf(() => user.mknod(n("/y"), 0o666))).toBe("ok");
    expect(task.stat(n("/y")).mode).toBe(0o100644);
    expect(task.stat(n("/x")).rdev).toBe(0);
  });

  test("takes the owner for O_NOATIME", () => {
    const { task, user } = setUp({ atime: "strictatime" });
    writeFile(task, "/f", "text");
    expect(codeOf(() => user.open(n("/f"), O_NOATIME))).toBe("EPERM");
    const before = task.stat(n("/f"));
    const file = task.open(n("/f"), O_NOATIME);
    task.read(file, new Uint8Array(4));
    expect(task.stat(n("/f"))).toEqual(before);
    task.close(file);
    readFile(task, "/f");
    expect(task.stat(n("/f")).atimeNsec).toBeGreaterThan(before.atimeNsec);
  });
});

describe("an open file", () => {
  test("outlives its name, and is gone with its last reference", () => {
    const { task, fs } = setUp();
    writeFile(task, "/f", "text");
    const before = fs.inodes.size;
    const one = task.open(n("/f"), O_RDWR);
    const two = task.open(n("/f"), O_RDONLY);
    task.unlink(n("/f"));
    expect(codeOf(() => task.stat(n("/f")))).toBe("ENOENT");
    task.pwrite(one, text("T"), 0, 1, 0);
    task.close(one);
    const bytes = new Uint8Array(4);
    task.read(two, bytes);
    expect(new TextDecoder().decode(bytes)).toBe("Text");
    expect(fs.inodes.size).toBe(before);
    task.close(two);
    expect(fs.inodes.size).toBe(before - 1);
    expect(codeOf(() => task.close(two))).toBe("EBADF");
    expect(codeOf(() => task.read(two, bytes))).toBe("EBADF");
  });

  test("opened with O_APPEND writes at the end, wherever it was told to", () => {
    const { task } = setUp();
    writeFile(task, "/f", "12345");
    const file = task.open(n("/f"), O_RDWR | O_APPEND);
    expect(task.pwrite(file, text("6"), 0, 1, 0)).toBe(1);
    expect(task.pwritev(file, [text("7"), text("8")], 0)).toBe(2);
    const bytes = new Uint8Array(2);
    task.read(file, bytes);
    expect(new TextDecoder().decode(bytes)).toBe("12");
    task.write(file, text("9"));
    expect(task.lseek(file, 0, SEEK_CUR)).toBe(9);
    expect(readFile(task, "/f")).toBe("123456789");
    task.close(file);
  });

  test("moves its position by vectors, and not by those with a position", () => {
    const { task } = setUp();
    const file = task.open(n("/f"), O_RDWR | O_CREAT);
    expect(task.writev(file, [text("ab"), text(""), text("cdef")])).toBe(6);
    expect(task.preadv(file, [new Uint8Array(2)], 0)).toBe(2);
    task.lseek(file, 1, SEEK_SET);
    const parts = [new Uint8Array(2), new Uint8Array(0), new Uint8Array(10), new Uint8Array(1)];
    expect(task.readv(file, parts)).toBe(5);
    expect(new TextDecoder().decode(parts[2]!.subarray(0, 3))).toBe("def");
    expect(task.lseek(file, 0, SEEK_CUR)).toBe(6);
    expect(task.readv(file, parts)).toBe(0);
    expect(
      codeOf(() =>
        task.readv(
          file,
          Array.from({ length: 1025 }, () => parts[0]!),
        ),
      ),
    ).toBe("EINVAL");
    task.close(file);
  });

  test("checks positions, ranges and limits", () => {
    const { task, fs } = setUp();
    const file = task.open(n("/f"), O_RDWR | O_CREAT);
    const bytes = new Uint8Array(4);
    expect(codeOf(() => task.pread(file, bytes, 0, 4, -1))).toBe("EINVAL");
    expect(codeOf(() => task.pwrite(file, bytes, 0, 4, 0.5))).toBe("EINVAL");
    expect(codeOf(() => task.pwrite(file, bytes, 0, 4, Number.NaN))).toBe("EINVAL");
    expect(codeOf(() => task.read(file, bytes, 3, 2))).toBe("EFAULT");
    expect(codeOf(() => task.write(file, bytes, -1, 2))).toBe("EFAULT");
    expect(codeOf(() => task.write(file, bytes, 0, 1.5))).toBe("EFAULT");
    expect(codeOf(() => task.pwrite(file, bytes, 0, 4, fs.sizeMax))).toBe("EFBIG");
    expect(codeOf(() => task.ftruncate(file, fs.sizeMax + 1))).toBe("EFBIG");
    expect(codeOf(() => task.ftruncate(file, -1))).toBe("EINVAL");
    expect(codeOf(() => task.truncate(n("/f"), -1))).toBe("EINVAL");
    expect(codeOf(() => task.truncate(n("/"), 1))).toBe("EISDIR");
    expect(task.pwrite(file, bytes, 0, 0, 100)).toBe(0);
    expect(task.fstat(file).size).toBe(0);
    const reader = task.open(n("/f"), O_RDONLY);
    expect(codeOf(() => task.write(reader, bytes))).toBe("EBADF");
    expect(codeOf(() => task.ftruncate(reader, 0))).toBe("EINVAL");
    const neither = task.open(n("/f"), 3);
    expect(codeOf(() => task.read(neither, bytes))).toBe("EBADF");
    expect(codeOf(() => task.write(neither, bytes))).toBe("EBADF");
    const other = setUp().task;
    expect(codeOf(() => other.read(file, bytes))).toBe("EBADF");
    expect(codeOf(() => other.fstat(file))).toBe("EBADF");
  });

  test("seeks", () => {
    const { task } = setUp();
    writeFile(task, "/f", "12345");
    const file = task.open(n("/f"), O_RDONLY);
    expect(task.lseek(file, -2, SEEK_END)).toBe(3);
    expect(task.lseek(file, 10, SEEK_CUR)).toBe(13);
    expect(task.read(file, new Uint8Array(1))).toBe(0);
    expect(codeOf(() => task.lseek(file, -14, SEEK_CUR))).toBe("EINVAL");
    expect(codeOf(() => task.lseek(file, 0, 9))).toBe("EINVAL");
    expect(task.lseek(file, 2, SEEK_DATA)).toBe(2);
    expect(task.lseek(file, 2, SEEK_HOLE)).toBe(5);
    expect(codeOf(() => task.lseek(file, 5, SEEK_DATA))).toBe("ENXIO");
    expect(codeOf(() => task.lseek(file, 5, SEEK_HOLE))).toBe("ENXIO");
    const directory = task.open(n("/"), O_RDONLY);
    expect(codeOf(() => task.lseek(directory, 0, SEEK_DATA))).toBe("EINVAL");
    expect(codeOf(() => task.read(directory, new Uint8Array(1)))).toBe("EISDIR");
  });

  test("checks fallocate before the file system is asked", () => {
    const { task, fs } = setUp();
    const file = task.open(n("/f"), O_RDWR | O_CREAT);
    task.fallocate(file, 0, 0, 10);
    expect(task.fstat(file).size).toBe(10);
    task.fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 20);
    expect(task.fstat(file).size).toBe(10);
    expect(codeOf(() => task.fallocate(file, 0, -1, 1))).toBe("EINVAL");
    expect(codeOf(() => task.fallocate(file, 0, 0, 0))).toBe("EINVAL");
    expect(codeOf(() => task.fallocate(file, 0, fs.sizeMax, 1))).toBe("EFBIG");
    expect(codeOf(() => task.fallocate(file, FALLOC_FL_UNSHARE_RANGE, 0, 1))).toBe("EOPNOTSUPP");
    const reader = task.open(n("/f"), O_RDONLY);
    expect(codeOf(() => task.fallocate(reader, 0, 0, 1))).toBe("EBADF");
    const poor = setUp({ capabilities: { punchHole: "no holes", collapseRange: "no" } }).task;
    const other = poor.open(n("/f"), O_RDWR | O_CREAT);
    const punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    expect(codeOf(() => poor.fallocate(other, punch, 0, 1))).toBe("EOPNOTSUPP");
    expect(codeOf(() => poor.fallocate(other, FALLOC_FL_COLLAPSE_RANGE, 0, 1))).toBe("EOPNOTSUPP");
  });

  test("opened with O_SYNC is durable after each write, with O_DSYNC its data", () => {
    const { task, fs } = setUp();
    const synced: boolean[] = [];
    const fsync = fs.fsync.bind(fs);
    fs.fsync = (inode, datasync) => {
      synced.push(inode.timesDirty);
      fsync(inode, datasync);
    };
    for (const flags of [O_SYNC, O_DSYNC, 0]) {
      const file = task.open(n("/f"), O_WRONLY | O_CREAT | flags);
      task.write(file, text("x"));
      // fsync made the times durable too, fdatasync did not have to.
      expect(task.vfs.superblock.timesDirty.has(file.inode)).toBe(flags !== O_SYNC);
      task.close(file);
    }
    expect(synced.length).toBe(2);
  });
});
