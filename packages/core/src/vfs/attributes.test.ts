/** Times: when reads and writes move them, and what becomes durable when; stat; failed changes. */
import { describe, expect, test } from "vitest";
import { FsError } from "../spec/errors.ts";
import type { Clock, Timespec } from "../spec/inode.ts";
import { O_CREAT, O_RDONLY, O_RDWR, UTIME_NOW, UTIME_OMIT } from "../spec/mode.ts";
import { ROOT } from "./credentials.ts";
import type { SuperblockParts } from "./superblock.ts";
import { Task } from "./task.ts";
import { codeOf, mountMemory, n, readFile, writeFile } from "./testing.ts";

/** A clock that stands still until it is set. */
function setUp(parts: Partial<SuperblockParts> = {}) {
  const time: Timespec = { sec: 1000, nsec: 1 };
  const clock: Clock = { now: () => time };
  const { vfs, fs } = mountMemory({ clock, ...parts });
  return { vfs, fs, time, task: new Task(vfs) };
}

/** Access, modification and change time of a path, in seconds. */
function times(task: Task, path: string): number[] {
  const { atimeSec, mtimeSec, ctimeSec } = task.lstat(n(path));
  return [atimeSec, mtimeSec, ctimeSec];
}

describe("stat", () => {
  test("has what the inode has, blocks in 512 bytes", () => {
    const { task } = setUp({ dev: 77 });
    const file = task.open(n("/f"), O_CREAT | O_RDWR, 0o640);
    task.write(file, new Uint8Array(5));
    file.inode.blocks = 3;
    expect(task.fstat(file)).toEqual({
      dev: 77,
      ino: file.inode.ino,
      mode: 0o100640,
      nlink: 1,
      uid: 0,
      gid: 0,
      rdev: 0,
      size: 5,
      blksize: 4096,
      blocks: 24,
      atimeSec: 1000,
      atimeNsec: 1,
      mtimeSec: 1000,
      mtimeNsec: 1,
      ctimeSec: 1000,
      ctimeNsec: 1,
      btimeSec: 1000,
      btimeNsec: 1,
    });
    expect(task.stat(n("/f"))).toEqual(task.fstat(file));
  });
});

describe("the access time", () => {
  test("moves by relatime when it is not younger than the last change, or a day old", () => {
    const { task, time } = setUp();
    writeFile(task, "/f", "text");
    time.sec = 2000;
    readFile(task, "/f");
    expect(times(task, "/f")).toEqual([2000, 1000, 1000]);
    time.sec = 3000;
    readFile(task, "/f");
    expect(times(task, "/f")).toEqual([2000, 1000, 1000]);
    time.sec = 2000 + 86_400;
    readFile(task, "/f");
    expect(times(task, "/f")).toEqual([88_400, 1000, 1000]);
    time.sec = 90_000;
    task.chmod(n("/f"), 0o600);
    time.sec = 91_000;
    readFile(task, "/f");
    expect(times(task, "/f")).toEqual([91_000, 1000, 90_000]);
  });

  test("of a file that stays open moves too, a few reads after it is a day old", () => {
    const { task, time } = setUp();
    writeFile(task, "/f", "text");
    time.sec = 2000;
    const file = task.open(n("/f"), O_RDONLY);
    const target = new Uint8Array(4);
    task.pread(file, target, 0, 4, 0);
    time.sec = 2000 + 86_400;
    for (let reads = 0; reads < 64; reads++) task.pread(file, target, 0, 4, 0);
    expect(task.fstat(file).atimeSec).toBe(88_400);
  });

  test("of directories and links moves as they are read", () => {
    const { task, time } = setUp();
    task.mkdir(n("/d"));
    task.symlink(n("d"), n("/l"));
    time.sec = 2000;
    task.readdir(n("/l"));
    expect(times(task, "/d")).toEqual([2000, 1000, 1000]);
    expect(times(task, "/l")).toEqual([2000, 1000, 1000]);
  });

  test("never moves by noatime, and always by strictatime", () => {
    for (const atime of ["noatime", "strictatime"] as const) {
      const { task, time } = setUp({ atime });
      writeFile(task, "/f", "text");
      for (time.sec = 2000; time.sec <= 2002; time.sec++) readFile(task, "/f");
      expect(times(task, "/f")[0]).toBe(atime === "noatime" ? 1000 : 2002);
    }
  });
});

