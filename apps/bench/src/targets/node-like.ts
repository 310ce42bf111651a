/** Everything that has the calls of node:fs: memfs, ZenFS, node:vfs, and node:fs itself. */
import type { Target } from "./target.ts";

/** The part of node:fs that the benchmark calls. */
export interface NodeLikeFs {
  mkdirSync(path: string): unknown;
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
  ftruncateSync(fd: number, size: number): void;
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

  truncate(handle: number, size: number): void {
    this.fs.ftruncateSync(handle, size);
  }

  dispose(): void {
    this.onDispose();
  }
}
