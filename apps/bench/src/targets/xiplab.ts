/** xiplab as a program uses it: text paths, a `Task` of the vfs, a design on emulated memory. */
import {
  type Clock,
  type Ino,
  type Inode,
  mount,
  nameFromUtf8,
  namesToUtf8,
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  type OpenFile,
  mkfs,
  type Personality,
  Pmem,
  Task,
  type Timespec,
  type Vfs,
} from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { workingTimeMs } from "../pauses.ts";
import type { OurName } from "../protocol.ts";
import type { Target } from "./target.ts";

/** Milliseconds, as the peers that are written in JavaScript keep them. One object for all calls. */
const time: Timespec = { sec: 0, nsec: 0 };
const clock: Clock = {
  now: () => {
    const ms = workingTimeMs();
    time.sec = Math.floor(ms / 1_000);
    time.nsec = (ms - time.sec * 1_000) * 1_000_000;
    return time;
  },
};

/** No cache, and the write protocol that Linux chose: nothing lost, nothing stale. */
const OPTIONS = { data: "xip", unwritten: "zero" };

/** Both designs make an inode for each 8 KiB of the device: enough for small files with a block. */
const BYTES_PER_FILE = 8192;
/** Big files, and directories. What is never touched takes no memory. */
const ROOM_BYTES = 2 ** 30;

interface Design {
  readonly personality: Personality;
  readonly mkfsOptions: Readonly<Record<string, string>>;
}

const DESIGNS: Readonly<Record<OurName, Design>> = {
  "xiplab/plain": { personality: plain, mkfsOptions: {} },
  // A journal that commits by itself every five seconds, and when it has no room: as Linux does.
  "xiplab/ext4": { personality: ext4, mkfsOptions: { inodeRatio: String(BYTES_PER_FILE) } },
};

/** A task on a fresh file system that has room for `files` small files, and some big ones. */
export function openTask(whose: OurName, files: number): Task {
  return new Task(openVfs(whose, files));
}

/** A fresh file system with that room. */
export function openVfs(whose: OurName, files: number): Vfs {
  const { personality, mkfsOptions } = DESIGNS[whose];
  const device = new Pmem(files * BYTES_PER_FILE + ROOM_BYTES);
  mkfs(personality, device, mkfsOptions, { clock });
  return mount(personality, device, OPTIONS, { clock });
}

export function openXiplab(whose: OurName, files: number): { target: XiplabTarget; root: string } {
  return { target: new XiplabTarget(openTask(whose, files)), root: "" };
}

export class XiplabTarget implements Target<OpenFile> {
  private readonly task: Task;
  /** The directory of the last lookup. */
  private lookedIn: string | null = null;
  private directory: Inode | null = null;

  constructor(task: Task) {
    this.task = task;
  }

  mkdir(path: string): void {
    this.task.mkdir(nameFromUtf8(path), 0o777);
  }

  create(path: string): void {
    this.task.close(this.task.open(nameFromUtf8(path), O_CREAT | O_EXCL | O_WRONLY, 0o666));
  }

  writeNew(path: string, content: Uint8Array): void {
    const file = this.task.open(nameFromUtf8(path), O_CREAT | O_TRUNC | O_WRONLY, 0o666);
    this.task.write(file, content);
    this.task.close(file);
  }

  readFile(path: string): Uint8Array {
    const file = this.task.open(nameFromUtf8(path), O_RDONLY, 0);
    const content = Buffer.allocUnsafe(this.task.fstat(file).size);
    this.task.read(file, content);
    this.task.close(file);
    return content;
  }

  openReadWrite(path: string): OpenFile {
    return this.task.open(nameFromUtf8(path), O_RDWR, 0);
  }

  openAppend(path: string): OpenFile {
    return this.task.open(nameFromUtf8(path), O_WRONLY | O_APPEND, 0);
  }

  close(handle: OpenFile): void {
    this.task.close(handle);
  }

  stat(path: string): number {
    return this.task.stat(nameFromUtf8(path)).size;
  }

  lookup(path: string): number {
    const slash = path.lastIndexOf("/");
    const parent = path.slice(0, slash);
    if (parent !== this.lookedIn) {
      this.lookedIn = parent;
      this.directory = this.task.vfs.iget(this.task.stat(nameFromUtf8(parent)).ino as Ino);
    }
    const { fs } = this.task.vfs.superblock;
    return fs.lookup(this.directory!, nameFromUtf8(path.slice(slash + 1)));
  }

  rename(from: string, to: string): void {
    this.task.rename(nameFromUtf8(from), nameFromUtf8(to));
  }

  unlink(path: string): void {
    this.task.unlink(nameFromUtf8(path));
  }

  rmdir(path: string): void {
    this.task.rmdir(nameFromUtf8(path));
  }

  readdir(path: string): string[] {
    return namesToUtf8(this.task.readdir(nameFromUtf8(path)));
  }

  pread(handle: OpenFile, buffer: Uint8Array, pos: number): number {
    return this.task.pread(handle, buffer, 0, buffer.length, pos);
  }

  pwrite(handle: OpenFile, buffer: Uint8Array, pos: number): number {
    return this.task.pwrite(handle, buffer, 0, buffer.length, pos);
  }

  append(handle: OpenFile, buffer: Uint8Array): number {
    return this.task.write(handle, buffer);
  }

  fsync(handle: OpenFile): void {
    this.task.fsync(handle);
  }

  truncate(handle: OpenFile, size: number): void {
    this.task.ftruncate(handle, size);
  }

  dispose(): void {
    // The device is memory of this process.
  }
}
