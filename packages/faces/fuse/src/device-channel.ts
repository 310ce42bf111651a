/**
 * /dev/fuse as a channel: one blocking read(2) for a request, one writev(2) for an answer. No native
 * code, and no event loop: the thread that serves does nothing else.
 *
 * Ref: Linux fs/fuse/dev.c (what read and write of the device fail with);
 * Documentation/filesystems/fuse/fuse.rst "Aborting a filesystem connection".
 */
import { readSync, writeSync, writevSync } from "node:fs";
import { assert, FsError } from "@xiplab/core";
import type { Channel } from "./channel.ts";

/** Between two looks at a descriptor that somebody made non-blocking. */
const RETRY_MS = 1;

/** The connection is no more: unmounted (ENODEV) or aborted (the others). */
const GONE: ReadonlySet<string> = new Set(["ENODEV", "ECONNABORTED", "ENOTCONN"]);

export class DeviceChannel implements Channel {
  private readonly fd: number;
  private readonly sleeper = new Int32Array(new SharedArrayBuffer(4));

  /** `fd`: /dev/fuse, open for reading and writing and mounted already (see `mountFuse`): a read of
   * one that is not mounted fails. The caller closes it, after `serve` has returned. */
  constructor(fd: number) {
    assert(Number.isSafeInteger(fd) && fd >= 0, "a channel needs a descriptor");
    this.fd = fd;
  }

  /** HOT. @throws FsError EIO where the device says what it does not say to a mounted file system */
  receive(target: Uint8Array): number {
    for (;;) {
      try {
        return readSync(this.fd, target, 0, target.length, null);
      } catch (error) {
        const code = codeOf(error);
        if (GONE.has(code)) return 0;
        this.goOn(code, error);
      }
    }
  }

  /** HOT. */
  send(parts: readonly Uint8Array[]): boolean {
    for (;;) {
      try {
        // The device takes a message in one call or not at all: no part of it is ever left over.
        if (parts.length === 1) writeSync(this.fd, parts[0]!);
        else writevSync(this.fd, parts);
        return true;
      } catch (error) {
        const code = codeOf(error);
        if (code === "ENOENT" || GONE.has(code)) return false;
        this.goOn(code, error);
      }
    }
  }

  /** Return where the call is worth repeating. ENOENT of a read: its request was interrupted. */
  private goOn(code: string, error: unknown): void {
    if (code === "EINTR" || code === "ENOENT") return;
    if (code !== "EAGAIN") throw failure(error);
    Atomics.wait(this.sleeper, 0, 0, RETRY_MS);
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

const failure = (error: unknown): FsError =>
  new FsError("EIO", `/dev/fuse: ${error instanceof Error ? error.message : String(error)}`);
