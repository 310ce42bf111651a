/** Everything that a program can do with a mounted file system, on each of its files. */
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  FsError,
  type Name,
  nameFromUtf8,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  Task,
  type Vfs,
} from "@xiplab/core";

const n = nameFromUtf8;
/** At most so much of each file is read, in bytes. */
const READ_MAX = 64 * 1024;
const DEPTH_MAX = 8;
/** A directory of garbage may have many names. */
const NAMES_MAX = 400;

/** Returns the number of operations that failed. What it throws is no FsError. */
export function exercise(vfs: Vfs): number {
  const task = new Task(vfs);
  let failed = 0;
  const attempt = (operation: () => void): void => {
    try {
      operation();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      failed++;
    }
  };
  const found: Found = { all: 0, directories: [], files: [] };
  walk(task, n("/"), 0, found, attempt);
  attempt(() => task.close(task.open(n("/made"), O_CREAT | O_RDWR)));
  attempt(() => task.mkdir(n("/many/made")));
  attempt(() => task.rename(n("/made"), n("/many/renamed")));
  // Of the many that are alike a few.
  for (const path of found.files.filter((_, index) => index < 8 || index % 32 === 0)) {
    changeFile(task, path, attempt);
  }
  for (const path of found.directories.toReversed()) attempt(() => task.rmdir(path));
  attempt(() => task.syncfs());
  return failed;
}

type Attempt = (operation: () => void) => void;

interface Found {
  all: number;
  readonly directories: Name[];
  readonly files: Name[];
}

function walk(task: Task, path: Name, depth: number, found: Found, attempt: Attempt): void {
  let names: Name[] = [];
  attempt(() => (names = task.readdir(path)));
  for (const name of names) {
    if (found.all++ >= NAMES_MAX) return;
    const child = (path === "/" ? `/${name}` : `${path}/${name}`) as Name;
    let type = 0;
    attempt(() => (type = task.lstat(child).mode & S_IFMT));
    attempt(() => task.listxattr(child, false).forEach((key) => task.getxattr(child, key, false)));
    if (type === S_IFLNK) attempt(() => task.readlink(child));
    if (type === S_IFREG) {
      found.files.push(child);
      attempt(() => readFile(task, child, attempt));
    }
    if (type !== S_IFDIR) continue;
    found.directories.push(child);
    if (depth < DEPTH_MAX) walk(task, child, depth + 1, found, attempt);
  }
}

function readFile(task: Task, path: Name, attempt: Attempt): void {
  const buffer = new Uint8Array(8192);
  const { size } = task.stat(path);
  const file = task.open(path, O_RDONLY);
  for (let pos = 0; pos < Math.min(size, READ_MAX); pos += buffer.length) {
    attempt(() => task.pread(file, buffer, 0, buffer.length, pos));
  }
  attempt(() => task.pread(file, buffer, 0, buffer.length, Math.max(0, size - 100)));
  attempt(() => task.fiemap(file, 0, Math.min(size, 2 ** 30)));
  task.close(file);
}

function changeFile(task: Task, path: Name, attempt: Attempt): void {
  const bytes = new Uint8Array(6000).fill(9);
  attempt(() => {
    const file = task.open(path, O_RDWR);
    attempt(() => task.pwrite(file, bytes, 0, bytes.length, 3000));
    attempt(() => task.pwrite(file, bytes, 0, bytes.length, 300_000));
    for (const mode of [
      0,
      FALLOC_FL_ZERO_RANGE,
      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
      FALLOC_FL_COLLAPSE_RANGE,
      FALLOC_FL_INSERT_RANGE,
    ]) {
      attempt(() => task.fallocate(file, mode, 8192, 8192));
    }
    attempt(() => task.fsync(file));
    task.close(file);
  });
  attempt(() => task.setxattr(path, n("user.more"), bytes.subarray(0, 300)));
  attempt(() => task.removexattr(path, n("user.out")));
  attempt(() => task.truncate(path, 5000));
  attempt(() => task.rename(path, n("/d/deep/moved")));
  attempt(() => task.unlink(n("/d/deep/moved")));
}
