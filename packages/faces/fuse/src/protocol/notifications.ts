/** What the server tells the kernel without being asked: `error` of the header is the code. */
import { i64le, pad, struct, u64le } from "@xiplab/core";

export const FUSE_NOTIFY_INVAL_INODE = 2;

/** struct fuse_notify_inval_inode_out. An offset below 0: attributes alone, no data. */
export const INVAL_INODE_SIZE = 24;
export const INVAL_INODE = struct("fuse_notify_inval_inode_out", INVAL_INODE_SIZE, {
  nodeid: u64le(0),
  offset: i64le(8),
  length: pad(16, 8),
});
