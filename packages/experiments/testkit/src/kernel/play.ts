/**
 * Operations on a file system of this machine: `node play.ts DIRECTORY FILE`. FILE has the operations
 * as JSON, and gets the outcomes instead of them: "ok", or an error code, for each.
 *
 * DIRECTORY becomes the root of this process, so that absolute paths mean the same as in a mount of
 * ours. Root only. Must be run as the main program: it never gets its root or its rights back.
 */
import fs from "node:fs";
import process from "node:process";
import type { Operation } from "../operations.ts";
import { KernelPlayer } from "./kernel-player.ts";
import { cString, done, libc } from "./libc.ts";

function main([directory, file]: string[]): void {
  // Opened before the root changes.
  const fd = fs.openSync(file!, "r+");
  const operations = JSON.parse(fs.readFileSync(fd, "utf8")) as Operation[];
  done(libc.chroot(cString(directory!)));
  process.chdir("/");
  const player = new KernelPlayer();
  const outcomes = operations.map((operation) => {
    const result = player.apply(operation);
    return "error" in result ? result.error : "ok";
  });
  const bytes = Buffer.from(JSON.stringify(outcomes));
  fs.ftruncateSync(fd, 0);
  for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at, bytes.length - at, at);
}

main(process.argv.slice(2));
