/**
 * Runs sections: a process for each target, rounds in alternation, so that the drift of a shared
 * machine meets all of them alike and cancels in the ratios.
 */
import type { Slice } from "./batch.ts";
import { ALL_USED, type Goal, ONE_DIRECTORY, type Row, type Section } from "./catalog.ts";
import { Child } from "./child-process.ts";
import { reasonAgainst } from "./mounts/needs.ts";
import {
  type ChildOptions,
  isMount,
  MEMCPY,
  OurNames,
  PLAIN,
  type TargetName,
} from "./protocol.ts";
import { median, spread } from "./statistics.ts";

export interface Pace {
  readonly warmMs: number;
  readonly sliceMs: number;
  readonly rounds: number;
  /** Of the most rounds of a section whose slices take long. Three are left at least, so that one that
   * was disturbed does not decide. */
  readonly roundsShare: number;
}
export const FullPace: Pace = { warmMs: 600, sliceMs: 20, rounds: 25, roundsShare: 1 };
export const QuickPace: Pace = { warmMs: 200, sliceMs: 10, rounds: 7, roundsShare: 0.75 };

export interface Result {
  readonly op: string;
  readonly target: TargetName;
  /** Median over rounds of the median over chunks. */
  readonly nsPerOp: number;
  /** Mean over rounds of the mean, where there is one: see Slice. */
  readonly meanNsPerOp?: number;
  /** Half the interquartile range of nsPerOp, relative to it. */
  readonly spread: number;
  readonly outcomes: readonly Outcome[];
}

/** A goal and what was reached. */
export interface Outcome {
  readonly goal: Goal;
  /**
   * Of time, milliseconds. Of a ratio, ours divided by that of the same round of the other row. Both
   * as medians. Of speed, the other's divided by ours: of means, where there are means.
   */
  readonly reached: number;
  /** Of speed: by medians, over the rounds. */
  readonly byMedian?: number;
  /** Of speed: which rival was the fastest. */
  readonly rival?: TargetName;
}

interface Skip {
  readonly op: string;
  readonly target: TargetName;
  readonly reason: string;
  /** The machine has not what it needs; else it failed. */
  readonly isLacking?: true;
}

export interface Report {
  readonly rows: Result[];
  readonly skipped: Skip[];
}

/** One row of one target, while it is measured. */
interface Lane {
  readonly row: Row;
  readonly target: TargetName;
  readonly child: Child;
  readonly slices: Slice[];
}

/** @param targets Only these take part. @param onProgress Called with words before each step. */
export async function run(
  sections: readonly Section[],
  targets: readonly TargetName[],
  pace: Pace,
  onProgress: (step: string, done: number, total: number) => void,
): Promise<Report> {
  const report: Report = { rows: [], skipped: [] };
  const children = new Map<string, Child>();
  try {
    for (const [index, section] of sections.entries()) {
      onProgress(section.title, index, sections.length);
      const lanes = await openLanes(section, targets, pace, children, report);
      const rounds = Math.min(pace.rounds, roundsMaxOf(section, pace));
      addResults(await measureLanes(lanes, { ...pace, rounds }, report), report);
    }
  } finally {
    for (const child of children.values()) child.stop();
  }
  return report;
}

const roundsMaxOf = ({ roundsMax = Infinity }: Section, { roundsShare }: Pace): number =>
  Math.ceil(roundsMax * roundsShare);

