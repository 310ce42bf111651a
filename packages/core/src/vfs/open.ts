/** open(2) and close(2). */
import { assert, FsError } from "../spec/errors.ts";
import { INODE_APPEND, type Inode } from "../spec/inode.ts";
import {
  isDirectory,
  isRegular,
  isSymlink,
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TMPFILE,
  O_TRUNC,
  R_OK,
  W_OK,
} from "../spec/mode.ts";
import type { Name } from "../spec/units.ts";
import { lookupChild } from "./dcache.ts";
import { release } from "./icache.ts";
import { truncateInode } from "./io.ts";
import type { LockOwner } from "./locks.ts";
import { createFile, tmpfile } from "./namespace.ts";
import { OpenFile, requirePlace } from "./open-file.ts";
import { type Credentials, isPrivileged } from "./credentials.ts";
import { isOwnerOrRoot, requirePermission, requireSearch } from "./permission.ts";
import type { Superblock } from "./superblock.ts";
import {
  findPath,
  followLast,
  LAST_NAME,
  lastInode,
  type Walk,
  walkParent,
  walkPath,
} from "./walk.ts";

/** The bit of O_TMPFILE that is not O_DIRECTORY. */
const TMPFILE_BIT = O_TMPFILE & ~O_DIRECTORY;
/** All that open looks at beside O_PATH. */
const PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH;

/**
 * Open the file that `path` names, as `flags` (O_*) say; with O_CREAT make it with `mode`, less
 * `umask`. Takes a reference.
 * @throws FsError as open(2); ENXIO for sockets, pipes and devices: nothing here drives them
 */
export function openPath(
  sb: Superblock,
  credentials: Credentials,
  path: Name,
  flags: number,
  mode: number,
  umask: number,
  walk: Walk,
): OpenFile {
  const wanted = checkFlags(flags);
  if ((wanted & TMPFILE_BIT) !== 0) {
    return openTmpfile(sb, credentials, path, wanted, mode, umask, walk);
  }
  if ((wanted & O_CREAT) !== 0) return openCreate(sb, credentials, path, wanted, mode, umask, walk);
  const inode = findPath(sb, credentials, path, (wanted & O_NOFOLLOW) === 0, walk);
  const { known } = walk;
  const directory = known ? null : walk.directory;
  return openInode(sb, credentials, inode, wanted, directory, known ? null : walk.name);
}

/**
 * Open an inode that was found: checks types and permissions, truncates, takes a reference.
 * `directory` and `name`: by what it was found, for observers.
 */
export function openInode(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  flags: number,
  directory: Inode | null,
  name: Name | null,
): OpenFile {
  if ((flags & O_DIRECTORY) !== 0 && !isDirectory(inode.mode)) throw new FsError("ENOTDIR");
  if ((flags & O_PATH) === 0) {
    const truncates = (flags & O_TRUNC) !== 0 && isRegular(inode.mode);
    if (truncates) sb.requireWritable();
    requireMayOpen(sb, credentials, inode, flags);
    if (truncates) truncateInode(sb, credentials, inode, 0, true);
  }
  return install(sb, inode, flags, directory, name);
}

/**
 * Open by directory and name, as a kernel face does after its own walk. With O_CREAT the file is
 * made if it is not there; symbolic links are not followed: ELOOP.
 * @throws FsError as open(2)
 */
export function openAt(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  name: Name,
  flags: number,
  mode: number,
  umask: number,
): OpenFile {
  const wanted = checkFlags(flags);
  if (!isDirectory(directory.mode)) throw new FsError("ENOTDIR");
  requireSearch(sb, credentials, directory);
  const inode = lookupChild(sb, directory, name);
  if (inode === null) {
    if ((wanted & O_CREAT) === 0) throw new FsError("ENOENT");
    return openNew(sb, credentials, directory, name, wanted, mode, umask);
  }
  if ((wanted & O_CREAT) !== 0) requireOldOpenable(inode, wanted);
  return openInode(sb, credentials, inode, wanted, directory, name);
}

/** Close it: its locks and its reference go, and with the last reference a file without a name.
 * @throws FsError EBADF if it is closed already */
export function closeFile(sb: Superblock, file: OpenFile, owner: LockOwner): void {
  requirePlace(sb, file);
  assert(sb.openFiles > 0, "an open file was counted");
  file.isOpen = false;
  file.canRead = false;
  file.canWrite = false;
  sb.openFiles--;
  if (!file.isPath && !sb.locks.isEmpty) sb.locks.closed(file.inode, file, owner);
  release(sb, file.inode);
}

function install(
  sb: Superblock,
  inode: Inode,
  flags: number,
  directory: Inode | null,
  name: Name | null,
): OpenFile {
  inode.references++;
  sb.openFiles++;
  return new OpenFile(sb, inode, flags, directory, name);
}

