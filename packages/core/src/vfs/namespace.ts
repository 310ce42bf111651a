/**
 * Making and removing names: create, mkdir, mknod, symlink, link, unlink, rmdir, O_TMPFILE. Each
 * works on a directory and a name; walking there was the caller's.
 *
 * Order of the checks is Linux's: what is there (EEXIST, ENOENT), may the mount change (EROFS), may
 * the caller (EACCES, EPERM), do the types fit, has the design room (EMLINK).
 */
import { assert, CorruptionError, FsError } from "../spec/errors.ts";
import { INODE_APPEND, INODE_IMMUTABLE, type Inode } from "../spec/inode.ts";
import {
  isDevice,
  isDirectory,
  PATH_MAX,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  W_OK,
  X_OK,
} from "../spec/mode.ts";
import type { FileSystem, NewInode } from "../spec/personality.ts";
import type { Name } from "../spec/units.ts";
import { inheritAcl, type Inherited, inheritedXattrs } from "./acl.ts";
import { lookupChild, replaceChild } from "./dcache.ts";
import { syncNames } from "./io.ts";
import { adopt, evictIfUnused } from "./icache.ts";
import { type Credentials, isInGroup, isPrivileged } from "./credentials.ts";
import { requireMayCreate, requireMayDelete, requirePermission } from "./permission.ts";
import type { Superblock } from "./superblock.ts";

const GROUP_EXECUTE = 0o010;
const NO_TARGET = undefined;

/**
 * A regular file, after the caller found that the name is free.
 * @throws FsError EROFS, ENOENT, EACCES, ENOSPC
 */
export function createFile(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  name: Name,
  mode: number,
  umask: number,
): Inode {
  const wanted = S_IFREG | (mode & 0o7777);
  return makeChild(sb, credentials, directory, name, wanted, umask, 0, NO_TARGET);
}

export const directoryLinkMax = (fs: FileSystem): number => fs.directoryLinkMax ?? fs.linkMax;

/** @throws FsError EEXIST, EROFS, EACCES, EMLINK, ENOSPC */
export function mkdir(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  name: Name,
  mode: number,
  umask: number,
): Inode {
  requireFree(sb, directory, name);
  if (directory.nlink >= directoryLinkMax(sb.fs)) {
    requireMayCreate(sb, credentials, directory);
    throw new FsError("EMLINK");
  }
  const wanted = S_IFDIR | (mode & 0o1777);
  const made = makeChild(sb, credentials, directory, name, wanted, umask, 0, NO_TARGET);
  // Of no names at all: the map is made with the first one that is looked up.
  made.childrenComplete = true;
  return made;
}

/** A node of any type but directory and symbolic link; no type means a regular file.
 * @throws FsError EEXIST, EPERM, EINVAL, EROFS, EACCES, ENOSPC */
export function mknod(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  name: Name,
  mode: number,
  umask: number,
  rdev: number,
): Inode {
  const type = (mode & S_IFMT) === 0 ? S_IFREG : mode & S_IFMT;
  requireFree(sb, directory, name);
  if (isDevice(type)) {
    requireMayCreate(sb, credentials, directory);
    if (!isPrivileged(credentials)) throw new FsError("EPERM");
    sb.requireCapability(sb.capabilities.deviceNodes, "EPERM");
  }
  const device = isDevice(type) ? rdev : 0;
  const wanted = type | (mode & 0o7777);
  return makeChild(sb, credentials, directory, name, wanted, umask, device, NO_TARGET);
}

/** May mknod make a node of that type? Asked before the path is looked at.
 * @throws FsError EPERM for a directory, EINVAL for no type */
export function requireNodeType(mode: number): void {
  switch (mode & S_IFMT) {
    case 0:
    case S_IFREG:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      return;
    case S_IFDIR:
      throw new FsError("EPERM");
    default:
      throw new FsError("EINVAL", "no such type of node");
  }
}

