/**
 * A mount at the level of inodes: what a face needs that does its own path walk, such as a kernel
 * through FUSE, and what belongs to the mount as a whole. Programs use `Task`.
 *
 * References: `iget`, `lookup`, `mkdir`, `mknod` and `symlink` give an inode with one reference,
 * which the caller returns by `forget`; an inode that is given to a method must be referenced by the
 * caller. Errors have a code and no `syscall` or `path`.
 */
import { assert, FsError } from "../spec/errors.ts";
import type { Inode, Timespec } from "../spec/inode.ts";
import { isDirectory, isRegular, isSymlink, UTIME_OMIT } from "../spec/mode.ts";
import type { FiemapExtent } from "../spec/file-operations.ts";
import type { DirBatch, FsCounters, StatFs } from "../spec/personality.ts";
import type { Ino, Name } from "../spec/units.ts";
import {
  accessed,
  chmod,
  chown,
  setFlags,
  setProjectId,
  settableFlags,
  type Stat,
  statOf,
  utimens,
} from "./attributes.ts";
import { lookupChild, parentDirectory } from "./dcache.ts";
import { getdents } from "./directory.ts";
import type { VfsListener } from "./events.ts";
import { flock, getlk, setlk } from "./file-locks.ts";
import { begin, iget, release } from "./icache.ts";
import {
  copyRange,
  fallocate,
  fsync,
  lseek,
  readAt,
  readViewsAt,
  syncAll,
  truncatePath,
  writeAt,
} from "./io.ts";
import type { FileLock, HeldLock, LockOwner, LockWait } from "./locks.ts";
import { link, mkdir, mknod, requireNodeType, rmdir, symlink, unlink } from "./namespace.ts";
import { closeFile, openAt, openInode, openTmpfileIn } from "./open.ts";
import type { OpenFile } from "./open-file.ts";
import type { Credentials } from "./credentials.ts";
import { access, requireSearch } from "./permission.ts";
import { rename } from "./rename.ts";
import type { Superblock } from "./superblock.ts";
import { unmount } from "./unmount.ts";
import { getxattr, listxattr, removexattr, setxattr } from "./xattr.ts";

/** Attributes to set: what is absent stays. Times may have UTIME_NOW or UTIME_OMIT as nsec. */
export interface AttributeChanges {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: Timespec;
  readonly mtime?: Timespec;
}

/** Counts of what a mount keeps in memory. */
export interface Census {
  readonly inodes: number;
  /** Of them those that somebody holds: open files, faces, the root. */
  readonly referenced: number;
  /** Cached names, those of absent files included. */
  readonly dentries: number;
  readonly openFiles: number;
}

const OMIT: Timespec = { sec: 0, nsec: UTIME_OMIT };

export class Vfs {
  /** What the mount keeps; for the classes of this folder. */
  readonly superblock: Superblock;

  constructor(superblock: Superblock) {
    this.superblock = superblock;
  }

  get root(): Inode {
    return this.superblock.root;
  }

  /** Nothing is written: mounted so, or corruption was met. */
  get readOnly(): boolean {
    return this.superblock.readOnly;
  }

  /** What the personality counts. */
  get counters(): FsCounters {
    return this.superblock.fs.counters;
  }

  /** Be told of changes. Returns the function that ends it. */
  onEvent(listener: VfsListener): () => void {
    return this.superblock.listeners.add(listener);
  }

  /** What is in memory: what grows without end here is a leak. */
  census(): Census {
    const sb = this.superblock;
    let referenced = 0;
    for (const inode of sb.icache.values()) if (inode.references > 0) referenced++;
    const { dentryCount: dentries, openFiles } = sb;
    return { inodes: sb.icache.size, referenced, dentries, openFiles };
  }

  statfs(): StatFs {
    return this.run((sb) => sb.fs.statfs());
  }

  /** Everything that was written so far becomes durable. @throws FsError EROFS, ENOSPC, EIO */
  sync(): void {
    this.run(syncAll);
  }

  /**
   * Write everything back and mark the file system clean; after corruption leave it as it is. With
   * `force` also while files are open: they are closed, and those without a name are gone.
   * @throws FsError EBUSY while files are open or mapped; ENOSPC, EIO (still mounted, unless forced)
   */
  unmount(force = false): void {
    this.run((sb) => unmount(sb, force));
  }

