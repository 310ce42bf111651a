/**
 * POSIX access control lists between the form that programs see (`spec/acl.ts` of core: entries of 8
 * bytes) and the one on the medium: version 1, in which entries that name nobody have 4.
 * Ref: Linux fs/ext4/acl.h; acl(5)
 */
import { type Acl, ACL_GROUP, ACL_UNDEFINED_ID, ACL_USER, corrupt } from "@xiplab/core";
import { type AclEntry, formatAcl, FsError, isValidAcl, parseAcl } from "@xiplab/core";

const VERSION = 1;
const HEADER_SIZE = 4;
/** Tag, permissions. */
const SHORT_SIZE = 4;
/** Tag, permissions, id. */
const LONG_SIZE = 8;

const sizeOf = (tag: number): number =>
  tag === ACL_USER || tag === ACL_GROUP ? LONG_SIZE : SHORT_SIZE;

/** @throws FsError EOPNOTSUPP for another version, EINVAL for a list that is none */
export function aclToMedium(value: Uint8Array): Uint8Array {
  const acl = parseAcl(value);
  if (!isValidAcl(acl)) throw new FsError("EINVAL", "an access control list");
  const size = acl.reduce((sum, { tag }) => sum + sizeOf(tag), HEADER_SIZE);
  const stored = new Uint8Array(size);
  const view = viewOf(stored);
  view.setUint32(0, VERSION, true);
  let at = HEADER_SIZE;
  for (const { tag, perm, id } of acl) {
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, perm, true);
    if (sizeOf(tag) === LONG_SIZE) view.setUint32(at + SHORT_SIZE, id, true);
    at += sizeOf(tag);
  }
  return stored;
}

/** @throws CorruptionError */
export function aclFromMedium(stored: Uint8Array, where: string): Uint8Array {
  const view = viewOf(stored);
  const version = stored.length >= HEADER_SIZE ? view.getUint32(0, true) : -1;
  if (version !== VERSION) corrupt("ext4_acl_header", where, "version", version, VERSION);
  const acl = readEntries(view, where);
  if (!isValidAcl(acl)) corrupt("ext4_acl_entry", where, "entries", acl.length, "a valid list");
  return formatAcl(acl);
}

function readEntries(view: DataView, where: string): Acl {
  const acl: AclEntry[] = [];
  const { byteLength } = view;
  for (let at = HEADER_SIZE; at < byteLength;) {
    const tag = at + SHORT_SIZE <= byteLength ? view.getUint16(at, true) : 0;
    const end = at + sizeOf(tag);
    if (end > byteLength) corrupt("ext4_acl_entry", where, "size", byteLength, end);
    const id = sizeOf(tag) === LONG_SIZE ? view.getUint32(at + SHORT_SIZE, true) : ACL_UNDEFINED_ID;
    acl.push({ tag, perm: view.getUint16(at + 2, true), id });
    at = end;
  }
  return acl;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
