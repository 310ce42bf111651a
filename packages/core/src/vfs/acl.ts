/**
 * POSIX access control lists: who may do what by them, what a new file gets of them, and how they and
 * the mode bits follow one another. The rules are those of POSIX 1003.1e draft 17 (acl(5)).
 *
 * The group bits of a mode are the mask of the list, if it has one: no member of the group class has
 * more. The owner's and others' bits are those of their entries.
 */
import {
  type Acl,
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_USER,
  ACL_USER_OBJ,
  type AclEntry,
  formatAcl,
  isValidAcl,
  parseAcl,
  XATTR_ACL_ACCESS,
  XATTR_ACL_DEFAULT,
} from "../spec/acl.ts";
import { assert, FsError } from "../spec/errors.ts";
import type { Inode } from "../spec/inode.ts";
import { isDirectory, isSymlink } from "../spec/mode.ts";
import type { NewInode } from "../spec/personality.ts";
import type { Name } from "../spec/units.ts";
import { type Credentials, isInGroup } from "./credentials.ts";
import type { Superblock } from "./superblock.ts";

/** Permission bits of owner, group and others. */
export const PERMISSIONS = 0o777;

/** What decides about accesses to the inode, beside its mode; null: nothing. */
export function accessAclOf(sb: Superblock, inode: Inode): Acl | null {
  if (inode.acl === undefined) inode.acl = readAcl(sb, inode, XATTR_ACL_ACCESS);
  return inode.acl;
}

/** What new files in the directory get; null: nothing. */
export function defaultAclOf(sb: Superblock, directory: Inode): Acl | null {
  if (directory.defaultAcl === undefined) {
    directory.defaultAcl = readAcl(sb, directory, XATTR_ACL_DEFAULT);
  }
  return directory.defaultAcl;
}

/** @throws FsError EIO where the design gives no valid list */
function readAcl(sb: Superblock, inode: Inode, name: Name): Acl | null {
  if (sb.capabilities.posixAcls !== true || isSymlink(inode.mode)) return null;
  const value = sb.fs.getxattr(inode, name);
  if (value === null) return null;
  const acl = parseAcl(value);
  if (!isValidAcl(acl)) throw new FsError("EIO", "the access control list is not valid");
  return acl;
}

/**
 * Does the list permit `mask` to who is not the owner? An entry that names the caller decides; of
 * the groups that he is in one must permit all of it; the mask binds both.
 */
export function permitsByAcl(
  credentials: Credentials,
  inode: Inode,
  acl: Acl,
  mask: number,
): boolean {
  let inSomeGroup = false;
  for (const entry of acl) {
    switch (entry.tag) {
      case ACL_USER:
        if (entry.id === credentials.uid) return permits(entry.perm & maskOf(acl), mask);
        break;
      case ACL_GROUP_OBJ:
      case ACL_GROUP: {
        const gid = entry.tag === ACL_GROUP ? entry.id : inode.gid;
        if (!isInGroup(credentials, gid)) break;
        inSomeGroup = true;
        if (permits(entry.perm, mask)) return permits(maskOf(acl), mask);
        break;
      }
      case ACL_OTHER:
        return !inSomeGroup && permits(entry.perm, mask);
      default:
        break;
    }
  }
  assert(false, "a valid list ends with the entry for others");
  return false;
}

const permits = (perm: number, mask: number): boolean => (perm & mask) === mask;

/** Everything, where the list has no mask. */
const maskOf = (acl: Acl): number => acl.find(({ tag }) => tag === ACL_MASK)?.perm ?? 7;

/** What a new inode gets of the directory's default list: its mode, and its own lists. */
export interface Inherited {
  readonly mode: number;
  readonly acl: Acl | null;
  readonly defaultAcl: Acl | null;
}

/**
 * Without a default list the umask counts. With one it does not: the list becomes the file's own, but
 * grants no more than the mode that was asked for; a directory also hands it on.
 */
export function inheritAcl(
  sb: Superblock,
  directory: Inode,
  mode: number,
  umask: number,
): Inherited {
  if (isSymlink(mode)) return { mode, acl: null, defaultAcl: null };
  const inherited = defaultAclOf(sb, directory);
  if (inherited === null) return { mode: mode & ~umask, acl: null, defaultAcl: null };
  const asked = withMode(inherited, (perm, bits) => perm & bits, mode);
  const own = (mode & ~PERMISSIONS) | modeOf(asked);
  const defaultAcl = isDirectory(mode) ? inherited : null;
  return { mode: own, acl: isMinimal(asked) ? null : asked, defaultAcl };
}

/** The lists of a new inode as the attributes that the design is to store with it. */
export function inheritedXattrs({ acl, defaultAcl }: Inherited): NewInode["xattrs"] {
  if (acl === null && defaultAcl === null) return undefined;
  const xattrs: Array<readonly [Name, Uint8Array]> = [];
  if (acl !== null) xattrs.push([XATTR_ACL_ACCESS, formatAcl(acl)]);
  if (defaultAcl !== null) xattrs.push([XATTR_ACL_DEFAULT, formatAcl(defaultAcl)]);
  return xattrs;
}

/** The list after a chmod to `mode`: owner, mask (or, without one, group) and others follow. */
export function aclForMode(acl: Acl, mode: number): Acl {
  return withMode(acl, (_perm, bits) => bits, mode);
}

/** Entries that mode bits stand for get `change(perm, bits)`. */
function withMode(acl: Acl, change: (perm: number, bits: number) => number, mode: number): Acl {
  const groupTag = acl.some(({ tag }) => tag === ACL_MASK) ? ACL_MASK : ACL_GROUP_OBJ;
  const bitsOf = (tag: number): number | null => {
    if (tag === ACL_USER_OBJ) return (mode >> 6) & 7;
    if (tag === groupTag) return (mode >> 3) & 7;
    return tag === ACL_OTHER ? mode & 7 : null;
  };
  return acl.map((entry): AclEntry => {
    const bits = bitsOf(entry.tag);
    return bits === null ? entry : { ...entry, perm: change(entry.perm, bits) };
  });
}

/** The permission bits that say what the list says, as far as they can. */
export function modeOf(acl: Acl): number {
  const permOf = (tag: number): number => acl.find((entry) => entry.tag === tag)?.perm ?? 0;
  const hasMask = acl.some(({ tag }) => tag === ACL_MASK);
  const group = permOf(hasMask ? ACL_MASK : ACL_GROUP_OBJ);
  return permOf(ACL_USER_OBJ) * 0o100 + group * 0o10 + permOf(ACL_OTHER);
}

/** Do mode bits say all of it? Then no list is kept. */
export const isMinimal = (acl: Acl): boolean =>
  acl.every(({ tag }) => tag === ACL_USER_OBJ || tag === ACL_GROUP_OBJ || tag === ACL_OTHER);
