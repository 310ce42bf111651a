/**
 * A mount as a program sees it: paths and open files, with credentials and a umask. Errors carry
 * `code`, `errno`, `syscall` (named as in Node's fs), `path` and `dest`, as text.
 *
 * Names, then open files, then attributes: one class in three files.
 */
import { FsError } from "../spec/errors.ts";
import type { Timespec } from "../spec/inode.ts";
import { F_OK } from "../spec/mode.ts";
import type { StatFs } from "../spec/personality.ts";
import type { Name } from "../spec/units.ts";
import { chmod, chown, isNoTime, type Stat, statOf, utimens } from "./attributes.ts";
import { begin } from "./icache.ts";
import { syncAll, truncatePath } from "./io.ts";
import { type OpenFile, requireFile, requirePlace } from "./open-file.ts";
import { access, requireAccessMode } from "./permission.ts";
import { TaskFiles } from "./task-files.ts";
import { tryFindPath } from "./walk.ts";
import { getxattr, listxattr, removexattr, requireXattrArguments, setxattr } from "./xattr.ts";

export class Task extends TaskFiles {
  /** HOT. @throws FsError ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG */
  stat(path: Name): Stat {
    try {
      return statOf(this.sb, this.find(path, true));
    } catch (error) {
      throw this.failed(error, "stat", path);
    }
  }

  /** As stat, of a symbolic link itself. HOT. */
  lstat(path: Name): Stat {
    try {
      return statOf(this.sb, this.find(path, false));
    } catch (error) {
      throw this.failed(error, "lstat", path);
    }
  }

  /** As stat or (`follow` false) lstat, but null where the last name does not exist: a miss costs no
   * error object. A missing directory on the way is an error. HOT. */
  tryStat(path: Name, follow = true): Stat | null {
    try {
      begin(this.sb);
      const inode = tryFindPath(this.sb, this.credentials, path, follow, this.walk);
      return inode === null ? null : statOf(this.sb, inode);
    } catch (error) {
      throw this.failed(error, follow ? "stat" : "lstat", path);
    }
  }

  /** @throws FsError EBADF */
  fstat(file: OpenFile): Stat {
    try {
      requirePlace(this.sb, file);
      return statOf(this.sb, file.inode);
    } catch (error) {
      throw this.failed(error, "fstat");
    }
  }

  statfs(): StatFs {
    try {
      begin(this.sb);
      return this.sb.fs.statfs();
    } catch (error) {
      throw this.failed(error, "statfs");
    }
  }

  /** Everything that was written to the mount so far becomes durable. @throws FsError EIO, ENOSPC */
  syncfs(): void {
    try {
      begin(this.sb);
      syncAll(this.sb);
    } catch (error) {
      throw this.failed(error, "syncfs");
    }
  }

  /** `mode`: F_OK, or R_OK, W_OK, X_OK together. @throws FsError ENOENT, EACCES, EROFS, EINVAL */
  access(path: Name, mode = F_OK): void {
    try {
      requireAccessMode(mode);
      access(this.sb, this.credentials, this.find(path, true), mode);
    } catch (error) {
      throw this.failed(error, "access", path);
    }
  }

  /** @throws FsError ENOENT, EISDIR, EINVAL, EACCES, EPERM, EFBIG, EROFS, ENOSPC */
  truncate(path: Name, size: number): void {
    try {
      if (!(size >= 0)) throw new FsError("EINVAL", "size");
      truncatePath(this.sb, this.credentials, this.find(path, true), size);
    } catch (error) {
      throw this.failed(error, "truncate", path);
    }
  }

  /** @throws FsError ENOENT, EPERM, EROFS */
  chmod(path: Name, mode: number): void {
    try {
      chmod(this.sb, this.credentials, this.find(path, true), mode);
    } catch (error) {
      throw this.failed(error, "chmod", path);
    }
  }

  /** @throws FsError EBADF, EPERM, EROFS */
  fchmod(file: OpenFile, mode: number): void {
    try {
      requireFile(this.sb, file);
      chmod(this.sb, this.credentials, file.inode, mode);
    } catch (error) {
      throw this.failed(error, "fchmod");
    }
  }

  /** -1 leaves the owner or the group. @throws FsError ENOENT, EPERM, EROFS */
  chown(path: Name, uid: number, gid: number): void {
    try {
      chown(this.sb, this.credentials, this.find(path, true), uid, gid);
    } catch (error) {
      throw this.failed(error, "chown", path);
    }
  }

  /** As chown, of a symbolic link itself. */
  lchown(path: Name, uid: number, gid: number): void {
    try {
      chown(this.sb, this.credentials, this.find(path, false), uid, gid);
    } catch (error) {
      throw this.failed(error, "lchown", path);
    }
  }

  /** @throws FsError EBADF, EPERM, EROFS */
  fchown(file: OpenFile, uid: number, gid: number): void {
    try {
      requireFile(this.sb, file);
      chown(this.sb, this.credentials, file.inode, uid, gid);
    } catch (error) {
      throw this.failed(error, "fchown");
    }
  }

  /** Set times; nsec may be UTIME_NOW or UTIME_OMIT. `follow` false: of a symbolic link itself.
   * @throws FsError ENOENT, EPERM, EACCES, EINVAL, EROFS */
  utimens(path: Name, atime: Timespec, mtime: Timespec, follow = true): void {
    try {
      if (isNoTime(atime, mtime)) return;
      utimens(this.sb, this.credentials, this.find(path, follow), atime, mtime);
    } catch (error) {
      throw this.failed(error, follow ? "utime" : "lutime", path);
    }
  }

  /** @throws FsError EBADF, EPERM, EACCES, EINVAL, EROFS */
  futimens(file: OpenFile, atime: Timespec, mtime: Timespec): void {
    try {
      requireFile(this.sb, file);
      utimens(this.sb, this.credentials, file.inode, atime, mtime);
    } catch (error) {
      throw this.failed(error, "futime");
    }
  }

  /** The value of an extended attribute. @throws FsError ENODATA, EOPNOTSUPP, ERANGE, EACCES */
  getxattr(path: Name, name: Name, follow = true): Uint8Array {
    try {
      requireXattrArguments(name);
      return getxattr(this.sb, this.credentials, this.find(path, follow), name);
    } catch (error) {
      throw this.failed(error, "getxattr", path);
    }
  }

  /** `flags`: XATTR_CREATE or XATTR_REPLACE.
   * @throws FsError EEXIST, ENODATA, EOPNOTSUPP, EPERM, EACCES, E2BIG, ERANGE, EROFS, ENOSPC */
  setxattr(path: Name, name: Name, value: Uint8Array, flags = 0, follow = true): void {
    try {
      requireXattrArguments(name, value.length, flags);
      setxattr(this.sb, this.credentials, this.find(path, follow), name, value, flags);
    } catch (error) {
      throw this.failed(error, "setxattr", path);
    }
  }

  /** @throws FsError EOPNOTSUPP */
  listxattr(path: Name, follow = true): Name[] {
    try {
      return listxattr(this.sb, this.credentials, this.find(path, follow));
    } catch (error) {
      throw this.failed(error, "listxattr", path);
    }
  }

  /** @throws FsError ENODATA, EOPNOTSUPP, EPERM, EACCES, ERANGE, EROFS */
  removexattr(path: Name, name: Name, follow = true): void {
    try {
      requireXattrArguments(name);
      removexattr(this.sb, this.credentials, this.find(path, follow), name);
    } catch (error) {
      throw this.failed(error, "removexattr", path);
    }
  }
}
