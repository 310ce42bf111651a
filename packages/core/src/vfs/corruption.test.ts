/** Bad disk: EUCLEAN with its cause, a mount that changes nothing afterwards, an image left alone. */
import { describe, expect, test } from "vitest";
import { CorruptionError, FsError } from "../spec/errors.ts";
import { O_CREAT, O_RDWR, S_IFDIR, S_IFREG } from "../spec/mode.ts";
import type { Ino } from "../spec/units.ts";
import { ROOT } from "./credentials.ts";
import { Superblock } from "./superblock.ts";
import { Task } from "./task.ts";
import {
  codeOf,
  type MemoryFileSystem,
  mountMemory,
  n,
  readFile,
  someCorruption,
  writeFile,
} from "./testing.ts";
import { Vfs } from "./vfs.ts";

function setUp() {
  const { vfs, fs } = mountMemory();
  return { vfs, fs, task: new Task(vfs) };
}

function errorOf(run: () => unknown): FsError {
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(FsError);
  return thrown as FsError;
}

describe("corruption", () => {
  test("is EUCLEAN with call, path and cause; then the mount is read-only", () => {
    const { vfs, fs, task } = setUp();
    writeFile(task, "/f", "text");
    const file = task.open(n("/f"), O_RDWR);
    const found = someCorruption();
    fs.failNext = found;
    const error = errorOf(() => task.mkdir(n("/d")));
    expect(error).toMatchObject({ code: "EUCLEAN", errno: -117, syscall: "mkdir", path: "/d" });
    expect(error.cause).toBe(found);
    expect(error.message).toContain("test at byte 0x0: magic is 1, expected 2");
    expect(vfs.readOnly).toBe(true);

    const bytes = new Uint8Array(4);
    for (const change of [
      () => task.mkdir(n("/d")),
      () => writeFile(task, "/new"),
      () => task.open(n("/f"), O_RDWR),
      () => task.write(file, bytes),
      () => task.ftruncate(file, 0),
      () => task.fallocate(file, 0, 0, 1),
      () => task.unlink(n("/f")),
      () => task.rename(n("/f"), n("/g")),
      () => task.link(n("/f"), n("/g")),
      () => task.symlink(n("x"), n("/g")),
      () => task.chmod(n("/f"), 0),
      () => task.setxattr(n("/f"), n("user.a"), bytes),
      () => task.access(n("/f"), 2),
      () => task.fsync(file),
      () => task.syncfs(),
      () => task.mmap(file, 0, 1, { shared: true, writable: true, sync: false }),
    ]) {
      expect(codeOf(change)).toBe("EROFS");
    }
    expect(readFile(task, "/f")).toBe("text");
    expect(codeOf(() => task.mkdir(n("/f")))).toBe("EEXIST");
    task.close(file);
    vfs.unmount();
    // Not marked clean: the next check must see that something was wrong.
    expect(fs.unmounted).toBe(false);
  });

  test("is turned at the level of inodes too", () => {
    const { vfs, fs } = setUp();
    fs.failNext = someCorruption();
    const error = errorOf(() => vfs.mkdir(ROOT, vfs.root, n("d"), 0o755));
    expect(error.code).toBe("EUCLEAN");
    expect(error.cause).toBeInstanceOf(CorruptionError);
    expect(codeOf(() => vfs.mkdir(ROOT, vfs.root, n("d"), 0o755))).toBe("EROFS");
  });

  test("is found where names lead to what cannot be", () => {
    const f = 2 as Ino;
    const cases: Array<[what: string, spoil: (fs: MemoryFileSystem) => void]> = [
      ["a free inode", (fs) => void fs.inodes.delete(f)],
      ["an inode without links", (fs) => void (fs.inodes.get(f)!.attributes.nlink = 0)],
      ["the root", (fs) => void fs.inodes.get(1 as Ino)!.names.set(n("f"), entry(1))],
    ];
    for (const [what, spoil] of cases) {
      const { vfs, fs, task } = setUp();
      writeFile(task, "/f");
      spoil(fs);
      // A second mount of the same medium has nothing in its caches.
      const again = new Vfs(new Superblock({ ...vfs.superblock, fs }));
      expect(errorOf(() => new Task(again).stat(n("/f"))).code, what).toBe("EUCLEAN");
    }
  });

  test("is found where a directory has two parents, or parents that go in a circle", () => {
    const { vfs, fs, task } = setUp();
    for (const path of ["/a", "/b", "/a/c", "/a/c/d"]) task.mkdir(n(path));
    const c = task.stat(n("/a/c")).ino as Ino;
    const b = vfs.lookup(ROOT, vfs.root, n("b"));
    b.childrenComplete = false;
    fs.inodes.get(b.ino)!.names.set(n("c"), entry(c));
    expect(errorOf(() => task.stat(n("/b/c"))).code).toBe("EUCLEAN");

    const other = setUp();
    for (const path of ["/a", "/a/b"]) other.task.mkdir(n(path));
    const inner = other.task.stat(n("/a/b")).ino as Ino;
    const directory = other.vfs.iget(inner);
    directory.parent = null;
    other.fs.inodes.get(inner)!.parent = inner;
    const error = errorOf(() =>
      other.vfs.rename(ROOT, other.vfs.root, n("a"), directory, n("x"), 0),
    );
    expect(error.code).toBe("EUCLEAN");
  });

  test("is found where the count of links is below the names that were seen", () => {
    const { fs, task } = setUp();
    writeFile(task, "/f");
    task.link(n("/f"), n("/g"));
    const file = task.open(n("/f"), O_RDWR);
    file.inode.nlink = 1;
    const transactions = fs.counters.transactions;
    expect(errorOf(() => task.unlink(n("/f"))).code).toBe("EUCLEAN");
    expect(fs.counters.transactions).toBe(transactions);
  });

  test("of the root refuses the mount", () => {
    const { fs } = setUp();
    const root = fs.iget(1 as Ino);
    expect(root.mode).toBe(S_IFDIR | 0o755);
    fs.inodes.get(1 as Ino)!.attributes.mode = S_IFREG;
    const { superblock } = setUp().vfs;
    expect(() => new Superblock({ ...superblock, fs })).toThrow(CorruptionError);
  });
});

