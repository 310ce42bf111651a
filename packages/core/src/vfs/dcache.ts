/**
 * The dentry cache: names that were looked up, as a map per directory, from a name to its inode or
 * to null for a name that is known to be absent.
 *
 * Invariants:
 * - A directory's `parent` is set exactly while an entry of that parent leads to it (and, for a
 *   removed directory that is still open, the parent is referenced).
 * - An entry changes only after the personality has done the change: a failed operation leaves the
 *   cache as it was.
 */
import { assert, CorruptionError, FsError } from "../spec/errors.ts";
import type { Inode } from "../spec/inode.ts";
import { isDirectory } from "../spec/mode.ts";
import { type Ino, type Name, NO_INO } from "../spec/units.ts";
import { iget } from "./icache.ts";
import type { Superblock } from "./superblock.ts";

/** The inode behind a name, or null. Permission to search was checked. HOT.
 * @throws FsError ENAMETOOLONG, EINVAL for what cannot be a name; CorruptionError */
export function lookupChild(sb: Superblock, directory: Inode, name: Name): Inode | null {
  const { children } = directory;
  if (children !== null) {
    const child = children.get(name);
    if (child !== undefined) return child;
  }
  return lookupMiss(sb, directory, name);
}

function lookupMiss(sb: Superblock, directory: Inode, name: Name): Inode | null {
  checkName(sb, name);
  // A removed directory has no names, and none may be remembered for it.
  if (directory.nlink === 0) return null;
  const ino = directory.childrenComplete ? NO_INO : sb.fs.lookup(directory, name);
  const child = ino === NO_INO ? null : igetByName(sb, directory, ino);
  const children = (directory.children ??= new Map<Name, Inode | null>());
  children.set(name, child);
  sb.dentryCount++;
  if (child !== null) gainName(directory, child);
  return child;
}

/** @throws FsError ENAMETOOLONG; EINVAL for bytes that no name has */
function checkName(sb: Superblock, name: Name): void {
  if (name.length > sb.nameMax) throw new FsError("ENAMETOOLONG");
  assert(name.length > 0, "a name is not empty");
  for (let index = 0; index < name.length; index++) {
    const byte = name.charCodeAt(index);
    if (byte === 0 || byte > 0xff) throw new FsError("EINVAL", "a name is bytes other than NUL");
    if (byte === 0x2f) throw new FsError("EINVAL", "a name has no slash");
  }
}

/** What a directory entry leads to: a bad number there is damage of the medium. */
function igetByName(sb: Superblock, directory: Inode, ino: Ino): Inode {
  let child: Inode;
  try {
    child = iget(sb, ino);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== "ESTALE") throw error;
    throw badEntry(directory, ino, "an inode in use");
  }
  if (child.nlink === 0) throw badEntry(directory, ino, "an inode in use");
  if (isDirectory(child.mode)) {
    // A name of it is known, also where it stands in the same directory.
    const named = child.parent !== null;
    if (child === sb.root || child === directory || named) {
      throw badEntry(directory, ino, "a directory that no other name leads to");
    }
  }
  return child;
}

function badEntry(directory: Inode, found: Ino, expected: string): CorruptionError {
  const at = `directory inode ${directory.ino}`;
  return new CorruptionError({ structure: "directory entry", at, field: "ino", found, expected });
}

/**
 * A name that was looked up led to `before` and leads to `child` now (null: to nothing). The caller
 * knows what was there, which saves a search.
 */
export function replaceChild(
  sb: Superblock,
  directory: Inode,
  name: Name,
  before: Inode | null,
  child: Inode | null,
): void {
  const { children } = directory;
  assert(children !== null, "the name was looked up");
  directory.listing = null;
  if (before !== null) loseName(sb, directory, before);
  children.set(name, child);
  if (child !== null) gainName(directory, child);
}

function gainName(directory: Inode, inode: Inode): void {
  assert(directory.nlink > 0, "a removed directory remembers no names");
  inode.dentries++;
  if (isDirectory(inode.mode)) inode.parent = directory;
}

function loseName(sb: Superblock, directory: Inode, inode: Inode): void {
  inode.dentries--;
  sb.paths.forget(inode);
  if (!isDirectory(inode.mode)) return;
  if (inode.parent === directory) inode.parent = null;
  // It lives on, so it moved, and the paths of all below it changed.
  if (inode.nlink > 0) sb.paths.clear();
}

/** The directory that `directory` stands in; the root stands in itself. */
export function parentDirectory(sb: Superblock, directory: Inode): Inode {
  if (directory === sb.root) return directory;
  if (directory.parent !== null) return directory.parent;
  const parent = iget(sb, sb.fs.parentOf(directory));
  if (!isDirectory(parent.mode)) {
    throw new CorruptionError({
      structure: "directory",
      at: `inode ${directory.ino}`,
      field: "parent",
      found: parent.ino,
      expected: "a directory",
    });
  }
  return parent;
}

/**
 * Is `ancestor` the directory itself or above it? Returns the child of `ancestor` on the way down to
 * `directory` (or `directory` itself if both are the same), or null. Ends on any medium.
 * @throws CorruptionError where the parents go round in a circle
 */
export function childTowards(sb: Superblock, ancestor: Inode, directory: Inode): Inode | null {
  let below = directory;
  let current = directory;
  // Brent's cycle detection: the marker jumps to the present place at every power of two.
  let marker: Inode | null = null;
  for (let steps = 1, limit = 2; ; steps++) {
    if (current === ancestor) return below;
    if (current === sb.root) return null;
    if (current === marker) break;
    if (steps === limit) {
      marker = current;
      limit *= 2;
    }
    below = current;
    current = parentDirectory(sb, current);
  }
  throw new CorruptionError({
    structure: "directory",
    at: `inode ${directory.ino}`,
    field: "parent",
    found: current.ino,
    expected: "a way to the root",
  });
}