  /** The inode of that number, referenced. A face that keeps numbers gives the generation too.
   * @throws FsError ESTALE where it is another file by now, or none */
  iget(ino: Ino, generation?: number): Inode {
    return this.run((sb) => {
      const inode = iget(sb, ino);
      const isOther = generation !== undefined && inode.generation !== generation;
      if (isOther || inode.nlink === 0) throw new FsError("ESTALE");
      return this.retain(inode);
    });
  }

  /** One more reference. */
  retain(inode: Inode): Inode {
    inode.references++;
    return inode;
  }

  /** Give `count` references back. The last one of a file without a name frees it. */
  forget(inode: Inode, count = 1): void {
    assert(inode.references >= count, "only references that were taken are given back");
    if (count === 0) return;
    inode.references -= count - 1;
    this.run((sb) => release(sb, inode));
  }

  /** The inode behind a name, referenced. `.` and `..` too. @throws FsError ENOENT, EACCES, ENOTDIR */
  lookup(credentials: Credentials, directory: Inode, name: Name): Inode {
    return this.run((sb) => {
      requireDirectory(sb, credentials, directory);
      if (name === ".") return this.retain(directory);
      if (name === "..") return this.retain(parentDirectory(sb, directory));
      const inode = lookupChild(sb, directory, name);
      if (inode === null) throw new FsError("ENOENT");
      return this.retain(inode);
    });
  }

  /**
   * As `lookup`, for who was checked before: the inode, referenced, or null for a name that is not
   * there, which is an answer as good as any other to a kernel. Not for "." and "..". HOT.
   * @throws FsError ENOTDIR, ENAMETOOLONG, EINVAL
   */
  find(directory: Inode, name: Name): Inode | null {
    const sb = this.superblock;
    try {
      begin(sb);
      if (!isDirectory(directory.mode)) throw new FsError("ENOTDIR");
      const inode = lookupChild(sb, directory, name);
      if (inode !== null) inode.references++;
      return inode;
    } catch (error) {
      throw sb.failed(error);
    }
  }

  getattr(inode: Inode): Stat {
    return statOf(this.superblock, inode);
  }

  /** Set attributes, in the order size, owner, mode, times.
   * @throws FsError EPERM, EACCES, EROFS, EINVAL, EISDIR, EFBIG, ENOSPC */
  setattr(credentials: Credentials, inode: Inode, changes: AttributeChanges): Stat {
    return this.run((sb) => {
      const { mode, uid, gid, size, atime, mtime } = changes;
      if (size !== undefined) truncatePath(sb, credentials, inode, size);
      if (uid !== undefined || gid !== undefined) {
        chown(sb, credentials, inode, uid ?? -1, gid ?? -1);
      }
      if (mode !== undefined) chmod(sb, credentials, inode, mode);
      if (atime !== undefined || mtime !== undefined) {
        utimens(sb, credentials, inode, atime ?? OMIT, mtime ?? OMIT);
      }
      return statOf(sb, inode);
    });
  }

  /** INODE_*: the flags that users may set here, and those of them that are set. */
  getFlags(inode: Inode): { readonly settable: number; readonly flags: number } {
    const settable = settableFlags(this.superblock, inode);
    return { settable, flags: (inode.flags & settable) >>> 0 };
  }

  /** Set the flags that users may set to those in `flags`, as chattr does; the design's own stay.
   * @throws FsError EPERM, EROFS, EOPNOTSUPP for one that is not settable here */
  setFlags(credentials: Credentials, inode: Inode, flags: number): void {
    this.run((sb) => setFlags(sb, credentials, inode, flags));
  }

  /** For quota and accounting of trees. @throws FsError EOPNOTSUPP */
  getProjectId(inode: Inode): number {
    return this.run((sb) => {
      sb.requireCapability(sb.capabilities.projectIds, "EOPNOTSUPP");
      return inode.projectId;
    });
  }

  /** @throws FsError EOPNOTSUPP, EPERM, EROFS, EINVAL */
  setProjectId(credentials: Credentials, inode: Inode, projectId: number): void {
    this.run((sb) => setProjectId(sb, credentials, inode, projectId));
  }

  /** @throws FsError EACCES, EROFS, EPERM */
  access(credentials: Credentials, inode: Inode, mask: number): void {
    this.run((sb) => access(sb, credentials, inode, mask));
  }

