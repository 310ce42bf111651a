/**
 * The three kinds of failure that are not a normal miss.
 *
 * - `FsError`: an operation was refused or failed, with the POSIX code. Personalities and the vfs
 *   throw it with the code alone; the path layer of the vfs fills in `syscall` and `path`.
 * - `CorruptionError`: the medium holds something that the format does not allow.
 * - `AssertionError`: a bug of ours. Never caught by us.
 */

/** Linux error numbers (asm-generic/errno-base.h and errno.h); values are ABI facts. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ESTALE: 116,
  EUCLEAN: 117,
  EDQUOT: 122,
} as const;

export type ErrorCode = keyof typeof ERRNO;

const MESSAGES: Record<ErrorCode, string> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  EINTR: "interrupted system call",
  EIO: "i/o error",
  ENXIO: "no such device or address",
  E2BIG: "argument list too long",
  EBADF: "bad file descriptor",
  EAGAIN: "resource temporarily unavailable",
  ENOMEM: "not enough memory",
  EACCES: "permission denied",
  EFAULT: "bad address in system call argument",
  EBUSY: "resource busy or locked",
  EEXIST: "file already exists",
  EXDEV: "cross-device link not permitted",
  ENODEV: "no such device",
  ENOTDIR: "not a directory",
  EISDIR: "illegal operation on a directory",
  EINVAL: "invalid argument",
  ENFILE: "file table overflow",
  EMFILE: "too many open files",
  ENOTTY: "inappropriate ioctl for device",
  ETXTBSY: "text file is busy",
  EFBIG: "file too large",
  ENOSPC: "no space left on device",
  ESPIPE: "invalid seek",
  EROFS: "read-only file system",
  EMLINK: "too many links",
  EPIPE: "broken pipe",
  ERANGE: "result too large",
  EDEADLK: "resource deadlock would occur",
  ENAMETOOLONG: "name too long",
  ENOLCK: "no locks available",
  ENOSYS: "function not implemented",
  ENOTEMPTY: "directory not empty",
  ELOOP: "too many symbolic links encountered",
  ENODATA: "no data available",
  EOVERFLOW: "value too large for defined data type",
  EOPNOTSUPP: "operation not supported",
  ESTALE: "stale file handle",
  EUCLEAN: "structure needs cleaning",
  EDQUOT: "disk quota exceeded",
};

/** A file operation failed. `errno` is negative, as in Node. */
export class FsError extends Error {
  override readonly name = "FsError";
  readonly code: ErrorCode;
  readonly errno: number;
  /** What went wrong beyond the code, for a person: "the log has no room for 12 blocks". */
  readonly detail: string | undefined;
  syscall: string | undefined;
  path: string | undefined;
  dest: string | undefined;

  constructor(code: ErrorCode, detail?: string) {
    super(
      detail === undefined ? `${code}: ${MESSAGES[code]}` : `${code}: ${MESSAGES[code]}: ${detail}`,
    );
    this.code = code;
    this.errno = -ERRNO[code];
    this.detail = detail;
  }

  /** Fill in the call and its paths, once; the first to know wins. Returns the same error. */
  at(syscall: string, path?: string, dest?: string): this {
    if (this.syscall !== undefined) return this;
    this.syscall = syscall;
    this.path = path;
    this.dest = dest;
    this.message += `, ${syscall}`;
    if (path !== undefined) this.message += ` '${path}'`;
    if (dest !== undefined) this.message += ` -> '${dest}'`;
    return this;
  }
}

/** The medium breaks the format. Names the structure, its place, the field, and both values. */
export class CorruptionError extends Error {
  override readonly name = "CorruptionError";
  readonly code = "EUCLEAN";
  readonly corruption: Corruption;

  constructor(corruption: Corruption) {
    super(describeCorruption(corruption));
    this.corruption = corruption;
  }
}

export interface Corruption {
  /** On-disk structure: "plain superblock", "ext4_inode". */
  readonly structure: string;
  /** Where: a device byte, or words such as "inode 12". */
  readonly at: number | string;
  readonly field: string;
  readonly found: string | number;
  /** What would have been right, in words or as a value. */
  readonly expected: string | number;
}

export function describeCorruption(c: Corruption): string {
  const at = typeof c.at === "number" ? `byte 0x${c.at.toString(16)}` : c.at;
  return `${c.structure} at ${at}: ${c.field} is ${c.found}, expected ${c.expected}`;
}

/** A mount, mkfs or device option is wrong. The message names it and lists what is valid. */
export class OptionError extends Error {
  override readonly name = "OptionError";
  readonly code = "EINVAL";
}

/** Thrown where a load or store of a mapped file has no page behind it (beyond the end of file). */
export class BusError extends Error {
  override readonly name = "BusError";
  readonly code = "SIGBUS";
}

export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Stop at a bug of ours. The message is a constant string, so that the check costs nothing. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
