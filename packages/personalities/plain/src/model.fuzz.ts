/**
 * Ten thousand generated operations on each data path and sound protocol, side by side with the
 * model; fewer on a device that is nearly full, and with caches so small that they always evict. On
 * a failure the message ends with a short sequence of operations: give it to `replay`.
 */
import { type CompareConfig, compareWithModel, SoundDataPaths } from "@xiplab/testkit";
import { describe, test } from "vitest";
import { plain } from "./index.ts";

const SEED = Number(process.env["SEED"] ?? 20_131_206);
const FEWER = 1500;

const SMALL_CACHES = { inodesMax: 4, cacheLimits: { foliosMax: 24, dirtyMax: 5 } };

const KINDS: readonly (readonly [string, Partial<CompareConfig>])[] = [
  ["ten thousand operations", { operations: 10_000 }],
  ["a device that is nearly full", { operations: FEWER, operationsPerRun: 500, fullDevice: true }],
  ["small caches", { operations: FEWER, operationsPerRun: 500, environment: SMALL_CACHES }],
];

describe("plain and the model agree", () => {
  for (const [index, { data, unwritten }] of SoundDataPaths.entries()) {
    const mountOptions: Record<string, string> =
      unwritten === undefined ? { data } : { data, unwritten };
    for (const [kind, config] of KINDS) {
      const seed = SEED + index;
      test(`${Object.values(mountOptions).join(" ")}, ${kind}, seed=${seed}`, () => {
        compareWithModel({ ...config, personality: plain, mountOptions, seed });
      });
    }
  }
});
