/** An open file: Linux's struct file. Made by `open.ts`, used by `io.ts` and `directory.ts`. */
import { FsError } from "../spec/errors.ts";
import type { Inode } from "../spec/inode.ts";
import {
  isDirectory,
  isRegular,
  O_ACCMODE,
  O_APPEND,
  O_DSYNC,
  O_NOATIME,
  O_PATH,
  O_SYNC,
} from "../spec/mode.ts";
import type { Name } from "../spec/units.ts";
import type { Superblock } from "./superblock.ts";

/** What a write has to make durable before it returns. */
export const SYNC_NONE = 0;
/** O_DSYNC: the data, and what reading it back needs. */
const SYNC_DATA = 1;
/** O_SYNC: and all other attributes. */
export const SYNC_ALL = 2;

export class OpenFile {
  readonly superblock: Superblock;
  readonly inode: Inode;
  /** O_*, as given to open. */
  readonly flags: number;
  /** The name it was opened by, for observers; a later rename does not change it. */
  readonly directory: Inode | null;
  readonly name: Name | null;

  /** Bytes; for a directory the cookie of the next entry. */
  position = 0;
  isOpen = true;
  /** Open, for reading or writing, and a regular file: all that a read or write must ask. */
  canRead: boolean;
  canWrite: boolean;
  /** Every write goes to the end. A face whose kernel finds the end itself takes it away. */
  isAppend: boolean;
  readonly isPath: boolean;
  readonly keepsAtime: boolean;
  /** Reads so far, for relatime. */
  reads = 0;
  readonly sync: number;
  /** O_TMPFILE without O_EXCL, and no name yet: linkFile may give it one. */
  isLinkable = false;

  constructor(
    superblock: Superblock,
    inode: Inode,
    flags: number,
    directory: Inode | null,
    name: Name | null,
  ) {
    this.superblock = superblock;
    this.inode = inode;
    this.flags = flags;
    this.directory = directory;
    this.name = name;
    this.isPath = (flags & O_PATH) !== 0;
    // O_RDONLY, O_WRONLY, O_RDWR are 0, 1, 2: plus one they are a mask of read and write.
    const access = this.isPath || !isRegular(inode.mode) ? 0 : (flags + 1) & O_ACCMODE;
    this.canRead = (access & 1) !== 0;
    this.canWrite = (access & 2) !== 0;
    this.isAppend = (flags & O_APPEND) !== 0;
    this.keepsAtime = (flags & O_NOATIME) !== 0;
    if ((flags & O_DSYNC) === 0) this.sync = SYNC_NONE;
    else this.sync = (flags & O_SYNC) === O_SYNC ? SYNC_ALL : SYNC_DATA;
  }
}

/** Opened for writing, whatever the type. */
export const isOpenForWriting = (file: OpenFile): boolean =>
  !file.isPath && ((file.flags + 1) & 2) !== 0;

/** Opened for reading, whatever the type. */
export const isOpenForReading = (file: OpenFile): boolean =>
  !file.isPath && ((file.flags + 1) & 1) !== 0;

/** Is the file open, of this mount, and more than a place (O_PATH)? @throws FsError EBADF */
export function requireFile(sb: Superblock, file: OpenFile): void {
  requirePlace(sb, file);
  if (file.isPath) throw new FsError("EBADF", "opened with O_PATH");
}

/** Is the file open and of this mount, even if only a place (O_PATH)? @throws FsError EBADF */
export function requirePlace(sb: Superblock, file: OpenFile): void {
  if (!sb.live) throw new FsError("EBADF", "the file system is unmounted");
  if (!file.isOpen) throw new FsError("EBADF", "the file is closed");
  if (file.superblock !== sb) throw new FsError("EBADF", "a file of another mount");
}

/** Why a file that cannot be read or written cannot: the error to throw. */
export function refusal(sb: Superblock, file: OpenFile, forWriting: boolean): FsError {
  requireFile(sb, file);
  const isOpenFor = forWriting ? isOpenForWriting(file) : isOpenForReading(file);
  if (!isOpenFor) {
    return new FsError("EBADF", `not opened for ${forWriting ? "writing" : "reading"}`);
  }
  return new FsError(isDirectory(file.inode.mode) ? "EISDIR" : "EINVAL");
}
