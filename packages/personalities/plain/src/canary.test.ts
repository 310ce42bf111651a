/**
 * Tests that cannot fail prove nothing: plain with a deliberate bug must be convicted, by the test
 * of the contract that is there for it, and by the comparison with the model.
 */
import {
  type FileSystem,
  GXM_ALLOC,
  GXM_ZERO,
  isDirectory,
  nameFromUtf8,
  type Personality,
  PURPOSE_METADATA,
} from "@xiplab/core";
import { compareWithModel, contract, type DataPathChoice, type Runner } from "@xiplab/testkit";
import { describe, expect, test } from "vitest";
import { plain } from "./index.ts";

type Bug = (real: FileSystem, fs: FileSystem) => Partial<FileSystem>;

/** plain, where each mount has something else in the place of some methods. */
function broken(bug: Bug): Personality {
  return {
    ...plain,
    mount(device, context) {
      const fs = plain.mount(device, context);
      return Object.assign(fs, bug(methodsOf(fs), fs));
    },
  };
}

/** The methods of `fs` as they are before a bug takes their place. */
function methodsOf(fs: FileSystem): FileSystem {
  const real = Object.create(fs) as FileSystem;
  for (let at = Object.getPrototypeOf(fs) as object; at !== Object.prototype;) {
    for (const name of Object.getOwnPropertyNames(at)) {
      const value: unknown = Reflect.get(fs, name);
      if (typeof value !== "function" || Object.hasOwn(real, name)) continue;
      Object.defineProperty(real, name, { value: value.bind(fs) as unknown });
    }
    at = Object.getPrototypeOf(at) as object;
  }
  return real;
}

const nothing = (): void => undefined;

const ZERO = { data: "xip", unwritten: "zero" };
const COMPLETE = { data: "xip", unwritten: "complete" };
const DELALLOC = { data: "delalloc" };

/** What is wrong, the data path, the test that convicts it, and the bug. */
const BUGS: readonly (readonly [string, DataPathChoice, string, Bug])[] = [
  [
    "blocks that are not zeroed",
    ZERO,
    "a partial block shows no stale bytes",
    (real) => ({
      getXipMem(mapping, pos, length, flags, out) {
        const less = flags & GXM_ZERO ? (flags & ~GXM_ZERO) | GXM_ALLOC : flags;
        real.getXipMem(mapping, pos, length, less, out);
      },
    }),
  ],
  [
    "a completion that converts nothing",
    COMPLETE,
    "a write in the middle converts what it writes",
    (real) => ({
      xipComplete: (mapping, _pos, _copied, _out, { newSize }) => real.setSize(mapping, newSize),
    }),
  ],
  [
    "a completion that converts one block alone",
    COMPLETE,
    "a write in the middle converts what it writes",
    (real) => ({
      xipComplete: (mapping, pos, copied, out, outcome) =>
        real.xipComplete(mapping, pos, Math.min(copied, 100), out, outcome),
    }),
  ],
  [
    "truncate that keeps the blocks",
    ZERO,
    "truncate down, then up: zeros",
    (real) => ({ truncate: (inode, size) => real.setSize(inode.mapping, size) }),
  ],
  [
    "blocks that evict loses",
    ZERO,
    "a file lives until its last name and opener are gone",
    () => ({ evict: nothing }),
  ],
  [
    "promises that nobody keeps",
    DELALLOC,
    "what write took, fsync can store",
    () => ({ reserve: nothing, unreserve: nothing }),
  ],
  [
    "attributes in memory alone",
    ZERO,
    "chmod and chown are on the medium",
    () => ({ updateInode: nothing }),
  ],
  [
    "a cookie that counts entries",
    ZERO,
    "readdir cookies stay good while names come and go",
    (real) => ({
      readdir(directory, cookie, batch, max) {
        const all = { names: [], inos: [], types: [], cookies: [] };
        while (real.readdir(directory, all.cookies.at(-1) ?? 0, all, 1000)) continue;
        const end = Math.min(all.names.length, cookie + max);
        for (let index = cookie; index < end; index++) {
          batch.names.push(all.names[index]!);
          batch.inos.push(all.inos[index]!);
          batch.types.push(all.types[index]!);
          batch.cookies.push(index + 1);
        }
        return end < all.names.length;
      },
    }),
  ],
  [
    "types that readdir does not know",
    ZERO,
    "readdir tells inode numbers and types",
    (real) => ({
      readdir(directory, cookie, batch, max) {
        const more = real.readdir(directory, cookie, batch, max);
        batch.types.fill(0);
        return more;
      },
    }),
  ],
  [
    "a directory that forgets where it stands",
    ZERO,
    "a directory to another directory",
    (_real, fs) => ({ parentOf: () => fs.rootIno }),
  ],
  [
    "link counts of directories",
    ZERO,
    "directories: mkdir, rmdir, link counts",
    (real) => ({
      unlink(directory, name, inode) {
        real.unlink(directory, name, inode);
        if (isDirectory(inode.mode)) directory.nlink++;
      },
    }),
  ],
  [
    "names in lower case",
    ZERO,
    "names of every byte",
    (real) => ({
      create: (directory, name, attributes) =>
        real.create(directory, nameFromUtf8(name.toLowerCase()), attributes),
    }),
  ],
  [
    "a mount that writes though it may not",
    ZERO,
    "everything can be read, nothing is written",
    (real, fs) => ({
      lookup(directory, name) {
        fs.device.store(0, new Uint8Array(1), 0, 1, PURPOSE_METADATA);
        return real.lookup(directory, name);
      },
    }),
  ],
  [
    "a count of free blocks that never moves",
    ZERO,
    "blocks and inodes come back",
    (real) => {
      const first = real.statfs();
      return { statfs: () => first };
    },
  ],
];