  /** `umask` as the process has it: where the directory has a default list, that counts instead. */
  mkdir(credentials: Credentials, directory: Inode, name: Name, mode: number, umask = 0): Inode {
    return this.run((sb) => {
      requireNewName(sb, credentials, directory, name);
      return this.retain(mkdir(sb, credentials, directory, name, mode, umask));
    });
  }

  mknod(
    credentials: Credentials,
    directory: Inode,
    name: Name,
    mode: number,
    rdev: number,
    umask = 0,
  ): Inode {
    return this.run((sb) => {
      requireNodeType(mode);
      requireNewName(sb, credentials, directory, name);
      return this.retain(mknod(sb, credentials, directory, name, mode, umask, rdev));
    });
  }

  symlink(credentials: Credentials, directory: Inode, name: Name, target: Name): Inode {
    return this.run((sb) => {
      requireNewName(sb, credentials, directory, name);
      return this.retain(symlink(sb, credentials, directory, name, target));
    });
  }

  readlink(inode: Inode): Name {
    return this.run((sb) => {
      if (!isSymlink(inode.mode)) throw new FsError("EINVAL", "not a symbolic link");
      accessed(sb, inode);
      return sb.fs.readlink(inode);
    });
  }

  /** `fromTmpfile`: the inode has no name yet and may get one, as the caller made sure. */
  link(
    credentials: Credentials,
    inode: Inode,
    directory: Inode,
    name: Name,
    fromTmpfile = false,
  ): void {
    this.run((sb) => {
      requireNewName(sb, credentials, directory, name);
      link(sb, credentials, inode, directory, name, fromTmpfile);
    });
  }

  unlink(credentials: Credentials, directory: Inode, name: Name): void {
    this.run((sb) => {
      requireDirectory(sb, credentials, directory);
      unlink(sb, credentials, directory, name, false);
    });
  }

  rmdir(credentials: Credentials, directory: Inode, name: Name): void {
    this.run((sb) => {
      requireDirectory(sb, credentials, directory);
      rmdir(sb, credentials, directory, name);
    });
  }

  rename(
    credentials: Credentials,
    oldDirectory: Inode,
    oldName: Name,
    newDirectory: Inode,
    newName: Name,
    flags: number,
  ): void {
    this.run((sb) => {
      requireDirectory(sb, credentials, oldDirectory);
      requireDirectory(sb, credentials, newDirectory);
      const source = { directory: oldDirectory, name: oldName, slash: false };
      const target = { directory: newDirectory, name: newName, slash: false };
      rename(sb, credentials, source, target, flags);
    });
  }

  /** Open an inode; the open file holds a reference of its own. @throws FsError as open(2) */
  open(credentials: Credentials, inode: Inode, flags: number): OpenFile {
    return this.run((sb) => openInode(sb, credentials, inode, flags, null, null));
  }

  /** Open by name, and with O_CREAT make it. Symbolic links are not followed: ELOOP. */
  openAt(
    credentials: Credentials,
    directory: Inode,
    name: Name,
    flags: number,
    mode: number,
    umask = 0,
  ): OpenFile {
    return this.run((sb) => openAt(sb, credentials, directory, name, flags, mode, umask));
  }

  /** A file without a name in `directory` (O_TMPFILE), open. @throws FsError as open(2) */
  tmpfile(
    credentials: Credentials,
    directory: Inode,
    flags: number,
    mode: number,
    umask = 0,
  ): OpenFile {
    return this.run((sb) => openTmpfileIn(sb, credentials, directory, flags, mode, umask));
  }

  /** Close; record locks of `owner` on the file go too, as on a close(2) of its process. */
  close(file: OpenFile, owner: LockOwner = file): void {
    this.run((sb) => closeFile(sb, file, owner));
  }

  /** HOT. */
  read(file: OpenFile, target: Uint8Array, start: number, length: number, pos: number): number {
    try {
      return readAt(this.superblock, file, target, start, length, pos);
    } catch (error) {
      throw this.superblock.failed(error);
    }
  }

  /** As `read`, without the copy: appends views to `views`, for reading at once. HOT. */
  readViews(file: OpenFile, views: Uint8Array[], length: number, pos: number): number {
    try {
      return readViewsAt(this.superblock, file, views, length, pos);
    } catch (error) {
      throw this.superblock.failed(error);
    }
  }

