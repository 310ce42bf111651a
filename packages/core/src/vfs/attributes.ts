/** Attributes of an inode: stat, the times that reads and writes move, chmod, chown, utimens. */
import { FsError } from "../spec/errors.ts";
import {
  ATIME,
  CTIME,
  INODE_APPEND,
  INODE_DIRSYNC,
  INODE_IMMUTABLE,
  INODE_NOATIME,
  INODE_NODUMP,
  INODE_PROJINHERIT,
  INODE_TOPDIR,
  type Inode,
  MTIME,
  type Timespec,
} from "../spec/inode.ts";
import {
  isDirectory,
  isRegular,
  S_IFMT,
  S_ISGID,
  S_ISUID,
  UTIME_NOW,
  UTIME_OMIT,
  W_OK,
} from "../spec/mode.ts";
import { accessAclOf, aclForMode } from "./acl.ts";
import { setAccessAcl } from "./acl-attributes.ts";
import type { OpenFile } from "./open-file.ts";
import { type Credentials, isInGroup, isPrivileged } from "./credentials.ts";
import { isInGroupOrRoot, isOwnerOrRoot, modeForGroup, requirePermission } from "./permission.ts";
import type { Superblock } from "./superblock.ts";

/** What stat(2) gives. Plain numbers: a face makes of them what its callers expect. */
export interface Stat {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  /** Bytes. */
  readonly size: number;
  /** Preferred size of reads and writes, bytes. */
  readonly blksize: number;
  /** Allocated, in units of 512 bytes. */
  readonly blocks: number;
  readonly atimeSec: number;
  readonly atimeNsec: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
  /** Time of birth. */
  readonly btimeSec: number;
  readonly btimeNsec: number;
}

const STAT_UNIT = 512;
const SEC_PER_DAY = 86_400;
const READS_PER_CLOCK = 64;
const NSEC_PER_SEC = 1_000_000_000;
const GROUP_EXECUTE = 0o010;

/** HOT. */
export function statOf(sb: Superblock, inode: Inode): Stat {
  inode.timesSeen = true;
  const { blockSize } = sb.fs;
  return {
    dev: sb.dev,
    ino: inode.ino,
    mode: inode.mode,
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.rdev,
    size: inode.size,
    blksize: blockSize,
    blocks: inode.blocks * (blockSize / STAT_UNIT),
    atimeSec: inode.atimeSec,
    atimeNsec: inode.atimeNsec,
    mtimeSec: inode.mtimeSec,
    mtimeNsec: inode.mtimeNsec,
    ctimeSec: inode.ctimeSec,
    ctimeNsec: inode.ctimeNsec,
    btimeSec: inode.btimeSec,
    btimeNsec: inode.btimeNsec,
  };
}

/** Set times to now, in memory: sync finds them. HOT. */
function touch(sb: Superblock, inode: Inode, which: number): void {
  if (!inode.timesListed) sb.listTimes(inode);
  inode.touch(which, sb.clock);
}

/**
 * The data is about to change. Within one tick of the clock the times stay as they are, and nothing
 * is left to be written for them: an fsync after each small write would otherwise be a transaction
 * each. Only a change after somebody looked gets a time of its own, as in Linux since 6.13 (multigrain
 * timestamps). HOT.
 */
export function modified(sb: Superblock, inode: Inode): void {
  const { clock } = sb;
  const time = inode.timesSeen || clock.tick === undefined ? clock.now() : clock.tick();
  inode.timesSeen = false;
  const { sec } = time;
  // As an integer: see Inode.touch.
  const nsec = time.nsec | 0;
  const isNow = inode.mtimeNsec === nsec && inode.mtimeSec === sec;
  if (isNow && inode.ctimeNsec === nsec && inode.ctimeSec === sec) return;
  if (!inode.timesListed) sb.listTimes(inode);
  inode.mtimeSec = sec;
  inode.mtimeNsec = nsec;
  inode.ctimeSec = sec;
  inode.ctimeNsec = nsec;
  inode.timesDirty = true;
}

/** The inode was read: move the access time as the mount's policy says. */
export function accessed(sb: Superblock, inode: Inode): void {
  if (sb.atime === "noatime" || sb.readOnly || (inode.flags & INODE_NOATIME) !== 0) return;
  if (sb.atime === "strictatime" || isBehindChange(inode) || isDayOld(sb, inode)) {
    touch(sb, inode, ATIME);
  }
}

/**
 * As `accessed`, by a read of an open file. A real clock costs more than the rest of a small read,
 * so whether the access time is a day old is asked at the first read after open, and every 64th.
 * HOT.
 */
export function fileAccessed(sb: Superblock, file: OpenFile): void {
  const { inode } = file;
  if (sb.atime === "noatime" || sb.readOnly || (inode.flags & INODE_NOATIME) !== 0) return;
  const asksClock = file.reads++ % READS_PER_CLOCK === 0;
  if (sb.atime === "strictatime" || isBehindChange(inode) || (asksClock && isDayOld(sb, inode))) {
    touch(sb, inode, ATIME);
  }
}

