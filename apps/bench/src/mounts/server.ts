/**
 * An ext4 image on tmpfs, mounted: by `xip mount`, by fuse2fs, by the kernel through a loop device.
 * The process that calls this is a client of the mount, never its server.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { FUSE2FS, type MountName, XIP_MOUNT } from "../protocol.ts";
import { makeTmpfsDirectory } from "../targets/peers.ts";
import { findProgram } from "./needs.ts";

const IMAGE_BYTES = 2 ** 30;
/** A server that does not answer by then is broken. */
const START_MS = 20_000;
/** One that does not close its image by then is killed. */
const STOP_MS = 20_000;
const POLL_MS = 10;

export interface Mounted {
  /** Where the file system stands. */
  readonly directory: string;
  /** @throws Error where it does so no more: what is measured then is the host's own file system */
  check(): void;
  /** Unmount, and leave nothing on the machine, whatever state it is in. Once. */
  release(): void;
}

/** @throws Error with what the server said, where there is no mount after START_MS */
export async function openMount(name: MountName): Promise<Mounted> {
  const place = makeTmpfsDirectory();
  const image = path.join(place, "image");
  const directory = path.join(place, "mounted");
  let server: ChildProcess | null = null;
  let released = false;
  const release = (): void => {
    if (released) return;
    released = true;
    unmount(directory);
    if (server !== null) awaitExit(server);
    fs.rmSync(place, { recursive: true, force: true });
  };
  try {
    fs.mkdirSync(directory);
    fs.writeFileSync(image, "");
    fs.truncateSync(image, IMAGE_BYTES);
    // Everything now: who mounts the image has no tables left to zero in the background.
    const eager = "lazy_itable_init=0,lazy_journal_init=0";
    execFileSync(program("mkfs.ext4"), ["-q", "-F", "-E", eager, image]);
    server = start(name, image, directory);
    await awaitMount(directory, server);
  } catch (error) {
    release();
    throw error;
  }
  const complaints = listen(server);
  const check = (): void => {
    if (!isMounted(directory)) throw new Error(`the server is gone: ${complaints()}`);
  };
  return { directory, check, release };
}

/** Null for the kernel, which needs no process. */
function start(name: MountName, image: string, directory: string): ChildProcess | null {
  const stdio: ["ignore", "ignore", "pipe"] = ["ignore", "ignore", "pipe"];
  if (name === XIP_MOUNT) {
    const flags = process.env["XIPLAB_BENCH_SERVER_FLAGS"]?.split(" ") ?? [];
    const command = [...flags, xipProgram(), "mount", "-f", image, directory];
    return spawn(process.execPath, command, { stdio });
  }
  if (name === FUSE2FS) return spawn(program("fuse2fs"), ["-f", image, directory], { stdio });
  execFileSync(program("mount"), ["-o", "loop", image, directory]);
  return null;
}

/** The file that package.json of the cli calls `xip`. */
function xipProgram(): string {
  const manifest = fileURLToPath(new URL("../../../cli/package.json", import.meta.url));
  const { bin } = createRequire(import.meta.url)(manifest) as { bin: { xip: string } };
  return path.resolve(path.dirname(manifest), bin.xip);
}

/** Waits by the kernel's table of mounts: to touch the directory would wait for the server. */
async function awaitMount(directory: string, server: ChildProcess | null): Promise<void> {
  const complaints = listen(server);
  const deadline = performance.now() + START_MS;
  while (!isMounted(directory)) {
    const ended = server !== null && (server.exitCode !== null || server.signalCode !== null);
    if (ended || performance.now() > deadline) {
      throw new Error(`no mount: ${complaints()}`);
    }
    await sleep(POLL_MS);
  }
  // The table has it before the server has answered its first request.
  const answered = spawn("stat", ["-f", directory], { stdio: "ignore" });
  const timer = setTimeout(() => answered.kill("SIGKILL"), START_MS);
  const [code] = (await once(answered, "exit")) as [number | null];
  clearTimeout(timer);
  if (code !== 0) throw new Error(`the mount does not answer: ${complaints()}`);
}

/** What the server writes to its standard error from now on. */
function listen(server: ChildProcess | null): () => string {
  let text = "";
  server?.stderr?.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return () => {
    const status = server?.signalCode ?? server?.exitCode;
    const ended = status === null || status === undefined ? "" : ` (ended: ${status})`;
    return `${text.trim() || "it said nothing"}${ended}`;
  };
}

function isMounted(directory: string): boolean {
  const table = fs.readFileSync("/proc/self/mounts", "utf8");
  return table.split("\n").some((line) => line.split(" ")[1] === directory);
}

/** Politely, then in any case. */
function unmount(directory: string): void {
  for (const flags of [[], ["-l"]]) {
    if (!isMounted(directory)) return;
    spawnSync(program("umount"), [...flags, directory], { stdio: "ignore", timeout: STOP_MS });
  }
}

/** An unmounted server writes what it has and ends. */
function awaitExit(server: ChildProcess): void {
  const { pid } = server;
  if (pid === undefined || server.exitCode !== null) return;
  const deadline = performance.now() + STOP_MS;
  // Synchronous, since it also runs while this process exits.
  while (isRunning(pid) && performance.now() < deadline) Atomics.wait(WAITING, 0, 0, POLL_MS);
  if (isRunning(pid)) server.kill("SIGKILL");
}

const WAITING = new Int32Array(new SharedArrayBuffer(4));

/** A child that ended and was not yet waited for does not run. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    // Gone, and its number with it.
    return false;
  }
}

function program(name: string): string {
  const found = findProgram(name);
  if (found === null) throw new Error(`${name} is not installed`);
  return found;
}
