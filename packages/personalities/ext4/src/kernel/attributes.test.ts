/**
 * What a tree of names and bytes does not show, on one image in the kernel and here: access control
 * lists and what they hand on, flags, project ids, inode numbers, blocks, all four times, where the
 * extents are, how much is free.
 */
import fs from "node:fs";
import path from "node:path";
import {
  type FiemapExtent,
  FIEMAP_EXTENT_UNWRITTEN,
  INODE_APPEND,
  INODE_DIRSYNC,
  INODE_IMMUTABLE,
  INODE_NOATIME,
  INODE_NODUMP,
  INODE_PROJINHERIT,
  INODE_SYNC,
  INODE_TOPDIR,
  isDirectory,
  isRegular,
  type Name,
  O_CREAT,
  O_RDONLY,
  O_WRONLY,
  parseAcl,
  ROOT,
  type Task,
  type Vfs,
  XATTR_ACL_ACCESS,
  XATTR_ACL_DEFAULT,
} from "@xiplab/core";
import {
  debugfs,
  mkfsExt4,
  readImage,
  requireOracle,
  runOrThrow,
  treeOfDirectory,
  withLoopMount,
  withTempDirectory,
  writeImage,
} from "@xiplab/oracles";
import { freezeTree, type Operation } from "@xiplab/testkit";
import { describe, expect, test } from "vitest";
import {
  expectSameTree,
  expectSound,
  JUDGES,
  makeHere,
  mountedHere,
  playHere,
  playThere,
  treeHere,
} from "./testing.ts";
import { changesShape, smallShapes } from "./testing-shapes.ts";

const MIB = 2 ** 20;
const TIMEOUT_MS = 300_000;
const n = (text: string): Name => text as Name;

describe("access control lists", () => {
  const NEEDS = [...JUDGES, "setfacl", "getfacl"];

  test("of the kernel decide here, and are handed on as there", ({ skip }) => {
    expect(requireOracle(NEEDS, skip)).toBeNull();
    withTempDirectory((directory) => {
      const file = path.join(directory, "image");
      mkfsExt4(file, 32 * MIB, ["-b", "4096"]);
      withLoopMount(file, {}, ({ directory: top }) => setLists(top));
      const device = readImage(file);
      const theirs = withLoopMount(file, {}, ({ directory: top }) => {
        const before = freezeTree(treeOfDirectory(top));
        mountedHere(readImage(file), { ro: "1" }, (program) =>
          expectSameTree(before, treeHere(program)),
        );
        const made = playThere(top, BELOW);
        expect(new Set(made)).toEqual(new Set(["ok"]));
        return freezeTree(treeOfDirectory(top));
      });
      const ours = mountedHere(device, {}, (program) => {
        const { task } = program;
        const may = (uid: number, gid: number, mask: number): boolean =>
          permits(task, uid, gid, mask);
        // user::rw-, user:1000:rwx, group::r--, group:2000:rw-, mask::rw-, other::---
        expect([may(1000, 1, 6), may(1000, 1, 1), may(7, 2000, 6), may(7, 7, 4)]).toEqual([
          true,
          false,
          true,
          false,
        ]);
        expect(new Set(playHere(program, BELOW))).toEqual(new Set(["ok"]));
        return freezeTree(treeHere(program));
      });
      expectSameTree(theirs, ours, false);
      expect([...ours.get("/d/made/below")!.xattrs.keys()]).toEqual([XATTR_ACL_ACCESS]);
      expect([...ours.get("/d/made")!.xattrs.keys()]).toContain(XATTR_ACL_DEFAULT);
      expectSound(device);
    });
  });

  test("of ours are read there by getfacl", ({ skip }) => {
    expect(requireOracle(NEEDS, skip)).toBeNull();
    withTempDirectory((directory) => {
      const theirFile = path.join(directory, "theirs");
      mkfsExt4(theirFile, 32 * MIB, ["-b", "4096"]);
      const device = makeHere(32 * MIB);
      const text = withLoopMount(theirFile, {}, ({ directory: top }) => {
        setLists(top);
        copyLists(treeOfDirectory(top), device);
        return listsOf(top);
      });
      expectSound(device);
      const file = path.join(directory, "ours");
      writeImage(device, file);
      withLoopMount(file, { options: "ro" }, ({ directory: top }) => {
        expect(listsOf(top)).toBe(text);
      });
      expect(text).toContain("user:1000:rwx");
    });
  });
});

