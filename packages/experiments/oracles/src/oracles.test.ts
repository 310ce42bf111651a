/**
 * The judges themselves: that each says yes to what is right and no to what is not, that nothing of
 * theirs stays behind, and that images survive the way to a file and back.
 */
import fs from "node:fs";
import path from "node:path";
import { createPmem, Pmem, PURPOSE_DATA } from "@xiplab/core";
import { diffTrees, freezeTree } from "@xiplab/testkit";
import { describe, expect, test } from "vitest";
import {
  debugfs,
  dumpe2fs,
  e2fsck,
  e2fsckAfterCrash,
  findProgram,
  mkfsExt4,
  readImage,
  recoverImage,
  requireOracle,
  run,
  shutdownMount,
  treeOfDirectory,
  withLoopMount,
  withTempDirectory,
  writeImage,
} from "./index.ts";

const MIB = 2 ** 20;
const EXT4 = ["mkfs.ext4", "e2fsck", "debugfs", "dumpe2fs"];
const FREE_BLOCKS = 1024 + 0xc;

describe("requireOracle", () => {
  test("finds programs, skips or fails where one is missing", () => {
    expect(findProgram("sh")).toMatch(/^\/.*\/sh$/);
    expect(findProgram("xiplab-no-such-program")).toBeNull();
    expect(requireOracle(["sh"])).toBeNull();
    const before = process.env["CI"];
    try {
      delete process.env["CI"];
      const reasons: string[] = [];
      const reason = requireOracle(["sh", "xiplab-none"], (text) => reasons.push(text));
      expect([reason, reasons]).toEqual([
        "xiplab-none is not installed",
        ["xiplab-none is not installed"],
      ]);
      process.env["CI"] = "true";
      expect(() => requireOracle(["xiplab-none"])).toThrow("no judge for this test");
    } finally {
      if (before === undefined) delete process.env["CI"];
      else process.env["CI"] = before;
    }
  });
});

describe("images as files", () => {
  test("a device is the same after a round trip, and sparse", () => {
    withTempDirectory((directory) => {
      const file = path.join(directory, "image");
      const device = createPmem({ size: 64 * MIB + 4096 });
      const bytes = Uint8Array.from({ length: 9000 }, (_, index) => (index % 251) + 1);
      for (const at of [0, 5 * MIB - 4500, 64 * MIB]) {
        device.storeNonTemporal(at, bytes, 0, Math.min(9000, device.size - at), PURPOSE_DATA);
      }
      writeImage(device, file);
      const { size, blocks } = fs.statSync(file);
      expect(size).toBe(device.size);
      expect(blocks * 512).toBeLessThan(MIB);
      const back = readImage(file);
      fs.truncateSync(file, 0);
      expect(sameBytes(device, back)).toBe(true);
      device.storeU64(16 * MIB, 1, 0, PURPOSE_DATA);
      expect(sameBytes(device, back)).toBe(false);
    });
  });
});

function sameBytes(a: Pmem, b: Pmem): boolean {
  const [one, two] = [new Uint8Array(a.size), new Uint8Array(b.size)];
  a.load(0, one, 0, a.size);
  b.load(0, two, 0, b.size);
  return Buffer.compare(one, two) === 0;
}

describe("e2fsprogs", () => {
  test("e2fsck is clean on a fresh image, and not where exit code 0 hides a complaint", ({
    skip,
  }) => {
    requireOracle(EXT4, skip);
    withTempDirectory((directory) => {
      const file = path.join(directory, "image");
      mkfsExt4(file, 16 * MIB, ["-b", "4096", "-O", "^metadata_csum"]);
      expect(e2fsck(file)).toMatchObject({ clean: true });
      expect(e2fsck(readImage(file))).toMatchObject({ clean: true });
      expect(dumpe2fs(file, true)).toMatch(/^Block size: +4096$/m);
      expect(debugfs(file, "stat /lost+found")).toMatch(/Type: directory/);
      const device = readImage(file);
      device.storeU32(FREE_BLOCKS, 7, PURPOSE_DATA);
      writeImage(device, file);
      expect(run("e2fsck", ["-fn", file]).status).toBe(0);
      expect(e2fsck(file)).toMatchObject({ clean: false });
    });
  });
});

