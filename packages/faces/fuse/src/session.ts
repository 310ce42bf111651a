/** What kernel and server agreed on in INIT. */
import type { CacheMode } from "./connection.ts";

/** Most bytes of one WRITE, and of one READ: what the kernel allows (fs.fuse.max_pages_limit). */
export const WRITE_MAX = 1024 * 1024;
/** Room for a WRITE and its headers, and a page of slack. */
export const RECEIVE_SIZE = WRITE_MAX + 4096;

export interface Session {
  readonly cache: CacheMode;
  /** Minor version that both speak; 0 before INIT. */
  minor: number;
  /** FUSE_* flags of INIT that both took, as two halves. */
  flagsLow: number;
  flagsHigh: number;
}

export const newSession = (cache: CacheMode): Session => ({
  cache,
  minor: 0,
  flagsLow: 0,
  flagsHigh: 0,
});
