/**
 * The path walk: Linux's namei. A path is cut into components without being copied; symbolic links
 * are put in the place of the component that they stand for.
 */
import { FsError } from "../spec/errors.ts";
import type { Inode } from "../spec/inode.ts";
import { isDirectory, isSymlink, PATH_MAX, SYMLINK_MAX } from "../spec/mode.ts";
import type { Name } from "../spec/units.ts";
import { accessed } from "./attributes.ts";
import { lookupChild, parentDirectory } from "./dcache.ts";
import { type Credentials, isPrivileged } from "./credentials.ts";
import { requireSearch } from "./permission.ts";
import type { Superblock } from "./superblock.ts";

/** What the last component is. */
export const LAST_NAME = 0;
/** The path is nothing but slashes. */
export const LAST_ROOT = 1;
export const LAST_DOT = 2;
export const LAST_DOTDOT = 3;

const SLASH = 0x2f;
const DOT = 0x2e;

/**
 * The state of one walk: made once by whoever walks, filled by `walkParent`. Holds no references:
 * valid until the operation ends.
 */
export class Walk {
  /** Where relative paths start: set by the caller. */
  start: Inode;
  /** The directory of the last component. */
  directory: Inode;
  /** The last component; "" if `last` is LAST_ROOT. */
  name = "" as Name;
  last = LAST_NAME;
  /** Slashes follow the last component: it must be a directory. */
  slash = false;
  /** Symbolic links followed so far. */
  links = 0;
  /** The path was found without a walk: of the fields only `start` and this one mean something. */
  known = false;
  /** "." or ".." was on the way. */
  hasDots = false;

  constructor(start: Inode) {
    this.start = start;
    this.directory = start;
  }
}

/**
 * Walk to the directory of the last component of `path`; the last one is not looked up.
 * @throws FsError ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG; CorruptionError
 */
export function walkParent(sb: Superblock, credentials: Credentials, path: Name, walk: Walk): void {
  if (path.length === 0) throw new FsError("ENOENT");
  if (path.length >= PATH_MAX) throw new FsError("ENAMETOOLONG");
  walk.links = 0;
  walk.hasDots = false;
  walkFrom(sb, credentials, walk.start, path, walk);
}

/**
 * Walk the whole of `path` and give the inode it leads to. `follow`: also through a symbolic link at
 * the end (a trailing slash follows in any case).
 * @throws FsError as walkParent
 */
export function walkPath(
  sb: Superblock,
  credentials: Credentials,
  path: Name,
  follow: boolean,
  walk: Walk,
): Inode {
  walkParent(sb, credentials, path, walk);
  const inode = finish(sb, credentials, follow, walk);
  if (inode === null) throw new FsError("ENOENT");
  return inode;
}

/**
 * As walkPath, by the path cache if it can be. Then `walk` is not filled: `walk.known` says so. HOT.
 */
export function findPath(
  sb: Superblock,
  credentials: Credentials,
  path: Name,
  follow: boolean,
  walk: Walk,
): Inode {
  const inode = tryFindPath(sb, credentials, path, follow, walk);
  if (inode === null) throw new FsError("ENOENT");
  return inode;
}

/** As findPath, but null where the last component does not exist: a miss costs no error. HOT. */
export function tryFindPath(
  sb: Superblock,
  credentials: Credentials,
  path: Name,
  follow: boolean,
  walk: Walk,
): Inode | null {
  const isRoot = isPrivileged(credentials);
  if (isRoot) {
    const known = sb.paths.get(path);
    if (known !== undefined) {
      walk.known = true;
      return known;
    }
  }
  walk.known = false;
  walkParent(sb, credentials, path, walk);
  const inode = finish(sb, credentials, follow, walk);
  if (inode === null) return null;
  const isPlain = path.charCodeAt(0) === SLASH && !walk.hasDots;
  const isLinked = walk.links > 0 || isSymlink(inode.mode);
  if (isRoot && isPlain && !isLinked) sb.paths.walked(path, inode);
  return inode;
}

