/**
 * Advisory locks: record locks against a model with one cell per byte and owner, and by hand what
 * the model has not: waiting, deadlocks, closing, flock.
 */
import { describe, expect, test } from "vitest";
import {
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from "../spec/mode.ts";
import { Task } from "./task.ts";
import { codeOf, mountMemory, n, writeFile } from "./testing.ts";

function setUp() {
  const { vfs } = mountMemory();
  const tasks = [0, 1, 2].map(() => new Task(vfs));
  const open = (index: number, path = "/f") => tasks[index]!.open(n(path), O_CREAT | O_RDWR);
  return { vfs, tasks: tasks as [Task, Task, Task], open };
}

const read = (start: number, length: number) => ({ type: F_RDLCK, start, length });
const write = (start: number, length: number) => ({ type: F_WRLCK, start, length });
const unlock = (start: number, length: number) => ({ type: F_UNLCK, start, length });

describe("record locks", () => {
  test("agree with a model of single bytes over 5,000 operations", () => {
    const { tasks, open, vfs } = setUp();
    const BYTES = 24;
    /** One cell more stands for all bytes behind. */
    const CELLS = BYTES + 1;
    const files = tasks.map((_, index) => open(index));
    // model[owner][byte]: the type of the lock, F_UNLCK for none.
    const model = tasks.map(() => Array.from({ length: CELLS }, () => F_UNLCK));
    let state = 99;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    const conflicts = (owner: number, type: number, start: number, end: number): boolean =>
      model.some(
        (cells, other) =>
          other !== owner &&
          cells.some(
            (held, byte) =>
              byte >= start &&
              byte < end &&
              held !== F_UNLCK &&
              (held === F_WRLCK || type === F_WRLCK),
          ),
      );
    for (let index = 0; index < 5000; index++) {
      const owner = random(3);
      const task = tasks[owner]!;
      const file = files[owner]!;
      const type = [F_RDLCK, F_RDLCK, F_WRLCK, F_UNLCK, F_UNLCK][random(5)]!;
      const start = random(BYTES);
      const toEnd = random(8) === 0;
      const length = toEnd ? 0 : 1 + random(BYTES - start);
      const end = toEnd ? CELLS : start + length;
      const blocked = type !== F_UNLCK && conflicts(owner, type, start, end);
      const lock = { type, start, length };
      const where = `operation ${index} of owner ${owner}: ${JSON.stringify(lock)}`;
      const held = type === F_UNLCK ? null : task.getlk(file, task, lock);
      expect(held !== null, where).toBe(blocked);
      expect(
        codeOf(() => task.setlk(file, task, lock)),
        where,
      ).toBe(blocked ? "EAGAIN" : "ok");
      if (!blocked) model[owner]!.fill(type, start, end);
    }
    // Every byte and owner, asked one by one.
    for (const owner of model.keys()) {
      for (let byte = 0; byte < CELLS; byte++) {
        const other = (owner + 1) % 3;
        const seen = tasks[other]!.getlk(files[other]!, tasks[other]!, write(byte, 1));
        const expected = model.some((each, index) => index !== other && each[byte] !== F_UNLCK);
        expect(seen !== null).toBe(expected);
      }
    }
    for (const [owner, file] of files.entries()) tasks[owner]!.close(file);
    expect(vfs.superblock.locks.isEmpty).toBe(true);
  });

  test("are told with owner, type and range", () => {
    const { tasks, open } = setUp();
    const [a, b] = tasks;
    a.setlk(open(0), a, write(10, 5));
    a.setlk(open(0), a, write(15, 0));
    const file = open(1);
    expect(b.getlk(file, b, read(0, 0))).toEqual({ owner: a, type: F_WRLCK, start: 10, length: 0 });
    a.setlk(open(0), a, unlock(20, 10));
    expect(b.getlk(file, b, read(0, 0))).toMatchObject({ start: 10, length: 10 });
    expect(b.getlk(file, b, read(20, 10))).toBe(null);
    expect(b.getlk(file, b, read(25, 10))).toMatchObject({ start: 30, length: 0 });
    for (const lock of [read(-1, 1), read(0, -1), read(0.5, 1), { type: 9, start: 0, length: 1 }]) {
      expect(codeOf(() => b.setlk(file, b, lock))).toBe("EINVAL");
    }
    expect(codeOf(() => b.getlk(file, b, unlock(0, 0)))).toBe("EINVAL");
  });

  test("ask for the open mode", () => {
    const { tasks } = setUp();
    const [a] = tasks;
    writeFile(a, "/f");
    const reader = a.open(n("/f"), O_RDONLY);
    const writer = a.open(n("/f"), O_WRONLY);
    expect(codeOf(() => a.setlk(reader, a, write(0, 1)))).toBe("EBADF");
    expect(codeOf(() => a.setlk(writer, a, read(0, 1)))).toBe("EBADF");
    expect(codeOf(() => a.setlk(reader, a, read(0, 1)))).toBe("ok");
    expect(codeOf(() => a.setlk(writer, a, write(0, 1)))).toBe("ok");
  });

  test("of a process end when it closes any of its open files; of an open file, with that one", () => {
    const { tasks, open } = setUp();
    const [a, b] = tasks;
    const [one, two, other] = [open(0), open(0), open(1)];
    a.setlk(one, a, write(0, 1));
    a.setlk(one, one, write(5, 1));
    expect(codeOf(() => b.setlk(other, b, write(0, 1)))).toBe("EAGAIN");
    expect(codeOf(() => a.setlk(two, two, write(5, 1)))).toBe("EAGAIN");
    a.close(two);
    expect(codeOf(() => b.setlk(other, b, write(0, 1)))).toBe("ok");
    expect(codeOf(() => b.setlk(other, b, write(5, 1)))).toBe("EAGAIN");
    a.close(one);
    expect(codeOf(() => b.setlk(other, b, write(5, 1)))).toBe("ok");
  });

  test("are granted to who waits, in the order of asking", () => {
    const { tasks, open } = setUp();
    const [a, b, c] = tasks;
    const files = [open(0), open(1), open(2)];
    const granted: string[] = [];
    a.setlk(files[0]!, a, write(0, 10));
    expect(b.setlk(files[1]!, b, write(0, 5), () => granted.push("b"))).not.toBe(null);
    const wait = c.setlk(files[2]!, c, read(0, 5), () => granted.push("c"));
    expect(c.setlk(files[2]!, c, read(20, 5), () => granted.push("never"))).toBe(null);
    a.setlk(files[0]!, a, unlock(5, 5));
    expect(granted).toEqual([]);
    a.setlk(files[0]!, a, unlock(0, 1));
    expect(granted).toEqual([]);
    a.close(files[0]!);
    expect(granted).toEqual(["b"]);
    wait!.cancel();
    b.close(files[1]!);
    expect(granted).toEqual(["b"]);
    expect(codeOf(() => a.setlk(open(0), a, write(0, 5)))).toBe("ok");
    wait!.cancel();
  });

  test("never let processes wait in a circle", () => {
    const { tasks, open } = setUp();
    const [a, b, c] = tasks;
    const files = [open(0), open(1), open(2)];
    const others = [open(0, "/g"), open(1, "/g"), open(2, "/g")];
    const ignore = (): void => {};
    a.setlk(files[0]!, a, write(0, 1));
    b.setlk(files[1]!, b, write(1, 1));
    c.setlk(others[2]!, c, write(0, 1));
    expect(codeOf(() => a.setlk(files[0]!, a, write(1, 1), ignore))).toBe("ok");
    expect(codeOf(() => b.setlk(others[1]!, b, write(0, 1), ignore))).toBe("ok");
    expect(codeOf(() => c.setlk(files[2]!, c, write(0, 1), ignore))).toBe("EDEADLK");
    // An open file as the owner is no process: it may wait.
    expect(codeOf(() => c.setlk(files[2]!, files[2]!, write(0, 1), ignore))).toBe("ok");
  });
});

describe("owners that a face knows by number", () => {
  test("give up what they hold, by whatever descriptor, and those who wait go on", () => {
    const { open, vfs } = setUp();
    const [one, two, other] = [open(0), open(1), open(2, "/g")];
    vfs.setlk(one, 7n, write(0, 10));
    vfs.setlk(two, 7n, write(20, 10));
    vfs.setlk(other, 7n, write(0, 1));
    vfs.setlk(one, 8n, read(40, 1));
    const granted: number[] = [];
    vfs.setlk(two, 8n, write(5, 1), () => granted.push(1));
    vfs.releaseLocks(one.inode, 9n);
    expect(granted).toEqual([]);
    vfs.releaseLocks(one.inode, 7n);
    expect(granted).toEqual([1]);
    expect(vfs.getlk(one, 9n, write(20, 10))).toBe(null);
    expect(vfs.getlk(one, 9n, write(40, 1))?.owner).toBe(8n);
    expect(vfs.getlk(other, 9n, write(0, 1))?.owner).toBe(7n);
    vfs.releaseLocks(other.inode, 7n);
    vfs.releaseLocks(one.inode, 8n);
    expect(vfs.superblock.locks.isEmpty).toBe(true);
  });

  test("are told with the process that locked last", () => {
    const { open, vfs } = setUp();
    const file = open(0);
    vfs.setlk(file, 7n, { ...write(0, 10), pid: 100 });
    vfs.setlk(file, 7n, { ...write(10, 10), pid: 200 });
    expect(vfs.getlk(file, 8n, read(0, 0))).toEqual({ owner: 7n, pid: 200, ...write(0, 20) });
  });
});

describe("flock", () => {
  test("is shared or exclusive, by open file, and apart from record locks", () => {
    const { tasks, open } = setUp();
    const [a] = tasks;
    const [one, two] = [open(0), open(0)];
    const lock = (file: typeof one, operation: number) =>
      codeOf(() => a.flock(file, operation | LOCK_NB));
    expect([lock(one, LOCK_SH), lock(two, LOCK_SH)]).toEqual(["ok", "ok"]);
    expect(lock(one, LOCK_EX)).toBe("EAGAIN");
    // The change of type gave the shared lock up, as on Linux.
    expect(lock(two, LOCK_EX)).toBe("ok");
    expect(lock(one, LOCK_SH)).toBe("EAGAIN");
    expect(codeOf(() => a.setlk(one, one, write(0, 0)))).toBe("ok");
    expect(lock(two, LOCK_UN)).toBe("ok");
    expect(lock(one, LOCK_EX)).toBe("ok");
    expect(lock(one, LOCK_EX)).toBe("ok");
    expect(lock(one, 0)).toBe("EINVAL");
    expect(lock(one, LOCK_SH | LOCK_EX)).toBe("EINVAL");
  });

  test("is waited for", () => {
    const { tasks, open, vfs } = setUp();
    const [a] = tasks;
    const [one, two, three] = [open(0), open(0), open(0)];
    const granted: number[] = [];
    a.flock(one, LOCK_EX);
    for (const [index, file] of [two, three].entries()) {
      expect(a.flock(file, LOCK_SH, () => granted.push(index))).not.toBe(null);
    }
    expect(a.flock(one, LOCK_EX, () => granted.push(9))).toBe(null);
    a.close(one);
    expect(granted).toEqual([0, 1]);
    a.close(two);
    expect(vfs.superblock.locks.isEmpty).toBe(false);
    a.close(three);
    expect(vfs.superblock.locks.isEmpty).toBe(true);
  });
});
