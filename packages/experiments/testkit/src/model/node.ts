/** What the model knows of a file, and the rules that look at one file alone. */
import {
  type Credentials,
  FsError,
  R_OK,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  S_ISUID,
  S_ISVTX,
  type Timespec,
  W_OK,
  X_OK,
} from "@xiplab/core";
import { Content } from "./content.ts";

/** Type bits of a socket are 0o14, so types are compared whole, never bit by bit. */
const S_IXGRP = 0o010;
const ANY_X = 0o111;

export class ModelNode {
  mode: number;
  uid: number;
  gid: number;
  nlink = 1;
  rdev = 0;
  atime: Timespec;
  /** Null: changed through a mapping, at a moment that POSIX leaves open. */
  mtime: Timespec | null;
  ctime: Timespec | null;
  /** Regular files. */
  readonly content = new Content();
  /** Directories. */
  readonly entries = new Map<string, ModelNode>();
  /** Directories: where `..` leads. */
  parent: ModelNode = this;
  /** Symbolic links. */
  target = "";
  readonly xattrs = new Map<string, Uint8Array>();

  constructor(mode: number, who: Credentials, now: Timespec) {
    this.mode = mode;
    this.uid = who.uid;
    this.gid = who.gid;
    this.atime = now;
    this.mtime = now;
    this.ctime = now;
  }

  get type(): number {
    return this.mode & S_IFMT;
  }
  get isDirectory(): boolean {
    return this.type === S_IFDIR;
  }
  get isRegular(): boolean {
    return this.type === S_IFREG;
  }
  get isSymlink(): boolean {
    return this.type === S_IFLNK;
  }

  /** The content or the names changed. */
  changed(now: Timespec): void {
    this.mtime = now;
    this.ctime = now;
  }
}

export function fail(code: ConstructorParameters<typeof FsError>[0]): never {
  throw new FsError(code);
}

export const isRoot = (who: Credentials): boolean => who.uid === 0;
export const inGroup = (who: Credentials, gid: number): boolean =>
  who.gid === gid || who.groups.includes(gid);
export const owns = (who: Credentials, node: ModelNode): boolean =>
  isRoot(who) || who.uid === node.uid;

/** May `who` do all of `want` (R_OK | W_OK | X_OK)? One class of bits counts: owner, group, other. */
export function may(who: Credentials, node: ModelNode, want: number): boolean {
  if (isRoot(who)) {
    return !(want & X_OK) || node.isDirectory || (node.mode & ANY_X) !== 0;
  }
  const shift = who.uid === node.uid ? 6 : inGroup(who, node.gid) ? 3 : 0;
  const granted = (node.mode >> shift) & (R_OK | W_OK | X_OK);
  return (want & ~granted) === 0;
}

/** A sticky directory: only the owner of the file or of the directory removes a name. */
export function stickyForbids(who: Credentials, directory: ModelNode, node: ModelNode): boolean {
  return !!(directory.mode & S_ISVTX) && !owns(who, node) && !owns(who, directory);
}

/** A write by somebody without privileges takes away set-user-id and set-group-id. */
export function dropPrivileges(who: Credentials, node: ModelNode): void {
  if (isRoot(who)) return;
  node.mode &= ~privilegesLostByChange(who, node);
}

/**
 * The set-id bits that a change of owner or content takes away. Set-group-id without group
 * execution means mandatory locking, and stays, unless the actor is no member of the group.
 */
export function privilegesLostByChange(who: Credentials, node: ModelNode): number {
  const member = isRoot(who) || inGroup(who, node.gid);
  const lost = node.mode & S_IXGRP || !member ? S_ISUID | S_ISGID : S_ISUID;
  return node.mode & lost;
}
