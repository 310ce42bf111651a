/** A directory of the machine as a tree that compares with a mount's (`diffTrees`). */
import type { Tree } from "@xiplab/testkit";
import { treeOfKernel } from "@xiplab/testkit/kernel";

/**
 * Everything below `directory`, which is "/" in the tree. Contents are read when they are compared:
 * keep the directory until then, or `freezeTree` it.
 */
export function treeOfDirectory(directory: string): Tree {
  return treeOfKernel(directory);
}
