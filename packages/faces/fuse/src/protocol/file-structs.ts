/**
 * Bodies of the requests on files: data, space, locks, ioctl. Little-endian.
 * Ref: Linux include/uapi/linux/fuse.h.
 *
 * Numbers of 64 bits are exact below 2^53 and clamped above; what is opaque (lock owners) is taken
 * as two halves. Handles are ours, and small: the low half is enough.
 */
import { pad, struct, u32le, u64le } from "@xiplab/core";

/** struct fuse_open_in. `flags`: O_*. */
export const OPEN_IN_SIZE = 8;
export const OPEN_IN = struct("fuse_open_in", OPEN_IN_SIZE, {
  flags: u32le(0),
  openFlags: u32le(4),
});
/** The caller has no CAP_FSETID, and truncates: set-id bits go. */
export const FUSE_OPEN_KILL_SUIDGID = 1;

/** struct fuse_create_in, of CREATE and TMPFILE; a name follows. */
export const CREATE_IN_SIZE = 16;
export const CREATE_IN = struct("fuse_create_in", CREATE_IN_SIZE, {
  flags: u32le(0),
  mode: u32le(4),
  umask: u32le(8),
  openFlags: u32le(12),
});

/** struct fuse_open_out. `openFlags`: FOPEN_*. */
export const OPEN_OUT_SIZE = 16;
export const OPEN_OUT = struct("fuse_open_out", OPEN_OUT_SIZE, {
  handle: u32le(0),
  handleHigh: pad(4, 4),
  openFlags: u32le(8),
  backingId: pad(12, 4),
});
export const FOPEN_DIRECT_IO = 1 << 0;
export const FOPEN_KEEP_CACHE = 1 << 1;
export const FOPEN_NOFLUSH = 1 << 5;
export const FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6;

/** struct fuse_read_in. */
export const READ_IN_SIZE = 40;
export const READ_IN = struct("fuse_read_in", READ_IN_SIZE, {
  handle: u32le(0),
  handleHigh: pad(4, 4),
  offset: u64le(8),
  size: u32le(16),
  readFlags: u32le(20),
  ownerLow: u32le(24),
  ownerHigh: u32le(28),
  flags: u32le(32),
  padding: pad(36, 4),
});

/** struct fuse_write_in; `size` bytes of data follow. */
export const WRITE_IN_SIZE = 40;
export const WRITE_IN = struct("fuse_write_in", WRITE_IN_SIZE, {
  handle: u32le(0),
  handleHigh: pad(4, 4),
  offset: u64le(8),
  size: u32le(16),
  writeFlags: u32le(20),
  ownerLow: u32le(24),
  ownerHigh: u32le(28),
  flags: u32le(32),
  padding: pad(36, 4),
});
/** A page of the kernel's cache is written back, through any handle that may write. */
export const FUSE_WRITE_CACHE = 1 << 0;
/** The caller has no CAP_FSETID: set-id bits go. */
export const FUSE_WRITE_KILL_SUIDGID = 1 << 2;

/** struct fuse_write_out, of WRITE and COPY_FILE_RANGE. */
export const WRITE_OUT_SIZE = 8;
export const WRITE_OUT = struct("fuse_write_out", WRITE_OUT_SIZE, {
  size: u32le(0),
  padding: pad(4, 4),
});

/** struct fuse_release_in. */
export const RELEASE_IN_SIZE = 24;
export const RELEASE_IN = struct("fuse_release_in", RELEASE_IN_SIZE, {
  handle: u32le(0),
  handleHigh: pad(4, 4),
  flags: u32le(8),
  releaseFlags: u32le(12),
  ownerLow: u32le(16),
  ownerHigh: u32le(20),
});

/** struct fuse_flush_in: somebody closed a descriptor. */
export const FLUSH_IN_SIZE = 24;
export const FLUSH_IN = struct("fuse_flush_in", FLUSH_IN_SIZE, {
  handle: u32le(0),
  handleHigh: pad(4, 4),
  padding: pad(8, 8),
  ownerLow: u32le(16),
  ownerHigh: u32le(20),
});

