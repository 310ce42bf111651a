/**
 * What happens to names, inodes, link counts and times: create, link, unlink, rename in all its
 * forms, O_TMPFILE, and what is left when space runs out. e2fsck judges each image.
 */
import { FsError, type Ino, type Name, type Pmem, S_IFCHR, S_IFLNK, S_IFREG } from "@xiplab/core";
import { e2fsck, requireOracle } from "@xiplab/oracles";
import { describe, expect, test } from "vitest";
import type { Ext4FileSystem } from "./filesystem.ts";
import { emptyImage, listAll, lookupIn, makeDirectory, makeFile } from "./dir/testing.ts";
import { openImage, rootOf, watchCredits } from "./dir/testing.ts";
import { FL_INDEX } from "./format/inode.ts";
import { writeInode } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import { LINK_MAX } from "./namei.ts";

interface Opened {
  readonly device: Pmem;
  readonly fs: Ext4FileSystem;
  readonly root: Ext4Inode;
}

function open(options: Record<string, string> = {}): Opened {
  const device = emptyImage(16, { blockSize: "1024", ...options });
  const fs = openImage(device);
  watchCredits(fs);
  return { device, fs, root: rootOf(fs) };
}

/** Unmount, and let e2fsck look, where there is one. */
function close({ device, fs }: Opened): void {
  fs.unmount();
  if (requireOracle(["e2fsck"]) !== null) return;
  const { clean, output } = e2fsck(device);
  expect(clean, output).toBe(true);
}

const rename = (
  fs: Ext4FileSystem,
  [from, oldName]: readonly [Ext4Inode, string],
  [to, newName]: readonly [Ext4Inode, string],
  inode: Ext4Inode,
  displaced: Ext4Inode | null = null,
  exchange = false,
): void => fs.rename(from, oldName as Name, to, newName as Name, inode, displaced, exchange);

/** Set a link count that a test made up to what it is in truth. */
function setLinks({ volume }: Ext4FileSystem, inode: Ext4Inode, count: number): void {
  inode.nlink = count;
  volume.journal.run(1, () => writeInode(volume, inode));
}

const timeOf = ({ mtimeSec, mtimeNsec }: Ext4Inode): number => mtimeSec * 1e3 + mtimeNsec / 1e6;
const changeOf = ({ ctimeSec, ctimeNsec }: Ext4Inode): number => ctimeSec * 1e3 + ctimeNsec / 1e6;

describe("create", () => {
  test("inodes of every type", () => {
    const opened = open();
    const { fs, root } = opened;
    const before = timeOf(root);
    const owner = { uid: 7, gid: 8, rdev: 0 };
    const file = fs.create(root, "file" as Name, { mode: S_IFREG | 0o640, ...owner });
    expect(timeOf(root)).toBeGreaterThan(before);
    expect([file.nlink, file.uid, file.gid, file.size]).toEqual([1, 7, 8, 0]);
    const short = { mode: S_IFLNK | 0o777, ...owner, target: "there" as Name };
    const long = { ...short, target: "far/".repeat(100) as Name };
    expect(fs.readlink(fs.create(root, "short" as Name, short))).toBe("there");
    expect(fs.readlink(fs.create(root, "long" as Name, long))).toBe("far/".repeat(100));
    fs.create(root, "device" as Name, { mode: S_IFCHR | 0o600, ...owner, rdev: 0x103 });
    const directory = makeDirectory(fs, root, "directory");
    expect([directory.nlink, directory.size, root.nlink]).toEqual([2, 1024, 4]);
    expect(fs.parentOf(directory)).toBe(root.ino);
    expect(fs.isEmpty(directory)).toBe(true);
    const { names, types } = listAll(fs, root);
    const listed = Object.fromEntries(names.map((name, index) => [name, types[index]]));
    expect(listed).toEqual({
      "lost+found": 4,
      file: 8,
      short: 10,
      long: 10,
      device: 2,
      directory: 4,
    });
    close(opened);
  });

  test("where blocks run out nothing is left behind", () => {
    const opened = open({ journalSize: "1M" });
    const { fs, root } = opened;
    const long = { mode: S_IFLNK | 0o777, uid: 0, gid: 0, rdev: 0, target: "t".repeat(99) as Name };
    let made = 0;
    const useAll = (): void => {
      for (; ; made++) fs.create(root, `link ${made}` as Name, long);
    };
    expect(useAll).toThrow("ENOSPC");
    expect(made).toBeGreaterThan(1000);
    const before = [fs.statfs().filesFree, root.nlink, listAll(fs, root).names.length];
    expect(() => makeDirectory(fs, root, "directory")).toThrow("ENOSPC");
    expect(() => fs.create(root, "another" as Name, long)).toThrow("ENOSPC");
    expect([fs.statfs().filesFree, root.nlink, listAll(fs, root).names.length]).toEqual(before);
    expect(lookupIn(fs, root, "directory")).toBe(0);
    // What was freed in the running transaction is there after a commit, which the call makes.
    for (let index = 0; index < 5; index++) {
      const link = fs.iget(lookupIn(fs, root, `link ${index}`));
      fs.unlink(root, `link ${index}` as Name, link);
      fs.evict(link);
    }
    expect(makeDirectory(fs, root, "directory").nlink).toBe(2);
    close(opened);
  });

  test("where inodes run out nothing is left behind", () => {
    const opened = open({ inodes: "64" });
    const { fs, root } = opened;
    let made = 0;
    const useAll = (): void => {
      for (; ; made++) makeDirectory(fs, root, `directory ${made}`);
    };
    expect(useAll).toThrow("ENOSPC");
    expect(fs.statfs().filesFree).toBe(0);
    expect(root.nlink).toBe(3 + made);
    expect(lookupIn(fs, root, `directory ${made}`)).toBe(0);
    close(opened);
  });
});

