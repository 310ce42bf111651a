/** Entries of READDIR and READDIRPLUS; STATFS; ACCESS. Ref: Linux include/uapi/linux/fuse.h. */
import { pad, struct, u32le, u64le } from "@xiplab/core";

/** Of OPENDIR: the kernel may keep the list of names until the directory changes. */
export const FOPEN_CACHE_DIR = 1 << 3;

/** struct fuse_dirent: the name follows, without a NUL, and zeros up to a multiple of 8. */
export const DIRENT_SIZE = 24;
export const DIRENT = struct("fuse_dirent", DIRENT_SIZE, {
  ino: u64le(0),
  offset: u64le(8),
  nameLength: u32le(16),
  type: u32le(20),
});

export const ACCESS_IN_SIZE = 8;
export const ACCESS_IN = struct("fuse_access_in", ACCESS_IN_SIZE, {
  mask: u32le(0),
  padding: pad(4, 4),
});

export const KSTATFS_SIZE = 80;
export const KSTATFS = struct("fuse_kstatfs", KSTATFS_SIZE, {
  blocks: u64le(0),
  blocksFree: u64le(8),
  blocksAvailable: u64le(16),
  files: u64le(24),
  filesFree: u64le(32),
  blockSize: u32le(40),
  nameMax: u32le(44),
  fragmentSize: u32le(48),
  padding: pad(52, 4),
  spare: pad(56, 24),
});
