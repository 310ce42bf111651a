/**
 * Extended attributes of an inode: in the inode where they fit (xattr/body.ts), else in a block that
 * inodes may share (xattr/block.ts).
 */
import { CTIME, FsError, type Name } from "@xiplab/core";
import { aclFromMedium, aclToMedium } from "./acl.ts";
import * as x from "./format/xattr.ts";
import { writeInode } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import type { Volume } from "./volume.ts";
import { fitsBlock, readBlock, releaseBlock, writeBlock } from "./xattr/block.ts";
import { fitsBody, readBody, writeBody } from "./xattr/body.ts";
import type { Xattr } from "./xattr/entries.ts";

/** What each index stands for. Those of access control lists are whole names. */
const PREFIXES: readonly (readonly [index: number, prefix: string])[] = [
  [x.INDEX_USER, "user."],
  [x.INDEX_TRUSTED, "trusted."],
  [x.INDEX_SECURITY, "security."],
  [x.INDEX_ACL_ACCESS, "system.posix_acl_access"],
  [x.INDEX_ACL_DEFAULT, "system.posix_acl_default"],
];

const isAcl = (index: number): boolean =>
  index === x.INDEX_ACL_ACCESS || index === x.INDEX_ACL_DEFAULT;

/** Blocks that a change may touch: the inode's, the old block's and a new one, with a bitmap and a
 * descriptor for each. */
export const XATTR_CREDITS = 8;

/** The value, or null. @throws CorruptionError */
export function getxattr(volume: Volume, inode: Ext4Inode, name: Name): Uint8Array | null {
  const key = parse(name);
  if (key === null) return null;
  const found = find(readBody(volume, inode), key) ?? find(readBlock(volume, inode), key);
  if (found === undefined) return null;
  return isAcl(found.index) ? aclFromMedium(found.value, `inode ${inode.ino}`) : found.value;
}

/** @throws CorruptionError */
export function listxattr(volume: Volume, inode: Ext4Inode): Name[] {
  const names: Name[] = [];
  for (const { index, name } of [...readBody(volume, inode), ...readBlock(volume, inode)]) {
    const prefix = PREFIXES.find(([known]) => known === index)?.[1];
    if (prefix !== undefined) names.push((prefix + name) as Name);
  }
  return names;
}

/**
 * Set, or with null remove, an attribute, and move ctime.
 * @throws FsError ENOSPC where it does not fit or no block is free: nothing changed; EOPNOTSUPP for
 *   a namespace that there is not; EINVAL for an ACL that is none; CorruptionError
 */
export function setxattr(
  volume: Volume,
  inode: Ext4Inode,
  name: Name,
  value: Uint8Array | null,
): void {
  const change = changeOf(name, value);
  volume.journal.run(XATTR_CREDITS, () => {
    putXattr(volume, inode, change);
    inode.touch(CTIME, volume.clock);
    writeInode(volume, inode);
  });
}

/**
 * Attributes that a new inode has from the start. Inside a handle; the caller writes the inode.
 * @throws FsError ENOSPC: those before may be there, and `dropXattrs` gives them back
 */
export function initXattrs(
  volume: Volume,
  inode: Ext4Inode,
  xattrs: readonly (readonly [name: Name, value: Uint8Array])[],
): void {
  for (const [name, value] of xattrs) putXattr(volume, inode, changeOf(name, value));
}

/** @throws FsError EOPNOTSUPP, EINVAL */
function changeOf(name: Name, value: Uint8Array | null): Change {
  const key = parse(name);
  if (key === null) throw new FsError("EOPNOTSUPP", "no such namespace");
  return { ...key, value: value === null || !isAcl(key.index) ? value : aclToMedium(value) };
}

/** An attribute to set, or with null to remove. */
interface Change {
  readonly index: number;
  readonly name: Name;
  readonly value: Uint8Array | null;
}

/** First into the inode, then into the block; it leaves where it was. The caller writes the inode.
 * @throws FsError ENOSPC: nothing changed */
function putXattr(volume: Volume, inode: Ext4Inode, change: Change): void {
  const body = readBody(volume, inode);
  const block = readBlock(volume, inode);
  const { index, name, value } = change;
  const bodyLess = without(body, change);
  const blockLess = without(block, change);
  const bodyMore = value === null ? bodyLess : [...bodyLess, { index, name, value: value.slice() }];
  if (fitsBody(volume, inode, bodyMore)) {
    // The block first: taking something out of a shared one may need a new one, and fail.
    if (blockLess.length < block.length) writeBlock(volume, inode, blockLess);
    if (body.length > 0 || bodyMore.length > 0) writeBody(volume, inode, bodyMore);
    return;
  }
  const blockMore = [...blockLess, { index, name, value: value!.slice() }];
  if (!fitsBlock(volume, blockMore)) throw new FsError("ENOSPC", "attributes have one block");
  writeBlock(volume, inode, blockMore);
  if (bodyLess.length < body.length) writeBody(volume, inode, bodyLess);
}

/** The inode goes: give its share of a block back. Inside a handle; the caller writes the inode. */
export function dropXattrs(volume: Volume, inode: Ext4Inode): void {
  releaseBlock(volume, inode);
}

type Key = Pick<Xattr, "index" | "name">;

function parse(name: Name): Key | null {
  for (const [index, prefix] of PREFIXES) {
    if (isAcl(index) ? name === prefix : name.startsWith(prefix)) {
      return { index, name: name.slice(prefix.length) as Name };
    }
  }
  return null;
}

const isSame = (a: Key, b: Key): boolean => a.index === b.index && a.name === b.name;

const find = (list: readonly Xattr[], key: Key): Xattr | undefined =>
  list.find((xattr) => isSame(xattr, key));

const without = (list: readonly Xattr[], key: Key): Xattr[] =>
  list.filter((xattr) => !isSame(xattr, key));