/** A file with a list, a directory with a default list, and a file whose list fills a block. */
function setLists(top: string): void {
  const set = (...args: string[]): void => void runOrThrow("setfacl", args);
  fs.mkdirSync(path.join(top, "d"));
  fs.writeFileSync(path.join(top, "f"), "text");
  fs.writeFileSync(path.join(top, "long"), "text");
  fs.writeFileSync(path.join(top, "minimal"), "text");
  set("-m", "u::rw,u:1000:rwx,g::r,g:2000:rw,m::rw,o::-", path.join(top, "f"));
  set("-m", "u:1001:rwx,g:3000:r-x", path.join(top, "d"));
  set("-d", "-m", "u::rwx,u:1002:rw,g::rx,g:70000:rwx,o::r", path.join(top, "d"));
  const many = Array.from({ length: 200 }, (_, index) => `u:${2000 + index}:r`).join(",");
  set("-m", many, path.join(top, "long"));
  set("-m", "u::rw,g::r,o::-", path.join(top, "minimal"));
}

const BELOW: readonly Operation[] = [
  { op: "mkdir", path: "/d/made", mode: 0o777 },
  { op: "create", path: "/d/made/below", mode: 0o660 },
  { op: "create", path: "/d/closed", mode: 0o600 },
  { op: "mknod", path: "/d/fifo", mode: 0o10666, rdev: 0 },
  { op: "symlink", target: "closed", path: "/d/link" },
  { op: "chmod", file: "/d/closed", mode: 0o675 },
  { op: "chmod", file: "/f", mode: 0o640 },
  { op: "rename", from: "/d/made/below", to: "/d/made/below", flags: 0 },
  { op: "removexattr", path: "/long", name: XATTR_ACL_ACCESS },
];

function permits(task: Task, uid: number, gid: number, mask: number): boolean {
  try {
    task.credentials = { uid, gid, groups: [] };
    task.access(n("/f"), mask);
    return true;
  } catch {
    // EACCES: the answer.
    return false;
  } finally {
    task.credentials = ROOT;
  }
}

/** The same files with the same lists, on our image. */
function copyLists(
  tree: ReturnType<typeof treeOfDirectory>,
  device: ReturnType<typeof makeHere>,
): void {
  mountedHere(device, {}, ({ task }) => {
    task.umask = 0;
    for (const [place, { stat, xattrs }] of tree) {
      if (place === "/" || place === "/lost+found") continue;
      if (isDirectory(stat.mode)) task.mkdir(n(place), stat.mode & 0o7777);
      else task.close(task.open(n(place), O_CREAT | O_WRONLY, stat.mode & 0o7777));
      for (const [name, hex] of xattrs) {
        const value = Uint8Array.from(Buffer.from(hex, "hex"));
        expect(parseAcl(value).length).toBeGreaterThan(2);
        task.setxattr(n(place), n(name), value, 0);
      }
    }
  });
}

/** In the order of their names, whatever the order in the directory. */
function listsOf(top: string): string {
  const { stdout } = runOrThrow("getfacl", ["-R", "-n", "-p", top]);
  return stdout.replaceAll(top, "").trim().split("\n\n").sort().join("\n\n");
}

