/**
 * A mount as a provider of Node's experimental node:vfs, so that plain node:fs, fs/promises, streams,
 * require() and import() work on an image:
 *
 *     const provider = new XipProvider(vfs);
 *     const files = nodeVfs.create(provider);
 *     provider.mountPoint = files.mount();
 *
 * node:vfs hands on some calls and answers others itself; README lists what it gets wrong whatever
 * stands behind it. It answers fsync of a descriptor without a word to the provider, so a file that was
 * written is made durable when it is closed.
 *
 * Import this only where `node:vfs` is (Node 26 with --experimental-vfs).
 */
import { Stats as NodeStats } from "node:fs";
import type * as NodeFileSystem from "node:fs";
import { VirtualProvider } from "node:vfs";
import { relative } from "node:path/posix";
import type { Vfs } from "@xiplab/core";
import { BigIntStats, createFs, Dirent, type NodeFs, Stats, type SyncOptions } from "../index.ts";
import { type HandleContext, XipFileHandle } from "./file-handle.ts";

export interface ProviderOptions extends SyncOptions {
  /** fsync a file that was written when it is closed: node:vfs passes no fsync on. Default true. */
  readonly syncOnClose?: boolean;
}

type Options = object | string | null | undefined;
type Flags = string | number;

export class XipProvider extends VirtualProvider {
  /** Where it is mounted: what errors, which carry paths, put in front. Empty: paths of the image. */
  mountPoint = "";
  readonly #fs: NodeFs;
  readonly #readOnly: boolean;
  readonly #context: HandleContext;

  constructor(vfs: Vfs, options: ProviderOptions = {}) {
    super();
    this.#fs = createFs(vfs, options);
    this.#readOnly = vfs.readOnly;
    const told = <T>(body: () => T): T => this.#told(body);
    this.#context = { fs: this.#fs, syncOnClose: options.syncOnClose ?? true, told };
  }

  override get readonly(): boolean {
    return this.#readOnly;
  }

  override get supportsSymlinks(): boolean {
    return true;
  }

  override get supportsWatch(): boolean {
    return true;
  }

