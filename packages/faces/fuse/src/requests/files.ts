/**
 * Data of files: OPEN, CREATE, TMPFILE, READ, WRITE, FLUSH, RELEASE, FSYNC.
 *
 * How data travels depends on the cache mode of the connection:
 *
 * | cache          | read(2)           | write(2)           | what it gives up |
 * | -------------- | ----------------- | ------------------ | ---------------- |
 * | `direct`       | always asks us    | ours on return     | nothing; small reads again and again cost a request each |
 * | `writethrough` | kernel's pages    | ours on return     | the kernel has the data a second time; what is read is not our path |
 * | `writeback`    | kernel's pages    | ours after fsync   | size and times of open files are the kernel's; data not fsynced is lost with the server; ENOSPC comes with fsync or close; holes and extents are not told (all is data) |
 *
 * In every mode a shared mapping works and is coherent with read and write: the kernel keeps its
 * pages and reconciles them around direct I/O (FUSE_DIRECT_IO_ALLOW_MMAP), and stores through
 * a mapping are ours after msync, fsync or the kernel's own writeback. With a cache, what a mapping
 * stored beyond the end of the file shows when the file grows over it: the kernel's FUSE does not
 * zero its pages there.
 *
 * The kernel finds positions: for O_APPEND it knows the end of the file, since nobody but it writes.
 * A page that it writes back comes through any handle that may write, at a position that counts; so
 * no open file of ours appends.
 */
import { ERRNO, O_ACCMODE, O_RDWR, O_WRONLY, type OpenFile } from "@xiplab/core";
import type { Connection } from "../connection.ts";
import {
  CREATE_IN,
  CREATE_IN_SIZE,
  FLUSH_IN,
  FLUSH_IN_SIZE,
  FOPEN_DIRECT_IO,
  FOPEN_KEEP_CACHE,
  FOPEN_NOFLUSH,
  FOPEN_PARALLEL_DIRECT_WRITES,
  FSYNC_IN,
  FSYNC_IN_SIZE,
  FUSE_FSYNC_FDATASYNC,
  FUSE_OPEN_KILL_SUIDGID,
  FUSE_WRITE_KILL_SUIDGID,
  OPEN_IN,
  OPEN_IN_SIZE,
  OPEN_OUT,
  OPEN_OUT_SIZE,
  READ_IN,
  READ_IN_SIZE,
  RELEASE_IN,
  RELEASE_IN_SIZE,
  WRITE_IN,
  WRITE_IN_SIZE,
  WRITE_OUT,
  WRITE_OUT_SIZE,
} from "../protocol/file-structs.ts";
import {
  FUSE_CREATE,
  FUSE_FLUSH,
  FUSE_FSYNC,
  FUSE_OPEN,
  FUSE_READ,
  FUSE_RELEASE,
  FUSE_TMPFILE,
  FUSE_WRITE,
} from "../protocol/opcodes.ts";
import { BODY_MAX, type Reply } from "../reply.ts";
import type { Request } from "../request.ts";
import { changerOf } from "../changer.ts";
import { addEntry } from "./entry.ts";
import type { Handler } from "./handler.ts";
import { hasServerLocks, ownerOf } from "./locks.ts";
import { umaskOf } from "./names.ts";

/**
 * Bytes up to which READ is answered by a copy in the reply buffer and one write(2); beyond it the
 * kernel takes the data from the device itself (writev), which spares the copy and costs a view.
 * Measured on Node 26: at 4 KiB both take 0.95 us, at 16 KiB the copy 1.1 us, at 64 KiB 2.3, and
 * three times as much where the data is in no cache of the processor.
 */
const COPY_MAX = 4096;

function open(connection: Connection, request: Request, reply: Reply): void {
  const { view } = request;
  const at = request.take(OPEN_IN_SIZE);
  const flags = OPEN_IN.flags.get(view, at);
  const kills = (OPEN_IN.openFlags.get(view, at) & FUSE_OPEN_KILL_SUIDGID) !== 0;
  const credentials = changerOf(connection, request, kills);
  const inode = connection.nodes.get(request.nodeid);
  const { mode } = inode;
  const file = connection.vfs.open(credentials, inode, openFlagsOf(connection, flags));
  if (inode.mode !== mode) connection.invalidateAttributes(inode);
  addOpen(connection, reply, file);
}

function create(connection: Connection, request: Request, reply: Reply): void {
  const { view } = request;
  const { vfs } = connection;
  const at = request.take(CREATE_IN_SIZE);
  const name = request.takeEntryName();
  const flags = openFlagsOf(connection, CREATE_IN.flags.get(view, at));
  const kills = (CREATE_IN.openFlags.get(view, at) & FUSE_OPEN_KILL_SUIDGID) !== 0;
  const file = vfs.openAt(
    changerOf(connection, request, kills),
    connection.nodes.get(request.nodeid),
    name,
    flags,
    CREATE_IN.mode.get(view, at),
    umaskOf(connection, CREATE_IN.umask.get(view, at)),
  );
  addEntry(connection, reply, vfs.retain(file.inode));
  addOpen(connection, reply, file);
}