/** Start what is needed, prepare and warm it up. Whoever fails is skipped, with the reason. */
async function openLanes(
  section: Section,
  targets: readonly TargetName[],
  pace: Pace,
  children: Map<string, Child>,
  report: Report,
): Promise<Lane[]> {
  const lanes: Lane[] = [];
  for (const row of section.rows) {
    const shared = row.targets.includes(MEMCPY);
    const taking = row.targets.filter((target) => targets.includes(target));
    for (const [index, target] of taking.entries()) {
      // Against the bare copy both run in one process, over memory of one age.
      const options: ChildOptions = {
        target: shared ? MEMCPY : target,
        beside: OurNames.find((name) => row.targets.includes(name)) ?? PLAIN,
        population: row.population,
        oneDirectory: row.op.includes(ONE_DIRECTORY),
      };
      // Where every file is visited, what is kept of them in memory is not what it is elsewhere.
      const lacking = isMount(target) ? reasonAgainst(row.op, target) : null;
      if (lacking !== null) {
        report.skipped.push({ op: row.op, target, reason: lacking, isLacking: true });
        continue;
      }
      const key = `${JSON.stringify(options)} ${row.op.endsWith(ALL_USED)}`;
      try {
        const child = children.get(key) ?? (await Child.start(options));
        children.set(key, child);
        if (!shared || index === 0) await child.ask({ kind: "prepare", op: row.op });
        if (!section.isCold) await child.slice(row.op, target, pace.warmMs);
        lanes.push({ row, target, child, slices: [] });
      } catch (error) {
        report.skipped.push({ op: row.op, target, reason: messageOf(error) });
      }
    }
  }
  return lanes;
}

/** Returns the lanes that held out to the end. */
async function measureLanes(lanes: readonly Lane[], pace: Pace, report: Report): Promise<Lane[]> {
  const failed = new Set<Lane>();
  const guarded = async (lane: Lane, work: () => Promise<unknown>): Promise<void> => {
    if (failed.has(lane)) return;
    try {
      await work();
    } catch (error) {
      failed.add(lane);
      report.skipped.push({ op: lane.row.op, target: lane.target, reason: messageOf(error) });
    }
  };
  for (let round = 0; round < pace.rounds; round++) {
    for (let turn = 0; turn < lanes.length; turn++) {
      // Another one begins each round: nobody always follows the same neighbour.
      const lane = lanes[(turn + round) % lanes.length]!;
      await guarded(lane, async () => {
        lane.slices.push(await lane.child.slice(lane.row.op, lane.target, pace.sliceMs));
      });
    }
  }
  for (const lane of lanes)
    await guarded(lane, () => lane.child.ask({ kind: "end", op: lane.row.op }));
  return lanes.filter((lane) => !failed.has(lane));
}

function addResults(lanes: readonly Lane[], report: Report): void {
  for (const lane of lanes) {
    const { row, target, slices } = lane;
    const medians = slices.map((slice) => slice.median);
    const own = row.goals.filter(({ whose }) => whose === target);
    report.rows.push({
      op: row.op,
      target,
      nsPerOp: nsPerOp(lane),
      ...meanOf(lane),
      spread: spread(medians),
      outcomes: own.flatMap((goal) => outcomeOf(goal, lane, lanes)),
    });
  }
}

/** Nothing where the other row was not measured. */
function outcomeOf(goal: Goal, own: Lane, lanes: readonly Lane[]): Outcome[] {
  if (goal.kind === "time") return [{ goal, reached: nsPerOp(own) / 1e6 }];
  const laneOf = (op: string, target: TargetName): Lane | undefined =>
    lanes.find((lane) => lane.row.op === op && lane.target === target);
  if (goal.kind === "ratio") {
    const base = laneOf(goal.op, goal.target);
    return base === undefined ? [] : [{ goal, reached: ratioOf(own, base) }];
  }
  const rivals = goal.rivals.flatMap((target) => laneOf(own.row.op, target) ?? []);
  const pace = (lane: Lane): number => meanOf(lane).meanNsPerOp ?? nsPerOp(lane);
  const [rival] = rivals.toSorted((one, other) => pace(one) - pace(other));
  if (rival === undefined) return [];
  const byMedian = ratioOf(rival, own);
  const hasMeans = "meanNsPerOp" in meanOf(own);
  const reached = hasMeans ? pace(rival) / pace(own) : byMedian;
  return [{ goal, reached, byMedian, rival: rival.target }];
}

/** Round by round, so that what slows the machine down for a while slows both. */
function ratioOf(above: Lane, below: Lane): number {
  return median(above.slices.map((slice, round) => slice.median / below.slices[round]!.median));
}

function meanOf({ slices }: Lane): { meanNsPerOp?: number } {
  const means = slices.flatMap(({ mean }) => mean ?? []);
  if (means.length === 0) return {};
  return { meanNsPerOp: means.reduce((total, mean) => total + mean, 0) / means.length };
}

const nsPerOp = ({ slices }: Lane): number => median(slices.map((slice) => slice.median));

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
