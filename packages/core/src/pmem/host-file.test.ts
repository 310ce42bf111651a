/**
 * Proves that a file of the host is a device: what is durable is in the file, and at any instant the
 * file is a crash state that `InFlight` allows. First after every single write of the device (and
 * in the midst of it: writes are cut at pages, as a kill may cut them), over seeded programs; then by
 * killing a child process while it writes. Besides: sparse files, sizes, and errors of the host.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  createPmem,
  cutIntoUnits,
  EVENT_STORE,
  type HostFs,
  InFlight,
  openHostFile,
  PENDING_LINE,
  PENDING_RUN,
  type PendingGroup,
  type PendingStore,
  type PersistenceDomain,
  type Pmem,
  type PmemEvent,
  PURPOSE_DATA,
  Recorder,
  runUnit,
  SEGMENT_SIZE,
} from "../index.ts";

const folder = fs.mkdtempSync(join(tmpdir(), "xiplab-host-file-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));
let files = 0;
const newPath = () => join(folder, `${files++}.img`);

const MIB = 2 ** 20;
const failure = (code: string, text: string) =>
  expect.objectContaining({ name: "FsError", code, message: expect.stringContaining(text) });

/** A program as data, so that a child process can run it too. */
interface Step {
  readonly verb: "store" | "storeNonTemporal" | "zero" | "flush" | "fence";
  readonly offset: number;
  readonly length: number;
  readonly fill: number;
}

/** Seeded steps over [64, size); most of them small, some of several pages. */
function program(seed: number, size: number, count: number): Step[] {
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const verbs = ["store", "store", "storeNonTemporal", "zero", "flush", "flush", "fence"] as const;
  return Array.from({ length: count }, () => {
    const verb = verbs[random(verbs.length)]!;
    const length = random(10) === 0 ? 1 + random(10_000) : 1 + random(100);
    // A few places again and again, so that stores, flushes and zeros meet.
    const offset = 64 + random(4) * 8192 + random(3) * 40 + random(2) * random(size - 40_000);
    return { verb, offset, length: Math.min(length, size - offset), fill: 1 + random(255) };
  });
}

function perform(device: Pmem, { verb, offset, length, fill }: Step): void {
  if (verb === "fence") device.fence();
  else if (verb === "flush") device.flush(offset, length);
  else if (verb === "zero") device.zero(offset, length, PURPOSE_DATA);
  else device[verb](offset, new Uint8Array(length).fill(fill), 0, length, PURPOSE_DATA);
}

/** A round: steps, then its number, durably, at byte 0. */
function performRound(device: Pmem, round: number): void {
  for (const step of program(round, KILL_SIZE, 30)) perform(device, step);
  device.storeU64(0, round, 0, PURPOSE_DATA);
  device.persist(0, 8);
}
const KILL_SIZE = MIB / 4;
const ROUNDS_MAX = 400;

/** Performs rounds, given as data, says so after some of them, and goes on until it is killed. */
const CHILD = `
import * as fs from "node:fs";
import { openHostFile, PURPOSE_DATA } from ${JSON.stringify(new URL("../index.ts", import.meta.url))};
const [path, domain, rounds, steps] = process.argv.slice(2);
const { device } = openHostFile(fs, path, { create: true, size: ${KILL_SIZE}, domain });
for (const [index, round] of JSON.parse(fs.readFileSync(steps, "utf8")).entries()) {
  for (const { verb, offset, length, fill } of round) {
    if (verb === "fence") device.fence();
    else if (verb === "flush") device.flush(offset, length);
    else if (verb === "zero") device.zero(offset, length, PURPOSE_DATA);
    else device[verb](offset, new Uint8Array(length).fill(fill), 0, length, PURPOSE_DATA);
  }
  device.storeU64(0, index + 1, 0, PURPOSE_DATA);
  device.persist(0, 8);
  if (index + 1 === Number(rounds)) fs.writeSync(1, "go");
}
setInterval(() => {}, 1000);
`;