describe("unmount", () => {
  test("refuses while files are open, unless forced", () => {
    const { vfs, fs, task } = setUp();
    const file = task.open(n("/f"), O_CREAT | O_RDWR);
    const region = task.mmap(file, 0, 4096, { shared: true, writable: true, sync: false });
    expect(codeOf(() => vfs.unmount())).toBe("EBUSY");
    task.close(file);
    expect(codeOf(() => vfs.unmount())).toBe("EBUSY");
    region.unmap();
    vfs.unmount();
    expect(fs.unmounted).toBe(true);
    expect(codeOf(() => task.stat(n("/f")))).toBe("ESTALE");
    expect(codeOf(() => vfs.sync())).toBe("ESTALE");
    expect(codeOf(() => vfs.unmount())).toBe("ESTALE");
  });

  test("by force frees what has no name", () => {
    const { vfs, fs, task } = setUp();
    const file = task.open(n("/f"), O_CREAT | O_RDWR);
    const kept = task.open(n("/g"), O_CREAT | O_RDWR);
    task.mkdir(n("/d"));
    task.chdir(n("/d"));
    task.rmdir(n("/d"));
    task.unlink(n("/f"));
    const region = task.mmap(file, 0, 4096, { shared: true, writable: true, sync: false });
    vfs.unmount(true);
    expect([...fs.inodes.keys()]).toEqual([1, kept.inode.ino]);
    expect(fs.unmounted).toBe(true);
    expect(codeOf(() => task.read(kept, new Uint8Array(1)))).toBe("EBADF");
    expect(codeOf(() => task.close(kept))).toBe("EBADF");
    expect(codeOf(() => region.load(0, new Uint8Array(1), 0, 1))).toBe("EFAULT");
  });

  test("writes times that were in memory alone", () => {
    const { vfs, fs, task } = setUp();
    const file = task.open(n("/f"), O_CREAT | O_RDWR);
    task.write(file, new Uint8Array(1));
    task.close(file);
    const { mtimeNsec } = task.stat(n("/f"));
    expect(fs.inodes.get(file.inode.ino)!.attributes.mtimeNsec).not.toBe(mtimeNsec);
    vfs.unmount();
    expect(fs.inodes.get(file.inode.ino)!.attributes.mtimeNsec).toBe(mtimeNsec);
  });
});

const entry = (ino: number) => ({ ino: ino as Ino, cookie: 99 });
