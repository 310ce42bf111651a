/**
 * Proves what only a kernel can show, on real mounts with two programs at work: mapped files and
 * read and write see one content, in every cache mode; locks, their waiting and its end by a signal,
 * kept by the kernel and by the server; files without a name; holes; copies; flags; set-id bits.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_APPEND,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_WRONLY,
  SEEK_DATA,
  SEEK_HOLE,
} from "@xiplab/core";
import { requireOracle } from "@xiplab/oracles";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Actor, Mounted } from "./testing-programs.ts";

const PAGE = 4096;
const MIB = 2 ** 20;
const [F_GETLK, F_SETLK, F_SETLKW, F_OFD_SETLK] = [5, 6, 7, 37];
const NEEDS = ["fuse", "mount", "umount", "flock"];
/** What a server says when all was given back and the image is sound. */
const NOTHING_LEFT = { openFiles: 0, referenced: 1, findings: [] };

// Two programs for all tests: a process costs more than what it does here.
let a: Actor;
let b: Actor;
beforeAll(() => {
  a = new Actor();
  b = new Actor();
});
afterAll(() => {
  a.kill();
  b.kill();
});

describe.each(["direct", "writethrough", "writeback"])("cache=%s", (cache) => {
  test("two programs see one content; holes, copies, files without a name", async ({ skip }) => {
    requireOracle(NEEDS, skip);
    const mounted = await new Mounted("ext4", cache).ready();
    await mappings(mounted.file("maps"));
    await appends(mounted.file("appends"));
    await holes(mounted, cache);
    await nameless(mounted);
    expect(await mounted.finish(a, b)).toEqual(NOTHING_LEFT);
  });
});

async function mappings(file: string): Promise<void> {
  const [fa, fb] = [await a.open(file), await b.open(file)];
  await a.do("write", fa, 0, "a".repeat(10_000));
  const [ma, mb] = [await a.do("map", fa, 10_000), await b.do("map", fb, 10_000)];
  await a.do("store", ma, 5, "stored");
  expect(await b.do("load", mb, 4, 8)).toBe("astoreda");
  expect(await b.do("read", fb, 4, 8)).toBe("astoreda");
  await b.do("write", fb, 4097, "written");
  expect(await a.do("load", ma, 4096, 9)).toBe("awrittena");
  // A part of a page that the other has changed by a store.
  await a.do("store", ma, 8192, "X");
  await b.do("write", fb, 8194, "Y");
  expect(await a.do("read", fa, 8192, 3)).toBe("XaY");
  expect(await b.do("load", mb, 8192, 3)).toBe("XaY");
  await a.do("store", ma, 9000, "last");
  expect(await a.do("close", fa)).toBe(null);
  expect(await a.do("unmap", ma)).toBe(0);
  expect(await b.do("read", fb, 9000, 4)).toBe("last");
  await b.do("store", mb, 0, "end");
  expect(await b.do("msync", mb)).toBe(0);
  const reader = await a.open(file, O_RDONLY);
  expect(await a.do("read", reader, 0, 11)).toBe("endaastored");
  expect(await a.do("read", reader, 9_990, 100)).toBe("a".repeat(10));
}

async function appends(file: string): Promise<void> {
  const flags = O_WRONLY | O_CREAT | O_APPEND;
  const [fa, fb] = [await a.open(file, flags), await b.open(file, flags)];
  for (const [index, actor] of [a, b, b, a].entries()) {
    await actor.do("write", actor === a ? fa : fb, null, `${index}`.repeat(3000));
  }
  const whole = await b.open(file, O_RDWR);
  expect(await b.do("read", whole, 2999, 3002)).toBe(`0${"1".repeat(3000)}2`);
  // What is cut off is gone from mappings too, and comes back as zeros.
  const map = await b.do("map", whole, 2 * PAGE);
  await a.do("truncate", fa, 5000);
  await a.do("truncate", fa, 2 * PAGE);
  expect(await b.do("load", map, 4999, 5)).toBe("1\0\0\0\0");
  expect(await b.do("read", whole, 4999, 5)).toBe("1\0\0\0\0");
}