  openSync(path: string, flags: Flags = "r", mode?: number): XipFileHandle {
    const fd = this.#told(() => this.#fs.openSync(path, flags, mode));
    return new XipFileHandle(this.#context, fd, path, flags, mode ?? 0o666);
  }

  statSync(path: string, options?: object): unknown {
    return asNodes(this.#told(() => this.#fs.statSync(path, options)));
  }

  lstatSync(path: string, options?: object): unknown {
    return asNodes(this.#told(() => this.#fs.lstatSync(path, options)));
  }

  readdirSync(path: string, options?: Options): unknown[] {
    const list: readonly unknown[] = this.#told(() =>
      this.#fs.readdirSync(path, options as object),
    );
    return list.map((entry) => (entry instanceof Dirent ? withWay(path, entry) : entry));
  }

  mkdirSync(path: string, options?: object): string | undefined {
    return this.#told(() => this.#fs.mkdirSync(path, options)) as string | undefined;
  }

  rmdirSync(path: string): void {
    this.#told(() => this.#fs.rmdirSync(path));
  }

  unlinkSync(path: string): void {
    this.#told(() => this.#fs.unlinkSync(path));
  }

  renameSync(oldPath: string, newPath: string): void {
    this.#told(() => this.#fs.renameSync(oldPath, newPath));
  }

  linkSync(existingPath: string, newPath: string): void {
    this.#told(() => this.#fs.linkSync(existingPath, newPath));
  }

  /** A target that is absolute starts at the root of the image. */
  symlinkSync(target: string, path: string): void {
    this.#told(() => this.#fs.symlinkSync(target, path));
  }

  readlinkSync(path: string, options?: Options): string | Buffer {
    return this.#told(() => this.#fs.readlinkSync(path, options as "utf8"));
  }

  realpathSync(path: string): string {
    return this.#told(() => this.#fs.realpathSync(path));
  }

  accessSync(path: string, mode?: number): void {
    this.#told(() => this.#fs.accessSync(path, mode));
  }

  existsSync(path: string): boolean {
    return this.#fs.existsSync(path);
  }

  readFileSync(path: string, options?: Options): string | Buffer {
    return this.#told(() => this.#fs.readFileSync(path, options as object));
  }

  writeFileSync(path: string, data: string | NodeJS.ArrayBufferView, options?: Options): void {
    this.#told(() => this.#fs.writeFileSync(path, data, options as object));
  }

  appendFileSync(path: string, data: string | Uint8Array, options?: Options): void {
    this.#told(() => this.#fs.appendFileSync(path, data, options as object));
  }

  copyFileSync(source: string, target: string, mode?: number): void {
    this.#told(() => this.#fs.copyFileSync(source, target, mode));
  }

  chmodSync(path: string, mode: number | string): void {
    this.#told(() => this.#fs.chmodSync(path, mode));
  }

  chownSync(path: string, uid: number, gid: number): void {
    this.#told(() => this.#fs.chownSync(path, uid, gid));
  }

  lchownSync(path: string, uid: number, gid: number): void {
    this.#told(() => this.#fs.lchownSync(path, uid, gid));
  }

  utimesSync(path: string, atime: number, mtime: number): void {
    this.#told(() => this.#fs.utimesSync(path, atime, mtime));
  }

  lutimesSync(path: string, atime: number, mtime: number): void {
    this.#told(() => this.#fs.lutimesSync(path, atime, mtime));
  }

  watch(path: string, options?: object): unknown {
    return this.#told(() => this.#watching.watch(path, options as object));
  }

  watchAsync(path: string, options?: object): unknown {
    return this.#told(() => this.#watching.promises.watch(path, options as object));
  }

  watchFile(path: string, options: object = {}, listener: () => void = () => {}): unknown {
    return this.#told(() => this.#watching.watchFile(path, options, listener));
  }

  unwatchFile(path: string, listener?: () => void): void {
    this.#told(() => this.#watching.unwatchFile(path, listener));
  }

  get #watching(): typeof NodeFileSystem {
    return this.#fs as unknown as typeof NodeFileSystem;
  }

  /** What the file system refused is told with the paths that the program knows. */
  #told<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (this.mountPoint !== "" && error instanceof Error) toldFrom(this.mountPoint, error);
      throw error;
    }
  }
}

/** The asynchronous methods of a provider, each its synchronous one in a promise. */
const ASYNCHRONOUS =
  "open stat lstat readdir mkdir rmdir unlink rename link symlink readlink realpath access exists " +
  "readFile writeFile appendFile copyFile";

type Method = (...values: unknown[]) => unknown;
for (const name of ASYNCHRONOUS.split(" ")) {
  Object.defineProperty(XipProvider.prototype, name, {
    configurable: true,
    writable: true,
    async value(this: Record<string, Method>, ...values: unknown[]) {
      return Reflect.apply(this[`${name}Sync`] as Method, this, values);
    },
  });
}

function toldFrom(mountPoint: string, error: Error & { path?: unknown; dest?: unknown }): void {
  for (const key of ["path", "dest"] as const) {
    const path = error[key];
    if (typeof path !== "string" || !path.startsWith("/")) continue;
    const told = path === "/" ? mountPoint : mountPoint + path;
    error.message = error.message.replace(`'${path}'`, () => `'${told}'`);
    error[key] = told;
  }
}

/** With Node's own class, for `instanceof`. The fields are the same. */
function asNodes(stats: unknown): unknown {
  const isPlain = stats instanceof Stats && !(stats instanceof BigIntStats);
  return isPlain ? Object.setPrototypeOf(stats, NodeStats.prototype) : stats;
}

/** In a recursive listing node:vfs wants the way from `path` in the name, and takes it apart again. */
function withWay(path: string, entry: Dirent): Dirent {
  const way = relative(path, String(entry.parentPath));
  if (way !== "") entry.name = `${way}/${String(entry.name)}`;
  return entry;
}
