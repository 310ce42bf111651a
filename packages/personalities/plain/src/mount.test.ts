/**
 * Proves that a mount refuses what it cannot believe without writing a byte, and mends what a power
 * cut leaves: names decide, the rest follows them.
 */
import {
  CorruptionError,
  createPmem,
  FaultInjector,
  FsError,
  type Ino,
  Pmem,
  PURPOSE_DATA,
  PURPOSE_METADATA,
  readWordPair,
} from "@xiplab/core";
import { describe, expect, test } from "vitest";
import { INODE_SIZE } from "./format/inode.ts";
import { INTENT_AT, STATE_AT } from "./format/superblock.ts";
import { slotToDevByte } from "./geometry.ts";
import { plain } from "./index.ts";
import {
  copyDevice,
  cutAt,
  directory,
  dirtyImage,
  file,
  interruptedImage,
  lookup,
  makeImage,
  mountFs,
  n,
  populatedImage,
  symlink,
} from "./testing.ts";

const SIZE = 2 ** 20;

const sound = (device: Pmem): boolean => plain.check(device).findings.length === 0;

/** Why mounting is refused, read-write and read-only, with no byte stored. */
function refusal(device: Pmem): string {
  const { stores } = device.counters;
  const messages = [false, true].map((readOnly) => {
    try {
      mountFs(device, readOnly);
      return "mounted";
    } catch (error) {
      return error instanceof CorruptionError ? error.message : String(error);
    }
  });
  const same = messages[0] === messages[1] && plain.check(device).findings.length > 0;
  return same && device.counters.stores === stores ? messages[0]! : "not refused in order";
}

function patch(device: Pmem, at: number, ...bytes: number[]): void {
  device.store(at, Uint8Array.from(bytes), 0, bytes.length, PURPOSE_METADATA);
}

describe("refused", () => {
  test("what is no image", () => {
    const device = new Pmem(SIZE);
    expect(refusal(device)).toContain("plain superblock at byte 0x0: magic is 0");
    device.store(0, new Uint8Array(4096).fill(0xee), 0, 4096, PURPOSE_DATA);
    expect(refusal(device)).toContain("magic is");
    expect(plain.probe(device)).toBe(false);
    expect(plain.defaultOptions(device)).toEqual({});
  });

  test("an image that was cut off", () => {
    const device = new Pmem(SIZE / 2);
    const whole = populatedImage(SIZE);
    device.store(0, whole.directAccess(0, SIZE / 2), 0, SIZE / 2, PURPOSE_DATA);
    expect(refusal(device)).toContain("blocks is 256, expected <= 128");
  });

  test("a superblock with a flipped bit", () => {
    const device = makeImage(SIZE);
    patch(device, 0x30, 0x41);
    expect(refusal(device)).toContain("checksum is");
  });

  test("an absurd state", () => {
    const device = makeImage(SIZE);
    patch(device, STATE_AT, 1);
    expect(refusal(device)).toContain("plain state at byte 0xc0: clean is");
    const other = makeImage(SIZE);
    patch(other, STATE_AT + 4, 0xff, 0xff, 0xff, 0xff);
    expect(refusal(other)).toContain("inodesEnd is 4294967295, expected 1 to 128");
  });

  test("a clean image with a bad copy of a record", () => {
    const device = populatedImage(SIZE);
    patch(device, slotToDevByte(1) + 9, 0x55);
    expect(refusal(device)).toContain("plain inode at inode 1: checksum is bad");
  });

  test("bad lines, as errors of the medium", () => {
    const faults = new FaultInjector();
    const device = createPmem({ size: SIZE, observers: [faults] });
    copyDevice(populatedImage(SIZE), device);
    faults.poison(slotToDevByte(3), 64);
    expect(() => mountFs(device)).toThrow("medium at");
    expect(plain.check(device).findings[0]).toMatchObject({ structure: "medium", found: "EIO" });
    faults.poison(0, 64);
    expect(() => mountFs(device)).toThrow("EIO");
    expect(plain.probe(device)).toBe(false);
    expect(plain.defaultOptions(device)).toEqual({});
    expect(plain.check(device).findings).toHaveLength(1);
  });
});

