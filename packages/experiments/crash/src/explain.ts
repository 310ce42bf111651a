/**
 * Tell a person what a crash state shows: what is wrong with which file, expected against found,
 * which stores had not reached the medium, and whether their order is to blame at all.
 *
 * The test for that (Vinter's): if the state is wrong even when every store of the flight is there,
 * no flush or fence mends it, and the logic is at fault; if not, the order in which stores became
 * durable is.
 */
import { PurposeNames } from "@xiplab/core";
import type { Operation } from "@xiplab/testkit";
import type { Flight } from "./flight.ts";
import { type PointName, domainOf } from "./id.ts";
import type { Finding } from "./oracle.ts";
import { planTaken } from "./plans.ts";
import { recover } from "./recover.ts";
import type { FoundTree } from "./tree.ts";
import type { CrashCase } from "./types.ts";
import type { Point, Walk } from "./walk.ts";

/** Adjacent stores of one purpose that are missing, or there, together. */
export interface StoreRange {
  /** Device byte. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  readonly purpose: string;
}

export interface CrashExplanation {
  readonly id: string;
  /** Empty: the state is legal. */
  readonly findings: readonly Finding[];
  /** `logic`: wrong even with every store there. `ordering`: wrong only without some of them.
   * `none`: nothing is wrong. */
  readonly cause: "logic" | "ordering" | "none";
  /** Stores that were in flight and had not reached the medium. */
  readonly lost: readonly StoreRange[];
  /** Stores that were in flight and had. */
  readonly persisted: readonly StoreRange[];
  /** The operation in progress or just done; null for the unmount. */
  readonly operation: Operation | null;
  /** All of it, for a person. */
  readonly text: string;
}

/** Build and judge one state at `point`, where `walk` stands. */
export function explain(
  id: string,
  crashCase: CrashCase,
  walk: Walk,
  point: Point,
  plan: string,
): CrashExplanation {
  const taken = planTaken(point.flight, plan);
  const findings = judgeState(crashCase, walk, point.flight, taken);
  const all = judgeState(crashCase, walk, point.flight, planTaken(point.flight, "all"));
  const cause = findings.length === 0 ? "none" : all.length > 0 ? "logic" : "ordering";
  const lost = rangesOf(walk, point.flight, taken, 0);
  const persisted = rangesOf(walk, point.flight, taken, 1);
  const operation = crashCase.body[point.name.operation] ?? null;
  const text = [
    id,
    `  design     ${designText(crashCase)}`,
    `  power cut  ${pointText(point.name, operation)}`,
    ...findings.flatMap(findingLines),
    ...causeLines(cause),
    ...rangeLines("lost", lost),
    ...rangeLines("there", persisted),
  ].join("\n");
  return { id, findings, cause, lost, persisted, operation, text };
}

function judgeState(
  crashCase: CrashCase,
  walk: Walk,
  flight: Flight,
  taken: Uint8Array,
): readonly Finding[] {
  let findings: readonly Finding[] = [];
  walk.image.under(() => {
    walk.image.putTaken(flight, taken);
    ({ findings } = judgeImage(crashCase, walk));
  });
  return findings;
}

export interface JudgedState {
  /** What recovery made of it; null where it could not be read. */
  readonly tree: FoundTree | null;
  readonly findings: readonly Finding[];
}

/** Recover what is on the image and judge it. The image changes: the caller has a snapshot. */
export function judgeImage(crashCase: CrashCase, walk: Walk): JudgedState {
  const { tree, findings } = recover(walk.image.device, crashCase);
  if (tree === null) return { tree, findings };
  return { tree, findings: [...findings, ...walk.oracle.judge(tree)] };
}

function rangesOf(walk: Walk, flight: Flight, taken: Uint8Array, wanted: 0 | 1): StoreRange[] {
  const chosen = flight.stores.filter((_, index) => taken[index] === wanted);
  chosen.sort((a, b) => a.offset - b.offset);
  const ranges: Array<{ offset: number; length: number; purpose: string }> = [];
  for (const { offset, bytes, order } of chosen) {
    const purpose = PurposeNames[walk.purposes[order]!];
    const last = ranges[ranges.length - 1];
    const adjoins = last?.purpose === purpose && offset <= last.offset + last.length;
    if (last !== undefined && adjoins) {
      last.length = Math.max(last.length, offset + bytes.length - last.offset);
    } else {
      ranges.push({ offset, length: bytes.length, purpose });
    }
  }
  return ranges;
}

function designText(crashCase: CrashCase): string {
  const options = Object.entries(crashCase.mountOptions).map(([name, value]) => `${name}=${value}`);
  return `${crashCase.personality.name} ${options.join(",")} (${domainOf(crashCase)})`;
}

function pointText({ fence }: PointName, operation: Operation | null): string {
  const what = operation === null ? "the unmount" : JSON.stringify(operation);
  return fence < 0 ? `after ${what} returned` : `before fence ${fence} of ${what}`;
}

function findingLines({ verdict, path, what, expected, found }: Finding): string[] {
  const lines = [`  ${verdict.padEnd(9)}  ${path === null ? what : `${path} ${what}`}`];
  if (expected !== undefined) lines.push(`    expected ${expected}`);
  if (found !== undefined) lines.push(`    found    ${found}`);
  return lines;
}

function causeLines(cause: CrashExplanation["cause"]): string[] {
  if (cause === "none") return ["  legal      nothing is wrong with this state"];
  if (cause === "logic") {
    return ["  cause      logic: it is as wrong with every store of the flight there"];
  }
  return ["  cause      ordering: with every store of the flight there nothing is wrong"];
}

const RANGES_SHOWN = 12;

function rangeLines(label: string, ranges: readonly StoreRange[]): string[] {
  const lines = ranges.slice(0, RANGES_SHOWN).map(({ offset, length, purpose }) => {
    return `  ${label.padEnd(9)}  ${length} bytes of ${purpose} at 0x${offset.toString(16)}`;
  });
  const more = ranges.length - RANGES_SHOWN;
  if (more > 0) lines.push(`  ${label.padEnd(9)}  and ${more} more ranges`);
  return lines;
}
