/** A directory of the machine as a tree that compares with a mount's (`diffTrees`). */
import type { Tree } from "@xiplab/testkit";
import { treeOfKernel } from "@xiplab/testkit/kernel";
import { runOrThrow } from "./run.ts";

/**
 * Everything below `directory`, which is "/" in the tree. Contents are read when they are compared:
 * keep the directory until then, or `freezeTree` it.
 */
export function treeOfDirectory(directory: string): Tree {
  // Linux's ext4 without extents finds no data (SEEK_DATA) that is not written back.
  runOrThrow("sync", ["-f", directory]);
  return treeOfKernel(directory);
}
