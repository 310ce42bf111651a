/**
 * ModelFs: the obvious POSIX file system. A tree of objects in memory, no device, no cache, no
 * optimisation: what a mounted design must look like from above. `model-file.ts` has open files and
 * mapped regions; here is the name space.
 *
 * It shares no code with core's vfs on purpose: two independent readings of POSIX and Linux, which
 * the kernel itself referees (`kernel.fuzz.ts`).
 *
 * The order of the checks is part of the behaviour: it decides which error a program sees.
 */
import {
  type Credentials,
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_RDONLY,
  O_TMPFILE,
  O_TRUNC,
  R_OK,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  type Timespec,
  W_OK,
  X_OK,
} from "@xiplab/core";
import type { OperationTime } from "../operations.ts";
import { UMASK, USERS } from "../users.ts";
import { ModelFile, type ModelRegion } from "./model-file.ts";
import {
  ModelNode,
  dropPrivileges,
  fail,
  inGroup,
  isRoot,
  may,
  owns,
  privilegesLostByChange,
  stickyForbids,
} from "./node.ts";
import { type LastComponent, look, type Place, walk } from "./walk.ts";

/** What a design limits. */
export interface ModelLimits {
  /** Largest file size, bytes. EFBIG beyond. */
  readonly sizeMax: number;
  /** Largest nlink. EMLINK beyond. */
  readonly linkMax: number;
  /** First and last second that a time can have. Others are cut, and the ends are whole seconds. */
  readonly timeMin?: number;
  readonly timeMax?: number;
  /** Nanoseconds between two times, and divisor of a second. */
  readonly timeGranularity?: number;
}

const PERMISSIONS = 0o7777;

export class ModelFs {
  readonly root: ModelNode;
  readonly limits: ModelLimits;
  /** Open files and mapped regions by slot. */
  readonly files = new Map<number, ModelFile>();
  readonly regions = new Map<number, ModelRegion>();
  /** Who acts, and when: set before each operation. */
  who: Credentials = USERS.root;
  now: Timespec = { sec: 0, nsec: 0 };

  constructor(limits: ModelLimits = { sizeMax: 2 ** 43, linkMax: 65_000 }) {
    this.limits = limits;
    this.root = new ModelNode(S_IFDIR | 0o755, USERS.root, this.now);
    this.root.nlink = 2;
  }

  // --- looking ---------------------------------------------------------------------------------

  walk(path: string, last: LastComponent): Place {
    return walk(this.root, this.who, path, last);
  }

  /** The file behind a path. @throws FsError ENOENT and what the walk throws */
  lookup(path: string, follow: boolean): ModelNode {
    const place = this.walk(path, follow ? "follow" : "nofollow");
    if (place.node === null) fail("ENOENT");
    if (place.slash && !place.node.isDirectory) fail("ENOTDIR");
    return place.node;
  }

  readdir(path: string): string[] {
    const node = this.lookup(path, true);
    if (!node.isDirectory) fail("ENOTDIR");
    this.permit(node, R_OK);
    return [...node.entries.keys()].sort();
  }

  readlink(path: string): string {
    const node = this.lookup(path, false);
    if (!node.isSymlink) fail("EINVAL");
    return node.target;
  }

  access(path: string, mode: number): void {
    if (mode & ~(R_OK | W_OK | X_OK)) fail("EINVAL");
    this.permit(this.lookup(path, true), mode);
  }

  // --- names -----------------------------------------------------------------------------------

  mkdir(path: string, mode: number): void {
    const place = this.placeForNew(path, true);
    if (place.directory.nlink >= this.limits.linkMax) fail("EMLINK");
    const node = this.newNode(place.directory, S_IFDIR | (mode & 0o1777 & ~UMASK));
    node.nlink = 2;
    node.parent = place.directory;
    place.directory.nlink++;
    this.enter(place, node);
  }

  mknod(path: string, mode: number, rdev: number): void {
    const type = mode & S_IFMT || S_IFREG;
    if (type === S_IFDIR) fail("EPERM");
    if (type === S_IFLNK || !KNOWN_TYPES.has(type)) fail("EINVAL");
    const place = this.placeForNew(path, false);
    const device = type === S_IFCHR || type === S_IFBLK;
    if (device && !isRoot(this.who)) fail("EPERM");
    const node = this.newNode(place.directory, type | (mode & PERMISSIONS & ~UMASK));
    node.rdev = device ? rdev : 0;
    this.enter(place, node);
  }

