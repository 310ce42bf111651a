/**
 * POSIX access control lists (IEEE 1003.1e draft 17, acl(5)) and the form in which programs see them:
 * the value of the extended attributes `system.posix_acl_access` and `system.posix_acl_default`.
 *
 * A personality with the capability `posixAcls` takes and gives values in this form, whatever stands
 * on its medium. All rules (who may, inheritance, mode bits) are the vfs's.
 *
 *   0x0 version u32le = 2, then entries of 8 bytes: tag u16le, perm u16le, id u32le
 */
import { assert, FsError } from "./errors.ts";
import type { Name } from "./units.ts";

export const XATTR_ACL_ACCESS = "system.posix_acl_access" as Name;
export const XATTR_ACL_DEFAULT = "system.posix_acl_default" as Name;

/** Who an entry is for. */
export const ACL_USER_OBJ = 0x01;
export const ACL_USER = 0x02;
export const ACL_GROUP_OBJ = 0x04;
export const ACL_GROUP = 0x08;
export const ACL_MASK = 0x10;
export const ACL_OTHER = 0x20;
/** The id of entries that name nobody. */
export const ACL_UNDEFINED_ID = 0xffffffff;

const VERSION = 2;
const HEADER_SIZE = 4;
const ENTRY_SIZE = 8;

export interface AclEntry {
  /** ACL_*. */
  readonly tag: number;
  /** R_OK | W_OK | X_OK. */
  readonly perm: number;
  /** Of ACL_USER and ACL_GROUP; else ACL_UNDEFINED_ID. */
  readonly id: number;
}
export type Acl = readonly AclEntry[];

/**
 * The list in an attribute's value; empty where it has no entries. Whether the entries make a valid
 * list is another question: `isValidAcl`.
 * @throws FsError EINVAL for what is no list, EOPNOTSUPP for another version
 */
export function parseAcl(value: Uint8Array): Acl {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (value.length < HEADER_SIZE) throw new FsError("EINVAL", "no access control list");
  if (view.getUint32(0, true) !== VERSION) throw new FsError("EOPNOTSUPP", "version of the list");
  if ((value.length - HEADER_SIZE) % ENTRY_SIZE !== 0) throw new FsError("EINVAL", "half an entry");
  const acl: AclEntry[] = [];
  for (let at = HEADER_SIZE; at < value.length; at += ENTRY_SIZE) {
    const tag = view.getUint16(at, true);
    const named = tag === ACL_USER || tag === ACL_GROUP;
    const id = named ? view.getUint32(at + 4, true) : ACL_UNDEFINED_ID;
    const isKnown = named || ORDER.includes(tag);
    if (!isKnown || (named && id === ACL_UNDEFINED_ID)) throw new FsError("EINVAL", "a list entry");
    acl.push({ tag, perm: view.getUint16(at + 2, true), id });
  }
  return acl;
}

/** The value of the attribute for a list. */
export function formatAcl(acl: Acl): Uint8Array {
  assert(acl.length > 0, "a list has entries");
  const value = new Uint8Array(HEADER_SIZE + acl.length * ENTRY_SIZE);
  const view = new DataView(value.buffer);
  view.setUint32(0, VERSION, true);
  for (const [index, { tag, perm, id }] of acl.entries()) {
    const at = HEADER_SIZE + index * ENTRY_SIZE;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, perm, true);
    view.setUint32(at + 4, id, true);
  }
  return value;
}

/** The order in which entries stand. */
const ORDER: readonly number[] = [
  ACL_USER_OBJ,
  ACL_USER,
  ACL_GROUP_OBJ,
  ACL_GROUP,
  ACL_MASK,
  ACL_OTHER,
];

/** One each for owner, group and others, in order, and a mask where somebody is named. */
export function isValidAcl(acl: Acl): boolean {
  let last = -1;
  let seen = 0;
  for (const { tag, perm } of acl) {
    const place = ORDER.indexOf(tag);
    const repeats = tag === ACL_USER || tag === ACL_GROUP;
    if (place < last || (place === last && !repeats) || (perm & ~7) !== 0) return false;
    last = place;
    seen |= tag;
  }
  const base = ACL_USER_OBJ | ACL_GROUP_OBJ | ACL_OTHER;
  const needsMask = (seen & (ACL_USER | ACL_GROUP)) !== 0;
  return (seen & base) === base && (!needsMask || (seen & ACL_MASK) !== 0);
}
