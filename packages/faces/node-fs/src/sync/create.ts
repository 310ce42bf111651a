/** The synchronous functions of node:fs as one object, over one mount. */
import { type Credentials, Task, type Vfs } from "@xiplab/core";
import { nameFromUtf8 } from "@xiplab/core";
import { systemError } from "../errors.ts";
import type { Platform } from "../platform.ts";
import * as attributes from "./attributes.ts";
import { Descriptors } from "./descriptors.ts";
import type { Host } from "./host.ts";
import * as io from "./io.ts";
import { readdirSync } from "./listing.ts";
import * as names from "./names.ts";
import { resolvePath } from "./paths.ts";
import { realpathNativeSync, realpathSync } from "./realpath.ts";
import * as whole from "./whole-file.ts";

export interface SyncOptions {
  /** Who works with the files. Default: root. */
  readonly credentials?: Credentials;
  /** Permission bits that new files do not get. Default 0o022. */
  readonly umask?: number;
  /** Where relative paths start, an absolute path. Default "/". */
  readonly cwd?: string;
}

/** What `createSync` makes: a part of node:fs, with the types of Node's own. */
export type SyncFs = Pick<typeof import("node:fs"), (typeof SyncNames)[number]>;

const SyncNames = [
  "accessSync",
  "appendFileSync",
  "chmodSync",
  "chownSync",
  "closeSync",
  "copyFileSync",
  "existsSync",
  "fchmodSync",
  "fchownSync",
  "fdatasyncSync",
  "fstatSync",
  "fsyncSync",
  "ftruncateSync",
  "futimesSync",
  "lchownSync",
  "linkSync",
  "lstatSync",
  "lutimesSync",
  "mkdirSync",
  "openSync",
  "readdirSync",
  "readFileSync",
  "readlinkSync",
  "readSync",
  "readvSync",
  "realpathSync",
  "renameSync",
  "rmdirSync",
  "statfsSync",
  "statSync",
  "symlinkSync",
  "truncateSync",
  "unlinkSync",
  "utimesSync",
  "writeFileSync",
  "writeSync",
  "writevSync",
] as const;

/** What an instance keeps. @throws Error ENOENT, ENOTDIR, EACCES for a `cwd` that cannot be */
export function createHost(vfs: Vfs, platform: Platform, options: SyncOptions = {}): Host {
  const { cwd = "/", ...rest } = options;
  const task = new Task(vfs, rest);
  const host = { task, platform, descriptors: new Descriptors(), cwd: resolvePath("/", cwd) };
  if (host.cwd === "/") return host;
  try {
    task.chdir(nameFromUtf8(host.cwd));
  } catch (error) {
    throw systemError(error);
  }
  return { ...host, cwd: String(realpathNativeSync(host, host.cwd, undefined)) };
}

/** Every function checks its arguments when it runs, so it takes unknown ones; the types are Node's. */
export function createSync(host: Host): SyncFs {
  const functions: Record<keyof SyncFs, unknown> = {
    ...fileFunctions(host),
    ...attributeFunctions(host),
    ...nameFunctions(host),
  };
  return functions as SyncFs;
}

type Unknown = unknown;