  symlink(target: string, path: string): void {
    if (target === "") fail("ENOENT");
    if (target.length >= 4096) fail("ENAMETOOLONG");
    const place = this.placeForNew(path, false);
    const node = this.newNode(place.directory, S_IFLNK | 0o777);
    node.target = target;
    this.enter(place, node);
  }

  link(existing: string, path: string): void {
    this.linkNode(this.lookup(existing, false), path);
  }

  /** Also of a file without a name (O_TMPFILE). */
  linkNode(node: ModelNode, path: string, linkable = false): void {
    const place = this.placeForNew(path, false);
    if (node.isDirectory) fail("EPERM");
    if (node.nlink === 0 && !linkable) fail("ENOENT");
    if (node.nlink >= this.limits.linkMax) fail("EMLINK");
    node.nlink++;
    node.ctime = this.now;
    this.enter(place, node);
  }

  unlink(path: string): void {
    const place = this.walk(path, "parent");
    if (place.kind !== "name") fail("EISDIR");
    const { directory } = place;
    const node = look(place);
    if (node === null) fail("ENOENT");
    if (place.slash) fail(node.isDirectory ? "EISDIR" : "ENOTDIR");
    this.permitRemoval(directory, node);
    if (node.isDirectory) fail("EISDIR");
    this.remove(place.directory, place.name, node);
  }

  rmdir(path: string): void {
    const place = this.walk(path, "parent");
    if (place.kind === "root") fail("EBUSY");
    if (place.kind === "dot") fail("EINVAL");
    if (place.kind === "dotdot") fail("ENOTEMPTY");
    const { directory } = place;
    const node = look(place);
    if (node === null) fail("ENOENT");
    this.permitRemoval(directory, node);
    if (!node.isDirectory) fail("ENOTDIR");
    if (node.entries.size > 0) fail("ENOTEMPTY");
    this.remove(directory, place.name, node);
  }

