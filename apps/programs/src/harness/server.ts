/**
 * Who serves an image while it is mounted. `XipServer` is what the tests are for. `KernelServer` is
 * Linux itself: a program that fails there is no test, so the tests are run over it when they are
 * written (XIPLAB_PROGRAMS_SERVER=kernel).
 */
import fs from "node:fs";
import { type Design } from "./designs.ts";
import { run, type Running } from "./running.ts";
import { startXip } from "./xip.ts";

/** What `xip mount --stats --json` tells at the end. */
export interface Stats {
  readonly atEnd: {
    /** Inodes in memory with a reference to them; the root is one. */
    readonly referenced: number;
    readonly openFiles: number;
    /** Inodes that the kernel knows by number. */
    readonly nodes: number;
    /** Open files and directories of the kernel. */
    readonly handles: number;
  };
}

export interface Server {
  /** Mount, and wait until it answers. */
  mount(image: string, directory: string): Promise<void>;
  /** Stop serving at this instant, with nothing written back, and detach what is left of the mount. */
  kill(): Promise<void>;
  /** Unmount and wait until the image is closed. @throws Error, where it is busy for one. */
  unmount(): Promise<Stats | null>;
  /** The process that serves; 0 where that is the kernel. */
  readonly pid: number;
  /** Whatever happened: nothing of it stays. Never throws. */
  release(): Promise<void>;
  /** What it said, for whoever looks for the cause of a failure. */
  said(): string;
}

const MOUNT_MS = 30_000;
/** Of an option that would hold back a failing test for ever. */
const UNMOUNT_MS = 60_000;

export class XipServer implements Server {
  private readonly design: Design;
  private readonly env: Readonly<Record<string, string>>;
  private process: Running | null = null;
  private directory = "";
  private output = "";

  /** `env` is its environment, on top of ours. */
  constructor(design: Design, env: Readonly<Record<string, string>>) {
    this.design = design;
    this.env = env;
  }

  get pid(): number {
    if (this.process === null) throw new Error("nothing is mounted");
    return this.process.pid;
  }

  async mount(image: string, directory: string): Promise<void> {
    this.directory = directory;
    const args = ["mount", "-f", "--stats", "--json", "-t", this.design.name, image, directory];
    // The server has no time limit: the tests have.
    this.process = startXip(args, { env: this.env, timeoutMs: 2 ** 31 - 1 });
    const timer = setTimeout(() => this.process?.kill(), MOUNT_MS);
    try {
      await this.process.until((output) => output.includes("mounted"));
    } finally {
      clearTimeout(timer);
    }
  }

  async kill(): Promise<void> {
    await this.end();
    await run("umount", ["-l", this.directory]);
  }

  async unmount(): Promise<Stats | null> {
    const { process: server } = this;
    if (server === null) throw new Error("nothing is mounted");
    await run("umount", [this.directory], { timeoutMs: UNMOUNT_MS });
    const timer = setTimeout(() => server.kill(), UNMOUNT_MS);
    const stdout = await server.succeed();
    clearTimeout(timer);
    this.output += server.output;
    this.process = null;
    return statsOf(stdout);
  }

  async release(): Promise<void> {
    if (this.process === null) return;
    await this.end();
    await detach(this.directory);
  }

  said(): string {
    const { process: server } = this;
    const end = server === null || server.isRunning ? "" : "(it had ended)";
    return this.output + (server?.output ?? "") + end;
  }

  private async end(): Promise<void> {
    const { process: server } = this;
    if (server === null) throw new Error("nothing is mounted");
    this.process = null;
    server.kill();
    await server.ended;
    this.output += server.output;
  }
}

/** The JSON object behind the line that says it is mounted. */
function statsOf(stdout: string): Stats | null {
  const start = stdout.indexOf("{");
  if (start < 0) return null;
  return JSON.parse(stdout.slice(start)) as Stats;
}

export class KernelServer implements Server {
  readonly pid = 0;
  private readonly type: string;
  private directory = "";
  private device = "";

  constructor(type: string) {
    this.type = type;
  }

  async mount(image: string, directory: string): Promise<void> {
    this.directory = directory;
    this.device = (await run("losetup", ["-f", "--show", image])).trim();
    await run("mount", ["-t", this.type, this.device, directory]);
  }

  async kill(): Promise<void> {
    // Without -f: what its log did not write yet is lost, as in a power cut.
    await run("xfs_io", ["-x", "-c", "shutdown", this.directory]);
    await run("umount", ["-l", this.directory]);
    await this.giveBack();
  }

  async unmount(): Promise<null> {
    await run("umount", [this.directory]);
    await this.giveBack();
    return null;
  }

  async release(): Promise<void> {
    if (this.device === "") return;
    await detach(this.directory);
    await this.giveBack();
  }

  said(): string {
    return "";
  }

  private async giveBack(): Promise<void> {
    const { device } = this;
    this.device = "";
    await run("losetup", ["-d", device]);
  }
}

/** @returns never with an error: it may not be mounted at all. */
async function detach(directory: string): Promise<void> {
  if (!fs.readFileSync("/proc/self/mounts", "utf8").includes(` ${directory} `)) return;
  await run("umount", ["-l", directory]).catch(() => "");
}
