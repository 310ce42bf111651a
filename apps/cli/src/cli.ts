/** What a command needs to add itself to the program. */
import type { Command } from "commander";
import type { Context } from "./context.ts";

export interface Cli {
  readonly program: Command;
  readonly context: Context;
  /** Wrap an action so that its exit code counts. */
  run(action: Promise<number>): Promise<void>;
}
