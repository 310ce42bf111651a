/** Listing: cookies that stay good while names come and go. */
import { describe, expect, test } from "vitest";
import { O_PATH, O_RDONLY, SEEK_CUR, SEEK_SET } from "../spec/mode.ts";
import { newDirBatch } from "../spec/personality.ts";
import { ROOT } from "./credentials.ts";
import { Task } from "./task.ts";
import { codeOf, mountMemory, n, writeFile } from "./testing.ts";

function setUp(files: number) {
  const { vfs } = mountMemory();
  const task = new Task(vfs);
  for (let index = 0; index < files; index++) writeFile(task, `/${index}`);
  return { vfs, task };
}

describe("getdents", () => {
  test("gives everything once, in batches of any size", () => {
    const { task, vfs } = setUp(20);
    for (const max of [1, 2, 3, 7, 100]) {
      const file = task.open(n("/"), O_RDONLY);
      const batch = newDirBatch();
      for (let turns = 0; task.getdents(file, batch, max); turns++) {
        expect(turns).toBeLessThan(30);
      }
      const expected = [".", "..", ...Array.from({ length: 20 }, (_, index) => `${index}`)];
      expect(batch.names).toEqual(expected);
      expect(batch.inos.slice(0, 2)).toEqual([vfs.root.ino, vfs.root.ino]);
      expect(batch.types.slice(0, 3)).toEqual([4, 4, 8]);
      expect(batch.cookies.slice(0, 2)).toEqual([1, 2]);
      task.close(file);
    }
  });

  test("goes on after any cookie, also when its entry is gone", () => {
    const { task, vfs } = setUp(10);
    const file = task.open(n("/"), O_RDONLY);
    const all = newDirBatch();
    while (task.getdents(file, all, 100));
    for (const [index, cookie] of all.cookies.entries()) {
      const rest = newDirBatch();
      task.lseek(file, cookie, SEEK_SET);
      while (task.getdents(file, rest, 3));
      expect(rest.names).toEqual(all.names.slice(index + 1));
      const again = newDirBatch();
      vfs.readdir(file, cookie, again, 100);
      expect(again).toEqual(rest);
    }
    // rm -r: list a few, remove them, list on.
    task.lseek(file, 0, SEEK_SET);
    for (let more = true; more;) {
      const batch = newDirBatch();
      more = task.getdents(file, batch, 4);
      for (const name of batch.names) if (!name.startsWith(".")) task.unlink(n(`/${name}`));
      writeFile(task, "/new");
      task.unlink(n("/new"));
    }
    expect(task.readdir(n("/"))).toEqual([]);
    expect(task.lseek(file, 0, SEEK_CUR)).toBe(all.cookies.at(-1));
  });

  test("asks for an open directory that is still there", () => {
    const { task, vfs } = setUp(1);
    task.mkdir(n("/d"));
    const batch = newDirBatch();
    const directory = task.open(n("/d"), O_RDONLY);
    const parent = newDirBatch();
    task.getdents(directory, parent, 2);
    expect(parent.inos[1]).toBe(vfs.root.ino);
    task.rmdir(n("/d"));
    expect(codeOf(() => task.getdents(directory, batch, 1))).toBe("ENOENT");
    task.close(directory);
    expect(codeOf(() => task.getdents(directory, batch, 1))).toBe("EBADF");
    expect(codeOf(() => task.getdents(task.open(n("/0"), O_RDONLY), batch, 1))).toBe("ENOTDIR");
    expect(codeOf(() => task.getdents(task.open(n("/"), O_PATH), batch, 1))).toBe("EBADF");
    expect(codeOf(() => task.readdir(n("/0")))).toBe("ENOTDIR");
    expect(vfs.superblock.root.references).toBeGreaterThan(0);
    expect(vfs.getattr(vfs.lookup(ROOT, vfs.root, n(".."))).ino).toBe(vfs.root.ino);
  });
});

describe("list", () => {
  test("keeps the listing from the second time on, until a name comes or goes", () => {
    const { task } = setUp(3);
    const first = task.list(n("/"));
    expect(first.names).toEqual(["0", "1", "2"]);
    const kept = task.list(n("/"));
    expect(kept).not.toBe(first);
    expect(task.list(n("/"))).toBe(kept);
    task.mkdir(n("/d"));
    task.rename(n("/2"), n("/Z"));
    const { names, texts, types } = task.list(n("/"));
    expect(names).toEqual(["0", "1", "Z", "d"]);
    expect(texts).toEqual(names);
    expect(types).toEqual([8, 8, 8, 4]);
  });

  test("gives bytes as names and text as texts", () => {
    const { task } = setUp(0);
    writeFile(task, "/\xc3\xa9");
    writeFile(task, "/a");
    const { names, texts } = task.list(n("/"));
    expect(names).toEqual(["a", "\xc3\xa9"]);
    expect(texts).toEqual(["a", "é"]);
  });
});
