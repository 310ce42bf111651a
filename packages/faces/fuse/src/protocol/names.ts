/** Requests about names, and FORGET. Names follow the structures, each with a NUL. */
import { pad, struct, u32le, u64le } from "@xiplab/core";

export const FORGET_IN_SIZE = 8;
export const FORGET_IN = struct("fuse_forget_in", FORGET_IN_SIZE, { lookups: u64le(0) });

export const BATCH_FORGET_IN_SIZE = 8;
export const BATCH_FORGET_IN = struct("fuse_batch_forget_in", BATCH_FORGET_IN_SIZE, {
  count: u32le(0),
  dummy: pad(4, 4),
});
export const FORGET_ONE_SIZE = 16;
export const FORGET_ONE = struct("fuse_forget_one", FORGET_ONE_SIZE, {
  nodeid: u64le(0),
  lookups: u64le(8),
});

export const MKNOD_IN_SIZE = 16;
export const MKNOD_IN = struct("fuse_mknod_in", MKNOD_IN_SIZE, {
  mode: u32le(0),
  rdev: u32le(4),
  umask: u32le(8),
  padding: pad(12, 4),
});

export const MKDIR_IN_SIZE = 8;
export const MKDIR_IN = struct("fuse_mkdir_in", MKDIR_IN_SIZE, { mode: u32le(0), umask: u32le(4) });

export const RENAME_IN_SIZE = 8;
export const RENAME_IN = struct("fuse_rename_in", RENAME_IN_SIZE, { newDirectory: u64le(0) });

export const RENAME2_IN_SIZE = 16;
export const RENAME2_IN = struct("fuse_rename2_in", RENAME2_IN_SIZE, {
  newDirectory: u64le(0),
  flags: u32le(8),
  padding: pad(12, 4),
});

export const LINK_IN_SIZE = 8;
export const LINK_IN = struct("fuse_link_in", LINK_IN_SIZE, { oldNodeid: u64le(0) });
