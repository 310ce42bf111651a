/** Operations on a directory of this machine, in a process of its own: see play.ts. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Operation } from "../operations.ts";

const TIMEOUT_MS = 300_000;

/**
 * Play `operations` with `directory` as the root; files that they leave open are closed at the end.
 * Returns "ok" or the error code of each. @throws Error where the process fails
 */
export function playInKernel(directory: string, operations: readonly Operation[]): string[] {
  const source = fileURLToPath(new URL("./play.ts", import.meta.url));
  const main = import.meta.url.endsWith(".ts") ? source : source.replace(/ts$/, "js");
  const place = fs.mkdtempSync(path.join(os.tmpdir(), "xiplab-play-"));
  try {
    const file = path.join(place, "operations");
    fs.writeFileSync(file, JSON.stringify(operations));
    const args = ["--no-warnings", main, directory, file];
    const child = spawnSync(process.execPath, args, { encoding: "utf8", timeout: TIMEOUT_MS });
    if (child.error !== undefined) throw child.error;
    if (child.status !== 0) throw new Error(`play: exit ${child.status} ${child.stderr}`);
    return JSON.parse(fs.readFileSync(file, "utf8")) as string[];
  } finally {
    fs.rmSync(place, { recursive: true, force: true });
  }
}
