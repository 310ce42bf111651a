/**
 * Holds check against e2fsck: images that the kernel filled, and the same with one field changed.
 *
 * Proven: where e2fsck -fn is content with what the kernel made, so is check; wherever e2fsck -fn
 * complains about a changed field, check has a finding; and no change makes check throw. What check
 * finds beyond that is allowed: it looks at more.
 *
 * The images are 8 MiB, so that e2fsck takes 10 ms. XIPLAB_SWEEP=n tries n changes per image instead of a sample.
 */
import fs from "node:fs";
import { describeCorruption, type PmemDevice } from "@xiplab/core";
import { e2fsck, readImage, requireOracle, withTempDirectory } from "@xiplab/oracles";
import { expect, test } from "vitest";
import { check } from "./index.ts";
import { makeRichImage, RICH_NEEDS, type RichOptions } from "./testing/rich-image.ts";
import { emptyResult, sweep } from "./testing/sweep.ts";

const MIB = 1024 * 1024;
const SWEEP = Number(process.env["XIPLAB_SWEEP"] ?? 60);

const images: Array<readonly [name: string, options: RichOptions]> = [
  [
    "the defaults, trees of two levels, four groups",
    { size: 8 * MIB, mkfs: ["-b", "1024", "-g", "2048"], names: 700, extents: 420 },
  ],
  ["blocks of 4 KiB", { size: 8 * MIB, mkfs: ["-b", "4096"], names: 200, extents: 12 }],
  [
    "indirect blocks, small inodes, no checksums",
    {
      size: 8 * MIB,
      mkfs: ["-b", "1024", "-O", "^extent,^64bit,^metadata_csum", "-I", "128"],
      names: 200,
      extents: 300,
    },
  ],
  [
    "orphan file, own seed, blocks of 2 KiB",
    {
      size: 8 * MIB,
      mkfs: ["-b", "2048", "-O", "orphan_file,metadata_csum_seed,^resize_inode"],
      names: 200,
      extents: 200,
    },
  ],
  [
    "as of 2005",
    {
      size: 8 * MIB,
      mkfs: [
        "-b",
        "1024",
        "-O",
        "uninit_bg,^metadata_csum,^flex_bg,^extent,^64bit,^dir_index,^filetype,^has_journal,^huge_file",
      ],
      names: 20,
      extents: 20,
    },
  ],
];

test.for(images)("as e2fsck: %s", ([, options], { skip }) => {
  requireOracle(RICH_NEEDS, skip);
  withTempDirectory((directory) => {
    const path = `${directory}/image`;
    makeRichImage(path, options);
    expect(e2fsck(path)).toMatchObject({ clean: true });
    const device = readImage(path);
    const report = check(device);
    expect(report.findings.map(describeCorruption)).toEqual([]);
    expect(report.clean).toBe(true);
    const fd = fs.openSync(path, "r+");
    try {
      const write = (at: number, bytes: Uint8Array): void => {
        fs.writeSync(fd, bytes, 0, bytes.length, at);
      };
      const result = emptyResult();
      const seed = options.names + options.extents;
      sweep(device, { path, write }, SWEEP, seed, result);
      const { count, both, neither, missed, extra } = result;
      const only = `check alone ${extra.length}, e2fsck alone ${missed.length}`;
      console.log(`seed=${seed}, ${count} changes: both ${both}, neither ${neither}, ${only}`);
      console.log(`one check of ${report.inodesUsed} inodes: ${msPerCheck(device)} ms`);
      if (process.env["XIPLAB_SWEEP"] !== undefined) console.log(extra.join("\n"));
      expect(missed).toEqual([]);
      expect(both).toBeGreaterThan(count / 10);
      expect(check(device).findings).toEqual([]);
    } finally {
      fs.closeSync(fd);
    }
  });
});

/** The median of some, after as many to warm up. */
function msPerCheck(device: PmemDevice): string {
  const times = Array.from({ length: 40 }, () => {
    const start = performance.now();
    check(device);
    return performance.now() - start;
  });
  return times
    .slice(20)
    .sort((a, b) => a - b)[10]!
    .toFixed(2);
}
