/**
 * IOCTL: flags (chattr), project ids, the generation, and the extents of a file.
 *
 * The kernel sends "restricted" ioctls: it copies as many bytes in and out as the command number says.
 * It keeps FS_IOC_FIEMAP, FICLONE, FICLONERANGE, FIDEDUPERANGE and FIBMAP to itself, and answers
 * them with EOPNOTSUPP or EINVAL without asking a FUSE server (fs/ioctl.c, do_vfs_ioctl). So extents
 * have a command of their own here, XIP_IOC_EXTENTS; what shares no blocks has nothing to clone.
 *
 *   struct xip_extents {                 // 4096 bytes, both ways
 *     u64 start, length;                 // in: bytes of the file to report
 *     u32 count, more;                   // out: extents below; 1 where the range has more of them
 *     u64 reserved;
 *     struct { u64 logical, physical, length; u32 flags, reserved; } extents[127];
 *   };                                   // flags: FIEMAP_EXTENT_*; physical: byte of the device
 *   #define XIP_IOC_EXTENTS _IOWR('x', 1, struct xip_extents)
 */
import {
  FsError,
  type Inode,
  INODE_APPEND,
  INODE_IMMUTABLE,
  INODE_NOATIME,
  INODE_NODUMP,
  INODE_PROJINHERIT,
  INODE_SYNC,
  isRegular,
  pad,
  struct,
  u32le,
  u64le,
} from "@xiplab/core";
import type { Connection } from "../connection.ts";
import { IOCTL_IN, IOCTL_IN_SIZE, IOCTL_OUT_SIZE } from "../protocol/file-structs.ts";
import { FUSE_IOCTL } from "../protocol/opcodes.ts";
import type { Reply } from "../reply.ts";
import type { Request } from "../request.ts";
import type { Handler } from "./handler.ts";

/** Of 64-bit programs, and of 32-bit ones where the size in the number differs. linux/fs.h. */
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC32_GETFLAGS = 0x80046601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_IOC32_SETFLAGS = 0x40046602;
const FS_IOC_GETVERSION = 0x80087601;
const FS_IOC32_GETVERSION = 0x80047601;
const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
export const XIP_IOC_EXTENTS = 0xd0007801;

/** Flags of ext4 that lsattr shows and nobody sets: FS_EXTENT_FL, FS_INDEX_FL, FS_INLINE_DATA_FL. */
const SHOWN_FLAGS = 0x10081000;

/** struct fsxattr, of FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR. */
const FSXATTR_SIZE = 28;
const FSXATTR = struct("fsxattr", FSXATTR_SIZE, {
  xflags: u32le(0),
  extentSize: u32le(4),
  extentCount: u32le(8),
  projectId: u32le(12),
  cowExtentSize: u32le(16),
  padding: pad(20, 8),
});

/** FS_XFLAG_* beside the inode flag that means the same. */
const XFLAGS: ReadonlyArray<readonly [xflag: number, flag: number]> = [
  [0x8, INODE_IMMUTABLE],
  [0x10, INODE_APPEND],
  [0x20, INODE_SYNC],
  [0x40, INODE_NOATIME],
  [0x80, INODE_NODUMP],
  [0x200, INODE_PROJINHERIT],
];

const EXTENTS_SIZE = 4096;
const EXTENTS_HEAD_SIZE = 32;
const EXTENTS_HEAD = struct("xip_extents (head)", EXTENTS_HEAD_SIZE, {
  start: u64le(0),
  length: u64le(8),
  count: u32le(16),
  more: u32le(20),
  reserved: pad(24, 8),
});
const EXTENT_SIZE = 32;
const EXTENT = struct("xip_extents (extent)", EXTENT_SIZE, {
  logical: u64le(0),
  physical: u64le(8),
  length: u64le(16),
  flags: u32le(24),
  reserved: pad(28, 4),
});
const EXTENTS_MAX = (EXTENTS_SIZE - EXTENTS_HEAD_SIZE) / EXTENT_SIZE;

