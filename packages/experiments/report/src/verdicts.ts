/** What a comparison proves: each design against what is expected of it. Pure. */
import type { ComparisonRow, CrashVerdict } from "@xiplab/workload";
import { designLabel, formatVerdict, isConvicted } from "./comparison.ts";
import { plainStyle, type Style } from "./table.ts";

export interface Conviction {
  readonly workload: string;
  readonly crash: CrashVerdict;
}

export interface DesignVerdict {
  readonly design: string;
  readonly sound: boolean;
  readonly states: number;
  readonly lost: number;
  readonly stale: number;
  readonly broken: number;
  /** Where it was convicted, worst first. */
  readonly convicted: readonly Conviction[];
  /** Workloads in which the contents read back were wrong, with no crash at all. */
  readonly wrong: readonly string[];
  /** A negative control in work that does not provoke it: nothing follows from its acquittal. */
  readonly untested: boolean;
  /** Sound and convicted of nothing, or a negative control that was convicted or is untested. */
  readonly asExpected: boolean;
}

/** One verdict per design over all workloads; the medium does not matter. Designs whose crash
 * states were not explored are left out. */
export function judge(rows: readonly ComparisonRow[]): DesignVerdict[] {
  const verdicts: DesignVerdict[] = [];
  for (const design of new Set(rows.map(designLabel))) {
    const own = rows.filter((row) => designLabel(row) === design);
    const cases = oneMedium(own).filter((row) => row.crash !== null);
    if (cases.length > 0) verdicts.push(judgeDesign(design, cases));
  }
  return verdicts;
}

/** Lines for people: who was convicted of what, first id included. */
export function renderVerdicts(
  verdicts: readonly DesignVerdict[],
  style: Style = plainStyle,
): string {
  const widest = Math.max(0, ...verdicts.map((verdict) => verdict.design.length));
  return verdicts
    .map((verdict) => {
      const name = style("bold", verdict.design.padEnd(widest));
      return `${name}  ${findings(verdict)}: ${conclusion(verdict, style)}`;
    })
    .join("\n");
}

function conclusion(verdict: DesignVerdict, style: Style): string {
  if (verdict.untested) return style("yellow", "not put to the test by this work");
  return verdict.asExpected ? style("green", "as expected") : style("red", "UNEXPECTED");
}

function findings(verdict: DesignVerdict): string {
  const { convicted, wrong } = verdict;
  const parts = convicted.map(({ workload, crash }) => {
    const id = crash.firstId === null ? "" : `, first ${crash.firstId}`;
    return `${formatVerdict(crash)} states of ${workload}${id}`;
  });
  const rest = convicted.reduce((states, { crash }) => states - crash.states, verdict.states);
  const other = convicted.length === 0 ? "" : "other ";
  if (rest > 0) parts.push(`nothing in ${rest} ${other}states`);
  if (wrong.length > 0) parts.push(`wrong bytes with no crash in ${wrong.join(", ")}`);
  return parts.join("; ");
}

function judgeDesign(design: string, rows: readonly ComparisonRow[]): DesignVerdict {
  const crashes = rows.map((row) => row.crash!);
  const sum = (field: "states" | "lost" | "stale" | "broken"): number =>
    crashes.reduce((total, crash) => total + crash[field], 0);
  const convicted = rows
    .filter((row) => isConvicted(row.crash!))
    .map((row) => ({ workload: row.workload, crash: row.crash! }))
    .sort((a, b) => weight(b.crash) - weight(a.crash));
  const wrong = rows.filter((row) => !row.verified).map((row) => row.workload);
  const sound = rows.every((row) => row.sound);
  const guilty = convicted.length > 0 || wrong.length > 0;
  const untested = !sound && !guilty && !rows.some((row) => row.controlExpected);
  return {
    design,
    sound,
    states: sum("states"),
    lost: sum("lost"),
    stale: sum("stale"),
    broken: sum("broken"),
    convicted,
    wrong,
    untested,
    asExpected: sound ? !guilty : untested || convicted.length > 0,
  };
}

const weight = (crash: CrashVerdict): number => crash.lost + crash.stale + crash.broken;

const oneMedium = (rows: readonly ComparisonRow[]): ComparisonRow[] =>
  rows.filter((row) => row.media === rows[0]!.media);
