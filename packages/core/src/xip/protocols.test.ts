/**
 * Proves what each write protocol leaves in the file, for every kind of block under the write; and
 * that the two unsound ones fail in the way they are known for. Crashes: crash.test.ts.
 */
import { describe, expect, it } from "vitest";
import { FsError } from "../spec/errors.ts";
import { SoundProtocols, WriteProtocolNames } from "../spec/file-operations.ts";
import type { WriteProtocolName } from "../spec/file-operations.ts";
import { PURPOSE_ZEROING } from "../spec/device.ts";
import { XipOperations } from "./operations.ts";
import { contents, FakeFs, oldContents, pattern, STALE } from "./testing.ts";

const BLOCK = 4096;

interface Case {
  readonly layout: string;
  readonly size: number;
  readonly pos: number;
  readonly length: number;
}

/** Layouts × ranges: whole, partial and across blocks; inside, at and beyond the end of the file. */
const CASES: Case[] = [];
for (const layout of ["....", "uuuu", "wwww", "w.uw", "uw.w", ".u", "w", "u", ""]) {
  for (const size of [0, 100, BLOCK, 2 * BLOCK + 50, 4 * BLOCK]) {
    if (size > 4 * BLOCK) continue;
    for (const [pos, length] of [
      [0, BLOCK],
      [0, 4 * BLOCK],
      [10, 20],
      [BLOCK - 10, 20],
      [BLOCK + 100, 2 * BLOCK],
      [3 * BLOCK - 1, BLOCK + 2],
      [4 * BLOCK, 30],
      [6 * BLOCK + 30, 100],
    ] as const) {
      CASES.push({ layout, size, pos, length });
    }
  }
}

function expected({ layout, size, pos, length }: Case, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.max(size, pos + length));
  bytes.set(oldContents(layout, size));
  bytes.set(data, pos);
  return bytes;
}

function show({ layout, size, pos, length }: Case): string {
  return `[${layout}] size ${size}, write ${pos}+${length}`;
}

describe.each(SoundProtocols)("write protocol %s", (protocol) => {
  it.each([Infinity, BLOCK])("writes every kind of block, answered in %d bytes", (rangeMax) => {
    for (const one of CASES) {
      for (const unwritten of [true, false]) {
        if (!unwritten && one.layout.includes("u")) continue;
        const fs = new FakeFs({ unwritten });
        fs.rangeMax = rangeMax;
        const operations = new XipOperations(fs, protocol);
        const inode = fs.build(one.layout, one.size);
        const data = pattern(3, one.length + 7);
        const written = operations.write(inode, one.pos, data, 7, one.length);
        expect(written, show(one)).toBe(one.length);
        expect(inode.size, show(one)).toBe(inode.diskSize);
        const want = expected(one, data.subarray(7));
        expect(Buffer.compare(contents(operations, inode), want), show(one)).toBe(0);
      }
    }
  });

  it("shows nothing but zeros where the file grows over a partial block later", () => {
    for (const one of CASES) {
      const fs = new FakeFs();
      const operations = new XipOperations(fs, protocol);
      const inode = fs.build(one.layout, one.size);
      const data = pattern(4, one.length);
      operations.write(inode, one.pos, data, 0, one.length);
      const before = contents(operations, inode);
      operations.truncate(inode, before.length + 3 * BLOCK + 5);
      const after = contents(operations, inode);
      expect(Buffer.compare(after.subarray(0, before.length), before), show(one)).toBe(0);
      expect(
        after.subarray(before.length).every((byte) => byte === 0),
        show(one),
      ).toBe(true);
    }
  });

  it("stores the zeros of a block at most once", () => {
    const fs = new FakeFs();
    const operations = new XipOperations(fs, protocol);
    const inode = fs.build("uuu", 3 * BLOCK);
    operations.write(inode, BLOCK + 10, pattern(1, 20), 0, 20);
    operations.write(inode, BLOCK + 50, pattern(2, 20), 0, 20);
    const zeroed = fs.device.counters.bytes[PURPOSE_ZEROING]!;
    expect(zeroed).toBeLessThanOrEqual(BLOCK);
    expect(contents(operations, inode).subarray(BLOCK + 10, BLOCK + 30)).toEqual(pattern(1, 20));
  });

  it("writes nothing and changes nothing for a write of no bytes", () => {
    const fs = new FakeFs();
    const operations = new XipOperations(fs, protocol);
    const inode = fs.build("w", 10);
    expect(operations.write(inode, 100, new Uint8Array(4), 0, 0)).toBe(0);
    expect(inode.size).toBe(10);
    expect(fs.log).toEqual([]);
  });
});

