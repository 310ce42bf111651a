/**
 * Attributes of inodes: GETATTR, SETATTR, STATX, and what LOOKUP and all that makes a file answer.
 * Ref: Linux include/uapi/linux/fuse.h. 64-bit numbers here are below 2^53, handles too.
 */
import { i64le, pad, struct, u16le, u32le, u64le } from "@xiplab/core";

/** struct fuse_attr. Times are signed, though the header does not say so. `blocks`: of 512 bytes. */
export const ATTR_SIZE = 88;
export const ATTR = struct("fuse_attr", ATTR_SIZE, {
  ino: u64le(0),
  size: u64le(8),
  blocks: u64le(16),
  atimeSec: i64le(24),
  mtimeSec: i64le(32),
  ctimeSec: i64le(40),
  atimeNsec: u32le(48),
  mtimeNsec: u32le(52),
  ctimeNsec: u32le(56),
  mode: u32le(60),
  nlink: u32le(64),
  uid: u32le(68),
  gid: u32le(72),
  rdev: u32le(76),
  blksize: u32le(80),
  flags: u32le(84),
});

/** struct fuse_entry_out without its attributes, which follow. `nodeid` 0: no such name. */
export const ENTRY_HEAD_SIZE = 40;
export const ENTRY_HEAD = struct("fuse_entry_out (head)", ENTRY_HEAD_SIZE, {
  nodeid: u64le(0),
  generation: u64le(8),
  entryValidSec: u64le(16),
  attrValidSec: u64le(24),
  entryValidNsec: u32le(32),
  attrValidNsec: u32le(36),
});
export const ENTRY_OUT_SIZE = ENTRY_HEAD_SIZE + ATTR_SIZE;

/** struct fuse_attr_out without its attributes, which follow. */
export const ATTR_HEAD_SIZE = 16;
export const ATTR_HEAD = struct("fuse_attr_out (head)", ATTR_HEAD_SIZE, {
  validSec: u64le(0),
  validNsec: u32le(8),
  dummy: pad(12, 4),
});

/** Nothing in it matters here: see `getattr`. */
export const GETATTR_IN = struct("fuse_getattr_in", 16, {
  flags: u32le(0),
  dummy: pad(4, 4),
  handle: u64le(8),
});

export const SETATTR_IN_SIZE = 88;
export const SETATTR_IN = struct("fuse_setattr_in", SETATTR_IN_SIZE, {
  valid: u32le(0),
  padding: pad(4, 4),
  handle: u64le(8),
  size: u64le(16),
  lockOwner: u64le(24),
  atimeSec: i64le(32),
  mtimeSec: i64le(40),
  ctimeSec: i64le(48),
  atimeNsec: u32le(56),
  mtimeNsec: u32le(60),
  ctimeNsec: u32le(64),
  mode: u32le(68),
  unused4: pad(72, 4),
  uid: u32le(76),
  gid: u32le(80),
  unused5: pad(84, 4),
});

/** Which fields of SETATTR count. Bit 9, a lock owner, and bit 10, ctime, mean nothing here. */
export const FATTR_MODE = 1 << 0;
export const FATTR_UID = 1 << 1;
export const FATTR_GID = 1 << 2;
export const FATTR_SIZE = 1 << 3;
export const FATTR_ATIME = 1 << 4;
export const FATTR_MTIME = 1 << 5;
export const FATTR_FH = 1 << 6;
export const FATTR_ATIME_NOW = 1 << 7;
export const FATTR_MTIME_NOW = 1 << 8;
export const FATTR_KILL_SUIDGID = 1 << 11;

export const STATX_IN_SIZE = 24;
export const STATX_IN = struct("fuse_statx_in", STATX_IN_SIZE, {
  getattrFlags: u32le(0),
  reserved: pad(4, 4),
  handle: u64le(8),
  flags: u32le(16),
  mask: u32le(20),
});

/** struct fuse_statx_out without its struct fuse_statx, which follows. */
export const STATX_HEAD_SIZE = 32;
export const STATX_HEAD = struct("fuse_statx_out (head)", STATX_HEAD_SIZE, {
  validSec: u64le(0),
  validNsec: u32le(8),
  flags: u32le(12),
  spare: pad(16, 16),
});

export const STATX_SIZE = 256;
export const STATX = struct("fuse_statx", STATX_SIZE, {
  mask: u32le(0x0),
  blksize: u32le(0x4),
  attributes: u64le(0x8),
  nlink: u32le(0x10),
  uid: u32le(0x14),
  gid: u32le(0x18),
  mode: u16le(0x1c),
  spare0: pad(0x1e, 2),
  ino: u64le(0x20),
  size: u64le(0x28),
  blocks: u64le(0x30),
  attributesMask: u64le(0x38),
  atimeSec: i64le(0x40),
  atimeNsec: u32le(0x48),
  reserved1: pad(0x4c, 4),
  btimeSec: i64le(0x50),
  btimeNsec: u32le(0x58),
  reserved2: pad(0x5c, 4),
  ctimeSec: i64le(0x60),
  ctimeNsec: u32le(0x68),
  reserved3: pad(0x6c, 4),
  mtimeSec: i64le(0x70),
  mtimeNsec: u32le(0x78),
  reserved4: pad(0x7c, 4),
  rdevMajor: u32le(0x80),
  rdevMinor: u32le(0x84),
  devMajor: u32le(0x88),
  devMinor: u32le(0x8c),
  spare2: pad(0x90, 112),
});

/** statx(2): what is filled in. */
export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;
export const STATX_ATTR_IMMUTABLE = 0x10;
export const STATX_ATTR_APPEND = 0x20;
export const STATX_ATTR_NODUMP = 0x40;
