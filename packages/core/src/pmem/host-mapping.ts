/**
 * A file of the host as a device, mapped: its pages in the host's cache are the device's memory. How a
 * file is mapped is the host's affair and comes in, as its file functions do (@xiplab/host-mapped).
 *
 * Any instant leaves a crash state that the persistence model allows, when the process is killed:
 * what is stored is in the file's pages at once, in program order, and the host keeps them.
 * - `adr`: any line may be evicted at any time, flushed or not, so every store may be durable when it
 *   is made; a fence then finds nothing to do. The file is a prefix of the program's stores: of each
 *   line a prefix, and of the non-temporal units all that were made, which is one of the subsets.
 * - `eadr`: it is what the domain promises.
 * As with a file that is written, a fence does not sync: a host that loses power may lose what it has
 * not written back, in any order. `close` syncs.
 *
 * Three things that a mapping must not do, and how they are kept from happening:
 * - fill holes: a hole is no part of the mapping until it is stored to (`segment`, `isHole`), and zeros
 *   over a hole are not stored (`zero`);
 * - end the process where the host has no room: `prepare` has the host back the pages before the first
 *   store to them, and throws if it cannot;
 * - be shorter than the device: the size was checked when the file was opened. Whoever cuts the file
 *   while it is open ends the process (SIGBUS): nothing can be done about that here.
 */
import { assert, FsError } from "../spec/errors.ts";
import { attemptAccess } from "./host-errors.ts";
import type { DeviceMemory } from "./pmem.ts";

/** How files of the host are mapped. */
export interface HostMapper {
  /**
   * Map an open file of `size` bytes, for stores too if `isWritable`. Returns why not, in words, where
   * it cannot or should not be mapped; the file is read and written then.
   */
  map(fd: number, size: number, isWritable: boolean): HostMapping | string;
}

/**
 * A file that is mapped. Methods fail as those of `node:fs` do: with an Error that has a `code` and a
 * `syscall`. Memory that was given out stays readable, with whatever in it, even after `close`.
 */
export interface HostMapping extends DeviceMemory {
  /** May [offset, offset + length), inside one segment, be stored to as it is? HOT. */
  isPrepared(offset: number, length: number): boolean;
  /** Let go of the file. What was stored stays in it. */
  close(): void;
}

/** The functions of the host that a mapped file needs: a subset of `HostFs`. */
interface SyncAndClose {
  fsyncSync(fd: number): void;
  closeSync(fd: number): void;
}

/** The memory of a device that is a mapped file, with errors as a device has them. */
export class MappedImage implements DeviceMemory {
  private readonly host: SyncAndClose;
  private readonly fd: number;
  private readonly path: string;
  private readonly mapping: HostMapping;
  private isClosed = false;

  constructor(host: SyncAndClose, fd: number, path: string, mapping: HostMapping) {
    this.host = host;
    this.fd = fd;
    this.path = path;
    this.mapping = mapping;
  }

  segment(offset: number, length: number): Uint8Array<ArrayBuffer> {
    this.checkOpen();
    let bytes: Uint8Array<ArrayBuffer> | null = null;
    attemptAccess(this.path, "cannot be mapped", () => {
      bytes = this.mapping.segment(offset, length);
    });
    assert(bytes !== null, "a mapping that does not fail gives a segment");
    return bytes;
  }

  isHole(offset: number, length: number): boolean {
    this.checkOpen();
    let isHole = false;
    attemptAccess(this.path, "cannot be read", () => {
      isHole = this.mapping.isHole(offset, length);
    });
    return isHole;
  }

  /** HOT: one look at a bit, as a rule. */
  prepare(offset: number, length: number): void {
    if (this.mapping.isPrepared(offset, length)) return;
    this.checkOpen();
    attemptAccess(this.path, "cannot be written", () => this.mapping.prepare(offset, length));
    assert(this.mapping.isPrepared(offset, length), "pages are prepared, or an error says why not");
  }

  zero(offset: number, length: number): void {
    this.checkOpen();
    attemptAccess(this.path, "cannot be written", () => this.mapping.zero(offset, length));
  }

  /** `isWritable`: sync first, which writes what was stored by the mapping too. */
  close(isWritable: boolean): void {
    if (this.isClosed) return;
    if (isWritable) {
      attemptAccess(this.path, "cannot be synced", () => this.host.fsyncSync(this.fd));
    }
    this.isClosed = true;
    this.mapping.close();
    this.host.closeSync(this.fd);
  }

  private checkOpen(): void {
    if (this.isClosed) throw new FsError("EBADF", `${this.path} is closed`);
  }
}
