/** `pnpm bench`: xiplab beside its peers. */
import { accessSync, constants, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { AllSections, selectSections } from "./catalog.ts";
import { isOurs, TargetNames, type TargetName } from "./protocol.ts";
import { FullPace, QuickPace, run } from "./run.ts";
import { formatReport } from "./table.ts";

const HELP = `bench: what a file operation costs in xiplab, in its peers, and as a bare copy

Usage: npx -y pnpm@12 bench [options]

  --quick          fewer, shorter rounds: for a first look, figures ±30 %
  --only OP        only the row OP, or all with OP in their name; may be repeated
  --target NAME    only these targets; may be repeated
                   (${TargetNames.join(", ")})
  --json FILE      write { "rows": [ { "op", "target", "nsPerOp", … } ] } too
  --list           name the rows and stop
  --help           this text

Examples:
  npx -y pnpm@12 bench
  npx -y pnpm@12 bench --quick --json bench.json
  npx -y pnpm@12 bench --only stat --only "xip read"
  npx -y pnpm@12 bench --only @100k
  npx -y pnpm@12 bench --only fuse
  npx -y pnpm@12 bench --only create --target node-fs/ext4 --target memfs

Exit code 0: measured; 1: a row of xiplab is missing; 2: the command line is wrong.
`;

interface Options {
  readonly quick: boolean;
  readonly only: string[];
  readonly targets: TargetName[];
  readonly json: string | undefined;
}

class UsageError extends Error {}

async function main(args: string[]): Promise<number> {
  const { values } = parseCommandLine(args);
  if (values.help) return print(HELP);
  if (values.list) return print(`${opNames().join("\n")}\n`);
  const options = checkOptions(values);
  const report = await run(
    selectSections(options.only),
    options.targets,
    options.quick ? QuickPace : FullPace,
    showProgress,
  );
  clearProgress();
  print(`${formatReport(report)}\n`);
  if (options.json !== undefined) {
    const machine = { node: process.version, cpu: cpus()[0]?.model, cores: availableParallelism() };
    const { rows, skipped } = report;
    writeFileSync(options.json, `${JSON.stringify({ machine, rows, skipped }, null, 2)}\n`);
  }
  return report.skipped.some((skip) => isOurs(skip.target) && !skip.isLacking) ? 1 : 0;
}

function parseCommandLine(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string", multiple: true, default: [] },
        target: { type: "string", multiple: true, default: [] },
        json: { type: "string" },
        list: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    // parseArgs explains itself; anything else is a bug.
    if (error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
}

function checkOptions(values: ReturnType<typeof parseCommandLine>["values"]): Options {
  const { quick, only, json } = values;
  const targets = values.target.map((name) => {
    const found = TargetNames.find((target) => target === name);
    if (found !== undefined) return found;
    throw new UsageError(`no target '${name}'; valid targets: ${TargetNames.join(", ")}`);
  });
  if (selectSections(only).length === 0) {
    throw new UsageError(`no row has '${only.join("' or '")}'; rows: ${opNames().join(", ")}`);
  }
  return {
    quick,
    only,
    targets: targets.length === 0 ? [...TargetNames] : targets,
    json: json === undefined ? undefined : checkWritable(json),
  };
}

/** Said before the work, not after it. Relative to where the user stands, also through pnpm. */
function checkWritable(file: string): string {
  const path = resolve(process.env["INIT_CWD"] ?? ".", file);
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch {
    throw new UsageError(`cannot write ${path}: its directory is missing or not writable`);
  }
  return path;
}

function opNames(): string[] {
  return AllSections.flatMap(({ rows }) => rows.map(({ op }) => op));
}

function showProgress(step: string, done: number, total: number): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r\x1b[K[${done + 1}/${total}] ${step}`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}

function print(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`bench: ${error.message}\nTry --help.\n`);
  process.exitCode = 2;
}
