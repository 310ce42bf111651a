/**
 * Generated operations on a mounted design and on the model, side by side. Each result must be the
 * same, value or error code; at intervals, after every remount and at the end the whole tree; and
 * after every unmount the design's own fsck must be content.
 *
 * A failure is shrunk to a short sequence and printed in a form that `replay` takes.
 */
import * as fc from "fast-check";
import { type OptionValues, type Personality, Pmem, type PmemDevice } from "@xiplab/core";
import { OperationsArbitrary } from "../generate/arbitrary.ts";
import type { GeneratorConfig } from "../generate/draw.ts";
import { DEFAULT_CONFIG } from "../generate/generator.ts";
import type { Operation } from "../operations.ts";
import { Volume, type VolumeConfig } from "../volume.ts";
import { Disagreement, FullPair, limitsOf, Pair, ROOM_BLOCKS } from "./pair.ts";
import { printOperation, printOperations } from "./results.ts";

export interface CompareConfig {
  readonly personality: Personality;
  readonly mountOptions?: OptionValues;
  readonly mkfsOptions?: OptionValues;
  /** Small limits of inode and page cache make every run evict and write back. */
  readonly environment?: NonNullable<VolumeConfig["environment"]>;
  readonly seed: number;
  /** Operations in all. Default 10,000. */
  readonly operations?: number;
  /** Operations on one file system, before a new one is made. Default 1,000. */
  readonly operationsPerRun?: number;
  /** Bytes. Default 16 MiB. */
  readonly deviceSize?: number;
  /** Operations between two looks at the whole tree. Default 50. */
  readonly treeEvery?: number;
  /** Milliseconds to look for a shorter sequence after a failure. Default 20,000. */
  readonly shrinkMs?: number;
  /** The device is too full for what is drawn: see `FullPair`. Default false. */
  readonly fullDevice?: boolean;
  /** Before every remount, see what a power cut would leave: mount must mend it. False for images
   * that need their fsck then. Default true. */
  readonly cutsPower?: boolean;
  /** What is drawn. */
  readonly generator?: Partial<GeneratorConfig>;
}

const OPERATIONS = 10_000;
const OPERATIONS_PER_RUN = 1000;
const DEVICE_SIZE = 16 * 1024 * 1024;
const TREE_EVERY = 50;
const SHRINK_MS = 20_000;
const REGIONS_EVERY = 3;

interface Failure {
  readonly at: number;
  readonly idle: ReadonlySet<number>;
  readonly message: string;
}

/**
 * Throws where the design and the model disagree, with the shortest sequence found; prints nothing.
 * Returns what the run was, for a test to print.
 */
export function compareWithModel(config: CompareConfig): string {
  const { seed, operations = OPERATIONS, operationsPerRun = OPERATIONS_PER_RUN } = config;
  const length = Math.min(operations, operationsPerRun);
  const arbitrary = new OperationsArbitrary(
    length,
    generatorConfig(config),
    config.shrinkMs ?? SHRINK_MS,
  );
  let message = "";
  // One device for all runs: its memory is what costs.
  const device = new Pmem(config.deviceSize ?? DEVICE_SIZE);
  const property = fc.property(arbitrary, (sequence) => {
    const every = arbitrary.isShrinking ? Infinity : (config.treeEvery ?? TREE_EVERY);
    const failure = compareOnce(config, device, sequence, every);
    if (failure === null) return;
    arbitrary.failure ??= failure;
    message = failure.message;
    throw new Error(failure.message);
  });
  const details = fc.check(property, { seed, numRuns: Math.ceil(operations / length) });
  const what = describeRun(config);
  if (!details.failed) return `${what}: ${details.numRuns} runs of ${length} operations agree`;
  // The last failure that fast-check saw may be that of a longer sequence: run the shortest again.
  const shortest = details.counterexample?.[0] ?? [];
  message = compareOnce(config, device, shortest, Infinity)?.message ?? message;
  throw new Error(`${what}: ${message}\nreplay these operations:\n${printOperations(shortest)}`);
}

/** Run a sequence as a failure printed it. @throws Error where design and model disagree */
export function replay(
  config: Omit<CompareConfig, "seed">,
  operations: readonly Operation[],
): void {
  const device = new Pmem(config.deviceSize ?? DEVICE_SIZE);
  const failure = compareOnce({ ...config, seed: 0 }, device, operations, 1);
  if (failure !== null) throw new Error(failure.message);
}

function describeRun(config: CompareConfig): string {
  const options = Object.entries(config.mountOptions ?? {}).map(
    ([name, value]) => `${name}=${value}`,
  );
  const words = [
    config.personality.name,
    ...options,
    ...(config.fullDevice ? ["full device"] : []),
  ];
  return `${words.join(" ")} seed=${config.seed}`;
}

function generatorConfig(config: CompareConfig): GeneratorConfig {
  const volume = Volume.make(volumeConfig(config));
  const limits = limitsOf(volume);
  const { capabilities } = config.personality;
  const mapSync = (config.mountOptions?.["data"] ?? "xip") === "xip";
  const ofDevice = config.fullDevice === true ? FULL_DEVICE : {};
  return { ...DEFAULT_CONFIG, capabilities, limits, mapSync, ...ofDevice, ...config.generator };
}

/** More than there is, so that it runs out all the time. */
const FULL_DEVICE: Partial<GeneratorConfig> = {
  pagesMax: ROOM_BLOCKS * 3,
  nodesMax: 80,
  rootOnly: true,
};

const volumeConfig = (config: CompareConfig): VolumeConfig => ({
  deviceSize: DEVICE_SIZE,
  ...config,
});

function compareOnce(
  config: CompareConfig,
  device: PmemDevice,
  operations: readonly Operation[],
  treeEvery: number,
): Failure | null {
  const idle = new Set<number>();
  let at = 0;
  try {
    const volume = Volume.make(volumeConfig(config), device);
    const { cutsPower = true, fullDevice = false } = config;
    const pair = fullDevice ? new FullPair(volume, cutsPower) : new Pair(volume, cutsPower);
    for (; at < operations.length; at++) {
      const result = pair.step(operations[at]!, at);
      if ("error" in result) idle.add(at);
      if ((at + 1) % treeEvery === 0) pair.compareTrees();
      else if (at % REGIONS_EVERY === 0) pair.compareRegions();
    }
    at = operations.length - 1;
    pair.finish();
  } catch (error) {
    // Whatever is thrown is the finding: an assertion of the design under test too.
    const reason = error instanceof Disagreement ? error.message : stackOf(error);
    const operation = operations[at];
    const where = operation === undefined ? "mkfs" : `operation ${at} ${printOperation(operation)}`;
    return { at, idle, message: `after ${where}:\n${reason}` };
  }
  return null;
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);
