/**
 * Proven here, on `plain`: each workload does its work and reads back what it wrote under every sound
 * design; the negative controls give themselves away; the figures repeat exactly.
 */
import { plain } from "@xiplab/plain";
import { describe, expect, test } from "vitest";
import { type Design, designId, designsOf, isSound } from "./design.ts";
import { crc32 } from "node:zlib";
import { meterRun, timeRun } from "./measure.ts";
import { replayId, runJob } from "./run-job.ts";
import type { TreeEntry, TreeSnapshot } from "./tree-snapshot.ts";
import { WorkloadNames, type WorkloadOptions } from "./workload.ts";

const bytes = new Uint8Array(20_000).map((_, index) => 1 + (index % 251));
const entry = (path: string, over: Partial<TreeEntry>) =>
  ({
    path,
    mode: 0o644,
    sec: 1e9,
    nsec: 5,
    start: 0,
    length: 0,
    crc: 0,
    target: null,
    ...over,
  }) as TreeEntry;
const file = (path: string, start: number, length: number): TreeEntry =>
  entry(path, { kind: "file", start, length, crc: crc32(bytes.subarray(start, start + length)) });

const tree: TreeSnapshot = {
  summary: { directory: "/t", files: 3, directories: 1, symlinks: 1, bytes: 20_000, skipped: 0 },
  entries: [
    entry("d", { kind: "directory", mode: 0o755 }),
    file("d/long", 0, 19_000),
    file("empty", 0, 0),
    file("small", 19_000, 1000),
    entry("to", { kind: "symlink", target: "d/long" as TreeEntry["path"] }),
  ],
  bytes,
};
const options: WorkloadOptions = { seed: 3, quick: true, tree };
const designs = designsOf(["plain"], ["xip", "delalloc", "nodelalloc"]);
const design = (id: string): Design => {
  const found = designs.find((one) => designId(one) === id)!;
  return { ...found, personality: plain };
};
let ticks = 0;
const now = (): number => ++ticks;

describe.each(WorkloadNames)("%s", (workload) => {
  test.each(designs.filter(isSound).map(designId))("%s reads back what was written", (id) => {
    const result = meterRun(design(id), workload, options, ["dram", "optane"]);
    expect(result.failure).toBeNull();
    expect(result.verified).toBe(true);
    expect(result.ops).toBeGreaterThan(8);
    expect(result.transactions).toBeGreaterThan(0);
    expect(result.bytes.data).toBeGreaterThan(0);
    expect(result.media.map((one) => one.media)).toEqual(["dram", "optane"]);
    const [dram, optane] = result.media;
    expect(optane!.modelledNsPerOp.mean).toBeGreaterThan(dram!.modelledNsPerOp.mean);
    expect(dram!.modelledNsPerOp.p99).toBeGreaterThanOrEqual(dram!.modelledNsPerOp.p50);
  });

  test("the figures repeat exactly, and a timed run is the same run", () => {
    const one = meterRun(design("plain-zero"), workload, options, ["optane"]);
    expect(meterRun(design("plain-zero"), workload, options, ["optane"])).toEqual(one);
    const timed = timeRun(design("plain-zero"), workload, options, now);
    expect(timed.ops).toBe(one.ops);
    // The clock here goes on by one per question: once per chunk.
    expect(timed.chunksNs).toHaveLength(Math.floor(one.ops / 16) + 1);
  });
});

describe("negative controls", () => {
  test("none: what was written into preallocated blocks is not there, with no crash at all", () => {
    const result = meterRun(design("plain-none"), "log", options, ["dram"]);
    expect(result.verified).toBe(false);
    expect(result.failure).toMatch(/^\/log: byte \d+ is 0x00, expected/);
  });

  test("prewrite: old bytes of the medium stand around a partial block, with no crash", () => {
    const result = meterRun(design("plain-prewrite"), "log", options, ["dram"]);
    expect(result.failure).toMatch(/^\/log: byte \d+ is 0xa5, expected/);
  });
});

test("protocols pay for zeroing as their stories say", () => {
  const zeroing = (id: string, workload: "log" | "append-4k"): number =>
    meterRun(design(id), workload, options, ["dram"]).bytes.zeroing;
  // Whole blocks need no zeroing after the copy, and all of it before.
  expect(zeroing("plain-complete", "append-4k")).toBe(0);
  expect(zeroing("plain-zero", "append-4k")).toBe(400 * 4096);
  expect(zeroing("plain-zero", "log")).toBeGreaterThan(zeroing("plain-complete", "log"));
});

describe("power cuts", () => {
  const bounds = { exhaustiveStates: 8, linesMax: 2, prefixesMax: 1, samples: 1 };
  const crash = (id: string) => {
    const job = { kind: "crash", design: design(id), workload: "log", bounds } as const;
    const named = { ...job, design: { ...job.design, personality: "plain" } };
    const result = runJob(named, { personalities: [plain], options, now });
    return (result as typeof result & { kind: "crash" }).verdict;
  };

  test("a control is convicted, and its first state can be run again by its id", () => {
    const verdict = crash("plain-none");
    expect(verdict.lost).toBeGreaterThan(0);
    const explanation = replayId(verdict.firstId!, [plain], options);
    expect(explanation.text).toMatch(/lost/);
  });

  test("a sound design is not", () => {
    const { states, lost, stale, broken, firstId } = crash("plain-zero");
    expect(states).toBeGreaterThan(20);
    expect({ lost, stale, broken, firstId }).toEqual({
      lost: 0,
      stale: 0,
      broken: 0,
      firstId: null,
    });
  });

  test("what is no id is an option error", () => {
    expect(() => replayId("nonsense", [plain], options)).toThrow(/not the id of a crash state/);
  });
});
