/** The public surface of @xiplab/oracles. */
export {
  debugfs,
  dumpe2fs,
  e2fsck,
  e2fsckAfterCrash,
  type E2fsckResult,
  mkfsExt4,
  recoverImage,
} from "./e2fsprogs.ts";
export {
  type Image,
  readImage,
  withImageFile,
  withTempDirectory,
  writeImage,
} from "./image-file.ts";
export { type LoopMount, type LoopMountOptions, shutdownMount, withLoopMount } from "./loop.ts";
export { type Finished, run, runOrThrow } from "./run.ts";
export { findProgram, type OracleNeed, requireOracle } from "./require.ts";
export { treeOfDirectory } from "./tree.ts";
