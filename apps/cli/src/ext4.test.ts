/**
 * Proven here: what `xip` does to ext4 images is what e2fsprogs and the kernel read out of them, and
 * `xip` reads what those made.
 */
import { linkSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import {
  debugfs,
  dumpe2fs,
  e2fsck,
  mkfsExt4,
  requireOracle,
  runOrThrow,
  shutdownMount,
  treeOfDirectory,
  withLoopMount,
} from "@xiplab/oracles";
import { diffTrees } from "@xiplab/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Sandbox } from "./testing.ts";

const sandbox = new Sandbox();
const path = sandbox.path.bind(sandbox);
const MIB = 2 ** 20;

beforeAll(() => {
  mkdirSync(path("tree/sub"), { recursive: true });
  writeFileSync(path("tree/a"), "first\n");
  writeFileSync(path("tree/sparse"), "head");
  truncateSync(path("tree/sparse"), 5_000_000);
  writeFileSync(path("tree/sub/big"), Buffer.alloc(2_000_000, "0123456789"));
  symlinkSync("../nowhere", path("tree/sub/dangling"));
  linkSync(path("tree/a"), path("tree/sub/hard"));
  sandbox.ok("mkfs", "ext4", "disk.img", "--size", "32M", "-O", "project");
  sandbox.ok("copy-in", "disk.img", "tree", "/");
});
afterAll(() => sandbox.remove());

/** The field `label` of what dumpe2fs prints. */
const header = (image: string, label: string): string | undefined =>
  new RegExp(`^${label}: +(.*)$`, "m").exec(dumpe2fs(path(image), true))?.[1];

describe("mkfs", () => {
  test("takes the options of mke2fs", ({ skip }) => {
    requireOracle(["dumpe2fs", "e2fsck"], skip);
    const uuid = "01234567-89ab-cdef-0123-456789abcdef";
    const args = "mkfs ext4 made.img -s 64M -b 4k -L work -N 8000 -m 1 -J size=8 -I 256";
    const ran = sandbox.xip([...args.split(" "), "-U", uuid, "-O", "^64bit,project,orphan_file"]);
    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(ran.out).toMatch(/^made\.img: ext4, 64 MiB\n {2}volume name +work\n/);
    expect(header("made.img", "Filesystem volume name")).toBe("work");
    expect(header("made.img", "Filesystem UUID")).toBe(uuid);
    expect(header("made.img", "Inode count")).toBe("8000");
    expect(header("made.img", "Reserved block count")).toBe("163");
    expect(header("made.img", "Total journal size")).toBe("8M");
    const features = header("made.img", "Filesystem features");
    expect(features).toMatch(/orphan_file.*project/);
    expect(features).not.toContain("64bit");
    expect(e2fsck(path("made.img"))).toMatchObject({ clean: true });
  });

  test("says the same to programs", () => {
    const json = JSON.parse(sandbox.ok("mkfs", "ext4", "json.img", "-s", "16M", "--json"));
    expect(json).toMatchObject({
      personality: "ext4",
      size: 16 * MIB,
      described: { size: "4096 blocks of 4096 bytes, in 1 group", "superblock.magic": "61267" },
    });
  });

  test("explains all that -o takes", () => {
    const { out } = sandbox.xip(["mkfs", "--help"]);
    for (const name of ["hashSeed=", "lazyItableInit", "journal=", "unwritten="]) {
      expect(out).toContain(`\n  ${name}`);
    }
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});

describe("copying", () => {
  test("what went in is what the kernel sees, and comes out again", ({ skip }) => {
    requireOracle(["loop", "e2fsck"], skip);
    expect(e2fsck(path("disk.img"))).toMatchObject({ clean: true });
    const before = treeOfDirectory(path("tree"));
    withLoopMount(path("disk.img"), { options: "ro" }, ({ directory }) => {
      expect(diffTrees(before, treeOfDirectory(`${directory}/tree`), { times: false })).toBeNull();
    });
    sandbox.ok("copy-out", "disk.img", "/tree", "back");
    expect(diffTrees(before, treeOfDirectory(path("back")), { times: false })).toBeNull();
  });

  test("blocks of 1 KiB, as mkfs.ext4 makes them for small images, need no option", ({ skip }) => {
    requireOracle(["mkfs.ext4", "e2fsck"], skip);
    mkfsExt4(path("small.img"), 32 * MIB, ["-b", "1024"]);
    sandbox.ok("copy-in", "small.img", "tree", "/");
    expect(sandbox.ok("cat", "small.img", "/tree/a")).toBe("first\n");
    expect(e2fsck(path("small.img"))).toMatchObject({ clean: true });
    const refused = sandbox.xip(["ls", "small.img", "-o", "data=xip"]);
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(/data=xip needs blocks of 4096.*data=delalloc/);
    sandbox.ok("mkfs", "ext4", "ours.img", "-s", "32M", "-b", "1024");
    sandbox.ok("copy-in", "ours.img", "tree", "/");
    expect(e2fsck(path("ours.img"))).toMatchObject({ clean: true });
  });

  test("an image that the kernel left in a crash is read as it is, and recovered to write", ({
    skip,
  }) => {
    requireOracle(["mkfs.ext4", "loop", "xfs_io", "e2fsck"], skip);
    mkfsExt4(path("dirty.img"), 32 * MIB, ["-b", "4096"]);
    withLoopMount(path("dirty.img"), { complaintsAllowed: true }, ({ directory }) => {
      writeFileSync(`${directory}/synced`, "kept");
      runOrThrow("sync", ["-f", directory]);
      shutdownMount(directory);
    });
    expect(sandbox.ok("check", "dirty.img")).toMatch(/sound, not cleanly unmounted: the next/);
    expect(sandbox.ok("info", "dirty.img")).toContain("not clean, needs recovery");
    expect(sandbox.ok("cat", "dirty.img", "/synced")).toBe("kept");
    expect(sandbox.ok("info", "dirty.img")).toContain("needs recovery");
    sandbox.ok("copy-in", "dirty.img", "tree/a", "/");
    expect(e2fsck(path("dirty.img"))).toMatchObject({ clean: true });
  });
});

describe("flags", () => {
  const flagsOf = (file: string): string | undefined =>
    /Flags: (0x[0-9a-f]+)/.exec(debugfs(path("disk.img"), `stat ${file}`))?.[1];

  test("chattr sets and clears what debugfs and lsattr show", ({ skip }) => {
    requireOracle(["debugfs", "e2fsck"], skip);
    sandbox.ok("chattr", "disk.img", "+iA", "/tree/a");
    expect(flagsOf("/tree/a")).toBe("0x80090");
    expect(sandbox.ok("lsattr", "disk.img", "/tree/a")).toBe("----i--A------e------- /tree/a\n");
    const refused = sandbox.xip(["copy-in", "-f", "disk.img", "tree/a", "/tree/a"]);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/\/tree\/a: operation not permitted \(EPERM\)\n.*lsattr.*chattr/);
    sandbox.ok("chattr", "disk.img", "-i", "+d", "/tree/a");
    expect(sandbox.ok("lsattr", "-l", "disk.img", "/tree/a")).toMatch(
      /^\/tree\/a +no dump, no atime, extents$/m,
    );
    sandbox.ok("chattr", "disk.img", "=S", "/tree/a");
    expect(sandbox.ok("lsattr", "disk.img", "/tree/a")).toMatch(/^--S-----------e------- /);
    sandbox.ok("chattr", "disk.img", "=", "/tree/a");
    expect(flagsOf("/tree/a")).toBe("0x80000");
    expect(e2fsck(path("disk.img"))).toMatchObject({ clean: true });
  });

  test("of a whole tree, with its project id; flags of directories spare files", ({ skip }) => {
    requireOracle(["debugfs", "e2fsck"], skip);
    sandbox.ok("chattr", "-R", "-p", "42", "disk.img", "+P", "/tree/sub");
    const listed = sandbox.ok("lsattr", "-Rp", "disk.img", "/tree");
    expect(listed).toMatch(/^ {3}42 --------------e----P-- \/tree\/sub$/m);
    expect(listed).toMatch(/^ {3}42 --------------e------- \/tree\/sub\/big$/m);
    expect(listed).toMatch(/^ {4}0 .* \/tree\/sparse$/m);
    expect(debugfs(path("disk.img"), "stat /tree/sub/big")).toMatch(/Project: +42/);
    expect(JSON.parse(sandbox.ok("lsattr", "-d", "--json", "disk.img", "/tree/sub"))).toEqual([
      { name: "/tree/sub", flags: "eP", projectId: 42 },
    ]);
    expect(sandbox.ok("stat", "disk.img", "/tree/sub")).toMatch(/project: 42/);
    expect(e2fsck(path("disk.img"))).toMatchObject({ clean: true });
  });

  test.each([
    [["chattr", "disk.img", "/tree/a"], 2, /what is to be changed/],
    [["chattr", "disk.img", "+i"], 2, /needs a path/],
    [["chattr", "disk.img", "+z", "/tree/a"], 2, /no flag 'z'; lsattr knows/],
    [["chattr", "disk.img", "+i", "-i", "/tree/a"], 2, /'i' cannot be both/],
    [["chattr", "disk.img", "+i", "=a", "/tree/a"], 2, /= says what all flags/],
    [["chattr", "disk.img", "--loud", "+i", "/tree/a"], 2, /unknown option '--loud'/],
    [["chattr", "disk.img", "-p", "4294967296", "/tree/a"], 2, /4294967295 is the largest/],
    [["chattr", "disk.img", "+c", "/tree/a"], 1, /flag 'c' here\n.*changed of it: SiadA/],
    [["chattr", "disk.img", "+D", "/tree/a"], 1, /flag 'D' here/],
    [["chattr", "disk.img", "+i", "/missing"], 1, /\/missing: no such file/],
    [["lsattr", "disk.img", "/missing"], 1, /\/missing: no such file/],
  ])("xip %j is refused", (args, code, message) => {
    expect(sandbox.xip(args)).toMatchObject({ code, err: expect.stringMatching(message) });
  });

  test("project ids want a place in the image", () => {
    sandbox.ok("mkfs", "ext4", "bare.img", "-s", "16M");
    sandbox.ok("mkfs", "plain", "plain.img", "-s", "16M");
    const ext4 = sandbox.xip(["chattr", "bare.img", "-p", "1", "/"]);
    expect(ext4).toMatchObject({
      code: 1,
      err: expect.stringMatching(/project ids\n.*-O project/),
    });
    const plain = sandbox.xip(["chattr", "plain.img", "-p", "1", "/"]);
    expect(plain).toMatchObject({
      code: 1,
      err: expect.stringMatching(/no place for project ids/),
    });
    sandbox.ok("chattr", "plain.img", "+i", "/");
    expect(sandbox.ok("lsattr", "-d", "plain.img", "/")).toMatch(/^----i-{17} \/$/m);
  });
});

describe("extended attributes", () => {
  test("setfattr and getfattr, as debugfs reads them", ({ skip }) => {
    requireOracle(["debugfs", "e2fsck"], skip);
    const set = (name: string, value: string): string =>
      sandbox.ok("setfattr", "-n", name, "-v", value, "disk.img", "/tree/sparse");
    set("user.text", "made by hand");
    set("user.hex", "0x00ff");
    set("trusted.base", "0sAP8=");
    set("user.quoted", '"a\\"b\\134\\101"');
    expect(debugfs(path("disk.img"), "ea_get /tree/sparse user.text")).toContain("made by hand");
    expect(sandbox.ok("getfattr", "disk.img", "/tree/sparse", "/tree/sub")).toBe(
      "# file: /tree/sparse\n" +
        'trusted.base=0sAP8=\nuser.hex=0sAP8=\nuser.quoted="a\\"b\\\\A"\n' +
        'user.text="made by hand"\n\n',
    );
    const hex = sandbox.ok("getfattr", "-e", "hex", "-n", "user.hex", "disk.img", "/tree/sparse");
    expect(hex).toContain("user.hex=0x00ff\n");
    const raw = ["getfattr", "-n", "user.hex", "--only-values", "disk.img", "/tree/sparse"];
    expect([...sandbox.xip(raw).bytes]).toEqual([0, 0xff]);
    const json = JSON.parse(sandbox.ok("getfattr", "--json", "disk.img", "/tree/sparse"));
    expect(json[0].attributes).toContainEqual({ name: "user.hex", base64: "AP8=" });
    expect(sandbox.ok("stat", "disk.img", "/tree/sparse")).toMatch(
      /extents: 1\n xattrs: trusted\.base user\.hex user\.quoted user\.text\n/,
    );
    sandbox.ok("setfattr", "-x", "user.hex", "disk.img", "/tree/sparse");
    const gone = sandbox.xip(["getfattr", "-n", "user.hex", "disk.img", "/tree/sparse"]);
    expect(gone).toMatchObject({ code: 1, err: expect.stringMatching(/ENODATA\)\n.*getfattr/) });
    expect(e2fsck(path("disk.img"))).toMatchObject({ clean: true });
  });

  test("lists of the kernel in words", ({ skip }) => {
    requireOracle(["mkfs.ext4", "loop", "setfacl"], skip);
    mkfsExt4(path("acl.img"), 16 * MIB, ["-b", "4096"]);
    withLoopMount(path("acl.img"), {}, ({ directory }) => {
      writeFileSync(`${directory}/f`, "", { mode: 0o644 });
      runOrThrow("setfacl", ["-m", "u:1000:rw", `${directory}/f`]);
    });
    expect(sandbox.ok("getfattr", "acl.img", "/f")).toContain(
      "posix_acl_access=user::rw-,user:1000:rw-,group::r--,mask::rw-,other::r--\n",
    );
  });

  test.each([
    [["setfattr", "disk.img", "/tree/a"], 2, /give one of -n/],
    [["setfattr", "-n", "user.a", "-x", "user.b", "disk.img", "/tree/a"], 2, /give one of -n/],
    [["setfattr", "-x", "user.b", "-v", "c", "disk.img", "/tree/a"], 2, /-v goes with -n/],
    [["setfattr", "-n", "user.a", "-v", "0xabc", "disk.img", "/tree/a"], 2, /hexadecimal/],
    [["setfattr", "-n", "user.a", "-v", "0s?", "disk.img", "/tree/a"], 2, /base64/],
    [["setfattr", "-n", "mine", "-v", "x", "disk.img", "/tree/a"], 1, /user, trusted, security/],
    [["getfattr", "-e", "octal", "disk.img", "/tree/a"], 2, /text, hex, base64/],
  ])("xip %j is refused", (args, code, message) => {
    expect(sandbox.xip(args)).toMatchObject({ code, err: expect.stringMatching(message) });
  });
});

test("info has facts for everybody, and with --all every field", () => {
  const facts = sandbox.ok("info", "disk.img");
  expect(facts).toMatch(/^features +has_journal .* project$/m);
  expect(facts).toMatch(/^device size +33554432 bytes, 32 MiB$/m);
  expect(facts).not.toContain("superblock.");
  expect(sandbox.ok("info", "--all", "disk.img")).toMatch(/^superblock\.magic +61267$/m);
});

test("1 TiB is made, checked and read at once, and stays sparse", () => {
  sandbox.ok("mkfs", "ext4", "large.img", "--size", "1T");
  expect(sandbox.ok("check", "large.img")).toMatch(/sound, cleanly unmounted/);
  sandbox.ok("copy-in", "large.img", "tree/a", "/");
  expect(sandbox.ok("cat", "large.img", "/a")).toBe("first\n");
  const kib = Number(runOrThrow("du", ["-k", path("large.img")]).stdout.split("\t")[0]);
  expect(kib).toBeLessThan(64 * 1024);
  rmSync(path("large.img"));
});
