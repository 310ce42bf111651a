/** The part of `Task` that makes, finds, moves and removes names. */
import { FsError } from "../spec/errors.ts";
import type { DirListing, Inode } from "../spec/inode.ts";
import { isDirectory, isSymlink, R_OK } from "../spec/mode.ts";
import type { DirBatch } from "../spec/personality.ts";
import type { Name } from "../spec/units.ts";
import { accessed } from "./attributes.ts";
import { listDirectory, sortedListing } from "./directory.ts";
import { begin } from "./icache.ts";
import {
  link,
  mkdir,
  mknod,
  requireNodeType,
  requireTarget,
  rmdir,
  symlink,
  unlink,
} from "./namespace.ts";
import { lookupChild } from "./dcache.ts";
import type { OpenFile } from "./open-file.ts";
import { requireFile } from "./open-file.ts";
import { requirePermission } from "./permission.ts";
import { rename, requireRenameFlags } from "./rename.ts";
import { RENAME_NOREPLACE } from "../spec/mode.ts";
import { TaskBase } from "./task-base.ts";
import { LAST_DOT, LAST_DOTDOT, LAST_NAME, LAST_ROOT, type Walk, walkParent } from "./walk.ts";

export class TaskNames extends TaskBase {
  /** @throws FsError EEXIST, ENOENT, ENOTDIR, EACCES, EROFS, EMLINK, ENOSPC */
  mkdir(path: Name, mode = 0o777): void {
    try {
      const walk = this.findNew(path, true);
      mkdir(this.sb, this.credentials, walk.directory, walk.name, mode, this.umask);
    } catch (error) {
      throw this.failed(error, "mkdir", path);
    }
  }

  /** A node of the type in `mode` (S_IFMT); devices take root.
   * @throws FsError EEXIST, EPERM, EINVAL, ENOENT, ENOTDIR, EACCES, EROFS, ENOSPC */
  mknod(path: Name, mode: number, rdev = 0): void {
    try {
      requireNodeType(mode);
      const walk = this.findNew(path, false);
      mknod(this.sb, this.credentials, walk.directory, walk.name, mode, this.umask, rdev);
    } catch (error) {
      throw this.failed(error, "mknod", path);
    }
  }

  /** @throws FsError EEXIST, ENOENT, ENOTDIR, EACCES, EPERM, ENAMETOOLONG, EROFS, ENOSPC */
  symlink(target: Name, path: Name): void {
    try {
      requireTarget(target);
      const walk = this.findNew(path, false);
      symlink(this.sb, this.credentials, walk.directory, walk.name, target);
    } catch (error) {
      throw this.failed(error, "symlink", target, path);
    }
  }

  /** Another name for what `oldPath` names; a symbolic link there is not followed.
   * @throws FsError EEXIST, ENOENT, EPERM, EMLINK, EACCES, EROFS, ENOSPC */
  link(oldPath: Name, newPath: Name): void {
    try {
      const inode = this.find(oldPath, false);
      const walk = this.findNewAgain(newPath, false);
      link(this.sb, this.credentials, inode, walk.directory, walk.name, false);
    } catch (error) {
      throw this.failed(error, "link", oldPath, newPath);
    }
  }

  /**
   * Give an open file a name: what makes a file of O_TMPFILE stay, unless it was opened with O_EXCL.
   * @throws FsError EBADF, ENOENT, EEXIST, EPERM, EACCES, EROFS, ENOSPC
   */
  linkFile(file: OpenFile, path: Name): void {
    try {
      requireFile(this.sb, file);
      const walk = this.findNew(path, false);
      const { isLinkable } = file;
      link(this.sb, this.credentials, file.inode, walk.directory, walk.name, isLinkable);
      file.isLinkable = false;
    } catch (error) {
      throw this.failed(error, "link", undefined, path);
    }
  }

  /** What a symbolic link points at. @throws FsError EINVAL where it is none, ENOENT, EACCES */
  readlink(path: Name): Name {
    try {
      const inode = this.find(path, false);
      if (!isSymlink(inode.mode)) throw new FsError("EINVAL");
      accessed(this.sb, inode);
      return this.sb.fs.readlink(inode);
    } catch (error) {
      throw this.failed(error, "readlink", path);
    }
  }

