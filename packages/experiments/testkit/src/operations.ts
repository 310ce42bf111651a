/**
 * File operations as plain JSON: they print, paste and replay. A sequence of them is a test.
 *
 * Paths and names are byte strings (one character per byte), so JSON shows a byte that is not ASCII
 * as "\u00ff". Data is never spelled out: it follows from `seed` and the position (`pattern.ts`).
 */
import type { ErrorCode } from "@xiplab/core";
import type { UserName } from "./users.ts";

/** A path: opened for this one operation and closed again. A number: an open file, by its slot. */
export type FileRef = string | number;

/** Seconds and nanoseconds; "now" (UTIME_NOW); null leaves the time as it is (UTIME_OMIT). */
export type OperationTime = readonly [sec: number, nsec: number] | "now" | null;

export type OperationBody =
  /** open(2) into a slot, which must be free. Flags O_*; also O_TMPFILE. */
  | { op: "open"; slot: number; path: string; flags: number; mode: number }
  | { op: "close"; slot: number }
  /** open(O_CREAT | O_EXCL | O_WRONLY) and close. */
  | { op: "create"; path: string; mode: number }
  /** Result: the bytes. `pos` null: at the file position (a path: 0). */
  | { op: "read"; file: FileRef; pos: number | null; length: number }
  /** Result: bytes written. `pos` null: at the file position (a path: O_APPEND). */
  | { op: "write"; file: FileRef; pos: number | null; length: number; seed: number }
  /** SEEK_SET, SEEK_CUR, SEEK_END. Result: the new position. */
  | { op: "seek"; slot: number; offset: number; whence: number }
  | { op: "truncate"; file: FileRef; size: number }
  | { op: "fallocate"; file: FileRef; mode: number; pos: number; length: number }
  | { op: "fsync"; file: FileRef; datasync?: boolean }
  | { op: "sync" }
  /** The end of the program, unmount, check, mount. For whoever runs a sequence, not for a program. */
  | { op: "remount" }
  /**
   * Walk the file with SEEK_DATA and SEEK_HOLE: the holes must read as zeros; and with fiemap.
   * Result: the size, or what is wrong.
   */
  | { op: "extents"; file: FileRef }
  /** mmap(2) into a region slot, which must be free. */
  | {
      op: "map";
      region: number;
      file: FileRef;
      pos: number;
      length: number;
      shared: boolean;
      writable: boolean;
      sync: boolean;
    }
  /** Result: the bytes, or SIGBUS. What lies beyond the end of the file is cut off. */
  | { op: "load"; region: number; offset: number; length: number }
  | { op: "store"; region: number; offset: number; length: number; seed: number }
  | { op: "msync"; region: number; offset: number; length: number }
  | { op: "unmap"; region: number }
  | { op: "mkdir"; path: string; mode: number }
  | { op: "rmdir"; path: string }
  | { op: "unlink"; path: string }
  | { op: "link"; existing: string; path: string }
  /** Give a name to an open file (linkat with AT_EMPTY_PATH): how a tmpfile gets into the tree. */
  | { op: "linkFile"; slot: number; path: string }
  | { op: "symlink"; target: string; path: string }
  | { op: "readlink"; path: string }
  /** Flags RENAME_*. */
  | { op: "rename"; from: string; to: string; flags: number }
  | { op: "mknod"; path: string; mode: number; rdev: number }
  /** Result: `StatValue`. `follow` matters for paths. */
  | { op: "stat"; file: FileRef; follow: boolean }
  /** Result: the names, sorted. */
  | { op: "readdir"; path: string }
  | { op: "access"; path: string; mode: number }
  | { op: "chmod"; file: FileRef; mode: number }
  /** -1 leaves the id as it is. `follow` matters for paths. */
  | { op: "chown"; file: FileRef; uid: number; gid: number; follow: boolean }
  | { op: "utimens"; file: FileRef; atime: OperationTime; mtime: OperationTime; follow: boolean }
  /** The value is `length` pattern bytes of `seed` at 0. Flags XATTR_*. */
  | { op: "setxattr"; path: string; name: string; length: number; seed: number; flags: number }
  /** Result: the bytes. */
  | { op: "getxattr"; path: string; name: string }
  /** Result: the names, sorted. */
  | { op: "listxattr"; path: string }
  | { op: "removexattr"; path: string; name: string };

/** One operation; `as` says who does it (root when absent). */
export type Operation = Readonly<OperationBody> & { readonly as?: UserName };
export type OperationName = Operation["op"];

/** What stat(2) says that does not depend on the design: no ino, no blocks. Times in nanoseconds. */
export interface StatValue {
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  /** Of a directory always 0 here: designs count it differently. */
  readonly size: number;
  /** "sec.nsec", so that a value prints and compares without loss. */
  readonly mtime: string;
  readonly ctime: string;
}

export type Value = null | number | string | Uint8Array | readonly string[] | StatValue;
/** What an operation gave: a value, or an error code. */
export type Result =
  | { readonly ok: Value }
  | { readonly error: ErrorCode | "SIGBUS"; readonly detail?: string };

export const OK: Result = { ok: null };
