/**
 * Proves that names, attributes, access lists and attributes of files' own are on a mount what they
 * are on the kernel's ext4: one script (testing-names.ts) does the same on both, and says the same.
 * Nothing is left behind in the server.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { requireOracle } from "@xiplab/oracles";
import { expect, onTestFinished, test } from "vitest";
import { Mounted } from "./testing-programs.ts";

const NEEDS = ["fuse", "loop", "mount", "mkfs.ext4", "setfacl", "getfacl", "setfattr", "getfattr"];

/** What the script says of the file system that is mounted there. */
async function play(point: string): Promise<string[]> {
  const main = fileURLToPath(new URL("testing-names.ts", import.meta.url));
  const script = spawn(process.execPath, ["--no-warnings", main, point], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void script.kill("SIGKILL"));
  const pieces: Buffer[] = [];
  script.stdout.on("data", (piece: Buffer) => pieces.push(piece));
  const [status] = (await once(script, "close")) as [number | null];
  if (status !== 0) throw new Error(`the script ended with ${status}`);
  return Buffer.concat(pieces).toString("utf8").trimEnd().split("\n");
}

async function onKernel(): Promise<string[]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "xiplab-fuse-"));
  const point = path.join(folder, "mounted");
  const image = path.join(folder, "image");
  mkdirSync(point);
  onTestFinished(() => {
    spawnSync("umount", ["-l", point], { stdio: "ignore" });
    rmSync(folder, { recursive: true, force: true });
  });
  writeFileSync(image, "");
  truncateSync(image, 64 * 2 ** 20);
  for (const [program, ...args] of [
    ["mkfs.ext4", "-q", "-F", "-b", "4096", "-I", "256", image],
    ["mount", "-o", "loop", image, point],
  ] as const) {
    const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${program}: ${stderr}`);
  }
  return play(point);
}

test("names are as on the kernel's ext4", { timeout: 60_000 }, async ({ skip }) => {
  requireOracle(NEEDS, skip);
  const mounted = await new Mounted("ext4").ready();
  const ours = await play(mounted.directory);
  expect(ours.length).toBeGreaterThan(80);
  expect(ours).toEqual(await onKernel());
  expect(await mounted.finish()).toEqual({ openFiles: 0, referenced: 1, findings: [] });
});
