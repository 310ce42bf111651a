/** Tables of options as `--help` shows them. Pure. */
import type { OptionSpec, OptionTable } from "@xiplab/core/spec";

/** Mount options are given as they are, and this one made of them. */
export const DEFAULT_OPTIONS = "defaultOptions";

/** What the options of a table are, one a line; folded to `width`. */
export function optionTableLines(table: OptionTable, width: number): string {
  const rows = Object.entries(table).flatMap(([name, spec]) => {
    if (name === DEFAULT_OPTIONS) return [];
    return [[spec.values === "flag" ? name : `${name}=`, helpOf(spec)] as const];
  });
  const indent = Math.max(...rows.map(([name]) => name.length)) + 4;
  return rows
    .map(([name, help]) => `  ${name}`.padEnd(indent) + fold(help, width, indent))
    .join("\n");
}

function helpOf({ values, default: preset, help }: OptionSpec): string {
  const text = typeof values === "string" ? help : `${values.join(", ")}; ${help}`;
  // Where nothing else says it, and where it is not "none" or "off".
  const isTold = preset === "" || preset === "0" || help.includes("default");
  return isTold ? text : `${text} (default: ${preset})`;
}

/** Words in lines of at most `width`, all but the first with `indent` spaces in front. */
function fold(text: string, width: number, indent: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (indent + line.length + 1 + word.length <= width) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}