/** Can `image` be `base` with one choice per group, `first` applied to all before? */
function isLegal(
  image: Uint8Array,
  base: Uint8Array,
  groups: readonly PendingGroup[],
  first: readonly PendingStore[],
): boolean {
  const memory = base.slice();
  for (const { offset, bytes } of first) memory.set(bytes, offset);
  const lines = new Map<number, { prefixes: PendingStore[]; units: PendingStore[] }>();
  const lineOf = (offset: number) => {
    const line = Math.floor(offset / 64);
    const found = lines.get(line) ?? { prefixes: [], units: [] };
    lines.set(line, found);
    return found;
  };
  for (const group of groups) {
    if (group.kind === PENDING_LINE) lineOf(group.offset).prefixes.push(...group.stores);
    else {
      for (let index = 0; index < group.units; index++) {
        const unit = runUnit(group, index);
        lineOf(unit.offset).units.push(unit);
      }
    }
  }
  for (let at = 0; at < image.length; at += 64) {
    const wanted = image.subarray(at, at + 64);
    if (Buffer.compare(wanted, memory.subarray(at, at + 64)) === 0) continue;
    const line = lines.get(at / 64);
    if (line === undefined || !lineCanBe(wanted, memory, at, line, first)) return false;
  }
  return true;
}

function lineCanBe(
  wanted: Uint8Array,
  memory: Uint8Array,
  at: number,
  line: { prefixes: readonly PendingStore[]; units: readonly PendingStore[] },
  first: readonly PendingStore[],
): boolean {
  for (let length = line.prefixes.length; length >= 0; length--) {
    const stores = [...line.prefixes.slice(0, length), ...first];
    let fits = true;
    // With the prefix chosen, each unit is on its own: the non-temporal ones are independent.
    for (let unit = at; unit < at + 64 && fits; unit += 8) {
      const inUnit = ({ offset }: PendingStore) => Math.floor(offset / 8) === unit / 8;
      const image = { wanted: wanted.subarray(unit - at, unit - at + 8), memory, unit };
      fits = unitCanBe(image, stores.filter(inUnit), line.units.filter(inUnit));
    }
    if (fits) return true;
  }
  return false;
}

function unitCanBe(
  { wanted, memory, unit }: { wanted: Uint8Array; memory: Uint8Array; unit: number },
  stores: readonly PendingStore[],
  optional: readonly PendingStore[],
): boolean {
  for (let chosen = 2 ** optional.length - 1; chosen >= 0; chosen--) {
    const image = memory.slice(unit, unit + 8);
    const some = optional.filter((_, index) => Math.floor(chosen / 2 ** index) % 2 === 1);
    // A store in whose midst the power fails is the newest of all.
    for (const { offset, bytes } of [...stores, ...some].sort((a, b) => a.order - b.order)) {
      image.set(bytes, offset - unit);
    }
    if (Buffer.compare(image, wanted) === 0) return true;
  }
  return false;
}

/** Follows a recording and tells whether a file is legal at this point of it. */
class Judge {
  readonly base: Uint8Array;
  private readonly flight: InFlight;
  private followed = 0;

  constructor(size: number, domain: PersistenceDomain) {
    this.base = new Uint8Array(size);
    this.flight = new InFlight(domain);
  }

  follow(events: readonly PmemEvent[], end: number): void {
    for (; this.followed < end; this.followed++) {
      this.flight.add(events[this.followed]!, (offset, bytes) => this.base.set(bytes, offset));
    }
  }

  /** Legal now, or in the midst of `next`. */
  allows(image: Uint8Array, next?: PmemEvent): boolean {
    const groups = this.flight.pending();
    if (isLegal(image, this.base, groups, [])) return true;
    if (next?.kind !== EVENT_STORE || this.flight.domain === "adr") return false;
    const { offset, bytes } = next;
    const units = cutIntoUnits(offset, bytes, Number.POSITIVE_INFINITY);
    if (next.nonTemporal) {
      // The file has such a store at once; any of its units may be durable already.
      const order = Number.POSITIVE_INFINITY;
      const run = { kind: PENDING_RUN, offset, bytes, order, units: units.length } as const;
      return isLegal(image, this.base, [...groups, run], []);
    }
    // What of the store is durable is a prefix, and the newest: it ends where the image differs.
    const differs = (unit: PendingStore) =>
      unit.bytes.some((b, at) => b !== image[unit.offset + at]);
    const end = units.findIndex(differs);
    return isLegal(image, this.base, groups, end < 0 ? units : units.slice(0, end));
  }
}

/** How the path to the file may be wrong, for the canaries. */
interface Flaw {
  readonly judgedAs?: PersistenceDomain;
  /** Every so many writes one is lost. */
  readonly loses?: number;
}

