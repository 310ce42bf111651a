/** The rows of the benchmark, and who takes part in which. */
import { EXT4, MEMCPY, OurNames, PeerNames, PLAIN, type TargetName } from "./protocol.ts";

/** What a row of ours is held to: a ratio to another row, or a time. */
export type Goal =
  | {
      readonly whose: TargetName;
      /** The row and target that ours is divided by. */
      readonly op: string;
      readonly target: TargetName;
      readonly ratioMax: number;
    }
  | { readonly whose: TargetName; readonly msMax: number };

export interface Row {
  readonly op: string;
  readonly targets: readonly TargetName[];
  /** Files in the tree; a process for each population. 0 where the row needs no tree. */
  readonly population: number;
  readonly goals: readonly Goal[];
}

/** Rows that are measured in alternation, because they are compared with one another. */
export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

const POPULATION_SMALL = 1_000;
const POPULATION_LARGE = 100_000;
const POPULATION_HUGE = 1_000_000;
/** End of the name of a row that visits every file, and not those of a few directories. */
export const ALL_USED = ", all used";
/** In the name of a row whose files all stand in one directory. */
export const ONE_DIRECTORY = "in one directory";

const xipRow = (op: string, whose: TargetName, ratioMax: number): Section => ({
  title: op,
  rows: [
    {
      op,
      targets: [whose, MEMCPY],
      population: 0,
      goals: [{ whose, op, target: MEMCPY, ratioMax }],
    },
  ],
});

/** What a journal is allowed to cost: nothing, against a file system that keeps no promise. */
const sideRow = (op: string, held: boolean): Section => ({
  title: op,
  rows: [
    {
      op,
      targets: [...OurNames, ...PeerNames],
      population: 0,
      goals: held ? [{ whose: EXT4, op, target: "memfs", ratioMax: 1 }] : [],
    },
  ],
});

/** Few files, many of which as few are in use, and many all in use. */
const growthRows = (op: string): Section => {
  const small = `${op} @1k files`;
  const large = `${op} @100k files`;
  const targets: readonly TargetName[] = [...OurNames, "memfs", "tmpfs"];
  const goals: readonly Goal[] = OurNames.map((whose) => ({
    whose,
    op: small,
    target: whose,
    ratioMax: 1.3,
  }));
  return {
    title: `${op}, growth`,
    rows: [
      { op: small, targets, population: POPULATION_SMALL, goals: [] },
      { op: large, targets, population: POPULATION_LARGE, goals },
      { op: `${large}${ALL_USED}`, targets, population: POPULATION_LARGE, goals: [] },
    ],
  };
};

/**
 * One directory with few names, and with a million of which as few are looked for; and where names
 * can be looked for, with all of a million. plain keeps its names in memory: not for it.
 */
const directoryRows = (op: string, looks: boolean): Section => {
  const small = `${op} ${ONE_DIRECTORY} @1k`;
  const large = `${op} ${ONE_DIRECTORY} @1M`;
  const targets: readonly TargetName[] = [EXT4, "memfs", "tmpfs"];
  const goal: Goal = { whose: EXT4, op: small, target: EXT4, ratioMax: 1.5 };
  const all: Row = {
    op: `${large}${ALL_USED}`,
    targets,
    population: POPULATION_HUGE,
    goals: [],
  };
  return {
    title: `${op} ${ONE_DIRECTORY}, growth`,
    rows: [
      { op: small, targets, population: POPULATION_SMALL, goals: [] },
      { op: large, targets, population: POPULATION_HUGE, goals: [goal] },
      ...(looks ? [all] : []),
    ],
  };
};

const imageRow = (op: string, msMax: number): Section => ({
  title: op,
  rows: [{ op, targets: [EXT4], population: 0, goals: [{ whose: EXT4, msMax }] }],
});

const xipRows = (whose: TargetName, suffix: string, smallMax: number): Section[] => [
  xipRow(`xip read 4 KiB random${suffix}`, whose, smallMax),
  xipRow(`xip overwrite 4 KiB random${suffix}`, whose, smallMax),
  xipRow(`xip read 1 MiB sequential${suffix}`, whose, 1.05),
  xipRow(`xip overwrite 1 MiB sequential${suffix}`, whose, 1.05),
];

/** Against the bare copy of the same bytes, in one process. */
export const XipSections: readonly Section[] = [
  ...xipRows(PLAIN, "", 1.5),
  ...xipRows(EXT4, ", ext4", 1.7),
];

/** Against the peers, at the same level of abstraction. */
export const SideSections: readonly Section[] = [
  sideRow("open+close", true),
  sideRow("create", true),
  sideRow("stat", true),
  sideRow("rename", true),
  sideRow("unlink", true),
  sideRow("readdir 1,000", true),
  sideRow("pread 4 KiB", false),
  sideRow("pwrite 4 KiB", false),
  sideRow("append 64 B", false),
];

/** The same operation with few files and with many. */
export const GrowthSections: readonly Section[] = [
  growthRows("stat"),
  growthRows("open+close"),
  growthRows("pread 64 B"),
  directoryRows("create", false),
  directoryRows("lookup", true),
];

export const MOUNT_SPARSE = "mount, clean, 1 TiB sparse";
const MOUNT_KERNEL = "mount, clean, 8 GiB of the kernel's, 100k files";
export const CHECK = "check, 32 MiB, 200 files";

/** From an image file to a root directory that was listed; and a full fsck of one in memory. */
export const ImageSections: readonly Section[] = [
  imageRow(MOUNT_SPARSE, 50),
  imageRow(MOUNT_KERNEL, 100),
  imageRow(CHECK, 5),
];

export const AllSections = [...XipSections, ...SideSections, ...GrowthSections, ...ImageSections];

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
