/** rename with flags, and what it does to the caches: parents, "..", link counts. */
import { describe, expect, test } from "vitest";
import { O_RDONLY, RENAME_EXCHANGE, RENAME_NOREPLACE } from "../spec/mode.ts";
import type { Ino } from "../spec/units.ts";
import { shrink } from "./icache.ts";
import { ROOT } from "./credentials.ts";
import { Task } from "./task.ts";
import { codeOf, mountMemory, n, readFile, writeFile } from "./testing.ts";

function setUp(parts = {}) {
  const { vfs, fs } = mountMemory(parts);
  return { vfs, fs, task: new Task(vfs) };
}

/** ".." must be right in the cache and on the medium. */
function parentOf(task: Task, path: string): number {
  return task.stat(n(`${path}/..`)).ino;
}

describe("rename", () => {
  test("replaces a file that is open, which lives on", () => {
    const { task, fs } = setUp();
    writeFile(task, "/a", "new");
    writeFile(task, "/b", "old");
    const file = task.open(n("/b"), O_RDONLY);
    const before = fs.inodes.size;
    task.rename(n("/a"), n("/b"));
    expect(readFile(task, "/b")).toBe("new");
    const bytes = new Uint8Array(3);
    task.read(file, bytes);
    expect(new TextDecoder().decode(bytes)).toBe("old");
    task.close(file);
    expect(fs.inodes.size).toBe(before - 1);
  });

  test("moves a directory with all below it", () => {
    const { task } = setUp();
    for (const path of ["/a", "/b", "/a/x", "/a/x/y"]) task.mkdir(n(path));
    task.rename(n("/a/x"), n("/b/z"));
    expect(parentOf(task, "/b/z")).toBe(task.stat(n("/b")).ino);
    expect(task.stat(n("/b/z/y/../../..")).ino).toBe(task.stat(n("/")).ino);
    expect(task.stat(n("/a")).nlink).toBe(2);
    expect(task.stat(n("/b")).nlink).toBe(3);
    expect(codeOf(() => task.rename(n("/b"), n("/b/z/b")))).toBe("EINVAL");
    expect(codeOf(() => task.rename(n("/b"), n("/b/b")))).toBe("EINVAL");
    expect(codeOf(() => task.rename(n("/b/z"), n("/b")))).toBe("ENOTEMPTY");
    expect(codeOf(() => task.rename(n("/b/z/y"), n("/a")))).toBe("ok");
  });

  test("replaces an empty directory that somebody is in, who still finds the way up", () => {
    const { task, fs, vfs } = setUp();
    for (const path of ["/a", "/b", "/b/x"]) task.mkdir(n(path));
    const inside = new Task(vfs);
    inside.chdir(n("/b/x"));
    task.rename(n("/a"), n("/b/x"));
    expect(inside.stat(n(".")).nlink).toBe(0);
    expect(inside.stat(n("..")).ino).toBe(task.stat(n("/b")).ino);
    inside.chdir(n("/"));
    expect(fs.inodes.size).toBe(3);
  });

  test("of a directory to another place takes the right to write it, for its '..' changes", () => {
    const { vfs, task } = setUp();
    const user = new Task(vfs, { credentials: { uid: 7, gid: 7, groups: [] } });
    for (const path of ["/a", "/b", "/a/x"]) {
      task.mkdir(n(path));
      task.chmod(n(path), 0o777);
    }
    task.chmod(n("/a/x"), 0o755);
    writeFile(user, "/b/f");
    expect(codeOf(() => user.rename(n("/a/x"), n("/b/x")))).toBe("EACCES");
    expect(codeOf(() => user.rename(n("/b/f"), n("/a/x"), RENAME_EXCHANGE))).toBe("EACCES");
    expect(codeOf(() => user.rename(n("/a/x"), n("/a/y")))).toBe("ok");
  });

  test("leaves two names of one file alone", () => {
    const { task } = setUp();
    writeFile(task, "/a");
    task.link(n("/a"), n("/b"));
    task.rename(n("/a"), n("/b"));
    expect(task.readdir(n("/"))).toEqual(["a", "b"]);
    expect(codeOf(() => task.rename(n("/a"), n("/a")))).toBe("ok");
    task.mkdir(n("/d"));
    task.link(n("/a"), n("/d/c"));
    task.rename(n("/a"), n("/d/c"));
    expect(task.stat(n("/a")).nlink).toBe(3);
    task.rename(n("/a"), n("/d/c"), RENAME_EXCHANGE);
    expect(task.stat(n("/d/c")).nlink).toBe(3);
    expect(codeOf(() => task.rename(n("/a"), n("/b"), RENAME_NOREPLACE))).toBe("EEXIST");
  });

  test("with NOREPLACE replaces nothing", () => {
    const { task } = setUp();
    writeFile(task, "/a");
    writeFile(task, "/b");
    expect(codeOf(() => task.rename(n("/a"), n("/b"), RENAME_NOREPLACE))).toBe("EEXIST");
    expect(codeOf(() => task.rename(n("/a"), n("/"), RENAME_NOREPLACE))).toBe("EEXIST");
    expect(codeOf(() => task.rename(n("/a"), n("/"), 0))).toBe("EBUSY");
    expect(codeOf(() => task.rename(n("/a"), n("/c"), RENAME_NOREPLACE))).toBe("ok");
    expect(task.readdir(n("/"))).toEqual(["b", "c"]);
  });

  test("with EXCHANGE swaps anything with anything", () => {
    const { task } = setUp();
    task.mkdir(n("/d"));
    task.mkdir(n("/d/sub"));
    task.mkdir(n("/e"));
    writeFile(task, "/e/f", "file");
    expect(codeOf(() => task.rename(n("/d/sub"), n("/none"), RENAME_EXCHANGE))).toBe("ENOENT");
    task.rename(n("/d/sub"), n("/e/f"), RENAME_EXCHANGE);
    expect(readFile(task, "/d/sub")).toBe("file");
    expect(parentOf(task, "/e/f")).toBe(task.stat(n("/e")).ino);
    expect([task.stat(n("/d")).nlink, task.stat(n("/e")).nlink]).toEqual([2, 3]);
    task.rename(n("/d"), n("/e"), RENAME_EXCHANGE);
    expect(readFile(task, "/e/sub")).toBe("file");
    task.mkdir(n("/e/dir"));
    task.rename(n("/e/dir"), n("/d/f"), RENAME_EXCHANGE);
    expect(parentOf(task, "/e/dir")).toBe(task.stat(n("/e")).ino);
    expect(parentOf(task, "/d/f")).toBe(task.stat(n("/d")).ino);
    expect(codeOf(() => task.rename(n("/d"), n("/d/f"), RENAME_EXCHANGE))).toBe("EINVAL");
    expect(codeOf(() => task.rename(n("/d/f"), n("/d"), RENAME_EXCHANGE))).toBe("EINVAL");
    expect(codeOf(() => task.rename(n("/e/sub/"), n("/d"), RENAME_EXCHANGE))).toBe("ENOTDIR");
    expect(codeOf(() => task.rename(n("/d"), n("/e/sub/"), RENAME_EXCHANGE))).toBe("ENOTDIR");
  });

  test("refuses flags that do not go together, or that the design lacks", () => {
    const { task } = setUp({ capabilities: { renameExchange: "no place to note it" } });
    writeFile(task, "/a");
    writeFile(task, "/b");
    expect(codeOf(() => task.rename(n("/a"), n("/b"), RENAME_EXCHANGE))).toBe("EINVAL");
    const both = RENAME_EXCHANGE | RENAME_NOREPLACE;
    expect(codeOf(() => setUp().task.rename(n("/a"), n("/b"), both))).toBe("EINVAL");
    expect(codeOf(() => task.rename(n("/a"), n("/b"), 8))).toBe("EINVAL");
  });

  test("knows where a directory stands that nobody looked up by name", () => {
    // An inode cache of one entry keeps nothing that is not referenced.
    const { vfs, fs, task } = setUp({ inodesMax: 1 });
    for (const path of ["/a", "/a/b", "/a/b/c"]) task.mkdir(n(path));
    const c = vfs.iget(task.stat(n("/a/b/c")).ino as Ino);
    expect(codeOf(() => task.stat(n("/absent")))).toBe("ENOENT");
    shrink(vfs.superblock);
    shrink(vfs.superblock);
    expect(vfs.superblock.icache.size).toBe(2);
    fs.calls.clear();
    expect(codeOf(() => vfs.rename(ROOT, vfs.root, n("a"), c, n("x"), 0))).toBe("EINVAL");
    // b and a, by number: their names were forgotten.
    expect(fs.calls.get("iget")).toBe(2);
  });

  test("finds no room where the target directory has all the links it may have", () => {
    const { task, fs } = setUp();
    for (const path of ["/a", "/b", "/b/x", "/a/y"]) task.mkdir(n(path));
    fs.linkMax = 3;
    fs.directoryLinkMax = 3;
    expect(codeOf(() => task.rename(n("/a/y"), n("/b/y")))).toBe("EMLINK");
    expect(codeOf(() => task.rename(n("/a/y"), n("/b/x")))).toBe("ok");
    expect(codeOf(() => task.mkdir(n("/b/z")))).toBe("EMLINK");
    writeFile(task, "/b/f");
    task.link(n("/b/f"), n("/b/g"));
    task.link(n("/b/f"), n("/b/h"));
    expect(codeOf(() => task.link(n("/b/f"), n("/b/i")))).toBe("EMLINK");
    // A design that stops counting subdirectories still counts the names of a file.
    fs.directoryLinkMax = Infinity;
    expect(codeOf(() => task.mkdir(n("/b/z")))).toBe("ok");
    expect(codeOf(() => task.rename(n("/b/z"), n("/a/z")))).toBe("ok");
    expect(codeOf(() => task.link(n("/b/f"), n("/b/i")))).toBe("EMLINK");
  });
});
