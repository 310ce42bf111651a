/** The command tree of `xip`: what there is, how it is called, what its exit status means. */
import { Command, CommanderError } from "commander";
import type { Cli } from "./cli.ts";
import { type Context, type Style, styleFor } from "./context.ts";
import { EXIT_OK, EXIT_USAGE, ExitCodeHelp } from "./exit-codes.ts";
import { report } from "./problem.ts";
import { version } from "./version.ts";

/** The code of a command is loaded when it is used: of all, where help shows all of them. */
const COMMANDS: Readonly<Record<string, () => Promise<(cli: Cli) => void>>> = {
  mkfs: async () => (await import("./commands/mkfs.ts")).addMkfs,
  info: async () => (await import("./commands/info.ts")).addInfo,
  ls: async () => (await import("./commands/ls.ts")).addLs,
  stat: async () => (await import("./commands/stat.ts")).addStat,
  cat: async () => (await import("./commands/cat.ts")).addCat,
  "copy-in": async () => (await import("./commands/copy-in.ts")).addCopyIn,
  "copy-out": async () => (await import("./commands/copy-out.ts")).addCopyOut,
  fiemap: async () => (await import("./commands/fiemap.ts")).addFiemap,
  lsattr: async () => (await import("./commands/lsattr.ts")).addLsattr,
  chattr: async () => (await import("./commands/chattr.ts")).addChattr,
  getfattr: async () => (await import("./commands/getfattr.ts")).addGetfattr,
  setfattr: async () => (await import("./commands/setfattr.ts")).addSetfattr,
  mount: async () => (await import("./commands/mount.ts")).addMount,
  umount: async () => (await import("./commands/umount.ts")).addUmount,
  check: async () => (await import("./commands/check.ts")).addCheck,
  compare: async () => (await import("./commands/compare.ts")).addCompare,
};

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
  for (const add of await commandsFor(args)) add(cli);
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed what was wrong, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    return report(context, error);
  }
}

/** The command that is called; all, where none is, or one that is not there. */
function commandsFor([name = ""]: readonly string[]): Promise<Array<(cli: Cli) => void>> {
  const called = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]!] : Object.values(COMMANDS);
  return Promise.all(called.map((load) => load()));
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
