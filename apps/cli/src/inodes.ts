/** Inodes of a mounted image by path, for what `Task` has no call for. */
import {
  FsError,
  type Ino,
  type Inode,
  isDirectory,
  type Name,
  nameToUtf8,
  type Stat,
} from "@xiplab/core";
import type { Mounted } from "./image.ts";
import { joinPath } from "./text.ts";

export interface Found {
  readonly path: Name;
  readonly stat: Stat;
}

/** Work on the inode that was found. @throws FsError, with the path */
export function withInode<T>(mounted: Mounted, found: Found, body: (inode: Inode) => T): T {
  const { vfs } = mounted;
  const inode = vfs.iget(found.stat.ino as Ino);
  try {
    return body(inode);
  } catch (error) {
    // The calls of a vfs know inodes alone.
    if (error instanceof FsError && error.path === undefined) {
      error.at("ioctl", nameToUtf8(found.path));
    }
    throw error;
  } finally {
    vfs.forget(inode);
  }
}

/** What stands in a directory, sorted by name; names that begin with a dot only where asked for. */
export function entriesIn({ task }: Mounted, directory: Name, all: boolean): Found[] {
  return task
    .readdir(directory)
    .filter((name) => name !== "." && name !== ".." && (all || !name.startsWith(".")))
    .sort()
    .map((name) => joinPath(directory, name))
    .map((path) => ({ path, stat: task.lstat(path) }));
}

/** `top` and everything below it, parents first. */
export function* treeBelow(mounted: Mounted, top: Found, all: boolean): Generator<Found> {
  const pending = [top];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    yield next;
    if (isDirectory(next.stat.mode)) {
      for (const entry of entriesIn(mounted, next.path, all).toReversed()) pending.push(entry);
    }
  }
}
