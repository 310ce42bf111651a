/**
 * Proves locks as the kernel asks for them where it leaves them to the server: owners of 64 bits,
 * ranges to the end of everything, waiting and its interruption, what closing gives up. That they
 * are the kernel's by default: files.test.ts. The lock table itself: core, vfs/locks.test.ts.
 */
import { assert, F_RDLCK, F_UNLCK, F_WRLCK, O_RDWR, O_RDONLY } from "@xiplab/core";
import { plain } from "@xiplab/plain";
import { expect, test } from "vitest";
import * as structs from "../protocol/file-structs.ts";
import * as op from "../protocol/opcodes.ts";
import { OUT_HEADER, OUT_HEADER_SIZE } from "../protocol/structs.ts";
import { Files, handleOf } from "../testing-files.ts";
import { checkAnswer, record } from "../testing.ts";

/** OFFSET_MAX, as the record of a test can say it: what is beyond exact numbers is clamped. */
const TO_END = { start: 0, end: Number.MAX_SAFE_INTEGER };

interface Lock {
  readonly type: number;
  readonly start?: number;
  readonly end?: number;
  readonly owner?: number;
  readonly pid?: number;
  readonly lkFlags?: number;
}

class Locks {
  readonly f = new Files(plain, { locks: "server" });
  readonly node: number;
  readonly handles: readonly number[];

  constructor() {
    const { node, handle } = this.f.file("a");
    this.node = node;
    this.handles = [handle, ...[1, 2].map(() => handleOf(this.f.open(node, O_RDWR)))];
  }

  body(which: number, lock: Lock): Uint8Array {
    const { owner = which, ...rest } = lock;
    // Owners differ in their high half alone: both halves count.
    const values = { ...TO_END, ownerLow: 7, ownerHigh: 0x80000000 + owner, ...rest };
    return record(structs.LK_IN, { handle: this.handles[which]!, ...values });
  }

  set(which: number, lock: Lock): string {
    return this.f.kernel.call(op.FUSE_SETLK, this.node, [this.body(which, lock)]).status;
  }

  /** Returns the number of the request, and how many answers there are by now. */
  wait(which: number, lock: Lock): number {
    return this.f.kernel.tell(op.FUSE_SETLKW, this.node, [this.body(which, lock)]);
  }

  get(which: number, lock: Lock) {
    const { view } = this.f.kernel.call(op.FUSE_GETLK, this.node, [this.body(which, lock)]);
    const { start, endLow, endHigh, type, pid } = structs.LK_OUT;
    const end = endHigh.get(view, 0) * 2 ** 32 + endLow.get(view, 0);
    return { start: start.get(view, 0), end, type: type.get(view, 0), pid: pid.get(view, 0) };
  }

  interrupt(unique: number): void {
    const body = record(structs.INTERRUPT_IN, { uniqueLow: unique });
    this.f.kernel.tell(op.FUSE_INTERRUPT, 0, [body]);
  }

  flush(which: number, owner = which): string {
    const values = { handle: this.handles[which]!, ownerLow: 7, ownerHigh: 0x80000000 + owner };
    const body = record(structs.FLUSH_IN, values);
    return this.f.kernel.call(op.FUSE_FLUSH, this.node, [body]).status;
  }

  release(which: number): void {
    this.f.release(this.node, this.handles[which]!);
  }

  /** Statuses of the answers that went out since somebody looked, by request. */
  answers(): Array<readonly [unique: number, status: string]> {
    return this.f.kernel.sent.splice(0).map((answer) => {
      const view = new DataView(answer.buffer);
      const unique = OUT_HEADER.uniqueLow.get(view, 0);
      assert(answer.length === OUT_HEADER_SIZE, "a lock is answered without a body");
      return [unique, checkAnswer(answer, unique).status] as const;
    });
  }
}

const WRITE: Lock = { type: F_WRLCK };
const READ: Lock = { type: F_RDLCK };
const UNLOCK: Lock = { type: F_UNLCK };
const FLOCK = structs.FUSE_LK_FLOCK;

test("owners are told apart by all of their 64 bits, and GETLK names who is in the way", () => {
  const l = new Locks();
  expect(l.set(0, { ...WRITE, start: 10, end: 19, pid: 4321 })).toBe("ok");
  expect(l.set(1, { ...WRITE, start: 19, end: 19 })).toBe("EAGAIN");
  expect(l.set(1, { ...READ, start: 20, end: 20 })).toBe("ok");
  expect(l.set(2, { ...WRITE, start: 19, end: 19, owner: 0 })).toBe("ok");
  const held = { start: 10, end: 19, type: F_WRLCK, pid: 4321 };
  expect(l.get(1, { ...READ, start: 0, end: 15 })).toMatchObject({ ...held, pid: 0, end: 19 });
  expect(l.get(0, WRITE)).toMatchObject({ start: 20, end: 20, type: F_RDLCK });
  expect(l.get(2, { ...READ, start: 20, end: 99 })).toMatchObject({ type: F_UNLCK });
});