describe("link and unlink", () => {
  test("counts, times and the orphan list", () => {
    const opened = open();
    const { fs, root } = opened;
    const file = makeFile(fs, root, "file");
    const before = [changeOf(file), timeOf(root)];
    fs.link(root, "other" as Name, file);
    expect(file.nlink).toBe(2);
    expect(changeOf(file)).toBeGreaterThan(before[0]!);
    expect(timeOf(root)).toBeGreaterThan(before[1]!);
    fs.unlink(root, "file" as Name, file);
    expect([file.nlink, file.orphan]).toEqual([1, false]);
    fs.unlink(root, "other" as Name, file);
    expect([file.nlink, file.orphan]).toEqual([0, true]);
    expect(lookupIn(fs, root, "other")).toBe(0);
    fs.evict(file);
    expect(() => fs.iget(file.ino)).toThrow("ESTALE");
    const directory = makeDirectory(fs, root, "directory");
    fs.unlink(root, "directory" as Name, directory);
    expect([directory.nlink, root.nlink, directory.orphan]).toEqual([0, 3, true]);
    fs.evict(directory);
    close(opened);
  });

  test("a file without a name gets one, or is gone with the mount", () => {
    const opened = open();
    const { device, fs, root } = opened;
    const attributes = { mode: S_IFREG | 0o600, uid: 0, gid: 0, rdev: 0 };
    const named = fs.tmpfile(root, attributes);
    const lost = fs.tmpfile(root, attributes);
    expect([named.nlink, named.orphan]).toEqual([0, true]);
    fs.link(root, "named" as Name, named);
    expect([named.nlink, named.orphan]).toEqual([1, false]);
    fs.sync();
    // The power goes: what has no name is freed by the next mount.
    const again = openImage(device);
    expect(lookupIn(again, rootOf(again), "named")).toBe(named.ino);
    expect(() => again.iget(lost.ino)).toThrow("ESTALE");
    close({ device, fs: again, root });
  });

  test("the most links that a file can have", () => {
    const opened = open();
    const { fs, root } = opened;
    const file = makeFile(fs, root, "file");
    file.nlink = LINK_MAX;
    expect(() => fs.link(root, "one more" as Name, file)).toThrow("EMLINK");
    expect(lookupIn(fs, root, "one more")).toBe(0);
    file.nlink = 1;
    close(opened);
  });
});

describe("subdirectories beyond the link count", () => {
  test("an indexed directory counts 1 from then on, others are full", () => {
    const opened = open();
    const { fs, root } = opened;
    const directory = makeDirectory(fs, root, "directory");
    directory.nlink = LINK_MAX;
    const refused = (): unknown => makeDirectory(fs, directory, "refused");
    expect(refused).toThrow("EMLINK");
    directory.nlink = 2;
    for (let index = 0; index < 100; index++) makeDirectory(fs, directory, `many ${index}`);
    expect(directory.flags & FL_INDEX).not.toBe(0);
    directory.nlink = LINK_MAX;
    const last = makeDirectory(fs, directory, "last");
    expect(directory.nlink).toBe(1);
    makeDirectory(fs, directory, "still");
    fs.unlink(directory, "last" as Name, last);
    expect(directory.nlink).toBe(1);
    fs.evict(last);
    // What it has in truth, for e2fsck.
    setLinks(fs, directory, 2 + 101);
    close(opened);
  });
});

