/** `xip`, as a process of its own. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { run, Running, type RunOptions } from "./running.ts";

const MAIN = path.join(path.dirname(fileURLToPath(import.meta.resolve("@xiplab/cli"))), "main.ts");

/** Run to its end; stdout. @throws Error with what it said where it did not exit with 0. */
export const xip = (args: readonly string[], options: RunOptions = {}): Promise<string> =>
  run(process.execPath, [MAIN, ...args], options);

/** Start it. */
export const startXip = (args: readonly string[], options: RunOptions = {}): Running =>
  new Running(process.execPath, [MAIN, ...args], options);
