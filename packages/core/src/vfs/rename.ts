/** rename(2) with its flags, in the order of Linux's checks. */
import { assert, FsError } from "../spec/errors.ts";
import type { Inode } from "../spec/inode.ts";
import { isDirectory, RENAME_EXCHANGE, RENAME_NOREPLACE, W_OK } from "../spec/mode.ts";
import type { Name } from "../spec/units.ts";
import { childTowards, lookupChild, replaceChild } from "./dcache.ts";
import { evictIfUnused } from "./icache.ts";
import { syncNames } from "./io.ts";
import { directoryLinkMax, leaveNamespace } from "./namespace.ts";
import { requirePresent, requireSoundLinks } from "./namespace.ts";
import type { Credentials } from "./credentials.ts";
import { requireMayCreate, requireMayDelete, requirePermission } from "./permission.ts";
import type { Superblock } from "./superblock.ts";

/** One end of a rename: what a walk to the parent gives. */
export interface RenameEnd {
  readonly directory: Inode;
  readonly name: Name;
  /** The path ended in a slash. */
  readonly slash: boolean;
}

/** @throws FsError EINVAL for unknown flags, two that exclude each other, or a missing ability */
export function requireRenameFlags(sb: Superblock, flags: number): void {
  const both = RENAME_NOREPLACE | RENAME_EXCHANGE;
  if ((flags & ~both) !== 0 || flags === both) throw new FsError("EINVAL", "rename flags");
  if ((flags & RENAME_EXCHANGE) !== 0) {
    sb.requireCapability(sb.capabilities.renameExchange, "EINVAL");
  }
}

/**
 * Give what is at `source` the name `target`, in the place of what may be there; or, with
 * RENAME_EXCHANGE, swap both. Two names of one file are left alone.
 * @throws FsError EINVAL, EROFS, ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EACCES, EPERM, EBUSY,
 *   EMLINK, ENOSPC
 */
export function rename(
  sb: Superblock,
  credentials: Credentials,
  source: RenameEnd,
  target: RenameEnd,
  flags: number,
): void {
  requireRenameFlags(sb, flags);
  sb.requireWritable();
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const inode = requirePresent(sb, source.directory, source.name);
  const displaced = lookupChild(sb, target.directory, target.name);
  if ((flags & RENAME_NOREPLACE) !== 0 && displaced !== null) throw new FsError("EEXIST");
  requireShape(sb, source, target, inode, displaced, exchange);
  if (inode === displaced) return;

  requireMayDelete(sb, credentials, source.directory, inode, isDirectory(inode.mode));
  if (displaced === null) {
    requireMayCreate(sb, credentials, target.directory);
  } else {
    const wantDirectory = isDirectory((exchange ? displaced : inode).mode);
    requireMayDelete(sb, credentials, target.directory, displaced, wantDirectory);
  }
  requireMove(sb, credentials, source, target, inode, displaced, exchange);
  perform(sb, source, target, inode, displaced, exchange);
}

/** What the shape of the tree and of the paths rules out. */
function requireShape(
  sb: Superblock,
  source: RenameEnd,
  target: RenameEnd,
  inode: Inode,
  displaced: Inode | null,
  exchange: boolean,
): void {
  if (exchange) {
    if (displaced === null) throw new FsError("ENOENT");
    if (target.slash && !isDirectory(displaced.mode)) throw new FsError("ENOTDIR");
  }
  if (!isDirectory(inode.mode)) {
    if (source.slash || (!exchange && target.slash)) throw new FsError("ENOTDIR");
  }
  if (source.directory === target.directory) return;
  if (isDirectory(inode.mode) && childTowards(sb, inode, target.directory) !== null) {
    throw new FsError("EINVAL", "a directory cannot be moved below itself");
  }
  if (displaced === null || !isDirectory(displaced.mode)) return;
  if (childTowards(sb, displaced, source.directory) !== null) {
    throw new FsError(exchange ? "EINVAL" : "ENOTEMPTY");
  }
}

/** What changes for directories when they move: their "..", and the link counts of the parents. */
function requireMove(
  sb: Superblock,
  credentials: Credentials,
  source: RenameEnd,
  target: RenameEnd,
  inode: Inode,
  displaced: Inode | null,
  exchange: boolean,
): void {
  const isMove = source.directory !== target.directory;
  const movesDirectory = isMove && isDirectory(inode.mode);
  const bringsDirectory = exchange && isMove && displaced !== null && isDirectory(displaced.mode);
  if (movesDirectory) requirePermission(sb, credentials, inode, W_OK);
  if (bringsDirectory) requirePermission(sb, credentials, displaced, W_OK);

  const replacesDirectory = displaced !== null && isDirectory(displaced.mode);
  const linkMax = directoryLinkMax(sb.fs);
  if (movesDirectory && !replacesDirectory && target.directory.nlink >= linkMax) {
    throw new FsError("EMLINK");
  }
  if (bringsDirectory && !isDirectory(inode.mode) && source.directory.nlink >= linkMax) {
    throw new FsError("EMLINK");
  }
  if (replacesDirectory && !exchange && !sb.fs.isEmpty(displaced)) throw new FsError("ENOTEMPTY");
}

/** Everything was checked: do it, then bring the caches up to it. */
function perform(
  sb: Superblock,
  source: RenameEnd,
  target: RenameEnd,
  inode: Inode,
  displaced: Inode | null,
  exchange: boolean,
): void {
  assert(inode !== displaced, "two names of one file are left alone");
  if (displaced !== null && !exchange) requireSoundLinks(displaced);
  const { directory: oldDirectory, name: oldName } = source;
  const { directory, name } = target;
  sb.fs.rename(oldDirectory, oldName, directory, name, inode, displaced, exchange);

  // First the old place, then the new one: a directory's parent is what was set last.
  replaceChild(sb, oldDirectory, oldName, inode, null);
  replaceChild(sb, directory, name, displaced, inode);
  if (exchange) replaceChild(sb, oldDirectory, oldName, null, displaced);
  syncNames(sb, directory);
  if (directory !== oldDirectory) syncNames(sb, oldDirectory);
  if (sb.listeners.active) {
    const lost = exchange ? null : displaced;
    const move = { kind: "move", inode, directory, name, oldDirectory, oldName } as const;
    sb.listeners.emit({ ...move, displaced: lost });
    if (exchange) {
      sb.listeners.emit({
        kind: "move",
        inode: displaced!,
        directory: oldDirectory,
        name: oldName,
        oldDirectory: directory,
        oldName: name,
      });
    }
  }
  if (displaced === null || exchange) return;
  leaveNamespace(directory, displaced);
  evictIfUnused(sb, displaced);
}
