/**
 * Proves that names, attributes, access lists and attributes of files' own are on a mount what they
 * are on the kernel's ext4: one script (names-script.ts) does the same on both, and says the
 * same. Nothing is left behind in the server.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { requireOracle } from "@xiplab/oracles";
import { expect, onTestFinished, test } from "vitest";

const NEEDS = ["fuse", "loop", "mount", "mkfs.ext4", "setfacl", "getfacl", "setfattr", "getfattr"];
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** A folder of the test's own, and a mount point in it, which is released in the end. */
function place(): { folder: string; point: string } {
  const folder = mkdtempSync(path.join(os.tmpdir(), "xiplab-fuse-"));
  const point = path.join(folder, "mounted");
  mkdirSync(point);
  onTestFinished(() => {
    spawnSync("umount", ["-l", point], { stdio: "ignore" });
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, point };
}

/** What the script says of the file system that is mounted there. */
async function play(point: string): Promise<string[]> {
  const script = spawn(process.execPath, ["--no-warnings", here("names-script.ts"), point], {
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
  const { folder, point } = place();
  const image = path.join(folder, "image");
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

test(
  "what is done with names comes out as on the kernel's ext4",
  { timeout: 60_000 },
  async (c) => {
    requireOracle(NEEDS, c.skip);
    const { point } = place();
    const args = ["--no-warnings", here("testing-server.ts"), point, "ext4", "direct", "kernel"];
    const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void server.kill("SIGKILL"));
    const said: string[] = [];
    server.stdout.setEncoding("utf8").on("data", (text: string) => said.push(text));
    await once(server.stdout, "data");
    const ours = await play(point);
    expect(ours.length).toBeGreaterThan(80);
    expect(ours).toEqual(await onKernel());
    expect(spawnSync("umount", [point], { encoding: "utf8" }).stderr).toBe("");
    await once(server, "close");
    expect(JSON.parse(said.slice(1).join(""))).toEqual({
      openFiles: 0,
      referenced: 1,
      findings: [],
    });
  },
);
