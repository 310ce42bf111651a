/**
 * Flags of chattr, project ids, times that a format cannot hold, what counts as root for reserved
 * space; and what is made durable when, in a design whose transactions batch.
 */
import { describe, expect, test } from "vitest";
import {
  INODE_APPEND,
  INODE_DIRSYNC,
  INODE_IMMUTABLE,
  INODE_NOATIME,
  INODE_NODUMP,
  INODE_SYNC,
} from "../spec/inode.ts";
import { O_CREAT, O_DSYNC, O_RDONLY, O_RDWR, O_SYNC, O_WRONLY } from "../spec/mode.ts";
import type { Inode } from "../spec/inode.ts";
import { type Credentials, ROOT } from "./credentials.ts";
import type { SuperblockParts } from "./superblock.ts";
import { Task } from "./task.ts";
import { codeOf, EVERYTHING, MemoryFileSystem, mountMemory, n, writeFile } from "./testing.ts";
import { counterClock } from "./clock.ts";

const USER: Credentials = { uid: 1000, gid: 1000, groups: [] };
const ALL =
  INODE_SYNC | INODE_IMMUTABLE | INODE_APPEND | INODE_NODUMP | INODE_NOATIME | INODE_DIRSYNC;
/** A flag of the design's own, such as ext4's "has extents". */
const OWN = 0x80000;

function setUp(fields: object = {}, parts: Partial<SuperblockParts> = {}) {
  const fs = Object.assign(new MemoryFileSystem(counterClock()), fields);
  const { vfs } = mountMemory(parts, fs);
  const task = new Task(vfs);
  writeFile(task, "/f", "text");
  const f = vfs.lookup(ROOT, vfs.root, n("f"));
  const synced: string[] = [];
  const fsync = fs.fsync.bind(fs);
  fs.fsync = (inode: Inode, datasync: boolean) => {
    const what = datasync ? "fdatasync" : "fsync";
    synced.push(`${what} ${inode.ino}${inode.timesDirty ? " times dirty" : ""}`);
    fsync(inode, datasync);
  };
  return { fs, vfs, task, f, synced };
}

describe("flags", () => {
  test("change where users may change them; the design's own stay", () => {
    const { vfs, f } = setUp({ settableFlags: ALL });
    f.flags = (OWN | 0x80000000) >>> 0;
    vfs.setFlags(ROOT, f, INODE_NODUMP | OWN);
    expect(f.flags).toBe((OWN | 0x80000000 | INODE_NODUMP) >>> 0);
    expect(vfs.getFlags(f)).toEqual({ settable: ALL & ~INODE_DIRSYNC, flags: INODE_NODUMP });
    expect(codeOf(() => vfs.setFlags(ROOT, f, 0x4))).toBe("EOPNOTSUPP");
    expect(codeOf(() => vfs.setFlags(ROOT, f, INODE_DIRSYNC))).toBe("EOPNOTSUPP");
    expect(codeOf(() => vfs.setFlags(ROOT, vfs.root, INODE_DIRSYNC))).toBe("ok");
    vfs.setFlags(ROOT, f, 0);
    expect(f.flags).toBe((OWN | 0x80000000) >>> 0);
  });

  test("without a list of the design: immutable and append-only", () => {
    const { vfs, f } = setUp();
    expect(vfs.getFlags(f).settable).toBe(INODE_IMMUTABLE | INODE_APPEND);
    expect(codeOf(() => vfs.setFlags(ROOT, f, INODE_NODUMP))).toBe("EOPNOTSUPP");
  });

  test("are the owner's, but immutable and append-only are root's", () => {
    const { vfs, task, f } = setUp({ settableFlags: ALL });
    expect(codeOf(() => vfs.setFlags(USER, f, INODE_NODUMP))).toBe("EPERM");
    task.chown(n("/f"), 1000, 1000);
    expect(codeOf(() => vfs.setFlags(USER, f, INODE_NODUMP))).toBe("ok");
    expect(codeOf(() => vfs.setFlags(USER, f, INODE_APPEND))).toBe("EPERM");
    vfs.setFlags(ROOT, f, INODE_IMMUTABLE);
    expect(codeOf(() => vfs.setFlags(USER, f, 0))).toBe("EPERM");
    expect(codeOf(() => vfs.setFlags(USER, f, INODE_IMMUTABLE | INODE_NOATIME))).toBe("ok");
  });

  test("noatime keeps the access time", () => {
    const { vfs, task, f } = setUp({ settableFlags: ALL }, { atime: "strictatime" });
    const read = (): void => {
      const file = task.open(n("/f"), O_RDONLY);
      task.read(file, new Uint8Array(1));
      task.close(file);
    };
    vfs.setFlags(ROOT, f, INODE_NOATIME);
    const { atimeSec, atimeNsec } = f;
    read();
    expect([f.atimeSec, f.atimeNsec]).toEqual([atimeSec, atimeNsec]);
    vfs.setFlags(ROOT, f, 0);
    read();
    expect([f.atimeSec, f.atimeNsec]).not.toEqual([atimeSec, atimeNsec]);
  });
});