describe("the order of the steps", () => {
  const run = (protocol: WriteProtocolName, layout: string, pos: number, length: number) => {
    const fs = new FakeFs();
    const operations = new XipOperations(fs, protocol);
    const inode = fs.build(layout, layout.length * BLOCK);
    operations.write(inode, pos, pattern(1, length), 0, length);
    return fs.log;
  };

  it.each([...WriteProtocolNames].filter((name) => name !== "own"))(
    "%s overwrites in place without asking for anything",
    (protocol) => {
      expect(run(protocol, "wwww", 100, 3 * BLOCK)).toEqual([]);
    },
  );

  it("none asks for a page at a time and converts nothing", () => {
    expect(run("none", "..", 0, 2 * BLOCK)).toEqual(["create 0+4096", "create 4096+4096"]);
    expect(run("none", "uu", 0, 2 * BLOCK)).toEqual([]);
  });

  it("prewrite converts before the copy", () => {
    expect(run("prewrite", "uu", 0, 2 * BLOCK)).toEqual(["convert 0+8192"]);
  });

  it("complete converts after each range", () => {
    expect(run("complete", "u.u", 0, 3 * BLOCK)).toEqual([
      "complete 0+4096",
      "create 4096+4096",
      "complete 4096+4096",
      "complete 8192+4096",
    ]);
  });

  it("own carries nothing over that lies beyond the end of the file", () => {
    const fs = new FakeFs();
    const operations = new XipOperations(fs, "own");
    const inode = fs.build("w", 100);
    operations.write(inode, 50, pattern(1, 10), 0, 10);
    const block = fs.blocksOf(inode).get(0)!.pblk * BLOCK;
    const rest = fs.device.directAccess(block + 100, BLOCK - 100);
    expect(rest.every((byte) => byte === 0)).toBe(true);
  });

  it("wrapped converts once", () => {
    expect(run("wrapped", "u.u", 0, 3 * BLOCK)).toEqual(["create 4096+4096", "convertAll 0+12288"]);
  });

  it("own stages, and swaps once, also over written blocks", () => {
    expect(run("own", "w.u", 10, 2 * BLOCK)).toEqual(["stage 0+12288", "swap 0+12288"]);
  });

  it("zero converts before the copy, and publishes the size after it", () => {
    expect(run("zero", "uu", BLOCK, 2 * BLOCK)).toEqual([
      "convert 4096+4096",
      "create 8192+4096",
      "size 12288+0",
    ]);
  });
});

describe("the negative controls", () => {
  it("none: what is written into preallocated blocks reads back as zeros", () => {
    const fs = new FakeFs();
    const operations = new XipOperations(fs, "none");
    const inode = fs.build("wu", 2 * BLOCK);
    expect(operations.write(inode, BLOCK - 5, pattern(1, 10), 0, 10)).toBe(10);
    const after = contents(operations, inode);
    expect(after.subarray(BLOCK - 5, BLOCK)).toEqual(pattern(1, 10).subarray(0, 5));
    expect(after.subarray(BLOCK)).toEqual(new Uint8Array(BLOCK));
  });

  it("none: is right where there is no unwritten block", () => {
    const fs = new FakeFs();
    const operations = new XipOperations(fs, "none");
    const inode = fs.build("w.", 2 * BLOCK);
    operations.write(inode, BLOCK + 5, pattern(1, 10), 0, 10);
    const after = contents(operations, inode);
    expect(after.subarray(BLOCK + 5, BLOCK + 15)).toEqual(pattern(1, 10));
    expect(after.includes(STALE)).toBe(false);
  });

  it("prewrite: a partial write into a new block shows what the medium held around it", () => {
    for (const layout of ["u", "."]) {
      const fs = new FakeFs();
      const operations = new XipOperations(fs, "prewrite");
      const inode = fs.build(layout, BLOCK);
      operations.write(inode, 1000, pattern(1, 10), 0, 10);
      const after = contents(operations, inode);
      expect(after.subarray(1000, 1010)).toEqual(pattern(1, 10));
      expect(after.subarray(0, 1000)).toEqual(new Uint8Array(1000).fill(STALE));
      expect(after[1010]).toBe(STALE);
    }
  });
});