  rename(from: string, to: string, flags: number): void {
    if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) fail("EINVAL");
    if (flags === (RENAME_NOREPLACE | RENAME_EXCHANGE)) fail("EINVAL");
    const exchange = flags === RENAME_EXCHANGE;
    const source = this.walk(from, "parent");
    const target = this.walk(to, "parent");
    if (source.kind !== "name") fail("EBUSY");
    if (target.kind !== "name") fail(flags & RENAME_NOREPLACE ? "EEXIST" : "EBUSY");
    if (look(source) === null || source.node === null) fail("ENOENT");
    if (flags & RENAME_NOREPLACE && look(target) !== null) fail("EEXIST");
    if (look(target) === null && exchange) fail("ENOENT");
    if (exchange && !target.node!.isDirectory && target.slash) fail("ENOTDIR");
    if (!source.node.isDirectory && (source.slash || (!exchange && target.slash))) fail("ENOTDIR");
    if (isAncestor(source.node, target.directory)) fail("EINVAL");
    if (target.node && isAncestor(target.node, source.directory)) {
      fail(exchange ? "EINVAL" : "ENOTEMPTY");
    }
    if (source.node === target.node) return;
    this.permitRename(source, target, exchange);
    if (exchange) this.exchange(source, target);
    else this.move(source, target);
  }

  // --- attributes ------------------------------------------------------------------------------

  chmod(node: ModelNode, mode: number): void {
    if (!owns(this.who, node)) fail("EPERM");
    let permissions = mode & PERMISSIONS;
    // Only a member of the group may give the group's rights away.
    if (!isRoot(this.who) && !inGroup(this.who, node.gid)) permissions &= ~S_ISGID;
    node.mode = node.type | permissions;
    node.ctime = this.now;
  }

  chown(node: ModelNode, uid: number, gid: number): void {
    const lost = node.isDirectory ? 0 : privilegesLostByChange(this.who, node);
    if (!isRoot(this.who)) {
      const owner = this.who.uid === node.uid;
      if (uid !== -1 && !(owner && uid === node.uid)) fail("EPERM");
      if (gid !== -1 && !(owner && (gid === node.gid || inGroup(this.who, gid)))) fail("EPERM");
      if (lost !== 0 && !owner) fail("EPERM");
    }
    if (uid !== -1) node.uid = uid;
    if (gid !== -1) node.gid = gid;
    node.mode &= ~lost;
    node.ctime = this.now;
  }

  utimens(node: ModelNode, atime: OperationTime, mtime: OperationTime): void {
    // Who may write the file may say that it was now; any other time is the owner's to set.
    if (atime !== "now" || mtime !== "now") {
      if (!owns(this.who, node)) fail("EPERM");
    } else if (!owns(this.who, node)) {
      this.permit(node, W_OK);
    }
    node.atime = this.timeOf(atime) ?? node.atime;
    node.mtime = this.timeOf(mtime) ?? node.mtime;
    node.ctime = this.now;
  }

  // --- files -----------------------------------------------------------------------------------

  open(path: string, flags: number, mode: number): ModelFile {
    if ((flags & O_TMPFILE) === O_TMPFILE) return this.openTmpfile(path, flags, mode);
    if (flags & O_CREAT && flags & O_DIRECTORY) fail("EINVAL");
    const exclusive = !!(flags & O_CREAT && flags & O_EXCL);
    const follow = !exclusive && !(flags & O_NOFOLLOW);
    const create = !!(flags & O_CREAT);
    const found = follow ? "follow" : "nofollow";
    const made = follow ? "create" : "parent";
    const place = this.walk(path, create ? made : found);
    if (create && place.kind === "name" && place.slash) fail("EISDIR");
    let node = look(place);
    if (node === null) {
      if (!create) fail("ENOENT");
      this.permit(place.directory, W_OK | X_OK);
      node = this.newNode(place.directory, S_IFREG | (mode & PERMISSIONS & ~UMASK));
      this.enter(place, node);
      return new ModelFile(this, node, flags);
    }
    if (exclusive) fail("EEXIST");
    if (create && node.isDirectory) fail("EISDIR");
    if ((flags & O_DIRECTORY || place.slash) && !node.isDirectory) fail("ENOTDIR");
    this.permitOpen(node, flags);
    if (flags & O_TRUNC && node.isRegular) {
      dropPrivileges(this.who, node);
      node.content.truncate(0);
      node.changed(this.now);
      this.dropPrivatePages(node, 0);
    }
    return new ModelFile(this, node, flags);
  }

  /** Private pages of a range that left the file are gone: the next access faults again. */
  dropPrivatePages(node: ModelNode, from: number): void {
    for (const region of this.regions.values()) {
      if (region.node === node) region.dropPrivatePages(from);
    }
  }

  /** The end of the program: everything is unmapped and closed. */
  exit(): void {
    this.files.clear();
    this.regions.clear();
  }

  permit(node: ModelNode, want: number): void {
    if (!may(this.who, node, want)) fail("EACCES");
  }

  // --- helpers ---------------------------------------------------------------------------------

  private timeOf(time: OperationTime): Timespec | null {
    if (time === "now") return this.now;
    if (time === null) return null;
    const { timeMin = -Infinity, timeMax = Infinity, timeGranularity = 1 } = this.limits;
    const [sec, nsec] = time;
    if (sec > timeMin && sec < timeMax) return { sec, nsec: nsec - (nsec % timeGranularity) };
    return { sec: Math.min(Math.max(sec, timeMin), timeMax), nsec: 0 };
  }

  private openTmpfile(path: string, flags: number, mode: number): ModelFile {
    if ((flags & O_ACCMODE) === O_RDONLY) fail("EINVAL");
    const directory = this.lookup(path, !(flags & O_NOFOLLOW));
    if (!directory.isDirectory) fail("ENOTDIR");
    this.permit(directory, W_OK | X_OK);
    const node = this.newNode(directory, S_IFREG | (mode & PERMISSIONS & ~UMASK));
    node.nlink = 0;
    const file = new ModelFile(this, node, flags);
    file.linkable = !(flags & O_EXCL);
    return file;
  }

  private permitOpen(node: ModelNode, flags: number): void {
    const access = flags & O_ACCMODE;
    let want = access === O_RDONLY ? R_OK : access === 1 ? W_OK : R_OK | W_OK;
    if (flags & O_TRUNC) want |= W_OK;
    if (node.isSymlink) fail("ELOOP");
    if (node.isDirectory && want & W_OK) fail("EISDIR");
    this.permit(node, want);
    if (flags & O_NOATIME && !owns(this.who, node)) fail("EPERM");
    if (!node.isDirectory && !node.isRegular) fail("ENXIO");
    if (node.isDirectory && flags & O_APPEND && want & W_OK) fail("EISDIR");
  }

  /** Where a new name goes. @throws FsError EEXIST before EACCES, as Linux does. */
  private placeForNew(path: string, directoryWanted: boolean): Place {
    const place = this.walk(path, "parent");
    if (place.kind !== "name" || look(place) !== null) fail("EEXIST");
    if (place.slash && !directoryWanted) fail("ENOENT");
    this.permit(place.directory, W_OK | X_OK);
    return place;
  }

  private newNode(directory: ModelNode, mode: number): ModelNode {
    const node = new ModelNode(mode, this.who, this.now);
    if (directory.mode & S_ISGID) {
      node.gid = directory.gid;
      if (node.isDirectory) node.mode |= S_ISGID;
      else if (!isRoot(this.who) && !inGroup(this.who, node.gid) && mode & 0o010) {
        node.mode &= ~S_ISGID;
      }
    }
    return node;
  }

  private enter(place: Place, node: ModelNode): void {
    place.directory.entries.set(place.name, node);
    place.directory.changed(this.now);
  }

  private permitRemoval(directory: ModelNode, node: ModelNode): void {
    this.permit(directory, W_OK | X_OK);
    if (stickyForbids(this.who, directory, node)) fail("EPERM");
  }

  /** Take a name away; the file stays while it has other names or is open. */
  private remove(directory: ModelNode, name: string, node: ModelNode): void {
    directory.entries.delete(name);
    directory.changed(this.now);
    if (node.isDirectory) directory.nlink--;
    node.nlink = node.isDirectory ? 0 : node.nlink - 1;
    node.ctime = this.now;
  }

  private permitRename(source: Place, target: Place, exchange: boolean): void {
    this.permitRemoval(source.directory, source.node!);
    if (target.node === null) {
      this.permit(target.directory, W_OK | X_OK);
    } else {
      this.permitRemoval(target.directory, target.node);
      if (!exchange && source.node!.isDirectory && !target.node.isDirectory) fail("ENOTDIR");
      if (!exchange && !source.node!.isDirectory && target.node.isDirectory) fail("EISDIR");
    }
    if (source.directory !== target.directory) {
      // The `..` of a directory that moves is rewritten.
      if (source.node!.isDirectory) this.permit(source.node!, W_OK);
      if (exchange && target.node!.isDirectory) this.permit(target.node!, W_OK);
    }
    if (!exchange && target.node && target.node.entries.size > 0) fail("ENOTEMPTY");
    const parentGains = source.node!.isDirectory && !target.node?.isDirectory;
    if (parentGains && source.directory !== target.directory) {
      if (target.directory.nlink >= this.limits.linkMax) fail("EMLINK");
    }
  }

  private move(source: Place, target: Place): void {
    if (target.node) this.remove(target.directory, target.name, target.node);
    source.directory.entries.delete(source.name);
    this.put(source.node!, source.directory, target);
    source.directory.changed(this.now);
  }

  private exchange(source: Place, target: Place): void {
    this.put(source.node!, source.directory, target);
    this.put(target.node!, target.directory, source);
  }

  private put(node: ModelNode, from: ModelNode, to: Place): void {
    this.enter(to, node);
    node.ctime = this.now;
    if (!node.isDirectory) return;
    node.parent = to.directory;
    from.nlink--;
    to.directory.nlink++;
  }
}

const KNOWN_TYPES = new Set([S_IFREG, S_IFCHR, S_IFBLK, 0o010000, 0o140000]);

function isAncestor(node: ModelNode, of: ModelNode): boolean {
  for (let at = of; ; at = at.parent) {
    if (at === node) return true;
    if (at === at.parent) return false;
  }
}
