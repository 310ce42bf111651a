/** Data of open files: read, write, seek, truncate, fallocate, fsync. */
import { FsError } from "../spec/errors.ts";
import {
  INODE_APPEND,
  INODE_DIRSYNC,
  INODE_IMMUTABLE,
  INODE_SYNC,
  type Inode,
} from "../spec/inode.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  FALLOC_FL_ZERO_RANGE,
  isDirectory,
  isRegular,
  S_ISGID,
  S_ISUID,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
  W_OK,
} from "../spec/mode.ts";
import { fileAccessed, modified, removePrivileges } from "./attributes.ts";
import {
  isOpenForWriting,
  type OpenFile,
  refusal,
  requireFile,
  SYNC_ALL,
  SYNC_NONE,
} from "./open-file.ts";
import { type Credentials, ROOT } from "./credentials.ts";
import { requirePermission } from "./permission.ts";
import type { Superblock } from "./superblock.ts";
import { LAST_NAME, Walk, walkParent } from "./walk.ts";

const SUID_SGID = S_ISUID | S_ISGID;
/** Linux: UIO_MAXIOV, buffers in one vector. */
const VECTOR_MAX = 1024;

/**
 * Read at `pos`; the file's position stays. Returns the bytes read, 0 at the end. HOT.
 * @throws FsError EBADF, EISDIR, EINVAL, EFAULT (range outside `target`), EIO
 */
export function readAt(
  sb: Superblock,
  file: OpenFile,
  target: Uint8Array,
  start: number,
  length: number,
  pos: number,
): number {
  requirePosition(pos);
  if (!file.canRead || !sb.live || file.superblock !== sb) throw refusal(sb, file, false);
  requireRange(target, start, length);
  if (length === 0) return 0;
  const { inode } = file;
  const done = sb.files.read(inode, pos, target, start, length);
  if (!file.keepsAtime) fileAccessed(sb, file);
  return done;
}

/**
 * As `readAt`, without the copy: views of the data are appended to `views`. See `FileOperations`.
 * @throws FsError as readAt
 */
export function readViewsAt(
  sb: Superblock,
  file: OpenFile,
  views: Uint8Array[],
  length: number,
  pos: number,
): number {
  requirePosition(pos);
  if (!file.canRead || !sb.live || file.superblock !== sb) throw refusal(sb, file, false);
  if (length === 0) return 0;
  const done = sb.files.readViews(file.inode, pos, length, views);
  if (!file.keepsAtime) fileAccessed(sb, file);
  return done;
}

/** Bytes that copyRange takes at a time: what a write cuts into extents, and a short one gives back. */
const COPY_STEP = 1024 * 1024;

/**
 * copy_file_range(2) inside the mount. What is contiguous goes from device to device, and nothing
 * between; the rest by way of a buffer: a write may free blocks that later views would show (out of
 * place, or a cache that gives pages up). Holes come as zeros.
 * Returns the bytes copied: fewer at the end of the source or of the space.
 * @throws FsError EBADF, EINVAL (ranges of one file overlap), EISDIR, EFBIG, ENOSPC, EROFS, EIO
 */
export function copyRange(
  sb: Superblock,
  credentials: Credentials,
  source: OpenFile,
  sourcePos: number,
  target: OpenFile,
  targetPos: number,
  length: number,
): number {
  requirePosition(sourcePos);
  requirePosition(targetPos);
  if (!source.canRead) throw refusal(sb, source, false);
  if (!target.canWrite) throw refusal(sb, target, true);
  if (target.isAppend) throw new FsError("EBADF", "the target was opened with O_APPEND");
  const wanted = Math.min(length, Math.max(0, source.inode.size - sourcePos));
  const distance = Math.abs(sourcePos - targetPos);
  if (source.inode === target.inode && distance < wanted) throw new FsError("EINVAL", "overlap");
  let done = 0;
  try {
    while (done < wanted) {
      const piece = readPiece(sb, source, Math.min(wanted - done, COPY_STEP), sourcePos + done);
      if (piece.length === 0) break;
      const at = targetPos + done;
      const written = writeAt(sb, credentials, target, piece, 0, piece.length, at);
      done += written;
      if (written < piece.length) break;
    }
  } catch (error) {
    // As with a write: what was copied wins over the error, which the next call meets again.
    if (!(error instanceof FsError) || done === 0) throw error;
  }
  return done;
}

