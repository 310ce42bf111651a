/** The tree of a mounted file system, to compare with a model's. */
import {
  isDirectory,
  isSymlink,
  type Name,
  O_RDONLY,
  FsError,
  SEEK_DATA,
  SEEK_HOLE,
  type Stat,
  type Task,
} from "@xiplab/core";
import { toStatValue } from "../apply.ts";
import { USERS } from "../users.ts";
import { hex, type Tree, type TreeNode } from "./tree.ts";

/** Everything below the root, looked at as root. Contents are read when they are asked for. */
export function treeOfMount(task: Task): Tree {
  task.credentials = USERS.root;
  const tree: Tree = new Map();
  const first = new Map<number, string>();
  const visit = (path: string): void => {
    const stat = task.lstat(path as Name);
    if (!first.has(stat.ino)) first.set(stat.ino, path);
    tree.set(path, mountNode(task, path as Name, stat, first.get(stat.ino)!));
    if (!isDirectory(stat.mode)) return;
    for (const name of task.readdir(path as Name).sort()) {
      visit(path === "/" ? `/${name}` : `${path}/${name}`);
    }
  };
  visit("/");
  return tree;
}

function mountNode(task: Task, path: Name, stat: Stat, sameAs: string): TreeNode {
  return {
    stat: toStatValue(stat),
    sameAs,
    identity: stat.ino,
    target: isSymlink(stat.mode) ? task.readlink(path) : null,
    xattrs: isSymlink(stat.mode) ? new Map() : xattrsOf(task, path),
    dataRanges: () => dataRanges(task, path, stat.size),
    read: (pos, length) => {
      const file = task.open(path, O_RDONLY);
      const bytes = new Uint8Array(length);
      const got = task.pread(file, bytes, 0, length, pos);
      task.close(file);
      return bytes.subarray(0, got);
    },
  };
}

function xattrsOf(task: Task, path: Name): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const name of listxattr(task, path)) values.set(name, hex(task.getxattr(path, name)));
  return values;
}

/** A design without extended attributes has none. */
function listxattr(task: Task, path: Name): Name[] {
  try {
    return task.listxattr(path).sort();
  } catch (error) {
    if (error instanceof FsError && error.code === "EOPNOTSUPP") return [];
    throw error;
  }
}

function dataRanges(task: Task, path: Name, size: number): [number, number][] {
  const ranges: [number, number][] = [];
  const file = task.open(path, O_RDONLY);
  try {
    for (let pos = 0; pos < size;) {
      const from = task.lseek(file, pos, SEEK_DATA);
      pos = task.lseek(file, from, SEEK_HOLE);
      ranges.push([from, pos]);
    }
  } catch (error) {
    if (!(error instanceof FsError && error.code === "ENXIO")) throw error;
  } finally {
    task.close(file);
  }
  return ranges;
}
