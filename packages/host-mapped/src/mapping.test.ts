/**
 * Proves that a mapped file is a device: what is stored is in the file at once, random programs leave
 * what they leave in memory, holes stay holes, a full host is an error, a killed process loses nothing
 * that it stored and shows nothing that it had not, and memory is given back, but never too early.
 * Where Node has no ffi, that this is said; the rest is skipped then.
 */
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type HostFile,
  type HostFileOptions,
  mkfs,
  mount,
  type Name,
  O_CREAT,
  O_WRONLY,
  openHostFile,
  Pmem,
  PURPOSE_DATA,
  SEGMENT_SIZE,
  Task,
} from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { requireOracle } from "@xiplab/oracles";
import { afterAll, describe, expect, it, type TestContext } from "vitest";
import { ffiMapper } from "./index.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const folder = fs.mkdtempSync(join(tmpdir(), "xiplab-mapped-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));
let files = 0;
const newPath = (inside = folder) => join(inside, `${files++}.img`);
const allocated = (path: string) => fs.statSync(path).blocks * 512;
const failure = (code: string, text: string) =>
  expect.objectContaining({ name: "FsError", code, message: expect.stringContaining(text) });

const mapper = ffiMapper({ anywhere: true });
const open = (path: string, options: HostFileOptions): HostFile =>
  openHostFile(fs, path, { mapper, ...options });

function whyNotHere(): string | null {
  const path = newPath();
  const file = open(path, { create: true, size: 4096 });
  file.close();
  return file.notMapped;
}
const whyNot = whyNotHere();
/** Where CI cannot map, the tests fail: a skip there would hide it. */
const skips = whyNot !== null && process.env["CI"] !== "true";

/** Run a program of this package's own in a process of its own. */
const CORE = import.meta.resolve("@xiplab/core");
const INDEX = new URL("index.ts", import.meta.url).href;
function script(body: string): string {
  const path = join(folder, `${files++}.mjs`);
  const imports = `import * as fs from "node:fs";
import { openHostFile, PURPOSE_DATA } from ${JSON.stringify(CORE)};
import { ffiMapper } from ${JSON.stringify(INDEX)};
const mapper = ffiMapper({ anywhere: true });
`;
  fs.writeFileSync(path, imports + body);
  return path;
}

describe("without ffi", () => {
  it("the file is read and written, and it says why", () => {
    const path = script(`
const file = openHostFile(fs, process.argv[2], { create: true, size: 4096, mapper });
file.device.storeU32(0, 7, PURPOSE_DATA);
file.close();
console.log(file.notMapped);`);
    const image = newPath();
    const { stdout, stderr } = spawnSync(process.execPath, ["--no-experimental-ffi", path, image], {
      encoding: "utf8",
    });
    // An older Node does not know the flag, nor ffi.
    const isOld = stderr.includes("bad option");
    expect(isOld || stdout.includes("no ffi"), stdout + stderr).toBe(true);
    expect(isOld ? 7 : fs.readFileSync(image)[0]).toBe(7);
    const known = whyNot === null || whyNot.includes("ffi") || whyNot.includes("Linux");
    expect(known, whyNot ?? "").toBe(true);
  });
});

