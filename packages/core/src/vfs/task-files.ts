/** The part of `Task` that works on open files. */
import type { FiemapExtent, MapOptions, MappedRegion } from "../spec/file-operations.ts";
import { FsError } from "../spec/errors.ts";
import { isRegular } from "../spec/mode.ts";
import type { DirBatch } from "../spec/personality.ts";
import type { Name } from "../spec/units.ts";
import { getdents } from "./directory.ts";
import { flock, getlk, setlk } from "./file-locks.ts";
import { begin } from "./icache.ts";
import {
  copyRange,
  fallocate,
  fsync,
  lseek,
  read,
  readAt,
  readVector,
  truncateFile,
  write,
  writeAt,
  writeVector,
} from "./io.ts";
import type { FileLock, HeldLock, LockOwner, LockWait } from "./locks.ts";
import { mapFile } from "./mmap.ts";
import { closeFile, openPath } from "./open.ts";
import { type OpenFile, requireFile } from "./open-file.ts";
import { TaskNames } from "./task-names.ts";

export class TaskFiles extends TaskNames {
  /** `flags`: O_*; `mode`: permissions of a new file, before the umask. @throws FsError as open(2) */
  open(path: Name, flags: number, mode = 0o666): OpenFile {
    try {
      begin(this.sb);
      const { credentials, sb, umask, walk } = this;
      return openPath(sb, credentials, path, flags, mode, umask, walk);
    } catch (error) {
      throw this.failed(error, "open", path);
    }
  }

  /** Also ends the record locks that this task has on the file, as POSIX wants.
   * @throws FsError EBADF */
  close(file: OpenFile): void {
    try {
      closeFile(this.sb, file, this);
    } catch (error) {
      throw this.failed(error, "close");
    }
  }

  /** Read at the file's position, into all of `target` or `length` bytes from `start`. Returns the
   * bytes read; 0 at the end. @throws FsError EBADF, EISDIR, EFAULT, EIO */
  read(file: OpenFile, target: Uint8Array, start = 0, length = target.length - start): number {
    try {
      return read(this.sb, file, target, start, length);
    } catch (error) {
      throw this.failed(error, "read");
    }
  }

  /** Read at `pos`, which leaves the position alone. HOT. @throws FsError as read; EINVAL */
  pread(file: OpenFile, target: Uint8Array, start: number, length: number, pos: number): number {
    try {
      return readAt(this.sb, file, target, start, length, pos);
    } catch (error) {
      throw this.failed(error, "read");
    }
  }

  /** Read into several buffers in turn, at the file's position. */
  readv(file: OpenFile, targets: readonly Uint8Array[]): number {
    try {
      const done = readVector(this.sb, file, targets, file.position);
      file.position += done;
      return done;
    } catch (error) {
      throw this.failed(error, "read");
    }
  }

  /** Read into several buffers in turn, at `pos`. */
  preadv(file: OpenFile, targets: readonly Uint8Array[], pos: number): number {
    try {
      return readVector(this.sb, file, targets, pos);
    } catch (error) {
      throw this.failed(error, "read");
    }
  }

  /** Write at the file's position, or at the end with O_APPEND. Returns the bytes written: fewer
   * where the space ran out. @throws FsError EBADF, EFAULT, EFBIG, ENOSPC, EROFS, EIO */
  write(file: OpenFile, source: Uint8Array, start = 0, length = source.length - start): number {
    try {
      return write(this.sb, this.credentials, file, source, start, length);
    } catch (error) {
      throw this.failed(error, "write");
    }
  }

  /** Write at `pos` (with O_APPEND at the end all the same). HOT. @throws FsError as write; EINVAL */
  pwrite(file: OpenFile, source: Uint8Array, start: number, length: number, pos: number): number {
    try {
      return writeAt(this.sb, this.credentials, file, source, start, length, pos);
    } catch (error) {
      throw this.failed(error, "write");
    }
  }

  /** Write several buffers in turn, at the file's position. */
  writev(file: OpenFile, sources: readonly Uint8Array[]): number {
    try {
      const at = file.isAppend ? file.inode.size : file.position;
      const done = writeVector(this.sb, this.credentials, file, sources, at);
      if (done > 0) file.position = at + done;
      return done;
    } catch (error) {
      throw this.failed(error, "write");
    }
  }

  /** Write several buffers in turn, at `pos`. */
  pwritev(file: OpenFile, sources: readonly Uint8Array[], pos: number): number {
    try {
      return writeVector(this.sb, this.credentials, file, sources, pos);
    } catch (error) {
      throw this.failed(error, "write");
    }
  }

