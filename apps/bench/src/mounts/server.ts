/**
 * An ext4 image on tmpfs, mounted: by `xip mount`, by fuse2fs, by the kernel through a loop device.
 * The process that calls this is a client of the mount, never its server.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
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
  let server: Server | null = null;
  let released = false;
  const release = (): void => {
    if (released) return;
    released = true;
    unmount(directory);
    server?.awaitExit();
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
  const check = (): void => {
    if (isMounted(directory) && server?.isRunning() !== false) return;
    throw new Error(`the server is gone: ${server?.complaint()}`);
  };
  return { directory, check, release };
}

/** Null for the kernel, which needs no process. */
function start(name: MountName, image: string, directory: string): Server | null {
  const log = `${image}.log`;
  if (name === XIP_MOUNT) {
    const flags = process.env["XIPLAB_BENCH_SERVER_FLAGS"]?.split(" ") ?? [];
    const command = [process.execPath, ...flags, xipProgram(), "mount", "-f", image, directory];
    return new Server(command, log);
  }
  if (name === FUSE2FS) return new Server([program("fuse2fs"), "-f", image, directory], log);
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
async function awaitMount(directory: string, server: Server | null): Promise<void> {
  const deadline = performance.now() + START_MS;
  while (!isMounted(directory)) {
    if (server?.isRunning() === false || performance.now() > deadline) {
      throw new Error(`no mount: ${server?.complaint()}`);
    }
    await sleep(POLL_MS);
  }
  // The table has it before the server has answered its first request.
  const asked = spawnSync("stat", ["-f", directory], { stdio: "ignore", timeout: START_MS });
  if (asked.status !== 0) throw new Error(`the mount does not answer: ${server?.complaint()}`);
}

/** A program that serves a mount. What it complains about goes to a file, since this process waits for
 * programs in calls that let no event in. */
class Server {
  private readonly process: ChildProcess;
  private readonly log: string;

  constructor(command: readonly string[], log: string) {
    this.log = log;
    const fd = fs.openSync(log, "w");
    this.process = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "ignore", fd] });
    fs.closeSync(fd);
  }

  complaint(): string {
    const text = fs.readFileSync(this.log, "utf8").trim();
    return text === "" ? "it said nothing" : text.slice(-COMPLAINT_MAX);
  }

  /** One that ended and was not yet waited for does not run. */
  isRunning(): boolean {
    try {
      return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${this.process.pid}/status`, "utf8"));
    } catch {
      // Gone, and its number with it.
      return false;
    }
  }

  /** An unmounted server writes what it has and ends. Synchronous: also while this process exits. */
  awaitExit(): void {
    const deadline = performance.now() + STOP_MS;
    while (this.isRunning() && performance.now() < deadline) Atomics.wait(WAITING, 0, 0, POLL_MS);
    if (this.isRunning()) this.process.kill("SIGKILL");
  }
}

const WAITING = new Int32Array(new SharedArrayBuffer(4));
const COMPLAINT_MAX = 500;

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

function program(name: string): string {
  const found = findProgram(name);
  if (found === null) throw new Error(`${name} is not installed`);
  return found;
}
