/**
 * Proves allocation on images that mkfs.ext4 made: what is taken and given back leaves an image of
 * which e2fsck has nothing to say.
 */
import { readImage, e2fsck, mkfsExt4, withTempDirectory } from "@xiplab/oracles";
import { S_IFDIR, S_IFREG } from "@xiplab/core";
import { expect, test } from "vitest";
import { fakeInode, openLowerHalf, request } from "./space-testing.ts";

test.each(["mballoc", "first-fit"] as const)(
  "%s: what is freed again leaves a clean image",
  (alloc) => {
    withTempDirectory((directory) => {
      const file = `${directory}/image`;
      mkfsExt4(file, 256 * 2 ** 20);
      const device = readImage(file);
      const half = openLowerHalf(device, alloc);
      const inode = fakeInode(12, S_IFREG);
      const runs: number[] = [];
      half.journal.run(100, () => {
        for (let i = 0; i < 1000; i++) {
          const out = { start: 0, length: 0 };
          half.balloc.allocate(request(inode, { length: 1 + (i % 40) }), out);
          runs.push(out.start, out.length);
        }
      });
      const inos: number[] = [];
      half.journal.run(100, () => {
        for (let i = 0; i < 3000; i++)
          inos.push(half.ialloc.allocate(fakeInode(2, S_IFDIR), S_IFREG));
      });
      half.journal.commit();
      expect(e2fsck(device).clean).toBe(false);
      half.journal.run(100, () => {
        for (let i = 0; i < runs.length; i += 2) half.balloc.free(runs[i]!, runs[i + 1]!);
        for (const ino of inos) half.ialloc.free(ino, false);
      });
      half.journal.commit();
      const { clean, output } = e2fsck(device);
      expect(clean, output).toBe(true);
    });
  },
);