describe("what is durable when the call returns", () => {
  test("writes of O_SYNC with their times, of O_DSYNC without; others not", () => {
    const { task, f, synced } = setUp();
    for (const flags of [0, O_DSYNC, O_SYNC]) {
      const file = task.open(n("/f"), O_WRONLY | flags);
      task.write(file, new Uint8Array(10));
      task.close(file);
    }
    // The times are part of the transaction that fsync commits, so they come before it.
    expect(synced).toEqual([`fdatasync ${f.ino} times dirty`, `fsync ${f.ino}`]);
  });

  test("changes of a file with the flag S, and names in a directory with D", () => {
    const { vfs, task, f, synced } = setUp({ settableFlags: ALL });
    const file = task.open(n("/f"), O_RDWR);
    vfs.setFlags(ROOT, f, INODE_SYNC);
    task.write(file, new Uint8Array(1));
    task.ftruncate(file, 0);
    task.fallocate(file, 0, 0, 10);
    expect(synced.length).toBe(3);
    task.mkdir(n("/d"));
    expect(synced.length).toBe(3);
    const d = vfs.lookup(ROOT, vfs.root, n("d"));
    vfs.setFlags(ROOT, d, INODE_DIRSYNC);
    synced.length = 0;
    task.close(task.open(n("/d/a"), O_CREAT | O_WRONLY));
    task.mkdir(n("/d/b"));
    task.link(n("/f"), n("/d/c"));
    task.rename(n("/d/a"), n("/a"));
    task.rename(n("/a"), n("/d/a"));
    task.unlink(n("/d/a"));
    task.rmdir(n("/d/b"));
    expect(synced).toEqual(Array.from({ length: 7 }, () => `fsync ${d.ino}`));
  });
});

describe("project ids", () => {
  test("are set by the owner, and refused by a design without", () => {
    const { vfs, f } = setUp();
    expect(vfs.getProjectId(f)).toBe(0);
    vfs.setProjectId(ROOT, f, 0xffffffff);
    expect(vfs.getProjectId(f)).toBe(0xffffffff);
    expect(codeOf(() => vfs.setProjectId(USER, f, 1))).toBe("EPERM");
    expect(codeOf(() => vfs.setProjectId(ROOT, f, -1))).toBe("EINVAL");
    const none = setUp({}, { capabilities: { ...EVERYTHING, projectIds: "no place for them" } });
    expect(codeOf(() => none.vfs.setProjectId(ROOT, none.f, 1))).toBe("EOPNOTSUPP");
    expect(codeOf(() => none.vfs.getProjectId(none.f))).toBe("EOPNOTSUPP");
  });

  test("stay as they were where the change fails", () => {
    const { fs, vfs, f } = setUp();
    fs.failNext = new Error("no");
    expect(() => vfs.setProjectId(ROOT, f, 7)).toThrow("no");
    expect(f.projectId).toBe(0);
  });
});

describe("times", () => {
  test("beyond what the format has become its first or last whole second", () => {
    const { task, f } = setUp({ timeMin: -100, timeMax: 1000 });
    const set = (sec: number): number[] => {
      task.utimens(n("/f"), { sec, nsec: 5 }, { sec, nsec: 6 });
      return [f.atimeSec, f.atimeNsec, f.mtimeSec, f.mtimeNsec];
    };
    expect(set(-101)).toEqual([-100, 0, -100, 0]);
    expect(set(-99)).toEqual([-99, 5, -99, 6]);
    expect(set(1000)).toEqual([1000, 0, 1000, 0]);
    expect(set(2 ** 40)).toEqual([1000, 0, 1000, 0]);
  });
});

describe("a format with whole seconds", () => {
  test("keeps them from the start: a time is the same when it is read back", () => {
    const { task, f } = setUp({ timeGranularity: 1_000_000_000 });
    writeTo(task);
    expect([f.mtimeNsec, f.ctimeNsec]).toEqual([0, 0]);
    task.utimens(n("/f"), { sec: 5, nsec: 999_999_999 }, { sec: 6, nsec: 1 });
    expect([f.atimeSec, f.atimeNsec, f.mtimeSec, f.mtimeNsec]).toEqual([5, 0, 6, 0]);
    expect(f.ctimeNsec).toBe(0);
  });
});

describe("reserved space", () => {
  test("a design that keeps some hears who asks, before each change that may allocate", () => {
    const { fs, task } = setUp({ privileged: true });
    const user = new Task(task.vfs, { credentials: USER });
    const reserved = fs as MemoryFileSystem & { privileged: boolean };
    task.chmod(n("/"), 0o777);
    task.chmod(n("/f"), 0o666);
    const acts: readonly ((who: Task) => unknown)[] = [
      (who) => who.close(who.open(n("/new"), O_CREAT | O_WRONLY)),
      (who) => who.mkdir(n("/dir")),
      (who) => who.symlink(n("x"), n("/sym")),
      (who) => who.setxattr(n("/f"), n("user.a"), new Uint8Array(3), 0),
      (who) => who.truncate(n("/f"), 5),
      (who) => writeTo(who),
      (who) => who.rename(n("/new"), n("/newer")),
      (who) => who.rmdir(n("/dir")),
    ];
    for (const act of acts) {
      reserved.privileged = true;
      act(user);
      expect(reserved.privileged, String(act)).toBe(false);
    }
    writeTo(task);
    expect(reserved.privileged).toBe(true);
  });

  test("a design that keeps none is told nothing", () => {
    const { fs, task } = setUp();
    writeTo(task);
    expect("privileged" in fs).toBe(false);
  });
});

function writeTo(task: Task): void {
  const file = task.open(n("/f"), O_RDWR);
  task.write(file, new Uint8Array(10));
  task.close(file);
}
