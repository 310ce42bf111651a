/**
 * Images that mkfs.ext4 made and the kernel filled, here: the same names, attributes and bytes; what
 * we change in them e2fsck finds sound, and the kernel reads. With the features and block sizes that
 * there are.
 */
import path from "node:path";
import type { OptionValues } from "@xiplab/core";
import {
  mkfsExt4,
  readImage,
  requireOracle,
  runOrThrow,
  treeOfDirectory,
  withLoopMount,
  withTempDirectory,
  writeImage,
} from "@xiplab/oracles";
import { freezeTree, type Operation } from "@xiplab/testkit";
import { describe, expect, test } from "vitest";
import {
  expectSameOutcomes,
  expectSameTree,
  expectSound,
  JUDGES,
  mountedHere,
  playHere,
  playThere,
  treeHere,
  treeThere,
} from "./testing.ts";
import {
  changesShape,
  extentsShape,
  manyShape,
  namesShape,
  smallShapes,
} from "./testing-shapes.ts";

const MIB = 2 ** 20;
const TIMEOUT_MS = 300_000;

interface Trip {
  readonly size: number;
  readonly mkfs?: readonly string[];
  /** For tune2fs. */
  readonly tune?: readonly string[];
  readonly mount?: OptionValues;
  readonly first: readonly Operation[];
  readonly second: readonly Operation[];
}

/**
 * There, here, and there again. The kernel also makes the same changes, in a copy: it and we must
 * allow, refuse and leave the same.
 */
function roundTrip({ size, mkfs = [], tune, mount = {}, first, second }: Trip): void {
  withTempDirectory((directory) => {
    const file = path.join(directory, "image");
    mkfsExt4(file, size, mkfs);
    if (tune !== undefined) runOrThrow("tune2fs", [...tune, file]);
    const theirs = withLoopMount(file, {}, (loop) => {
      const outcomes = playThere(loop.directory, first);
      expect(outcomes.filter((outcome) => outcome === "ok").length).toBeGreaterThan(100);
      return freezeTree(treeOfDirectory(loop.directory));
    });
    expectSound(file);
    const device = readImage(file);
    let outcomes: string[] = [];
    const ours = mountedHere(device, mount, (program) => {
      expectSameTree(theirs, treeHere(program));
      outcomes = playHere(program, second);
      return freezeTree(treeHere(program));
    });
    expectSound(device);
    withLoopMount(file, {}, (loop) => {
      expectSameOutcomes(second, playThere(loop.directory, second), outcomes);
      expectSameTree(treeOfDirectory(loop.directory), ours, false);
    });
    writeImage(device, file);
    expectSameTree(ours, treeThere(file, ""));
    expectSound(file);
  });
}

const CACHED = { data: "delalloc" };

const KINDS: readonly (readonly [string, readonly string[], OptionValues])[] = [
  ["as mkfs.ext4 makes it", [], {}],
  ["1 KiB blocks", ["-b", "1024"], CACHED],
  ["2 KiB blocks", ["-b", "2048"], { data: "nodelalloc" }],
  ["without metadata_csum", ["-O", "^metadata_csum"], {}],
  ["uninit_bg instead of metadata_csum", ["-O", "^metadata_csum,uninit_bg"], {}],
  ["without 64bit", ["-O", "^64bit"], {}],
  ["without a journal", ["-O", "^has_journal"], {}],
  ["without extents", ["-O", "^extent,^64bit"], {}],
  ["without extents, 1 KiB blocks", ["-b", "1024", "-O", "^extent,^64bit"], CACHED],
  ["metadata_csum_seed", ["-O", "metadata_csum_seed"], {}],
  ["orphan_file", ["-O", "orphan_file"], {}],
  ["without dir_index", ["-O", "^dir_index"], {}],
  ["without flex_bg and resize_inode", ["-O", "^flex_bg,^resize_inode"], {}],
  ["inodes of 128 bytes", ["-I", "128"], {}],
  ["inodes of 1024 bytes", ["-I", "1024"], {}],
];

describe("an image made and filled by the kernel", () => {
  test.for(KINDS)(
    "trees, names, attributes, space: %s",
    { timeout: TIMEOUT_MS },
    ([, mkfs, mount], { skip }) => {
      expect(requireOracle(JUDGES, skip)).toBeNull();
      const blockSize = mkfs[0] === "-b" ? Number(mkfs[1]) : 4096;
      const first = smallShapes(blockSize);
      const second = changesShape(blockSize);
      // Small images have small blocks, unless one asks.
      const options = ["-b", String(blockSize), ...mkfs];
      roundTrip({ size: 128 * MIB, mkfs: options, mount, first, second });
    },
  );

  test.for(["tea", "half_md4"] as const)(
    "hashed directories: %s",
    { timeout: TIMEOUT_MS },
    (hash, { skip }) => {
      expect(requireOracle([...JUDGES, "tune2fs"], skip)).toBeNull();
      const mkfs = ["-b", "1024"];
      const tune = ["-E", `hash_alg=${hash}`];
      const first = [...namesShape(), ...manyShape(4000)];
      const second = manyShape(2000).slice(1).map(renamed);
      roundTrip({ size: 64 * MIB, mkfs, tune, mount: CACHED, first, second });
    },
  );

  test("100,000 files in one directory", { timeout: TIMEOUT_MS }, ({ skip }) => {
    expect(requireOracle(JUDGES, skip)).toBeNull();
    const second = manyShape(3000).slice(1).map(renamed);
    const first = manyShape(100_000);
    roundTrip({ size: 256 * MIB, mkfs: ["-b", "4096", "-N", "110000"], first, second });
  });

  test("a file of 50,000 extents", { timeout: TIMEOUT_MS }, ({ skip }) => {
    expect(requireOracle(JUDGES, skip)).toBeNull();
    const file = "/extents";
    const second: Operation[] = [
      ...Array.from({ length: 300 }, (_, index): Operation => ({
        op: "write",
        file,
        pos: (index * 101 + 1) * 4096,
        length: 8192,
        seed: index,
      })),
      { op: "fallocate", file, mode: 3, pos: 40_000 * 4096, length: 5000 * 4096 },
      { op: "fallocate", file, mode: 8, pos: 50_000 * 4096, length: 1001 * 4096 },
      { op: "truncate", file, size: 90_000 * 4096 + 1 },
    ];
    roundTrip({ size: 512 * MIB, mkfs: ["-b", "4096"], first: extentsShape(50_000, 4096), second });
  });
});

/** The same for other names. */
function renamed(operation: Operation): Operation {
  return JSON.parse(JSON.stringify(operation).replaceAll("file-", "other-")) as Operation;
}
