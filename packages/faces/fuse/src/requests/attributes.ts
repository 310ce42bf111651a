/** Attributes of inodes, and of the file system: GETATTR, SETATTR, STATX, ACCESS, STATFS, SYNCFS. */
import {
  type AttributeChanges,
  INODE_APPEND,
  INODE_IMMUTABLE,
  INODE_NODUMP,
  type Inode,
  type Timespec,
  UTIME_NOW,
} from "@xiplab/core";
import { changerOf } from "../changer.ts";
import type { Connection } from "../connection.ts";
import * as protocol from "../protocol/attributes.ts";
import { ACCESS_IN, ACCESS_IN_SIZE, KSTATFS, KSTATFS_SIZE } from "../protocol/directories.ts";
import {
  FUSE_ACCESS,
  FUSE_GETATTR,
  FUSE_SETATTR,
  FUSE_STATFS,
  FUSE_STATX,
  FUSE_SYNCFS,
} from "../protocol/opcodes.ts";
import type { Reply } from "../reply.ts";
import type { Request } from "../request.ts";
import { addAttributes } from "./entry.ts";
import type { Handler } from "./handler.ts";

const NOW: Timespec = { sec: 0, nsec: UTIME_NOW };

/** What SETATTR may change. */
const FATTR_CHANGES =
  protocol.FATTR_MODE |
  protocol.FATTR_UID |
  protocol.FATTR_GID |
  protocol.FATTR_SIZE |
  protocol.FATTR_ATIME |
  protocol.FATTR_MTIME;

/** HOT. The handle does not matter: the inode is the same, whatever happened to its names. */
function getattr(connection: Connection, request: Request, reply: Reply): void {
  addAttributes(connection, reply, connection.nodes.get(request.nodeid));
}

function setattr(connection: Connection, request: Request, reply: Reply): void {
  const inode = connection.nodes.get(request.nodeid);
  const at = request.take(protocol.SETATTR_IN_SIZE);
  const changes = changesOf(request.view, at, inode);
  // Of a truncation; a change of the owner takes set-id bits away whoever asks.
  const valid = protocol.SETATTR_IN.valid.get(request.view, at);
  const kills = (valid & protocol.FATTR_KILL_SUIDGID) !== 0;
  connection.vfs.setattr(changerOf(connection, request, kills), inode, changes);
  addAttributes(connection, reply, inode);
}

/** ctime is ours: whatever changes moves it to now, also where a kernel that writes back has an own
 * idea of it (FATTR_CTIME), which is never older than what it makes us do. */
function changesOf(view: DataView, at: number, inode: Inode): AttributeChanges {
  const { SETATTR_IN } = protocol;
  const valid = SETATTR_IN.valid.get(view, at);
  const changes: { -readonly [key in keyof AttributeChanges]: AttributeChanges[key] } = {};
  if ((valid & protocol.FATTR_MODE) !== 0) changes.mode = SETATTR_IN.mode.get(view, at) & 0o7777;
  if ((valid & protocol.FATTR_UID) !== 0) changes.uid = SETATTR_IN.uid.get(view, at);
  if ((valid & protocol.FATTR_GID) !== 0) changes.gid = SETATTR_IN.gid.get(view, at);
  if ((valid & protocol.FATTR_SIZE) !== 0) {
    changes.size = SETATTR_IN.size.get(view, at);
    // ftruncate(2) moves the times even where the size stays; truncate(2) does not.
    if ((valid & protocol.FATTR_FH) !== 0) changes.mtime = NOW;
  }
  if ((valid & protocol.FATTR_ATIME) !== 0) {
    const isNow = (valid & protocol.FATTR_ATIME_NOW) !== 0;
    const sec = SETATTR_IN.atimeSec.get(view, at);
    changes.atime = isNow ? NOW : { sec, nsec: SETATTR_IN.atimeNsec.get(view, at) };
  }
  if ((valid & protocol.FATTR_MTIME) !== 0) {
    const isNow = (valid & protocol.FATTR_MTIME_NOW) !== 0;
    const sec = SETATTR_IN.mtimeSec.get(view, at);
    changes.mtime = isNow ? NOW : { sec, nsec: SETATTR_IN.mtimeNsec.get(view, at) };
  }
  // chown(2) to nobody else: only ctime moves, and the set-id bits go, as by any other chown.
  if ((valid & FATTR_CHANGES) === 0) changes.uid = inode.uid;
  return changes;
}