/** The name that comes along means nothing. */
function tmpfile(connection: Connection, request: Request, reply: Reply): void {
  const { view } = request;
  const { vfs } = connection;
  const at = request.take(CREATE_IN_SIZE);
  const file = vfs.tmpfile(
    connection.credentialsOf(request),
    connection.nodes.get(request.nodeid),
    openFlagsOf(connection, CREATE_IN.flags.get(view, at)),
    CREATE_IN.mode.get(view, at),
    umaskOf(connection, CREATE_IN.umask.get(view, at)),
  );
  addEntry(connection, reply, vfs.retain(file.inode));
  addOpen(connection, reply, file);
}

/** With the kernel writing back, it reads the rest of a page that is written in part. */
function openFlagsOf(connection: Connection, flags: number): number {
  const isWriteOnly = (flags & O_ACCMODE) === O_WRONLY;
  if (!isWriteOnly || connection.session.cache !== "writeback") return flags;
  return (flags & ~O_ACCMODE) | O_RDWR;
}

function addOpen(connection: Connection, reply: Reply, file: OpenFile): void {
  // See the head of this file.
  file.isAppend = false;
  const at = reply.add(OPEN_OUT_SIZE);
  const { view } = reply;
  OPEN_OUT.handle.set(view, at, connection.files.add(file));
  OPEN_OUT.openFlags.set(view, at, cacheFlagsOf(connection));
}

function cacheFlagsOf(connection: Connection): number {
  const isDirect = connection.session.cache === "direct";
  // Nothing changes behind the kernel's back: what it has of the file stays right.
  const cache = isDirect ? FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES : FOPEN_KEEP_CACHE;
  return hasServerLocks(connection) ? cache : cache | FOPEN_NOFLUSH;
}

/** HOT. */
function read(connection: Connection, request: Request, reply: Reply): void {
  const { view } = request;
  const at = request.take(READ_IN_SIZE);
  const file = connection.files.get(READ_IN.handle.get(view, at));
  const offset = READ_IN.offset.get(view, at);
  const size = Math.min(READ_IN.size.get(view, at), BODY_MAX);
  if (size <= COPY_MAX) {
    const to = reply.reserve(size);
    reply.truncate(connection.vfs.read(file, reply.bytes, to, size, offset));
    return;
  }
  const views: Uint8Array[] = [];
  reply.sendViews(views, connection.vfs.readViews(file, views, size, offset));
}

/** HOT. The data is stored from where it was received. */
function write(connection: Connection, request: Request, reply: Reply): void {
  const { view } = request;
  const at = request.take(WRITE_IN_SIZE);
  const file = connection.files.get(WRITE_IN.handle.get(view, at));
  const offset = WRITE_IN.offset.get(view, at);
  const size = WRITE_IN.size.get(view, at);
  const kills = (WRITE_IN.writeFlags.get(view, at) & FUSE_WRITE_KILL_SUIDGID) !== 0;
  const from = request.take(size);
  const credentials = changerOf(connection, request, kills);
  const { mode } = file.inode;
  const written = connection.vfs.write(credentials, file, request.bytes, from, size, offset);
  if (file.inode.mode !== mode) connection.invalidateAttributes(file.inode);
  WRITE_OUT.size.set(reply.view, reply.add(WRITE_OUT_SIZE), written);
}

/**
 * A descriptor was closed: record locks of its process go. Where the kernel keeps the locks nothing
 * is to be done, now or later, and it need not ask again.
 */
function flush(connection: Connection, request: Request, reply: Reply): void {
  if (!hasServerLocks(connection)) return reply.fail(ERRNO.ENOSYS);
  const { view } = request;
  const at = request.take(FLUSH_IN_SIZE);
  const file = connection.files.get(FLUSH_IN.handle.get(view, at));
  const owner = ownerOf(FLUSH_IN.ownerLow.get(view, at), FLUSH_IN.ownerHigh.get(view, at));
  connection.vfs.releaseLocks(file.inode, owner);
}

/** The last descriptor of an open file is gone. Its flock goes with it. */
function release(connection: Connection, request: Request): void {
  const at = request.take(RELEASE_IN_SIZE);
  connection.files.release(RELEASE_IN.handle.get(request.view, at));
}

function fsync(connection: Connection, request: Request): void {
  const { view } = request;
  const at = request.take(FSYNC_IN_SIZE);
  const file = connection.files.get(FSYNC_IN.handle.get(view, at));
  const datasync = (FSYNC_IN.fsyncFlags.get(view, at) & FUSE_FSYNC_FDATASYNC) !== 0;
  connection.vfs.fsync(file, datasync);
}

export const FileHandlers: Readonly<Record<number, Handler>> = {
  [FUSE_OPEN]: open,
  [FUSE_CREATE]: create,
  [FUSE_TMPFILE]: tmpfile,
  [FUSE_READ]: read,
  [FUSE_WRITE]: write,
  [FUSE_FLUSH]: flush,
  [FUSE_RELEASE]: release,
  [FUSE_FSYNC]: fsync,
};