  /** copy_file_range(2). Returns the bytes copied: fewer at the end of the source or of the space.
   * @throws FsError EBADF, EINVAL, EFBIG, ENOSPC, EROFS, EIO */
  copyFileRange(
    source: OpenFile,
    sourcePos: number,
    target: OpenFile,
    targetPos: number,
    length: number,
  ): number {
    try {
      const { credentials, sb } = this;
      return copyRange(sb, credentials, source, sourcePos, target, targetPos, length);
    } catch (error) {
      throw this.failed(error, "copyfile");
    }
  }

  /** `whence`: SEEK_*. Returns the new position. @throws FsError EBADF, EINVAL, ENXIO */
  lseek(file: OpenFile, offset: number, whence: number): number {
    try {
      return lseek(this.sb, file, offset, whence);
    } catch (error) {
      throw this.failed(error, "lseek");
    }
  }

  /** @throws FsError EBADF, EINVAL, EFBIG, EPERM, EROFS, ENOSPC */
  ftruncate(file: OpenFile, size: number): void {
    try {
      truncateFile(this.sb, this.credentials, file, size);
    } catch (error) {
      throw this.failed(error, "ftruncate");
    }
  }

  /** `mode`: FALLOC_FL_*. @throws FsError EBADF, EINVAL, EOPNOTSUPP, EFBIG, EPERM, EROFS, ENOSPC */
  fallocate(file: OpenFile, mode: number, pos: number, length: number): void {
    try {
      fallocate(this.sb, this.credentials, file, mode, pos, length);
    } catch (error) {
      throw this.failed(error, "fallocate");
    }
  }

  /** @throws FsError EBADF, EIO, ENOSPC, EROFS after corruption */
  fsync(file: OpenFile): void {
    try {
      fsync(this.sb, file, false);
    } catch (error) {
      throw this.failed(error, "fsync");
    }
  }

  /** @throws FsError as fsync */
  fdatasync(file: OpenFile): void {
    try {
      fsync(this.sb, file, true);
    } catch (error) {
      throw this.failed(error, "fdatasync");
    }
  }

  /** Append up to `max` entries, "." and ".." included, at the file's position. False: no more.
   * @throws FsError EBADF, ENOTDIR, ENOENT */
  getdents(file: OpenFile, batch: DirBatch, max: number): boolean {
    try {
      return getdents(this.sb, file, batch, max);
    } catch (error) {
      throw this.failed(error, "scandir");
    }
  }

  /**
   * flock(2): LOCK_SH, LOCK_EX, LOCK_UN. Never blocks: with `granted` it waits where it would fail,
   * and calls that, inside the call that makes way, when the lock is there. Returns null if nothing
   * is to wait for. @throws FsError EBADF, EINVAL, EAGAIN
   */
  flock(file: OpenFile, operation: number, granted?: () => void): LockWait | null {
    try {
      return flock(this.sb, file, operation, granted);
    } catch (error) {
      throw this.failed(error, "flock");
    }
  }

  /** The record lock that stands in the way of `lock`, or null. @throws FsError EBADF, EINVAL */
  getlk(file: OpenFile, owner: LockOwner, lock: FileLock): HeldLock | null {
    try {
      return getlk(this.sb, file, owner, lock);
    } catch (error) {
      throw this.failed(error, "fcntl");
    }
  }

  /**
   * Lock or unlock a range of bytes for `owner`: this task for a POSIX lock (closing any of its open
   * files of the inode gives it up), the open file itself for one of the open file (OFD). `granted`
   * as with flock. @throws FsError EBADF, EINVAL, EAGAIN, EDEADLK
   */
  setlk(file: OpenFile, owner: LockOwner, lock: FileLock, granted?: () => void): LockWait | null {
    try {
      return setlk(this.sb, file, owner, lock, granted);
    } catch (error) {
      throw this.failed(error, "fcntl");
    }
  }

  /** `pos` a multiple of the page size. @throws FsError EBADF, EACCES, EINVAL, ENODEV, EOPNOTSUPP */
  mmap(file: OpenFile, pos: number, length: number, options: MapOptions): MappedRegion {
    try {
      return mapFile(this.sb, this.credentials, file, pos, length, options);
    } catch (error) {
      throw this.failed(error, "mmap");
    }
  }

  /** The extents that hold [pos, pos + length) of a regular file. @throws FsError EBADF, EOPNOTSUPP */
  fiemap(file: OpenFile, pos: number, length: number): FiemapExtent[] {
    try {
      requireFile(this.sb, file);
      if (!isRegular(file.inode.mode)) throw new FsError("EOPNOTSUPP");
      return this.sb.files.fiemap(file.inode, pos, length);
    } catch (error) {
      throw this.failed(error, "fiemap");
    }
  }
}
