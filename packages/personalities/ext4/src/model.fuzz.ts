/**
 * Ten thousand generated operations on each data path and sound protocol, side by side with the
 * model; fewer on a device that is nearly full, and with caches so small that they always evict. At
 * every unmount both our check and e2fsck must be content. On a failure the message ends with a short
 * sequence of operations: give it to `replay`.
 */
import type { OptionValues, Personality } from "@xiplab/core";
import { e2fsck, requireOracle } from "@xiplab/oracles";
import { type CompareConfig, compareWithModel, SoundDataPaths } from "@xiplab/testkit";
import { describe, test } from "vitest";
import { ext4 } from "./index.ts";

const SEED = Number(process.env["SEED"] ?? 20_131_206);
const FEWER = 1500;
const MIB = 1024 * 1024;

const SMALL_CACHES = { inodesMax: 4, cacheLimits: { foliosMax: 24, dirtyMax: 5 } };

const KINDS: readonly (readonly [string, Partial<CompareConfig>])[] = [
  ["ten thousand operations", { operations: 10_000, deviceSize: 24 * MIB }],
  [
    "a device that is nearly full",
    { operations: FEWER, operationsPerRun: 500, fullDevice: true, deviceSize: 8 * MIB },
  ],
  [
    "small caches",
    { operations: FEWER, operationsPerRun: 500, environment: SMALL_CACHES, deviceSize: 24 * MIB },
  ],
];

/** Files of block pointers have no unwritten state, as in the kernel. */
const WITHOUT_EXTENTS: NonNullable<CompareConfig["generator"]> = { exclude: ["fallocate"] };

/** ext4, with e2fsck as a second opinion at every check. */
const judged: Personality = {
  ...ext4,
  check(device) {
    const report = ext4.check(device);
    if (report.findings.length > 0) return report;
    const { clean, output } = e2fsck(device);
    if (clean) return report;
    const finding = {
      structure: "e2fsck",
      at: 0,
      field: "output",
      found: output,
      expected: "clean",
    };
    return { ...report, findings: [finding] };
  },
};

/** Images of other features than mkfs chooses, mounted with these options. */
const VARIANTS: readonly (readonly [OptionValues, OptionValues, Partial<CompareConfig>?])[] = [
  [{ features: "^metadata_csum" }, {}],
  [{ features: "^metadata_csum:uninit_bg" }, {}],
  [{ features: "^64bit" }, {}],
  [{ features: "metadata_csum_seed" }, {}],
  [{ features: "orphan_file" }, {}],
  [{ features: "^flex_bg:^resize_inode" }, {}],
  [{ features: "^dir_index:^filetype" }, {}],
  [{ features: "^huge_file:^dir_nlink:^large_file" }, {}],
  [{ features: "project", inodeSize: "512" }, {}],
  [{ inodeSize: "128" }, {}],
  [{ blockSize: "1024" }, { data: "delalloc" }],
  [{ blockSize: "2048" }, { data: "nodelalloc" }],
  [{}, { alloc: "first-fit" }],
  [{ features: "^extent:^64bit" }, { unwritten: "zero" }, { generator: WITHOUT_EXTENTS }],
  [{ features: "^extent:^64bit" }, { data: "delalloc" }, { generator: WITHOUT_EXTENTS }],
  // Without a journal a power cut leaves what needs e2fsck.
  [{ features: "^has_journal" }, {}, { cutsPower: false }],
];

describe("ext4 and the model agree on every kind of image", () => {
  for (const [index, [mkfsOptions, mountOptions, more]] of VARIANTS.entries()) {
    const seed = SEED + 100 + index;
    const what = [...Object.values(mkfsOptions), ...Object.values(mountOptions)].join(", ");
    test(`${what}, seed=${seed}`, ({ skip }) => {
      requireOracle(["e2fsck"], skip);
      const sizes = { operations: FEWER, operationsPerRun: 500, deviceSize: 32 * MIB };
      compareWithModel({ personality: judged, mkfsOptions, mountOptions, seed, ...sizes, ...more });
    });
  }
});

describe("ext4 and the model agree", () => {
  for (const [index, { data, unwritten }] of SoundDataPaths.entries()) {
    const mountOptions: Record<string, string> =
      unwritten === undefined ? { data } : { data, unwritten };
    for (const [kind, config] of KINDS) {
      const seed = SEED + index;
      test(`${Object.values(mountOptions).join(" ")}, ${kind}, seed=${seed}`, ({ skip }) => {
        requireOracle(["e2fsck"], skip);
        compareWithModel({ ...config, personality: judged, mountOptions, seed });
      });
    }
  }
});
