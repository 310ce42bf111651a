/**
 * POSIX access control lists, between the form that programs see (the value of the attributes
 * system.posix_acl_access and _default, version 2) and the one on the medium (version 1), in which
 * entries without an id are half as long.
 * Ref: Linux include/uapi/linux/posix_acl_xattr.h; acl(5)
 */
import { corrupt, FsError } from "@xiplab/core";

const VERSION_SEEN = 2;
const VERSION_STORED = 1;
const HEADER_SIZE = 4;
/** Tag, permissions. */
const SHORT_SIZE = 4;
/** Tag, permissions, id. */
const LONG_SIZE = 8;
/** What stands for "no id" where programs look. */
const NO_ID = 0xffffffff;

const USER_OBJ = 0x01;
const USER = 0x02;
const GROUP_OBJ = 0x04;
const GROUP = 0x08;
const MASK = 0x10;
const OTHER = 0x20;

interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  readonly id: number;
}

const hasId = (tag: number): boolean => tag === USER || tag === GROUP;

/** @throws FsError EOPNOTSUPP for another version, EINVAL for a list that is none */
export function aclToMedium(value: Uint8Array): Uint8Array {
  const view = viewOf(value);
  if (value.length < HEADER_SIZE) throw new FsError("EINVAL", "an ACL has a header");
  if (view.getUint32(0, true) !== VERSION_SEEN) throw new FsError("EOPNOTSUPP", "ACL version 2");
  const wrong = (value.length - HEADER_SIZE) % LONG_SIZE !== 0;
  if (wrong) throw new FsError("EINVAL", "ACL entries have 8 bytes");
  const entries: AclEntry[] = [];
  for (let at = HEADER_SIZE; at < value.length; at += LONG_SIZE) entries.push(entryAt(view, at));
  const reason = reasonAgainst(entries);
  if (reason !== null) throw new FsError("EINVAL", reason);
  const size = entries.reduce((sum, { tag }) => sum + (hasId(tag) ? LONG_SIZE : SHORT_SIZE), 4);
  return encode(entries, VERSION_STORED, size, false);
}

/** @throws CorruptionError */
export function aclFromMedium(stored: Uint8Array, where: string): Uint8Array {
  const view = viewOf(stored);
  const version = stored.length >= HEADER_SIZE ? view.getUint32(0, true) : -1;
  if (version !== VERSION_STORED) corrupt("ext4_acl_header", where, "version", version, 1);
  const entries: AclEntry[] = [];
  for (let at = HEADER_SIZE; at < stored.length;) {
    const long = at + SHORT_SIZE <= stored.length && hasId(view.getUint16(at, true));
    const end = at + (long ? LONG_SIZE : SHORT_SIZE);
    if (end > stored.length) corrupt("ext4_acl_entry", where, "size", stored.length, end);
    entries.push(long ? entryAt(view, at) : { ...entryOf(view, at), id: NO_ID });
    at = end;
  }
  const reason = reasonAgainst(entries);
  if (reason !== null) corrupt("ext4_acl_entry", where, "entries", entries.length, reason);
  return encode(entries, VERSION_SEEN, HEADER_SIZE + entries.length * LONG_SIZE, true);
}

function encode(
  entries: readonly AclEntry[],
  version: number,
  size: number,
  allLong: boolean,
): Uint8Array {
  const value = new Uint8Array(size);
  const view = viewOf(value);
  view.setUint32(0, version, true);
  let at = HEADER_SIZE;
  for (const { tag, permissions, id } of entries) {
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, permissions, true);
    const long = allLong || hasId(tag);
    if (long) view.setUint32(at + SHORT_SIZE, hasId(tag) ? id : NO_ID, true);
    at += long ? LONG_SIZE : SHORT_SIZE;
  }
  return value;
}

/** The order of a list, each step once but for named users and groups; null where it is kept. */
function reasonAgainst(entries: readonly AclEntry[]): string | null {
  const order = [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER];
  let step = -1;
  for (const { tag, permissions } of entries) {
    if (permissions > 7) return "permissions are 0 to 7";
    const next = order.indexOf(tag);
    if (next < 0) return "a tag that is none";
    if (next < step || (next === step && !hasId(tag))) return "entries in order, and once";
    step = next;
  }
  const has = (tag: number): boolean => entries.some((entry) => entry.tag === tag);
  if (entries.length === 0) return null;
  if (!has(USER_OBJ) || !has(GROUP_OBJ) || !has(OTHER)) return "an owner, a group, and others";
  if ((has(USER) || has(GROUP)) && !has(MASK)) return "a mask, with named users or groups";
  return null;
}

const entryOf = (view: DataView, at: number) => ({
  tag: view.getUint16(at, true),
  permissions: view.getUint16(at + 2, true),
});

const entryAt = (view: DataView, at: number): AclEntry => ({
  ...entryOf(view, at),
  id: view.getUint32(at + SHORT_SIZE, true),
});

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