/** What stands at `pos`: a view where it is in one piece, else a copy. */
function readPiece(sb: Superblock, file: OpenFile, length: number, pos: number): Uint8Array {
  const views: Uint8Array[] = [];
  const found = readViewsAt(sb, file, views, length, pos);
  if (views.length === 1) return views[0]!;
  const copy = new Uint8Array(found);
  return copy.subarray(0, readAt(sb, file, copy, 0, found, pos));
}

/**
 * Write at `pos`, or, in a file opened with O_APPEND, at the end, as Linux does. Returns the bytes
 * written: fewer than `length` where the space ran out. HOT.
 * @throws FsError EBADF, EINVAL, EFAULT, EFBIG, ENOSPC, EROFS, EIO
 */
export function writeAt(
  sb: Superblock,
  credentials: Credentials,
  file: OpenFile,
  source: Uint8Array,
  start: number,
  length: number,
  pos: number,
): number {
  requirePosition(pos);
  if (!file.canWrite || !sb.live || file.superblock !== sb) throw refusal(sb, file, true);
  requireRange(source, start, length);
  if (length === 0) return 0;
  sb.actAs(credentials);
  const { inode } = file;
  const at = file.isAppend ? inode.size : pos;
  const room = sb.fs.sizeMax - at;
  if (room <= 0) throw new FsError("EFBIG");
  // A mount may have become read-only after the file was opened.
  if (sb.readOnly) sb.requireWritable();
  if ((inode.mode & SUID_SGID) !== 0) removePrivileges(sb, credentials, inode);
  // Before the copy, so that a transaction that moves the size takes the times along.
  modified(sb, inode);
  const done = sb.files.write(inode, at, source, start, length < room ? length : room);
  if (file.sync !== SYNC_NONE || (inode.flags & INODE_SYNC) !== 0) {
    syncInode(sb, inode, file.sync !== SYNC_ALL);
  }
  if (sb.listeners.active) emitModify(sb, file);
  return done;
}

/** Read at the file's position and move it. @throws FsError as readAt */
export function read(
  sb: Superblock,
  file: OpenFile,
  target: Uint8Array,
  start: number,
  length: number,
): number {
  const done = readAt(sb, file, target, start, length, file.position);
  file.position += done;
  return done;
}

/** Write at the file's position, or at the end with O_APPEND, and move it behind what was written.
 * @throws FsError as writeAt */
export function write(
  sb: Superblock,
  credentials: Credentials,
  file: OpenFile,
  source: Uint8Array,
  start: number,
  length: number,
): number {
  const at = file.isAppend ? file.inode.size : file.position;
  const done = writeAt(sb, credentials, file, source, start, length, at);
  if (done > 0) file.position = at + done;
  return done;
}

/** Read into the buffers in turn, from `pos`. Stops at the end of the file.
 * @throws FsError as readAt, if nothing was read before */
export function readVector(
  sb: Superblock,
  file: OpenFile,
  targets: readonly Uint8Array[],
  pos: number,
): number {
  requireVector(targets);
  let done = readAt(sb, file, NO_BYTES, 0, 0, pos);
  for (const target of targets) {
    const part = readAt(sb, file, target, 0, target.length, pos + done);
    done += part;
    if (part < target.length) break;
  }
  return done;
}

/** Write the buffers in turn, from `pos` or at the end with O_APPEND. Stops where space runs out.
 * @throws FsError as writeAt, if nothing was written before */
export function writeVector(
  sb: Superblock,
  credentials: Credentials,
  file: OpenFile,
  sources: readonly Uint8Array[],
  pos: number,
): number {
  requireVector(sources);
  let done = writeAt(sb, credentials, file, NO_BYTES, 0, 0, pos);
  for (const source of sources) {
    let part = 0;
    try {
      part = writeAt(sb, credentials, file, source, 0, source.length, pos + done);
    } catch (error) {
      const isFull =
        error instanceof FsError && (error.code === "ENOSPC" || error.code === "EFBIG");
      if (done === 0 || !isFull) throw error;
      break;
    }
    done += part;
    if (part < source.length) break;
  }
  return done;
}

const NO_BYTES = new Uint8Array(0);

function requireVector(buffers: readonly Uint8Array[]): void {
  if (buffers.length > VECTOR_MAX) throw new FsError("EINVAL", "too many buffers in a vector");
}

