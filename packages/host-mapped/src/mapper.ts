/**
 * Maps files where Node has `ffi` and may use it, and where that is safe; elsewhere it says why not,
 * and core reads and writes the file instead.
 */
import * as fs from "node:fs";
import type * as NodeFfi from "node:ffi";
import type { HostMapper } from "@xiplab/core";
import { Libc } from "./libc.ts";
import { FfiMapping } from "./mapping.ts";

export interface FfiMapperOptions {
  /**
   * Map on any file system. Without it, on those alone that never need room to overwrite what was
   * written before: where they do (copy on write), a full host ends the process.
   */
  readonly anywhere?: boolean;
}

/** Types as statfs(2) tells them. */
const TMPFS = 0x01021994;
const EXT = 0xef53;
const XFS = 0x58465342;

/** They overwrite in place; or, as XFS does with what two files share, once, when a page is backed. */
const IN_PLACE: ReadonlySet<number> = new Set([TMPFS, EXT, XFS]);

/** Pages are asked for by four KiB: the host's must not be larger. */
const PAGE_SIZE = 4096;

export function ffiMapper({ anywhere = false }: FfiMapperOptions = {}): HostMapper {
  return {
    map(fd, size, isWritable) {
      if (process.platform !== "linux")
        return `mapping is for Linux, and this is ${process.platform}`;
      const libc = loadLibc();
      if (typeof libc === "string") return libc;
      try {
        const { type } = fs.statfsSync(`/proc/self/fd/${fd}`);
        if (!anywhere && !IN_PLACE.has(type)) return "its file system may need room to overwrite";
        probe(libc, fd, isWritable);
        return new FfiMapping(libc, fd, size, { isWritable, readsTakeRoom: type === TMPFS });
      } catch (error) {
        return messageOf(error);
      }
    },
  };
}

let loaded: Libc | string | null = null;

/** Returns why there is none, in words. */
function loadLibc(): Libc | string {
  loaded ??= load();
  return loaded;
}

function load(): Libc | string {
  try {
    const ffi = quietly(() => process.getBuiltinModule("node:ffi")) as typeof NodeFfi | undefined;
    if (ffi === undefined) return `Node ${process.versions.node} has no ffi, or was told not to`;
    return quietly(() => new Libc(ffi));
  } catch (error) {
    return messageOf(error);
  }
}

/** Without the warning that ffi is experimental: who uses it here chose to, and can do without. */
function quietly<T>(body: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return body();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Does the host do what a mapping will ask of it? @throws Error */
function probe(libc: Libc, fd: number, isWritable: boolean): void {
  const length = 2 * PAGE_SIZE;
  const address = libc.reserve(length);
  try {
    libc.nextData(fd, 0);
    libc.share(address + PAGE_SIZE, PAGE_SIZE, fd, 0, isWritable);
    // Of memory, not of the file: it is to stay as it is.
    libc.reserveAgain(address, length);
    libc.probePopulate(address + PAGE_SIZE, PAGE_SIZE);
  } finally {
    libc.unmap(address, length);
  }
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
