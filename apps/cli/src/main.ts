#!/usr/bin/env node
/** Entry of the `xip` command. */
import { processContext } from "./context.ts";
import { runCli } from "./program.ts";

// `xip ls -R disk.img | head` closes the pipe early: that is no error, and nobody reads on.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit();
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), processContext());
