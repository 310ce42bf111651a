/** What threads and processes of ours are given. */
import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";

/** Threads use the compile cache of the main thread, which they do not do by themselves. */
export function threadEnvironment(): Record<string, string> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  const cache = getCompileCacheDir();
  // The directory that Node was given, above the one that it made for its own version.
  return cache === undefined ? env : { ...env, NODE_COMPILE_CACHE: dirname(cache) };
}
