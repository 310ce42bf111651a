/** Proven here: stopping a copy, politely or not, leaves an image that is sound. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { statSync, truncateSync, writeFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "./testing.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
/** Sparse: takes no room, and is long to read. */
const LONG_BYTES = 64 * 2 ** 30;
const DEADLINE_MS = 30_000;
const POLL_MS = 5;

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
  sandbox.ok("mkfs", "plain", "disk.img", "--size", "16M");
  writeFileSync(sandbox.path("long"), "begins");
  truncateSync(sandbox.path("long"), LONG_BYTES);
});
afterEach(() => sandbox.remove());

/** Start a copy that takes long, and come back when it has changed the image. */
async function startCopy(): Promise<ChildProcess> {
  const before = statSync(sandbox.path("disk.img")).mtimeMs;
  const child = spawn(process.execPath, [MAIN, "copy-in", "disk.img", "long", "/"], {
    cwd: sandbox.directory,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const deadline = performance.now() + DEADLINE_MS;
  while (statSync(sandbox.path("disk.img")).mtimeMs === before) {
    if (performance.now() > deadline) throw new Error("the copy did not begin");
    await wait(POLL_MS);
  }
  return child;
}

test("Ctrl-C removes the half file, unmounts, and says so", async () => {
  const child = await startCopy();
  const said: string[] = [];
  child.stderr!.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  expect(code).toBe(130);
  expect(said.join("")).toMatch(/interrupted after 0 files/);
  expect(sandbox.ok("ls", "disk.img")).toBe("");
  expect(sandbox.ok("check", "disk.img")).toMatch(/sound, cleanly unmounted/);
});

test("a killed copy leaves an image that mounts, and is sound after that", async () => {
  const child = await startCopy();
  child.kill("SIGKILL");
  await once(child, "close");
  writeFileSync(sandbox.path("next"), "next");
  sandbox.ok("copy-in", "disk.img", "next", "/");
  expect(sandbox.ok("cat", "disk.img", "/next")).toBe("next");
  expect(sandbox.ok("check", "disk.img")).toMatch(/sound, cleanly unmounted/);
});
