/**
 * Random operations from several processes on one mount, as fsstress makes them, each checking what it
 * gets: see load.ts. Short here; `XIPLAB_PROGRAMS=full` makes it an hour with 8 processes.
 */
import { expect, test } from "vitest";
import { isFull, onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";
import { Random } from "../harness/random.ts";
import { growthOf, soak } from "./soak.ts";

const SEED = 20_260_402;
const MIB = 2 ** 20;
const LIMITS = isFull ? { timeout: 7_200_000 } : TEST_LIMITS;
const SHORT = { seconds: 8, processes: 3, sampleMs: 500 };
const FULL = { seconds: 3600, processes: 8, sampleMs: 10_000 };
/** Of resident memory, after a quarter of the time: what a garbage collector may take more. */
const GROWTH_MAX = 1.15;

test.for(testDesigns)("soak on $name", LIMITS, async (design, { skip }) => {
  console.log(`seed=${SEED}`);
  await onMount(design, { needs: [], skip }, async (mounted) => {
    const { samples, counts, before, after } = await soak(mounted, new Random(SEED), {
      ...(isFull ? FULL : SHORT),
      onSample: ({ seconds, resident }) => {
        if (isFull) console.log(`${seconds} s: ${Math.round(resident / MIB)} MiB resident`);
      },
    });
    const operations = Object.values(counts).reduce((total, count) => total + count, 0);
    console.log(`${design.name}: ${operations} operations, ${JSON.stringify(counts)}`);
    expect(operations).toBeGreaterThan(1000);
    // A directory that grew keeps its blocks; the root is the only one that stays.
    expect(after.inodes).toBe(before.inodes);
    expect(after.blocks - before.blocks).toBeLessThanOrEqual(2);
    // In seconds nothing has warmed up: the figure means something after minutes.
    expect(isFull ? growthOf(samples) : 0).toBeLessThan(GROWTH_MAX);
  });
});
