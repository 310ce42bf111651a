/**
 * Tables for terminals. A table that is wider than the terminal is cut into panels, one below the
 * other, each of which repeats the first column: nothing is truncated.
 */
import { stripVTControlCharacters } from "node:util";
import CliTable from "cli-table3";

/** Adds colour, or does not: `util.styleText` for one stream, or `plainStyle`. */
export type Style = (format: TextFormat, text: string) => string;
type TextFormat = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";
export const plainStyle: Style = (_format, text) => text;

export interface Column {
  /** One string per line of the heading. */
  readonly title: readonly string[];
  readonly align: "left" | "right";
}

export interface TableData {
  readonly columns: readonly Column[];
  /** Cells may carry colour. */
  readonly rows: ReadonlyArray<readonly string[]>;
}

/** Characters between two columns. */
const GAP = 2;

/** Columns on the screen. Our texts hold no wide characters. */
const cells = (text: string): number => stripVTControlCharacters(text).length;

/** Render as lines of at most `width` characters, where the first two columns allow it. */
export function renderTable(table: TableData, width: number, style: Style = plainStyle): string {
  const widths = table.columns.map((column, index) =>
    Math.max(...column.title.map(cells), ...table.rows.map((row) => cells(row[index] ?? ""))),
  );
  return panels(widths, width)
    .map((picked) => renderPanel(table, picked, style))
    .join("\n\n");
}

/** Which columns go into which panel: as many as fit, and column 0 in front of each. */
export function panels(widths: readonly number[], width: number): number[][] {
  const result: number[][] = [];
  let panel = [0];
  let used = widths[0] ?? 0;
  for (let column = 1; column < widths.length; column++) {
    const needed = GAP + widths[column]!;
    if (used + needed > width && panel.length > 1) {
      result.push(panel);
      panel = [0];
      used = widths[0]!;
    }
    panel.push(column);
    used += needed;
  }
  result.push(panel);
  return result;
}

function renderPanel(table: TableData, picked: readonly number[], style: Style): string {
  const columns = picked.map((index) => table.columns[index]!);
  const lines = Math.max(...columns.map((column) => column.title.length));
  const out = new CliTable({
    chars: NO_BORDERS,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: columns.map((column) => column.align),
  });
  for (let line = 0; line < lines; line++) {
    out.push(columns.map((column) => style("dim", titleLine(column, line, lines))));
  }
  for (const row of table.rows) out.push(picked.map((index) => row[index] ?? ""));
  return out
    .toString()
    .split("\n")
    .map((text) => text.trimEnd())
    .join("\n");
}

/** Titles of fewer lines than the heading stand at its foot. */
function titleLine(column: Column, line: number, lines: number): string {
  return column.title[line - (lines - column.title.length)] ?? "";
}

const NO_BORDERS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: " ".repeat(GAP),
};
