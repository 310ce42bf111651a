/**
 * Crash states of ext4 before the judges from outside: what we leave at a power cut is recovered by
 * e2fsck and by the Linux kernel to a legal state, and is clean for e2fsck then.
 *
 * The states are a sample of those that the explorer tries, spread evenly over the whole run. ext4
 * relies on sectors that are written whole; memory tears at 8 bytes. Where a superblock or a group
 * descriptor is torn between two fences, so that its checksum does not hold, our mount recovers
 * (ext4-sound.test.ts), and the kernel refuses: such states are counted, and left out, and there must
 * be few.
 */
import { type DataPathName, mount, type Name, type Pmem, SoundProtocols, Task } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import {
  e2fsck,
  readImage,
  requireOracle,
  run,
  withLoopMount,
  withTempDirectory,
  writeImage,
} from "@xiplab/oracles";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CrashSample, sampleCrash } from "./sample.ts";
import { CaseNames, Cases } from "./testing-cases.ts";
import type { CrashCase } from "./types.ts";

/** For each write protocol; XIPLAB_STATES=500 takes ten minutes and is what a release is judged by. */
const STATES_XIP = Number(process.env["XIPLAB_STATES"] ?? 150);
/** For the page cache, which goes through the same transactions. */
const STATES_DELALLOC = 50;
const TIMEOUT_MS = 1_800_000;
/** Of the states, at most this part may have a torn superblock. */
const TORN_SHARE_MAX = 0.05;

const designs: Array<readonly [unwritten: string, data: DataPathName]> = [
  ...SoundProtocols.map((protocol) => [protocol, "xip"] as const),
  ["-", "delalloc"],
];

const casesOf = (unwritten: string, data: DataPathName): CrashCase[] =>
  CaseNames.map((name) => ({
    ...Cases[name],
    name,
    personality: ext4,
    mountOptions: data === "xip" ? { data, unwritten } : { data },
    deviceSize: ext4.deviceSizeMin,
  }));

describe("crash states recovered by others", () => {
  it.each(designs)(
    "%s %s: by e2fsck, and by the kernel",
    { timeout: TIMEOUT_MS },
    (unwritten, data) => {
      requireOracle(["e2fsck", "loop"]);
      const wanted = data === "xip" ? STATES_XIP : STATES_DELALLOC;
      let states = 0;
      let torn = 0;
      withTempDirectory((directory) => {
        for (const crashCase of casesOf(unwritten, data)) {
          sampleCrash(crashCase, Math.ceil(wanted / CaseNames.length), (sample) => {
            states++;
            if (isTorn(directory, sample)) torn++;
            else recoverByOthers(directory, sample);
          });
        }
      });
      expect(states).toBeGreaterThanOrEqual(wanted);
      expect(torn).toBeLessThanOrEqual(states * TORN_SHARE_MAX);
    },
  );
});

/** Checksums of what is read before the log is. Nothing is changed. */
const TORN =
  /superblock checksum does not match|Journal superblock is corrupt|group descriptor.* checksum/i;

function isTorn(directory: string, { image }: CrashSample): boolean {
  const file = join(directory, "crashed");
  writeImage(image, file);
  return TORN.test(run("e2fsck", ["-fn", file]).output);
}

function recoverByOthers(directory: string, { id, image, judge }: CrashSample): void {
  const byFsck = join(directory, "by-fsck");
  writeImage(image, byFsck);
  const { output, status } = run("e2fsck", ["-fy", byFsck]);
  expect(status, `${id}: ${output}`).toBeLessThanOrEqual(1);
  expectLegal(id, byFsck, judge);

  const byKernel = join(directory, "by-kernel");
  writeImage(image, byKernel);
  withLoopMount(byKernel, {}, () => undefined);
  expectLegal(id, byKernel, judge);
}

function expectLegal(id: string, file: string, judge: CrashSample["judge"]): void {
  const { clean, output } = e2fsck(file);
  expect(clean, `${id}: ${output}`).toBe(true);
  const recovered = readImage(file);
  removeLostFound(recovered);
  expect(judge(recovered), id).toEqual([]);
}

/** The cases begin without lost+found; e2fsck makes it again. */
function removeLostFound(device: Pmem): void {
  const vfs = mount(ext4, device, { noatime: "1" });
  const task = new Task(vfs);
  if (task.readdir("/" as Name).includes("lost+found" as Name)) task.rmdir("/lost+found" as Name);
  vfs.unmount();
}
