/**
 * Proves where inodes go: where the kernel puts the same names, on images with few and many flex
 * groups and with none; and the rules of reuse.
 */
import fs from "node:fs";
import path from "node:path";
import { CorruptionError, FsError, type Name, S_IFDIR, S_IFREG } from "@xiplab/core";
import { mkfsExt4, readImage, requireOracle } from "@xiplab/oracles";
import { withLoopMount, withTempDirectory } from "@xiplab/oracles";
import { describe, expect, test } from "vitest";
import { FL_EXTENTS } from "./format/inode.ts";
import {
  fakeInode,
  type LowerHalf,
  openLowerHalf,
  randomNumbers,
  request,
} from "./testing/space.ts";

const MIB = 2 ** 20;
const UUID = "01234567-89ab-4cde-8f01-23456789abcd";
const SEEDED = ["-U", UUID, "-E", `hash_seed=${UUID}`];

/** A name to make in the directory made as number `parent`, or in the root (-1). */
interface Making {
  readonly parent: number;
  readonly name: string;
  readonly isDirectory: boolean;
}

/** Directories below the root, directories in directories, and files everywhere. */
function makings(count: number): Making[] {
  const random = randomNumbers(4711);
  const directories: number[] = [-1];
  return Array.from({ length: count }, (_, index) => {
    const isDirectory = random(3) === 0;
    const parent = random(4) === 0 ? -1 : directories[random(directories.length)]!;
    if (isDirectory) directories.push(index);
    return { parent, name: `${isDirectory ? "dir" : "file"}-${index}`, isDirectory };
  });
}

/** Mounted anew for each name: the kernel counts free inodes and directories a little late, and by
 * these counts it decides. */
function makeThere(image: string, list: readonly Making[]): number[] {
  const paths: string[] = [];
  return list.map(({ parent, name, isDirectory }, index) => {
    paths[index] = path.join(parent < 0 ? "" : paths[parent]!, name);
    return withLoopMount(image, {}, ({ directory }) => {
      const whole = path.join(directory, paths[index]!);
      if (isDirectory) fs.mkdirSync(whole);
      else fs.writeFileSync(whole, "");
      return fs.statSync(whole).ino;
    });
  });
}

function makeHere(half: LowerHalf, list: readonly Making[]): number[] {
  const inos: number[] = [];
  const out = { start: 0, length: 0 };
  for (const { parent, name, isDirectory } of list) {
    const above = fakeInode(parent < 0 ? 2 : inos[parent]!, S_IFDIR);
    const mode = isDirectory ? S_IFDIR : S_IFREG;
    half.journal.run(16, () => {
      const ino = half.ialloc.allocate(above, mode, name as Name);
      inos.push(ino);
      if (!isDirectory) return;
      const inode = fakeInode(ino, mode);
      inode.flags = FL_EXTENTS;
      half.balloc.allocate(request(inode, { lblk: 0 }), out);
    });
  }
  return inos;
}

describe("inodes go where the kernel puts them", () => {
  for (const [kind, size, args] of [
    ["one flex group", 512 * MIB, ["-b", "4096"]],
    ["32 flex groups", 64 * 1024 * MIB, ["-b", "4096"]],
    ["small flex groups", 96 * MIB, ["-b", "1024", "-G", "4", "-N", "384"]],
    ["no flex groups", 96 * MIB, ["-b", "1024", "-O", "^flex_bg", "-N", "384"]],
  ] as const) {
    test(`on ${kind}`, ({ skip }) => {
      requireOracle(["mkfs.ext4", "loop"], skip);
      withTempDirectory((directory) => {
        const image = path.join(directory, "image");
        const lazy = size > 1024 * MIB ? ["-E", "lazy_itable_init=1,lazy_journal_init=1"] : [];
        mkfsExt4(image, size, [...args, ...SEEDED, ...lazy]);
        const list = makings(40);
        const ours = makeHere(openLowerHalf(readImage(image), "mballoc"), list);
        expect(ours).toEqual(makeThere(image, list));
      });
    });
  }
});

describe("reuse", () => {
  const withHalf = (args: readonly string[], body: (half: LowerHalf) => void): void => {
    withTempDirectory((directory) => {
      const image = path.join(directory, "image");
      mkfsExt4(image, 32 * MIB, ["-b", "4096", "-N", "64", ...args]);
      body(openLowerHalf(readImage(image), "mballoc"));
    });
  };
  const take = (half: LowerHalf): number =>
    half.journal.run(8, () => half.ialloc.allocate(fakeInode(2, S_IFDIR), S_IFREG));
  const drop = (half: LowerHalf, ino: number): void =>
    half.journal.run(8, () => half.ialloc.free(ino, false));

  test("with a journal a number is free at once, the lowest first", ({ skip }) => {
    requireOracle(["mkfs.ext4"], skip);
    withHalf([], (half) => {
      const inos = [take(half), take(half), take(half)];
      expect(inos).toEqual([12, 13, 14]);
      drop(half, 13);
      expect(take(half)).toBe(13);
    });
  });

  test("without one it is taken last, until a commit", ({ skip }) => {
    requireOracle(["mkfs.ext4"], skip);
    withHalf(["-O", "^has_journal"], (half) => {
      expect([take(half), take(half), take(half)]).toEqual([12, 13, 14]);
      drop(half, 13);
      drop(half, 12);
      expect(take(half)).toBe(15);
      half.journal.commit();
      expect(take(half)).toBe(12);
      drop(half, 14);
      expect(take(half)).toBe(13);
      expect(take(half)).toBe(16);
      while (half.groups.freeInodes > 1) take(half);
      expect(take(half)).toBe(14);
      expect(() => take(half)).toThrow(FsError);
    });
  });

  test("numbers that are reserved, free or beyond the last are not freed", ({ skip }) => {
    requireOracle(["mkfs.ext4"], skip);
    withHalf([], (half) => {
      half.journal.run(8, () => {
        for (const ino of [2, 8, 40, 65, 100000]) {
          expect(() => half.ialloc.free(ino, false)).toThrow(CorruptionError);
        }
      });
    });
  });
});
