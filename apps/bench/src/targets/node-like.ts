/** Everything that has the calls of node:fs: ours, memfs, ZenFS, node:vfs, and node:fs itself. */
import type { Target } from "./target.ts";

/** The part of node:fs that the benchmark calls. */
export interface NodeLikeFs {
  mkdirSync(path: string): unknown;
  rmdirSync(path: string): void;
  openSync(path: string, flags: string): number;
  closeSync(fd: number): void;
  statSync(path: string): { size: number; ino: number };
  renameSync(from: string, to: string): void;
  unlinkSync(path: string): void;
  readdirSync(path: string): unknown[];
  readSync(
    fd: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): number;
  writeSync(
    fd: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ): number;
  readFileSync(path: string): Uint8Array;
  ftruncateSync(fd: number, size: number): void;
  /** Not the object of node:vfs. */
  fsyncSync?(fd: number): void;
}

export class NodeLikeTarget implements Target<number> {
  private readonly fs: NodeLikeFs;
  private readonly onDispose: () => void;

  constructor(fs: NodeLikeFs, onDispose: () => void = () => undefined) {
    this.fs = fs;
    this.onDispose = onDispose;
  }

  mkdir(path: string): void {
    this.fs.mkdirSync(path);
  }

  create(path: string): void {
    this.fs.closeSync(this.fs.openSync(path, "wx"));
  }

  writeNew(path: string, content: Uint8Array): void {
    const fd = this.fs.openSync(path, "w");
    this.fs.writeSync(fd, content, 0, content.length, null);
    this.fs.closeSync(fd);
  }

  readFile(path: string): Uint8Array {
    return this.fs.readFileSync(path);
  }

  openReadWrite(path: string): number {
    return this.fs.openSync(path, "r+");
  }

  openAppend(path: string): number {
    return this.fs.openSync(path, "a");
  }

  close(handle: number): void {
    this.fs.closeSync(handle);
  }

  stat(path: string): number {
    return this.fs.statSync(path).size;
  }

  /** Peers give no way past their caches. */
  lookup(path: string): number {
    return this.fs.statSync(path).ino;
  }

  rename(from: string, to: string): void {
    this.fs.renameSync(from, to);
  }

  unlink(path: string): void {
    this.fs.unlinkSync(path);
  }

  rmdir(path: string): void {
    this.fs.rmdirSync(path);
  }

  readdir(path: string): string[] {
    return this.fs.readdirSync(path) as string[];
  }

  pread(handle: number, buffer: Uint8Array, pos: number): number {
    return this.fs.readSync(handle, buffer, 0, buffer.length, pos);
  }

  pwrite(handle: number, buffer: Uint8Array, pos: number): number {
    return this.fs.writeSync(handle, buffer, 0, buffer.length, pos);
  }

  append(handle: number, buffer: Uint8Array): number {
    return this.fs.writeSync(handle, buffer, 0, buffer.length, null);
  }

  fsync(handle: number): void {
    if (this.fs.fsyncSync === undefined) throw new Error("has no fsyncSync");
    this.fs.fsyncSync(handle);
  }

  truncate(handle: number, size: number): void {
    this.fs.ftruncateSync(handle, size);
  }

  dispose(): void {
    this.onDispose();
  }
}
