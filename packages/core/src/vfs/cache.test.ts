/** The inode cache: one object per inode, bounded, and never without what is in use. */
import { describe, expect, test } from "vitest";
import type { Inode } from "../spec/inode.ts";
import { isDirectory, O_CREAT, O_RDWR } from "../spec/mode.ts";
import type { Ino } from "../spec/units.ts";
import { shrink } from "./icache.ts";
import type { OpenFile } from "./open-file.ts";
import { ROOT } from "./credentials.ts";
import type { Superblock } from "./superblock.ts";
import { Task } from "./task.ts";
import { Walk, walkPath } from "./walk.ts";
import { codeOf, mountMemory, n, readFile, writeFile } from "./testing.ts";

/** Every invariant that superblock.ts and dcache.ts state: what breaks it, in words. */
function violations(sb: Superblock): string[] {
  const found: string[] = [];
  const check = (holds: boolean, inode: Inode, what: string): void => {
    if (!holds) found.push(`inode ${inode.ino}: ${what}`);
  };
  let entries = 0;
  const leading = new Map<Inode, number>();
  for (const [ino, inode] of sb.icache) {
    check(inode.ino === ino, inode, "stands at its number");
    for (const child of inode.children?.values() ?? []) {
      entries++;
      if (child === null) continue;
      check(sb.icache.get(child.ino) === child, child, "has a name, so it is in the cache");
      check(!isDirectory(child.mode) || child.parent === inode, child, "knows its parent");
      leading.set(child, (leading.get(child) ?? 0) + 1);
    }
  }
  check(sb.dentryCount === entries, sb.root, `${sb.dentryCount} entries, counted ${entries}`);
  for (const inode of sb.icache.values()) {
    const isOrphan = inode.nlink === 0;
    check(inode.dentries === (leading.get(inode) ?? 0), inode, "counts its names");
    check(!isOrphan || inode.references > 0, inode, "without a name is referenced");
    const isPlaced = inode.parent === null || isOrphan || leading.has(inode);
    check(isPlaced, inode, "has a parent only by a name");
  }
  for (const [path, inode] of sb.paths.entries()) {
    check(inode.cachedPath === path, inode, `knows its path ${path}`);
    let walked: Inode | null = null;
    codeOf(() => (walked = walkPath(sb, ROOT, path, true, new Walk(sb.root))));
    check(walked === inode, inode, `is where its path ${path} leads`);
  }
  return found;
}

