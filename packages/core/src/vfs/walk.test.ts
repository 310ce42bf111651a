/** The path walk: components, symbolic links, limits, and what the dentry cache saves. */
import { describe, expect, test } from "vitest";
import { isSymlink, O_CREAT, O_WRONLY, PATH_MAX, SYMLINK_MAX } from "../spec/mode.ts";
import { FsError } from "../spec/errors.ts";
import { Task } from "./task.ts";
import { codeOf, mountMemory, n, readFile, writeFile } from "./testing.ts";

function setUp() {
  const { vfs, fs } = mountMemory();
  return { vfs, fs, task: new Task(vfs) };
}

describe("a path", () => {
  test("leads through slashes, dots and parents", () => {
    const { task, vfs } = setUp();
    task.mkdir(n("/d"));
    writeFile(task, "/d/f", "text");
    const { ino } = task.stat(n("/d/f"));
    for (const path of ["//d///f", "/./d/./f", "/d/../d/f", "/../../d/f", "d/f", "./d/f"]) {
      expect(task.stat(n(path)).ino, path).toBe(ino);
    }
    for (const path of ["/", "//", "/.", "/..", "/../.", "/d/..", "/d/../", ".", ".."]) {
      expect(task.stat(n(path)).ino, path).toBe(vfs.root.ino);
    }
  });

  test("that cannot be walked has its error, with call and path", () => {
    const { task } = setUp();
    writeFile(task, "/f");
    expect(codeOf(() => task.stat(n("")))).toBe("ENOENT");
    expect(codeOf(() => task.stat(n("/f/x")))).toBe("ENOTDIR");
    expect(codeOf(() => task.stat(n("/f/")))).toBe("ENOTDIR");
    expect(codeOf(() => task.stat(n("/f/.")))).toBe("ENOTDIR");
    expect(codeOf(() => task.stat(n("/x/y")))).toBe("ENOENT");
    let thrown: unknown;
    try {
      task.rename(n("/caf\xc3\xa9"), n("/y"));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(FsError);
    expect(thrown).toMatchObject({
      code: "ENOENT",
      errno: -2,
      syscall: "rename",
      path: "/café",
      dest: "/y",
      message: "ENOENT: no such file or directory, rename '/café' -> '/y'",
    });
  });

  test("has at most 4,095 bytes, and names of at most 255", () => {
    const { task } = setUp();
    const longest = "x".repeat(255);
    writeFile(task, `/${longest}`);
    expect(task.readdir(n("/"))).toEqual([longest]);
    expect(codeOf(() => task.stat(n(`/${longest}x`)))).toBe("ENAMETOOLONG");
    expect(codeOf(() => task.mkdir(n(`/${longest}x`)))).toBe("ENAMETOOLONG");
    expect(codeOf(() => task.stat(n(`${"/".repeat(PATH_MAX - 1)}`)))).toBe("ok");
    expect(codeOf(() => task.stat(n(`${"/".repeat(PATH_MAX)}`)))).toBe("ENAMETOOLONG");
  });

  test("has bytes, and no NUL", () => {
    const { task } = setUp();
    expect(codeOf(() => task.mkdir(n("/a\0b")))).toBe("EINVAL");
    expect(codeOf(() => task.mkdir(n("/\u0161")))).toBe("EINVAL");
    expect(codeOf(() => task.mkdir(n("/\xff\x01\n")))).toBe("ok");
    expect(task.readdir(n("/"))).toEqual(["\xff\x01\n"]);
  });

  test("starts where chdir went, also after that directory was removed", () => {
    const { task, fs } = setUp();
    task.mkdir(n("/d"));
    task.mkdir(n("/d/e"));
    task.chdir(n("d/e"));
    expect(task.tryStat(n("absent"))).toBe(null);
    expect(task.stat(n("..")).ino).toBe(task.stat(n("/d")).ino);
    task.rmdir(n("/d/e"));
    expect(task.stat(n(".")).nlink).toBe(0);
    expect(codeOf(() => task.mkdir(n("x")))).toBe("ENOENT");
    expect(codeOf(() => task.stat(n("x")))).toBe("ENOENT");
    expect(codeOf(() => task.readdir(n(".")))).toBe("ENOENT");
    expect(task.stat(n("..")).ino).toBe(task.stat(n("/d")).ino);
    task.rmdir(n("/d"));
    expect(fs.inodes.size).toBe(3);
    task.chdir(n("/"));
    expect(fs.inodes.size).toBe(1);
    expect(task.readdir(n("/"))).toEqual([]);
    writeFile(task, "/f");
    expect(codeOf(() => task.chdir(n("/f")))).toBe("ENOTDIR");
  });
});

describe("a symbolic link", () => {
  test("is followed in the middle, and at the end unless asked not to", () => {
    const { task } = setUp();
    task.mkdir(n("/d"));
    writeFile(task, "/d/f", "text");
    task.symlink(n("d"), n("/relative"));
    task.symlink(n("/d"), n("/absolute"));
    task.symlink(n("../absolute/f"), n("/d/back"));
    expect(readFile(task, "/relative/f")).toBe("text");
    expect(readFile(task, "/absolute/f")).toBe("text");
    expect(readFile(task, "/relative/back")).toBe("text");
    expect(isSymlink(task.lstat(n("/relative")).mode)).toBe(true);
    expect(task.lstat(n("/relative/")).ino).toBe(task.stat(n("/d")).ino);
    expect(task.readlink(n("/d/back"))).toBe("../absolute/f");
    expect(codeOf(() => task.readlink(n("/d/f")))).toBe("EINVAL");
  });

  test("to nothing can be opened with O_CREAT, and only so", () => {
    const { task } = setUp();
    task.mkdir(n("/d"));
    task.symlink(n("d/new"), n("/link"));
    expect(codeOf(() => task.stat(n("/link")))).toBe("ENOENT");
    task.close(task.open(n("/link"), O_CREAT | O_WRONLY));
    expect(task.readdir(n("/d"))).toEqual(["new"]);
  });

  test("is followed 40 times in one walk, and not 41 times", () => {
    const { task } = setUp();
    writeFile(task, "/0", "end");
    for (let index = 1; index <= SYMLINK_MAX + 1; index++) {
      task.symlink(n(`${index - 1}`), n(`/${index}`));
    }
    expect(readFile(task, `/${SYMLINK_MAX}`)).toBe("end");
    expect(codeOf(() => task.stat(n(`/${SYMLINK_MAX + 1}`)))).toBe("ELOOP");
    task.symlink(n("loop"), n("/loop"));
    expect(codeOf(() => task.stat(n("/loop")))).toBe("ELOOP");
    expect(codeOf(() => task.stat(n("/loop/x")))).toBe("ELOOP");
    expect(codeOf(() => task.open(n("/loop"), O_CREAT | O_WRONLY))).toBe("ELOOP");
  });

  test("has a target of 1 to 4,095 bytes", () => {
    const { task } = setUp();
    expect(codeOf(() => task.symlink(n(""), n("/l")))).toBe("ENOENT");
    expect(codeOf(() => task.symlink(n("x".repeat(4096)), n("/l")))).toBe("ENAMETOOLONG");
    expect(codeOf(() => task.symlink(n("x".repeat(4095)), n("/l")))).toBe("ok");
  });
});

describe("the dentry cache", () => {
  test("asks the file system once for a name, there or not", () => {
    const { vfs, fs, task } = setUp();
    writeFile(task, "/f");
    const again = new Task(vfs);
    fs.calls.clear();
    for (let index = 0; index < 3; index++) {
      again.stat(n("/f"));
      expect(again.tryStat(n("/absent"))).toBe(null);
    }
    expect(fs.calls.get("lookup")).toBe(1);
    expect(fs.calls.get("iget")).toBe(undefined);
  });

  test("asks nothing about a directory that it saw made", () => {
    const { fs, task } = setUp();
    task.mkdir(n("/d"));
    fs.calls.clear();
    for (let index = 0; index < 5; index++) writeFile(task, `/d/${index}`);
    task.unlink(n("/d/0"));
    task.rename(n("/d/1"), n("/d/0"));
    expect(task.tryStat(n("/d/1"))).toBe(null);
    expect(fs.calls.get("lookup")).toBe(undefined);
  });

  test("does not remember what a failed operation would have done", () => {
    const { fs, task } = setUp();
    task.mkdir(n("/d"));
    writeFile(task, "/d/f", "f");
    writeFile(task, "/d/g", "g");
    const failing = [
      () => writeFile(task, "/d/new"),
      () => task.mkdir(n("/d/new")),
      () => task.symlink(n("x"), n("/d/new")),
      () => task.link(n("/d/f"), n("/d/new")),
      () => task.unlink(n("/d/f")),
      () => task.rename(n("/d/f"), n("/d/new")),
      () => task.rename(n("/d/f"), n("/d/g")),
      () => task.rmdir(n("/d")),
    ];
    for (const operation of failing) {
      fs.failNext = new FsError("ENOSPC");
      // rmdir of what is not empty fails before the file system is asked.
      expect(codeOf(operation)).toMatch(/^(ENOSPC|ENOTEMPTY)$/);
      fs.failNext = null;
      expect(task.readdir(n("/d"))).toEqual(["f", "g"]);
      expect(task.tryStat(n("/d/new"))).toBe(null);
      expect(readFile(task, "/d/f") + readFile(task, "/d/g")).toBe("fg");
      expect(task.stat(n("/d/f")).nlink).toBe(1);
    }
  });
});
