/** The C library through Node's ffi: system calls as they are, so that errno is the kernel's own. */
import ffi from "node:ffi";
import { ERRNO, type ErrorCode, FsError } from "@xiplab/core";

const PATH = "buffer";
const DATA = "pointer";
const INT = "int32";
const UINT = "uint32";
const LONG = "int64";

const { functions } = ffi.dlopen("libc.so.6", {
  __errno_location: { arguments: [], return: "pointer" },
  open: { arguments: [PATH, INT, UINT], return: INT },
  dup: { arguments: [INT], return: INT },
  fcntl: { arguments: [INT, INT, LONG], return: INT },
  close: { arguments: [INT], return: INT },
  read: { arguments: [INT, DATA, LONG], return: LONG },
  pread: { arguments: [INT, DATA, LONG, LONG], return: LONG },
  write: { arguments: [INT, DATA, LONG], return: LONG },
  pwrite: { arguments: [INT, DATA, LONG, LONG], return: LONG },
  lseek: { arguments: [INT, LONG, INT], return: LONG },
  truncate: { arguments: [PATH, LONG], return: INT },
  ftruncate: { arguments: [INT, LONG], return: INT },
  fallocate: { arguments: [INT, INT, LONG, LONG], return: INT },
  fsync: { arguments: [INT], return: INT },
  fdatasync: { arguments: [INT], return: INT },
  mkdir: { arguments: [PATH, UINT], return: INT },
  rmdir: { arguments: [PATH], return: INT },
  unlink: { arguments: [PATH], return: INT },
  link: { arguments: [PATH, PATH], return: INT },
  linkat: { arguments: [INT, PATH, INT, PATH, INT], return: INT },
  symlink: { arguments: [PATH, PATH], return: INT },
  readlink: { arguments: [PATH, DATA, LONG], return: LONG },
  renameat2: { arguments: [INT, PATH, INT, PATH, UINT], return: INT },
  mknod: { arguments: [PATH, UINT, LONG], return: INT },
  faccessat: { arguments: [INT, PATH, INT, INT], return: INT },
  chmod: { arguments: [PATH, UINT], return: INT },
  fchmod: { arguments: [INT, UINT], return: INT },
  chown: { arguments: [PATH, UINT, UINT], return: INT },
  lchown: { arguments: [PATH, UINT, UINT], return: INT },
  fchown: { arguments: [INT, UINT, UINT], return: INT },
  utimensat: { arguments: [INT, PATH, DATA, INT], return: INT },
  futimens: { arguments: [INT, DATA], return: INT },
  setxattr: { arguments: [PATH, PATH, DATA, LONG, INT], return: INT },
  getxattr: { arguments: [PATH, PATH, DATA, LONG], return: LONG },
  listxattr: { arguments: [PATH, DATA, LONG], return: LONG },
  removexattr: { arguments: [PATH, PATH], return: INT },
  mmap: { arguments: [LONG, LONG, INT, INT, INT, LONG], return: LONG },
  munmap: { arguments: [LONG, LONG], return: INT },
  msync: { arguments: [LONG, LONG, INT], return: INT },
  memfd_create: { arguments: [PATH, UINT], return: INT },
  chroot: { arguments: [PATH], return: INT },
});

export const libc = functions;

const codes = new Map<number, ErrorCode>(
  (Object.entries(ERRNO) as [ErrorCode, number][]).map(([code, value]) => [value, code]),
);

/** What a system call returned, as a number. @throws FsError with the kernel's code */
export function done(returned: number | bigint): number {
  const value = Number(returned);
  if (value !== -1) return value;
  const errno = ffi.getInt32(libc.__errno_location());
  const code = codes.get(errno);
  if (code === undefined) throw new Error(`the kernel gave errno ${errno}`);
  throw new FsError(code);
}

/** A byte string as C has it. */
export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`, "latin1");
}