test("a range to OFFSET_MAX goes to the end of every file, and comes back as such", () => {
  const l = new Locks();
  l.set(0, { ...WRITE, start: 100 });
  const { start, end, pid } = l.get(1, READ);
  expect([start, end, pid]).toEqual([100, 0x7fffffff * 2 ** 32 + 0xffffffff, 0]);
  expect(l.set(1, { ...WRITE, start: 2 ** 52, end: 2 ** 52 + 1 })).toBe("EAGAIN");
  expect(l.set(1, { ...WRITE, start: 99, end: 98 })).toBe("EINVAL");
  expect(l.set(1, { ...WRITE, type: 9 })).toBe("EINVAL");
  const reader = handleOf(l.f.open(l.node, O_RDONLY));
  const body = record(structs.LK_IN, { handle: reader, type: F_WRLCK, ...TO_END });
  expect(l.f.kernel.call(op.FUSE_SETLK, l.node, [body]).status).toBe("EBADF");
});

test("SETLKW is answered when the lock is free: by unlock, flush or release", () => {
  const l = new Locks();
  for (const giveUp of [() => l.set(0, UNLOCK), () => l.flush(0), () => l.release(0)]) {
    l.set(0, WRITE);
    const waiting = l.wait(1, WRITE);
    expect(l.answers()).toEqual([]);
    expect(l.f.kernel.connection.files.waits.count).toBe(1);
    // The grant is sent inside the request that made way: before its answer.
    const { kernel } = l.f;
    const before = kernel.call.bind(kernel);
    kernel.call = (opcode, nodeid, parts, who) => {
      const unique = kernel.tell(opcode, nodeid, parts, who);
      return checkAnswer(kernel.sent.pop()!, unique);
    };
    giveUp();
    kernel.call = before;
    expect(l.answers()).toEqual([[waiting, "ok"]]);
    expect(l.f.kernel.connection.files.waits.count).toBe(0);
    expect(l.set(2, READ)).toBe("EAGAIN");
    l.set(1, UNLOCK);
  }
});

test("INTERRUPT ends a wait with EINTR, and gives nothing away", () => {
  const l = new Locks();
  l.set(0, WRITE);
  const waiting = l.wait(1, WRITE);
  const other = l.wait(2, READ);
  l.interrupt(waiting);
  expect(l.answers()).toEqual([[waiting, "EINTR"]]);
  l.interrupt(waiting);
  expect(l.answers()).toEqual([]);
  l.f.kernel.tell(op.FUSE_SETLK, l.node, [l.body(0, UNLOCK)]);
  const [[granted, status]] = l.answers() as [[number, string]];
  expect([granted, status]).toEqual([other, "ok"]);
  expect(l.get(1, WRITE).type).toBe(F_RDLCK);
});

test("an INTERRUPT that overtakes its request ends it too, if it would wait", () => {
  const l = new Locks();
  l.set(0, WRITE);
  // Requests are numbered by twos: the next but one is the lock.
  const next = l.f.kernel.tell(op.FUSE_SETLK, l.node, [l.body(0, WRITE)]) + 4;
  l.answers();
  l.interrupt(next);
  expect(l.wait(1, WRITE)).toBe(next);
  expect(l.answers()).toEqual([[next, "EINTR"]]);
  l.interrupt(next + 4);
  expect(l.wait(0, READ)).toBe(next + 4);
  expect(l.answers()).toEqual([[next + 4, "ok"]]);
});

test("a circle is a deadlock", () => {
  const l = new Locks();
  l.set(0, { ...WRITE, start: 0, end: 0 });
  l.set(1, { ...WRITE, start: 1, end: 1 });
  l.wait(0, { ...WRITE, start: 1, end: 1 });
  expect(l.answers()).toEqual([]);
  const circle = l.wait(1, { ...WRITE, start: 0, end: 0 });
  expect(l.answers()).toEqual([[circle, "EDEADLK"]]);
});

test("flock is by open file, apart from record locks, and goes with the last descriptor", () => {
  const l = new Locks();
  const flock = (which: number, type: number) => l.set(which, { type, lkFlags: FLOCK });
  expect([flock(0, F_RDLCK), flock(1, F_RDLCK), flock(1, F_WRLCK)]).toEqual(["ok", "ok", "EAGAIN"]);
  expect(l.set(2, WRITE)).toBe("ok");
  expect([flock(0, F_WRLCK), flock(1, F_RDLCK)]).toEqual(["ok", "EAGAIN"]);
  const waiting = l.wait(1, { type: F_WRLCK, lkFlags: FLOCK });
  l.flush(0);
  expect(l.answers()).toEqual([]);
  const body = record(structs.RELEASE_IN, { handle: l.handles[0]! });
  l.f.kernel.tell(op.FUSE_RELEASE, l.node, [body]);
  expect(l.answers()[0]).toEqual([waiting, "ok"]);
  expect(flock(1, 7)).toBe("EINVAL");
});

test("locks of an open file (OFD) go with it, though no FLUSH names their owner", () => {
  const l = new Locks();
  l.set(0, { ...WRITE, owner: 500 });
  l.flush(0);
  expect(l.set(1, READ)).toBe("EAGAIN");
  l.release(0);
  expect(l.set(1, READ)).toBe("ok");
  l.release(1);
  l.release(2);
  expect(l.f.vfs.superblock.locks.isEmpty).toBe(true);
});

test("the end of the connection ends every wait", () => {
  const l = new Locks();
  l.set(0, WRITE);
  l.wait(1, WRITE);
  l.f.kernel.connection.files.closeAll();
  expect(l.answers()).toEqual([]);
  expect(l.f.vfs.superblock.locks.isEmpty).toBe(true);
});
