/**
 * Listing directories. Where the kernel can do without OPENDIR it is told so (ENOSYS): then it sends
 * nothing to open and to close one, keeps the list until the directory changes, and asks with handle
 * 0. So nothing here depends on handles: a cookie and the node say everything.
 */
import {
  copyName,
  type DirBatch,
  type Ino,
  type Inode,
  type Name,
  newDirBatch,
  FsError,
  O_DIRECTORY,
  O_RDONLY,
} from "@xiplab/core";
import type { Connection } from "../connection.ts";
import { ENTRY_OUT_SIZE } from "../protocol/attributes.ts";
import { DIRENT, DIRENT_SIZE, FOPEN_CACHE_DIR } from "../protocol/directories.ts";
import {
  FOPEN_KEEP_CACHE,
  FSYNC_IN,
  FSYNC_IN_SIZE,
  FUSE_FSYNC_FDATASYNC,
  OPEN_OUT,
  OPEN_OUT_SIZE,
  READ_IN,
  READ_IN_SIZE,
  RELEASE_IN_SIZE,
} from "../protocol/file-structs.ts";
import { FUSE_NO_OPENDIR_SUPPORT } from "../protocol/init.ts";
import {
  FUSE_FSYNCDIR,
  FUSE_OPENDIR,
  FUSE_READDIR,
  FUSE_READDIRPLUS,
  FUSE_RELEASEDIR,
} from "../protocol/opcodes.ts";
import { BODY_MAX, type Reply } from "../reply.ts";
import type { Request } from "../request.ts";
import { addAbsence, addEntry } from "./entry.ts";
import type { Handler } from "./handler.ts";

/** Bytes of an entry with a name of that length: a multiple of 8. */
const direntSize = (nameLength: number): number => (DIRENT_SIZE + nameLength + 7) & ~7;

/** A short name and what stands around it: by that is guessed how many entries fit. */
const ENTRY_SIZE_GUESS = DIRENT_SIZE + 16;

/**
 * Names of a long listing that come with attributes before anybody asked for them. The kernel asks so
 * for the first piece of each (FUSE_READDIRPLUS_AUTO), and then only where the names it got were looked
 * at: so few are enough to find out, and who wants names alone pays for few. A listing that is over
 * with its first piece comes with all of them.
 */
const PLUS_FIRST = 16;

function opendir(connection: Connection, request: Request, reply: Reply): void {
  if ((connection.session.flagsLow & FUSE_NO_OPENDIR_SUPPORT) !== 0) throw new FsError("ENOSYS");
  connection.nodes.get(request.nodeid);
  const at = reply.add(OPEN_OUT_SIZE);
  OPEN_OUT.openFlags.set(reply.view, at, FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR);
}

function releasedir(_connection: Connection, request: Request): void {
  request.take(RELEASE_IN_SIZE);
}

function fsyncdir(connection: Connection, request: Request): void {
  const { vfs, nodes } = connection;
  const at = request.take(FSYNC_IN_SIZE);
  const isData = (FSYNC_IN.fsyncFlags.get(request.view, at) & FUSE_FSYNC_FDATASYNC) !== 0;
  const credentials = connection.credentialsOf(request);
  const file = vfs.open(credentials, nodes.get(request.nodeid), O_RDONLY | O_DIRECTORY);
  try {
    vfs.fsync(file, isData);
  } finally {
    vfs.close(file);
  }
}

function readdir(connection: Connection, request: Request, reply: Reply): void {
  list(connection, request, reply, 0);
}

function readdirplus(connection: Connection, request: Request, reply: Reply): void {
  list(connection, request, reply, ENTRY_OUT_SIZE);
}

/** Entries from the cookie on, as many as fit; `plusSize`: bytes in front of each. */
function list(connection: Connection, request: Request, reply: Reply, plusSize: number): void {
  const { vfs, nodes } = connection;
  const directory = nodes.get(request.nodeid);
  const at = request.take(READ_IN_SIZE);
  const cookie = READ_IN.offset.get(request.view, at);
  const size = Math.min(READ_IN.size.get(request.view, at), BODY_MAX);
  const max = Math.ceil(size / (plusSize + ENTRY_SIZE_GUESS));
  const batch = newDirBatch();
  const credentials = connection.credentialsOf(request);
  const file = vfs.open(credentials, directory, O_RDONLY | O_DIRECTORY);
  let goesOn: boolean;
  try {
    goesOn = vfs.readdir(file, cookie, batch, max);
  } finally {
    vfs.close(file);
  }
  let count = fitting(batch, plusSize, size);
  goesOn ||= count < batch.names.length;
  if (goesOn && plusSize > 0 && cookie === 0) count = Math.min(count, PLUS_FIRST);
  count = cut(batch, count);
  for (let index = 0; index < count; index++) {
    if (plusSize > 0) addPlus(connection, reply, directory, batch, index);
    addDirent(reply, batch, index);
  }
}

/** How many entries, with `plusSize` bytes in front of each, go into `size` bytes.
 * @throws FsError EINVAL where there are entries, and none fits */
function fitting({ names }: DirBatch, plusSize: number, size: number): number {
  let count = 0;
  for (let left = size; count < names.length; count++) {
    left -= plusSize + direntSize(names[count]!.length);
    if (left < 0) break;
  }
  if (count === 0 && names.length > 0) throw new FsError("EINVAL", "no room for an entry");
  return count;
}

/** The first `count` entries or fewer: the next piece begins behind all that share a cookie. */
function cut({ cookies }: DirBatch, count: number): number {
  let whole = count;
  while (whole > 0 && cookies[whole - 1] === cookies[whole]) whole--;
  return whole > 0 ? whole : count;
}

/** The entry of a name as LOOKUP would answer it: the kernel is told of the inode. */
function addPlus(
  connection: Connection,
  reply: Reply,
  directory: Inode,
  batch: DirBatch,
  index: number,
): void {
  const name = batch.names[index]!;
  const isDots = name === "." || name === "..";
  const inode = isDots ? null : connection.vfs.find(directory, name);
  if (inode === null) addAbsence(connection, reply);
  else addEntry(connection, reply, inode);
}

/** HOT. */
function addDirent(reply: Reply, batch: DirBatch, index: number): void {
  const name: Name = batch.names[index]!;
  const ino: Ino = batch.inos[index]!;
  const size = direntSize(name.length);
  const at = reply.reserve(size);
  const { view } = reply;
  DIRENT.ino.set(view, at, ino);
  DIRENT.offset.set(view, at, batch.cookies[index]!);
  DIRENT.nameLength.set(view, at, name.length);
  DIRENT.type.set(view, at, batch.types[index]!);
  const nameAt = at + DIRENT_SIZE;
  for (let zero = nameAt + name.length; zero < at + size; zero++) view.setUint8(zero, 0);
  copyName(name, reply.bytes, nameAt);
}

export const DirectoryHandlers: Readonly<Record<number, Handler>> = {
  [FUSE_OPENDIR]: opendir,
  [FUSE_READDIR]: readdir,
  [FUSE_READDIRPLUS]: readdirplus,
  [FUSE_RELEASEDIR]: releasedir,
  [FUSE_FSYNCDIR]: fsyncdir,
};