describe.skipIf(skips)("a mapped file", () => {
  it("holds what is stored at once, and after close no more is stored", () => {
    const path = newPath();
    const file = open(path, { create: true, size: 3 * 4096 });
    expect(file.notMapped).toBeNull();
    const view = file.device.view(0, 8);
    const bytes = file.device.directAccess(4096, 4096);
    file.device.storeU64(0, 1, 2, PURPOSE_DATA);
    file.device.store(4096, new Uint8Array(64).fill(3), 0, 64, PURPOSE_DATA);
    // Views that were there before the hole became a page see it.
    expect([view.getUint32(0, true), view.getUint32(4, true), bytes[63]]).toEqual([1, 2, 3]);
    expect([fs.readFileSync(path)[0], fs.readFileSync(path)[4159]]).toEqual([1, 3]);
    file.close();
    file.close();
    expect(() => file.device.storeU32(0, 1, PURPOSE_DATA)).toThrow(failure("EBADF", "is closed"));
    expect(() => file.device.zero(0, 4096, PURPOSE_DATA)).toThrow(failure("EBADF", "is closed"));
    expect([bytes[0], view.getUint8(0)]).toEqual([0, 0]);
    expect(fs.readFileSync(path)[4159]).toBe(3);
  });

  it("opened for reading refuses stores, also where it is a hole", () => {
    const path = newPath();
    fs.writeFileSync(path, new Uint8Array(4096).fill(5));
    fs.truncateSync(path, 3 * SEGMENT_SIZE);
    const file = open(path, { readOnly: true });
    expect(file.notMapped).toBeNull();
    expect(file.device.directAccess(0, 1)[0]).toBe(5);
    expect(file.device.directAccess(SEGMENT_SIZE, 1)[0]).toBe(0);
    expect(() => file.device.storeU32(0, 9, PURPOSE_DATA)).toThrow(failure("EROFS", path));
    expect(() => file.device.zero(SEGMENT_SIZE, 64, PURPOSE_DATA)).toThrow(failure("EROFS", path));
    file.close();
    expect(fs.readFileSync(path)[0]).toBe(5);
  });

  it("refuses snapshots", () => {
    const file = open(newPath(), { create: true, size: 4096 });
    expect(() => file.device.snapshot()).toThrow("no snapshots");
    file.close();
  });

  it.each([1, 2, 3, 4])("ends as memory does after random stores, seed=%i", (seed) => {
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const size = 3 * SEGMENT_SIZE + 5 * 4096;
    const path = newPath();
    const memory = new Pmem(size);
    // Data, holes and zeros that are there, by turns.
    fs.writeFileSync(path, "");
    fs.truncateSync(path, size);
    const fd = fs.openSync(path, "r+");
    for (let count = 0; count < 20; count++) {
      const bytes = new Uint8Array(4096 * (1 + random(40))).fill(random(3));
      const at = random((size - bytes.length) / 4096) * 4096;
      fs.writeSync(fd, bytes, 0, bytes.length, at);
      memory.store(at, bytes, 0, bytes.length, PURPOSE_DATA);
    }
    fs.closeSync(fd);
    // Watched or not: both ways of a store.
    let heard = 0;
    const observers = seed % 2 === 0 ? [{ onStore: () => void heard++ }] : [];
    const file = open(path, { observers });
    const bytes = new Uint8Array(MIB);
    for (let step = 0; step < 400; step++) {
      const length = 1 + (random(4) === 0 ? random(MIB) : random(9000));
      const at = random(size - length);
      bytes.fill(step % 256, 0, length);
      for (const device of [memory, file.device]) {
        if (step % 3 === 0) device.zero(at, length, PURPOSE_DATA);
        else if (step % 3 === 1) device.store(at, bytes, 0, length, PURPOSE_DATA);
        else device.storeU64(at - (at % 8), step, step, PURPOSE_DATA);
      }
      const read = [memory, file.device].map((device) => {
        const target = new Uint8Array(64);
        device.load(at - (at % 64), target, 0, 64);
        return Buffer.from(target).toString("hex");
      });
      expect(read[1], `step ${step}`).toBe(read[0]);
    }
    file.close();
    const whole = new Uint8Array(size);
    memory.load(0, whole, 0, size);
    expect(Buffer.compare(fs.readFileSync(path), whole)).toBe(0);
    expect(heard > 0).toBe(observers.length > 0);
  });
});

describe.skipIf(skips)("holes", () => {
  it("stay holes when they are read, and when zeros are stored over them", ({ skip }) => {
    const inMemory = memoryFolder(skip);
    const path = newPath(inMemory);
    const file = open(path, { create: true, size: 2 ** 40 });
    file.device.zero(0, 2 ** 40, PURPOSE_DATA);
    for (let at = 0; at < 8 * GIB; at += GIB / 4 + 4096) {
      expect(file.device.view(at, 4).getUint32(at % SEGMENT_SIZE, true)).toBe(0);
      expect(file.device.directAccess(at, 8192).every((byte) => byte === 0)).toBe(true);
    }
    expect(allocated(path)).toBe(0);
    file.device.storeU64(2 ** 39, 1, 1, PURPOSE_DATA);
    file.device.zero(2 ** 39 + 4096, 8 * MIB, PURPOSE_DATA);
    // Far from what was stored, but in its segment.
    expect(file.device.directAccess(2 ** 39 + MIB, 65_536)[9]).toBe(0);
    file.close();
    expect(allocated(path)).toBe(4096);
    fs.rmSync(inMemory, { recursive: true });
  });

  it("of a large ext4 survive making, mounting and checking it", ({ skip }) => {
    const inMemory = memoryFolder(skip);
    const taken = [mapper, undefined].map((one) => {
      const path = newPath(inMemory);
      const made = openHostFile(fs, path, { create: true, size: 2 ** 37, mapper: one });
      mkfs(ext4, made.device);
      made.close();
      const used = openHostFile(fs, path, { mapper: one });
      const vfs = mount(ext4, used.device);
      const task = new Task(vfs);
      const file = task.open("/file" as Name, O_CREAT | O_WRONLY, 0o644);
      task.write(file, new Uint8Array(100_000).fill(1));
      task.close(file);
      vfs.unmount();
      used.close();
      const checked = openHostFile(fs, path, { readOnly: true, mapper: one });
      expect(ext4.check(checked.device).findings).toEqual([]);
      checked.close();
      const bytes = allocated(path);
      fs.rmSync(path);
      return bytes;
    });
    // A run of pages that grows is allocated ahead, to the next 64 KiB.
    expect(taken[0]! - taken[1]!).toBeLessThan(256 * 1024);
    fs.rmSync(inMemory, { recursive: true });
  });
});

