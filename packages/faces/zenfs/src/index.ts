/**
 * A mount as a ZenFS backend: `configureSingle({ backend: Xip, vfs })`.
 *
 * ZenFS asks by path and keeps a node of its own per inode. Files carry its DAX flag, so that reads and
 * writes pass its data cache and go straight to the mount. Its nodes keep what `stat` gave for as long
 * as a file is open, and with that flag they leave the size to us: so the size here is looked up.
 *
 * What its interface makes impossible stands in README.
 */
import {
  type Ino,
  type Inode as CoreInode,
  nameFromUtf8,
  namesToUtf8,
  nameToBytes,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_WRONLY,
  type OpenFile,
  S_IFLNK,
  S_IFMT,
  type Stat,
  Task,
  type Timespec,
  type Vfs,
} from "@xiplab/core";
import {
  type Backend,
  type CreationOptions,
  FileSystem,
  InodeFlags,
  type InodeLike,
  Sync,
  type UsageInfo,
} from "@zenfs/core";

export interface XipOptions {
  readonly vfs: Vfs;
}

const TYPE = 0x78_69_70;
const MS_PER_SEC = 1000;
const NSEC_PER_MS = 1_000_000;
const PERMISSIONS = 0o7777;

/** The file system that `Xip.create` makes. */
export class XipFS extends Sync(FileSystem) {
  readonly #vfs: Vfs;
  readonly #task: Task;

  constructor(vfs: Vfs) {
    super(TYPE, "xip");
    this.#vfs = vfs;
    // ZenFS has checked permissions and taken its umask off.
    this.#task = new Task(vfs, { umask: 0 });
  }

  override usage(): UsageInfo {
    const { blockSize, blocks, blocksFree, files, filesFree } = this.#vfs.statfs();
    return {
      totalSpace: blocks * blockSize,
      freeSpace: blocksFree * blockSize,
      blockSize,
      totalNodes: files,
      freeNodes: filesFree,
    };
  }

  /** Of a symbolic link itself: ZenFS follows links. */
  statSync(path: string): InodeLike {
    return new LiveInode(this.#vfs, this.#task.lstat(nameFromUtf8(path)));
  }

  touchSync(path: string, changes: Partial<InodeLike>): void {
    const name = nameFromUtf8(path);
    const before = this.#task.tryStat(name, false);
    // ZenFS still writes back times of a file that is open but has no name any more.
    if (before === null) return;
    const { mode = before.mode } = changes;
    // ZenFS makes a symbolic link by turning a file into one; no inode on a medium does that.
    if ((mode & S_IFMT) === S_IFLNK && (before.mode & S_IFMT) !== S_IFLNK) {
      this.#turnIntoLink(path);
      return;
    }
    const isLink = (before.mode & S_IFMT) === S_IFLNK;
    const { size = before.size } = changes;
    if (size !== before.size && !isLink) this.#task.truncate(name, size);
    if ((mode & PERMISSIONS) !== (before.mode & PERMISSIONS) && !isLink) {
      this.#task.chmod(name, mode & PERMISSIONS);
    }
    const { uid = before.uid, gid = before.gid } = changes;
    if (uid !== before.uid || gid !== before.gid) this.#task.lchown(name, uid, gid);
    const { atimeMs, mtimeMs } = changes;
    if (atimeMs === undefined && mtimeMs === undefined) return;
    const atime = timeOf(atimeMs, before.atimeSec, before.atimeNsec);
    const mtime = timeOf(mtimeMs, before.mtimeSec, before.mtimeNsec);
    this.#task.utimens(name, atime, mtime, false);
  }

  createFileSync(path: string, options: CreationOptions): InodeLike {
    const name = nameFromUtf8(path);
    this.#task.close(
      this.#task.open(name, O_WRONLY | O_CREAT | O_EXCL, options.mode & PERMISSIONS),
    );
    this.#task.lchown(name, options.uid, options.gid);
    return this.statSync(path);
  }

  mkdirSync(path: string, options: CreationOptions): InodeLike {
    const name = nameFromUtf8(path);
    this.#task.mkdir(name, options.mode & PERMISSIONS);
    this.#task.lchown(name, options.uid, options.gid);
    return this.statSync(path);
  }

  unlinkSync(path: string): void {
    this.#task.unlink(nameFromUtf8(path));
  }

  rmdirSync(path: string): void {
    this.#task.rmdir(nameFromUtf8(path));
  }