describe("rename", () => {
  interface Tree extends Opened {
    readonly left: Ext4Inode;
    readonly right: Ext4Inode;
  }

  function tree(): Tree {
    const opened = open();
    const left = makeDirectory(opened.fs, opened.root, "left");
    const right = makeDirectory(opened.fs, opened.root, "right");
    return { ...opened, left, right };
  }

  const found = (fs: Ext4FileSystem, directory: Ext4Inode, name: string): Ino =>
    lookupIn(fs, directory, name);

  test("a file to a new name, in its directory and in another", () => {
    const opened = tree();
    const { fs, left, right } = opened;
    const file = makeFile(fs, left, "file");
    const before = [changeOf(file), timeOf(left), timeOf(right)];
    rename(fs, [left, "file"], [left, "renamed"], file);
    expect([found(fs, left, "file"), found(fs, left, "renamed")]).toEqual([0, file.ino]);
    rename(fs, [left, "renamed"], [right, "moved"], file);
    expect([found(fs, left, "renamed"), found(fs, right, "moved")]).toEqual([0, file.ino]);
    const after = [changeOf(file), timeOf(left), timeOf(right)];
    for (const [index, time] of after.entries()) expect(time).toBeGreaterThan(before[index]!);
    expect(file.nlink).toBe(1);
    close(opened);
  });

  test("over a file, whose last name it was", () => {
    const opened = tree();
    const { fs, left, right } = opened;
    const file = makeFile(fs, left, "file");
    const victim = makeFile(fs, right, "victim");
    rename(fs, [left, "file"], [right, "victim"], file, victim);
    expect(found(fs, right, "victim")).toBe(file.ino);
    expect([victim.nlink, victim.orphan]).toEqual([0, true]);
    fs.evict(victim);
    close(opened);
  });

  test("a directory to another parent, and over an empty directory there", () => {
    const opened = tree();
    const { fs, left, right } = opened;
    const moved = makeDirectory(fs, left, "moved");
    makeFile(fs, moved, "inside");
    expect([left.nlink, right.nlink]).toEqual([3, 2]);
    rename(fs, [left, "moved"], [right, "moved"], moved);
    expect([left.nlink, right.nlink, moved.nlink]).toEqual([2, 3, 2]);
    expect(fs.parentOf(moved)).toBe(right.ino);
    const victim = makeDirectory(fs, left, "victim");
    rename(fs, [right, "moved"], [left, "victim"], moved, victim);
    expect([left.nlink, right.nlink, victim.nlink]).toEqual([3, 2, 0]);
    expect(fs.parentOf(moved)).toBe(left.ino);
    expect(found(fs, left, "victim")).toBe(moved.ino);
    fs.evict(victim);
    close(opened);
  });

  test("an exchange, of each type with each", () => {
    const opened = tree();
    const { fs, left, right } = opened;
    const file = makeFile(fs, left, "a");
    const directory = makeDirectory(fs, right, "b");
    rename(fs, [left, "a"], [right, "b"], file, directory, true);
    expect([found(fs, left, "a"), found(fs, right, "b")]).toEqual([directory.ino, file.ino]);
    expect([left.nlink, right.nlink]).toEqual([3, 2]);
    expect(fs.parentOf(directory)).toBe(left.ino);
    expect(listAll(fs, left).types).toEqual([4]);
    expect(listAll(fs, right).types).toEqual([8]);
    const other = makeDirectory(fs, right, "other");
    rename(fs, [left, "a"], [right, "other"], directory, other, true);
    expect([left.nlink, right.nlink]).toEqual([3, 3]);
    expect([fs.parentOf(directory), fs.parentOf(other)]).toEqual([right.ino, left.ino]);
    rename(fs, [right, "b"], [right, "other"], file, directory, true);
    expect([found(fs, right, "b"), found(fs, right, "other")]).toEqual([directory.ino, file.ino]);
    expect([left.nlink, right.nlink]).toEqual([3, 3]);
    close(opened);
  });

  test("two full directories exchange subdirectories", () => {
    const opened = tree();
    const { fs, left, right } = opened;
    const one = makeDirectory(fs, left, "one");
    const two = makeDirectory(fs, right, "two");
    left.nlink = right.nlink = LINK_MAX;
    rename(fs, [left, "one"], [right, "two"], one, two, true);
    expect([left.nlink, right.nlink]).toEqual([LINK_MAX, LINK_MAX]);
    expect(() => rename(fs, [left, "one"], [right, "more"], two)).toThrow(FsError);
    setLinks(fs, left, 3);
    setLinks(fs, right, 3);
    close(opened);
  });

  test("within an indexed directory, many times over", () => {
    const opened = tree();
    const { fs, left } = opened;
    const file = makeFile(fs, left, "0");
    for (let index = 0; index < 300; index++) makeFile(fs, left, `other ${index}`);
    for (let index = 0; index < 300; index++) {
      rename(fs, [left, `${index}`], [left, `${index + 1}`], file);
    }
    expect(found(fs, left, "300")).toBe(file.ino);
    expect(listAll(fs, left).names.length).toBe(301);
    close(opened);
  });
});
