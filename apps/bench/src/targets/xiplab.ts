/** xiplab as a program uses it: text paths, a `Task` of the vfs, `plain` on emulated memory. */
import {
  type Clock,
  mount,
  nameFromUtf8,
  namesToUtf8,
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDWR,
  O_WRONLY,
  type OpenFile,
  parseOptions,
  Pmem,
  Task,
  type Timespec,
} from "@xiplab/core";
import { plain } from "@xiplab/plain";
import type { Target } from "./target.ts";

/** Milliseconds, as the peers that are written in JavaScript keep them. One object for all calls. */
const time: Timespec = { sec: 0, nsec: 0 };
const clock: Clock = {
  now: () => {
    const ms = Date.now();
    time.sec = Math.floor(ms / 1_000);
    time.nsec = (ms - time.sec * 1_000) * 1_000_000;
    return time;
  },
};

/** No cache, and the write protocol that Linux chose: nothing lost, nothing stale. */
const OPTIONS = { data: "xip", unwritten: "zero" };

/** `plain` makes an inode for each 8 KiB of the device: enough for small files and their blocks. */
const BYTES_PER_FILE = 8192;
/** Big files, and directories. What is never touched takes no memory. */
const ROOM_BYTES = 512 * 2 ** 20;

/** A task on a fresh `plain` that has room for `files` small files, and some big ones. */
export function openTask(files: number): Task {
  const device = new Pmem(files * BYTES_PER_FILE + ROOM_BYTES);
  plain.mkfs(device, { clock, options: parseOptions(plain.mkfsOptions, {}, plain.name) });
  return new Task(mount(plain, device, OPTIONS, { clock }));
}

export function openXiplab(files: number): { target: XiplabTarget; root: string } {
  return { target: new XiplabTarget(openTask(files)), root: "" };
}

export class XiplabTarget implements Target<OpenFile> {
  private readonly task: Task;

  constructor(task: Task) {
    this.task = task;
  }

  mkdir(path: string): void {
    this.task.mkdir(nameFromUtf8(path), 0o777);
  }

  create(path: string): void {
    this.task.close(this.task.open(nameFromUtf8(path), O_CREAT | O_EXCL | O_WRONLY, 0o666));
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

  rename(from: string, to: string): void {
    this.task.rename(nameFromUtf8(from), nameFromUtf8(to));
  }

  unlink(path: string): void {
    this.task.unlink(nameFromUtf8(path));
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

  truncate(handle: OpenFile, size: number): void {
    this.task.ftruncate(handle, size);
  }

  dispose(): void {
    // The device is memory of this process.
  }
}