/** Names of the tests of the contract that fail, of those that `wanted` names. */
function convictions(personality: Personality, choice: DataPathChoice, wanted: string): string[] {
  const failed: string[] = [];
  let found = 0;
  const runner: Runner = {
    describe: (_title, body) => body(),
    test(name, body) {
      if (name !== wanted) return;
      found++;
      try {
        body();
      } catch {
        failed.push(name);
      }
    },
    skip: nothing,
  };
  contract(personality, runner, { dataPaths: [choice] });
  expect(found, `tests named '${wanted}'`).toBe(1);
  return failed;
}

describe("the contract convicts", () => {
  for (const [what, choice, name, bug] of BUGS) {
    test(`${what}: ${name}`, () => {
      expect(convictions(plain, choice, name)).toEqual([]);
      expect(convictions(broken(bug), choice, name)).toEqual([name]);
    });
  }

  test("a mkfs that depends on more than it is given", () => {
    let count = 0;
    const personality: Personality = {
      ...plain,
      mkfs(device, context) {
        plain.mkfs(device, context);
        device.store(device.size - 1, Uint8Array.of(++count), 0, 1, PURPOSE_METADATA);
      },
    };
    const name = "mkfs gives the same bytes for the same size, options and time";
    expect(convictions(personality, ZERO, name)).toEqual([name]);
  });

  test("a check that finds nothing", () => {
    const report = { findings: [], clean: true, inodesUsed: 1, blocksUsed: 1 };
    const personality: Personality = { ...plain, check: () => report };
    const name = "what is no image is refused, and nothing is written";
    expect(convictions(personality, ZERO, name)).toEqual([name]);
  });
});

describe("the model convicts", () => {
  const convict = (bug: Bug, mountOptions: Record<string, string>, shrinkMs: number): string => {
    const config = { personality: broken(bug), mountOptions, seed: 7, shrinkMs };
    try {
      return compareWithModel({ ...config, operations: 2000, operationsPerRun: 500 });
    } catch (error) {
      return (error as Error).message;
    }
  };

  for (const [what, choice, , bug] of BUGS.slice(0, 4)) {
    test(`${what}, too`, () => {
      expect(convict(bug, { ...choice }, 0)).toContain("replay these operations");
    });
  }

  test("with a short sequence of operations", () => {
    const unzeroed = BUGS[0]![3];
    const message = convict(unzeroed, { ...ZERO }, 10_000);
    expect(message).toContain("MARK");
    expect(message.split("\n").filter((line) => line.includes("op:")).length).toBeLessThan(12);
  });
});
