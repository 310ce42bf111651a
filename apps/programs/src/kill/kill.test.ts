/**
 * kill -9 of the server at random instants under a mixed load with fsync. After each: the field's fsck
 * recovers a copy and finds nothing else, our own mount recovers the image, and everything that was
 * acknowledged by fsync is there (record.ts, ledger.ts); then the same image is mounted again.
 */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createFs } from "@xiplab/node-fs";
import { mount, openHostFile } from "@xiplab/core";
import { expect, test } from "vitest";
import type { Design } from "../harness/designs.ts";
import { isFull, type Mounted, onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";
import { Random } from "../harness/random.ts";
import type { Running } from "../harness/running.ts";
import { Ledger } from "./ledger.ts";
import type { Line } from "./record.ts";

const SEED = 20_260_401;
const LOADS = 3;
const ROUNDS = 100;
/** plain makes every change durable at once: there is less to lose. */
const ROUNDS_DURABLE = 15;
const ROUNDS_FULL = 1000;
/** The server dies so many milliseconds after the loads began, at the latest. */
const LATEST_MS = 60;
const IMAGE_BYTES = 48 * 2 ** 20;
const LOAD = fileURLToPath(new URL("load.ts", import.meta.url));

test.for(testDesigns)("kill -9 of the server on $name", TEST_LIMITS, async (design, { skip }) => {
  console.log(`seed=${SEED}`);
  const random = new Random(SEED);
  const isDurable = design.personality.capabilities.synchronousMetadata === true;
  const rounds = isFull ? ROUNDS_FULL : isDurable ? ROUNDS_DURABLE : ROUNDS;
  let acknowledged = 0;
  await onMount(design, { needs: [], skip, sizeBytes: IMAGE_BYTES }, async (mounted) => {
    for (let round = 0; round < rounds; round++) {
      const directory = `round-${round}`;
      const ledgers = await killedUnderLoad(mounted, directory, random);
      expect(complaints(design.judgeCrash, mounted), `round ${round}`).toBe("");
      expect(judgeImage(mounted, directory, ledgers), `round ${round}`).toEqual([]);
      expect(complaints(design.judge, mounted), `round ${round}, recovered here`).toBe("");
      acknowledged += ledgers.reduce((sum, ledger) => sum + ledger.acknowledged, 0);
      await mounted.mount();
    }
  });
  console.log(`${design.name}: ${rounds} kills, ${acknowledged} acknowledged steps kept`);
  expect(acknowledged).toBeGreaterThan(rounds * LOADS);
});

/** What the field's fsck has against the image; nothing where there is none. */
function complaints(judge: Design["judge"], mounted: Mounted): string {
  if (judge === null) return "";
  const { clean, output } = judge(mounted.image);
  return clean ? "" : output;
}

/** Start the loads, and kill the server somewhere in the middle. What each load was promised. */
async function killedUnderLoad(
  mounted: Mounted,
  directory: string,
  random: Random,
): Promise<Ledger[]> {
  const places = Array.from({ length: LOADS }, (_, index) => path.join(directory, `${index}`));
  await mounted.run("mkdir", ["-p", ...places]);
  const loads = places.map((place) =>
    mounted.start(process.execPath, [LOAD, mounted.path(place), String(random.below(2 ** 31))]),
  );
  await Promise.all(loads.map((load) => load.until((stdout) => stdout.includes("\n"))));
  const instant = random.below(LATEST_MS * 1000) / 1000;
  await new Promise((resolve) => setTimeout(resolve, instant));
  expect(loads.filter(({ isRunning }) => !isRunning).length, "loads that ended by themselves").toBe(
    0,
  );
  await mounted.killServer();
  return Promise.all(loads.map(ledgerOf));
}

async function ledgerOf(load: Running): Promise<Ledger> {
  const ledger = new Ledger();
  const stdout = await load.succeed();
  for (const line of stdout.split("\n").slice(0, -1)) ledger.take(JSON.parse(line) as Line);
  return ledger;
}

/** Recover the image by mounting it here, and compare it with what was promised. Makes room then. */
function judgeImage(mounted: Mounted, directory: string, ledgers: readonly Ledger[]): string[] {
  const host = openHostFile(fs, mounted.image);
  const vfs = mount(mounted.design.personality, host.device);
  try {
    const reader = createFs(vfs);
    const wrong = ledgers.flatMap((ledger, index) =>
      ledger.judge(reader, `/${directory}/${index}`).map((what) => `load ${index}: ${what}`),
    );
    if (wrong.length === 0) reader.rmSync(`/${directory}`, { recursive: true });
    return wrong;
  } finally {
    vfs.unmount();
    host.close();
  }
}
