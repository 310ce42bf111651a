/** Small pieces of work that between them go through every way of changing a file or a name. */
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  O_APPEND,
  O_RDWR,
  O_SYNC,
  O_TMPFILE,
  O_TRUNC,
  PAGE_SIZE as PAGE,
  RENAME_EXCHANGE,
} from "@xiplab/core";
import type { Operation } from "@xiplab/testkit";

interface Steps {
  readonly setup: readonly Operation[];
  readonly body: readonly Operation[];
}

type File = string | number;
export const create = (path: string): Operation => ({ op: "create", path, mode: 0o644 });
const mkdir = (path: string): Operation => ({ op: "mkdir", path, mode: 0o755 });
const unlink = (path: string): Operation => ({ op: "unlink", path });
export const fsync = (file: File): Operation => ({ op: "fsync", file });
const close = (slot: number): Operation => ({ op: "close", slot });
const truncate = (file: File, size: number): Operation => ({ op: "truncate", file, size });
const open = (path: string, flags: number): Operation => ({
  op: "open",
  slot: 0,
  path,
  flags,
  mode: 0o644,
});
export const write = (file: File, pos: number | null, length: number, seed: number): Operation => ({
  op: "write",
  file,
  pos,
  length,
  seed,
});
const allocate = (file: File, mode: number, pos: number, length: number): Operation => ({
  op: "fallocate",
  file,
  mode,
  pos,
  length,
});
export const rename = (from: string, to: string, flags = 0): Operation => ({
  op: "rename",
  from,
  to,
  flags,
});
const store = (offset: number, length: number, seed: number): Operation => ({
  op: "store",
  region: 0,
  offset,
  length,
  seed,
});
const msync = (offset: number, length: number): Operation => ({
  op: "msync",
  region: 0,
  offset,
  length,
});

/** A preallocated log, written record by record, across blocks, each record synced. */
const log: Steps = {
  setup: [create("/log"), allocate("/log", 0, 0, 8 * PAGE)],
  body: [
    write("/log", 0, 100, 1),
    fsync("/log"),
    write("/log", 100, 1000, 2),
    fsync("/log"),
    write("/log", 1100, 7000, 3),
    fsync("/log"),
  ],
};

/** Stores through a mapping of preallocated pages. */
const mmap: Steps = {
  setup: [create("/pages"), allocate("/pages", 0, 0, 4 * PAGE)],
  body: [
    open("/pages", O_RDWR),
    {
      op: "map",
      region: 0,
      file: 0,
      pos: 0,
      length: 4 * PAGE,
      shared: true,
      writable: true,
      sync: false,
    },
    store(100, 300, 1),
    msync(0, PAGE),
    store(5000, 10, 2),
    store(120, 30, 3),
    msync(0, 4 * PAGE),
    { op: "unmap", region: 0 },
    close(0),
  ],
};

/** Appends that begin and end inside a block, and whole blocks; two of them before one sync. */
const append: Steps = {
  setup: [create("/a")],
  body: [
    open("/a", O_RDWR | O_APPEND),
    write(0, null, 64, 1),
    fsync(0),
    write(0, null, 64, 2),
    write(0, null, PAGE, 3),
    fsync(0),
    write(0, null, 2 * PAGE - 128, 4),
    close(0),
  ],
};

const tree: Steps = {
  setup: [],
  body: [
    mkdir("/d"),
    create("/d/a"),
    write("/d/a", 0, 3000, 1),
    mkdir("/d/e"),
    create("/d/e/a name that takes more than one cache line of the directory, which holds 56"),
    write(
      "/d/e/a name that takes more than one cache line of the directory, which holds 56",
      0,
      9000,
      2,
    ),
    { op: "symlink", target: "../a", path: "/d/e/link" },
    { op: "chmod", file: "/d/a", mode: 0o600 },
    { op: "sync" },
  ],
};

const names: Steps = {
  setup: [
    create("/a"),
    write("/a", 0, 5000, 1),
    create("/b"),
    write("/b", 0, 100, 2),
    mkdir("/d"),
    mkdir("/e"),
    create("/e/x"),
  ],
  body: [
    rename("/a", "/c"),
    rename("/b", "/c"),
    { op: "link", existing: "/c", path: "/d/l" },
    rename("/d", "/e/d"),
    rename("/e", "/f"),
    rename("/c", "/f/x", RENAME_EXCHANGE),
    unlink("/f/d/l"),
    { op: "rmdir", path: "/f/d" },
    { op: "remount" },
    unlink("/c"),
  ],
};

const KEEP = FALLOC_FL_KEEP_SIZE;
/** Truncation, preallocation, holes, shifted ranges, and writes into what they leave. */
const sizes: Steps = {
  setup: [create("/a"), write("/a", 0, 10_000, 1)],
  body: [
    truncate("/a", 5000),
    truncate("/a", 9000),
    fsync("/a"),
    write("/a", 20_000, 10, 2),
    fsync("/a"),
    truncate("/a", 0),
    write("/a", 0, 50, 3),
    allocate("/a", KEEP | FALLOC_FL_PUNCH_HOLE, 0, 30),
    allocate("/a", 0, PAGE, 3 * PAGE),
    write("/a", PAGE + 50, 100, 4),
    fsync("/a"),
    allocate("/a", KEEP | FALLOC_FL_PUNCH_HOLE, PAGE, PAGE),
    allocate("/a", FALLOC_FL_COLLAPSE_RANGE, PAGE, PAGE),
    allocate("/a", FALLOC_FL_INSERT_RANGE, PAGE, PAGE),
    allocate("/a", KEEP | FALLOC_FL_ZERO_RANGE, 100, 2 * PAGE),
    fsync("/a"),
  ],
};

/** Overwrites of what is synced, through O_SYNC too, and O_TRUNC. */
const overwrite: Steps = {
  setup: [create("/a"), write("/a", 0, 10_000, 1)],
  body: [
    write("/a", 100, 200, 2),
    write("/a", 150, 200, 3),
    fsync("/a"),
    write("/a", 4000, 5000, 4),
    write("/a", 0, PAGE, 5),
    fsync("/a"),
    open("/a", O_RDWR | O_SYNC),
    write(0, 8000, 3000, 6),
    close(0),
    open("/a", O_RDWR | O_TRUNC),
    write(0, 0, 100, 7),
    fsync(0),
    close(0),
  ],
};

/** Blocks of a file that has no name any more, taken by others when it goes. */
const orphan: Steps = {
  setup: [create("/a"), write("/a", 0, 5000, 1)],
  body: [
    open("/a", O_RDWR),
    unlink("/a"),
    write(0, 0, 100, 2),
    create("/b"),
    write("/b", 0, 6000, 3),
    close(0),
    create("/c"),
    write("/c", 0, 9000, 4),
    fsync("/c"),
  ],
};

/** A file without a name that is written, and then gets one. */
const tmpfile: Steps = {
  setup: [],
  body: [
    open("/", O_RDWR | O_TMPFILE),
    write(0, 0, 100, 1),
    truncate(0, 50),
    fsync(0),
    { op: "linkFile", slot: 0, path: "/a" },
    write(0, 50, 10, 2),
    close(0),
  ],
};

export const Cases = { log, mmap, append, tree, names, sizes, overwrite, orphan, tmpfile } as const;
export type CaseName = keyof typeof Cases;
export const CaseNames = Object.keys(Cases) as CaseName[];
