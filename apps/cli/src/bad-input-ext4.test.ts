/**
 * Proven here: images that are no sound ext4, or that ask for more than is supported, are told apart
 * by message and exit code, and no byte of them is changed.
 */
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  readSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { crc32c } from "@xiplab/core";
import { dumpe2fs, e2fsck, requireOracle } from "@xiplab/oracles";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Sandbox } from "./testing.ts";

const sandbox = new Sandbox();
const path = sandbox.path.bind(sandbox);
const MIB = 2 ** 20;
const SUPERBLOCK_AT = 1024;
/** Fields of the superblock, from its begin. */
const BLOCKS_COUNT = 0x4;
const INCOMPAT = 0x60;
const RO_COMPAT = 0x64;
const INODES_PER_GROUP = 0x28;
const CHECKSUM = 0x3fc;

beforeAll(() => {
  sandbox.ok("mkfs", "ext4", "good.img", "--size", "16M");
  writeFileSync(path("file"), "contents");
  sandbox.ok("copy-in", "good.img", "file", "/");
});
afterAll(() => sandbox.remove());

const failure = (code: number, message: RegExp) => ({ code, err: expect.stringMatching(message) });

/** A copy of the good image with one field changed, and a checksum that says it is meant so. */
function altered(name: string, field: number, change: (old: number) => number): Buffer {
  copyFileSync(path("good.img"), path(name));
  const file = openSync(path(name), "r+");
  const bytes = Buffer.alloc(1024);
  readSync(file, bytes, 0, bytes.length, SUPERBLOCK_AT);
  bytes.writeUInt32LE(change(bytes.readUInt32LE(field)) >>> 0, field);
  // Core's checksum inverts at both ends; ext4's does at neither.
  const sum = ~crc32c(new DataView(bytes.buffer, bytes.byteOffset), 0, CHECKSUM);
  bytes.writeUInt32LE(sum >>> 0, CHECKSUM);
  writeSync(file, bytes, 0, bytes.length, SUPERBLOCK_AT);
  closeSync(file);
  return readFileSync(path(name));
}

/** Each refuses with `expected`, and the image is what it was. */
function expectRefusals(image: string, before: Buffer, commands: string[], expected: object): void {
  for (const line of commands) {
    const [command, ...rest] = line.split(" ");
    expect(sandbox.xip([command!, image, ...rest]), line).toMatchObject(expected);
  }
  expect(readFileSync(path(image)).equals(before)).toBe(true);
}

const READING = ["ls", "stat /file", "cat /file", "fiemap /file", "lsattr", "getfattr /file"];
const WRITING = ["copy-in file /g", "chattr +i /file", "setfattr /file -n user.a"];

test.each(["lsattr", "chattr", "getfattr", "setfattr"])("xip %s of a missing image", (command) => {
  const rest = { lsattr: [], chattr: ["+i", "/x"], getfattr: ["/x"], setfattr: ["-n", "a", "/x"] };
  const args = [command, "none.img", ...rest[command as keyof typeof rest]];
  expect(sandbox.xip(args)).toMatchObject(failure(1, /none\.img: no such file[^]*mkfs/));
});

describe("damage", () => {
  test("a truncated image", () => {
    copyFileSync(path("good.img"), path("short.img"));
    truncateSync(path("short.img"), MIB);
    const before = readFileSync(path("short.img"));
    const message = /short\.img: damaged: ext4_super_block .*blocksCount is 4096, .*1 to 256/;
    expectRefusals("short.img", before, [...READING, ...WRITING], failure(3, message));
    const check = sandbox.xip(["check", "short.img"]);
    expect(check.code).toBe(3);
    expect(check.out).toMatch(/short\.img: 1 error; nothing behind could be looked at/);
    expect(sandbox.ok("info", "short.img")).toContain("more than the device has");
  });

  test.each([
    ["blocks", BLOCKS_COUNT, 0xffffffff, /blocksCount is 4294967295/],
    ["no inodes", INODES_PER_GROUP, 0, /inodesPerGroup is 0/],
    ["a group of 2^31 inodes", INODES_PER_GROUP, 2 ** 31, /inodesPerGroup is 2147483648/],
  ])("an absurd superblock: %s", (_, field, value, message) => {
    const before = altered("absurd.img", field, () => value);
    expectRefusals("absurd.img", before, [...READING, ...WRITING], failure(3, message));
    const check = sandbox.xip(["check", "absurd.img", "--json"]);
    expect(check.code).toBe(3);
    expect(JSON.parse(check.out)).toMatchObject({ sound: false });
    expect(sandbox.xip(["info", "absurd.img"]).code).toBe(0);
  });

  test("a flipped bit of the superblock is found by its checksum", () => {
    copyFileSync(path("good.img"), path("flipped.img"));
    const file = openSync(path("flipped.img"), "r+");
    writeSync(file, Buffer.from([0xff]), 0, 1, SUPERBLOCK_AT + CHECKSUM);
    closeSync(file);
    const before = readFileSync(path("flipped.img"));
    expectRefusals("flipped.img", before, ["ls", "copy-in file /g"], failure(3, /checksum is/));
    expect(sandbox.xip(["check", "flipped.img"]).code).toBe(3);
  });

  test("a damaged inode is named, and what is whole can still be read", ({ skip }) => {
    requireOracle(["dumpe2fs"], skip);
    copyFileSync(path("good.img"), path("hurt.img"));
    const ino = JSON.parse(sandbox.ok("stat", "--json", "good.img", "/file")).ino as number;
    const table = Number(/Inode table at (\d+)/.exec(dumpe2fs(path("good.img")))![1]);
    const file = openSync(path("hurt.img"), "r+");
    writeSync(file, Buffer.from([0xff, 0xff]), 0, 2, table * 4096 + (ino - 1) * 256);
    closeSync(file);
    expect(sandbox.xip(["cat", "hurt.img", "/file"])).toMatchObject(
      failure(3, new RegExp(`ext4_inode at inode ${ino}: .*EUCLEAN`)),
    );
    expect(sandbox.ok("ls", "hurt.img", "/lost+found")).toBe("");
    const check = sandbox.xip(["check", "hurt.img"]);
    expect(check.code).toBe(3);
    expect(check.out).toContain(`ext4_inode at inode ${ino}`);
  });
});