function ioctl(connection: Connection, request: Request, reply: Reply): void {
  const { view } = request;
  const at = request.take(IOCTL_IN_SIZE);
  const input = request.take(IOCTL_IN.inSize.get(view, at));
  const outSize = IOCTL_IN.outSize.get(view, at);
  const inode = connection.nodes.get(request.nodeid);
  // Result, and no vectors to try again with: zeros.
  reply.add(IOCTL_OUT_SIZE);
  switch (IOCTL_IN.command.get(view, at)) {
    case FS_IOC_GETFLAGS:
    case FS_IOC32_GETFLAGS:
      addU32(reply, outSize, flagsOf(connection, inode));
      break;
    case FS_IOC_SETFLAGS:
    case FS_IOC32_SETFLAGS:
      requireSize(request.end - input, 4);
      setFlags(connection, request, inode, view.getUint32(input, true));
      break;
    case FS_IOC_GETVERSION:
    case FS_IOC32_GETVERSION:
      addU32(reply, outSize, inode.generation);
      break;
    case FS_IOC_FSGETXATTR:
      requireSize(outSize, FSXATTR_SIZE);
      getAttributes(connection, inode, reply);
      break;
    case FS_IOC_FSSETXATTR:
      requireSize(request.end - input, FSXATTR_SIZE);
      setAttributes(connection, request, inode, input);
      break;
    case XIP_IOC_EXTENTS:
      requireSize(Math.min(request.end - input, outSize), EXTENTS_SIZE);
      listExtents(connection, request, inode, input, reply);
      break;
    default:
      throw new FsError("ENOTTY");
  }
}

/** @throws FsError EINVAL where the kernel brought, or takes, fewer bytes than the command has */
function requireSize(size: number, wanted: number): void {
  if (size < wanted) throw new FsError("EINVAL", "the argument of an ioctl is too short");
}

/** An int, however long the command says it is: the kernel copies what we give. */
function addU32(reply: Reply, outSize: number, value: number): void {
  requireSize(outSize, 4);
  reply.view.setUint32(reply.add(4), value, true);
}

function flagsOf(connection: Connection, inode: Inode): number {
  const { settable } = connection.vfs.getFlags(inode);
  return (inode.flags & (settable | SHOWN_FLAGS)) >>> 0;
}

function setFlags(connection: Connection, request: Request, inode: Inode, flags: number): void {
  connection.vfs.setFlags(connection.credentialsOf(request), inode, flags);
}

function getAttributes(connection: Connection, inode: Inode, reply: Reply): void {
  const at = reply.add(FSXATTR_SIZE);
  const { flags } = connection.vfs.getFlags(inode);
  let xflags = 0;
  for (const [xflag, flag] of XFLAGS) if ((flags & flag) !== 0) xflags |= xflag;
  FSXATTR.xflags.set(reply.view, at, xflags >>> 0);
  FSXATTR.projectId.set(reply.view, at, inode.projectId);
}

/** The project first: where the design has none, nothing is changed. */
function setAttributes(
  connection: Connection,
  request: Request,
  inode: Inode,
  input: number,
): void {
  const { vfs } = connection;
  const { view } = request;
  const xflags = FSXATTR.xflags.get(view, input);
  const projectId = FSXATTR.projectId.get(view, input);
  let { flags } = vfs.getFlags(inode);
  for (const [xflag, flag] of XFLAGS) {
    flags = (xflags & xflag) !== 0 ? flags | flag : flags & ~flag;
  }
  const credentials = connection.credentialsOf(request);
  if (projectId !== inode.projectId) vfs.setProjectId(credentials, inode, projectId);
  vfs.setFlags(credentials, inode, flags >>> 0);
}

function listExtents(
  connection: Connection,
  request: Request,
  inode: Inode,
  input: number,
  reply: Reply,
): void {
  if (!isRegular(inode.mode)) throw new FsError("EOPNOTSUPP");
  const start = EXTENTS_HEAD.start.get(request.view, input);
  const length = EXTENTS_HEAD.length.get(request.view, input);
  const end = Math.min(start + length, Number.MAX_SAFE_INTEGER);
  const extents = end > start ? connection.vfs.fiemap(inode, start, end - start) : [];
  const at = reply.add(EXTENTS_SIZE);
  const { view } = reply;
  const count = Math.min(extents.length, EXTENTS_MAX);
  EXTENTS_HEAD.start.set(view, at, start);
  EXTENTS_HEAD.length.set(view, at, length);
  EXTENTS_HEAD.count.set(view, at, count);
  EXTENTS_HEAD.more.set(view, at, extents.length > count ? 1 : 0);
  for (const [index, extent] of extents.slice(0, count).entries()) {
    const to = at + EXTENTS_HEAD_SIZE + index * EXTENT_SIZE;
    EXTENT.logical.set(view, to, extent.logical);
    EXTENT.physical.set(view, to, extent.physical);
    EXTENT.length.set(view, to, extent.length);
    EXTENT.flags.set(view, to, extent.flags);
  }
}

export const IoctlHandlers: Readonly<Record<number, Handler>> = { [FUSE_IOCTL]: ioctl };
