/** Operations on names and attributes, as system calls. */
import fs from "node:fs";
import { FsError, O_DIRECTORY, O_RDONLY } from "@xiplab/core";
import { ANY_TIME } from "../model/apply-to-model.ts";
import type { FileRef, Operation, OperationTime, StatValue, Value } from "../operations.ts";
import { pattern } from "../pattern.ts";
import { cString, done, libc } from "./libc.ts";
import { latin1 } from "./kernel-tree.ts";

const AT_FDCWD = -100;
const AT_EACCESS = 0x200;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const UTIME_NOW = 2 ** 30 - 1;
const UTIME_OMIT = 2 ** 30 - 2;
const PATH_ROOM = 4096;
const VALUE_ROOM = 65_536;

type FdOf = (slot: number) => number;

export function playNames(o: Operation, fdOf: FdOf): Value {
  switch (o.op) {
    case "mkdir":
      return ok(libc.mkdir(cString(o.path), o.mode));
    case "rmdir":
      return ok(libc.rmdir(cString(o.path)));
    case "unlink":
      return ok(libc.unlink(cString(o.path)));
    case "link":
      return ok(libc.link(cString(o.existing), cString(o.path)));
    case "linkFile": {
      const to = cString(o.path);
      return ok(libc.linkat(fdOf(o.slot), cString(""), AT_FDCWD, to, AT_EMPTY_PATH));
    }
    case "symlink":
      return ok(libc.symlink(cString(o.target), cString(o.path)));
    case "readlink": {
      const bytes = Buffer.alloc(PATH_ROOM);
      const length = done(libc.readlink(cString(o.path), bytes, BigInt(PATH_ROOM)));
      return bytes.toString("latin1", 0, length);
    }
    case "rename":
      return ok(libc.renameat2(AT_FDCWD, cString(o.from), AT_FDCWD, cString(o.to), o.flags));
    case "mknod":
      return ok(libc.mknod(cString(o.path), o.mode, BigInt(o.rdev)));
    case "readdir":
      done(libc.close(done(libc.open(cString(o.path), O_RDONLY | O_DIRECTORY, 0))));
      return fs.readdirSync(latin1(o.path), "latin1").sort();
    case "access":
      return ok(libc.faccessat(AT_FDCWD, cString(o.path), o.mode, AT_EACCESS));
    default:
      return playAttributes(o, fdOf);
  }
}

function playAttributes(o: Operation, fdOf: FdOf): Value {
  switch (o.op) {
    case "stat":
      return statOf(o.file, o.follow, fdOf);
    case "chmod":
      if (typeof o.file === "number") return ok(libc.fchmod(fdOf(o.file), o.mode));
      return ok(libc.chmod(cString(o.file), o.mode));
    case "chown": {
      const [uid, gid] = [o.uid >>> 0, o.gid >>> 0];
      if (typeof o.file === "number") return ok(libc.fchown(fdOf(o.file), uid, gid));
      const call = o.follow ? libc.chown : libc.lchown;
      return ok(call(cString(o.file), uid, gid));
    }
    case "utimens": {
      const times = timesOf(o.atime, o.mtime);
      if (typeof o.file === "number") return ok(libc.futimens(fdOf(o.file), times));
      const flags = o.follow ? 0 : AT_SYMLINK_NOFOLLOW;
      return ok(libc.utimensat(AT_FDCWD, cString(o.file), times, flags));
    }
    case "setxattr": {
      const value = pattern(o.seed, 0, o.length);
      const [path, name] = [cString(o.path), cString(o.name)];
      return ok(libc.setxattr(path, name, value, BigInt(o.length), o.flags));
    }
    case "getxattr": {
      const bytes = new Uint8Array(VALUE_ROOM);
      const [path, name] = [cString(o.path), cString(o.name)];
      return bytes.slice(0, done(libc.getxattr(path, name, bytes, BigInt(VALUE_ROOM))));
    }
    case "listxattr": {
      const bytes = Buffer.alloc(VALUE_ROOM);
      const length = done(libc.listxattr(cString(o.path), bytes, BigInt(VALUE_ROOM)));
      const names = bytes.toString("latin1", 0, length).split("\0");
      return names.filter((name) => name !== "").sort();
    }
    case "removexattr":
      return ok(libc.removexattr(cString(o.path), cString(o.name)));
    default:
      throw new TypeError(`no such operation: ${o.op}`);
  }
}

function ok(returned: number | bigint): null {
  done(returned);
  return null;
}

/** struct timespec[2]. */
function timesOf(atime: OperationTime, mtime: OperationTime): Uint8Array {
  const bytes = Buffer.alloc(32);
  for (const [index, time] of [atime, mtime].entries()) {
    const special = time === "now" ? UTIME_NOW : UTIME_OMIT;
    const [sec, nsec] = time === "now" || time === null ? [0, special] : time;
    bytes.writeBigInt64LE(BigInt(sec), index * 16);
    bytes.writeBigInt64LE(BigInt(nsec), index * 16 + 8);
  }
  return bytes;
}

function statOf(file: FileRef, follow: boolean, fdOf: FdOf): StatValue {
  const stat = (): fs.Stats => {
    if (typeof file === "number") return fs.fstatSync(fdOf(file));
    return follow ? fs.statSync(latin1(file)) : fs.lstatSync(latin1(file));
  };
  return toStatValue(nodeCall(stat));
}

/** Node's own errors as ours. @throws FsError */
function nodeCall<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof FsError) throw error;
    throw new FsError((error as { code: FsError["code"] }).code);
  }
}

function toStatValue(stat: fs.Stats): StatValue {
  const { mode, nlink, uid, gid, rdev } = stat;
  const size = stat.isDirectory() ? 0 : stat.size;
  return { mode, nlink, uid, gid, rdev, size, mtime: ANY_TIME, ctime: ANY_TIME };
}