/** struct fuse_fsync_in, of FSYNC and FSYNCDIR. */
export const FSYNC_IN_SIZE = 16;
export const FSYNC_IN = struct("fuse_fsync_in", FSYNC_IN_SIZE, {
  handle: u32le(0),
  handleHigh: pad(4, 4),
  fsyncFlags: u32le(8),
  padding: pad(12, 4),
});
export const FUSE_FSYNC_FDATASYNC = 1;

/** struct fuse_fallocate_in. `mode`: FALLOC_FL_*. */
export const FALLOCATE_IN_SIZE = 32;
export const FALLOCATE_IN = struct("fuse_fallocate_in", FALLOCATE_IN_SIZE, {
  handle: u32le(0),
  handleHigh: pad(4, 4),
  offset: u64le(8),
  length: u64le(16),
  mode: u32le(24),
  padding: pad(28, 4),
});

/** struct fuse_lseek_in. */
export const LSEEK_IN_SIZE = 24;
export const LSEEK_IN = struct("fuse_lseek_in", LSEEK_IN_SIZE, {
  handle: u32le(0),
  handleHigh: pad(4, 4),
  offset: u64le(8),
  whence: u32le(16),
  padding: pad(20, 4),
});
/** struct fuse_lseek_out; struct fuse_copy_file_range_out and fuse_bmap_out look the same. */
export const NUMBER_OUT_SIZE = 8;
export const NUMBER_OUT = struct("fuse_lseek_out", NUMBER_OUT_SIZE, { value: u64le(0) });

/** struct fuse_copy_file_range_in. */
export const COPY_IN_SIZE = 56;
export const COPY_IN = struct("fuse_copy_file_range_in", COPY_IN_SIZE, {
  sourceHandle: u32le(0),
  sourceHandleHigh: pad(4, 4),
  sourceOffset: u64le(8),
  targetNodeid: u64le(16),
  targetHandle: u32le(24),
  targetHandleHigh: pad(28, 4),
  targetOffset: u64le(32),
  length: u64le(40),
  flags: u64le(48),
});

/** struct fuse_bmap_in. */
export const BMAP_IN_SIZE = 16;
export const BMAP_IN = struct("fuse_bmap_in", BMAP_IN_SIZE, {
  block: u64le(0),
  blockSize: u32le(8),
  padding: pad(12, 4),
});

/** struct fuse_lk_in. `end` is the last byte of the range; OFFSET_MAX: to the end of the file. */
export const LK_IN_SIZE = 48;
export const LK_IN = struct("fuse_lk_in", LK_IN_SIZE, {
  handle: u32le(0),
  handleHigh: pad(4, 4),
  ownerLow: u32le(8),
  ownerHigh: u32le(12),
  start: u64le(16),
  end: u64le(24),
  type: u32le(32),
  pid: u32le(36),
  lkFlags: u32le(40),
  padding: pad(44, 4),
});
/** It is about flock(2). */
export const FUSE_LK_FLOCK = 1;

/** struct fuse_lk_out. The end as two halves: OFFSET_MAX is beyond exact numbers. */
export const LK_OUT_SIZE = 24;
export const LK_OUT = struct("fuse_lk_out", LK_OUT_SIZE, {
  start: u64le(0),
  endLow: u32le(8),
  endHigh: u32le(12),
  type: u32le(16),
  pid: u32le(20),
});

/** struct fuse_interrupt_in: the number of the request that nobody waits for any more. */
export const INTERRUPT_IN_SIZE = 8;
export const INTERRUPT_IN = struct("fuse_interrupt_in", INTERRUPT_IN_SIZE, {
  uniqueLow: u32le(0),
  uniqueHigh: u32le(4),
});

/** struct fuse_ioctl_in; `inSize` bytes of data follow. */
export const IOCTL_IN_SIZE = 32;
export const IOCTL_IN = struct("fuse_ioctl_in", IOCTL_IN_SIZE, {
  handle: u32le(0),
  handleHigh: pad(4, 4),
  flags: u32le(8),
  command: u32le(12),
  argumentLow: u32le(16),
  argumentHigh: u32le(20),
  inSize: u32le(24),
  outSize: u32le(28),
});

/** struct fuse_ioctl_out; data follows. */
export const IOCTL_OUT_SIZE = 16;
export const IOCTL_OUT = struct("fuse_ioctl_out", IOCTL_OUT_SIZE, {
  result: u32le(0),
  flags: u32le(4),
  inVectors: u32le(8),
  outVectors: u32le(12),
});