/** On a file system in memory: there, and there alone, reading a mapped hole takes room. */
function memoryFolder(skip: TestContext["skip"]): string {
  if (!fs.existsSync("/dev/shm")) skip("there is no /dev/shm");
  return fs.mkdtempSync("/dev/shm/xiplab-mapped-");
}

describe.skipIf(skips)("a full host", () => {
  it("is an EIO of the store that needs room, and all goes on when there is some", ({ skip }) => {
    requireOracle(["loop", "mount", "umount"], skip);
    const small = fs.mkdtempSync(join(folder, "small-"));
    spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "xiplab", small]);
    try {
      const path = newPath(small);
      const file = open(path, { create: true, size: 16 * MIB });
      const bytes = new Uint8Array(65_536).fill(1);
      let stored = 0;
      const fill = () => {
        for (; stored < 16 * MIB; stored += bytes.length) {
          file.device.store(stored, bytes, 0, bytes.length, PURPOSE_DATA);
        }
      };
      expect(fill).toThrow(failure("EIO", `${path} cannot be written: ENOSPC`));
      expect(stored).toBeGreaterThan(MIB / 2);
      expect(file.device.directAccess(stored, 65_536).every((byte) => byte === 0)).toBe(true);
      expect(() => file.device.storeU32(8 * MIB, 1, PURPOSE_DATA)).toThrow(
        failure("EIO", "ENOSPC"),
      );
      // What has room can be stored to all the same, and nothing was lost.
      file.device.store(0, bytes.fill(2), 0, bytes.length, PURPOSE_DATA);
      spawnSync("mount", ["-o", "remount,size=64m", small]);
      fill();
      file.close();
      expect(fs.readFileSync(path).every((byte, at) => byte === 2 || at >= 65_536)).toBe(true);
    } finally {
      spawnSync("umount", ["-l", small]);
    }
  });
});

describe.skipIf(skips)("a killed process", () => {
  it("leaves a prefix of its stores, none of what it stored is lost", async () => {
    const program = script(`
const { device } = openHostFile(fs, process.argv[2], { create: true, size: ${16 * MIB}, mapper });
for (let index = 1; ; index++) {
  // Each place once, over all segments; then its number, which says that it is there.
  const at = 4096 + ((index * 7919) % 4000) * 4096 + Math.floor(index / 4000) * 8;
  device.storeU64(at, index, 0, PURPOSE_DATA);
  device.storeU64(0, index, 0, PURPOSE_DATA);
  if (index === 3000) fs.writeSync(1, "go");
}`);
    const path = newPath();
    const child = spawn(process.execPath, [program, path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
    child.stdout.once("data", () => child.kill("SIGKILL"));
    expect(await ended).toBe("SIGKILL");
    const image = fs.readFileSync(path);
    const last = image.readUInt32LE(0);
    expect(last).toBeGreaterThanOrEqual(3000);
    const found = (index: number) =>
      image.readUInt32LE(4096 + ((index * 7919) % 4000) * 4096 + Math.floor(index / 4000) * 8);
    const lost = Array.from({ length: last }, (_, index) => index + 1).filter(
      (index) => found(index) !== index,
    );
    expect(lost).toEqual([]);
    // The next one may be there without its number, one after it not.
    expect(found(last + 2)).toBe(0);
  });
});

describe.skipIf(skips)("memory", () => {
  it("outlives close while somebody has a view, and is given back afterwards", () => {
    const program = script(`
const spaceKib = () => Number(/VmSize:\\s*(\\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]);
const views = [];
const use = () => {
  const file = openHostFile(fs, process.argv[2], { create: true, size: 2 ** 30, mapper });
  file.device.storeU32(2 ** 29, 1, PURPOSE_DATA);
  views.push(file.device.directAccess(2 ** 29, 4096));
  file.close();
};
const collect = async () => {
  for (let turn = 0; turn < 5; turn++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
};
use();
const before = spaceKib();
for (let index = 0; index < 20; index++) use();
await collect();
const kept = spaceKib();
const read = views.map((view) => view[0]);
views.length = 0;
await collect();
console.log(JSON.stringify({ before, kept, after: spaceKib(), read }));`);
    const { stdout, stderr } = spawnSync(process.execPath, ["--expose-gc", program, newPath()], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    const { before, kept, after, read } = JSON.parse(stdout) as Record<
      "before" | "kept" | "after",
      number
    > & {
      read: number[];
    };
    const windowKib = GIB / 1024;
    expect(kept - before).toBeGreaterThan(19 * windowKib);
    expect(after).toBeLessThan(before);
    expect(read).toEqual(Array.from({ length: 21 }, () => 0));
  });
});
