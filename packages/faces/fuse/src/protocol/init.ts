/**
 * INIT: what kernel and server say about themselves, and the flags by which they agree on features.
 * Ref: Linux include/uapi/linux/fuse.h, struct fuse_init_in, fuse_init_out.
 */
import { pad, struct, u16le, u32le } from "@xiplab/core";

export const MAJOR = 7;
/** The newest and the oldest minor version that are spoken here. */
export const MINOR_MAX = 45;
export const MINOR_MIN = 31;

/** What every kernel since 7.6 sends; `flags2` and what follows come with FUSE_INIT_EXT. */
export const INIT_IN_SIZE = 16;
export const INIT_IN = struct("fuse_init_in", INIT_IN_SIZE, {
  major: u32le(0),
  minor: u32le(4),
  maxReadahead: u32le(8),
  flags: u32le(12),
});
export const INIT_IN_EXT_SIZE = 48;
export const INIT_IN_EXT = struct("fuse_init_in (rest)", INIT_IN_EXT_SIZE, {
  flags2: u32le(0),
  unused: pad(4, 44),
});

export const INIT_OUT_SIZE = 64;
export const INIT_OUT = struct("fuse_init_out", INIT_OUT_SIZE, {
  major: u32le(0),
  minor: u32le(4),
  maxReadahead: u32le(8),
  flags: u32le(12),
  maxBackground: u16le(16),
  congestionThreshold: u16le(18),
  maxWrite: u32le(20),
  timeGranularity: u32le(24),
  maxPages: u16le(28),
  mapAlignment: u16le(30),
  flags2: u32le(32),
  maxStackDepth: u32le(36),
  requestTimeout: u16le(40),
  unused: pad(42, 22),
});

export const FUSE_ASYNC_READ = 1 << 0;
export const FUSE_POSIX_LOCKS = 1 << 1;
export const FUSE_ATOMIC_O_TRUNC = 1 << 3;
export const FUSE_EXPORT_SUPPORT = 1 << 4;
export const FUSE_BIG_WRITES = 1 << 5;
export const FUSE_DONT_MASK = 1 << 6;
export const FUSE_FLOCK_LOCKS = 1 << 10;
export const FUSE_HAS_IOCTL_DIR = 1 << 11;
export const FUSE_AUTO_INVAL_DATA = 1 << 12;
export const FUSE_DO_READDIRPLUS = 1 << 13;
export const FUSE_READDIRPLUS_AUTO = 1 << 14;
export const FUSE_ASYNC_DIO = 1 << 15;
export const FUSE_WRITEBACK_CACHE = 1 << 16;
export const FUSE_PARALLEL_DIROPS = 1 << 18;
export const FUSE_POSIX_ACL = 1 << 20;
export const FUSE_ABORT_ERROR = 1 << 21;
export const FUSE_MAX_PAGES = 1 << 22;
export const FUSE_CACHE_SYMLINKS = 1 << 23;
export const FUSE_NO_OPENDIR_SUPPORT = 1 << 24;
export const FUSE_EXPLICIT_INVAL_DATA = 1 << 25;
export const FUSE_HANDLE_KILLPRIV_V2 = 1 << 28;
export const FUSE_SETXATTR_EXT = 1 << 29;
export const FUSE_INIT_EXT = 1 << 30;

/** Bits of the second half: 32 is bit 0 here. */
export const FUSE2_CREATE_SUPP_GROUP = 1 << 2;
export const FUSE2_DIRECT_IO_ALLOW_MMAP = 1 << 4;

/** For --debug: names of the bits, lowest first. */
export const InitFlagNames: readonly string[] = [
  "ASYNC_READ",
  "POSIX_LOCKS",
  "FILE_OPS",
  "ATOMIC_O_TRUNC",
  "EXPORT_SUPPORT",
  "BIG_WRITES",
  "DONT_MASK",
  "SPLICE_WRITE",
  "SPLICE_MOVE",
  "SPLICE_READ",
  "FLOCK_LOCKS",
  "HAS_IOCTL_DIR",
  "AUTO_INVAL_DATA",
  "DO_READDIRPLUS",
  "READDIRPLUS_AUTO",
  "ASYNC_DIO",
  "WRITEBACK_CACHE",
  "NO_OPEN_SUPPORT",
  "PARALLEL_DIROPS",
  "HANDLE_KILLPRIV",
  "POSIX_ACL",
  "ABORT_ERROR",
  "MAX_PAGES",
  "CACHE_SYMLINKS",
  "NO_OPENDIR_SUPPORT",
  "EXPLICIT_INVAL_DATA",
  "MAP_ALIGNMENT",
  "SUBMOUNTS",
  "HANDLE_KILLPRIV_V2",
  "SETXATTR_EXT",
  "INIT_EXT",
  "INIT_RESERVED",
  "SECURITY_CTX",
  "HAS_INODE_DAX",
  "CREATE_SUPP_GROUP",
  "HAS_EXPIRE_ONLY",
  "DIRECT_IO_ALLOW_MMAP",
  "PASSTHROUGH",
  "NO_EXPORT_SUPPORT",
  "HAS_RESEND",
  "ALLOW_IDMAP",
  "OVER_IO_URING",
  "REQUEST_TIMEOUT",
];
