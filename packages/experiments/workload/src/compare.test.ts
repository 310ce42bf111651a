/**
 * Proven here: results of jobs become rows, one per medium, in the plan's order; a disturbed round
 * does not show; every row has what the JSON form promises.
 */
import { expect, test } from "vitest";
import { comparePlan, undisturbedNs, zeroingShare } from "./compare.ts";
import { designsOf } from "./design.ts";
import type { Job, JobResult, MeterResult, Plan } from "./jobs.ts";

const plan: Plan = {
  designs: designsOf(["plain"], ["xip", "delalloc"], ["none", "zero"]),
  workloads: ["log", "mmap"],
  media: ["dram", "cxl"],
  quick: true,
  crash: true,
};

const METERED: Omit<MeterResult, "media"> = {
  kind: "meter",
  ops: 4,
  bytes: { data: 30, metadata: 50, journal: 0, zeroing: 20, checkpoint: 0 },
  stores: 1,
  flushes: 2,
  fences: 3,
  transactions: 4,
  extentsPerFile: 1,
  spaceUsed: 4096,
  verified: true,
  failure: null,
};

/** Every job succeeds; the wall time tells the round. */
async function pretend(job: Job): Promise<JobResult> {
  if (job.kind === "time") return { kind: "time", ops: 4, chunksNs: [100 + job.round, 300] };
  if (job.kind === "crash") {
    const counts = { states: 9, lost: 0, stale: 0, broken: 0, points: 3, pointsBounded: 1 };
    return { kind: "crash", verdict: { ...counts, firstId: null } };
  }
  const modelledNsPerOp = { p50: 1, p99: 2, mean: 1 };
  const media = job.media.map((name) => ({
    media: name,
    modelledNsPerOp,
    mediaWriteAmplification: 1,
  }));
  return { ...METERED, media };
}

test("one row per workload, design and medium, in order", async () => {
  const seen: string[] = [];
  let last: readonly [number, number] = [0, 0];
  const rows = await comparePlan(plan, {
    time: pretend,
    study: async (job) => {
      seen.push(job.kind);
      return pretend(job);
    },
    onProgress: (done, total) => {
      last = [done, total];
    },
  });
  const key = (row: (typeof rows)[number]): string =>
    `${row.workload} ${row.unwritten} ${row.data} ${row.media} ${row.sound}`;
  expect(rows.slice(0, 6).map(key)).toEqual([
    "log none xip dram false",
    "log none xip cxl false",
    "log zero xip dram true",
    "log zero xip cxl true",
    "log writeback delalloc dram true",
    "log writeback delalloc cxl true",
  ]);
  expect(rows).toHaveLength(12);
  expect(rows[0]).toMatchObject({ wallNsPerOp: 100, zeroingShare: 0.2, controlExpected: true });
  expect(rows[6]!.controlExpected).toBe(false);
  expect(rows[0]!.crash?.states).toBe(9);
  expect(seen).not.toContain("time");
  expect(last[0]).toBe(last[1]);
});

test("a job that fails says which it was", async () => {
  const fail = async (): Promise<JobResult> => {
    throw new Error("out of luck");
  };
  await expect(comparePlan(plan, { time: fail, study: pretend })).rejects.toThrow(
    "time of plain-none under log: out of luck",
  );
});

test("power cuts that were left out are null, not clean", async () => {
  const hooks = { time: pretend, study: pretend };
  const rows = await comparePlan({ ...plan, crash: false }, hooks);
  expect(rows.every((row) => row.crash === null)).toBe(true);
});

test("a round that was disturbed in one place counts in the others", () => {
  const round = (chunksNs: number[]) => ({ kind: "time", ops: 3, chunksNs }) as const;
  expect(undisturbedNs([round([10, 900, 10]), round([800, 20, 10]), round([10, 20, 700])])).toBe(
    40,
  );
});

test("the zeroing share of nothing is 0", () => {
  const nothing = { data: 0, metadata: 0, journal: 0, zeroing: 0, checkpoint: 0 };
  expect(zeroingShare(nothing)).toBe(0);
  expect(zeroingShare({ ...nothing, data: 3, zeroing: 1 })).toBe(0.25);
});
