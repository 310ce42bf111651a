/**
 * Generated operations on two images: one in the hands of the kernel, one here. Both must allow and
 * refuse the same, and end with the same tree; then each reads the other's image.
 */
import path from "node:path";
import { FsError, type OptionValues } from "@xiplab/core";
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
const LIMITS = { sizeMax: (2 ** 32 - 1) * 4096, linkMax: 65_000 };
/** Durability does not show from above; and the kernel of a test stays mounted. */
const EXCLUDE = ["fsync", "msync", "sync", "remount"] as const;

const CHOICES: readonly (readonly [string, OptionValues])[] = [
  ["xip", {}],
  ["xip, complete", { unwritten: "complete" }],
  ["xip, own, first-fit", { unwritten: "own", alloc: "first-fit" }],
  ["delalloc", { data: "delalloc" }],
  ["nodelalloc", { data: "nodelalloc" }],
];

describe("generated operations in the kernel and here", () => {
  test.for(CHOICES)(`%s, seed=${SEED}`, { timeout: TIMEOUT_MS }, ([, options], { skip }) => {
    expect(requireOracle(JUDGES, skip)).toBeNull();
    const operations = generate(SEED + CHOICES.findIndex(([, other]) => other === options));
    withTempDirectory((directory) => {
      const file = path.join(directory, "theirs");
      mkfsExt4(file, SIZE, ["-b", "4096"]);
      const device = makeHere(SIZE);
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
function generate(seed: number): Operation[] {
  const config = { ...DEFAULT_CONFIG, limits: LIMITS, exclude: EXCLUDE, rootOnly: true };
  const model = new ModelFs(LIMITS);
  return generateOperations(seed, OPERATIONS, config).filter((operation) => {
    const isLeftOut = opensNode(model, operation);
    if (!isLeftOut) applyToModel(model, operation);
    return !isLeftOut;
  });
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