describe("after a power cut", () => {
  test("files without a name are freed, link counts follow the names", () => {
    const device = dirtyImage(SIZE);
    const before = plain.check(device);
    expect(before).toMatchObject({ findings: [], clean: false });
    const fs = mountFs(device);
    expect(plain.check(device).inodesUsed).toBe(before.inodesUsed - 2);
    const { blocksFree } = fs.statfs();
    fs.unmount();
    expect(plain.check(device)).toMatchObject({ findings: [], clean: true });
    expect(mountFs(device).statfs().blocksFree).toBe(blocksFree);
  });

  test("a torn update of a record: the one before it is taken, and the copy is written anew", () => {
    const device = makeImage(SIZE);
    const fs = mountFs(device);
    const inode = fs.create(fs.iget(fs.rootIno), n("f"), file);
    fs.setSize(inode.mapping, 100);
    fs.setSize(inode.mapping, 200);
    const newest = slotToDevByte(inode.ino) + INODE_SIZE * (inode.sequence % 2);
    patch(device, newest + 20, 1, 2, 3);
    expect(sound(device)).toBe(true);
    const again = mountFs(device);
    expect(again.iget(lookup(again, "f")).size).toBe(100);
    again.unmount();
    expect(plain.check(device)).toMatchObject({ findings: [], clean: true });
    expect(mountFs(device, true).statfs().filesFree).toBe(126);
  });

  test("a torn first record is a free inode", () => {
    const device = makeImage(SIZE);
    mountFs(device);
    patch(device, slotToDevByte(1) + 2 * INODE_SIZE + INODE_SIZE + 4, 1);
    patch(device, STATE_AT + 4, 33);
    const fs = mountFs(device);
    expect(fs.create(fs.iget(fs.rootIno), n("f"), file).ino).toBe(2);
    fs.unmount();
    expect(plain.check(device)).toMatchObject({ findings: [], clean: true });
  });

  test("an inode whose record is bad in both copies is corruption", () => {
    const device = dirtyImage(SIZE);
    patch(device, slotToDevByte(2) + 20, 1, 2, 3);
    patch(device, slotToDevByte(2) + INODE_SIZE + 20, 1, 2, 3);
    expect(refusal(device)).toContain("plain inode at inode 2: checksum is bad");
  });

  test("a pending rename is done, once", () => {
    const device = interruptedImage(SIZE);
    expect(sound(device)).toBe(true);
    const fs = mountFs(device);
    expect(readWordPair(device, INTENT_AT)).toEqual([]);
    const deep = lookup(fs, "deep", lookup(fs, "d"));
    const moved = fs.iget(lookup(fs, "new-name", deep));
    expect([lookup(fs, "e2", lookup(fs, "d")), moved.parentIno]).toEqual([0, deep]);
    // What the intent said must not come back when the directory is read once more.
    fs.unlink(fs.iget(deep), n("new-name"), moved);
    expect(lookup(fs, "new-name", deep)).toBe(0);
    expect(fs.lookup(fs.iget(deep), n("new-name"))).toBe(0);
  });

  test("mounted read-only: seen as it would be mended, and not a byte is written", () => {
    for (const device of [dirtyImage(SIZE), interruptedImage(SIZE)]) {
      const { stores } = device.counters;
      const fs = mountFs(device, true);
      const seen = [lookup(fs, "e2", lookup(fs, "d")), fs.iget(lookup(fs, "d")).nlink];
      fs.unmount();
      expect(device.counters.stores).toBe(stores);
      const written = mountFs(device);
      const d = lookup(written, "d");
      expect([lookup(written, "e2", d), written.iget(d).nlink]).toEqual(seen);
    }
  });

  test("cut again while it recovers, at any event, it recovers all the same", () => {
    for (const image of [dirtyImage(SIZE), interruptedImage(SIZE)]) {
      const whole = copyDevice(image);
      mountFs(whole).unmount();
      const wanted = plain.check(whole);
      let events = 0;
      for (let event = 1; ; event++) {
        const cut = cutAt(image, event, (device) => void mountFs(device));
        if (cut === null) break;
        events++;
        mountFs(cut).unmount();
        expect(plain.check(cut)).toEqual(wanted);
      }
      expect(events).toBeGreaterThan(4);
    }
  });
});

/** Names of all directories with what they lead to, from a mount after recovery. */
function tree(device: Pmem): string {
  const fs = mountFs(device);
  const lines: string[] = [];
  const walk = (ino: Ino, path: string): void => {
    const inode = fs.iget(ino);
    lines.push(`${path} ${inode.mode.toString(8)} ${inode.nlink} ${inode.size}`);
    if ((inode.mode & 0o170000) !== 0o040000) return;
    const batch = { names: [], inos: [], types: [], cookies: [] };
    fs.readdir(inode, 0, batch, 1000);
    for (const [index, name] of (batch.names as string[]).entries()) {
      walk(batch.inos[index]!, `${path}/${name}`);
    }
  };
  walk(fs.rootIno, "");
  fs.unmount();
  expect(plain.check(device)).toMatchObject({ findings: [], clean: true });
  return lines.sort().join("\n");
}

