/**
 * Advisory locks: GETLK, SETLK, SETLKW (POSIX record locks and flock) and INTERRUPT.
 *
 * By default the kernel keeps the locks of a mount itself, which is all that programs of one machine
 * need: they are in /proc/locks, and closing a file costs no request. With `locks: "server"` they
 * are the vfs's, so that whoever uses the same vfs by another face meets them too.
 *
 * Owners are numbers of the kernel: a process, or, for OFD locks, an open file; which of the two it
 * does not say. So a circle of OFD locks counts as a deadlock too (EDEADLK), where the kernel alone
 * would let its callers wait for ever.
 */
import { F_RDLCK, F_UNLCK, F_WRLCK, type FileLock, FsError } from "@xiplab/core";
import { ERRNO, LOCK_EX, LOCK_SH, LOCK_UN, type LockOwner, type LockWait } from "@xiplab/core";
import type { Connection } from "../connection.ts";
import { uniqueOf } from "../lock-waits.ts";
import {
  FUSE_LK_FLOCK,
  INTERRUPT_IN,
  INTERRUPT_IN_SIZE,
  LK_IN,
  LK_IN_SIZE,
  LK_OUT,
  LK_OUT_SIZE,
} from "../protocol/file-structs.ts";
import { FUSE_GETLK, FUSE_INTERRUPT, FUSE_SETLK, FUSE_SETLKW } from "../protocol/opcodes.ts";
import type { Reply } from "../reply.ts";
import type { Request } from "../request.ts";
import type { Handler } from "./handler.ts";

/** OFFSET_MAX, 2^63 - 1, as halves: a lock that ends there goes to the end of the file. */
const OFFSET_MAX_LOW = 0xffffffff;
const OFFSET_MAX_HIGH = 0x7fffffff;
const TWO_32 = 2 ** 32;

/** Bits of INIT: locks are ours. */
const FUSE_POSIX_LOCKS = 1 << 1;
const FUSE_FLOCK_LOCKS = 1 << 10;

/** Did the kernel leave its locks to us? */
export const hasServerLocks = (connection: Connection): boolean =>
  (connection.session.flagsLow & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS)) !== 0;

/** The kernel's number for who locks, opaque and of 64 bits. */
export const ownerOf = (low: number, high: number): LockOwner =>
  (BigInt(high) << 32n) | BigInt(low);

/** What a GETLK, SETLK or SETLKW is about. */
interface LockCall {
  readonly handle: number;
  readonly owner: LockOwner;
  readonly lock: FileLock;
  readonly isFlock: boolean;
}

function takeLock(request: Request): LockCall {
  const { view } = request;
  const at = request.take(LK_IN_SIZE);
  const start = LK_IN.start.get(view, at);
  const end = LK_IN.end.get(view, at);
  if (end < start) throw new FsError("EINVAL", "a lock that ends before it starts");
  // What is beyond exact numbers is beyond every file too: to the end.
  const length = end < Number.MAX_SAFE_INTEGER ? end - start + 1 : 0;
  const type = LK_IN.type.get(view, at);
  return {
    handle: LK_IN.handle.get(view, at),
    owner: ownerOf(LK_IN.ownerLow.get(view, at), LK_IN.ownerHigh.get(view, at)),
    lock: { type, start, length, pid: LK_IN.pid.get(view, at) },
    isFlock: (LK_IN.lkFlags.get(view, at) & FUSE_LK_FLOCK) !== 0,
  };
}

function getlk(connection: Connection, request: Request, reply: Reply): void {
  const { handle, owner, lock } = takeLock(request);
  const held = connection.vfs.getlk(connection.files.get(handle), owner, lock);
  const at = reply.add(LK_OUT_SIZE);
  const { view } = reply;
  if (held === null) {
    LK_OUT.type.set(view, at, F_UNLCK);
    return;
  }
  const isToEnd = held.length === 0;
  const end = held.start + held.length - 1;
  LK_OUT.start.set(view, at, held.start);
  LK_OUT.endLow.set(view, at, isToEnd ? OFFSET_MAX_LOW : end >>> 0);
  LK_OUT.endHigh.set(view, at, isToEnd ? OFFSET_MAX_HIGH : Math.floor(end / TWO_32));
  LK_OUT.type.set(view, at, held.type);
  LK_OUT.pid.set(view, at, held.pid ?? 0);
}

/** Fails with EAGAIN where the lock is not free. */
function setlk(connection: Connection, request: Request): void {
  setLock(connection, takeLock(request), undefined);
}

/** Waits where the lock is not free: the answer goes out when it is granted, or interrupted. */
function setlkw(connection: Connection, request: Request, reply: Reply): void {
  const call = takeLock(request);
  const { waits } = connection.files;
  const unique = uniqueOf(request.uniqueLow, request.uniqueHigh);
  const ticket = { uniqueLow: request.uniqueLow, uniqueHigh: request.uniqueHigh };
  const wait = setLock(connection, call, () => {
    waits.granted(unique);
    reply.sendLater(ticket, 0);
  });
  if (wait === null) return;
  if (waits.takeOvertaken(unique)) {
    wait.cancel();
    throw new FsError("EINTR");
  }
  waits.add(unique, wait, () => reply.sendLater(ticket, ERRNO.EINTR));
  reply.defer();
}

/** Returns the wait where the lock is not free and `granted` is to be called. */
function setLock(
  connection: Connection,
  call: LockCall,
  granted: (() => void) | undefined,
): LockWait | null {
  const { vfs, files } = connection;
  const file = files.get(call.handle);
  if (call.isFlock) return vfs.flock(file, flockOperation(call.lock.type), granted);
  if (call.lock.type !== F_UNLCK) files.noteOwner(call.handle, call.owner);
  return vfs.setlk(file, call.owner, call.lock, granted);
}

/** @throws FsError EINVAL */
function flockOperation(type: number): number {
  if (type === F_RDLCK) return LOCK_SH;
  if (type === F_WRLCK) return LOCK_EX;
  if (type === F_UNLCK) return LOCK_UN;
  throw new FsError("EINVAL", "type of a lock");
}

/** Has no answer: the request that it is about has. Everything but a lock is answered at once. */
function interrupt(connection: Connection, request: Request, reply: Reply): void {
  reply.drop();
  const { view } = request;
  const at = request.take(INTERRUPT_IN_SIZE);
  const low = INTERRUPT_IN.uniqueLow.get(view, at);
  connection.files.waits.interrupt(uniqueOf(low, INTERRUPT_IN.uniqueHigh.get(view, at)));
}

export const LockHandlers: Readonly<Record<number, Handler>> = {
  [FUSE_GETLK]: getlk,
  [FUSE_SETLK]: setlk,
  [FUSE_SETLKW]: setlkw,
  [FUSE_INTERRUPT]: interrupt,
};
