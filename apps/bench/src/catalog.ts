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

const xipRow = (op: string, ratioMax: number): Section => ({
  title: op,
  rows: [{ op, targets: [XIPLAB, MEMCPY], population: 0, goal: { op, target: MEMCPY, ratioMax } }],
});

const sideRow = (op: string): Section => ({
  title: op,
  rows: [{ op, targets: [XIPLAB, ...PeerNames], population: 0 }],
});

const growthRows = (op: string): Section => {
  const small = `${op} @1k files`;
  const targets: readonly TargetName[] = [XIPLAB, "memfs", "tmpfs"];
  return {
    title: `${op}, growth`,
    rows: [
      { op: small, targets, population: POPULATION_SMALL },
      {
        op: `${op} @100k files`,
        targets,
        population: POPULATION_LARGE,
        goal: { op: small, target: XIPLAB, ratioMax: 1.3 },
      },
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

/** Sections with a row whose name contains one of `words`, letter case aside; all for no words. */
export function selectSections(words: readonly string[]): Section[] {
  if (words.length === 0) return [...AllSections];
  const wanted = words.map((word) => word.toLowerCase());
  return AllSections.filter(({ rows }) =>
    rows.some(({ op }) => wanted.some((word) => op.toLowerCase().includes(word))),
  );
}