describe("flags", () => {
  test("are the same there and here, both ways", ({ skip }) => {
    expect(requireOracle([...JUDGES, "chattr", "lsattr"], skip)).toBeNull();
    withTempDirectory((directory) => {
      const file = path.join(directory, "image");
      mkfsExt4(file, 32 * MIB, ["-b", "4096"]);
      withLoopMount(file, {}, ({ directory: top }) => {
        for (const name of ["a", "b"]) fs.writeFileSync(path.join(top, name), "");
        fs.mkdirSync(path.join(top, "d"));
        runOrThrow("chattr", ["+DT", path.join(top, "d")]);
        runOrThrow("chattr", ["+SAd", path.join(top, "a")]);
      });
      const device = readImage(file);
      mountedHere(device, {}, (_program, vfs) => {
        const [a, b, d] = ["a", "b", "d"].map((name) => vfs.lookup(ROOT, vfs.root, n(name)));
        expect(vfs.getFlags(a!).flags).toBe(INODE_SYNC | INODE_NODUMP | INODE_NOATIME);
        expect(vfs.getFlags(d!).flags).toBe(INODE_DIRSYNC | INODE_TOPDIR);
        vfs.setFlags(ROOT, a!, INODE_IMMUTABLE | INODE_NOATIME);
        vfs.setFlags(ROOT, b!, INODE_APPEND);
        for (const inode of [a, b, d]) vfs.forget(inode!);
      });
      expectSound(device);
      writeImage(device, file);
      withLoopMount(file, {}, ({ directory: top }) => {
        const places = ["a", "b", "d"].map((name) => path.join(top, name));
        const lines = runOrThrow("lsattr", ["-d", ...places])
          .stdout.trim()
          .split("\n");
        const flags = lines.map((line) => line.split(" ")[0]!.replaceAll("-", ""));
        expect(flags).toEqual(["iAe", "ae", "DTe"]);
        expect(() => fs.writeFileSync(places[0]!, "x")).toThrow(/EPERM/);
        fs.appendFileSync(places[1]!, "x");
      });
    });
  });
});

describe("project ids", () => {
  test("are where debugfs finds them, and handed on", ({ skip }) => {
    expect(requireOracle(JUDGES, skip)).toBeNull();
    withTempDirectory((directory) => {
      const file = path.join(directory, "image");
      // Without quota in the kernel such an image mounts read-only there: debugfs is the judge.
      mkfsExt4(file, 32 * MIB, ["-b", "4096", "-O", "project"]);
      debugfs(file, "mkdir d", true);
      debugfs(file, "set_inode_field /d projid 77", true);
      const device = readImage(file);
      mountedHere(device, {}, ({ task }, vfs) => {
        const d = vfs.lookup(ROOT, vfs.root, n("d"));
        expect(vfs.getProjectId(d)).toBe(77);
        task.mkdir(n("/d/before"));
        vfs.setFlags(ROOT, d, INODE_PROJINHERIT);
        task.mkdir(n("/d/after"));
        task.close(task.open(n("/f"), O_CREAT | O_WRONLY));
        const f = vfs.lookup(ROOT, vfs.root, n("f"));
        vfs.setProjectId(ROOT, f, 2_000_000_000);
        for (const inode of [d, f]) vfs.forget(inode);
      });
      expectSound(device);
      const projectOf = (place: string): string =>
        / Project: +(\d+)/.exec(debugfs(device, `stat ${place}`))?.[1] ?? "none";
      expect(["/d", "/d/before", "/d/after", "/f"].map(projectOf)).toEqual([
        "77",
        "0",
        "77",
        "2000000000",
      ]);
    });
  });
});

describe("one image in the kernel and here", () => {
  test("numbers, blocks, times, extents and free space", { timeout: TIMEOUT_MS }, ({ skip }) => {
    expect(requireOracle([...JUDGES, "filefrag"], skip)).toBeNull();
    const device = makeHere(128 * MIB);
    mountedHere(device, {}, (program) => {
      playHere(program, [...smallShapes(4096), ...changesShape(4096)]);
    });
    withTempDirectory((directory) => {
      const file = path.join(directory, "image");
      writeImage(device, file);
      mountedHere(device, { ro: "1" }, ({ task }, vfs) => {
        withLoopMount(file, { options: "ro" }, ({ directory: top }) => {
          let files = 0;
          for (const place of treeOfDirectory(top).keys()) {
            expect(here(task, n(place)), JSON.stringify(place)).toEqual(there(top, place));
            if (isRegular(task.lstat(n(place)).mode)) files++;
          }
          expect(files).toBeGreaterThan(1000);
          for (const place of fs.readdirSync(path.join(top, "s"))) compareExtents(task, top, place);
          compareFree(vfs, top);
        });
      });
    });
  });
});

