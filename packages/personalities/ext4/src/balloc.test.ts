/** Proves the rules of block allocation one by one, on images of mkfs.ext4. */
import { CorruptionError, FsError, type PmemDevice, S_IFREG } from "@xiplab/core";
import { e2fsck, mkfsExt4, readImage, requireOracle, withTempDirectory } from "@xiplab/oracles";
import { describe, expect, test } from "vitest";
import { fakeInode, type LowerHalf, openLowerHalf, request } from "./testing/space.ts";
import type { BlockRequest, BlockRun } from "./volume.ts";

const MIB = 2 ** 20;
const ARGS = ["-b", "4096"];

function withImage(
  size: number,
  args: readonly string[],
  body: (device: PmemDevice) => void,
): void {
  withTempDirectory((directory) => {
    const file = `${directory}/image`;
    mkfsExt4(file, size, args);
    body(readImage(file));
  });
}

function take(half: LowerHalf, order: BlockRequest): BlockRun {
  const out = { start: 0, length: 0 };
  half.journal.run(8, () => half.balloc.allocate(order, out));
  return out;
}

const free = (half: LowerHalf, start: number, length: number): void =>
  half.journal.run(8, () => half.balloc.free(start, length));

const codeOf = (body: () => void): string => {
  try {
    body();
  } catch (error) {
    if (error instanceof FsError) return error.code;
    throw error;
  }
  return "none";
};

describe.each(["mballoc", "first-fit"] as const)("%s", (alloc) => {
  test("freed blocks are handed out after the commit, not before", ({ skip }) => {
    requireOracle(["mkfs.ext4", "e2fsck"], skip);
    withImage(16 * MIB, ARGS, (device) => {
      const half = openLowerHalf(device, alloc);
      half.privileged = true;
      const inode = fakeInode(12, S_IFREG);
      const runs: BlockRun[] = [];
      const fill = () => {
        for (;;) runs.push(take(half, request(inode, { length: 4096, whole: true, exact: true })));
      };
      expect(codeOf(fill)).toBe("ENOSPC");
      expect(half.balloc.wouldCommitHelp).toBe(false);
      const [first] = runs.splice(0, 1) as [BlockRun];
      free(half, first.start, first.length);
      expect(half.balloc.waiting).toBe(first.length);
      expect(codeOf(fill)).toBe("ENOSPC");
      expect(half.balloc.wouldCommitHelp).toBe(true);
      half.journal.commit();
      expect(half.balloc.wouldCommitHelp).toBe(false);
      expect(
        take(half, request(inode, { length: first.length, whole: true, exact: true })),
      ).toEqual(first);
      free(half, first.start, first.length);
      for (const { start, length } of runs) free(half, start, length);
      half.journal.commit();
      const { clean, output } = e2fsck(device);
      expect(clean, output).toBe(true);
    });
  });

  test("root's share and the spare are kept back, the spare also from root", ({ skip }) => {
    requireOracle(["mkfs.ext4"], skip);
    withImage(16 * MIB, ARGS, (device) => {
      const half = openLowerHalf(device, alloc);
      const { reservedBlocks, blockCount } = half.geometry;
      const spare = Math.floor(blockCount / 50);
      const inode = fakeInode(12, S_IFREG);
      const order = request(inode, { length: 4096, whole: true, exact: true });
      const fill = () => {
        for (;;) take(half, order);
      };
      expect(reservedBlocks).toBeGreaterThan(100);
      expect(codeOf(fill)).toBe("ENOSPC");
      expect(half.groups.freeBlocks).toBe(reservedBlocks + spare);
      half.privileged = true;
      expect(codeOf(fill)).toBe("ENOSPC");
      expect(half.groups.freeBlocks).toBe(spare);
      const meta = request(inode, { lblk: -1, noFail: true });
      for (let i = 0; i < spare; i++) expect(take(half, meta).length).toBe(1);
      expect(codeOf(() => take(half, meta))).toBe("ENOSPC");
    });
  });

  test("promised blocks are there when they are asked for", ({ skip }) => {
    requireOracle(["mkfs.ext4"], skip);
    withImage(16 * MIB, ARGS, (device) => {
      const half = openLowerHalf(device, alloc);
      const inode = fakeInode(12, S_IFREG);
      half.balloc.reserve(1000);
      const others = request(inode, { length: 4096, whole: true, exact: true });
      expect(
        codeOf(() => {
          for (;;) take(half, others);
        }),
      ).toBe("ENOSPC");
      for (let left = 1000; left > 0;) {
        const order = request(inode, { lblk: 1000 - left, length: left, reserved: true });
        left -= take(half, order).length;
      }
      expect(codeOf(() => half.balloc.reserve(half.geometry.blockCount))).toBe("ENOSPC");
      // All of the promise was used up: giving any of it back is a mistake.
      expect(() => half.balloc.unreserve(1)).toThrow("a promise is taken back once");
    });
  });

  test("freeing twice, fixed metadata, or beyond the device is corruption", ({ skip }) => {
    requireOracle(["mkfs.ext4"], skip);
    withImage(16 * MIB, ARGS, (device) => {
      const half = openLowerHalf(device, alloc);
      const { groups } = half;
      const run = take(half, request(fakeInode(12, S_IFREG), { length: 4 }));
      const { freeBlocks } = groups;
      const bad: readonly (readonly [number, number])[] = [
        [run.start + run.length - 1, 2],
        [0, 1],
        [groups.blockBitmapAt(0), 1],
        [groups.inodeTableAt(0) + 5, 1],
        [half.geometry.blockCount - 1, 2],
      ];
      // A handle for all: an error that leaves it ends the journal.
      half.journal.run(8, () => {
        for (const [start, length] of bad) {
          expect(() => half.balloc.free(start, length)).toThrow(CorruptionError);
        }
      });
      expect(groups.freeBlocks).toBe(freeBlocks);
    });
  });
});

