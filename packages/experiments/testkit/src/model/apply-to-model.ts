/** Operations on the model: the same switch as `apply.ts` has over a mounted file system. */
import {
  FsError,
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  type Timespec,
} from "@xiplab/core";
import { USERS } from "../users.ts";
import { pattern } from "../pattern.ts";
import {
  type FileRef,
  OK,
  type Operation,
  type Result,
  type StatValue,
  type Value,
} from "../operations.ts";
import { ModelFile, type ModelRegion, truncatePath } from "./model-file.ts";
import type { ModelFs } from "./model-fs.ts";
import { type ModelNode, fail } from "./node.ts";
import { getXattr, listXattrs, removeXattr, setXattr } from "./xattrs.ts";

/** Do one operation. What POSIX refuses is a result, not an exception. */
export function applyToModel(model: ModelFs, operation: Operation): Result {
  model.who = USERS[operation.as ?? "root"];
  try {
    const value = play(model, operation);
    return value === "SIGBUS" ? { error: "SIGBUS" } : value === null ? OK : { ok: value };
  } catch (error) {
    if (error instanceof FsError) return { error: error.code };
    throw error;
  }
}

function play(model: ModelFs, o: Operation): Value {
  switch (o.op) {
    case "open":
      if (model.files.has(o.slot)) fail("EMFILE");
      model.files.set(o.slot, model.open(o.path, o.flags, o.mode));
      return null;
    case "close":
      fileOf(model, o.slot);
      model.files.delete(o.slot);
      return null;
    case "create":
      model.open(o.path, O_CREAT | O_EXCL | O_WRONLY, o.mode);
      return null;
    case "read":
      return fileFor(model, o.file, O_RDONLY).read(o.pos, o.length);
    case "write": {
      const flags = o.pos === null ? O_WRONLY | O_APPEND : O_WRONLY;
      const dataAt = (pos: number): Uint8Array => pattern(o.seed, pos, o.length);
      return fileFor(model, o.file, flags).write(o.pos, o.length, dataAt);
    }
    case "seek":
      return fileOf(model, o.slot).seek(o.offset, o.whence);
    case "truncate":
      if (typeof o.file === "string") truncatePath(model, o.file, o.size);
      else fileOf(model, o.file).truncate(o.size);
      return null;
    case "fallocate":
      fileFor(model, o.file, O_WRONLY).fallocate(o.mode, o.pos, o.length);
      return null;
    case "fsync":
      fileFor(model, o.file, O_RDONLY);
      return null;
    case "sync":
      return null;
    case "remount":
      model.exit();
      return null;
    case "extents":
      return fileFor(model, o.file, O_RDONLY).sizeToSeek();
    default:
      return playMapping(model, o);
  }
}

function playMapping(model: ModelFs, o: Operation): Value {
  switch (o.op) {
    case "map": {
      if (model.regions.has(o.region)) fail("EMFILE");
      const file = fileFor(model, o.file, O_RDWR);
      model.regions.set(o.region, file.map(o.pos, o.length, o.shared, o.writable));
      return null;
    }
    case "load":
      return regionOf(model, o.region).load(o.offset, o.length);
    case "store": {
      const region = regionOf(model, o.region);
      return region.store(o.offset, pattern(o.seed, region.pos + o.offset, o.length));
    }
    case "msync":
      regionOf(model, o.region).check(o.offset, o.length);
      return null;
    case "unmap":
      regionOf(model, o.region);
      model.regions.delete(o.region);
      return null;
    default:
      return playNames(model, o);
  }
}

function playNames(model: ModelFs, o: Operation): Value {
  switch (o.op) {
    case "mkdir":
      model.mkdir(o.path, o.mode);
      return null;
    case "rmdir":
      model.rmdir(o.path);
      return null;
    case "unlink":
      model.unlink(o.path);
      return null;
    case "link":
      model.link(o.existing, o.path);
      return null;
    case "linkFile": {
      const file = fileOf(model, o.slot);
      model.linkNode(file.node, o.path, file.linkable);
      file.linkable = false;
      return null;
    }
    case "symlink":
      model.symlink(o.target, o.path);
      return null;
    case "readlink":
      return model.readlink(o.path);
    case "rename":
      model.rename(o.from, o.to, o.flags);
      return null;
    case "mknod":
      model.mknod(o.path, o.mode, o.rdev);
      return null;
    case "readdir":
      return model.readdir(o.path);
    case "access":
      model.access(o.path, o.mode);
      return null;
    default:
      return playAttributes(model, o);
  }
}

function playAttributes(model: ModelFs, o: Operation): Value {
  switch (o.op) {
    case "stat":
      return statOf(nodeFor(model, o.file, o.follow));
    case "chmod":
      model.chmod(nodeFor(model, o.file, true), o.mode);
      return null;
    case "chown":
      model.chown(nodeFor(model, o.file, o.follow), o.uid, o.gid);
      return null;
    case "utimens":
      if (o.atime === null && o.mtime === null) return null;
      model.utimens(nodeFor(model, o.file, o.follow), o.atime, o.mtime);
      return null;
    case "setxattr":
      setXattr(model, o.path, o.name, pattern(o.seed, 0, o.length), o.flags);
      return null;
    case "getxattr":
      return getXattr(model, o.path, o.name);
    case "listxattr":
      return listXattrs(model, o.path);
    case "removexattr":
      removeXattr(model, o.path, o.name);
      return null;
    default:
      throw new TypeError(`no such operation: ${o.op}`);
  }
}

function fileFor(model: ModelFs, file: FileRef, flags: number): ModelFile {
  return typeof file === "string" ? model.open(file, flags, 0) : fileOf(model, file);
}

function fileOf(model: ModelFs, slot: number): ModelFile {
  return model.files.get(slot) ?? fail("EBADF");
}

function regionOf(model: ModelFs, slot: number): ModelRegion {
  return model.regions.get(slot) ?? fail("EBADF");
}

function nodeFor(model: ModelFs, file: FileRef, follow: boolean): ModelNode {
  return typeof file === "string" ? model.lookup(file, follow) : fileOf(model, file).node;
}

/** stat(2) of a model node. */
export function statOf(node: ModelNode): StatValue {
  return {
    mode: node.mode,
    nlink: node.nlink,
    uid: node.uid,
    gid: node.gid,
    rdev: node.rdev,
    size: node.isSymlink ? node.target.length : node.content.size,
    mtime: timeText(node.mtime),
    ctime: timeText(node.ctime),
  };
}

/** "?" where POSIX leaves the moment open: equal to every time. */
export const ANY_TIME = "?";
export function timeText(time: Timespec | null): string {
  return time === null ? ANY_TIME : `${time.sec}.${String(time.nsec).padStart(9, "0")}`;
}
