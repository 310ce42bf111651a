/**
 * What a benchmark asks of a file system: synchronous calls, JavaScript paths in, bytes out. Each
 * target runs in a process of its own, so every call through this interface has one receiver and
 * V8 inlines it: the interface costs the peers nothing.
 */
export interface Target<Handle> {
  mkdir(path: string): void;
  /** Make an empty file that does not exist, open it, close it. */
  create(path: string): void;
  /** Make a file that does not exist, with `content`. */
  writeNew(path: string, content: Uint8Array): void;
  /** All of a file. Returns its bytes in an array of the target's making. */
  readFile(path: string): Uint8Array;
  openReadWrite(path: string): Handle;
  openAppend(path: string): Handle;
  close(handle: Handle): void;
  /** Returns the size, so that the work cannot be optimised away. Bytes. */
  stat(path: string): number;
  /** Find the name by the directory itself, past any cache of names. Returns the inode number. */
  lookup(path: string): number;
  rename(from: string, to: string): void;
  unlink(path: string): void;
  rmdir(path: string): void;
  /** Returns the names as text. */
  readdir(path: string): string[];
  /** Fill `buffer` from `pos`. Returns bytes. */
  pread(handle: Handle, buffer: Uint8Array, pos: number): number;
  pwrite(handle: Handle, buffer: Uint8Array, pos: number): number;
  /** Write at the position of the handle, or at the end where it was opened for appending. */
  append(handle: Handle, buffer: Uint8Array): number;
  fsync(handle: Handle): void;
  truncate(handle: Handle, size: number): void;
  /** Leave nothing behind on the machine. */
  dispose(): void;
}