/** HOT. @throws FsError EINVAL */
function requirePosition(pos: number): void {
  if (!Number.isSafeInteger(pos) || pos < 0) throw new FsError("EINVAL", "position");
}

/** HOT. @throws FsError EFAULT */
function requireRange(bytes: Uint8Array, start: number, length: number): void {
  const isInside = start >= 0 && length >= 0 && start + length <= bytes.length;
  if (!isInside || !Number.isSafeInteger(start) || !Number.isSafeInteger(length)) {
    throw new FsError("EFAULT", "the range is outside the buffer");
  }
}

function emitModify(sb: Superblock, file: OpenFile): void {
  const { inode } = file;
  let { directory, name } = file;
  const path = inode.cachedPath;
  // It was opened by a path that was known: walk it now, for whoever wants to hear the name.
  if (directory === null && path !== null && sb.paths.get(path) === inode) {
    const walk = new Walk(sb.root);
    walkParent(sb, ROOT, path, walk);
    if (walk.last === LAST_NAME) ({ directory, name } = walk);
  }
  sb.listeners.emit({ kind: "modify", inode, directory, name });
}

/**
 * Move the position; SEEK_DATA and SEEK_HOLE too. Directories: `offset` is a cookie of getdents.
 * @throws FsError EBADF, EINVAL, ENXIO
 */
export function lseek(sb: Superblock, file: OpenFile, offset: number, whence: number): number {
  requireFile(sb, file);
  if (!Number.isSafeInteger(offset)) throw new FsError("EINVAL", "offset");
  const { inode } = file;
  const to = seekTarget(sb, file, offset, whence);
  const isDir = isDirectory(inode.mode);
  if (to < 0 || (!isDir && to > sb.fs.sizeMax)) throw new FsError("EINVAL", "offset");
  file.position = to;
  return to;
}

function seekTarget(sb: Superblock, file: OpenFile, offset: number, whence: number): number {
  const { inode } = file;
  switch (whence) {
    case SEEK_SET:
      return offset;
    case SEEK_CUR:
      return file.position + offset;
    case SEEK_END:
      if (isDirectory(inode.mode)) break;
      return inode.size + offset;
    case SEEK_DATA:
    case SEEK_HOLE:
      if (!isRegular(inode.mode)) break;
      if (offset < 0 || offset >= inode.size) throw new FsError("ENXIO");
      return sb.files.seek(inode, offset, whence);
    default:
      break;
  }
  throw new FsError("EINVAL", "whence");
}

/** truncate(2) on an inode that a path led to. @throws FsError EINVAL, EISDIR, EROFS, EACCES, EPERM,
 * EFBIG, ENOSPC */
export function truncatePath(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  size: number,
): void {
  if (isDirectory(inode.mode)) throw new FsError("EISDIR");
  if (!isRegular(inode.mode)) throw new FsError("EINVAL", "not a regular file");
  sb.requireWritable();
  requirePermission(sb, credentials, inode, W_OK);
  truncateInode(sb, credentials, inode, size, false);
}

/** ftruncate(2). @throws FsError EBADF, EINVAL, EPERM, EROFS, EFBIG, ENOSPC */
export function truncateFile(
  sb: Superblock,
  credentials: Credentials,
  file: OpenFile,
  size: number,
): void {
  requirePosition(size);
  requireFile(sb, file);
  if (!file.canWrite) throw new FsError("EINVAL", "not a regular file opened for writing");
  truncateInode(sb, credentials, file.inode, size, true);
  if (sb.listeners.active) emitModify(sb, file);
}

/** Set the size. `always`: move the times even if the size stays, as ftruncate and O_TRUNC do.
 * @throws FsError EINVAL, EPERM, EROFS, EFBIG, ENOSPC */
