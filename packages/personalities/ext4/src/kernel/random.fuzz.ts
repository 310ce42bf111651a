/**
 * Generated operations on two images: one in the hands of the kernel, one here. Both must allow and
 * refuse the same, and end with the same tree; then each reads the other's image.
 */
import path from "node:path";
import { FALLOC_FL_PUNCH_HOLE, FsError, type OptionValues } from "@xiplab/core";
import {
  mkfsExt4,
  readImage,
  requireOracle,
  treeOfDirectory,
  withLoopMount,
  withTempDirectory,
  writeImage,
} from "@xiplab/oracles";
import {
  applyToModel,
  DEFAULT_CONFIG,
  freezeTree,
  generateOperations,
  ModelFs,
  type ModelNode,
  type Operation,
  USERS,
} from "@xiplab/testkit";
import { describe, expect, test } from "vitest";
import {
  expectSameOutcomes,
  expectSameTree,
  expectSound,
  JUDGES,
  makeHere,
  mountedHere,
  playHere,
  playThere,
  treeHere,
  treeThere,
} from "./testing.ts";

const MIB = 2 ** 20;
const SIZE = 64 * MIB;
const SEED = Number(process.env["SEED"] ?? 11);
const OPERATIONS = 1_500;
const TIMEOUT_MS = 300_000;
const LIMITS = { linkMax: 65_000 };
/** Durability does not show from above; and the kernel of a test stays mounted. */
const EXCLUDE = ["fsync", "msync", "sync", "remount"] as const;

interface Choice {
  readonly name: string;
  readonly mount: OptionValues;
  readonly blockSize: number;
  /** As mke2fs -O. */
  readonly features: string;
}

const choice = (name: string, mount: OptionValues, blockSize = 4096, features = ""): Choice => ({
  name,
  mount,
  blockSize,
  features,
});

const CACHED = { data: "delalloc" };
const CHOICES: readonly Choice[] = [
  choice("xip", {}),
  choice("xip, complete", { unwritten: "complete" }),
  choice("xip, own, first-fit", { unwritten: "own", alloc: "first-fit" }),
  choice("delalloc", CACHED),
  choice("nodelalloc", { data: "nodelalloc" }),
  choice("1 KiB blocks", CACHED, 1024),
  choice("2 KiB blocks, no journal", { data: "nodelalloc" }, 2048, "^has_journal"),
  choice("no extents", {}, 4096, "^extent,^64bit"),
  choice("no extents, 1 KiB blocks", CACHED, 1024, "^extent,^64bit"),
];

describe("generated operations in the kernel and here", () => {
  test.for(CHOICES)(`$name, seed=${SEED}`, { timeout: TIMEOUT_MS }, (choice, { skip }) => {
    expect(requireOracle(JUDGES, skip)).toBeNull();
    const { blockSize, features, mount: options } = choice;
    const operations = generate(SEED + CHOICES.indexOf(choice), blockSize, features);
    withTempDirectory((directory) => {
      const file = path.join(directory, "theirs");
      mkfsExt4(file, SIZE, ["-b", String(blockSize), ...(features === "" ? [] : ["-O", features])]);
      const device = makeHere(SIZE, {
        blockSize: String(blockSize),
        features: features.replaceAll(",", ":"),
      });
      const start: Operation[] = [{ op: "rmdir", path: "/lost+found" }, ...operations];
      let outcomes: string[] = [];
      const ours = mountedHere(device, options, (program) => {
        outcomes = playHere(program, start);
        return freezeTree(treeHere(program));
      });
      expect(outcomes.filter((outcome) => outcome === "ok").length).toBeGreaterThan(300);
      const theirs = withLoopMount(file, {}, (loop) => {
        expectSameOutcomes(start, playThere(loop.directory, start), outcomes);
        const tree = freezeTree(treeOfDirectory(loop.directory));
        expectSameTree(tree, ours, false);
        return tree;
      });
      expectSound(device);
      expectSound(file);
      mountedHere(readImage(file), options, (program) => expectSameTree(theirs, treeHere(program)));
      const other = path.join(directory, "ours");
      writeImage(device, other);
      expectSameTree(ours, treeThere(other, "ro"));
    });
  });
});

/** Without what would block: opening a fifo or a device opens what stands behind it. */
function generate(seed: number, blockSize: number, features: string): Operation[] {
  const limits = { ...LIMITS, sizeMax: sizeMax(blockSize, features) };
  const config = { ...DEFAULT_CONFIG, limits, exclude: EXCLUDE, rootOnly: true };
  const model = new ModelFs(limits);
  return generateOperations(seed, OPERATIONS, config).filter((operation) => {
    const isLeftOut =
      opensNode(model, operation) || (features.includes("^extent") && needsExtents(operation));
    if (!isLeftOut) applyToModel(model, operation);
    return !isLeftOut;
  });
}

/** Refused without extents; the kernel looks at that before it looks at the range, and we after. */
const needsExtents = (operation: Operation): boolean =>
  operation.op === "fallocate" && (operation.mode & FALLOC_FL_PUNCH_HOLE) === 0;

/** Of a file: by 32-bit block numbers, or by what pointers in blocks reach. */
function sizeMax(blockSize: number, features: string): number {
  if (!features.includes("^extent")) return (2 ** 32 - 1) * blockSize;
  const pointers = blockSize / 4;
  return (12 + pointers + pointers ** 2 + pointers ** 3) * blockSize;
}

const OPENS = new Set(["open", "read", "write", "fallocate", "extents", "map"]);

function opensNode(model: ModelFs, operation: Operation): boolean {
  model.who = USERS.root;
  if (!OPENS.has(operation.op)) return false;
  const place = "path" in operation ? operation.path : "file" in operation ? operation.file : 0;
  const node = typeof place === "string" ? nodeAt(model, place) : null;
  return node !== null && !node.isRegular && !node.isDirectory;
}

function nodeAt(model: ModelFs, place: string): ModelNode | null {
  try {
    return model.lookup(place, true);
  } catch (error) {
    if (error instanceof FsError) return null;
    throw error;
  }
}