/** @throws FsError ENOENT, ENAMETOOLONG: what no symbolic link may point at */
export function requireTarget(target: Name): void {
  if (target.length === 0) throw new FsError("ENOENT", "a symbolic link to nothing");
  if (target.length >= PATH_MAX) throw new FsError("ENAMETOOLONG");
}

/** @throws FsError EEXIST, ENOENT, ENAMETOOLONG, EROFS, EACCES, ENOSPC */
export function symlink(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  name: Name,
  target: Name,
): Inode {
  requireTarget(target);
  requireFree(sb, directory, name);
  requireMayCreate(sb, credentials, directory);
  sb.requireCapability(sb.capabilities.symlinks, "EPERM");
  return makeChild(sb, credentials, directory, name, S_IFLNK | 0o777, 0, 0, target);
}

/**
 * A file without a name; gone with its last reference unless it is linked.
 * @throws FsError EROFS, EACCES, EOPNOTSUPP, ENOSPC
 */
export function tmpfile(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  mode: number,
  umask: number,
): Inode {
  sb.requireWritable();
  requirePermission(sb, credentials, directory, W_OK | X_OK);
  sb.requireCapability(sb.capabilities.tmpfile, "EOPNOTSUPP");
  sb.actAs(credentials);
  const wanted = inheritAcl(
    sb,
    directory,
    S_IFREG | modeInside(credentials, directory, mode & 0o7777),
    umask,
  );
  const made = sb.fs.tmpfile(directory, newInode(credentials, directory, wanted, 0, NO_TARGET));
  knowAcls(made, wanted);
  assert(made.nlink === 0, "a file without a name has no links");
  adopt(sb, made);
  return made;
}

/**
 * Another name for the inode. `fromTmpfile`: it has no name yet and may get one.
 * @throws FsError EEXIST, EROFS, EACCES, EPERM, ENOENT, EMLINK, ENOSPC
 */
export function link(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  directory: Inode,
  name: Name,
  fromTmpfile: boolean,
): void {
  requireFree(sb, directory, name);
  requireMayCreate(sb, credentials, directory);
  if ((inode.flags & (INODE_APPEND | INODE_IMMUTABLE)) !== 0) throw new FsError("EPERM");
  sb.requireCapability(sb.capabilities.hardLinks, "EPERM");
  if (isDirectory(inode.mode)) throw new FsError("EPERM", "no hard links to directories");
  if (inode.nlink === 0 && !fromTmpfile) throw new FsError("ENOENT", "the file was removed");
  if (inode.nlink >= sb.fs.linkMax) throw new FsError("EMLINK");
  sb.fs.link(directory, name, inode);
  replaceChild(sb, directory, name, null, inode);
  syncNames(sb, directory);
  if (sb.listeners.active) sb.listeners.emit({ kind: "create", inode, directory, name });
}

/** Remove a name that is no directory's. `slash`: the path ended in one.
 * @throws FsError ENOENT, EROFS, EISDIR, ENOTDIR, EACCES, EPERM */
export function unlink(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  name: Name,
  slash: boolean,
): void {
  sb.requireWritable();
  const victim = requirePresent(sb, directory, name);
  if (slash) throw new FsError(isDirectory(victim.mode) ? "EISDIR" : "ENOTDIR");
  requireMayDelete(sb, credentials, directory, victim, false);
  requireSoundLinks(victim);
  sb.fs.unlink(directory, name, victim);
  removed(sb, directory, name, victim);
}

/** Remove an empty directory.
 * @throws FsError ENOENT, EROFS, ENOTDIR, ENOTEMPTY, EACCES, EPERM, EBUSY */
export function rmdir(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  name: Name,
): void {
  sb.requireWritable();
  const victim = requirePresent(sb, directory, name);
  requireMayDelete(sb, credentials, directory, victim, true);
  if (!sb.fs.isEmpty(victim)) throw new FsError("ENOTEMPTY");
  sb.fs.unlink(directory, name, victim);
  removed(sb, directory, name, victim);
}