  renameSync(oldPath: string, newPath: string): void {
    this.#task.rename(nameFromUtf8(oldPath), nameFromUtf8(newPath));
  }

  linkSync(target: string, link: string): void {
    this.#task.link(nameFromUtf8(target), nameFromUtf8(link));
  }

  readdirSync(path: string): string[] {
    return namesToUtf8(this.#task.readdir(nameFromUtf8(path)));
  }

  /** Everything becomes durable: ZenFS's fsync of a file never comes here. */
  syncSync(): void {
    this.#task.syncfs();
  }

  /** Fills `target` with [start, end). Of a symbolic link: its target. */
  readSync(path: string, target: Uint8Array, start: number, end: number): void {
    const name = nameFromUtf8(path);
    if ((this.#task.lstat(name).mode & S_IFMT) === S_IFLNK) {
      target.set(nameToBytes(this.#task.readlink(name)).subarray(start, end));
      return;
    }
    this.#with(path, O_RDONLY, (file) =>
      this.#task.pread(file, target, 0, Math.min(end - start, target.length), start),
    );
  }

  writeSync(path: string, source: Uint8Array, offset: number): void {
    this.#with(path, O_WRONLY, (file) => this.#task.pwrite(file, source, 0, source.length, offset));
  }

  #turnIntoLink(path: string): void {
    const name = nameFromUtf8(path);
    const { size, uid, gid } = this.#task.lstat(name);
    const target = new Uint8Array(size);
    this.readSync(path, target, 0, size);
    this.#task.unlink(name);
    this.#task.symlink(nameFromUtf8(new TextDecoder().decode(target)), name);
    this.#task.lchown(name, uid, gid);
  }

  #with(path: string, flags: number, body: (file: OpenFile) => void): void {
    const file = this.#task.open(nameFromUtf8(path), flags);
    try {
      body(file);
    } finally {
      this.#task.close(file);
    }
  }
}

/** What ZenFS keeps of an inode while it is open. The size is the mount's, at every look. */
class LiveInode implements InodeLike {
  ino: number;
  data: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  atimeMs: number;
  mtimeMs: number;
  ctimeMs: number;
  birthtimeMs: number;
  flags: number;
  size!: number;

  constructor(vfs: Vfs, stat: Stat) {
    this.ino = stat.ino;
    this.data = stat.ino;
    this.mode = stat.mode;
    this.nlink = stat.nlink;
    this.uid = stat.uid;
    this.gid = stat.gid;
    this.rdev = stat.rdev;
    this.atimeMs = stat.atimeSec * MS_PER_SEC + stat.atimeNsec / NSEC_PER_MS;
    this.mtimeMs = stat.mtimeSec * MS_PER_SEC + stat.mtimeNsec / NSEC_PER_MS;
    this.ctimeMs = stat.ctimeSec * MS_PER_SEC + stat.ctimeNsec / NSEC_PER_MS;
    this.birthtimeMs = stat.btimeSec * MS_PER_SEC + stat.btimeNsec / NSEC_PER_MS;
    this.flags = InodeFlags.DAX;
    let truncatedTo: number | null = null;
    // Own and enumerable, for ZenFS copies inodes by Object.assign.
    Object.defineProperty(this, "size", {
      enumerable: true,
      get: () => truncatedTo ?? sizeOf(vfs, stat),
      set: (size: number) => {
        truncatedTo = size === sizeOf(vfs, stat) ? null : size;
      },
    });
  }
}

function sizeOf(vfs: Vfs, stat: Stat): number {
  let inode: CoreInode;
  try {
    inode = vfs.iget(stat.ino as Ino);
  } catch {
    // It was removed, and nobody has it open: what was known last.
    return stat.size;
  }
  const { size } = inode;
  vfs.forget(inode);
  return size;
}

function timeOf(ms: number | undefined, sec: number, nsec: number): Timespec {
  if (ms === undefined) return { sec, nsec };
  const whole = Math.floor(ms / MS_PER_SEC);
  return { sec: whole, nsec: Math.floor((ms - whole * MS_PER_SEC) * NSEC_PER_MS) };
}

/** The backend: `configureSingle({ backend: Xip, vfs })`. Unmounting stays with who mounted. */
export const Xip = {
  name: "Xip",
  options: { vfs: { type: "object", required: true } },
  create: ({ vfs }: XipOptions) => new XipFS(vfs),
} as const satisfies Backend<XipFS, XipOptions>;