describe("every operation on names is there entirely, or not at all", () => {
  const long = "y".repeat(255);
  type Work = (device: Pmem) => void;
  const works: Array<readonly [string, Work]> = [
    [
      "create",
      (device) => {
        const fs = mountFs(device);
        fs.create(fs.iget(fs.rootIno), n("new"), file);
      },
    ],
    [
      "create with a long name",
      (device) => {
        const fs = mountFs(device);
        fs.create(fs.iget(fs.rootIno), n(long), file);
      },
    ],
    [
      "mkdir",
      (device) => {
        const fs = mountFs(device);
        fs.create(fs.iget(lookup(fs, "d")), n("new"), directory);
      },
    ],
    [
      "symlink",
      (device) => {
        const fs = mountFs(device);
        fs.create(fs.iget(lookup(fs, "d")), n("new"), symlink("x".repeat(3000)));
      },
    ],
    [
      "link",
      (device) => {
        const fs = mountFs(device);
        fs.link(fs.iget(fs.rootIno), n("new"), fs.iget(lookup(fs, "also")));
      },
    ],
    [
      "unlink",
      (device) => {
        const fs = mountFs(device);
        const inode = fs.iget(lookup(fs, "also"));
        fs.unlink(fs.iget(fs.rootIno), n("also"), inode);
      },
    ],
    [
      "rmdir",
      (device) => {
        const fs = mountFs(device);
        const d = fs.iget(lookup(fs, "d"));
        const inode = fs.iget(lookup(fs, "e4", d.ino));
        fs.unlink(d, n("e4"), inode);
        fs.evict(inode);
      },
    ],
    [
      "rename of a directory",
      (device) => {
        const fs = mountFs(device);
        const d = fs.iget(lookup(fs, "d"));
        const inode = fs.iget(lookup(fs, "e4", d.ino));
        fs.rename(d, n("e4"), fs.iget(fs.rootIno), n("e4"), inode, null, false);
      },
    ],
    [
      "rename over a file",
      (device) => {
        const fs = mountFs(device);
        const d = fs.iget(lookup(fs, "d"));
        const displaced = fs.iget(lookup(fs, "scattered", d.ino));
        const inode = fs.iget(lookup(fs, "also"));
        fs.rename(fs.iget(fs.rootIno), n("also"), d, n("scattered"), inode, displaced, false);
        fs.evict(displaced);
      },
    ],
    [
      "exchange",
      (device) => {
        const fs = mountFs(device);
        const d = fs.iget(lookup(fs, "d"));
        const root = fs.iget(fs.rootIno);
        const inode = fs.iget(lookup(fs, "also"));
        fs.rename(root, n("also"), d, n("e4"), inode, fs.iget(lookup(fs, "e4", d.ino)), true);
      },
    ],
    [
      "truncate",
      (device) => {
        const fs = mountFs(device);
        fs.truncate(fs.iget(lookup(fs, "scattered", lookup(fs, "d"))), 5000);
      },
    ],
  ];

  test.each(works)("%s", (_, work) => {
    const image = populatedImage(SIZE);
    const before = tree(copyDevice(image));
    const done = copyDevice(image);
    work(done);
    const after = tree(done);
    expect(after).not.toBe(before);
    const seen = new Set<string>();
    for (let event = 1; ; event++) {
      const cut = cutAt(image, event, work);
      if (cut === null) break;
      seen.add(tree(cut));
    }
    expect([...seen].filter((found) => found !== before && found !== after)).toEqual([]);
    expect(seen).toEqual(new Set([before, after]));
  });
});

test("a read-only mount refuses to change anything", () => {
  const fs = mountFs(populatedImage(SIZE), true);
  const inode = fs.iget(lookup(fs, "also"));
  expect(() => fs.updateInode(inode)).toThrow(FsError);
  expect(() => fs.truncate(inode, 0)).toThrow("EROFS");
  expect(() => fs.setSize(inode.mapping, 10_000)).toThrow("EROFS");
  expect(() => fs.iget(99 as Ino)).toThrow("ESTALE");
  expect(() => fs.iget(0 as Ino)).toThrow("ESTALE");
});
