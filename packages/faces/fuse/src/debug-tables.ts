/** What the bodies of requests and answers consist of, by opcode: for --debug. */
import type { Struct } from "@xiplab/core";
import * as attributes from "./protocol/attributes.ts";
import * as directories from "./protocol/directories.ts";
import * as files from "./protocol/file-structs.ts";
import * as init from "./protocol/init.ts";
import * as names from "./protocol/names.ts";
import * as opcodes from "./protocol/opcodes.ts";
import * as xattrs from "./protocol/xattrs.ts";

/** A structure; a name with its NUL; the rest as text; how many bytes follow; entries. */
export type Part = Struct<object> | "name" | "text" | "data" | "entries" | "entriesPlus";

const ENTRY = [attributes.ENTRY_HEAD, attributes.ATTR];
const ATTRIBUTES = [attributes.ATTR_HEAD, attributes.ATTR];

export const RequestParts: Readonly<Record<number, readonly Part[]>> = {
  [opcodes.FUSE_LOOKUP]: ["name"],
  [opcodes.FUSE_FORGET]: [names.FORGET_IN],
  [opcodes.FUSE_GETATTR]: [attributes.GETATTR_IN],
  [opcodes.FUSE_SETATTR]: [attributes.SETATTR_IN],
  [opcodes.FUSE_SYMLINK]: ["name", "name"],
  [opcodes.FUSE_MKNOD]: [names.MKNOD_IN, "name"],
  [opcodes.FUSE_MKDIR]: [names.MKDIR_IN, "name"],
  [opcodes.FUSE_UNLINK]: ["name"],
  [opcodes.FUSE_RMDIR]: ["name"],
  [opcodes.FUSE_RENAME]: [names.RENAME_IN, "name", "name"],
  [opcodes.FUSE_LINK]: [names.LINK_IN, "name"],
  [opcodes.FUSE_OPEN]: [files.OPEN_IN],
  [opcodes.FUSE_READ]: [files.READ_IN],
  [opcodes.FUSE_WRITE]: [files.WRITE_IN, "data"],
  [opcodes.FUSE_RELEASE]: [files.RELEASE_IN],
  [opcodes.FUSE_FSYNC]: [files.FSYNC_IN],
  [opcodes.FUSE_SETXATTR]: [xattrs.SETXATTR_IN, xattrs.SETXATTR_EXT, "name", "data"],
  [opcodes.FUSE_GETXATTR]: [xattrs.GETXATTR_IN, "name"],
  [opcodes.FUSE_LISTXATTR]: [xattrs.GETXATTR_IN],
  [opcodes.FUSE_REMOVEXATTR]: ["name"],
  [opcodes.FUSE_FLUSH]: [files.FLUSH_IN],
  [opcodes.FUSE_INIT]: [init.INIT_IN, init.INIT_IN_EXT],
  [opcodes.FUSE_OPENDIR]: [files.OPEN_IN],
  [opcodes.FUSE_READDIR]: [files.READ_IN],
  [opcodes.FUSE_RELEASEDIR]: [files.RELEASE_IN],
  [opcodes.FUSE_FSYNCDIR]: [files.FSYNC_IN],
  [opcodes.FUSE_GETLK]: [files.LK_IN],
  [opcodes.FUSE_SETLK]: [files.LK_IN],
  [opcodes.FUSE_SETLKW]: [files.LK_IN],
  [opcodes.FUSE_ACCESS]: [directories.ACCESS_IN],
  [opcodes.FUSE_CREATE]: [files.CREATE_IN, "name"],
  [opcodes.FUSE_INTERRUPT]: [files.INTERRUPT_IN],
  [opcodes.FUSE_BMAP]: [files.BMAP_IN],
  [opcodes.FUSE_IOCTL]: [files.IOCTL_IN, "data"],
  [opcodes.FUSE_BATCH_FORGET]: [names.BATCH_FORGET_IN],
  [opcodes.FUSE_FALLOCATE]: [files.FALLOCATE_IN],
  [opcodes.FUSE_READDIRPLUS]: [files.READ_IN],
  [opcodes.FUSE_RENAME2]: [names.RENAME2_IN, "name", "name"],
  [opcodes.FUSE_LSEEK]: [files.LSEEK_IN],
  [opcodes.FUSE_COPY_FILE_RANGE]: [files.COPY_IN],
  [opcodes.FUSE_COPY_FILE_RANGE_64]: [files.COPY_IN],
  [opcodes.FUSE_TMPFILE]: [files.CREATE_IN, "name"],
  [opcodes.FUSE_STATX]: [attributes.STATX_IN],
};

export const ReplyParts: Readonly<Record<number, readonly Part[]>> = {
  [opcodes.FUSE_LOOKUP]: ENTRY,
  [opcodes.FUSE_GETATTR]: ATTRIBUTES,
  [opcodes.FUSE_SETATTR]: ATTRIBUTES,
  [opcodes.FUSE_READLINK]: ["text"],
  [opcodes.FUSE_SYMLINK]: ENTRY,
  [opcodes.FUSE_MKNOD]: ENTRY,
  [opcodes.FUSE_MKDIR]: ENTRY,
  [opcodes.FUSE_LINK]: ENTRY,
  [opcodes.FUSE_OPEN]: [files.OPEN_OUT],
  [opcodes.FUSE_READ]: ["data"],
  [opcodes.FUSE_WRITE]: [files.WRITE_OUT],
  [opcodes.FUSE_STATFS]: [directories.KSTATFS],
  [opcodes.FUSE_GETXATTR]: ["data"],
  [opcodes.FUSE_LISTXATTR]: ["data"],
  [opcodes.FUSE_INIT]: [init.INIT_OUT],
  [opcodes.FUSE_OPENDIR]: [files.OPEN_OUT],
  [opcodes.FUSE_READDIR]: ["entries"],
  [opcodes.FUSE_GETLK]: [files.LK_OUT],
  [opcodes.FUSE_CREATE]: [...ENTRY, files.OPEN_OUT],
  [opcodes.FUSE_BMAP]: [files.NUMBER_OUT],
  [opcodes.FUSE_IOCTL]: [files.IOCTL_OUT, "data"],
  [opcodes.FUSE_READDIRPLUS]: ["entriesPlus"],
  [opcodes.FUSE_LSEEK]: [files.NUMBER_OUT],
  [opcodes.FUSE_COPY_FILE_RANGE]: [files.WRITE_OUT],
  [opcodes.FUSE_COPY_FILE_RANGE_64]: [files.NUMBER_OUT],
  [opcodes.FUSE_TMPFILE]: [...ENTRY, files.OPEN_OUT],
  [opcodes.FUSE_STATX]: [attributes.STATX_HEAD, attributes.STATX],
};
