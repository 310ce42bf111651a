/** Extended attributes: the rules of the namespaces, then the personality. */
import { FsError } from "../spec/errors.ts";
import { INODE_APPEND, INODE_IMMUTABLE, type Inode } from "../spec/inode.ts";
import {
  isDirectory,
  isRegular,
  R_OK,
  S_ISVTX,
  W_OK,
  XATTR_CREATE,
  XATTR_NAME_MAX,
  XATTR_REPLACE,
  XATTR_SIZE_MAX,
} from "../spec/mode.ts";
import type { Name } from "../spec/units.ts";
import { getAcl, isAclName, setAcl } from "./acl-attributes.ts";
import { emitAttrib } from "./attributes.ts";
import { type Credentials, isPrivileged } from "./credentials.ts";
import { isOwnerOrRoot, requirePermission } from "./permission.ts";
import type { Superblock } from "./superblock.ts";

const USER = "user.";
const TRUSTED = "trusted.";
const SECURITY = "security.";
const TRUSTED_ONLY = "trusted attributes are root's";

/** The value: a copy of its own. @throws FsError ENODATA, EOPNOTSUPP, EACCES, ERANGE, EINVAL */
export function getxattr(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  name: Name,
): Uint8Array {
  requireXattrArguments(name);
  if (isAclName(name)) return getAcl(sb, inode, name);
  sb.requireCapability(sb.capabilities.xattrs, "EOPNOTSUPP");
  requireReadable(sb, credentials, inode, name);
  requireNamespace(name);
  const value = sb.fs.getxattr(inode, name);
  if (value === null) throw new FsError("ENODATA");
  return value;
}

/**
 * Set an attribute; XATTR_CREATE only a new one, XATTR_REPLACE only one that is there.
 * @throws FsError EEXIST, ENODATA, EOPNOTSUPP, EPERM, EACCES, E2BIG, ERANGE, EINVAL, EROFS, ENOSPC
 */
export function setxattr(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  name: Name,
  value: Uint8Array,
  flags: number,
): void {
  requireXattrArguments(name, value.length, flags);
  if (isAclName(name)) {
    setAcl(sb, credentials, inode, name, value);
    return emitAttrib(sb, inode);
  }
  requireChangeable(sb, credentials, inode, name);
  if (flags !== 0) {
    const exists = sb.fs.getxattr(inode, name) !== null;
    if (exists && (flags & XATTR_CREATE) !== 0) throw new FsError("EEXIST");
    if (!exists && (flags & XATTR_REPLACE) !== 0) throw new FsError("ENODATA");
  }
  sb.actAs(credentials);
  sb.fs.setxattr(inode, name, value);
  emitAttrib(sb, inode);
}

/** @throws FsError ENODATA, EOPNOTSUPP, EPERM, EACCES, ERANGE, EINVAL, EROFS */
export function removexattr(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  name: Name,
): void {
  requireXattrArguments(name);
  if (isAclName(name)) {
    setAcl(sb, credentials, inode, name, null);
    return emitAttrib(sb, inode);
  }
  requireChangeable(sb, credentials, inode, name);
  if (sb.fs.getxattr(inode, name) === null) throw new FsError("ENODATA");
  sb.fs.setxattr(inode, name, null);
  emitAttrib(sb, inode);
}

/** The names; those of trusted attributes only for root. @throws FsError EOPNOTSUPP */
export function listxattr(sb: Superblock, credentials: Credentials, inode: Inode): Name[] {
  sb.requireCapability(sb.capabilities.xattrs, "EOPNOTSUPP");
  const names = sb.fs.listxattr(inode);
  return credentials.uid === 0 ? names : names.filter((name) => !name.startsWith(TRUSTED));
}

/**
 * What is wrong whatever the file is: Linux looks at it before the path.
 * @throws FsError EINVAL, ERANGE, E2BIG
 */
export function requireXattrArguments(name: Name, size = 0, flags = 0): void {
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) throw new FsError("EINVAL", "flags");
  if (name.length === 0 || name.length > XATTR_NAME_MAX) throw new FsError("ERANGE", "name");
  if (size > XATTR_SIZE_MAX) throw new FsError("E2BIG");
}

/** Asked after permission, as Linux does. @throws FsError EOPNOTSUPP for a namespace that is not
 * there, EINVAL for an empty rest */
function requireNamespace(name: Name): void {
  const prefix = [USER, TRUSTED, SECURITY].find((start) => name.startsWith(start));
  // Of "system." there are the access control lists, which have their own rules (acl.ts).
  if (prefix === undefined) throw new FsError("EOPNOTSUPP", "namespaces: user, trusted, security");
  if (name.length === prefix.length) throw new FsError("EINVAL", "a name after the namespace");
}

function requireReadable(sb: Superblock, credentials: Credentials, inode: Inode, name: Name): void {
  if (name.startsWith(SECURITY)) return;
  if (name.startsWith(TRUSTED)) {
    if (!isPrivileged(credentials)) throw new FsError("ENODATA", TRUSTED_ONLY);
    return;
  }
  const isUser = name.startsWith(USER);
  if (isUser && !isRegular(inode.mode) && !isDirectory(inode.mode)) throw new FsError("ENODATA");
  requirePermission(sb, credentials, inode, R_OK);
}

function requireChangeable(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  name: Name,
): void {
  sb.requireWritable();
  if ((inode.flags & (INODE_IMMUTABLE | INODE_APPEND)) !== 0) throw new FsError("EPERM");
  sb.requireCapability(sb.capabilities.xattrs, "EOPNOTSUPP");
  requireMayChange(sb, credentials, inode, name);
  requireNamespace(name);
}

function requireMayChange(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  name: Name,
): void {
  if (name.startsWith(SECURITY) || name.startsWith(TRUSTED)) {
    if (!isPrivileged(credentials)) throw new FsError("EPERM", TRUSTED_ONLY);
    return;
  }
  if (name.startsWith(USER)) {
    const isDir = isDirectory(inode.mode);
    if (!isRegular(inode.mode) && !isDir) throw new FsError("EPERM", "not on such a file");
    if (isDir && (inode.mode & S_ISVTX) !== 0 && !isOwnerOrRoot(credentials, inode)) {
      throw new FsError("EPERM", "a sticky directory's are its owner's");
    }
  }
  requirePermission(sb, credentials, inode, W_OK);
}