/** relatime, first rule: the access time is not younger than the last change. */
function isBehindChange(inode: Inode): boolean {
  const { atimeSec, atimeNsec } = inode;
  if (!isLater(atimeSec, atimeNsec, inode.mtimeSec, inode.mtimeNsec)) return true;
  return !isLater(atimeSec, atimeNsec, inode.ctimeSec, inode.ctimeNsec);
}

/** relatime, second rule. */
function isDayOld(sb: Superblock, inode: Inode): boolean {
  return sb.clock.now().sec - inode.atimeSec >= SEC_PER_DAY;
}

function isLater(sec: number, nsec: number, thanSec: number, thanNsec: number): boolean {
  return sec > thanSec || (sec === thanSec && nsec > thanNsec);
}

/**
 * Somebody without privileges changes the file: what made it run as its owner goes. Called only
 * where the mode has such a bit.
 */
export function removePrivileges(sb: Superblock, credentials: Credentials, inode: Inode): void {
  const keeps = isPrivileged(credentials) && credentials.clearsSetIds !== true;
  if (keeps || !isRegular(inode.mode)) return;
  let drop = inode.mode & S_ISUID;
  const isExecutable = (inode.mode & GROUP_EXECUTE) !== 0;
  if (isExecutable || !isInGroup(credentials, inode.gid)) drop |= S_ISGID;
  if ((inode.mode & drop) === 0) return;
  const before = settableOf(inode);
  inode.mode &= ~drop;
  update(sb, inode, before);
}

/** What the vfs itself may change of an inode: kept to go back to if the change fails. */
interface Settable {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly flags: number;
  readonly projectId: number;
  readonly atimeSec: number;
  readonly atimeNsec: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
}

function settableOf(inode: Inode): Settable {
  const { mode, uid, gid, flags, projectId, atimeSec, atimeNsec, mtimeSec, mtimeNsec } = inode;
  const { ctimeSec, ctimeNsec } = inode;
  return {
    mode,
    uid,
    gid,
    flags,
    projectId,
    atimeSec,
    atimeNsec,
    mtimeSec,
    mtimeNsec,
    ctimeSec,
    ctimeNsec,
  };
}

/** Attributes changed: move ctime, make all of them durable, tell. On failure all are as before. */
function update(sb: Superblock, inode: Inode, before: Settable): void {
  touch(sb, inode, CTIME);
  try {
    sb.fs.updateInode(inode);
  } catch (error) {
    Object.assign(inode, before);
    throw error;
  }
  emitAttrib(sb, inode);
}

export function emitAttrib(sb: Superblock, inode: Inode): void {
  if (sb.listeners.active)
    sb.listeners.emit({ kind: "attrib", inode, directory: null, name: null });
}

/** @throws FsError EROFS, EPERM on an immutable or append-only file */
function requireChangeable(sb: Superblock, inode: Inode): void {
  sb.requireWritable();
  if ((inode.flags & (INODE_IMMUTABLE | INODE_APPEND)) !== 0) {
    throw new FsError("EPERM", "the file is immutable or append-only");
  }
}

/** Set the permission bits. @throws FsError EPERM, EROFS */
export function chmod(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  permissions: number,
): void {
  requireChangeable(sb, inode);
  if (!isOwnerOrRoot(credentials, inode)) throw new FsError("EPERM");
  const wanted = (inode.mode & S_IFMT) | (permissions & 0o7777);
  const mode = modeForGroup(credentials, inode, wanted);
  const acl = sb.hasAcls ? accessAclOf(sb, inode) : null;
  if (acl === null) {
    const before = settableOf(inode);
    inode.mode = mode;
    update(sb, inode, before);
  } else {
    sb.actAs(credentials);
    setAccessAcl(sb, inode, aclForMode(acl, mode), mode);
    emitAttrib(sb, inode);
  }
}

/**
 * Give the file to another owner and group; -1 leaves one. Set-id bits of a file that is no
 * directory go, whoever asks.
 * @throws FsError EPERM, EROFS
 */
export function chown(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  uid: number,
  gid: number,
): void {
  requireChangeable(sb, inode);
  const isRoot = isPrivileged(credentials);
  const isOwner = credentials.uid === inode.uid;
  if (uid !== -1 && !isRoot && !(isOwner && uid === inode.uid)) throw new FsError("EPERM");
  if (gid !== -1 && !isRoot) {
    const mayGive = gid === inode.gid || isInGroup(credentials, gid);
    if (!isOwner || !mayGive) throw new FsError("EPERM");
  }
  const before = settableOf(inode);
  if (!isDirectory(inode.mode)) {
    let drop = inode.mode & S_ISUID;
    const isGroupExecutable = (inode.mode & GROUP_EXECUTE) !== 0;
    if (isGroupExecutable || !isInGroupOrRoot(credentials, inode)) drop |= inode.mode & S_ISGID;
    // Linux asks for the change of the mode too, which takes an owner.
    if (drop !== 0 && !isRoot && !isOwner) throw new FsError("EPERM");
    inode.mode &= ~drop;
  }
  if (uid !== -1) inode.uid = uid;
  if (gid !== -1) inode.gid = gid;
  update(sb, inode, before);
}

