/**
 * For tests: programs that use a mount, and the mount, whose server is a process of its own: nobody
 * may touch a mount from the thread that serves it. It is released whatever happens.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { assert, O_CREAT, O_RDWR } from "@xiplab/core";
import { onTestFinished } from "vitest";

/** A process that answers line by line. */
abstract class Talker {
  readonly child: ChildProcess;
  private readonly heard: string[] = [];
  private wake: () => void = () => {};

  constructor(script: string, args: readonly string[]) {
    const main = fileURLToPath(new URL(script, import.meta.url));
    const stdio = ["pipe", "pipe", "inherit"] as const;
    this.child = spawn(process.execPath, ["--no-warnings", main, ...args], { stdio: [...stdio] });
    const lines = createInterface({ input: this.child.stdout! });
    lines.on("line", (line) => {
      this.heard.push(line);
      this.wake();
    });
    lines.on("close", () => this.wake());
  }

  async hear(): Promise<string> {
    while (this.heard.length === 0) {
      if (this.child.exitCode !== null) throw new Error("the process ended without a word");
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    return this.heard.shift()!;
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }

  /** Was nothing said that was not heard yet? */
  get isSilent(): boolean {
    return this.heard.length === 0;
  }
}

/** A program: see testing-actor.ts. */
export class Actor extends Talker {
  private readonly opened = new Set<number>();

  constructor() {
    super("testing-actor.ts", []);
  }

  ask(...call: readonly unknown[]): void {
    this.child.stdin!.write(`${JSON.stringify(call)}\n`);
  }

  /** What the call gave, or the name of its errno. */
  async answer(): Promise<unknown> {
    const { ok, error } = JSON.parse(await this.hear()) as { ok?: unknown; error?: string };
    return error ?? ok;
  }

  async do(...call: readonly unknown[]): Promise<unknown> {
    this.ask(...call);
    return this.answer();
  }

  async open(file: string, flags = O_RDWR | O_CREAT): Promise<number> {
    const fd = (await this.do("open", file, flags)) as number;
    this.opened.add(fd);
    return fd;
  }

  /** Hold nothing of a mount any more. */
  async letGo(): Promise<void> {
    await this.do("unmapAll");
    for (const fd of this.opened) await this.do("close", fd);
    this.opened.clear();
  }
}

class Server extends Talker {
  constructor(args: readonly string[]) {
    super("testing-server.ts", args);
  }
}

/** An empty file system, mounted; `finish` unmounts it and says what was left. */
export class Mounted {
  readonly directory = mkdtempSync(path.join(os.tmpdir(), "xiplab-fuse-"));
  private readonly server: Talker;

  constructor(design: string, cache = "direct", locks = "kernel") {
    this.server = new Server([this.directory, design, cache, locks]);
    onTestFinished(() => {
      this.server.kill();
      spawnSync("umount", ["-l", this.directory], { stdio: "ignore" });
      rmdirSync(this.directory);
    });
  }

  async ready(): Promise<this> {
    const said = await this.server.hear();
    assert(said === "ready", "a server begins by saying that it serves");
    return this;
  }

  file(name: string): string {
    return path.join(this.directory, name);
  }

  /** Unmount. Returns what the server found when it was over: see testing-server.ts. */
  async finish(...actors: readonly Actor[]): Promise<unknown> {
    for (const actor of actors) await actor.letGo();
    const { status, stderr } = spawnSync("umount", [this.directory], { encoding: "utf8" });
    if (status !== 0) throw new Error(`umount: ${stderr}`);
    return JSON.parse(await this.server.hear());
  }
}
