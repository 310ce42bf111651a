/** The rows of the benchmark, and who takes part in which. */
import { MEMCPY, PeerNames, type TargetName, XIPLAB } from "./protocol.ts";

/** A goal that a row of ours is held to. */
export interface Goal {
  /** The row and target that ours is divided by. */
  readonly op: string;
  readonly target: TargetName;
  readonly ratioMax: number;
}

export interface Row {
  readonly op: string;
  readonly targets: readonly TargetName[];
  /** Files in the tree; a process for each population. 0 where the row needs no tree. */
  readonly population: number;
  readonly goal?: Goal;
}

/** Rows that are measured in alternation, because they are compared with one another. */
export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

const POPULATION_SMALL = 1_000;
const POPULATION_LARGE = 100_000;
/** End of the name of a row that visits every file, and not those of a few directories. */
export const ALL_USED = ", all used";

const xipRow = (op: string, ratioMax: number): Section => ({
  title: op,
  rows: [{ op, targets: [XIPLAB, MEMCPY], population: 0, goal: { op, target: MEMCPY, ratioMax } }],
});

const sideRow = (op: string): Section => ({
  title: op,
  rows: [{ op, targets: [XIPLAB, ...PeerNames], population: 0 }],
});

/** Few files, many of which as few are in use, and many all in use. */
const growthRows = (op: string): Section => {
  const small = `${op} @1k files`;
  const large = `${op} @100k files`;
  const targets: readonly TargetName[] = [XIPLAB, "memfs", "tmpfs"];
  const goal: Goal = { op: small, target: XIPLAB, ratioMax: 1.3 };
  return {
    title: `${op}, growth`,
    rows: [
      { op: small, targets, population: POPULATION_SMALL },
      { op: large, targets, population: POPULATION_LARGE, goal },
      { op: `${large}${ALL_USED}`, targets, population: POPULATION_LARGE },
    ],
  };
};

/** Against the bare copy of the same bytes, in one process. */
export const XipSections: readonly Section[] = [
  xipRow("xip read 4 KiB random", 1.5),
  xipRow("xip overwrite 4 KiB random", 1.5),
  xipRow("xip read 1 MiB sequential", 1.05),
  xipRow("xip overwrite 1 MiB sequential", 1.05),
];

/** Against the peers, at the same level of abstraction. */
export const SideSections: readonly Section[] = [
  sideRow("open+close"),
  sideRow("create"),
  sideRow("stat"),
  sideRow("rename"),
  sideRow("unlink"),
  sideRow("readdir 1,000"),
  sideRow("pread 4 KiB"),
  sideRow("pwrite 4 KiB"),
  sideRow("append 64 B"),
];

/** The same operation with few files and with many. */
export const GrowthSections: readonly Section[] = [
  growthRows("stat"),
  growthRows("open+close"),
  growthRows("pread 64 B"),
];

export const AllSections = [...XipSections, ...SideSections, ...GrowthSections];

/**
 * Sections with a row that one of `words` names, letter case aside: the row's whole name, or, where
 * no row has that name, a part of it. All sections for no words.
 */
export function selectSections(words: readonly string[]): Section[] {
  if (words.length === 0) return [...AllSections];
  const wanted = words.map((word) => matcher(word.toLowerCase()));
  return AllSections.filter(({ rows }) =>
    rows.some(({ op }) => wanted.some((isWanted) => isWanted(op.toLowerCase()))),
  );
}

function matcher(word: string): (op: string) => boolean {
  const isName = AllSections.some(({ rows }) => rows.some(({ op }) => op.toLowerCase() === word));
  return isName ? (op) => op === word : (op) => op.includes(word);
}
