/** The `xip` command as a function, for programs that want to run it in-process. */
export { type Context, processContext } from "./context.ts";
export { runCli } from "./program.ts";
