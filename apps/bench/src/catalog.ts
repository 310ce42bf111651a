/** The rows of the benchmark, and who takes part in which. */
import {
  EXT4,
  FaceNames,
  FUSE2FS,
  MEMCPY,
  MEMFS,
  MountNames,
  NODE_EXT4,
  NODE_VFS,
  OurNames,
  PeerNames,
  PLAIN,
  type TargetName,
  XIP_MOUNT,
} from "./protocol.ts";

/** Takes at most so many times as long as another row. */
interface RatioGoal {
  readonly kind: "ratio";
  readonly whose: TargetName;
  /** The row and target that ours is divided by. */
  readonly op: string;
  readonly target: TargetName;
  readonly ratioMax: number;
}

/** Is at least so many times as fast as the fastest of the rivals in the same row. */
interface SpeedGoal {
  readonly kind: "speed";
  readonly whose: TargetName;
  readonly rivals: readonly TargetName[];
  readonly speedMin: number;
}

interface TimeGoal {
  readonly kind: "time";
  readonly whose: TargetName;
  readonly msMax: number;
}

/** What a row of ours is held to. */
export type Goal = RatioGoal | SpeedGoal | TimeGoal;

export function isReached(goal: Goal, reached: number): boolean {
  switch (goal.kind) {
    case "ratio":
      return reached <= goal.ratioMax;
    case "speed":
      return reached >= goal.speedMin;
    case "time":
      return reached <= goal.msMax;
  }
}

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
  /** Where a slice is long: at most so many rounds. */
  readonly roundsMax?: number;
  /** No slice before the first that counts: what is measured is spent by it. */
  readonly isCold?: boolean;
}

const POPULATION_SMALL = 1_000;
const POPULATION_LARGE = 100_000;
const POPULATION_HUGE = 1_000_000;
/** Of rows of which one operation takes longer than a slice. */
const LONG_ROUNDS = 9;
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
      goals: [{ kind: "ratio", whose, op, target: MEMCPY, ratioMax }],
    },
  ],
});

/** The face on ext4, journal and all, against file systems in memory that keep no promise; the `Task`
 * below it, which has the same work to do, tells what the face costs. */
const sideRow = (op: string, roundsMax = Infinity): Section => ({
  title: op,
  roundsMax,
  rows: [
    {
      op,
      targets: [...FaceNames, EXT4, ...PeerNames],
      population: 0,
      goals: [{ kind: "speed", whose: NODE_EXT4, rivals: [MEMFS, NODE_VFS], speedMin: 1.5 }],
    },
  ],
});

/** Through the kernel, on a mounted image. */
const mountRow = (op: string, shape: { roundsMax: number; isCold: boolean }): Section => ({
  title: op,
  ...shape,
  rows: [
    {
      op,
      targets: MountNames,
      population: 0,
      goals: [{ kind: "speed", whose: XIP_MOUNT, rivals: [FUSE2FS], speedMin: 1.5 }],
    },
  ],
});

/** Few files, many of which as few are in use, and many all in use. */
const growthRows = (op: string): Section => {
  const small = `${op} @1k files`;
  const large = `${op} @100k files`;
  const targets: readonly TargetName[] = [...OurNames, MEMFS, "tmpfs"];
  const goals: readonly Goal[] = OurNames.map((whose) => ({
    kind: "ratio",
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
  const targets: readonly TargetName[] = [EXT4, MEMFS, "tmpfs"];
  const goal: Goal = { kind: "ratio", whose: EXT4, op: small, target: EXT4, ratioMax: 1.5 };
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
  rows: [{ op, targets: [EXT4], population: 0, goals: [{ kind: "time", whose: EXT4, msMax }] }],
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
  sideRow("open+close"),
  sideRow("create+write 4 KiB"),
  sideRow("readFile 4 KiB"),
  sideRow("stat"),
  sideRow("stat, 10 levels deep"),
  sideRow("readdir 1,000"),
  sideRow("rename"),
  sideRow("unlink"),
  sideRow("mkdir+rmdir"),
  sideRow("pread 4 KiB"),
  sideRow("pwrite 4 KiB"),
  sideRow("pwrite 4 KiB+fsync"),
  sideRow("append 64 B"),
  sideRow("write 256 MiB", LONG_ROUNDS),
  sideRow("read 256 MiB", LONG_ROUNDS),
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

const REPEATED = { roundsMax: 4, isCold: false };
/** A slice is a directory, and there are so many of them. */
export const MOUNT_DIRECTORIES = 20;
const SPENT = { roundsMax: MOUNT_DIRECTORIES, isCold: true };

/** A mounted image, by programs and system calls. Names are in an order in which one row leaves what
 * the next one needs. */
export const MountSections: readonly Section[] = [
  mountRow("fuse: random read 4 KiB, direct", REPEATED),
  mountRow("fuse: random read 4 KiB, buffered", REPEATED),
  mountRow("fuse: random write 4 KiB, direct", REPEATED),
  mountRow("fuse: random write 4 KiB, buffered", REPEATED),
  mountRow("fuse: random write 4 KiB, direct, fsync", REPEATED),
  mountRow("fuse: random write 4 KiB, buffered, fsync", REPEATED),
  mountRow("fuse: read 1 MiB, direct", REPEATED),
  mountRow("fuse: read 1 MiB, buffered", REPEATED),
  mountRow("fuse: write 1 MiB, direct", REPEATED),
  mountRow("fuse: write 1 MiB, buffered", REPEATED),
  mountRow("fuse: create", SPENT),
  mountRow("fuse: stat, cold", SPENT),
  mountRow("fuse: readdir 1,000, cold", SPENT),
  mountRow("fuse: rename", SPENT),
  mountRow("fuse: unlink", SPENT),
  mountRow("fuse: untar", { roundsMax: 3, isCold: true }),
  mountRow("fuse: dbench, a megabyte of 2 clients", { roundsMax: 3, isCold: true }),
];

export const AllSections = [
  ...XipSections,
  ...SideSections,
  ...MountSections,
  ...GrowthSections,
  ...ImageSections,
];

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
