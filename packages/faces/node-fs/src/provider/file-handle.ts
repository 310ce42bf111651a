/**
 * An open file as node:vfs wants it: a descriptor of createFs behind the methods of Node's internal
 * VirtualFileHandle, which is not exported, so that this stands in for it by its shape.
 */
import type { NodeFs } from "../index.ts";

type Bytes = NodeJS.ArrayBufferView;
/** null, undefined and -1 are the file's own position. */
type Position = number | bigint | null | undefined;
type Options = Parameters<NodeFs["readFileSync"]>[1];
type StatOptions = { bigint?: false };
type WriteOptions = Parameters<NodeFs["writeFileSync"]>[2];

export interface HandleContext {
  readonly fs: NodeFs;
  /** Closing what was written makes it durable. */
  readonly syncOnClose: boolean;
  /** Errors carry the path that the program used. */
  told<T>(body: () => T): T;
}

export class XipFileHandle {
  readonly path: string;
  readonly flags: string | number;
  readonly mode: number;
  readonly #context: HandleContext;
  readonly #fd: number;
  #closed = false;
  #changed = false;

  constructor(
    context: HandleContext,
    fd: number,
    path: string,
    flags: string | number,
    mode: number,
  ) {
    this.#context = context;
    this.#fd = fd;
    this.path = path;
    this.flags = flags;
    this.mode = mode;
  }

  get closed(): boolean {
    return this.#closed;
  }

  readSync(buffer: Bytes, offset: number, length: number, position?: Position): number {
    return this.#on((fs, fd) => fs.readSync(fd, buffer, offset, length, position ?? null));
  }

  writeSync(buffer: Bytes, offset: number, length: number, position?: Position): number {
    // -1 is Node's own word for the present position.
    const at = typeof position === "number" && position >= 0 ? position : null;
    return this.#change((fs, fd) => fs.writeSync(fd, buffer, offset, length, at));
  }

  readFileSync(options: Options = {}): string | Buffer {
    return this.#on((fs, fd) => fs.readFileSync(fd, options));
  }

  writeFileSync(data: string | Bytes, options?: WriteOptions): void {
    this.#change((fs, fd) => fs.writeFileSync(fd, data, options));
  }

  statSync(options: StatOptions = {}): unknown {
    return this.#on((fs, fd) => fs.fstatSync(fd, options));
  }

  truncateSync(length?: number): void {
    this.#change((fs, fd) => fs.ftruncateSync(fd, length));
  }

  chmodSync(mode: number | string): void {
    this.#on((fs, fd) => fs.fchmodSync(fd, mode));
  }

  utimesSync(atime: number, mtime: number): void {
    this.#on((fs, fd) => fs.futimesSync(fd, atime, mtime));
  }

  closeSync(): void {
    if (this.#changed && this.#context.syncOnClose) this.#on((fs, fd) => fs.fsyncSync(fd));
    this.#on((fs, fd) => fs.closeSync(fd));
    this.#closed = true;
  }

  async read(buffer: Bytes, offset: number, length: number, position?: Position) {
    return { bytesRead: this.readSync(buffer, offset, length, position), buffer };
  }

  async write(buffer: Bytes, offset: number, length: number, position?: Position) {
    return { bytesWritten: this.writeSync(buffer, offset, length, position), buffer };
  }

  async readv(buffers: readonly Bytes[], position?: number) {
    return { bytesRead: this.#on((fs, fd) => fs.readvSync(fd, buffers, position)), buffers };
  }

  async writev(buffers: readonly Bytes[], position?: number) {
    const bytesWritten = this.#change((fs, fd) => fs.writevSync(fd, buffers, position));
    return { bytesWritten, buffers };
  }

  async readFile(options?: Options): Promise<string | Buffer> {
    return this.readFileSync(options);
  }

  async writeFile(data: string | Bytes, options?: WriteOptions): Promise<void> {
    this.writeFileSync(data, options);
  }

  async appendFile(data: string | Uint8Array, options?: WriteOptions): Promise<void> {
    this.#change((fs, fd) => fs.appendFileSync(fd, data, options));
  }

  async stat(options?: StatOptions): Promise<unknown> {
    return this.statSync(options);
  }

  async truncate(length?: number): Promise<void> {
    this.truncateSync(length);
  }

  async chmod(mode: number | string): Promise<void> {
    this.chmodSync(mode);
  }

  async chown(uid: number, gid: number): Promise<void> {
    this.#on((fs, fd) => fs.fchownSync(fd, uid, gid));
  }

  async utimes(atime: number, mtime: number): Promise<void> {
    this.utimesSync(atime, mtime);
  }

  async sync(): Promise<void> {
    this.#on((fs, fd) => fs.fsyncSync(fd));
    this.#changed = false;
  }

  async datasync(): Promise<void> {
    this.#on((fs, fd) => fs.fdatasyncSync(fd));
    this.#changed = false;
  }

  async close(): Promise<void> {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closeSync();
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  #on<T>(body: (fs: NodeFs, fd: number) => T): T {
    return this.#context.told(() => body(this.#context.fs, this.#fd));
  }

  #change<T>(body: (fs: NodeFs, fd: number) => T): T {
    this.#changed = true;
    return this.#on(body);
  }
}
