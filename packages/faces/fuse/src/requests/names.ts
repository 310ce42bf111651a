/** Requests about names: looking them up, making and removing them, moving them; and FORGET. */
import { assert, FsError, type Inode, type Name } from "@xiplab/core";
import type { Connection } from "../connection.ts";
import { FUSE_DONT_MASK } from "../protocol/init.ts";
import * as protocol from "../protocol/names.ts";
import {
  FUSE_BATCH_FORGET,
  FUSE_FORGET,
  FUSE_LINK,
  FUSE_LOOKUP,
  FUSE_MKDIR,
  FUSE_MKNOD,
  FUSE_READLINK,
  FUSE_RENAME,
  FUSE_RENAME2,
  FUSE_RMDIR,
  FUSE_SYMLINK,
  FUSE_UNLINK,
} from "../protocol/opcodes.ts";
import type { Reply } from "../reply.ts";
import type { Request } from "../request.ts";
import { addAbsence, addEntry } from "./entry.ts";
import type { Handler } from "./handler.ts";

/** The umask of the caller, unless the kernel has applied it already. */
export function umaskOf(connection: Connection, umask: number): number {
  return (connection.session.flagsLow & FUSE_DONT_MASK) === 0 ? 0 : umask & 0o777;
}

/** HOT. */
function lookup(connection: Connection, request: Request, reply: Reply): void {
  const { nodes, vfs } = connection;
  const name = request.takeName();
  // To export (name_to_handle_at, NFS): the kernel has a number of old, and wants its inode.
  const isDots = name === "." || name === "..";
  if (name === "") throw new FsError("EINVAL", "a name is empty");
  if (isDots) return addEntry(connection, reply, lookupDots(connection, request, name));
  const inode = vfs.find(nodes.get(request.nodeid), name);
  if (inode === null) addAbsence(connection, reply);
  else addEntry(connection, reply, inode);
}

function lookupDots(connection: Connection, request: Request, name: Name): Inode {
  const { nodes, vfs } = connection;
  const inode = nodes.find(request.nodeid);
  if (name === ".") return inode;
  try {
    return vfs.lookup(connection.credentialsOf(request), inode, name);
  } finally {
    vfs.forget(inode);
  }
}

function forget(connection: Connection, request: Request, reply: Reply): void {
  reply.drop();
  const at = request.take(protocol.FORGET_IN_SIZE);
  connection.nodes.forget(request.nodeid, protocol.FORGET_IN.lookups.get(request.view, at));
}

function batchForget(connection: Connection, request: Request, reply: Reply): void {
  reply.drop();
  const { BATCH_FORGET_IN, FORGET_ONE, FORGET_ONE_SIZE } = protocol;
  const { view } = request;
  const count = BATCH_FORGET_IN.count.get(view, request.take(protocol.BATCH_FORGET_IN_SIZE));
  for (let index = 0; index < count; index++) {
    const at = request.take(FORGET_ONE_SIZE);
    connection.nodes.forget(FORGET_ONE.nodeid.get(view, at), FORGET_ONE.lookups.get(view, at));
  }
}

function mknod(connection: Connection, request: Request, reply: Reply): void {
  const { MKNOD_IN } = protocol;
  const { view } = request;
  const at = request.take(protocol.MKNOD_IN_SIZE);
  const inode = connection.vfs.mknod(
    connection.credentialsOf(request),
    connection.nodes.get(request.nodeid),
    request.takeEntryName(),
    MKNOD_IN.mode.get(view, at),
    MKNOD_IN.rdev.get(view, at),
    umaskOf(connection, MKNOD_IN.umask.get(view, at)),
  );
  addEntry(connection, reply, inode);
}

function mkdir(connection: Connection, request: Request, reply: Reply): void {
  const { MKDIR_IN } = protocol;
  const at = request.take(protocol.MKDIR_IN_SIZE);
  const inode = connection.vfs.mkdir(
    connection.credentialsOf(request),
    connection.nodes.get(request.nodeid),
    request.takeEntryName(),
    MKDIR_IN.mode.get(request.view, at),
    umaskOf(connection, MKDIR_IN.umask.get(request.view, at)),
  );
  addEntry(connection, reply, inode);
}

function symlink(connection: Connection, request: Request, reply: Reply): void {
  const { vfs, nodes } = connection;
  const directory = nodes.get(request.nodeid);
  const name = request.takeEntryName();
  const target = request.takeName();
  const inode = vfs.symlink(connection.credentialsOf(request), directory, name, target);
  addEntry(connection, reply, inode);
}

function readlink(connection: Connection, request: Request, reply: Reply): void {
  const target = connection.vfs.readlink(connection.nodes.get(request.nodeid));
  reply.addName(target);
}

/** The kernel made sure that a file without a name may get one (O_TMPFILE without O_EXCL). */
function link(connection: Connection, request: Request, reply: Reply): void {
  const { vfs, nodes } = connection;
  const at = request.take(protocol.LINK_IN_SIZE);
  const inode = nodes.get(protocol.LINK_IN.oldNodeid.get(request.view, at));
  const directory = nodes.get(request.nodeid);
  const name = request.takeEntryName();
  vfs.link(connection.credentialsOf(request), inode, directory, name, inode.nlink === 0);
  assert(inode.nlink > 0, "what was linked has a name");
  addEntry(connection, reply, vfs.retain(inode));
}

function unlink(connection: Connection, request: Request): void {
  const { vfs, nodes } = connection;
  const directory = nodes.get(request.nodeid);
  vfs.unlink(connection.credentialsOf(request), directory, request.takeEntryName());
}

function rmdir(connection: Connection, request: Request): void {
  const { vfs, nodes } = connection;
  const directory = nodes.get(request.nodeid);
  vfs.rmdir(connection.credentialsOf(request), directory, request.takeEntryName());
}

function rename(connection: Connection, request: Request): void {
  const at = request.take(protocol.RENAME_IN_SIZE);
  move(connection, request, protocol.RENAME_IN.newDirectory.get(request.view, at), 0);
}

function rename2(connection: Connection, request: Request): void {
  const { RENAME2_IN } = protocol;
  const { view } = request;
  const at = request.take(protocol.RENAME2_IN_SIZE);
  move(connection, request, RENAME2_IN.newDirectory.get(view, at), RENAME2_IN.flags.get(view, at));
}

function move(connection: Connection, request: Request, newNodeid: number, flags: number): void {
  const { vfs, nodes } = connection;
  const oldDirectory = nodes.get(request.nodeid);
  const newDirectory = nodes.get(newNodeid);
  const oldName = request.takeEntryName();
  const newName = request.takeEntryName();
  const credentials = connection.credentialsOf(request);
  vfs.rename(credentials, oldDirectory, oldName, newDirectory, newName, flags);
}

export const NameHandlers: Readonly<Record<number, Handler>> = {
  [FUSE_LOOKUP]: lookup,
  [FUSE_FORGET]: forget,
  [FUSE_BATCH_FORGET]: batchForget,
  [FUSE_MKNOD]: mknod,
  [FUSE_MKDIR]: mkdir,
  [FUSE_SYMLINK]: symlink,
  [FUSE_READLINK]: readlink,
  [FUSE_LINK]: link,
  [FUSE_UNLINK]: unlink,
  [FUSE_RMDIR]: rmdir,
  [FUSE_RENAME]: rename,
  [FUSE_RENAME2]: rename2,
};
