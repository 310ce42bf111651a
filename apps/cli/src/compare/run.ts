/** Runs a comparison and prints it. */
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { DataPathName, MediaName, WriteProtocolName } from "@xiplab/core";
import {
  comparisonJson,
  type DesignVerdict,
  judge,
  renderComparison,
  renderVerdicts,
} from "@xiplab/report";
import {
  type Comparison,
  comparePlan,
  designsOf,
  loadTree,
  makeWorkload,
  type Plan,
  replayId,
  type TreeSnapshot,
  type WorkloadName,
  WorkloadNames,
  type WorkloadOptions,
} from "@xiplab/workload";
import { type Context, hostPath, note, print, styleFor } from "../context.ts";
import { EXIT_OK, EXIT_VERDICT } from "../exit-codes.ts";
import { personalities, personalityNamed } from "../personalities.ts";
import { usage } from "../problem.ts";
import { startProgress } from "../progress.ts";
import { count, formatSize } from "../text.ts";
import { version } from "../version.ts";
import { makePool } from "./pool.ts";

/** As the command line gives them. */
export interface CompareOptions {
  readonly tree?: string;
  readonly quick?: boolean;
  readonly json?: string;
  readonly media: MediaName[];
  readonly unwritten?: WriteProtocolName[];
  readonly data: DataPathName[];
  readonly workload?: string[];
  readonly seed: number;
  readonly jobs: number;
  readonly crash: boolean;
  readonly replay?: string;
}

/** More of a tree than this is left out, and said so. */
const TREE_BYTES_MAX = 24 * 1024 * 1024;
const TREE_BYTES_MAX_QUICK = 4 * 1024 * 1024;
const TREE_ENTRIES_MAX = 4000;
const TREE_ENTRIES_MAX_QUICK = 1000;
/** Where `--json` goes instead of the table. */
const STDOUT = "-";
/** Readable at 80, and no wider than the figures need. */
const WIDTH_WITHOUT_TERMINAL = 100;

/** Do what the command line asks. @throws Problem for a name that there is not. */
export async function run(
  context: Context,
  names: readonly string[],
  options: CompareOptions,
): Promise<number> {
  const begun = performance.now();
  for (const name of names) personalityNamed(name);
  const chosen = names.length > 0 ? names : personalities.map((one) => one.name);
  const quick = options.quick === true;
  const workloads = chooseWorkloads(options.workload);
  const tree = workloads.includes("tree") ? readTree(context, options) : null;
  const workloadOptions: WorkloadOptions = { seed: options.seed, quick, tree };
  if (options.replay !== undefined) {
    print(context, replayId(options.replay, personalities, workloadOptions).text);
    return EXIT_OK;
  }
  const plan: Plan = {
    designs: designsOf(chosen, options.data, options.unwritten),
    workloads,
    media: options.media,
    quick,
    crash: options.crash,
  };
  if (options.json !== undefined && options.json !== STDOUT) {
    // Found out before the work, not after it.
    closeSync(openSync(hostPath(context, options.json), "a"));
  }
  const rows = await measure(context, plan, workloadOptions, options.jobs);
  const comparison: Comparison = {
    meta: {
      xiplab: version(),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      seed: options.seed,
      quick,
      command: commandLine(names, workloads, options),
      tree: tree?.summary ?? null,
      elapsedMs: Math.round(performance.now() - begun),
    },
    rows,
  };
  if (options.json === STDOUT) {
    context.out.write(comparisonJson(comparison));
    return exitCodeOf(judge(rows));
  }
  if (options.json !== undefined) {
    writeFileSync(hostPath(context, options.json), comparisonJson(comparison));
  }
  return show(context, comparison, workloadOptions);
}

function chooseWorkloads(words: readonly string[] | undefined): readonly WorkloadName[] {
  if (words === undefined) return WorkloadNames;
  return words.map((word) => {
    const name = WorkloadNames.find((one) => one === word);
    if (name === undefined) {
      throw usage(`'${word}' is not one of ${WorkloadNames.join(", ")}`);
    }
    return name;
  });
}

async function measure(
  context: Context,
  plan: Plan,
  options: WorkloadOptions,
  threads: number,
): Promise<Comparison["rows"]> {
  const timing = makePool(threads, options);
  const study = makePool(threads, options);
  const progress = startProgress(context, "compare");
  try {
    return await comparePlan(plan, {
      time: timing.execute,
      study: study.execute,
      onProgress: (done, total, job) => progress.update(done, total, `${job.kind} ${job.workload}`),
    });
  } finally {
    progress.stop();
    await Promise.all([timing.close(), study.close()]);
  }
}

