/** A directory tree in memory: what the `tree` workload copies. Plain data; crosses threads. */
import type { Name } from "@xiplab/core";
import type { TreeSummary } from "./row.ts";

export interface TreeEntry {
  /** Below the root, without a leading slash. Parents come before their children. */
  readonly path: Name;
  readonly kind: "directory" | "file" | "symlink";
  /** Permission bits. */
  readonly mode: number;
  /** Modification time. */
  readonly sec: number;
  readonly nsec: number;
  /** Files: where the contents stand in `bytes`. Symlinks: 0. */
  readonly start: number;
  readonly length: number;
  /** Files: CRC-32 of the contents. */
  readonly crc: number;
  /** Symlinks: what they point at. */
  readonly target: Name | null;
}

export interface TreeSnapshot {
  readonly summary: TreeSummary;
  readonly entries: readonly TreeEntry[];
  /** Contents of all files, one after the other. */
  readonly bytes: Uint8Array;
}