describe("features", () => {
  test("an unknown incompat feature is refused by name, as a limit and not as damage", () => {
    const before = altered("future.img", INCOMPAT, (old) => old | 0x20000);
    const commands = [...READING, ...WRITING, "check"];
    expectRefusals("future.img", before, commands, failure(1, /uses casefold.*not supported/));
    expect(sandbox.ok("info", "future.img")).toMatch(/^features .*casefold/m);
  });

  test("an unknown ro_compat feature: what only looks works, what writes is refused", () => {
    const before = altered("readable.img", RO_COMPAT, (old) => old | 0x4000000);
    const message = /can be read but not kept up[^]*commands that only look at it work/;
    expectRefusals("readable.img", before, WRITING, failure(1, message));
    expect(sandbox.ok("cat", "readable.img", "/file")).toBe("contents");
    expect(sandbox.ok("lsattr", "readable.img", "/file")).toContain("/file");
    expect(sandbox.ok("copy-out", "readable.img", "/file", "copied")).toMatch(/1 file/);
    expect(readFileSync(path("readable.img")).equals(before)).toBe(true);
  });
});

test("a full device leaves a clean image without the half file", ({ skip }) => {
  requireOracle(["e2fsck"], skip);
  sandbox.ok("mkfs", "ext4", "small.img", "--size", "8M");
  writeFileSync(path("large"), Buffer.alloc(12 * MIB, 7));
  sandbox.ok("copy-in", "small.img", "file", "/");
  expect(sandbox.xip(["copy-in", "small.img", "large", "/"])).toMatchObject(
    failure(1, /small\.img: \/large: no space left on device \(ENOSPC\)\n.*full/),
  );
  expect(sandbox.ok("ls", "small.img")).toBe("file\nlost+found\n");
  expect(sandbox.ok("check", "small.img")).toMatch(/sound, cleanly unmounted/);
  expect(e2fsck(path("small.img"))).toMatchObject({ clean: true });
});

test.each([
  ["-s 1M", /too small for a journal/],
  ["-s 64M -b 8192", /blockSize=8192 .*4096, 2048, 1024/],
  ["-s 64M -b many", /'many' is not a size/],
  ["-s 64M -L a-name-that-is-longer-than-16", /too long: 16 bytes/],
  ["-s 64M -U 0123", /'0123' is not a UUID/],
  ["-s 64M -O shrink", /does not make 'shrink'; it knows has_journal/],
  ["-s 64M -O ^none", /does not make 'none'/],
  ["-s 64M -O ^extent", /64bit wants extent/],
  ["-s 64M -J size=many", /'many' is not a size/],
  ["-s 64M -J 63M", /journal of 16128 blocks is large/],
  ["-s 64M -N 100000000", /inodes of 256 bytes do not fit/],
  ["-s 64M -I 100", /100/],
  ["-s 64M -m 90", /90/],
  ["-s 64M -o colour=red", /'colour'.*blockSize.*alloc/],
  ["-s 64M -o alloc=best", /mballoc, first-fit/],
])("mkfs ext4 %s is a usage error, and makes no image", (line, message) => {
  const ran = sandbox.xip(["mkfs", "ext4", "never.img", ...line.split(" ")]);
  expect(ran).toMatchObject(failure(2, message));
  expect(sandbox.xip(["info", "never.img"]).err).toMatch(/no such file/);
});

test("options that only ext4 has are refused for plain, with what there is", () => {
  expect(sandbox.xip(["mkfs", "plain", "never.img", "-s", "16M", "-b", "4096"])).toMatchObject(
    failure(2, /plain has no option 'blockSize'; valid options: uuid, label, inodes/),
  );
});
