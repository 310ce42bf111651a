/**
 * The ends of a connection: INIT, by which kernel and server agree on features, and DESTROY.
 *
 * A feature is taken if the kernel offers it and the design has it; nothing here looks at versions,
 * beyond refusing those that lack what everything rests on.
 */
import { FsError } from "@xiplab/core";
import type { Connection } from "../connection.ts";
import * as protocol from "../protocol/init.ts";
import type { Reply } from "../reply.ts";
import type { Request } from "../request.ts";
import { WRITE_MAX } from "../session.ts";
import type { Handler } from "./handler.ts";
import { FUSE_DESTROY, FUSE_INIT } from "../protocol/opcodes.ts";

const PAGE_SIZE = 4096;
/** Requests that the kernel sends ahead of answers (readahead, direct I/O in pieces). */
const BACKGROUND_MAX = 64;

/** What is always taken. Why not the others: README, "What is negotiated". */
const WANTED =
  protocol.FUSE_ASYNC_READ |
  protocol.FUSE_ATOMIC_O_TRUNC |
  protocol.FUSE_EXPORT_SUPPORT |
  protocol.FUSE_BIG_WRITES |
  protocol.FUSE_DONT_MASK |
  protocol.FUSE_HAS_IOCTL_DIR |
  protocol.FUSE_DO_READDIRPLUS |
  protocol.FUSE_READDIRPLUS_AUTO |
  protocol.FUSE_ASYNC_DIO |
  protocol.FUSE_PARALLEL_DIROPS |
  protocol.FUSE_ABORT_ERROR |
  protocol.FUSE_MAX_PAGES |
  protocol.FUSE_CACHE_SYMLINKS |
  protocol.FUSE_NO_OPENDIR_SUPPORT |
  protocol.FUSE_HANDLE_KILLPRIV_V2 |
  protocol.FUSE_SETXATTR_EXT |
  protocol.FUSE_INIT_EXT;

/** The flags that this mount would like, as two halves. */
function wanted(connection: Connection): { low: number; high: number } {
  const { options, session, vfs } = connection;
  let low = WANTED;
  let high = protocol.FUSE2_CREATE_SUPP_GROUP;
  if (vfs.superblock.hasAcls) low |= protocol.FUSE_POSIX_ACL;
  if (session.cache === "writeback") low |= protocol.FUSE_WRITEBACK_CACHE;
  if (session.cache === "direct") high |= protocol.FUSE2_DIRECT_IO_ALLOW_MMAP;
  // Who is the only one that changes files need not look whether they changed.
  low |= options.shared ? protocol.FUSE_AUTO_INVAL_DATA : protocol.FUSE_EXPLICIT_INVAL_DATA;
  if (options.locks === "server") low |= protocol.FUSE_POSIX_LOCKS | protocol.FUSE_FLOCK_LOCKS;
  return { low, high };
}

function init(connection: Connection, request: Request, reply: Reply): void {
  const { session, vfs } = connection;
  const { INIT_IN, INIT_IN_EXT, INIT_OUT } = protocol;
  const at = request.take(protocol.INIT_IN_SIZE);
  const { view } = request;
  const major = INIT_IN.major.get(view, at);
  const minor = INIT_IN.minor.get(view, at);
  if (major < protocol.MAJOR || (major === protocol.MAJOR && minor < protocol.MINOR_MIN)) {
    throw new FsError("EOPNOTSUPP", `FUSE ${major}.${minor} is too old`);
  }
  const out = reply.add(protocol.INIT_OUT_SIZE);
  INIT_OUT.major.set(reply.view, out, protocol.MAJOR);
  INIT_OUT.minor.set(reply.view, out, protocol.MINOR_MAX);
  // To a newer major version one says one's own, and it asks again in that.
  if (major > protocol.MAJOR) return;

  const offered = INIT_IN.flags.get(view, at);
  const isLong = (offered & protocol.FUSE_INIT_EXT) !== 0;
  const rest = isLong ? request.take(protocol.INIT_IN_EXT_SIZE) : -1;
  const offered2 = isLong ? INIT_IN_EXT.flags2.get(view, rest) : 0;
  const { low, high } = wanted(connection);
  session.minor = Math.min(minor, protocol.MINOR_MAX);
  session.flagsLow = (offered & low) >>> 0;
  session.flagsHigh = (offered2 & high) >>> 0;

  const hasPages = (session.flagsLow & protocol.FUSE_MAX_PAGES) !== 0;
  const granularity = vfs.superblock.fs.timeGranularity ?? 1;
  INIT_OUT.maxReadahead.set(reply.view, out, INIT_IN.maxReadahead.get(view, at));
  INIT_OUT.flags.set(reply.view, out, session.flagsLow);
  INIT_OUT.flags2.set(reply.view, out, session.flagsHigh);
  INIT_OUT.maxBackground.set(reply.view, out, BACKGROUND_MAX);
  INIT_OUT.congestionThreshold.set(reply.view, out, BACKGROUND_MAX - BACKGROUND_MAX / 4);
  INIT_OUT.maxWrite.set(reply.view, out, WRITE_MAX);
  INIT_OUT.timeGranularity.set(reply.view, out, granularity);
  INIT_OUT.maxPages.set(reply.view, out, hasPages ? WRITE_MAX / PAGE_SIZE : 0);
}

/** The last request: nobody uses the mount any more. */
function destroy(connection: Connection): void {
  if (!connection.vfs.readOnly) connection.vfs.sync();
}

export const InitHandlers: Readonly<Record<number, Handler>> = {
  [FUSE_INIT]: init,
  [FUSE_DESTROY]: destroy,
};