describe("the kernel", () => {
  test("mounts, and gives everything back when the body throws", ({ skip }) => {
    requireOracle([...EXT4, "loop"], skip);
    withTempDirectory((directory) => {
      const file = path.join(directory, "image");
      mkfsExt4(file, 16 * MIB);
      let where = "";
      const throws = (): void =>
        withLoopMount(file, {}, (mount) => {
          where = mount.directory;
          fs.writeFileSync(path.join(where, "file"), "here");
          throw new Error("on purpose");
        });
      expect(throws).toThrow("on purpose");
      expect(fs.existsSync(where)).toBe(false);
      expect(run("losetup", ["-j", file]).stdout).toBe("");
      withLoopMount(file, { options: "ro" }, (mount) => {
        expect(fs.readFileSync(path.join(mount.directory, "file"), "utf8")).toBe("here");
      });
      expect(e2fsck(file)).toMatchObject({ clean: true });
    });
  });

  test("a shutdown leaves a dirty journal, which e2fsck replays to the same tree", ({ skip }) => {
    requireOracle([...EXT4, "loop", "xfs_io"], skip);
    withTempDirectory((directory) => {
      const file = path.join(directory, "image");
      mkfsExt4(file, 16 * MIB);
      withLoopMount(file, {}, (mount) => {
        fs.mkdirSync(path.join(mount.directory, "d"));
        fs.writeFileSync(path.join(mount.directory, "d", "file"), "content");
        fs.linkSync(path.join(mount.directory, "d/file"), path.join(mount.directory, "twin"));
        shutdownMount(mount.directory);
        expect(() => fs.mkdirSync(path.join(mount.directory, "late"))).toThrow(
          /EIO|EROFS|ESHUTDOWN/,
        );
        expect(mount.complaints()).toEqual([]);
      });
      expect(e2fsck(file)).toMatchObject({ clean: false });
      const copy = path.join(directory, "copy");
      fs.copyFileSync(file, copy);
      expect(e2fsckAfterCrash(file)).toMatchObject({ clean: true });
      recoverImage(copy);
      const look = (image: string) =>
        withLoopMount(image, {}, (mount) => freezeTree(treeOfDirectory(mount.directory)));
      const [mine, theirs] = [look(copy), look(file)];
      expect(theirs.get("/twin")?.sameAs).toBe("/d/file");
      expect(diffTrees(theirs, mine, { times: true })).toBeNull();
      debugfs(copy, "clri /d", true);
      expect(e2fsckAfterCrash(copy)).toMatchObject({ clean: false });
    });
  });

  test("a complaint of the kernel fails the mount", ({ skip }) => {
    requireOracle([...EXT4, "loop"], skip);
    withTempDirectory((directory) => {
      const file = path.join(directory, "image");
      mkfsExt4(file, 16 * MIB);
      debugfs(file, "set_inode_field /lost+found block[0] 0", true);
      const list = (complaintsAllowed: boolean): string[] =>
        withLoopMount(file, { complaintsAllowed, options: "ro" }, (mount) => {
          try {
            fs.readdirSync(path.join(mount.directory, "lost+found"));
          } catch {
            // EUCLEAN or EIO: the complaint is what this is about.
          }
          return mount.complaints();
        });
      const complaints = list(true);
      if (complaints.length === 0) skip("the log of the kernel may not be read");
      expect(complaints.join("\n")).toMatch(/EXT4-fs error \(device loop\d+\)/);
      expect(() => list(false)).toThrow("EXT4-fs error");
    });
  });
});
