/**
 * Images that were made and filled here, in the hands of the kernel: it mounts them, reads the same
 * names, attributes and bytes, goes on writing, and what it leaves is read here again. e2fsck judges
 * at every step.
 */
import path from "node:path";
import type { OptionValues } from "@xiplab/core";
import {
  readImage,
  requireOracle,
  treeOfDirectory,
  withLoopMount,
  withTempDirectory,
  writeImage,
} from "@xiplab/oracles";
import { freezeTree, type Operation } from "@xiplab/testkit";
import { describe, expect, test } from "vitest";
import {
  expectAllOk,
  expectSameTree,
  expectSound,
  JUDGES,
  makeHere,
  mountedHere,
  playHere,
  playThere,
  treeHere,
} from "./testing.ts";
import { changesShape, extentsShape, manyShape, smallShapes } from "./testing-shapes.ts";

const MIB = 2 ** 20;
const TIMEOUT_MS = 300_000;
const CACHED = { data: "delalloc" };

interface Trip {
  readonly size: number;
  readonly mkfs?: OptionValues;
  readonly mount?: OptionValues;
  readonly first: readonly Operation[];
  readonly second: readonly Operation[];
}

/** Here, there, and here again. */
function roundTrip({ size, mkfs = {}, mount = {}, first, second }: Trip): void {
  const device = makeHere(size, mkfs);
  const ours = mountedHere(device, mount, (program) => {
    expectAllOk(first, playHere(program, first));
    return freezeTree(treeHere(program));
  });
  expectSound(device);
  withTempDirectory((directory) => {
    const file = path.join(directory, "image");
    writeImage(device, file);
    const theirs = withLoopMount(file, {}, (loop) => {
      expectSameTree(ours, treeOfDirectory(loop.directory));
      expectAllOk(second, playThere(loop.directory, second));
      return freezeTree(treeOfDirectory(loop.directory));
    });
    expectSound(file);
    const back = readImage(file);
    mountedHere(back, mount, (program) => {
      expectSameTree(theirs, treeHere(program));
      const third: Operation[] = [
        { op: "mkdir", path: "/third", mode: 0o755 },
        { op: "create", path: "/third/file", mode: 0o600 },
        { op: "write", file: "/third/file", pos: 0, length: 100_000, seed: 3 },
      ];
      expectAllOk(third, playHere(program, third));
    });
    expectSound(back);
  });
}

describe("an image made and filled here", () => {
  test.for<readonly [string, OptionValues, OptionValues]>([
    ["xip", {}, {}],
    ["delalloc", { data: "delalloc" }, {}],
    ["nodelalloc, first-fit", { data: "nodelalloc", alloc: "first-fit" }, {}],
    ["xip, own", { unwritten: "own" }, {}],
    ["1 KiB blocks, no checksums", CACHED, { blockSize: "1024", features: "^metadata_csum" }],
    ["2 KiB blocks, no journal", CACHED, { blockSize: "2048", features: "^has_journal" }],
    ["no extents, no 64bit", {}, { features: "^extent:^64bit" }],
    ["orphan_file, metadata_csum_seed", {}, { features: "orphan_file:metadata_csum_seed" }],
  ])(
    "trees, names, attributes, space: %s",
    { timeout: TIMEOUT_MS },
    ([, mount, mkfs], { skip }) => {
      expect(requireOracle(JUDGES, skip)).toBeNull();
      const blockSize = Number(mkfs["blockSize"] ?? 4096);
      // Without extents there is no space to hold without writing it.
      const hasExtents = !mkfs["features"]?.includes("^extent");
      const keep = ({ op }: Operation): boolean => hasExtents || op !== "fallocate";
      const first = smallShapes(blockSize).filter(keep);
      const second = changesShape(blockSize).filter(keep);
      roundTrip({ size: 128 * MIB, mkfs, mount, first, second });
    },
  );

  test("100,000 files in one directory", { timeout: TIMEOUT_MS }, ({ skip }) => {
    expect(requireOracle(JUDGES, skip)).toBeNull();
    const first = manyShape(100_000);
    const second: Operation[] = Array.from({ length: 2000 }, (_, index) => ({
      op: "rename",
      from: `/many/file-${index * 7 + 1}`,
      to: `/many/renamed-${index}`,
      flags: 0,
    }));
    roundTrip({ size: 256 * MIB, mkfs: { inodes: "110000" }, first, second });
  });

  test("a file of 50,000 extents", { timeout: TIMEOUT_MS }, ({ skip }) => {
    expect(requireOracle(JUDGES, skip)).toBeNull();
    const first = extentsShape(50_000, 4096);
    const second = changesOfExtents(50_000, 4096);
    roundTrip({ size: 512 * MIB, first, second });
  });
});

/** Fill some of the holes, give some blocks up, cut off the end. */
function changesOfExtents(count: number, blockSize: number): Operation[] {
  const file = "/extents";
  expect(count).toBeGreaterThan(1000);
  return [
    ...Array.from({ length: 300 }, (_, index): Operation => ({
      op: "write",
      file,
      pos: (index * 101 + 1) * blockSize,
      length: 2 * blockSize,
      seed: index,
    })),
    { op: "fallocate", file, mode: 3, pos: 40_000 * blockSize, length: 5000 * blockSize },
    { op: "truncate", file, size: 90_000 * blockSize + 1 },
  ];
}
