/**
 * A program on a mount, from an empty image to the verdict on what it left.
 *
 * mkfs → mount → the program → look at everything → unmount → our check, the field's fsck, and the
 * kernel's mount, which has to see the same. Whatever fails, nothing stays mounted and no process runs.
 */
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { requireOracle, withLoopMount } from "@xiplab/oracles";
import { expect } from "vitest";
import { type Design, designs } from "./designs.ts";
import { differences, manifestOf } from "./manifest.ts";
import { Running, type RunOptions } from "./running.ts";
import { KernelServer, type Server, type Stats, XipServer } from "./server.ts";
import { xip } from "./xip.ts";

/** `XIPLAB_PROGRAMS=full`: each program does what it would do for hours in minutes, not seconds. */
export const isFull = process.env["XIPLAB_PROGRAMS"] === "full";
/** `XIPLAB_PROGRAMS_SERVER=kernel`: the tests themselves under test. See server.ts. */
const isKernelServer = process.env["XIPLAB_PROGRAMS_SERVER"] === "kernel";
/** For `test`: many times what a test takes. */
export const TEST_LIMITS = { timeout: isFull ? 3_600_000 : 300_000 };
/** The designs that the tests run on. */
export const testDesigns = designs.filter(
  ({ kernelType }) => !isKernelServer || kernelType !== null,
);

export interface MountOptions {
  /** Programs without which there is nothing to test. */
  readonly needs: readonly string[];
  /** The test's own. */
  readonly skip: (reason: string) => void;
  /** Default: the design's. */
  readonly sizeBytes?: number;
}

/** In the environment of every process of a test: the folder of the test. */
const MARK = "XIPLAB_PROGRAMS_FOLDER";

/** What the watchdog does when its input ends, because the test died: `$1` is the folder. */
const CLEAN_UP = `cat > /dev/null
grep -lsF "${MARK}=$1" /proc/[0-9]*/environ | cut -d / -f 3 | xargs -r kill -9
umount -l "$1/mnt"
rm -rf "$1"`;

/** One image, its mount, and what runs on it. */
export class Mounted {
  readonly design: Design;
  readonly image: string;
  /** Where it is mounted. */
  readonly directory: string;
  /** A directory of the host beside it, for whatever is not to be on the mount. */
  readonly scratch: string;
  private readonly server: Server;
  /** By which the watchdog knows whose processes are ours. */
  private readonly environment: Readonly<Record<string, string>>;
  private readonly watchdog: ChildProcess;
  private readonly processes: Running[] = [];

  constructor(design: Design, folder: string) {
    this.design = design;
    this.environment = { [MARK]: folder };
    this.server = isKernelServer
      ? new KernelServer(design.kernelType!)
      : new XipServer(design, this.environment);
    this.watchdog = startWatchdog(folder);
    this.image = path.join(folder, "image");
    this.directory = path.join(folder, "mnt");
    this.scratch = path.join(folder, "scratch");
    fs.mkdirSync(this.directory);
    fs.mkdirSync(this.scratch);
  }

  /** A path on the mount. */
  path(...parts: string[]): string {
    return path.join(this.directory, ...parts);
  }

  /** Run a program to its end, on the mount unless `cwd` says otherwise; its stdout.
   * @throws Error with what it printed where it does not exit with 0. */
  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
    return this.start(program, args, options).succeed();
  }

  /** Start a program on the mount. It ends with the test at the latest. */
  start(program: string, args: readonly string[], options: RunOptions = {}): Running {
    const env = { ...options.env, ...this.environment };
    const running = new Running(program, args, { cwd: this.directory, ...options, env });
    this.processes.push(running);
    return running;
  }

  /** A line of shell on the mount. */
  shell(line: string, options: RunOptions = {}): Promise<string> {
    return this.run("sh", ["-ec", line], options);
  }

  mount(): Promise<void> {
    return this.server.mount(this.image, this.directory);
  }

  unmount(): Promise<Stats | null> {
    return this.server.unmount();
  }

  /** The process that serves. */
  get serverPid(): number {
    return this.server.pid;
  }

  /** SIGKILL for the server, and everything on the mount fails from then on. Mount it again then. */
  async killServer(): Promise<void> {
    await this.server.kill();
  }

  async release(): Promise<void> {
    for (const running of this.processes) if (running.isRunning) running.killGroup();
    await Promise.all(this.processes.map((running) => running.ended.catch(() => null)));
    await this.server.release();
    this.watchdog.kill();
  }

  said(): string {
    return this.server.said();
  }
}