/** Look the last component up, and go on through symbolic links. */
function finish(
  sb: Superblock,
  credentials: Credentials,
  follow: boolean,
  walk: Walk,
): Inode | null {
  for (;;) {
    const inode = lastInode(sb, walk);
    if (inode === null) return null;
    if (isSymlink(inode.mode) && (follow || walk.slash)) {
      followLast(sb, credentials, inode, walk);
    } else {
      if (walk.slash && !isDirectory(inode.mode)) throw new FsError("ENOTDIR");
      return inode;
    }
  }
}

/** What the last component of a walk leads to, symbolic links not followed; null if nothing. */
export function lastInode(sb: Superblock, walk: Walk): Inode | null {
  if (walk.last === LAST_NAME) return lookupChild(sb, walk.directory, walk.name);
  return walk.last === LAST_DOTDOT ? parentDirectory(sb, walk.directory) : walk.directory;
}

/** The last component is a symbolic link: walk to the directory of what it points at.
 * @throws FsError as walkParent */
export function followLast(
  sb: Superblock,
  credentials: Credentials,
  link: Inode,
  walk: Walk,
): void {
  const { slash } = walk;
  walkFrom(sb, credentials, walk.directory, readLink(sb, link, walk), walk);
  walk.slash ||= slash;
}

function readLink(sb: Superblock, link: Inode, walk: Walk): Name {
  if (++walk.links > SYMLINK_MAX) throw new FsError("ELOOP");
  accessed(sb, link);
  const target = sb.fs.readlink(link);
  if (target.length === 0) throw new FsError("ENOENT", "an empty symbolic link");
  return target;
}

/** HOT. */
function walkFrom(
  sb: Superblock,
  credentials: Credentials,
  start: Inode,
  wholePath: Name,
  walk: Walk,
): void {
  let path = wholePath;
  let directory = start;
  let at = 0;
  if (path.charCodeAt(0) === SLASH) {
    directory = sb.root;
    at = skipSlashes(path, 1);
  }
  for (;;) {
    if (at === path.length) {
      // Nothing but slashes: the start of every other turn is a byte of a name.
      walk.directory = directory;
      walk.name = "" as Name;
      walk.last = LAST_ROOT;
      walk.slash = false;
      return;
    }
    requireSearch(sb, credentials, directory);
    let end = at + 1;
    while (end < path.length && path.charCodeAt(end) !== SLASH) end++;
    const next = skipSlashes(path, end);
    if (next === path.length) {
      walk.directory = directory;
      walk.name = path.slice(at, end) as Name;
      walk.last = lastKind(path, at, end);
      walk.slash = next > end;
      if (walk.last !== LAST_NAME) walk.hasDots = true;
      return;
    }
    const kind = lastKind(path, at, end);
    if (kind === LAST_NAME) {
      const child = lookupChild(sb, directory, path.slice(at, end) as Name);
      if (child === null) throw new FsError("ENOENT");
      if (isSymlink(child.mode)) {
        const target = readLink(sb, child, walk);
        path = `${target}${path.slice(end)}` as Name;
        at = 0;
        if (path.charCodeAt(0) === SLASH) {
          directory = sb.root;
          at = skipSlashes(path, 1);
        }
        continue;
      }
      if (!isDirectory(child.mode)) throw new FsError("ENOTDIR");
      directory = child;
    } else {
      walk.hasDots = true;
      if (kind === LAST_DOTDOT) directory = parentDirectory(sb, directory);
    }
    at = next;
  }
}

function skipSlashes(path: Name, from: number): number {
  let at = from;
  while (at < path.length && path.charCodeAt(at) === SLASH) at++;
  return at;
}

function lastKind(path: Name, at: number, end: number): number {
  if (path.charCodeAt(at) !== DOT || end - at > 2) return LAST_NAME;
  if (end - at === 1) return LAST_DOT;
  return path.charCodeAt(at + 1) === DOT ? LAST_DOTDOT : LAST_NAME;
}