async function holes(mounted: Mounted, cache: string): Promise<void> {
  const fd = await a.open(mounted.file("holes"));
  await a.do("write", fd, MIB, "d".repeat(PAGE));
  const seeks = [
    await a.do("seek", fd, 0, SEEK_DATA),
    await a.do("seek", fd, MIB, SEEK_HOLE),
    await a.do("seek", fd, MIB + PAGE, SEEK_DATA),
  ];
  // Who has a cache of its own that we do not know says that all is data.
  expect(seeks).toEqual([cache === "writeback" ? 0 : MIB, MIB + PAGE, "ENXIO"]);
  const file = mounted.file("copy");
  const copy = await b.open(file);
  const source = await b.open(mounted.file("holes"), O_RDONLY);
  let at = 0;
  for (let step = -1; step !== 0; at += step) {
    step = (await b.do("copy", source, at, copy, at, 16 * MIB)) as number;
  }
  expect([at, await a.do("size", file)]).toEqual([MIB + PAGE, MIB + PAGE]);
  expect(await b.do("read", copy, MIB - 1, 3)).toBe("\0dd");
  const punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  expect(await b.do("fallocate", copy, punch, MIB + 1, 10)).toBe(0);
  expect(await b.do("read", copy, MIB, 12)).toBe(`d${"\0".repeat(10)}d`);
  expect(await b.do("fallocate", copy, 0, 0, 2 * MIB)).toBe(0);
  expect(await a.do("size", file)).toBe(2 * MIB);
  // The kernel asks no FUSE server for these.
  expect(await b.do("fallocate", copy, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE)).toBe("EOPNOTSUPP");
}

async function nameless(mounted: Mounted): Promise<void> {
  const fd = await a.open(mounted.directory, O_TMPFILE | O_RDWR);
  await a.do("write", fd, 0, "nameless");
  expect(await a.do("linkFile", fd, mounted.file("named"))).toBe(0);
  const named = await b.open(mounted.file("named"), O_RDONLY);
  expect(await b.do("read", named, 0, 100)).toBe("nameless");
  const gone = await a.open(mounted.file("gone"));
  await b.do("unlink", mounted.file("gone"));
  await a.do("write", gone, 0, "still there");
  expect(await a.do("read", gone, 0, 100)).toBe("still there");
}

describe.each(["kernel", "server"])("locks kept by the %s", (locks) => {
  test("bind two programs, are waited for, and go with those who had them", async ({ skip }) => {
    requireOracle(NEEDS, skip);
    const mounted = await new Mounted("plain", "direct", locks).ready();
    await recordLocks(mounted.file("records"));
    await circle(mounted.file("circle"));
    await signals(mounted.file("signals"));
    await openFileLocks(mounted.file("ofd"));
    await flocks(mounted.file("flock"));
    expect(await mounted.finish(a, b)).toEqual(NOTHING_LEFT);
  });
});

const GRANTED = expect.any(Array);

async function recordLocks(file: string): Promise<void> {
  const [fa, fb] = [await a.open(file), await b.open(file)];
  await a.do("lock", fa, F_SETLK, F_WRLCK, 10, 10);
  expect(await b.do("lock", fb, F_SETLK, F_WRLCK, 19, 1)).toBe("EAGAIN");
  const held = await b.do("lock", fb, F_GETLK, F_RDLCK, 0, 0);
  expect(held).toEqual([F_WRLCK, 10, 10, a.child.pid]);
  b.ask("lock", fb, F_SETLKW, F_WRLCK, 15, 0);
  // While it waits, others are served; it is still waiting when they have been.
  expect(await a.do("size", file)).toBe(0);
  expect(await a.do("lock", fa, F_SETLK, F_WRLCK, 12, 1)).toEqual(GRANTED);
  expect(b.isSilent).toBe(true);
  await a.do("lock", fa, F_SETLK, F_UNLCK, 0, 0);
  expect(await b.answer()).toEqual(GRANTED);
  const [type, start, length] = (await a.do("lock", fa, F_GETLK, F_WRLCK, 0, 0)) as number[];
  expect([type, start, length]).toEqual([F_WRLCK, 15, 0]);
  // Any descriptor of the file that is closed ends them.
  await b.do("close", await b.do("open", file, O_RDONLY));
  expect(await a.do("lock", fa, F_SETLK, F_WRLCK, 0, 0)).toEqual(GRANTED);
}

/** Who closes the circle is refused: one of the two, and the other gets what he waits for. */
async function circle(file: string): Promise<void> {
  const [fa, fb] = [await a.open(file), await b.open(file)];
  await a.do("lock", fa, F_SETLK, F_WRLCK, 0, 1);
  await b.do("lock", fb, F_SETLK, F_WRLCK, 1, 1);
  a.ask("lock", fa, F_SETLKW, F_WRLCK, 1, 1);
  b.ask("lock", fb, F_SETLKW, F_WRLCK, 0, 1);
  const [ofA, ofB] = [a.answer(), b.answer()];
  const isA = await Promise.race([ofA.then(() => true), ofB.then(() => false)]);
  expect(await (isA ? ofA : ofB)).toBe("EDEADLK");
  await (isA ? a : b).do("lock", isA ? fa : fb, F_SETLK, F_UNLCK, 0, 0);
  expect(await (isA ? ofB : ofA)).toEqual(GRANTED);
}