function fileFunctions(host: Host) {
  return {
    openSync: (path: Unknown, flags: Unknown, mode: Unknown) =>
      io.openSync(host, path, flags, mode),
    closeSync: (fd: Unknown) => io.closeSync(host, fd),
    // How many arguments there are makes a difference: see io.readSync.
    readSync(fd: Unknown, buffer: Unknown, offset: Unknown, length: Unknown, position: Unknown) {
      return io.readSync(host, arguments.length, fd, buffer, offset, length, position);
    },
    readvSync: (fd: Unknown, buffers: Unknown, position: Unknown) =>
      io.readvSync(host, fd, buffers, position),
    writeSync: (fd: Unknown, data: Unknown, offset: Unknown, length: Unknown, position: Unknown) =>
      io.writeSync(host, fd, data, offset, length, position),
    writevSync: (fd: Unknown, buffers: Unknown, position: Unknown) =>
      io.writevSync(host, fd, buffers, position),
    ftruncateSync: (fd: Unknown, length: Unknown) => io.ftruncateSync(host, fd, length),
    fsyncSync: (fd: Unknown) => io.fsyncSync(host, fd),
    fdatasyncSync: (fd: Unknown) => io.fdatasyncSync(host, fd),
    readFileSync: (path: Unknown, options: Unknown) => whole.readFileSync(host, path, options),
    writeFileSync: (path: Unknown, data: Unknown, options: Unknown) =>
      whole.writeFileSync(host, path, data, options),
    appendFileSync: (path: Unknown, data: Unknown, options: Unknown) =>
      whole.appendFileSync(host, path, data, options),
    truncateSync: (path: Unknown, length: Unknown) => whole.truncateSync(host, path, length),
    copyFileSync: (source: Unknown, target: Unknown, mode: Unknown) =>
      whole.copyFileSync(host, source, target, mode),
  };
}

function attributeFunctions(host: Host) {
  return {
    statSync: (path: Unknown, options?: object) => attributes.statSync(host, path, options),
    lstatSync: (path: Unknown, options?: object) => attributes.lstatSync(host, path, options),
    fstatSync: (fd: Unknown, options?: object) => attributes.fstatSync(host, fd, options),
    statfsSync: (path: Unknown, options?: object) => attributes.statfsSync(host, path, options),
    accessSync: (path: Unknown, mode: Unknown) => attributes.accessSync(host, path, mode),
    existsSync: (path: Unknown) => attributes.existsSync(host, path),
    chmodSync: (path: Unknown, mode: Unknown) => attributes.chmodSync(host, path, mode),
    fchmodSync: (fd: Unknown, mode: Unknown) => attributes.fchmodSync(host, fd, mode),
    chownSync: (path: Unknown, uid: Unknown, gid: Unknown) =>
      attributes.chownSync(host, path, uid, gid),
    lchownSync: (path: Unknown, uid: Unknown, gid: Unknown) =>
      attributes.lchownSync(host, path, uid, gid),
    fchownSync: (fd: Unknown, uid: Unknown, gid: Unknown) =>
      attributes.fchownSync(host, fd, uid, gid),
    utimesSync: (path: Unknown, atime: Unknown, mtime: Unknown) =>
      attributes.utimesSync(host, path, atime, mtime),
    lutimesSync: (path: Unknown, atime: Unknown, mtime: Unknown) =>
      attributes.lutimesSync(host, path, atime, mtime),
    futimesSync: (fd: Unknown, atime: Unknown, mtime: Unknown) =>
      attributes.futimesSync(host, fd, atime, mtime),
  };
}

function nameFunctions(host: Host) {
  return {
    mkdirSync: (path: Unknown, options: Unknown) => names.mkdirSync(host, path, options),
    rmdirSync: (path: Unknown, options: Unknown) => names.rmdirSync(host, path, options),
    unlinkSync: (path: Unknown) => names.unlinkSync(host, path),
    renameSync: (oldPath: Unknown, newPath: Unknown) => names.renameSync(host, oldPath, newPath),
    linkSync: (path: Unknown, newPath: Unknown) => names.linkSync(host, path, newPath),
    symlinkSync: (target: Unknown, path: Unknown, type: Unknown) =>
      names.symlinkSync(host, target, path, type),
    readlinkSync: (path: Unknown, options: Unknown) => names.readlinkSync(host, path, options),
    readdirSync: (path: Unknown, options: Unknown) => readdirSync(host, path, options),
    realpathSync: Object.assign(
      (path: Unknown, options: Unknown) => realpathSync(host, path, options),
      { native: (path: Unknown, options: Unknown) => realpathNativeSync(host, path, options) },
    ),
  };
}