/** What stat(2) and statx(2) say, as far as the tree does not. */
function here(task: Task, place: Name): object {
  const stat = task.lstat(place);
  const time = (sec: number, nsec: number): bigint => BigInt(sec) * 1_000_000_000n + BigInt(nsec);
  return {
    ino: stat.ino,
    nlink: stat.nlink,
    size: stat.size,
    blocks: stat.blocks,
    atime: time(stat.atimeSec, stat.atimeNsec),
    mtime: time(stat.mtimeSec, stat.mtimeNsec),
    ctime: time(stat.ctimeSec, stat.ctimeNsec),
    btime: time(stat.btimeSec, stat.btimeNsec),
  };
}

function there(top: string, place: string): object {
  const stat = fs.lstatSync(Buffer.from(top + place, "latin1"), { bigint: true });
  return {
    ino: Number(stat.ino),
    nlink: Number(stat.nlink),
    size: Number(stat.size),
    blocks: Number(stat.blocks),
    atime: stat.atimeNs,
    mtime: stat.mtimeNs,
    ctime: stat.ctimeNs,
    btime: stat.birthtimeNs,
  };
}

/** The extents that FIEMAP reports there, in blocks: "first+length at block, unwritten". */
function compareExtents(task: Task, top: string, name: string): void {
  const { stdout } = runOrThrow("filefrag", ["-e", "-v", path.join(top, "s", name)]);
  const row = /^ *\d+: +(\d+)\.\. +\d+: +(\d+)\.\. +\d+: +(\d+):.*$/gm;
  const theirs = Array.from(stdout.matchAll(row), ([line, first, block, length]) => {
    return `${first}+${length} at ${block}${line.includes("unwritten") ? ", unwritten" : ""}`;
  });
  const file = task.open(n(`/s/${name}`), O_RDONLY);
  const ours = task.fiemap(file, 0, Number.MAX_SAFE_INTEGER).map(describeExtent);
  task.close(file);
  expect(merged(ours), name).toEqual(merged(theirs));
}

function describeExtent({ logical, physical, length, flags }: FiemapExtent): string {
  const state = (flags & FIEMAP_EXTENT_UNWRITTEN) !== 0 ? ", unwritten" : "";
  return `${logical / 4096}+${length / 4096} at ${physical / 4096}${state}`;
}

/** Where one extent ends and the next begins may differ: extents that abut count as one. */
function merged(extents: readonly string[]): string[] {
  const parts = extents.map((text) => /^(\d+)\+(\d+) at (\d+)(.*)$/.exec(text)!);
  const runs: { first: number; length: number; block: number; state: string }[] = [];
  for (const [, first, length, block, state] of parts) {
    const run = {
      first: Number(first),
      length: Number(length),
      block: Number(block),
      state: state!,
    };
    const last = runs.at(-1);
    const abuts =
      last?.state === run.state &&
      last.first + last.length === run.first &&
      last.block + last.length === run.block;
    if (abuts) last.length += run.length;
    else runs.push(run);
  }
  return runs.map(({ first, length, block, state }) => `${first}+${length} at ${block}${state}`);
}

function compareFree(vfs: Vfs, top: string): void {
  const theirs = fs.statfsSync(top);
  const ours = vfs.statfs();
  expect({
    blocks: ours.blocks,
    free: ours.blocksFree,
    available: ours.blocksAvailable,
    files: ours.files,
    filesFree: ours.filesFree,
    blockSize: ours.blockSize,
    type: ours.type,
  }).toEqual({
    blocks: theirs.blocks,
    free: theirs.bfree,
    available: theirs.bavail,
    files: theirs.files,
    filesFree: theirs.ffree,
    blockSize: theirs.bsize,
    type: theirs.type,
  });
}
