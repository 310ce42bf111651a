/** The result as a table for people. */
import { styleText } from "node:util";
import type { Report, Result } from "./run.ts";
import {
  GrowthSections,
  ImageSections,
  type Section,
  SideSections,
  XipSections,
} from "./catalog.ts";
import { OurNames, TargetNames, type TargetName } from "./protocol.ts";

const FIRST_WIDTH = 50;
const CELL_WIDTH = 17;

/** Lines for a terminal of 120 columns. */
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
    formatTable("Growth: 100 files in a directory, or all in one", GrowthSections, report),
    formatTable("Whole images", ImageSections, report),
    ...formatGoals(report.rows),
    ...formatSkips(report),
    "± is half the interquartile range over the rounds.",
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function formatTable(title: string, sections: readonly Section[], report: Report): string {
  const ops = sections.flatMap(({ rows }) => rows.map(({ op }) => op));
  const rows = report.rows.filter(({ op }) => ops.includes(op));
  if (rows.length === 0) return "";
  const targets = TargetNames.filter((target) => rows.some((row) => row.target === target));
  const lines = ops
    .filter((op) => rows.some((row) => row.op === op))
    .map((op) => formatRow(op, targets, rows));
  const head = "".padEnd(FIRST_WIDTH) + targets.map((name) => name.padStart(CELL_WIDTH)).join("");
  return [styleText("bold", title), head, ...lines, ""].join("\n");
}

function formatRow(op: string, targets: readonly TargetName[], rows: readonly Result[]): string {
  const own = OurNames.map((name) => rows.find((row) => row.op === op && row.target === name)).find(
    (row) => row !== undefined,
  );
  const cells = targets.map((target) => {
    const row = rows.find((row) => row.op === op && row.target === target);
    if (row === undefined) return "–";
    const time = `${formatTime(row.nsPerOp)} ±${Math.round(row.spread * 100)}%`;
    if (own === undefined || row === own) return time;
    return `${formatTime(row.nsPerOp)} ${formatRatio(row.nsPerOp / own.nsPerOp)}`;
  });
  return op.padEnd(FIRST_WIDTH) + cells.map((cell) => cell.padStart(CELL_WIDTH)).join("");
}

/** One line for each goal: what was to be reached, what was. */
function formatGoals(rows: readonly Result[]): string[] {
  return rows.flatMap(({ op, target, outcomes }) =>
    outcomes.map(({ goal, reached }) => {
      const who = `${op}, ${target}`;
      if ("msMax" in goal) {
        const words = `${who}: ${reached.toPrecision(3)} ms, goal at most ${goal.msMax} ms`;
        return `${mark(reached <= goal.msMax)} ${words}`;
      }
      const base = goal.op === op ? goal.target : goal.op;
      const words = `${who}: ${reached.toFixed(2)} × ${base}, goal at most ${goal.ratioMax} ×`;
      return `${mark(reached <= goal.ratioMax)} ${words}`;
    }),
  );
}

const mark = (isReached: boolean): string => (isReached ? styleText("green", "✓") : "✗");

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
