/** Operations on a directory of this machine, in a process of its own: see play.ts. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Operation } from "../operations.ts";

const TIMEOUT_MS = 300_000;
const OUTPUT_MAX = 256 * 1024 * 1024;

/**
 * Play `operations` with `directory` as the root; files that they leave open are closed at the end.
 * Returns "ok" or the error code of each. @throws Error where the process fails
 */
export function playInKernel(directory: string, operations: readonly Operation[]): string[] {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const main = fileURLToPath(new URL(`./play.${extension}`, import.meta.url));
  const child = spawnSync(process.execPath, ["--no-warnings", main, directory], {
    encoding: "utf8",
    input: JSON.stringify(operations),
    maxBuffer: OUTPUT_MAX,
    timeout: TIMEOUT_MS,
  });
  if (child.error !== undefined) throw child.error;
  if (child.status !== 0) throw new Error(`play: exit ${child.status} ${child.stderr}`);
  return JSON.parse(child.stdout) as string[];
}