/** Somebody has to clean up where the test itself is killed: Ctrl-C, a time limit around everything. */
function startWatchdog(folder: string): ChildProcess {
  const watchdog = spawn("sh", ["-c", CLEAN_UP, "watchdog", folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  watchdog.unref();
  return watchdog;
}

/**
 * Make an image of `design`, mount it, call `body`, unmount, and judge what is left:
 *
 *     test.for(testDesigns)("git on $name", TEST_LIMITS, (design, { skip }) =>
 *       onMount(design, { needs: ["git"], skip }, async (mounted) => { … }));
 *
 * @throws Error with what the server said.
 */
export async function onMount(
  design: Design,
  options: MountOptions,
  body: (mounted: Mounted) => Promise<void>,
): Promise<void> {
  requireOracle([...options.needs, ...design.needs, "fuse", "loop"], options.skip);
  // In memory where that goes: what is tested is not the disk of the machine.
  const base = fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir();
  const folder = fs.mkdtempSync(path.join(base, "xiplab-programs-"));
  // Servers of databases run as somebody else.
  fs.chmodSync(folder, 0o755);
  const mounted = new Mounted(design, folder);
  try {
    const size = String(options.sizeBytes ?? design.sizeBytes);
    await xip(["mkfs", design.name, mounted.image, "--size", size, ...design.mkfs]);
    await mounted.mount();
    await body(mounted);
    await judge(mounted);
  } catch (error) {
    if (error instanceof Error)
      error.message += `\nthe server said: ${mounted.said() || "nothing"}`;
    throw error;
  } finally {
    await mounted.release();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Unmount, and let everybody look at the image who has an opinion on it. */
async function judge(mounted: Mounted): Promise<void> {
  const { design, image, directory } = mounted;
  const whole = { xattrs: design.hasXattrs };
  const served = manifestOf(directory, whole);
  const stats = await mounted.unmount();
  if (stats !== null) expectNoLeak(stats);
  const ours = await xip(["check", image]);
  expect(ours, "our own check").toContain("cleanly unmounted");
  expect(ours, "our own check").not.toContain("not cleanly");
  if (design.judge !== null) {
    const { clean, output } = design.judge(image);
    expect(clean, output).toBe(true);
  }
  const seen = await manifestSeenByOthers(mounted);
  expect(differences(served, seen), "the tree after the unmount").toBe("");
}

/** By the kernel, who has no word of ours to go by; by our next mount, where it knows no such image. */
async function manifestSeenByOthers(mounted: Mounted): Promise<string> {
  const { design, image, directory } = mounted;
  const whole = { xattrs: design.hasXattrs };
  if (design.kernelType !== null) {
    const options = { type: design.kernelType, options: "ro" };
    return withLoopMount(image, options, (kernel) => manifestOf(kernel.directory, whole));
  }
  await mounted.mount();
  const manifest = manifestOf(directory, whole);
  await mounted.unmount();
  return manifest;
}

/** When the kernel has let go of everything, so have we. */
function expectNoLeak(stats: Stats): void {
  const { openFiles, nodes, handles, referenced } = stats.atEnd;
  // The root stays referenced as long as it is mounted.
  expect({ openFiles, nodes, handles, referenced }, "what is left at the end").toEqual({
    openFiles: 0,
    nodes: 0,
    handles: 0,
    referenced: 1,
  });
}
