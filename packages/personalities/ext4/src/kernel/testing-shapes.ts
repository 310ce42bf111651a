/**
 * For the tests with the kernel: contents of a file system as operations, so that the kernel and we
 * can both make them, and compare.
 */
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFSOCK,
} from "@xiplab/core";
import type { Operation } from "@xiplab/testkit";

type Shape = readonly Operation[];

const create = (path: string): Operation => ({ op: "create", path, mode: 0o644 });
const mkdir = (path: string): Operation => ({ op: "mkdir", path, mode: 0o755 });
const write = (file: string, pos: number, length: number, seed: number): Operation => ({
  op: "write",
  file,
  pos,
  length,
  seed,
});
const fallocate = (file: string, mode: number, pos: number, length: number): Operation => ({
  op: "fallocate",
  file,
  mode,
  pos,
  length,
});
const list = (length: number, make: (index: number) => Operation): Operation[] =>
  Array.from({ length }, (_, index) => make(index));

/** Files in directories in directories, links, nodes of every type, modes, owners and times. */
export function treeShape(blockSize: number): Shape {
  const operations: Operation[] = [];
  let path = "/deep";
  for (let depth = 0; depth < 60; depth++) {
    operations.push(mkdir(path), create(`${path}/f`), write(`${path}/f`, depth, 3000, depth));
    path += `/${"d".repeat(1 + (depth % 50))}`;
  }
  operations.push(
    mkdir("/t"),
    ...list(40, (index) => create(`/t/f${index}`)),
    ...list(40, (index) => write(`/t/f${index}`, 0, index * 517, index)),
    ...list(9, (index) => ({ op: "link", existing: "/t/f1", path: `/t/link${index}` })),
    ...list(4, (index) => ({
      op: "symlink",
      target: "x".repeat([1, 59, 60, blockSize - 1][index]!),
      path: `/t/symlink${index}`,
    })),
    { op: "mknod", path: "/t/fifo", mode: S_IFIFO | 0o640, rdev: 0 },
    { op: "mknod", path: "/t/socket", mode: S_IFSOCK | 0o600, rdev: 0 },
    { op: "mknod", path: "/t/null", mode: S_IFCHR | 0o666, rdev: 0x103 },
    { op: "mknod", path: "/t/large", mode: S_IFBLK | 0o660, rdev: 0x12345678 },
    ...list(8, (index) => ({
      op: "chmod",
      file: `/t/f${index}`,
      mode: [0, 0o7777, 0o4755, 0o2644, 0o1777, 0o400, 0o111, 0o666][index]!,
    })),
    ...list(8, (index) => ({
      op: "chown",
      file: `/t/f${index + 8}`,
      uid: [0, 65_534, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 1, 1000][index]!,
      gid: 70_000 + index,
      follow: true,
    })),
    ...list(8, (index) => ({
      op: "utimens",
      file: `/t/f${index + 16}`,
      atime: [index, 999_999_999],
      mtime: [
        [-(2 ** 31), -1, 0, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 33 + 5, 15_032_385_535][index]!,
        index === 0 || index === 7 ? 0 : 123_456_789,
      ],
      follow: true,
    })),
    { op: "rename", from: "/t/f30", to: "/deep/moved", flags: 0 },
    { op: "rename", from: "/t/f31", to: "/t/f32", flags: 0 },
    { op: "rename", from: "/t/f33", to: "/t/symlink0", flags: 2 },
    { op: "unlink", path: "/t/f34" },
    mkdir("/t/gone"),
    { op: "rmdir", path: "/t/gone" },
  );
  return operations;
}

/** Names of every byte that a name may have, and of every length. */
export function namesShape(): Shape {
  const bytes = Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1));
  const names = bytes.filter((byte) => byte !== "/" && byte !== ".");
  return [
    mkdir("/names"),
    ...names.map((name) => create(`/names/${name}`)),
    ...list(254, (index) => mkdir(`/names/${"\xff".repeat(index + 1)}\x80`)),
    ...["...", ".hidden", "a\nb", "\xc3\xa4", "\xc3", " ", "-rf"].map((name) =>
      create(`/names/${name}x`),
    ),
  ];
}

/** `count` files in one directory, and then some fewer. */
export function manyShape(count: number): Shape {
  return [
    mkdir("/many"),
    ...list(count, (index) => create(`/many/file-${index}`)),
    ...list(Math.floor(count / 10), (index) => ({ op: "unlink", path: `/many/file-${index * 7}` })),
  ];
}

/** A file of `count` extents: every other block, unwritten, a few of them written. */
export function extentsShape(count: number, blockSize: number): Shape {
  const file = "/extents";
  return [
    create(file),
    ...list(count, (index) => fallocate(file, 0, 2 * index * blockSize, blockSize)),
    ...list(200, (index) =>
      write(file, 2 * Math.floor((index * count) / 200) * blockSize + 5, 100, index),
    ),
    ...list(50, (index) =>
      fallocate(
        file,
        FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        4 * Math.floor((index * count) / 100) * blockSize,
        8 * blockSize,
      ),
    ),
  ];
}

