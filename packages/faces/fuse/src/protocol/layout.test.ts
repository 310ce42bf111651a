/**
 * Proves that our tables are the structures of the kernel's own header: a C compiler is asked for the
 * size of each and the place of its fields. Names differ, so each pair has both.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { layoutOf, sizeOf, type Struct } from "@xiplab/core";
import { requireOracle } from "@xiplab/oracles";
import { expect, onTestFinished, test } from "vitest";
import * as attributes from "./attributes.ts";
import * as directories from "./directories.ts";
import * as files from "./file-structs.ts";
import * as init from "./init.ts";
import * as names from "./names.ts";
import * as notifications from "./notifications.ts";
import * as structs from "./structs.ts";
import * as xattrs from "./xattrs.ts";

/** Ours, the kernel's, and fields of the kernel's that ours has, in our words and in its. */
const PAIRS: ReadonlyArray<readonly [Struct<object>, string, string]> = [
  [
    structs.IN_HEADER,
    "in_header",
    "length len, opcode opcode, uniqueLow unique, nodeidLow nodeid, uid uid, pid pid, extensionWords total_extlen",
  ],
  [structs.OUT_HEADER, "out_header", "length len, error error, uniqueLow unique"],
  [structs.EXTENSION, "ext_header", "size size, type type"],
  [
    init.INIT_OUT,
    "init_out",
    "minor minor, maxReadahead max_readahead, flags flags, maxBackground max_background, maxWrite max_write, timeGranularity time_gran, maxPages max_pages, mapAlignment map_alignment, flags2 flags2",
  ],
  [
    attributes.ATTR,
    "attr",
    "ino ino, size size, blocks blocks, atimeSec atime, ctimeSec ctime, atimeNsec atimensec, mode mode, nlink nlink, uid uid, gid gid, rdev rdev, blksize blksize, flags flags",
  ],
  [attributes.GETATTR_IN, "getattr_in", "flags getattr_flags, handle fh"],
  [
    attributes.SETATTR_IN,
    "setattr_in",
    "valid valid, handle fh, size size, lockOwner lock_owner, atimeSec atime, mtimeSec mtime, atimeNsec atimensec, mtimeNsec mtimensec, mode mode, uid uid, gid gid",
  ],
  [directories.DIRENT, "dirent", "ino ino, offset off, nameLength namelen, type type"],
  [
    directories.KSTATFS,
    "kstatfs",
    "blocks blocks, blocksFree bfree, blocksAvailable bavail, files files, filesFree ffree, blockSize bsize, nameMax namelen, fragmentSize frsize",
  ],
  [directories.ACCESS_IN, "access_in", "mask mask"],
  [names.FORGET_ONE, "forget_one", "nodeid nodeid, lookups nlookup"],
  [names.BATCH_FORGET_IN, "batch_forget_in", "count count"],
  [names.MKNOD_IN, "mknod_in", "mode mode, rdev rdev, umask umask"],
  [names.MKDIR_IN, "mkdir_in", "mode mode, umask umask"],
  [names.RENAME2_IN, "rename2_in", "newDirectory newdir, flags flags"],
  [names.LINK_IN, "link_in", "oldNodeid oldnodeid"],
  [xattrs.GETXATTR_IN, "getxattr_in", "size size"],
  [xattrs.GETXATTR_OUT, "getxattr_out", "size size"],
  [notifications.INVAL_INODE, "notify_inval_inode_out", "nodeid ino, offset off, length len"],
  [files.OPEN_IN, "open_in", "flags flags, openFlags open_flags"],
  [files.CREATE_IN, "create_in", "flags flags, mode mode, umask umask, openFlags open_flags"],
  [files.OPEN_OUT, "open_out", "handle fh, openFlags open_flags"],
  [
    files.READ_IN,
    "read_in",
    "handle fh, offset offset, size size, ownerLow lock_owner, flags flags",
  ],
  [
    files.WRITE_IN,
    "write_in",
    "handle fh, offset offset, size size, writeFlags write_flags, ownerLow lock_owner",
  ],
  [files.WRITE_OUT, "write_out", "size size"],
  [
    files.RELEASE_IN,
    "release_in",
    "handle fh, flags flags, releaseFlags release_flags, ownerLow lock_owner",
  ],
  [files.FLUSH_IN, "flush_in", "handle fh, ownerLow lock_owner"],
  [files.FSYNC_IN, "fsync_in", "handle fh, fsyncFlags fsync_flags"],
  [files.FALLOCATE_IN, "fallocate_in", "handle fh, offset offset, length length, mode mode"],
  [files.LSEEK_IN, "lseek_in", "handle fh, offset offset, whence whence"],
  [
    files.COPY_IN,
    "copy_file_range_in",
    "sourceHandle fh_in, sourceOffset off_in, targetNodeid nodeid_out, targetHandle fh_out, targetOffset off_out, length len, flags flags",
  ],
  [files.BMAP_IN, "bmap_in", "block block, blockSize blocksize"],
  [
    files.LK_IN,
    "lk_in",
    "handle fh, ownerLow owner, start lk.start, end lk.end, type lk.type, pid lk.pid, lkFlags lk_flags",
  ],
  [files.LK_OUT, "lk_out", "start lk.start, endLow lk.end, type lk.type, pid lk.pid"],
  [files.INTERRUPT_IN, "interrupt_in", "uniqueLow unique"],
  [
    files.IOCTL_IN,
    "ioctl_in",
    "handle fh, flags flags, command cmd, argumentLow arg, inSize in_size, outSize out_size",
  ],
  [
    files.IOCTL_OUT,
    "ioctl_out",
    "result result, flags flags, inVectors in_iovs, outVectors out_iovs",
  ],
];

