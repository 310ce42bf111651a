/** The result as a table for people. */
import { styleText } from "node:util";
import type { Outcome, Report, Result } from "./run.ts";
import {
  GrowthSections,
  ImageSections,
  isReached,
  MountSections,
  type Section,
  SideSections,
  XipSections,
} from "./catalog.ts";
import { isOurs, TargetNames, type TargetName } from "./protocol.ts";

const CELL_WIDTH = 17;

/** Lines for a wide terminal. */
export function formatReport(report: Report): string {
  const parts = [
    formatTable(
      "Against the bare copy (Uint8Array.set of the same bytes); × is against it",
      XipSections,
      report,
    ),
    formatTable(
      "Side by side: time per operation; × is against the first column, above 1 it is slower",
      SideSections,
      report,
    ),
    formatTable(
      "Mounted: an ext4 image on tmpfs; × is against the first column, above 1 it is slower",
      MountSections,
      report,
    ),
    formatTable("Growth: 100 files in a directory, or all in one", GrowthSections, report),
    formatTable("Whole images", ImageSections, report),
    ...formatGoals(report.rows),
    ...formatSkips(report),
    "± is half the interquartile range over the rounds. Times are medians; what is said of speed in",
    "one process goes by means, with garbage collection and commits of the journal.",
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function formatTable(title: string, sections: readonly Section[], report: Report): string {
  const ops = sections.flatMap(({ rows }) => rows.map(({ op }) => op));
  const rows = report.rows.filter(({ op }) => ops.includes(op));
  if (rows.length === 0) return "";
  const targets = TargetNames.filter((target) => rows.some((row) => row.target === target));
  const present = ops.filter((op) => rows.some((row) => row.op === op));
  const width = Math.max(...present.map((op) => op.length)) + 1;
  const lines = present.map((op) => formatRow(op.padEnd(width), op, targets, rows));
  const speed = rows.some(({ outcomes }) => outcomes.some(({ goal }) => goal.kind === "speed"));
  const head =
    "".padEnd(width) +
    targets.map((name) => name.padStart(CELL_WIDTH)).join("") +
    (speed ? "  as fast as the best rival" : "");
  return [styleText("bold", title), head, ...lines, ""].join("\n");
}

function formatRow(
  head: string,
  op: string,
  targets: readonly TargetName[],
  rows: readonly Result[],
): string {
  const own = targets
    .filter(isOurs)
    .map((name) => rows.find((row) => row.op === op && row.target === name))
    .find((row) => row !== undefined);
  const cells = targets.map((target) => {
    const row = rows.find((row) => row.op === op && row.target === target);
    if (row === undefined) return "–";
    const time = `${formatTime(row.nsPerOp)} ±${Math.round(row.spread * 100)}%`;
    if (own === undefined || row === own) return time;
    return `${formatTime(row.nsPerOp)} ${formatRatio(row.nsPerOp / own.nsPerOp)}`;
  });
  const ending = (own?.outcomes ?? []).map(formatSpeed).join("");
  return head + cells.map((cell) => cell.padStart(CELL_WIDTH)).join("") + ending;
}

/** The last cell of a row that is held to a speed. */
function formatSpeed({ goal, reached, rival }: Outcome): string {
  if (goal.kind !== "speed") return "";
  return `  ${mark(isReached(goal, reached))} ${formatRatio(reached)} ${rival}`;
}

/** One line for each goal that has no cell of its own: what was to be reached, what was. */
function formatGoals(rows: readonly Result[]): string[] {
  const lines = rows.flatMap(({ op, target, outcomes }) =>
    outcomes.map(({ goal, reached }) => {
      const head = `${mark(isReached(goal, reached))} ${op}, ${target}:`;
      switch (goal.kind) {
        case "time":
          return `${head} ${reached.toPrecision(3)} ms, goal at most ${goal.msMax} ms`;
        case "ratio": {
          const base = goal.op === op ? goal.target : goal.op;
          return `${head} ${reached.toFixed(2)} × ${base}, goal at most ${goal.ratioMax} ×`;
        }
        case "speed":
          return "";
      }
    }),
  );
  return [...lines.filter((line) => line !== ""), formatSpeedTotal(rows)];
}

/** How many rows reach their speed, and which do not. */
function formatSpeedTotal(rows: readonly Result[]): string {
  const held = rows.flatMap(({ op, outcomes }) =>
    outcomes.flatMap(({ goal, reached }) => (goal.kind === "speed" ? { op, goal, reached } : [])),
  );
  if (held.length === 0) return "";
  const missed = held.filter(({ goal, reached }) => !isReached(goal, reached));
  const goals = [...new Set(held.map(({ goal }) => `${goal.speedMin} ×`))].join(", ");
  const total = `${held.length - missed.length} of ${held.length} rows are ${goals} as fast`;
  if (missed.length === 0) return `${mark(true)} ${total}`;
  return `${mark(false)} ${total}; not: ${missed.map(({ op }) => op).join("; ")}`;
}

const mark = (isGood: boolean): string => (isGood ? styleText("green", "✓") : "✗");

/** One line for each reason. */
function formatSkips({ skipped }: Report): string[] {
  const byReason = new Map<string, string[]>();
  for (const { op, target, reason } of skipped) {
    const key = `${target} skipped: ${reason}`;
    byReason.set(key, [...(byReason.get(key) ?? []), op]);
  }
  return [...byReason].map(([key, ops]) => `${key} (${ops.join(", ")})`);
}

/** Three significant digits and a unit. */
function formatTime(ns: number): string {
  if (ns < 1e3) return `${ns.toPrecision(3)} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toPrecision(3)} µs`;
  return `${(ns / 1e6).toPrecision(3)} ms`;
}

function formatRatio(ratio: number): string {
  return `${ratio >= 100 ? Math.round(ratio) : ratio.toPrecision(2)}×`.padStart(6);
}