  /** @throws FsError ENOENT, EISDIR, ENOTDIR, EACCES, EPERM, EROFS */
  unlink(path: Name): void {
    try {
      begin(this.sb);
      const { walk } = this;
      walkParent(this.sb, this.credentials, path, walk);
      if (walk.last !== LAST_NAME) throw new FsError("EISDIR");
      unlink(this.sb, this.credentials, walk.directory, walk.name, walk.slash);
    } catch (error) {
      throw this.failed(error, "unlink", path);
    }
  }

  /** @throws FsError ENOENT, ENOTDIR, ENOTEMPTY, EBUSY (root), EINVAL ("."), EACCES, EPERM, EROFS */
  rmdir(path: Name): void {
    try {
      begin(this.sb);
      const { walk } = this;
      walkParent(this.sb, this.credentials, path, walk);
      if (walk.last === LAST_DOTDOT) throw new FsError("ENOTEMPTY");
      if (walk.last === LAST_DOT) throw new FsError("EINVAL");
      if (walk.last === LAST_ROOT) throw new FsError("EBUSY");
      rmdir(this.sb, this.credentials, walk.directory, walk.name);
    } catch (error) {
      throw this.failed(error, "rmdir", path);
    }
  }

  /** `flags`: RENAME_NOREPLACE or RENAME_EXCHANGE. @throws FsError as rename(2) */
  rename(oldPath: Name, newPath: Name, flags = 0): void {
    try {
      requireRenameFlags(this.sb, flags);
      begin(this.sb);
      const { walk, otherWalk } = this;
      walkParent(this.sb, this.credentials, oldPath, walk);
      walkParent(this.sb, this.credentials, newPath, otherWalk);
      if (walk.last !== LAST_NAME) throw new FsError("EBUSY");
      if (otherWalk.last !== LAST_NAME) {
        throw new FsError((flags & RENAME_NOREPLACE) !== 0 ? "EEXIST" : "EBUSY");
      }
      rename(this.sb, this.credentials, walk, otherWalk, flags);
    } catch (error) {
      throw this.failed(error, "rename", oldPath, newPath);
    }
  }

  /** The names in a directory, without "." and "..", in the personality's order.
   * @throws FsError ENOENT, ENOTDIR, EACCES */
  readdir(path: Name): Name[] {
    return this.scandir(path).names;
  }

  /** All names but "." and "..", in the order of their bytes, as names and as text. The listing is
   * shared: it must not be changed. HOT. @throws FsError as readdir */
  list(path: Name): DirListing {
    try {
      return sortedListing(this.sb, this.findToList(path));
    } catch (error) {
      throw this.failed(error, "scandir", path);
    }
  }

  /** As readdir, with inode numbers and types (DT_*). The cookies mean nothing here. */
  scandir(path: Name): DirBatch {
    try {
      return listDirectory(this.sb, this.findToList(path));
    } catch (error) {
      throw this.failed(error, "scandir", path);
    }
  }

  private findToList(path: Name): Inode {
    const directory = this.find(path, true);
    if (!isDirectory(directory.mode)) throw new FsError("ENOTDIR");
    requirePermission(this.sb, this.credentials, directory, R_OK);
    return directory;
  }

  /** Walk to where something new is to be: a name, with a slash behind it only for a directory. */
  private findNew(path: Name, isDir: boolean): Walk {
    begin(this.sb);
    return this.walkToNew(path, isDir, this.walk);
  }

  /** The second walk of a call: no inode of the first one may leave memory in between. */
  private findNewAgain(path: Name, isDir: boolean): Walk {
    return this.walkToNew(path, isDir, this.otherWalk);
  }

  private walkToNew(path: Name, isDir: boolean, walk: Walk): Walk {
    walkParent(this.sb, this.credentials, path, walk);
    if (walk.last !== LAST_NAME) throw new FsError("EEXIST");
    if (walk.slash && !isDir) this.refuseSlash(walk);
    return walk;
  }

  /** Only a directory can be made by a path that ends in a slash. */
  private refuseSlash(walk: Walk): never {
    const inode: Inode | null = lookupChild(this.sb, walk.directory, walk.name);
    throw new FsError(inode === null ? "ENOENT" : "EEXIST");
  }
}
