/** For the tests with the kernel: images as files and as devices, trees on both sides, operations. */
import {
  mkfs,
  mount,
  type OptionValues,
  Pmem,
  type PmemDevice,
  type Timespec,
  type Vfs,
} from "@xiplab/core";
import { e2fsck, treeOfDirectory, withLoopMount } from "@xiplab/oracles";
import {
  applyOperation,
  diffTrees,
  freezeTree,
  ManualClock,
  type Operation,
  Program,
  type Tree,
  treeOfMount,
} from "@xiplab/testkit";
import { playInKernel } from "@xiplab/testkit/kernel";
import { expect } from "vitest";
import { ext4 } from "../index.ts";

export const JUDGES = ["mkfs.ext4", "e2fsck", "debugfs", "dumpe2fs", "loop"];

/** Noon, 1 November 2026, and then a little later with each operation. */
const START: Timespec = { sec: 1_793_534_400, nsec: 0 };

/** An empty image of ours. */
export function makeHere(size: number, options: OptionValues = {}): Pmem {
  const device = new Pmem(size);
  mkfs(ext4, device, { uuid: "6b1d3a4e-0c55-4ef4-9d2e-3c8f0a7712e5", ...options }, clockAt(START));
  return device;
}

const clockAt = (time: Timespec): { clock: ManualClock } => {
  const clock = new ManualClock();
  clock.time = { ...time };
  return { clock };
};

/** The time of each mount, which goes on with its operations. */
const clocks = new WeakMap<Program, ManualClock>();

/** Mount the device here for the time of `body`; unmounts. */
export function mountedHere<T>(
  device: PmemDevice,
  options: OptionValues,
  body: (program: Program, vfs: Vfs) => T,
): T {
  const environment = clockAt(START);
  const vfs = mount(ext4, device, options, environment);
  const program = new Program(vfs);
  clocks.set(program, environment.clock);
  const value = body(program, vfs);
  program.exit();
  vfs.unmount();
  return value;
}

/** Do the operations here: the outcome of each, "ok" or an error code. */
export function playHere(program: Program, operations: readonly Operation[]): string[] {
  const clock = clocks.get(program) ?? new ManualClock();
  return operations.map((operation) => {
    clock.time = { sec: clock.time.sec, nsec: (clock.time.nsec + 1000) % 1_000_000_000 };
    const result = applyOperation(program, operation);
    return "error" in result ? result.error : "ok";
  });
}

/** Do the operations in a directory of the kernel. */
export const playThere = playInKernel;

export const treeHere = (program: Program): Tree => treeOfMount(program.task);

/** The tree of an image as the kernel sees it; contents are read now. */
export function treeThere(file: string, options: string): Tree {
  return withLoopMount(file, { options }, ({ directory }) =>
    freezeTree(treeOfDirectory(directory)),
  );
}

/** Names, attributes, times, extended attributes and contents are the same. */
export function expectSameTree(expected: Tree, found: Tree, times = true): void {
  expect(expected.size).toBeGreaterThan(2);
  expect(diffTrees(expected, found, { times })).toBeNull();
}

/** e2fsck has no complaint, and neither has our own check. */
export function expectSound(image: string | PmemDevice): void {
  const { clean, output } = e2fsck(image);
  expect(clean ? "clean" : output).toBe("clean");
  if (typeof image === "string") return;
  expect(ext4.check(image)).toMatchObject({ findings: [], clean: true });
}

/** Operations of which none may fail. */
export function expectAllOk(operations: readonly Operation[], outcomes: readonly string[]): void {
  expect(outcomes.length).toBe(operations.length);
  const failed = outcomes.findIndex((outcome) => outcome !== "ok");
  const what = failed < 0 ? "" : `${JSON.stringify(operations[failed])}: ${outcomes[failed]}`;
  expect(what).toBe("");
}

/** The same operations were done, and the same refused with the same codes. */
export function expectSameOutcomes(
  operations: readonly Operation[],
  expected: readonly string[],
  found: readonly string[],
): void {
  const differing = expected.findIndex((outcome, index) => outcome !== found[index]);
  const operation = JSON.stringify(operations[differing]);
  const what = `${operation}: ${expected[differing]} there, ${found[differing]} here`;
  expect(differing < 0 ? "" : what).toBe("");
}
