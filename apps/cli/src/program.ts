/** The command tree of `xip`: what there is, how it is called, what its exit status means. */
import { Command, CommanderError } from "commander";
import { addCat } from "./commands/cat.ts";
import { addChattr } from "./commands/chattr.ts";
import { addCheck } from "./commands/check.ts";
import { addCompare } from "./commands/compare.ts";
import { addCopyIn } from "./commands/copy-in.ts";
import { addCopyOut } from "./commands/copy-out.ts";
import { addFiemap } from "./commands/fiemap.ts";
import { addGetfattr } from "./commands/getfattr.ts";
import { addInfo } from "./commands/info.ts";
import { addLs } from "./commands/ls.ts";
import { addLsattr } from "./commands/lsattr.ts";
import { addMkfs } from "./commands/mkfs.ts";
import { addMount } from "./commands/mount.ts";
import { addSetfattr } from "./commands/setfattr.ts";
import { addStat } from "./commands/stat.ts";
import { addUmount } from "./commands/umount.ts";
import type { Cli } from "./cli.ts";
import { type Context, type Style, styleFor } from "./context.ts";
import { EXIT_OK, EXIT_USAGE, ExitCodeHelp } from "./exit-codes.ts";
import { report } from "./problem.ts";
import { version } from "./version.ts";

/**
 * Run one command line (without the interpreter and the program). Returns the exit code; errors
 * are printed, never thrown.
 */
export async function runCli(args: readonly string[], context: Context): Promise<number> {
  let exitCode: number = EXIT_OK;
  const program = new Command("xip");
  const cli: Cli = {
    program,
    context,
    run: async (action) => {
      exitCode = await action;
    },
  };
  configure(program, context);
  const commands = [addMkfs, addInfo, addLs, addStat, addCat, addCopyIn, addCopyOut, addFiemap];
  const attributes = [addLsattr, addChattr, addGetfattr, addSetfattr];
  const mounting = [addMount, addUmount];
  for (const add of [...commands, ...attributes, ...mounting, addCheck, addCompare]) add(cli);
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed what was wrong, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    return report(context, error);
  }
}

function configure(program: Command, context: Context): void {
  const style = styleFor(context.out);
  program
    .description("Put file-system designs on emulated persistent memory, and see what they do.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help for a command")
    .exitOverride()
    .showHelpAfterError("(add --help to see how it is used)")
    .configureOutput({
      writeOut: (text) => context.out.write(text),
      writeErr: (text) => context.err.write(text),
      outputError: (text, write) =>
        write(text.replace(/^error:/, styleFor(context.err)("red", "xip:"))),
      getOutHelpWidth: () => context.out.columns ?? 100,
      getErrHelpWidth: () => context.err.columns ?? 100,
      getOutHasColors: () => style("bold", "x") !== "x",
      getErrHasColors: () => styleFor(context.err)("bold", "x") !== "x",
    })
    .configureHelp({ styleTitle: (title) => style("bold", title) })
    .addHelpText("after", () => footer(style));
}

function footer(style: Style): string {
  const codes = ExitCodeHelp.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`);
  return `
${style("bold", "Examples:")}
  xip mkfs ext4 disk.img --size 64M --label work
  xip info disk.img
  xip copy-in disk.img ./docs /
  xip ls -l disk.img /docs
  xip stat disk.img /docs/README.md
  xip fiemap disk.img /docs/README.md
  xip chattr disk.img +i /docs/README.md
  xip mount disk.img /mnt
  xip umount /mnt
  xip check disk.img
  xip compare --quick

${style("bold", "Exit status:")}
${codes.join("\n")}

${style("bold", "Environment:")}
  NO_COLOR   no colours
  XIP_DEBUG  1: print the stack of an error

Paths inside an image are absolute; the slash in front may be left out.`;
}