  /** copy_file_range(2) between two open files of this mount. Returns the bytes copied. */
  copyRange(
    credentials: Credentials,
    source: OpenFile,
    sourcePos: number,
    target: OpenFile,
    targetPos: number,
    length: number,
  ): number {
    return this.run((sb) =>
      copyRange(sb, credentials, source, sourcePos, target, targetPos, length),
    );
  }

  /** The extents that hold [pos, pos + length) of a regular file. @throws FsError EOPNOTSUPP */
  fiemap(inode: Inode, pos: number, length: number): FiemapExtent[] {
    return this.run((sb) => {
      if (!isRegular(inode.mode)) throw new FsError("EOPNOTSUPP");
      return sb.files.fiemap(inode, pos, length);
    });
  }

  /** HOT. */
  write(
    credentials: Credentials,
    file: OpenFile,
    source: Uint8Array,
    start: number,
    length: number,
    pos: number,
  ): number {
    try {
      return writeAt(this.superblock, credentials, file, source, start, length, pos);
    } catch (error) {
      throw this.superblock.failed(error);
    }
  }

  /** Entries from `cookie` on (see directory.ts), "." and ".." included. False: no more. */
  readdir(file: OpenFile, cookie: number, batch: DirBatch, max: number): boolean {
    return this.run((sb) => {
      file.position = cookie;
      return getdents(sb, file, batch, max);
    });
  }

  lseek(file: OpenFile, offset: number, whence: number): number {
    return this.run((sb) => lseek(sb, file, offset, whence));
  }

  fallocate(
    credentials: Credentials,
    file: OpenFile,
    mode: number,
    pos: number,
    length: number,
  ): void {
    this.run((sb) => fallocate(sb, credentials, file, mode, pos, length));
  }

  fsync(file: OpenFile, datasync: boolean): void {
    this.run((sb) => fsync(sb, file, datasync));
  }

  /** See `Task.flock`. */
  flock(file: OpenFile, operation: number, granted?: () => void): LockWait | null {
    return this.run((sb) => flock(sb, file, operation, granted));
  }

  /** `owner` closed a descriptor of the file, and the open file stays: its record locks go. */
  releaseLocks(inode: Inode, owner: LockOwner): void {
    this.superblock.locks.releaseOwner(inode, owner);
  }

  /** See `Task.getlk`. */
  getlk(file: OpenFile, owner: LockOwner, lock: FileLock): HeldLock | null {
    return this.run((sb) => getlk(sb, file, owner, lock));
  }

  /** See `Task.setlk`. */
  setlk(file: OpenFile, owner: LockOwner, lock: FileLock, granted?: () => void): LockWait | null {
    return this.run((sb) => setlk(sb, file, owner, lock, granted));
  }

  getxattr(credentials: Credentials, inode: Inode, name: Name): Uint8Array {
    return this.run((sb) => getxattr(sb, credentials, inode, name));
  }

  setxattr(
    credentials: Credentials,
    inode: Inode,
    name: Name,
    value: Uint8Array,
    flags: number,
  ): void {
    this.run((sb) => setxattr(sb, credentials, inode, name, value, flags));
  }

  listxattr(credentials: Credentials, inode: Inode): Name[] {
    return this.run((sb) => listxattr(sb, credentials, inode));
  }

  removexattr(credentials: Credentials, inode: Inode, name: Name): void {
    this.run((sb) => removexattr(sb, credentials, inode, name));
  }

  /** Every operation of this class: mounted, room in the caches, bad disk turned into EUCLEAN. */
  private run<T>(operation: (sb: Superblock) => T): T {
    const sb = this.superblock;
    try {
      begin(sb);
      return operation(sb);
    } catch (error) {
      throw sb.failed(error);
    }
  }
}

/** @throws FsError ENOTDIR, EACCES */
function requireDirectory(sb: Superblock, credentials: Credentials, directory: Inode): void {
  if (!isDirectory(directory.mode)) throw new FsError("ENOTDIR");
  requireSearch(sb, credentials, directory);
}

/** @throws FsError ENOTDIR, EACCES, EEXIST for the names that every directory has */
function requireNewName(
  sb: Superblock,
  credentials: Credentials,
  directory: Inode,
  name: Name,
): void {
  requireDirectory(sb, credentials, directory);
  if (name === "." || name === "..") throw new FsError("EEXIST");
}