function readTree(context: Context, options: CompareOptions): TreeSnapshot {
  const directory =
    options.tree === undefined ? defaultTree(context) : hostPath(context, options.tree);
  const quick = options.quick === true;
  const bytesMax = quick ? TREE_BYTES_MAX_QUICK : TREE_BYTES_MAX;
  const entriesMax = quick ? TREE_ENTRIES_MAX_QUICK : TREE_ENTRIES_MAX;
  const tree = loadTree(directory, { bytesMax, entriesMax });
  const { skipped } = tree.summary;
  if (skipped > 0) {
    const limit = `${formatSize(bytesMax)}, ${count(entriesMax, "entry")}`;
    note(context, `xip: ${directory}: left ${count(skipped, "entry")} out (limit: ${limit})`);
  }
  return tree;
}

/** The repository that this file belongs to; installed elsewhere, where the user stands. */
function defaultTree(context: Context): string {
  const root = fileURLToPath(new URL("../../../../", import.meta.url));
  const manifest = resolve(root, "package.json");
  if (!existsSync(manifest)) return context.cwd;
  const { name } = JSON.parse(readFileSync(manifest, "utf8")) as { name?: unknown };
  return name === "xiplab-workspace" ? root : context.cwd;
}

function commandLine(
  names: readonly string[],
  workloads: readonly string[],
  options: CompareOptions,
): string {
  const words = ["xip", "compare", ...names];
  if (options.quick === true) words.push("--quick");
  if (options.tree !== undefined) words.push("--tree", options.tree);
  words.push("--workload", workloads.join(","), "--data", options.data.join(","));
  if (options.unwritten !== undefined) words.push("--unwritten", options.unwritten.join(","));
  words.push("--media", options.media.join(","), "--seed", String(options.seed));
  if (!options.crash) words.push("--no-crash");
  return words.join(" ");
}

/** Print everything; the exit code says whether the verdicts are as expected. */
function show(context: Context, comparison: Comparison, options: WorkloadOptions): number {
  const { rows } = comparison;
  const style = styleFor(context.out);
  const titles = Object.fromEntries(
    [...new Set(rows.map((row) => row.workload))].map((name) => [
      name,
      makeWorkload(name as WorkloadName, options).title,
    ]),
  );
  const width = context.out.columns ?? (Number(context.env["COLUMNS"]) || WIDTH_WITHOUT_TERMINAL);
  print(context, renderComparison(rows, { width, style, titles }));
  const verdicts = judge(rows);
  if (rows.some((row) => !row.sound)) {
    print(
      context,
      "\n† negative control: known to be unsound; the crash explorer has to convict it",
    );
  }
  if (verdicts.length > 0) {
    print(context, `\n${style("bold", "Power cuts")}\n${renderVerdicts(verdicts, style)}`);
    const id = verdicts.flatMap((verdict) => verdict.convicted)[0]?.crash.firstId;
    const again = `xip compare --replay ID --seed ${comparison.meta.seed}`;
    if (id !== undefined) print(context, `To see why, with one of the ids: ${again}`);
  }
  print(context, `\n${footer(comparison)}`);
  return exitCodeOf(verdicts);
}

const exitCodeOf = (verdicts: readonly DesignVerdict[]): number =>
  verdicts.every((verdict) => verdict.asExpected) ? EXIT_OK : EXIT_VERDICT;

/** What was tried, and what it takes to do it again. */
function footer({ meta, rows }: Comparison): string {
  const [first] = rows;
  const crashes = rows.flatMap((row) =>
    row.crash === null || row.media !== first?.media ? [] : [row.crash],
  );
  const sum = (field: "states" | "points" | "pointsBounded"): number =>
    crashes.reduce((total, crash) => total + crash[field], 0);
  const lines: string[] = [];
  if (crashes.length > 0) {
    lines.push(
      `${count(sum("states"), "crash state")} tried at ${count(sum("points"), "place")}; ` +
        `at ${sum("pointsBounded")} of them the model allows more than was tried`,
    );
  }
  const { tree } = meta;
  if (tree !== null) lines.push(`tree ${tree.directory}: ${formatSize(tree.bytes)}`);
  const seconds = (meta.elapsedMs / 1000).toFixed(1);
  lines.push(`seed ${meta.seed}, ${seconds} s, node ${meta.node}`);
  return lines.join("\n");
}