describe("the modification time", () => {
  test("moves with writes and truncation, and with nothing that was refused", () => {
    const { task, time } = setUp();
    const file = task.open(n("/f"), O_CREAT | O_RDWR);
    const steps: Array<[() => void, boolean]> = [
      [() => task.write(file, new Uint8Array(8)), true],
      [() => task.write(file, new Uint8Array(0)), false],
      [() => task.pwrite(file, new Uint8Array(1), 0, 1, 0), true],
      [() => task.ftruncate(file, 8), true],
      [() => task.truncate(n("/f"), 8), false],
      [() => task.truncate(n("/f"), 4), true],
      [() => task.fallocate(file, 1, 0, 1), true],
      [() => void codeOf(() => task.pwrite(file, new Uint8Array(1), 0, 1, -1)), false],
      [() => void codeOf(() => task.ftruncate(file, 2 ** 50)), false],
    ];
    for (const [step, moves] of steps) {
      const [, before] = times(task, "/f");
      time.sec++;
      step();
      const expected = moves ? time.sec : before;
      expect(times(task, "/f").slice(1), String(step)).toEqual([expected, expected]);
    }
  });

  test("moves with a store to a shared mapping, once until msync", () => {
    const { task, time } = setUp();
    const file = task.open(n("/f"), O_CREAT | O_RDWR);
    task.ftruncate(file, 4096);
    const shared = task.mmap(file, 0, 4096, { shared: true, writable: true, sync: false });
    const store = (sec: number): void => {
      time.sec = sec;
      shared.store(0, new Uint8Array(1), 0, 1);
    };
    store(2000);
    store(3000);
    expect(times(task, "/f")[1]).toBe(2000);
    shared.msync(0, 4096);
    store(4000);
    expect(times(task, "/f")[1]).toBe(4000);
    const own = task.mmap(file, 0, 4096, { shared: false, writable: true, sync: false });
    time.sec = 5000;
    own.store(0, new Uint8Array(1), 0, 1);
    expect(times(task, "/f")[1]).toBe(4000);
    shared.unmap();
    own.unmap();
    task.close(file);
  });
});

describe("utimens", () => {
  test("sets, leaves, or takes the present", () => {
    const { task, time } = setUp();
    writeFile(task, "/f");
    const omit = { sec: 9, nsec: UTIME_OMIT };
    const now = { sec: 9, nsec: UTIME_NOW };
    time.sec = 2000;
    task.utimens(n("/f"), { sec: 5, nsec: 6 }, omit);
    expect(times(task, "/f")).toEqual([5, 1000, 2000]);
    time.sec = 3000;
    task.utimens(n("/f"), omit, now);
    expect(times(task, "/f")).toEqual([5, 3000, 3000]);
    task.symlink(n("f"), n("/l"));
    task.utimens(n("/l"), { sec: 1, nsec: 0 }, { sec: 2, nsec: 0 }, false);
    expect(times(task, "/l")).toEqual([1, 2, 3000]);
    expect(times(task, "/f")).toEqual([5, 3000, 3000]);
  });
});

test("a change of attributes that fails leaves all of them as they were", () => {
  const { fs, task, vfs } = setUp();
  writeFile(task, "/f");
  const before = task.stat(n("/f"));
  const time = { sec: 5, nsec: 5 };
  for (const change of [
    () => task.chmod(n("/f"), 0o7777),
    () => task.chown(n("/f"), 5, 6),
    () => task.utimens(n("/f"), time, time),
  ]) {
    fs.failNext = new FsError("ENOSPC");
    expect(codeOf(change)).toBe("ENOSPC");
    expect(task.stat(n("/f"))).toEqual(before);
  }
  const inode = vfs.lookup(ROOT, vfs.root, n("f"));
  const after = vfs.setattr(ROOT, inode, { mode: 0o600, uid: 1, size: 7, mtime: time });
  expect(after).toMatchObject({ mode: 0o100600, uid: 1, gid: 0, size: 7, mtimeSec: 5 });
});

test("within one tick of the clock a write leaves the times alone, and nothing to write for them", () => {
  const { task, time } = setUp();
  const file = task.open(n("/f"), O_CREAT | O_RDWR);
  task.write(file, new Uint8Array(8));
  task.fsync(file);
  expect(file.inode.timesDirty).toBe(false);
  task.pwrite(file, new Uint8Array(4), 0, 4, 0);
  expect(file.inode.timesDirty).toBe(false);
  time.nsec++;
  task.pwrite(file, new Uint8Array(4), 0, 4, 0);
  expect(file.inode.timesDirty).toBe(true);
  expect(task.fstat(file).mtimeNsec).toBe(time.nsec);
  task.fsync(file);
  expect(file.inode.timesDirty).toBe(false);
});