describe("mballoc", () => {
  test("small files stand behind each other, whoever they belong to", ({ skip }) => {
    requireOracle(["mkfs.ext4"], skip);
    withImage(64 * MIB, ARGS, (device) => {
      const half = openLowerHalf(device, "mballoc");
      let next = 0;
      let breaks = 0;
      for (let i = 0; i < 300; i++) {
        const run = take(half, request(fakeInode(12 + i, S_IFREG), { length: 1 + (i % 3) }));
        if (i > 0 && run.start !== next) breaks++;
        next = run.start + run.length;
      }
      // 600 blocks: one chunk of 512, a piece that was left at its end, and the next.
      expect(breaks).toBeLessThan(4);
    });
  });

  test("files that grow in turns stay in long runs", ({ skip }) => {
    requireOracle(["mkfs.ext4"], skip);
    withImage(256 * MIB, ARGS, (device) => {
      const half = openLowerHalf(device, "mballoc");
      const files = [fakeInode(12, S_IFREG), fakeInode(13, S_IFREG), fakeInode(14, S_IFREG)];
      const lasts = files.map(() => 0);
      let breaks = 0;
      // Beyond 16 blocks: smaller files share a chunk, block by block.
      for (let lblk = 17; lblk < 2048; lblk++) {
        for (const [index, inode] of files.entries()) {
          const left = lasts[index]!;
          const near = left === 0 ? {} : { goal: left + 1, leftLblk: lblk - 1, leftPblk: left };
          const run = take(half, request(inode, { lblk, ...near }));
          if (left !== 0 && run.start !== left + 1) breaks++;
          lasts[index] = run.start;
          inode.resize((lblk + 1) * 4096);
        }
      }
      expect(breaks).toBeLessThan(3 * 12);
    });
  });

  test("preallocations are given back where space runs out, and on request", ({ skip }) => {
    requireOracle(["mkfs.ext4", "e2fsck"], skip);
    withImage(16 * MIB, ARGS, (device) => {
      const half = openLowerHalf(device, "mballoc");
      half.privileged = true;
      const files = Array.from({ length: 400 }, (_, i) => fakeInode(12 + i, S_IFREG));
      const runs: BlockRun[] = [];
      const fill = () => {
        for (let i = 0; ; i++) {
          const file = files[i % files.length]!;
          runs.push(take(half, request(file, { lblk: 100 + Math.floor(i / files.length) })));
        }
      };
      expect(codeOf(fill)).toBe("ENOSPC");
      expect(half.groups.freeBlocks).toBe(Math.floor(half.geometry.blockCount / 50));
      for (const { start, length } of runs) free(half, start, length);
      for (const file of files) half.balloc.discardPreallocation(file);
      expect(files.every((file) => file.preallocation === null)).toBe(true);
      half.journal.commit();
      const { clean, output } = e2fsck(device);
      expect(clean, output).toBe(true);
    });
  });
});