/** Run a program on a file and count the writes up to the first that leaves an illegal image. */
function firstIllegalWrite(domain: PersistenceDomain, seed: number, flaw: Flaw): number {
  const path = newPath();
  const size = 16 * 4096;
  const recorder = new Recorder();
  recorder.start();
  const judge = new Judge(size, flaw.judgedAs ?? domain);
  let writes = 0;
  let firstIllegal = -1;
  let isClosing = false;
  const host: HostFs = {
    ...fs,
    writeSync: (fd, source, at, length, position) => {
      const part = Math.min(length, 4096 - (position % 4096));
      writes++;
      const isLost = flaw.loses !== undefined && writes % flaw.loses === 0;
      if (!isLost) fs.writeSync(fd, source, at, part, position);
      // The device writes in the midst of the last event, or once all are over, when it closes.
      const { events } = recorder;
      judge.follow(events, isClosing ? events.length : events.length - 1);
      const legal = judge.allows(fs.readFileSync(path), isClosing ? undefined : events.at(-1));
      if (!legal && firstIllegal < 0) firstIllegal = writes;
      return part;
    },
  };
  const file = openHostFile(host, path, { create: true, size, domain, observers: [recorder] });
  for (const step of program(seed, size, 400)) perform(file.device, step);
  const memory = file.device.directAccess(0, size).slice();
  expect(writes).toBeGreaterThan(50);
  isClosing = true;
  file.close();
  const isSame = Buffer.compare(fs.readFileSync(path), memory) === 0;
  expect(isSame).toBe(flaw.loses === undefined);
  return firstIllegal;
}

describe("canaries of the judge", () => {
  it("convicts a file that loses a write", () => {
    expect(firstIllegalWrite("adr", 1, { loses: 10 })).toBeGreaterThanOrEqual(10);
    expect(firstIllegalWrite("eadr", 1, { loses: 10 })).toBeGreaterThanOrEqual(10);
  });

  it("convicts a file that is written at fences alone where the cache is durable", () => {
    expect(firstIllegalWrite("adr", 1, { judgedAs: "eadr" })).toBeGreaterThan(0);
  });
});

describe.each(["adr", "eadr"] as const)("written through, %s", (domain) => {
  it.each([1, 2, 3])("the file is a crash state after every write, seed=%i", (seed) => {
    expect(firstIllegalWrite(domain, seed, {})).toBe(-1);
  });

  it("a kill at any instant leaves a crash state", async () => {
    for (const rounds of [1, 3, 13, 34, 89]) {
      const path = newPath();
      await runAndKill(path, domain, rounds);
      const image = new Uint8Array(fs.readFileSync(path));
      const counter = new DataView(image.buffer).getUint32(0, true);
      expect(counter).toBeGreaterThanOrEqual(rounds);
      expect(isReachable(image, domain, counter), `killed after round ${counter}`).toBe(true);
    }
  });
});