const pairsOf = (text: string): string[][] => text.split(", ").map((pair) => pair.split(" "));

test("sizes and offsets are those of linux/fuse.h", ({ skip }) => {
  requireOracle(["gcc"], skip);
  const folder = mkdtempSync(path.join(os.tmpdir(), "xiplab-fuse-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const rows = PAIRS.flatMap(([, name, fields]) => [
    `printf("${name} %zu\\n", sizeof(struct fuse_${name}));`,
    ...pairsOf(fields).map(
      ([, field]) => `printf("${name}.${field} %zu\\n", offsetof(struct fuse_${name}, ${field}));`,
    ),
  ]);
  const includes = ["stddef.h", "stdio.h", "linux/fuse.h"].map((file) => `#include <${file}>`);
  const source = [...includes, "int main(void) {", ...rows, "return 0; }"].join("\n");
  writeFileSync(path.join(folder, "layout.c"), source);
  const options = { cwd: folder, encoding: "utf8" } as const;
  const compiled = spawnSync("gcc", ["-o", "layout", "layout.c"], options);
  expect([compiled.status, compiled.stderr]).toEqual([0, ""]);
  const theirs = spawnSync(path.join(folder, "layout"), { encoding: "utf8" })
    .stdout.trim()
    .split("\n");
  const ours = PAIRS.flatMap(([structure, name, fields]) => {
    const places = new Map(layoutOf(structure).fields);
    return [
      `${name} ${sizeOf(structure)}`,
      ...pairsOf(fields).map(([own, field]) => `${name}.${field} ${places.get(own!)?.offset}`),
    ];
  });
  expect(ours).toEqual(theirs);
});

test("what follows a head stands at its end", () => {
  expect(attributes.ENTRY_OUT_SIZE).toBe(128);
  expect(attributes.ATTR_HEAD_SIZE + attributes.ATTR_SIZE).toBe(104);
  expect(init.INIT_IN_SIZE + init.INIT_IN_EXT_SIZE).toBe(64);
  expect(attributes.STATX_HEAD_SIZE + attributes.STATX_SIZE).toBe(288);
  expect(xattrs.SETXATTR_IN_SIZE + xattrs.SETXATTR_EXT_SIZE).toBe(16);
});