describe("the inode cache", () => {
  test("stays near its bound while a thousand files pass through it", () => {
    const { vfs, fs } = mountMemory({ inodesMax: 50 });
    const task = new Task(vfs);
    for (let index = 0; index < 1000; index++) {
      const directory = `/d${index % 7}`;
      if (index < 7) task.mkdir(n(directory));
      writeFile(task, `${directory}/f${index}`, `${index}`);
      task.tryStat(n(`${directory}/absent${index}`));
      expect(vfs.superblock.icache.size).toBeLessThanOrEqual(54);
      expect(vfs.superblock.dentryCount).toBeLessThanOrEqual(54);
    }
    expect(violations(vfs.superblock)).toEqual([]);
    for (let index = 0; index < 1000; index++) {
      expect(readFile(task, `/d${index % 7}/f${index}`)).toBe(`${index}`);
    }
    expect(fs.calls.get("iget")).toBeGreaterThan(900);
    expect(violations(vfs.superblock)).toEqual([]);
  });

  test("never drops what is open, nor loses times that were not written", () => {
    const { vfs } = mountMemory({ inodesMax: 1 });
    const task = new Task(vfs);
    task.mkdir(n("/d"));
    const file = task.open(n("/d/f"), O_CREAT | O_RDWR);
    for (let index = 0; index < 20; index++) writeFile(task, `/d/${index}`, "x");
    task.write(file, new Uint8Array(1));
    const { mtimeNsec } = task.fstat(file);
    shrink(vfs.superblock);
    expect(vfs.superblock.icache.get(file.inode.ino)).toBe(file.inode);
    task.close(file);
    shrink(vfs.superblock);
    shrink(vfs.superblock);
    expect(vfs.superblock.icache.size).toBe(1);
    expect(task.stat(n("/d/f"))).toMatchObject({ mtimeNsec, size: 1 });
  });

  test("keeps one object for a file with two names, whichever is forgotten", () => {
    const { vfs } = mountMemory({ inodesMax: 8 });
    const task = new Task(vfs);
    task.mkdir(n("/a"));
    task.mkdir(n("/b"));
    writeFile(task, "/a/f", "1");
    task.link(n("/a/f"), n("/b/f"));
    for (let index = 0; index < 100; index++) {
      writeFile(task, `/a/${index}`);
      const one = vfs.iget(task.stat(n("/a/f")).ino as Ino);
      expect(vfs.iget(task.stat(n("/b/f")).ino as Ino)).toBe(one);
      vfs.forget(one, 2);
      expect(violations(vfs.superblock)).toEqual([]);
    }
    task.unlink(n("/a/f"));
    expect(readFile(task, "/b/f")).toBe("1");
  });

  test("counts the references of whoever works with inode numbers", () => {
    const { vfs, fs } = mountMemory();
    const task = new Task(vfs);
    writeFile(task, "/f");
    const inode = vfs.lookup(ROOT, vfs.root, n("f"));
    expect(vfs.lookup(ROOT, vfs.root, n("f"))).toBe(inode);
    vfs.unlink(ROOT, vfs.root, n("f"));
    expect(vfs.getattr(inode).nlink).toBe(0);
    expect(codeOf(() => vfs.iget(inode.ino))).toBe("ESTALE");
    vfs.forget(inode);
    expect(fs.inodes.has(inode.ino)).toBe(true);
    vfs.forget(inode);
    expect(fs.inodes.has(inode.ino)).toBe(false);
    expect(codeOf(() => vfs.iget(inode.ino))).toBe("ESTALE");
    const root = vfs.iget(vfs.root.ino, vfs.root.generation);
    expect(root).toBe(vfs.root);
    expect(codeOf(() => vfs.iget(root.ino, root.generation + 1))).toBe("ESTALE");
    expect(() => vfs.forget(root, 9)).toThrow("only references that were taken");
  });

  test("knows whole paths, until a name on the way changes", () => {
    const { vfs, fs } = mountMemory();
    const task = new Task(vfs);
    for (const path of ["/a", "/a/b", "/c"]) task.mkdir(n(path));
    writeFile(task, "/a/b/f", "1");
    writeFile(task, "/c/f", "2");
    task.link(n("/a/b/f"), n("/a/b/g"));
    // A path is kept from the second walk on.
    const size = (): number => [...vfs.superblock.paths.entries()].length;
    const stat = (path: string): number => {
      const { ino } = task.stat(n(path));
      expect(task.stat(n(path)).ino).toBe(ino);
      return ino;
    };
    expect(task.stat(n("/c")).ino).toBe(task.stat(n("/a/../c")).ino);
    expect(size()).toBe(0);
    const [one, two] = [stat("/a/b/f"), stat("/c/f")];
    expect([stat("/a/b/f"), stat("/a/b/g"), stat("/a/b/f")]).toEqual([one, one, one]);
    expect(stat("/a/../a/b/./f")).toBe(one);
    task.symlink(n("a"), n("/s"));
    expect(stat("/s/b/f")).toBe(one);
    // One path for each inode, none with dots or links.
    expect(size()).toBe(2);

    task.rename(n("/a"), n("/d"));
    expect(codeOf(() => stat("/a/b/f"))).toBe("ENOENT");
    expect(codeOf(() => stat("/s/b/f"))).toBe("ENOENT");
    expect(stat("/d/b/f")).toBe(one);
    task.rename(n("/d/b"), n("/c"), 2);
    expect([stat("/d/b/f"), stat("/c/f")]).toEqual([two, one]);
    task.unlink(n("/c/f"));
    expect(codeOf(() => stat("/c/f"))).toBe("ENOENT");
    expect(stat("/c/g")).toBe(one);
    const user = new Task(vfs, { credentials: { uid: 9, gid: 9, groups: [] } });
    task.chmod(n("/c"), 0o700);
    expect(codeOf(() => user.stat(n("/c/g")))).toBe("EACCES");
    expect(fs.inodes.size).toBe(7);
    expect(violations(vfs.superblock)).toEqual([]);
  });

  test("keeps its invariants through anything", () => {
    const { vfs } = mountMemory({ inodesMax: 6 });
    const task = new Task(vfs);
    let state = 12345;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    const path = () => n(`/${"abc"[random(3)]}${random(2) === 0 ? "" : `/${"abc"[random(3)]}`}`);
    const open: OpenFile[] = [];
    for (let index = 0; index < 3000; index++) {
      const operations = [
        () => task.mkdir(path()),
        () => task.rmdir(path()),
        () => task.unlink(path()),
        () => task.rename(path(), path(), random(3) === 0 ? 2 : 0),
        () => task.link(path(), path()),
        () => task.stat(path()),
        () => task.lstat(path()),
        () => open.push(task.open(path(), O_CREAT | O_RDWR)),
        () => open.push(task.open(path(), 0)),
        () => (open.length > 0 ? task.close(open.splice(random(open.length), 1)[0]!) : 0),
      ];
      codeOf(operations[random(operations.length)]!);
      if (open.length > 5) task.close(open.shift()!);
      expect(violations(vfs.superblock)).toEqual([]);
    }
    while (open.length > 0) task.close(open.pop()!);
    expect(violations(vfs.superblock)).toEqual([]);
    vfs.unmount();
  });
});