/** Attributes in the inode, in a block, shared by several files, of every namespace. */
export function xattrShape(): Shape {
  const set = (path: string, name: string, length: number, seed: number): Operation => ({
    op: "setxattr",
    path,
    name,
    length,
    seed,
    flags: 0,
  });
  const operations: Operation[] = [mkdir("/x"), ...list(30, (index) => create(`/x/f${index}`))];
  for (let index = 0; index < 30; index++) {
    const path = `/x/f${index}`;
    operations.push(set(path, "user.a", index, index));
    if (index % 2 === 0) operations.push(set(path, "trusted.in-a-block", 500, 1));
    if (index % 3 === 0) operations.push(set(path, "security.other", 40, index));
    if (index % 5 === 0) operations.push(set(path, `user.${"n".repeat(250)}`, 10, 3));
    if (index % 7 === 0) operations.push({ op: "removexattr", path, name: "user.a" });
  }
  operations.push(
    set("/x", "user.of-a-directory", 100, 5),
    set("/x/f2", "trusted.in-a-block", 30, 2),
    { op: "removexattr", path: "/x/f4", name: "trusted.in-a-block" },
    { op: "unlink", path: "/x/f6" },
  );
  return operations;
}

/** Every fallocate mode, on whole blocks and on bytes; sizes on either side of what is allocated. */
export function spaceShape(blockSize: number): Shape {
  const operations: Operation[] = [mkdir("/s")];
  const modes = [
    0,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_ZERO_RANGE,
    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_COLLAPSE_RANGE,
    FALLOC_FL_INSERT_RANGE,
  ];
  for (const [index, mode] of modes.entries()) {
    const moves = mode === FALLOC_FL_COLLAPSE_RANGE || mode === FALLOC_FL_INSERT_RANGE;
    // Blocks move by whole blocks inside the file.
    for (const [variant, [pos, length]] of (moves ? PLACES.slice(0, 1) : PLACES).entries()) {
      const file = `/s/m${index}-${variant}`;
      operations.push(
        create(file),
        write(file, 0, 10 * blockSize + 77, index),
        fallocate(file, mode, pos * blockSize, length * blockSize),
        write(file, 3 * blockSize + 9, 10, index + 100),
      );
    }
  }
  operations.push(
    create("/s/sparse"),
    write("/s/sparse", 2 ** 33, 5, 1),
    write("/s/sparse", 2 ** 36 + 1, 5, 2),
    create("/s/short"),
    write("/s/short", 0, 20 * blockSize, 3),
    { op: "truncate", file: "/s/short", size: 3 * blockSize + 5 },
    { op: "truncate", file: "/s/short", size: 9 * blockSize },
    create("/s/large"),
    write("/s/large", 0, 3_000_000, 4),
    write("/s/large", 1_000_001, 500_000, 5),
  );
  return operations;
}

/** In blocks: inside, over the end, behind the end, and parts of blocks. */
const PLACES: readonly (readonly [pos: number, length: number])[] = [
  [2, 4],
  [8, 6],
  [20, 3],
  [1.5, 5.25],
];

/** Changes of what the shapes above made, for whoever comes second. */
export function changesShape(blockSize: number): Shape {
  return [
    mkdir("/later"),
    ...list(200, (index) => create(`/later/${index}`)),
    ...list(20, (index) => write(`/later/${index}`, index * 999, 5000, index)),
    ...list(20, (index) => ({ op: "unlink", path: `/t/f${index}` })),
    { op: "write", file: "/t/f20", pos: null, length: 9000, seed: 9 },
    write("/s/large", 2_900_000, 400_000, 8),
    fallocate("/s/large", FALLOC_FL_COLLAPSE_RANGE, 8 * blockSize, 16 * blockSize),
    fallocate("/s/m0-0", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 7 * blockSize),
    { op: "truncate", file: "/s/sparse", size: 100 },
    write("/s/m1-1", 11 * blockSize, 3 * blockSize, 4),
    { op: "rename", from: "/names", to: "/later/names", flags: 0 },
    { op: "rename", from: "/later/0", to: "/x/f0", flags: 0 },
    { op: "removexattr", path: "/x/f10", name: "trusted.in-a-block" },
    {
      op: "setxattr",
      path: "/x/f12",
      name: "trusted.in-a-block",
      length: blockSize / 8,
      seed: 4,
      flags: 0,
    },
    ...list(100, (index) => ({ op: "unlink", path: `/later/${index + 100}` })),
  ];
}

/** All but the large ones. */
export const smallShapes = (blockSize: number): Operation[] => [
  ...treeShape(blockSize),
  ...namesShape(),
  ...manyShape(1000),
  ...xattrShape(),
  ...spaceShape(blockSize),
];
