/** flock(2) and fcntl(2) locks of open files: checks of the open mode, then the lock table. */
import { FsError } from "../spec/errors.ts";
import { F_RDLCK, F_UNLCK, F_WRLCK, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN } from "../spec/mode.ts";
import type { FileLock, HeldLock, LockOwner, LockWait } from "./locks.ts";
import { isOpenForReading, isOpenForWriting, type OpenFile, requireFile } from "./open-file.ts";
import type { Superblock } from "./superblock.ts";

/**
 * flock(2). `operation`: LOCK_SH, LOCK_EX or LOCK_UN; LOCK_NB changes nothing, for nothing here
 * blocks. With `granted` the call waits where it would fail: see `LockTable.waitRecord`.
 * @throws FsError EBADF, EINVAL, EAGAIN
 */
export function flock(
  sb: Superblock,
  file: OpenFile,
  operation: number,
  granted: (() => void) | undefined,
): LockWait | null {
  requireFile(sb, file);
  const type = flockType(operation & ~LOCK_NB);
  if (granted !== undefined && type !== F_UNLCK) {
    return sb.locks.waitFlock(file.inode, file, type, granted);
  }
  sb.locks.setFlock(file.inode, file, type);
  return null;
}

/** @throws FsError EINVAL */
function flockType(operation: number): number {
  if (operation === LOCK_SH) return F_RDLCK;
  if (operation === LOCK_EX) return F_WRLCK;
  if (operation === LOCK_UN) return F_UNLCK;
  throw new FsError("EINVAL", "LOCK_SH, LOCK_EX or LOCK_UN");
}

/** The lock that stands in the way of `lock`, or null. @throws FsError EBADF, EINVAL */
export function getlk(
  sb: Superblock,
  file: OpenFile,
  owner: LockOwner,
  lock: FileLock,
): HeldLock | null {
  requireFile(sb, file);
  return sb.locks.getRecord(file.inode, file, owner, lock);
}

/**
 * Lock or unlock a range; with `granted` wait where it would fail.
 * @throws FsError EBADF, EINVAL, EAGAIN, EDEADLK
 */
export function setlk(
  sb: Superblock,
  file: OpenFile,
  owner: LockOwner,
  lock: FileLock,
  granted: (() => void) | undefined,
): LockWait | null {
  requireFile(sb, file);
  const needsReading = lock.type === F_RDLCK && !isOpenForReading(file);
  const needsWriting = lock.type === F_WRLCK && !isOpenForWriting(file);
  if (needsReading || needsWriting) throw new FsError("EBADF", "the open mode does not allow it");
  if (granted !== undefined && lock.type !== F_UNLCK) {
    return sb.locks.waitRecord(file.inode, file, owner, lock, granted);
  }
  sb.locks.setRecord(file.inode, file, owner, lock);
  return null;
}
