/** Attributes and entries in replies: what LOOKUP, GETATTR and all that makes a file answer. */
import type { Inode } from "@xiplab/core";
import type { Connection } from "../connection.ts";
import {
  ATTR,
  ATTR_HEAD,
  ATTR_HEAD_SIZE,
  ATTR_SIZE,
  ENTRY_HEAD,
  ENTRY_HEAD_SIZE,
  ENTRY_OUT_SIZE,
} from "../protocol/attributes.ts";
import type { Reply } from "../reply.ts";

const STAT_UNIT = 512;

/** struct fuse_attr at `at`. HOT. */
function setAttributes(connection: Connection, view: DataView, at: number, inode: Inode): void {
  const { blockSize } = connection;
  inode.timesSeen = true;
  ATTR.ino.set(view, at, inode.ino);
  ATTR.size.set(view, at, inode.size);
  ATTR.blocks.set(view, at, inode.blocks * (blockSize / STAT_UNIT));
  ATTR.atimeSec.set(view, at, inode.atimeSec);
  ATTR.mtimeSec.set(view, at, inode.mtimeSec);
  ATTR.ctimeSec.set(view, at, inode.ctimeSec);
  ATTR.atimeNsec.set(view, at, inode.atimeNsec);
  ATTR.mtimeNsec.set(view, at, inode.mtimeNsec);
  ATTR.ctimeNsec.set(view, at, inode.ctimeNsec);
  ATTR.mode.set(view, at, inode.mode);
  ATTR.nlink.set(view, at, inode.nlink);
  ATTR.uid.set(view, at, inode.uid);
  ATTR.gid.set(view, at, inode.gid);
  ATTR.rdev.set(view, at, inode.rdev);
  ATTR.blksize.set(view, at, blockSize);
  ATTR.flags.set(view, at, 0);
}

/** struct fuse_attr_out is added to the reply. HOT. */
export function addAttributes(connection: Connection, reply: Reply, inode: Inode): void {
  const at = reply.add(ATTR_HEAD_SIZE + ATTR_SIZE);
  ATTR_HEAD.validSec.set(reply.view, at, connection.validSec);
  setAttributes(connection, reply.view, at + ATTR_HEAD_SIZE, inode);
}

/**
 * struct fuse_entry_out is added to the reply, and the kernel told of the inode: the caller's
 * reference becomes the kernel's. HOT.
 */
export function addEntry(connection: Connection, reply: Reply, inode: Inode): void {
  const at = reply.add(ENTRY_OUT_SIZE);
  const { view } = reply;
  ENTRY_HEAD.nodeid.set(view, at, connection.nodes.tell(inode));
  ENTRY_HEAD.generation.set(view, at, inode.generation);
  ENTRY_HEAD.entryValidSec.set(view, at, connection.validSec);
  ENTRY_HEAD.attrValidSec.set(view, at, connection.validSec);
  setAttributes(connection, view, at + ENTRY_HEAD_SIZE, inode);
}

/** An entry that says that there is no such name, for the kernel to remember. HOT. */
export function addAbsence(connection: Connection, reply: Reply): void {
  const at = reply.add(ENTRY_OUT_SIZE);
  ENTRY_HEAD.entryValidSec.set(reply.view, at, connection.validSec);
}