/** Run rounds in a child and kill it once it reports `rounds` of them. */
async function runAndKill(path: string, domain: PersistenceDomain, rounds: number): Promise<void> {
  const script = join(folder, "child.mjs");
  fs.writeFileSync(script, CHILD);
  const steps = join(folder, "steps.json");
  if (!fs.existsSync(steps)) {
    const all = Array.from({ length: ROUNDS_MAX }, (_, index) => program(index + 1, KILL_SIZE, 30));
    fs.writeFileSync(steps, JSON.stringify(all));
  }
  const child = spawn(process.execPath, [script, path, domain, `${rounds}`, steps], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
  child.stdout.once("data", () => child.kill("SIGKILL"));
  expect(await ended).toBe("SIGKILL");
}

/** Is the image a crash state of the rounds from `counter` on? The counter is set at their end. */
function isReachable(image: Uint8Array, domain: PersistenceDomain, counter: number): boolean {
  const recorder = new Recorder();
  const device = createPmem({ size: KILL_SIZE, domain, observers: [recorder] });
  recorder.start();
  let before = 0;
  for (let round = 1; round <= counter + 1; round++) {
    if (round === counter) before = recorder.events.length;
    performRound(device, round);
  }
  const judge = new Judge(KILL_SIZE, domain);
  judge.follow(recorder.events, before);
  for (let end = before; end < recorder.events.length; end++) {
    judge.follow(recorder.events, end);
    if (judge.allows(image, recorder.events[end])) return true;
  }
  return false;
}

describe("what is in the file", () => {
  it("holds at a fence what was flushed or stored non-temporally, and the rest after close", () => {
    const path = newPath();
    const file = openHostFile(fs, path, { create: true, size: 3 * 4096 });
    const on = (offset: number) => fs.readFileSync(path)[offset];
    const bytes = new Uint8Array(64).fill(1);
    file.device.store(0, bytes, 0, 64, PURPOSE_DATA);
    file.device.store(64, bytes, 0, 64, PURPOSE_DATA);
    file.device.storeNonTemporal(4096, bytes, 0, 64, PURPOSE_DATA);
    file.device.flush(0, 64);
    expect([on(0), on(64), on(4096)]).toEqual([0, 0, 0]);
    file.device.fence();
    expect([on(0), on(64), on(4096)]).toEqual([1, 0, 1]);
    file.close();
    file.close();
    expect([on(0), on(64), on(4096)]).toEqual([1, 1, 1]);
    expect(() => file.device.storeU32(0, 1, PURPOSE_DATA)).toThrow(failure("EBADF", "is closed"));

    const again = openHostFile(fs, path, { readOnly: true });
    expect(again.device.size).toBe(3 * 4096);
    expect(again.device.directAccess(4096, 65)[63]).toBe(1);
    again.device.zero(8192, 0, PURPOSE_DATA);
    expect(() => again.device.storeU32(0, 9, PURPOSE_DATA)).toThrow(failure("EROFS", path));
    again.close();
    expect(on(0)).toBe(1);
  });

  it("overwrites with zeros what is not zero in the file, touched before or not", () => {
    const path = newPath();
    fs.writeFileSync(path, new Uint8Array(3 * SEGMENT_SIZE).fill(5));
    const file = openHostFile(fs, path);
    file.device.zero(SEGMENT_SIZE - 4096, SEGMENT_SIZE, PURPOSE_DATA);
    file.device.storeU32(0, 0, PURPOSE_DATA);
    file.device.persist(0, 4);
    const image = fs.readFileSync(path);
    const zeros = (from: number, end: number) => image.subarray(from, end).every((b) => b === 0);
    expect(zeros(SEGMENT_SIZE - 4096, 2 * SEGMENT_SIZE - 4096)).toBe(true);
    expect([image[3], image[4], image[SEGMENT_SIZE - 4097]]).toEqual([0, 5, 5]);
    expect(image[2 * SEGMENT_SIZE - 4096]).toBe(5);
    file.close();
  });

  it("reads zeros where the file was cut short meanwhile", () => {
    const path = newPath();
    fs.writeFileSync(path, new Uint8Array(2 * SEGMENT_SIZE).fill(5));
    const file = openHostFile(fs, path);
    fs.truncateSync(path, SEGMENT_SIZE + 100);
    expect([...file.device.directAccess(SEGMENT_SIZE + 99, 2)]).toEqual([5, 0]);
    file.close();
  });

  it("refuses snapshots, which the file could not follow", () => {
    const file = openHostFile(fs, newPath(), { create: true, size: 4096 });
    expect(() => file.device.snapshot()).toThrow("no snapshots");
    file.close();
  });
});

describe("sparse files", () => {
  const allocated = (path: string) => fs.statSync(path).blocks * 512;

  it("1 TiB opens in no time and takes only what is stored, zeros never", () => {
    const path = newPath();
    const before = process.hrtime.bigint();
    const file = openHostFile(fs, path, { create: true, size: 2 ** 40 });
    expect(Number(process.hrtime.bigint() - before) / 1e6).toBeLessThan(2000);
    file.device.zero(0, 2 ** 40, PURPOSE_DATA);
    file.device.fence();
    expect(allocated(path)).toBe(0);
    file.device.storeU64(2 ** 39, 1, 1, PURPOSE_DATA);
    file.device.zero(2 ** 39 + 4096, MIB, PURPOSE_DATA);
    file.device.store(2 ** 39 + MIB, new Uint8Array(8192), 0, 8192, PURPOSE_DATA);
    file.device.persist(2 ** 39, MIB + 8192);
    file.close();
    expect(fs.statSync(path).size).toBe(2 ** 40);
    expect(allocated(path)).toBeGreaterThan(0);
    expect(allocated(path)).toBeLessThanOrEqual(64 * 1024);
  });

  it("an existing one stays sparse, and old data under zeros goes", () => {
    const path = newPath();
    fs.writeFileSync(path, "");
    fs.truncateSync(path, 16 * MIB);
    const fd = fs.openSync(path, "r+");
    fs.writeSync(fd, new Uint8Array(4096).fill(3), 0, 4096, 8 * MIB);
    fs.closeSync(fd);
    const had = allocated(path);
    const file = openHostFile(fs, path);
    file.device.directAccess(12 * MIB, 4096);
    file.device.zero(0, 16 * MIB, PURPOSE_DATA);
    file.device.fence();
    file.close();
    expect(allocated(path)).toBe(had);
    expect(fs.readFileSync(path).equals(Buffer.alloc(16 * MIB))).toBe(true);
  });
});

describe("errors", () => {
  it("of sizes name the file and say what to do", () => {
    const path = newPath();
    fs.writeFileSync(path, new Uint8Array(5000));
    expect(() => openHostFile(fs, path)).toThrow(failure("EINVAL", `${path}: 5000 bytes`));
    expect(() => openHostFile(fs, path)).toThrow("make it 8192 long");
    fs.writeFileSync(path, new Uint8Array(8192));
    expect(() => openHostFile(fs, path, { size: 4096 })).toThrow("has 8192 bytes, not 4096");
    fs.writeFileSync(path, "");
    expect(() => openHostFile(fs, path)).toThrow(failure("EINVAL", "is empty: give it a size"));
    expect(() => openHostFile(fs, path, { readOnly: true, size: 4096 })).toThrow(
      "for reading only",
    );
    expect(() => openHostFile(fs, path, { size: 4097 })).toThrow("make it 8192 long");
    expect(fs.statSync(path).size).toBe(0);
    openHostFile(fs, path, { size: 4096 }).close();
    expect(fs.statSync(path).size).toBe(4096);
  });

  it("leave nothing behind", () => {
    const path = newPath();
    expect(() => openHostFile(fs, path, { create: true })).toThrow("a new file needs a size");
    expect(() => openHostFile(fs, path, { create: true, size: 1000 })).toThrow("no multiple");
    expect(() => openHostFile(fs, path)).toThrow(failure("ENOENT", path));
    const tooBig = 2 ** 53 - 4096;
    const full: HostFs = { ...fs, ftruncateSync: () => fs.readFileSync(join(folder, "missing")) };
    expect(() => openHostFile(full, path, { create: true, size: tooBig })).toThrow(
      failure("ENOENT", `${path} cannot be given ${tooBig} bytes`),
    );
    expect(fs.existsSync(path)).toBe(false);
  });

  it("of opening say what the host said", () => {
    expect(() => openHostFile(fs, folder)).toThrow(failure("EISDIR", folder));
    expect(() => openHostFile(fs, folder, { readOnly: true })).toThrow("is not a regular file");
    const path = newPath();
    fs.writeFileSync(path, new Uint8Array(4096));
    const denied = Object.assign(new Error("denied"), { code: "EACCES", syscall: "open" });
    const host: HostFs = {
      ...fs,
      openSync: (file, flags) => {
        if (flags !== "r") throw denied;
        return fs.openSync(file, flags);
      },
    };
    expect(() => openHostFile(host, path)).toThrow(failure("EACCES", "try it read-only"));
    openHostFile(host, path, { readOnly: true }).close();
  });

  it("of writing come as EIO, and what was not written is tried again", () => {
    let isFull = true;
    const host: HostFs = {
      ...fs,
      writeSync: (...args) => {
        if (isFull)
          throw Object.assign(new Error("disk full"), { code: "ENOSPC", syscall: "write" });
        return fs.writeSync(...args);
      },
    };
    const path = newPath();
    const file = openHostFile(host, path, { create: true, size: 4096 });
    file.device.storeU32(0, 77, PURPOSE_DATA);
    expect(() => file.device.persist(0, 4)).toThrow(failure("EIO", "cannot be written: disk full"));
    isFull = false;
    file.device.fence();
    expect(fs.readFileSync(path)[0]).toBe(77);
    file.close();
  });

  it("of a bug stay what they are", () => {
    const host: HostFs = {
      ...fs,
      writeSync: () => {
        throw new TypeError("a bug");
      },
    };
    const file = openHostFile(host, newPath(), { create: true, size: 4096 });
    file.device.storeU32(0, 77, PURPOSE_DATA);
    expect(() => file.device.persist(0, 4)).toThrow(TypeError);
  });

  it("takes a descriptor too, and leaves it open when it refuses", () => {
    const path = newPath();
    fs.writeFileSync(path, new Uint8Array(100));
    const fd = fs.openSync(path, "r+");
    expect(() => openHostFile(fs, fd)).toThrow("100 bytes");
    fs.ftruncateSync(fd, 4096);
    const file = openHostFile(fs, fd);
    file.device.storeU32(0, 5, PURPOSE_DATA);
    file.close();
    expect(fs.readFileSync(path)[0]).toBe(5);
    expect(() => fs.fstatSync(fd)).toThrow("EBADF");
  });
});
