#!/usr/bin/env node
/** Entry of the `xip` command. */
import { enableCompileCache } from "node:module";
import { processContext } from "./context.ts";

// Halves the time to start: most commands are over in less than what reading our modules takes.
enableCompileCache();
const { runCli } = await import("./program.ts");

// `xip ls -R disk.img | head` closes the pipe early: that is no error, and nobody reads on.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit();
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), processContext());