/**
 * A signal ends the wait; where its handler restarts calls, as Node's do, another one begins. Those
 * whose handlers do not restart: `flock -w`, below.
 */
async function signals(file: string): Promise<void> {
  const [fa, fb] = [await a.open(file), await b.open(file)];
  await a.do("lock", fa, F_SETLK, F_WRLCK, 0, 0);
  b.ask("lock", fb, F_SETLKW, F_RDLCK, 5, 1);
  for (let round = 0; round < 5; round++) {
    b.child.kill("SIGUSR2");
    expect(await a.do("size", file)).toBe(0);
  }
  expect(b.isSilent).toBe(true);
  await a.do("lock", fa, F_SETLK, F_UNLCK, 0, 0);
  expect(await b.answer()).toEqual(GRANTED);
}

async function openFileLocks(file: string): Promise<void> {
  const fb = await b.open(file);
  const fa = await a.do("open", file, O_RDWR);
  await a.do("lock", fa, F_OFD_SETLK, F_WRLCK, 0, 0);
  expect(await b.do("lock", fb, F_SETLK, F_RDLCK, 0, 1)).toBe("EAGAIN");
  await a.do("close", fa);
  let answer: unknown = "EAGAIN";
  // The kernel tells of the last close a moment later.
  while (answer === "EAGAIN") answer = await b.do("lock", fb, F_SETLK, F_RDLCK, 0, 1);
  expect(answer).toEqual(GRANTED);
}

async function flocks(file: string): Promise<void> {
  const [fb, fa] = [await b.open(file), await a.do("open", file, O_RDWR)];
  expect(await a.do("flock", fa, LOCK_SH)).toBe(0);
  expect(await b.do("flock", fb, LOCK_SH)).toBe(0);
  expect(await b.do("flock", fb, LOCK_EX | LOCK_NB)).toBe("EAGAIN");
  await b.do("flock", fb, LOCK_UN);
  expect(spawnSync("flock", ["-w", "0.1", file, "true"]).status).toBe(1);
  await a.do("flock", fa, LOCK_EX);
  // Somebody waits, and is killed: he is not granted anything later.
  const waiting = new Actor();
  const own = await waiting.open(file);
  waiting.ask("flock", own, LOCK_EX);
  expect(await a.do("size", file)).toBe(0);
  waiting.kill();
  await once(waiting.child, "exit");
  const again = await a.do("open", file, O_RDWR);
  expect(await a.do("flock", again, LOCK_EX | LOCK_NB)).toBe("EAGAIN");
  await a.do("close", fa);
  let answer: unknown = "EAGAIN";
  while (answer === "EAGAIN") answer = await a.do("flock", again, LOCK_EX | LOCK_NB);
  expect(answer).toBe(0);
  expect(spawnSync("flock", ["-n", file, "true"]).status).toBe(1);
  await a.do("close", again);
}

test("flags bind, and set-id bits go with a write of somebody else", async ({ skip }) => {
  requireOracle(NEEDS, skip);
  const mounted = await new Mounted("ext4").ready();
  const file = mounted.file("f");
  const fd = await a.open(file);
  const flags = (await a.do("ioctl", fd, 0x80086601, "0".repeat(16))) as string;
  const immutable = `10${flags.slice(2)}`;
  expect(await a.do("ioctl", fd, 0x40086602, immutable)).toBe(immutable);
  expect(await b.do("open", file, O_RDWR)).toBe("EPERM");
  expect(await b.do("unlink", file)).toBe("EPERM");
  await a.do("ioctl", fd, 0x40086602, flags);
  // The kernel keeps FIEMAP and FICLONE to itself: see requests/ioctl.ts.
  expect(await a.do("ioctl", fd, 0xc020660b, "0".repeat(64))).toBe("EOPNOTSUPP");
  expect(await a.do("ioctl", fd, 0xd0007801, "0".repeat(8192))).toBe("0".repeat(8192));
  expect(await a.do("ioctl", fd, 0x5413, "0".repeat(16))).toBe("ENOTTY");
  await a.do("chmod", file, 0o6777);
  await a.do("write", fd, 0, "root keeps them");
  expect(await a.do("mode", file)).toBe(0o6777);
  const alice = new Actor();
  await alice.do("become", 1001, 1001);
  await alice.do("write", await alice.open(file, O_RDWR), 0, "others do not");
  expect(await a.do("mode", file)).toBe(0o777);
  expect(await mounted.finish(a, b, alice)).toEqual(NOTHING_LEFT);
  alice.kill();
});