/** The personality took the name away: bring the caches up to that. */
function removed(sb: Superblock, directory: Inode, name: Name, victim: Inode): void {
  replaceChild(sb, directory, name, victim, null);
  leaveNamespace(directory, victim);
  syncNames(sb, directory);
  if (sb.listeners.active) {
    sb.listeners.emit({ kind: "delete", inode: victim, directory, name });
  }
  evictIfUnused(sb, victim);
}

/** `victim` lost its name in `directory`; a directory that is in use keeps its way up. */
export function leaveNamespace(directory: Inode, victim: Inode): void {
  if (!isDirectory(victim.mode)) return;
  assert(victim.nlink === 0, "a removed directory has no links");
  if (victim.references > 0) {
    victim.parent = directory;
    directory.references++;
  }
}

/**
 * A file loses a name: the count on the medium must agree with the names that were seen, or it
 * would be freed under the other name. @throws CorruptionError
 */
export function requireSoundLinks(victim: Inode): void {
  if (isDirectory(victim.mode) || victim.nlink >= victim.dentries) return;
  throw new CorruptionError({
    structure: "inode",
    at: `inode ${victim.ino}`,
    field: "nlink",
    found: victim.nlink,
    expected: `at least ${victim.dentries}`,
  });
}

/** Is the name free, and may the mount change? @throws FsError EEXIST, EROFS */
function requireFree(sb: Superblock, directory: Inode, name: Name): void {
  if (lookupChild(sb, directory, name) !== null) throw new FsError("EEXIST");
  sb.requireWritable();
}

/** @throws FsError ENOENT */
export function requirePresent(sb: Superblock, directory: Inode, name: Name): Inode {
  const inode = lookupChild(sb, directory, name);
  if (inode === null) throw new FsError("ENOENT");
  return inode;
}

function makeChild(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  name: Name,
  mode: number,
  umask: number,
  rdev: number,
  target: Name | undefined,
): Inode {
  sb.requireWritable();
  requireMayCreate(sb, credentials, directory);
  const wanted = inheritAcl(sb, directory, modeInside(credentials, directory, mode), umask);
  const attributes = newInode(credentials, directory, wanted, rdev, target);
  const inode = sb.fs.create(directory, name, attributes);
  knowAcls(inode, wanted);
  assert(inode.nlink > 0, "what was created has a name");
  adopt(sb, inode);
  replaceChild(sb, directory, name, null, inode);
  syncNames(sb, directory);
  if (sb.listeners.active) sb.listeners.emit({ kind: "create", inode, directory, name });
  return inode;
}

/** Set-id bits of what is made in a directory: Linux's inode_init_owner, before the umask. */
function modeInside(credentials: Credentials, directory: Inode, mode: number): number {
  if ((directory.mode & S_ISGID) === 0) return mode;
  if (isDirectory(mode)) return mode | S_ISGID;
  const runsAsGroup = (mode & S_ISGID) !== 0 && (mode & GROUP_EXECUTE) !== 0;
  // A program for a group that its maker is not in must not run as that group.
  const isForeign = !isPrivileged(credentials) && !isInGroup(credentials, directory.gid);
  return runsAsGroup && isForeign ? mode & ~S_ISGID : mode;
}

function newInode(
  credentials: Credentials,
  directory: Inode,
  wanted: Inherited,
  rdev: number,
  target: Name | undefined,
): NewInode {
  const { uid } = credentials;
  const gid = (directory.mode & S_ISGID) !== 0 ? directory.gid : credentials.gid;
  const { mode } = wanted;
  if (target !== undefined) return { mode, uid, gid, rdev, target };
  const xattrs = inheritedXattrs(wanted);
  return xattrs === undefined ? { mode, uid, gid, rdev } : { mode, uid, gid, rdev, xattrs };
}

/** The lists of a new inode need not be looked up. */
function knowAcls(inode: Inode, { acl, defaultAcl }: Inherited): void {
  inode.acl = acl;
  inode.defaultAcl = defaultAcl;
}
