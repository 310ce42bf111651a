/** For the tests of mounts: a sandbox with a mount point, which leaves nothing mounted behind. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { mkfs, type Personality } from "@xiplab/core";
import { createImage } from "../image.ts";
import { Sandbox } from "../testing.ts";
import { takeWord } from "./failure-log.ts";
import { imageMounts } from "./mount-table.ts";
import { serverOf } from "./processes.ts";

export const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

/** What a test of a mount asks of the machine: see `requireOracle`. */
export const NEEDS = ["fuse", "mount", "umount", "flock"];

const IMAGE_BYTES = 16 * 2 ** 20;

export class MountSandbox extends Sandbox {
  readonly mountPoint = this.path("mnt");
  private readonly children: ChildProcess[] = [];

  constructor() {
    super();
    mkdirSync(this.mountPoint);
  }

  /** An image of 16 MiB, empty, made in this process: that is quicker than a program. */
  async make(personality: Personality, name = "disk.img"): Promise<void> {
    await createImage(this.path(name), IMAGE_BYTES, (device) => mkfs(personality, device));
  }

  /** Mount in the background. Returns the pid of the server. */
  mount(...args: string[]): number {
    const told = JSON.parse(this.ok("mount", "--json", ...args, "disk.img", "mnt")) as unknown;
    return (told as { pid: number }).pid;
  }

  /** Mount in the foreground, and come back when the mount answers. */
  async mountForeground(args: readonly string[], env: Record<string, string> = {}): Promise<Child> {
    const child = this.start(process.execPath, [MAIN, "mount", "-f", ...args], env);
    await child.says(/mounted on/);
    return child;
  }

  start(program: string, args: readonly string[], env: Record<string, string> = {}): Child {
    const child = spawn(program, args, {
      cwd: this.directory,
      env: { ...process.env, ...env },
      stdio: "pipe",
    });
    this.children.push(child);
    return new Child(child);
  }

  /** A process that works in `directory` of the sandbox until the sandbox is removed. */
  async occupy(directory: string): Promise<Child> {
    const child = this.start("sh", ["-c", `cd ${directory} && echo there && exec cat`]);
    await child.says(/there/);
    return child;
  }

  override remove(): void {
    for (const child of this.children) child.kill("SIGKILL");
    for (const mount of imageMounts()) {
      const { directory } = mount;
      if (!directory.startsWith(`${this.directory}/`)) continue;
      const server = serverOf(mount);
      if (server !== undefined) process.kill(server.pid, "SIGKILL");
      spawnSync("umount", ["-l", directory]);
      takeWord(directory);
    }
    super.remove();
  }
}

/** A process, and what it has said so far. */
export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  out = "";
  err = "";

  constructor(child: ChildProcess) {
    this.process = child;
    child.stdout!.on("data", (chunk: Buffer) => (this.out += chunk.toString()));
    child.stderr!.on("data", (chunk: Buffer) => (this.err += chunk.toString()));
    this.ended = once(child, "close").then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as string | null,
    }));
  }

  /** Returns when its output matches. @throws Error where it ends before that */
  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.out)) {
      const over = await Promise.race([once(this.process.stdout!, "data"), this.ended]);
      if (!Array.isArray(over))
        throw new Error(`ended (${over.code}) with: ${this.out}${this.err}`);
    }
  }
}
