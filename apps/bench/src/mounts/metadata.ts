/**
 * Rows of metadata: 20,000 files in 20 directories, a directory to a slice. Each row visits each file
 * once, and leaves what the row after it needs.
 */
import fs from "node:fs";
import path from "node:path";
import type { Measurement, Slice } from "../batch.ts";
import { MOUNT_DIRECTORIES } from "../catalog.ts";
import { shuffle } from "../random.ts";

const SEED = 0xd1;
const FILES = 1_000;
const DROP_CACHES = "/proc/sys/vm/drop_caches";
/** Dentries and inodes; the pages stay. */
const DROP_NAMES = "2";

type Visit = (directory: string, names: readonly string[]) => void;

interface Row {
  /** Must the files be there before it, or must they not? */
  readonly needsFiles: boolean;
  /** The kernel forgets what it knows of names before it. */
  readonly isCold: boolean;
  /** Operations of a slice. */
  readonly ops: number;
  readonly visit: Visit;
}

const Rows: Readonly<Record<string, Row>> = {
  create: {
    needsFiles: false,
    isCold: false,
    ops: FILES,
    visit: (directory, names) => {
      for (const name of names) fs.closeSync(fs.openSync(`${directory}/${name}`, "wx"));
    },
  },
  "stat, cold": {
    needsFiles: true,
    isCold: true,
    ops: FILES,
    visit: (directory, names) => {
      for (const name of names) fs.statSync(`${directory}/${name}`);
    },
  },
  "readdir 1,000, cold": {
    needsFiles: true,
    isCold: true,
    ops: 1,
    visit: (directory) => {
      if (fs.readdirSync(directory).length !== FILES) throw new Error("readdir lost names");
    },
  },
  rename: {
    needsFiles: true,
    isCold: false,
    ops: FILES,
    visit: (directory, names) => {
      for (const name of names) fs.renameSync(`${directory}/${name}`, `${directory}/new-${name}`);
    },
  },
  unlink: {
    needsFiles: true,
    isCold: false,
    ops: FILES,
    visit: (directory) => {
      for (const name of shuffle(fs.readdirSync(directory), SEED)) {
        fs.unlinkSync(`${directory}/${name}`);
      }
    },
  },
};

/** The files of one mount, while rows come and go. */
export class MetadataRows {
  private readonly root: string;
  private isMade = false;

  constructor(directory: string) {
    this.root = path.join(directory, "metadata");
  }

  prepare(op: string): Measurement {
    const row = Rows[op];
    if (row === undefined) throw new Error(`no operation '${op}'`);
    if (!this.isMade) this.warm();
    const places = this.directories();
    const names = shuffle(
      Array.from({ length: FILES }, (_, index) => `file-${index}.txt`),
      SEED,
    );
    for (const place of places) this.restore(place, row.needsFiles ? names : []);
    if (row.isCold) {
      fs.writeFileSync(DROP_CACHES, DROP_NAMES);
      // The server has been told what was forgotten when it answers this.
      fs.statfsSync(this.root);
    }
    let next = 0;
    return {
      slice: () => timed(() => row.visit(places[next++ % places.length]!, names), row.ops),
      end: () => undefined,
    };
  }

  /** Every call a few times: what compiles when it is first used has been used. */
  private warm(): void {
    fs.mkdirSync(this.root);
    this.isMade = true;
    const scratch = path.join(this.root, "scratch");
    fs.mkdirSync(scratch);
    const names = Array.from({ length: FILES }, (_, index) => `warm-${index}`);
    for (const op of ["create", "stat, cold", "readdir 1,000, cold", "rename", "unlink"]) {
      Rows[op]!.visit(scratch, names);
    }
    fs.rmdirSync(scratch);
  }

  private directories(): string[] {
    const all = Array.from({ length: MOUNT_DIRECTORIES }, (_, n) => path.join(this.root, `d${n}`));
    for (const directory of all) fs.mkdirSync(directory, { recursive: true });
    return all;
  }

  /** Bring a directory to exactly these files, whatever an earlier row left. */
  private restore(directory: string, names: readonly string[]): void {
    const found = fs.readdirSync(directory);
    if (found.length === names.length) return;
    for (const name of found) fs.unlinkSync(`${directory}/${name}`);
    for (const name of names) fs.writeFileSync(`${directory}/${name}`, "");
  }
}

function timed(work: () => void, ops: number): Slice {
  const start = performance.now();
  work();
  const ns = ((performance.now() - start) * 1e6) / ops;
  return { median: ns };
}
