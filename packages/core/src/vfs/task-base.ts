/** What every part of `Task` stands on: who asks, from where, and how failures are told. */
import { FsError } from "../spec/errors.ts";
import type { Inode } from "../spec/inode.ts";
import { isDirectory } from "../spec/mode.ts";
import { nameToUtf8 } from "../spec/names.ts";
import type { Name } from "../spec/units.ts";
import { begin } from "./icache.ts";
import { type Credentials, ROOT } from "./credentials.ts";
import { requireSearch } from "./permission.ts";
import type { Superblock } from "./superblock.ts";
import type { Vfs } from "./vfs.ts";
import { findPath, Walk } from "./walk.ts";

export interface TaskOptions {
  /** Who asks. Default: root. */
  readonly credentials?: Credentials;
  /** Permission bits that new files do not get. Default 0o022. */
  readonly umask?: number;
}

const UMASK = 0o022;

export class TaskBase {
  readonly vfs: Vfs;
  credentials: Credentials;
  umask: number;
  protected readonly sb: Superblock;
  /** State of the walk of the running call, and of its second path. */
  protected readonly walk: Walk;
  protected readonly otherWalk: Walk;

  constructor(vfs: Vfs, options: TaskOptions = {}) {
    this.vfs = vfs;
    this.sb = vfs.superblock;
    this.credentials = options.credentials ?? ROOT;
    this.umask = options.umask ?? UMASK;
    this.walk = new Walk(vfs.root);
    this.otherWalk = new Walk(vfs.root);
  }

  /** Where relative paths start. */
  get directory(): Inode {
    return this.walk.start;
  }

  /** Let relative paths start at `path`. The directory stays referenced until the next chdir.
   * @throws FsError ENOENT, ENOTDIR, EACCES */
  chdir(path: Name): void {
    try {
      const directory = this.find(path, true);
      if (!isDirectory(directory.mode)) throw new FsError("ENOTDIR");
      requireSearch(this.sb, this.credentials, directory);
      this.vfs.retain(directory);
      const before = this.walk.start;
      this.walk.start = directory;
      this.otherWalk.start = directory;
      if (before !== this.vfs.root) this.vfs.forget(before);
    } catch (error) {
      throw this.failed(error, "chdir", path);
    }
  }

  /** Walk all of `path`. HOT. */
  protected find(path: Name, follow: boolean): Inode {
    begin(this.sb);
    return findPath(this.sb, this.credentials, path, follow, this.walk);
  }

  /**
   * The one place where a failure gets its call and its paths. Bad disk becomes FsError EUCLEAN and
   * the mount read-only; what is no failure of the file system (a bug, a bad option) passes.
   */
  protected failed(error: unknown, syscall: string, path?: Name, dest?: Name): unknown {
    const told = this.sb.failed(error);
    if (!(told instanceof FsError)) return told;
    const text = path === undefined ? undefined : nameToUtf8(path);
    return told.at(syscall, text, dest === undefined ? undefined : nameToUtf8(dest));
  }
}