describe("short and failed writes", () => {
  const inPlace = SoundProtocols.filter((name) => name !== "own");

  it.each(inPlace)("%s returns what was written when the space runs out", (protocol) => {
    const fs = new FakeFs({ blocks: 3 });
    const operations = new XipOperations(fs, protocol);
    const inode = fs.newInode();
    const data = pattern(1, 5 * BLOCK);
    expect(operations.write(inode, 10, data, 0, data.length)).toBe(3 * BLOCK - 10);
    expect(inode.size).toBe(3 * BLOCK);
    expect(contents(operations, inode).subarray(10)).toEqual(data.subarray(0, 3 * BLOCK - 10));
    expect(() => operations.write(inode, 3 * BLOCK, data, 0, 10)).toThrow("ENOSPC");
    expect(inode.size).toBe(3 * BLOCK);
  });

  it("own writes all or nothing, and gives staged blocks back", () => {
    const fs = new FakeFs({ blocks: 4 });
    const operations = new XipOperations(fs, "own");
    const inode = fs.build("w", BLOCK);
    const data = pattern(1, 4 * BLOCK);
    expect(() => operations.write(inode, 0, data, 0, data.length)).toThrow("ENOSPC");
    expect(fs.free.size).toBe(3);
    expect(contents(operations, inode)).toEqual(oldContents("w", BLOCK));
    expect(operations.write(inode, 0, data, 0, 3 * BLOCK)).toBe(3 * BLOCK);
    expect(fs.free.size).toBe(1);
  });

  it.each(["xipStage", "xipSwap"])("own undoes a failure of %s", (method) => {
    const fs = new FakeFs();
    fs.rangeMax = BLOCK;
    const operations = new XipOperations(fs, "own");
    const inode = fs.build("w", BLOCK);
    let calls = 0;
    fs.fail = (name) => (name === method && (method === "xipSwap" || ++calls === 2) ? "EIO" : null);
    const before = fs.free.size;
    const data = pattern(1, 3 * BLOCK);
    expect(() => operations.write(inode, 0, data, 0, data.length)).toThrow("EIO");
    expect(fs.free.size).toBe(before);
    expect(contents(operations, inode)).toEqual(oldContents("w", BLOCK));
  });

  it("complete tells the personality of a copy that failed, and converts nothing of it", () => {
    let stores = 0;
    const refuse = {
      beforeStore: () => {
        if (++stores === 3) throw new FsError("EIO", "bad line");
      },
    };
    const fs = new FakeFs({ observers: [refuse] });
    const operations = new XipOperations(fs, "complete");
    const inode = fs.newInode();
    operations.fallocate(inode, 0, 0, 3 * BLOCK);
    fs.rangeMax = BLOCK;
    fs.log = [];
    const data = pattern(1, 3 * BLOCK);
    expect(operations.write(inode, 0, data, 0, data.length)).toBe(2 * BLOCK);
    expect(fs.log).toEqual(["complete 0+4096", "complete 4096+4096", "complete 8192+0"]);
    expect(fs.layout(inode)).toBe("wwu");
    expect(contents(operations, inode).subarray(2 * BLOCK)).toEqual(new Uint8Array(BLOCK));
  });

  it.each(inPlace)(
    "%s: an error of the personality in the middle makes a short write",
    (protocol) => {
      const fs = new FakeFs();
      fs.rangeMax = BLOCK;
      const operations = new XipOperations(fs, protocol);
      const inode = fs.build("ww.", 3 * BLOCK);
      fs.fail = (method) => (method === "getXipMem" ? "EIO" : null);
      const data = pattern(1, 3 * BLOCK);
      expect(operations.write(inode, 0, data, 0, data.length)).toBe(2 * BLOCK);
      expect(() => operations.write(inode, 2 * BLOCK, data, 0, 5)).toThrow("EIO");
    },
  );
});

describe("what the core distrusts", () => {
  const broken: Array<[string, (fs: FakeFs) => void]> = [
    ["an empty answer", (fs) => answer(fs, 0, 0)],
    ["an answer longer than asked", (fs) => answer(fs, 0, 2 * BLOCK)],
    ["an answer outside the device", (fs) => answer(fs, 64 * BLOCK, BLOCK)],
    ["an answer for another place in the block", (fs) => answer(fs, 8, BLOCK)],
  ];
  it.each(broken)("%s", (_what, damage) => {
    const fs = new FakeFs();
    const operations = new XipOperations(fs, "zero");
    const inode = fs.build("w", BLOCK);
    damage(fs);
    expect(() => operations.read(inode, 0, new Uint8Array(BLOCK), 0, BLOCK)).toThrow("range");
  });
});

function answer(fs: FakeFs, offset: number, length: number): void {
  fs.getXipMem = (_mapping, _pos, _length, _flags, out) => {
    Object.assign(out, { offset, length, state: 2 });
  };
}
