/** The model against a directory of this machine, in a process of its own: see main.ts. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface KernelComparison {
  readonly seed: number;
  readonly runs: number;
  readonly operations: number;
  /** The directory is on a FUSE mount. Default false. */
  readonly throughFuse?: boolean;
  readonly timeoutMs: number;
}

/** Compare; `directory` is emptied. Returns what differs, with the shortest sequence; empty: nothing.
 * @throws Error where the process fails or takes too long */
export function compareKernelWithModel(directory: string, options: KernelComparison): string {
  const { seed, runs, operations, throughFuse = false, timeoutMs } = options;
  const source = fileURLToPath(new URL("./main.ts", import.meta.url));
  const main = import.meta.url.endsWith(".ts") ? source : source.replace(/ts$/, "js");
  const numbers = [seed, runs, operations].map(String);
  const args = ["--no-warnings", main, directory, ...numbers, ...(throughFuse ? ["fuse"] : [])];
  const child = spawnSync(process.execPath, args, { encoding: "utf8", timeout: timeoutMs });
  if (child.error !== undefined) throw child.error;
  const said = child.stdout + child.stderr;
  if (child.status !== 0 && said === "") throw new Error(`exit ${child.status ?? child.signal}`);
  return said;
}