/** @throws FsError EINVAL */
function requireTime(time: Timespec): void {
  const { nsec } = time;
  if (nsec === UTIME_NOW || nsec === UTIME_OMIT) return;
  if (!Number.isInteger(nsec) || nsec < 0 || nsec >= NSEC_PER_SEC) {
    throw new FsError("EINVAL", "nanoseconds are 0 to 999,999,999");
  }
  if (!Number.isSafeInteger(time.sec)) throw new FsError("EINVAL", "seconds");
}

/** Are both times to be left? Then nothing is looked at, not even the path. */
export function isNoTime(atime: Timespec, mtime: Timespec): boolean {
  requireTime(atime);
  requireTime(mtime);
  return atime.nsec === UTIME_OMIT && mtime.nsec === UTIME_OMIT;
}

/**
 * Set access and modification time; nsec may be UTIME_NOW or UTIME_OMIT. Who may only write the file
 * may set both to now, and nothing else.
 * @throws FsError EPERM, EACCES, EROFS, EINVAL
 */
export function utimens(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  atime: Timespec,
  mtime: Timespec,
): void {
  if (isNoTime(atime, mtime)) return;
  sb.requireWritable();
  if (atime.nsec === UTIME_NOW && mtime.nsec === UTIME_NOW) {
    if ((inode.flags & INODE_IMMUTABLE) !== 0) throw new FsError("EPERM", "the file is immutable");
    if (!isOwnerOrRoot(credentials, inode)) requirePermission(sb, credentials, inode, W_OK);
  } else {
    requireChangeable(sb, inode);
    if (!isOwnerOrRoot(credentials, inode)) throw new FsError("EPERM");
  }
  const before = settableOf(inode);
  if (atime.nsec === UTIME_NOW) {
    inode.touch(ATIME, sb.clock);
  } else if (atime.nsec !== UTIME_OMIT) {
    inode.atimeSec = clampSec(sb, atime.sec);
    inode.atimeNsec = clampNsec(sb, atime);
  }
  if (mtime.nsec === UTIME_NOW) {
    inode.touch(MTIME, sb.clock);
  } else if (mtime.nsec !== UTIME_OMIT) {
    inode.mtimeSec = clampSec(sb, mtime.sec);
    inode.mtimeNsec = clampNsec(sb, mtime);
  }
  update(sb, inode, before);
}

/** To what the format has, without a word, as Linux does. */
function clampSec(sb: Superblock, sec: number): number {
  const { timeMin = -Infinity, timeMax = Infinity } = sb.fs;
  return Math.min(Math.max(sec, timeMin), timeMax);
}

/** At the ends of the range there are whole seconds alone. */
function clampNsec(sb: Superblock, { sec, nsec }: Timespec): number {
  const { timeMin = -Infinity, timeMax = Infinity, timeGranularity = 1 } = sb.fs;
  return sec > timeMin && sec < timeMax ? nsec - (nsec % timeGranularity) : 0;
}

const DIRECTORY_FLAGS = INODE_DIRSYNC | INODE_TOPDIR | INODE_PROJINHERIT;
const ROOT_FLAGS = INODE_IMMUTABLE | INODE_APPEND;

/** The flags that users may set on this inode. */
export function settableFlags(sb: Superblock, inode: Inode): number {
  const settable = sb.fs.settableFlags ?? ROOT_FLAGS;
  if (isDirectory(inode.mode)) return settable;
  if (isRegular(inode.mode)) return settable & ~DIRECTORY_FLAGS;
  return settable & (INODE_NODUMP | INODE_NOATIME | ROOT_FLAGS);
}

/**
 * Set the settable flags to those of `flags`, as chattr does. Others may be given as they are (chattr
 * writes back what it read). @throws FsError EPERM, EROFS, EOPNOTSUPP
 */
export function setFlags(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  flags: number,
): void {
  sb.requireWritable();
  if (!isOwnerOrRoot(credentials, inode)) throw new FsError("EPERM");
  const settable = settableFlags(sb, inode);
  if ((flags & ~settable & ~inode.flags) !== 0) throw new FsError("EOPNOTSUPP", "no such flag");
  const wanted = ((inode.flags & ~settable) | (flags & settable)) >>> 0;
  const changes = (wanted ^ inode.flags) & ROOT_FLAGS;
  if (changes !== 0 && !isPrivileged(credentials)) throw new FsError("EPERM", "flags of root's");
  const before = settableOf(inode);
  inode.flags = wanted;
  update(sb, inode, before);
}

/** @throws FsError EOPNOTSUPP, EROFS, EPERM, EINVAL */
export function setProjectId(
  sb: Superblock,
  credentials: Credentials,
  inode: Inode,
  projectId: number,
): void {
  sb.requireWritable();
  if (!isOwnerOrRoot(credentials, inode)) throw new FsError("EPERM");
  sb.requireCapability(sb.capabilities.projectIds, "EOPNOTSUPP");
  if (projectId !== projectId >>> 0) throw new FsError("EINVAL", "project id");
  if (projectId === inode.projectId) return;
  const before = settableOf(inode);
  inode.projectId = projectId;
  update(sb, inode, before);
}