/** @throws FsError EINVAL for combinations that mean nothing */
function checkFlags(flags: number): number {
  if ((flags & O_PATH) !== 0) return flags & PATH_FLAGS;
  if ((flags & TMPFILE_BIT) !== 0) {
    if ((flags & O_DIRECTORY) === 0 || (flags & O_CREAT) !== 0) {
      throw new FsError("EINVAL", "O_TMPFILE stands alone");
    }
    if ((flags & O_ACCMODE) === O_RDONLY) throw new FsError("EINVAL", "O_TMPFILE is for writing");
  } else if ((flags & O_CREAT) !== 0 && (flags & O_DIRECTORY) !== 0) {
    throw new FsError("EINVAL", "O_CREAT makes no directory");
  }
  return flags;
}

/** What reading, writing or truncating the inode by open takes: Linux's may_open. HOT. */
function requireMayOpen(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  flags: number,
): void {
  const { mode } = inode;
  const access = accessOf(flags);
  if (isSymlink(mode)) throw new FsError("ELOOP");
  if (isDirectory(mode)) {
    if ((access & W_OK) !== 0) throw new FsError("EISDIR");
  }
  if (!isPrivileged(credentials) || (access & W_OK) !== 0) {
    requirePermission(sb, credentials, inode, access);
  }
  if ((inode.flags & INODE_APPEND) !== 0) {
    const writesElsewhere = (flags & O_ACCMODE) !== O_RDONLY && (flags & O_APPEND) === 0;
    if (writesElsewhere || (flags & O_TRUNC) !== 0) throw new FsError("EPERM", "append-only file");
  }
  if ((flags & O_NOATIME) !== 0 && !isOwnerOrRoot(credentials, inode)) throw new FsError("EPERM");
  if (!isRegular(mode) && !isDirectory(mode)) throw new FsError("ENXIO", "nothing drives the node");
}

/** The permissions that the access mode needs; mode 3 means both, and then allows neither. */
function accessOf(flags: number): number {
  let access = 0;
  const accessMode = flags & O_ACCMODE;
  if (accessMode !== 1) access |= R_OK;
  if (accessMode !== O_RDONLY || (flags & O_TRUNC) !== 0) access |= W_OK;
  return access;
}

function openCreate(
  sb: Superblock,
  credentials: Credentials,
  path: Name,
  flags: number,
  mode: number,
  umask: number,
  walk: Walk,
): OpenFile {
  const exclusive = (flags & O_EXCL) !== 0;
  const follow = !exclusive && (flags & O_NOFOLLOW) === 0;
  walkParent(sb, credentials, path, walk);
  for (;;) {
    if (walk.slash && walk.last === LAST_NAME) throw new FsError("EISDIR");
    const inode = lastInode(sb, walk);
    const { directory, name } = walk;
    if (inode === null) {
      return openNew(sb, credentials, directory, name, flags, mode, umask);
    }
    if (follow && isSymlink(inode.mode)) {
      followLast(sb, credentials, inode, walk);
      continue;
    }
    requireOldOpenable(inode, flags);
    return openInode(sb, credentials, inode, flags, directory, name);
  }
}

/** The name is free: make the file. Its own permissions do not bind who made it. */
function openNew(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  name: Name,
  flags: number,
  mode: number,
  umask: number,
): OpenFile {
  const made = createFile(sb, credentials, directory, name, mode, umask);
  return install(sb, made, flags, directory, name);
}

/** O_CREAT met something. @throws FsError EEXIST, EISDIR */
function requireOldOpenable(inode: Inode, flags: number): void {
  if ((flags & O_EXCL) !== 0) throw new FsError("EEXIST");
  if (isDirectory(inode.mode)) throw new FsError("EISDIR");
}

function openTmpfile(
  sb: Superblock,
  credentials: Credentials,
  path: Name,
  flags: number,
  mode: number,
  umask: number,
  walk: Walk,
): OpenFile {
  const directory = walkPath(sb, credentials, path, (flags & O_NOFOLLOW) === 0, walk);
  return openTmpfileIn(sb, credentials, directory, flags, mode, umask);
}

/** O_TMPFILE in a directory that was found. @throws FsError ENOTDIR, and as `tmpfile` */
export function openTmpfileIn(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  flags: number,
  mode: number,
  umask: number,
): OpenFile {
  if (!isDirectory(directory.mode)) throw new FsError("ENOTDIR");
  const made = tmpfile(sb, credentials, directory, mode, umask);
  const file = install(sb, made, flags, null, null);
  file.isLinkable = (flags & O_EXCL) === 0;
  return file;
}
