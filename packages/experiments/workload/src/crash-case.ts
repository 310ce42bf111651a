/**
 * The workloads scaled down to what a power-loss explorer can try: a handful of operations each, of
 * the same kind, in the same order, on files of a few blocks.
 *
 * The same seed gives the same operations for every design, so that their verdicts compare, and in
 * the quick form too, which tries fewer states of them: an id from either can be replayed.
 */
import { assert, O_APPEND, O_RDWR, PAGE_SIZE } from "@xiplab/core";
import type { Operation } from "@xiplab/testkit";
import { Random } from "./random.ts";
import type { TreeEntry, TreeSnapshot } from "./tree-snapshot.ts";
import type { WorkloadName, WorkloadOptions } from "./workload.ts";
import { FILE_MODE } from "./workloads/contents.ts";

export interface CrashSteps {
  /** Runs, and is made durable, before the first crash point. */
  readonly setup: readonly Operation[];
  readonly body: readonly Operation[];
}

/** Small, so that filling it with the marker and checking it cost little; larger for designs that
 * need more. */
export const CRASH_DEVICE_BYTES = 2 * 1024 * 1024;

/** The steps of one workload. `tree` takes its names and sizes from the tree itself. */
export function crashSteps(name: WorkloadName, options: WorkloadOptions): CrashSteps {
  const { seed } = options;
  switch (name) {
    case "tree":
      assert(options.tree !== null, "the tree workload needs a tree");
      return treeSteps(options.tree, seed, 3);
    case "log":
      return logSteps(seed, 6);
    case "mmap":
      return mmapSteps(seed, 6);
    case "append-64":
      return appendSteps(seed, 64, 6);
    case "append-4k":
      return appendSteps(seed, PAGE_SIZE, 3);
  }
}

const preallocate = (path: string, blocks: number): Operation[] => [
  { op: "create", path, mode: FILE_MODE },
  { op: "fallocate", file: path, mode: 0, pos: 0, length: blocks * PAGE_SIZE },
];

/** Records that are aligned to nothing; the last one is long and covers whole blocks. */
function logSteps(seed: number, records: number): CrashSteps {
  const random = new Random(seed);
  const path = "/log";
  const body: Operation[] = [{ op: "open", slot: 0, path, flags: O_RDWR, mode: 0 }];
  let pos = 0;
  for (let record = 0; record < records; record++) {
    const long = record === records - 1;
    const length = long ? 2 * PAGE_SIZE + random.below(PAGE_SIZE) : random.between(64, 1500);
    body.push({ op: "write", file: 0, pos, length, seed: seed + record });
    body.push({ op: "fsync", file: 0 });
    pos += length;
  }
  body.push({ op: "close", slot: 0 });
  return { setup: preallocate(path, 8), body };
}

function mmapSteps(seed: number, updates: number): CrashSteps {
  const random = new Random(seed + 1);
  const path = "/pages";
  const pages = 6;
  const shared = { pos: 0, length: pages * PAGE_SIZE, shared: true, writable: true, sync: false };
  const body: Operation[] = [
    { op: "open", slot: 0, path, flags: O_RDWR, mode: 0 },
    { op: "map", region: 0, file: 0, ...shared },
  ];
  for (let update = 0; update < updates; update++) {
    const length = random.between(8, 300);
    const page = random.below(pages) * PAGE_SIZE;
    const offset = page + random.below(PAGE_SIZE - length + 1);
    body.push({ op: "store", region: 0, offset, length, seed: seed + update });
    body.push({ op: "msync", region: 0, offset: page, length: PAGE_SIZE });
  }
  body.push({ op: "unmap", region: 0 }, { op: "close", slot: 0 });
  return { setup: preallocate(path, pages), body };
}

function appendSteps(seed: number, length: number, appends: number): CrashSteps {
  const path = "/appended";
  const body: Operation[] = [{ op: "open", slot: 0, path, flags: O_RDWR | O_APPEND, mode: 0 }];
  for (let index = 0; index < appends; index++) {
    body.push({ op: "write", file: 0, pos: null, length, seed: seed + index });
    body.push({ op: "fsync", file: 0 });
  }
  body.push({ op: "close", slot: 0 });
  return { setup: [{ op: "create", path, mode: FILE_MODE }], body };
}

/** Files of the tree, chosen by the seed, with the directories above them. */
function treeSteps(tree: TreeSnapshot, seed: number, files: number): CrashSteps {
  const random = new Random(seed + 2);
  const bytesMax = 3 * PAGE_SIZE;
  const candidates = tree.entries.filter((entry) => entry.kind !== "directory");
  const chosen = new Set<TreeEntry>();
  while (chosen.size < Math.min(files, candidates.length)) {
    chosen.add(candidates[random.below(candidates.length)]!);
  }
  const body: Operation[] = [];
  const made = new Set<string>();
  for (const entry of tree.entries) {
    if (!chosen.has(entry)) continue;
    makeParents(body, made, `/${entry.path}`);
    copySteps(body, entry, seed, bytesMax);
  }
  body.push({ op: "sync" });
  return { setup: [], body };
}

function makeParents(body: Operation[], made: Set<string>, path: string): void {
  const parent = path.slice(0, path.lastIndexOf("/"));
  if (parent === "" || made.has(parent)) return;
  makeParents(body, made, parent);
  made.add(parent);
  body.push({ op: "mkdir", path: parent, mode: 0o755 });
}

function copySteps(body: Operation[], entry: TreeEntry, seed: number, bytesMax: number): void {
  const path = `/${entry.path}`;
  if (entry.kind === "symlink") {
    body.push({ op: "symlink", target: entry.target!, path });
    return;
  }
  const length = Math.min(entry.length, bytesMax);
  const time = [entry.sec, entry.nsec] as const;
  body.push({ op: "create", path, mode: entry.mode });
  if (length > 0) body.push({ op: "write", file: path, pos: 0, length, seed: seed + entry.start });
  body.push({ op: "utimens", file: path, atime: time, mtime: time, follow: false });
}
