/** Who may do what: Linux's inode_permission and the rules around it. */
import { FsError } from "../spec/errors.ts";
import { INODE_APPEND, INODE_IMMUTABLE, type Inode } from "../spec/inode.ts";
import {
  isDirectory,
  isRegular,
  isSymlink,
  R_OK,
  S_ISGID,
  S_ISVTX,
  W_OK,
  X_OK,
} from "../spec/mode.ts";
import { type Credentials, isInGroup, isPrivileged } from "./credentials.ts";
import { accessAclOf, permitsByAcl } from "./acl.ts";
import type { Superblock } from "./superblock.ts";

const GROUP_BITS = 0o070;

/**
 * May `credentials` access the inode with `mask` (R_OK | W_OK | X_OK)?
 * @throws FsError EROFS, EPERM (immutable), EACCES
 */
export function requirePermission(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  mask: number,
): void {
  if ((mask & W_OK) !== 0) {
    const { mode } = inode;
    if (sb.readOnly && (isRegular(mode) || isDirectory(mode) || isSymlink(mode))) {
      sb.requireWritable();
    }
    if ((inode.flags & INODE_IMMUTABLE) !== 0) throw new FsError("EPERM", "the file is immutable");
  }
  if (!isPermitted(sb, credentials, inode, mask)) throw new FsError("EACCES");
}

/** May `credentials` look names up in the directory? HOT. @throws FsError EACCES */
export function requireSearch(sb: Superblock, credentials: Credentials, directory: Inode): void {
  if (!isPrivileged(credentials) && !isPermitted(sb, credentials, directory, X_OK)) {
    throw new FsError("EACCES");
  }
}

/** The mode bits, or where there is a list what it says. */
function isPermitted(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  mask: number,
): boolean {
  const { mode } = inode;
  if (isPrivileged(credentials)) {
    // Root reads and writes everything, and executes what somebody may execute.
    return (mask & X_OK) === 0 || isDirectory(mode) || (mode & 0o111) !== 0;
  }
  if (credentials.uid === inode.uid) return ((mode >> 6) & mask & 7) === mask;
  // Without group bits the mask of a list, if there is one, permits nothing to anybody it names:
  // Linux takes the mode alone then, and so do we.
  if (inode.acl !== null && sb.hasAcls && (mode & GROUP_BITS) !== 0) {
    const acl = accessAclOf(sb, inode);
    if (acl !== null) return permitsByAcl(credentials, inode, acl, mask);
  }
  const bits = isInGroup(credentials, inode.gid) ? mode >> 3 : mode;
  return (bits & mask & 7) === mask;
}

export function isOwnerOrRoot(credentials: Credentials, inode: Inode): boolean {
  return isPrivileged(credentials) || credentials.uid === inode.uid;
}

/** Member of the inode's group, or root: who keeps the setgid bit. */
export function isInGroupOrRoot(credentials: Credentials, inode: Inode): boolean {
  return isPrivileged(credentials) || isInGroup(credentials, inode.gid);
}

/** May a name be added to the directory? @throws FsError ENOENT (removed), EACCES, EPERM, EROFS */
export function requireMayCreate(sb: Superblock, credentials: Credentials, directory: Inode): void {
  if (directory.nlink === 0) throw new FsError("ENOENT", "the directory was removed");
  requirePermission(sb, credentials, directory, W_OK | X_OK);
  sb.actAs(credentials);
}

/**
 * May the name of `victim` be taken out of the directory? `wantDirectory`: by rmdir, or to make
 * place for a directory.
 * @throws FsError EACCES, EPERM (sticky, append-only, immutable), ENOTDIR, EISDIR, EBUSY, EROFS
 */
export function requireMayDelete(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  victim: Inode,
  wantDirectory: boolean,
): void {
  requirePermission(sb, credentials, directory, W_OK | X_OK);
  sb.actAs(credentials);
  if ((directory.flags & INODE_APPEND) !== 0) throw new FsError("EPERM", "append-only directory");
  const fixed = (victim.flags & (INODE_APPEND | INODE_IMMUTABLE)) !== 0;
  if (fixed || isStickyFor(credentials, directory, victim)) throw new FsError("EPERM");
  if (wantDirectory) {
    if (!isDirectory(victim.mode)) throw new FsError("ENOTDIR");
    if (victim === sb.root) throw new FsError("EBUSY");
  } else if (isDirectory(victim.mode)) {
    throw new FsError("EISDIR");
  }
  if (directory.nlink === 0) throw new FsError("ENOENT", "the directory was removed");
}

/** In a sticky directory only the owners of file and directory, and root, remove a name. */
function isStickyFor(credentials: Credentials, directory: Inode, victim: Inode): boolean {
  if ((directory.mode & S_ISVTX) === 0) return false;
  if (credentials.uid === victim.uid || credentials.uid === directory.uid) return false;
  return !isPrivileged(credentials);
}

/** The mode with the setgid bit taken away from who is not in the group. */
export function modeForGroup(credentials: Credentials, inode: Inode, mode: number): number {
  return isInGroupOrRoot(credentials, inode) ? mode : mode & ~S_ISGID;
}

/** access(2). @throws FsError EINVAL, EROFS, EACCES, EPERM */
export function access(sb: Superblock, credentials: Credentials, inode: Inode, mask: number): void {
  requireAccessMode(mask);
  requirePermission(sb, credentials, inode, mask);
}

/** Asked before the path is walked, as Linux does. @throws FsError EINVAL */
export function requireAccessMode(mask: number): void {
  if ((mask & ~(R_OK | W_OK | X_OK)) !== 0) throw new FsError("EINVAL", "access mode");
}
