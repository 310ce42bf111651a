/**
 * Load on a mount for as long as one likes, and what it leaves: memory that does not grow, inodes and
 * blocks that are given back, no handle that stays. Used by soak.test.ts for seconds, and by
 * `pnpm soak` for an hour.
 */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Mounted } from "../harness/on-mount.ts";
import type { Random } from "../harness/random.ts";

export interface SoakOptions {
  readonly seconds: number;
  readonly processes: number;
  /** Between two looks at the memory of the server. */
  readonly sampleMs: number;
  readonly onSample?: (sample: Sample) => void;
}

export interface Sample {
  readonly seconds: number;
  /** Resident memory of the server, bytes. */
  readonly resident: number;
}

export interface SoakResult {
  readonly samples: readonly Sample[];
  /** Operations of all processes, by name. */
  readonly counts: Readonly<Record<string, number>>;
  /** In use before, and after everything was removed again. */
  readonly before: Usage;
  readonly after: Usage;
}

interface Usage {
  readonly inodes: number;
  readonly blocks: number;
}

const LOAD = fileURLToPath(new URL("load.ts", import.meta.url));
/** A load looks at its clock between operations, and compares all its files at the end. */
const GRACE_MS = 120_000;

/** @throws Error where a process found something wrong. */
export async function soak(
  mounted: Mounted,
  random: Random,
  options: SoakOptions,
): Promise<SoakResult> {
  const { seconds, processes, sampleMs } = options;
  const before = await usageOf(mounted);
  const places = Array.from({ length: processes }, (_, index) => mounted.path(`own-${index}`));
  await mounted.run("mkdir", ["shared", ...places]);
  const started = performance.now();
  const loads = places.map((place) =>
    mounted.start(
      process.execPath,
      [
        "--disable-warning=ExperimentalWarning",
        LOAD,
        place,
        mounted.path("shared"),
        String(random.below(2 ** 31)),
        String(seconds),
      ],
      { timeoutMs: seconds * 1000 + GRACE_MS },
    ),
  );
  const samples: Sample[] = [];
  const timer = setInterval(() => {
    const sample = {
      seconds: Math.round((performance.now() - started) / 1000),
      resident: residentBytes(mounted.serverPid),
    };
    samples.push(sample);
    options.onSample?.(sample);
  }, sampleMs);
  try {
    const outputs = await Promise.all(loads.map((load) => load.succeed()));
    const counts = sum(outputs.map((output) => JSON.parse(output) as Record<string, number>));
    await mounted.run("rm", ["-r", "shared", ...places]);
    return { samples, counts, before, after: await usageOf(mounted) };
  } finally {
    clearInterval(timer);
  }
}

/**
 * By how much the memory of the server grew after the first half: the most in the last quarter,
 * divided by the most in the second.
 */
export function growthOf(samples: readonly Sample[]): number {
  const quarter = Math.floor(samples.length / 4);
  const most = (part: readonly Sample[]): number =>
    Math.max(...part.map(({ resident }) => resident));
  return most(samples.slice(-quarter)) / most(samples.slice(quarter, 2 * quarter));
}

/** By another program: the process of the test never asks the mount anything. */
async function usageOf(mounted: Mounted): Promise<Usage> {
  await mounted.run("sync", ["-f", "."]);
  const [files, free, blocks, blocksFree] = (
    await mounted.run("stat", ["-f", "-c", "%c %d %b %f", "."])
  )
    .trim()
    .split(" ")
    .map(Number);
  return { inodes: files! - free!, blocks: blocks! - blocksFree! };
}

function residentBytes(pid: number): number {
  const status = fs.readFileSync(path.join("/proc", String(pid), "status"), "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

function sum(all: ReadonlyArray<Record<string, number>>): Record<string, number> {
  const total: Record<string, number> = {};
  for (const counts of all) {
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}