function statx(connection: Connection, request: Request, reply: Reply): void {
  const { STATX, STATX_HEAD } = protocol;
  request.take(protocol.STATX_IN_SIZE);
  const inode = connection.nodes.get(request.nodeid);
  const stat = connection.vfs.getattr(inode);
  const head = reply.add(protocol.STATX_HEAD_SIZE + protocol.STATX_SIZE);
  const { view } = reply;
  STATX_HEAD.validSec.set(view, head, connection.validSec);
  const at = head + protocol.STATX_HEAD_SIZE;
  STATX.mask.set(view, at, protocol.STATX_BASIC_STATS | protocol.STATX_BTIME);
  STATX.blksize.set(view, at, stat.blksize);
  const settable = connection.vfs.getFlags(inode);
  STATX.attributes.set(view, at, statxAttributes(settable.flags));
  STATX.attributesMask.set(view, at, statxAttributes(settable.settable));
  STATX.nlink.set(view, at, stat.nlink);
  STATX.uid.set(view, at, stat.uid);
  STATX.gid.set(view, at, stat.gid);
  STATX.mode.set(view, at, stat.mode);
  STATX.ino.set(view, at, stat.ino);
  STATX.size.set(view, at, stat.size);
  STATX.blocks.set(view, at, stat.blocks);
  STATX.atimeSec.set(view, at, stat.atimeSec);
  STATX.atimeNsec.set(view, at, stat.atimeNsec);
  STATX.btimeSec.set(view, at, stat.btimeSec);
  STATX.btimeNsec.set(view, at, stat.btimeNsec);
  STATX.ctimeSec.set(view, at, stat.ctimeSec);
  STATX.ctimeNsec.set(view, at, stat.ctimeNsec);
  STATX.mtimeSec.set(view, at, stat.mtimeSec);
  STATX.mtimeNsec.set(view, at, stat.mtimeNsec);
  STATX.rdevMajor.set(view, at, (stat.rdev >>> 8) & 0xfff);
  STATX.rdevMinor.set(view, at, (stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00));
}

/** STATX_ATTR_* of INODE_*: the same bits, for those that both have. */
const statxAttributes = (flags: number): number =>
  flags & (INODE_IMMUTABLE | INODE_APPEND | INODE_NODUMP);

function access(connection: Connection, request: Request): void {
  const mask = ACCESS_IN.mask.get(request.view, request.take(ACCESS_IN_SIZE));
  const inode = connection.nodes.get(request.nodeid);
  connection.vfs.access(connection.credentialsOf(request), inode, mask);
}

function statfs(connection: Connection, _request: Request, reply: Reply): void {
  connection.syncIfAsked();
  const stat = connection.vfs.statfs();
  const at = reply.add(KSTATFS_SIZE);
  const { view } = reply;
  KSTATFS.blocks.set(view, at, stat.blocks);
  KSTATFS.blocksFree.set(view, at, stat.blocksFree);
  KSTATFS.blocksAvailable.set(view, at, stat.blocksAvailable);
  KSTATFS.files.set(view, at, stat.files);
  KSTATFS.filesFree.set(view, at, stat.filesFree);
  KSTATFS.blockSize.set(view, at, stat.blockSize);
  KSTATFS.nameMax.set(view, at, stat.nameMax);
  KSTATFS.fragmentSize.set(view, at, stat.blockSize);
}

function syncfs(connection: Connection): void {
  if (!connection.vfs.readOnly) connection.vfs.sync();
}

export const AttributeHandlers: Readonly<Record<number, Handler>> = {
  [FUSE_GETATTR]: getattr,
  [FUSE_SETATTR]: setattr,
  [FUSE_STATX]: statx,
  [FUSE_ACCESS]: access,
  [FUSE_STATFS]: statfs,
  [FUSE_SYNCFS]: syncfs,
};