export function truncateInode(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  size: number,
  always: boolean,
): void {
  requirePosition(size);
  sb.requireWritable();
  if ((inode.flags & INODE_APPEND) !== 0) throw new FsError("EPERM", "append-only file");
  if (size > inode.size && size > sb.fs.sizeMax) throw new FsError("EFBIG");
  if ((inode.mode & SUID_SGID) !== 0) removePrivileges(sb, credentials, inode);
  const { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = inode;
  const moves = always || size !== inode.size;
  sb.actAs(credentials);
  // Also to the same size: blocks that were allocated beyond it go.
  sb.files.truncate(inode, size);
  modified(sb, inode);
  if (!moves) Object.assign(inode, { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec });
  if ((inode.flags & INODE_SYNC) !== 0) syncInode(sb, inode, false);
}

/**
 * fallocate(2). Which modes go together and which ranges they take is the data path's to check.
 * @throws FsError EBADF, EINVAL, EOPNOTSUPP, EPERM, ENODEV, EFBIG, EROFS, ENOSPC
 */
export function fallocate(
  sb: Superblock,
  credentials: Credentials,
  file: OpenFile,
  mode: number,
  pos: number,
  length: number,
): void {
  requireFile(sb, file);
  requirePosition(pos);
  if (!Number.isSafeInteger(length) || length <= 0) throw new FsError("EINVAL", "length");
  requireFallocMode(sb, mode);
  if (!isOpenForWriting(file)) throw new FsError("EBADF", "not opened for writing");
  const { inode } = file;
  const isPlain = (mode & ~FALLOC_FL_KEEP_SIZE) === 0;
  if ((inode.flags & INODE_APPEND) !== 0 && !isPlain) throw new FsError("EPERM");
  if ((inode.flags & INODE_IMMUTABLE) !== 0) throw new FsError("EPERM");
  if (!isRegular(inode.mode)) throw new FsError("ENODEV");
  if (pos + length > sb.fs.sizeMax) throw new FsError("EFBIG");
  sb.requireWritable();
  if ((inode.mode & SUID_SGID) !== 0) removePrivileges(sb, credentials, inode);
  sb.actAs(credentials);
  sb.files.fallocate(inode, mode, pos, length);
  modified(sb, inode);
  if (file.sync !== SYNC_NONE || (inode.flags & INODE_SYNC) !== 0) {
    syncInode(sb, inode, file.sync !== SYNC_ALL);
  }
  if (sb.listeners.active) emitModify(sb, file);
}

/** @throws FsError EOPNOTSUPP for a mode that the design lacks */
function requireFallocMode(sb: Superblock, mode: number): void {
  const { punchHole, zeroRange, collapseRange, insertRange } = sb.capabilities;
  if ((mode & FALLOC_FL_PUNCH_HOLE) !== 0) sb.requireCapability(punchHole, "EOPNOTSUPP");
  if ((mode & FALLOC_FL_ZERO_RANGE) !== 0) sb.requireCapability(zeroRange, "EOPNOTSUPP");
  if ((mode & FALLOC_FL_COLLAPSE_RANGE) !== 0) sb.requireCapability(collapseRange, "EOPNOTSUPP");
  if ((mode & FALLOC_FL_INSERT_RANGE) !== 0) sb.requireCapability(insertRange, "EOPNOTSUPP");
  if ((mode & FALLOC_FL_UNSHARE_RANGE) !== 0) {
    throw new FsError("EOPNOTSUPP", "no extents are shared");
  }
}

/** fsync(2), or with `datasync` fdatasync(2). @throws FsError EBADF, EROFS after corruption, EIO */
export function fsync(sb: Superblock, file: OpenFile, datasync: boolean): void {
  requireFile(sb, file);
  syncInode(sb, file.inode, datasync);
}

function syncInode(sb: Superblock, inode: Inode, datasync: boolean): void {
  if (sb.readOnly) {
    // Nothing is waiting on a mount that never was writable; after corruption nothing can be kept.
    if (sb.corruption !== null) sb.requireWritable();
    return;
  }
  // The times first: they are to be in what fsync makes durable.
  if (!datasync) persistTimes(sb, inode);
  if (isRegular(inode.mode)) sb.files.fsync(inode, datasync);
  else sb.fs.fsync(inode, datasync);
}

/** Names in the directory changed: with FS_DIRSYNC_FL or FS_SYNC_FL they are durable now. */
export function syncNames(sb: Superblock, directory: Inode): void {
  if ((directory.flags & (INODE_DIRSYNC | INODE_SYNC)) !== 0) syncInode(sb, directory, false);
}

function persistTimes(sb: Superblock, inode: Inode): void {
  if (inode.timesDirty) sb.fs.updateInode(inode);
  if (inode.timesListed) sb.unlistTimes(inode);
}

/** Everything that was written so far becomes durable. @throws FsError EROFS after corruption, EIO */
export function syncAll(sb: Superblock): void {
  if (sb.readOnly) {
    if (sb.corruption !== null) sb.requireWritable();
    return;
  }
  sb.files.sync();
  for (const inode of sb.timesDirty) persistTimes(sb, inode);
  sb.fs.sync();
}
