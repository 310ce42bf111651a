/**
 * Operations on a file system of this machine: `node play.ts DIRECTORY`, operations as JSON on the
 * standard input, outcomes as JSON on the standard output: "ok", or an error code, for each.
 *
 * DIRECTORY becomes the root of this process, so that absolute paths mean the same as in a mount of
 * ours. Root only. Must be run as the main program: it never gets its root or its rights back.
 */
import fs from "node:fs";
import process from "node:process";
import type { Operation } from "../operations.ts";
import { KernelPlayer } from "./kernel-player.ts";
import { cString, done, libc } from "./libc.ts";

function main([directory]: string[]): void {
  const operations = JSON.parse(fs.readFileSync(0, "utf8")) as Operation[];
  done(libc.chroot(cString(directory!)));
  process.chdir("/");
  const player = new KernelPlayer();
  const outcomes = operations.map((operation) => {
    const result = player.apply(operation);
    return "error" in result ? result.error : "ok";
  });
  fs.writeSync(1, JSON.stringify(outcomes));
}

main(process.argv.slice(2));
