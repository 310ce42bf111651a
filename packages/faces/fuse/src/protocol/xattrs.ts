/** GETXATTR, LISTXATTR, SETXATTR; names follow, then values. */
import { pad, struct, u32le } from "@xiplab/core";

export const GETXATTR_IN_SIZE = 8;
export const GETXATTR_IN = struct("fuse_getxattr_in", GETXATTR_IN_SIZE, {
  size: u32le(0),
  padding: pad(4, 4),
});

/** The answer to a probe: how many bytes there are. */
export const GETXATTR_OUT_SIZE = 8;
export const GETXATTR_OUT = struct("fuse_getxattr_out", GETXATTR_OUT_SIZE, {
  size: u32le(0),
  padding: pad(4, 4),
});

export const SETXATTR_IN_SIZE = 8;
export const SETXATTR_IN = struct("fuse_setxattr_in (before 7.33)", SETXATTR_IN_SIZE, {
  size: u32le(0),
  flags: u32le(4),
});
/** Behind it, with FUSE_SETXATTR_EXT. */
export const SETXATTR_EXT_SIZE = 8;
export const SETXATTR_EXT = struct("fuse_setxattr_in (rest)", SETXATTR_EXT_SIZE, {
  setxattrFlags: u32le(0),
  padding: pad(4, 4),
});
/** The caller is not in the group of the file: setting the access list clears the setgid bit. */
export const FUSE_SETXATTR_ACL_KILL_SGID = 1 << 0;
