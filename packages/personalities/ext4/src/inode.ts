/**
 * Inodes in memory. Reading and writing their records is below; what hangs on an inode belongs to
 * the module that is named beside each field, which alone assigns it.
 */
import { type Ino, Inode } from "@xiplab/core";
import type { DirectoryState } from "./dir.ts";
import type { FileMap } from "./block-map.ts";
import type { Preallocation } from "./volume.ts";

/** `flags` of the base class holds i_flags whole (format/inode.ts, FL_*). */
export class Ext4Inode extends Inode {
  /** Checksum seed of everything that belongs to this inode. */
  readonly seed: number;
  /** Block of extended attributes, or 0. */
  fileAcl = 0;
  /** Bytes of the record beyond 128 that have fields. */
  extraIsize = 0;
  /** Transactions that changed it last: for fsync, and for fdatasync (size or blocks). */
  syncTid = 0;
  datasyncTid = 0;
  /** Where the blocks of the file are, once asked for. block-map.ts, file-map.ts */
  map: FileMap | null = null;
  /** Blocks kept for the file to grow into. balloc.ts */
  preallocation: Preallocation | null = null;
  /** Of a directory that was looked into. dir.ts */
  directory: DirectoryState | null = null;
  /** On the orphan list, or waiting for the commit that puts it there. orphan.ts */
  orphan = false;
  /** Place among those that wait, or -1. */
  waiting = -1;
  /** Place in the list of those whose records are behind, or -1. inode-io.ts */
  stale = -1;

  constructor(ino: Ino, seed: number) {
    super(ino);
    this.seed = seed;
  }
}
