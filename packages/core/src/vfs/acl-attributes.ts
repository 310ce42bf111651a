/** Access control lists as programs set and get them: extended attributes, and chmod. */
import {
  type Acl,
  formatAcl,
  isValidAcl,
  parseAcl,
  XATTR_ACL_ACCESS,
  XATTR_ACL_DEFAULT,
} from "../spec/acl.ts";
import { FsError } from "../spec/errors.ts";
import { CTIME, INODE_APPEND, INODE_IMMUTABLE, type Inode } from "../spec/inode.ts";
import { isDirectory, isSymlink } from "../spec/mode.ts";
import type { Name } from "../spec/units.ts";
import { accessAclOf, defaultAclOf, isMinimal, modeOf, PERMISSIONS } from "./acl.ts";
import type { Credentials } from "./credentials.ts";
import { isOwnerOrRoot, modeForGroup } from "./permission.ts";
import type { Superblock } from "./superblock.ts";

/** Is the extended attribute a list? */
export const isAclName = (name: Name): boolean =>
  name === XATTR_ACL_ACCESS || name === XATTR_ACL_DEFAULT;

/** The value of a list's attribute. Reading it takes no permission.
 * @throws FsError EOPNOTSUPP, ENODATA */
export function getAcl(sb: Superblock, inode: Inode, name: Name): Uint8Array {
  requireAcls(sb, inode);
  const acl = name === XATTR_ACL_ACCESS ? accessAclOf(sb, inode) : defaultAclOf(sb, inode);
  if (acl === null) throw new FsError("ENODATA");
  return formatAcl(acl);
}

/**
 * Set a list, or with null remove it; removing none is no error. An access list sets the permission
 * bits of the mode too, in the same transaction, and one that says no more than they is not kept.
 * @throws FsError EOPNOTSUPP, EINVAL (no list), EROFS, EPERM, EACCES (a default list of a file),
 *   ENOSPC
 */
export function setAcl(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  name: Name,
  value: Uint8Array | null,
): void {
  sb.requireWritable();
  const given = value === null || value.length === 0 ? [] : parseAcl(value);
  const acl = given.length === 0 ? null : given;
  if ((inode.flags & (INODE_IMMUTABLE | INODE_APPEND)) !== 0) throw new FsError("EPERM");
  requireAcls(sb, inode);
  const isDefault = name === XATTR_ACL_DEFAULT;
  if (isDefault && !isDirectory(inode.mode)) {
    if (acl !== null) throw new FsError("EACCES", "a default list is a directory's");
    return;
  }
  if (!isOwnerOrRoot(credentials, inode)) throw new FsError("EPERM");
  if (acl !== null && !isValidAcl(acl)) throw new FsError("EINVAL", "not a valid list");
  sb.actAs(credentials);
  if (!isDefault && acl !== null) {
    setAccessAcl(sb, inode, acl, modeForGroup(credentials, inode, inode.mode));
    return;
  }
  if (acl !== null) sb.fs.setxattr(inode, name, formatAcl(acl));
  else remove(sb, inode, name);
  if (isDefault) inode.defaultAcl = acl;
  else inode.acl = null;
}

/**
 * Store the access list, and the mode, whose permission bits come from it, in one transaction. On
 * failure both are as before.
 */
export function setAccessAcl(sb: Superblock, inode: Inode, acl: Acl, mode: number): void {
  const { mode: before } = inode;
  inode.mode = (mode & ~PERMISSIONS) | modeOf(acl);
  const kept = isMinimal(acl) ? null : acl;
  try {
    if (kept !== null) {
      sb.fs.setxattr(inode, XATTR_ACL_ACCESS, formatAcl(kept));
    } else if (!remove(sb, inode, XATTR_ACL_ACCESS) && inode.mode !== before) {
      inode.touch(CTIME, sb.clock);
      sb.fs.updateInode(inode);
    }
  } catch (error) {
    inode.mode = before;
    throw error;
  }
  inode.acl = kept;
}

/** Returns whether there was something to remove. */
function remove(sb: Superblock, inode: Inode, name: Name): boolean {
  if (sb.fs.getxattr(inode, name) === null) return false;
  sb.fs.setxattr(inode, name, null);
  return true;
}

/** @throws FsError EOPNOTSUPP */
function requireAcls(sb: Superblock, inode: Inode): void {
  sb.requireCapability(sb.capabilities.posixAcls, "EOPNOTSUPP");
  if (isSymlink(inode.mode)) throw new FsError("EOPNOTSUPP", "a symbolic link has no list");
}
