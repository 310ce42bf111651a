/** Extended attributes, POSIX access control lists among them. */
import { FsError, type Inode, type Name, S_ISGID } from "@xiplab/core";
import type { Connection } from "../connection.ts";
import { FUSE_SETXATTR_EXT } from "../protocol/init.ts";
import {
  FUSE_GETXATTR,
  FUSE_LISTXATTR,
  FUSE_REMOVEXATTR,
  FUSE_SETXATTR,
} from "../protocol/opcodes.ts";
import * as protocol from "../protocol/xattrs.ts";
import type { Reply } from "../reply.ts";
import type { Request } from "../request.ts";
import type { Handler } from "./handler.ts";

/** @throws FsError ENOSYS where the design has none at all: the kernel does not ask again then */
function requireXattrs(connection: Connection): void {
  const { capabilities } = connection.vfs.superblock;
  const hasAny = capabilities.xattrs === true || capabilities.posixAcls === true;
  if (!hasAny) throw new FsError("ENOSYS");
}

function getxattr(connection: Connection, request: Request, reply: Reply): void {
  requireXattrs(connection);
  const inode = connection.nodes.get(request.nodeid);
  const at = request.take(protocol.GETXATTR_IN_SIZE);
  const size = protocol.GETXATTR_IN.size.get(request.view, at);
  const name = request.takeName();
  const value = connection.vfs.getxattr(connection.credentialsOf(request), inode, name);
  if (size === 0) return addSize(reply, value.length);
  if (value.length > size) throw new FsError("ERANGE");
  reply.addBytes(value);
}

function listxattr(connection: Connection, request: Request, reply: Reply): void {
  requireXattrs(connection);
  const inode = connection.nodes.get(request.nodeid);
  const at = request.take(protocol.GETXATTR_IN_SIZE);
  const size = protocol.GETXATTR_IN.size.get(request.view, at);
  const names = connection.vfs.listxattr(connection.credentialsOf(request), inode);
  let length = 0;
  for (const name of names) length += name.length + 1;
  if (size === 0) return addSize(reply, length);
  if (length > size) throw new FsError("ERANGE");
  for (const name of names) reply.addName(`${name}\0` as Name);
}

function addSize(reply: Reply, size: number): void {
  protocol.GETXATTR_OUT.size.set(reply.view, reply.add(protocol.GETXATTR_OUT_SIZE), size);
}

function setxattr(connection: Connection, request: Request): void {
  requireXattrs(connection);
  const { SETXATTR_IN, SETXATTR_EXT } = protocol;
  const { view } = request;
  const inode = connection.nodes.get(request.nodeid);
  const at = request.take(protocol.SETXATTR_IN_SIZE);
  const isLong = (connection.session.flagsLow & FUSE_SETXATTR_EXT) !== 0;
  const rest = isLong ? request.take(protocol.SETXATTR_EXT_SIZE) : -1;
  const more = isLong ? SETXATTR_EXT.setxattrFlags.get(view, rest) : 0;
  const name = request.takeName();
  const size = SETXATTR_IN.size.get(view, at);
  const start = request.take(size);
  const value = request.bytes.slice(start, start + size);
  const flags = SETXATTR_IN.flags.get(view, at);
  const credentials = connection.credentialsOf(request);
  connection.vfs.setxattr(credentials, inode, name, value, flags);
  if ((more & protocol.FUSE_SETXATTR_ACL_KILL_SGID) !== 0) killSetgid(connection, request, inode);
}

function killSetgid(connection: Connection, request: Request, inode: Inode): void {
  if ((inode.mode & S_ISGID) === 0) return;
  const mode = inode.mode & 0o7777 & ~S_ISGID;
  connection.vfs.setattr(connection.credentialsOf(request), inode, { mode });
}

function removexattr(connection: Connection, request: Request): void {
  requireXattrs(connection);
  const inode = connection.nodes.get(request.nodeid);
  connection.vfs.removexattr(connection.credentialsOf(request), inode, request.takeName());
}

export const XattrHandlers: Readonly<Record<number, Handler>> = {
  [FUSE_GETXATTR]: getxattr,
  [FUSE_LISTXATTR]: listxattr,
  [FUSE_SETXATTR]: setxattr,
  [FUSE_REMOVEXATTR]: removexattr,
};
