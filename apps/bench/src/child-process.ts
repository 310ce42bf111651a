/** The parent's end of a child process: one request at a time, one reply each. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Slice } from "./batch.ts";
import { type ChildOptions, NODE_VFS, type Reply, type Request } from "./protocol.ts";
import type { TargetName } from "./protocol.ts";

export class Child {
  private readonly process: ChildProcess;
  private waiting: { resolve(reply: Reply): void; reject(error: Error): void } | null = null;
  private failure: Error | null = null;

  private constructor(options: ChildOptions) {
    const flags = ["--expose-gc", "--no-warnings", "--max-old-space-size=8192"];
    if (options.target === NODE_VFS) flags.push("--experimental-vfs");
    this.process = fork(
      fileURLToPath(new URL("child.ts", import.meta.url)),
      [JSON.stringify(options)],
      // What a target prints must not mix with the table.
      { execArgv: flags, stdio: ["ignore", 2, "pipe", "ipc"] },
    );
    let complaint = "";
    this.process.stderr!.on("data", (text: Buffer) => (complaint += text.toString()));
    this.process.on("message", (reply) => this.settle(reply as Reply));
    this.process.on("exit", (code, signal) => {
      const why =
        complaint.split("\n").find((line) => /^\w*Error/.test(line)) ?? `${signal ?? code}`;
      this.failure = new Error(`the process of ${options.target} ended: ${why.trim()}`);
      this.waiting?.reject(this.failure);
    });
  }

  /** Resolves once the target is open. */
  static async start(options: ChildOptions): Promise<Child> {
    const child = new Child(options);
    await child.reply();
    return child;
  }

  async ask(request: Request): Promise<Reply> {
    if (this.failure !== null) throw this.failure;
    const reply = this.reply();
    this.process.send(request);
    return reply;
  }

  async slice(op: string, target: TargetName, budgetMs: number): Promise<Slice> {
    const reply = await this.ask({ kind: "slice", op, target, budgetMs });
    if (reply.kind !== "slice") throw new Error("a slice answers a slice");
    return reply.slice;
  }

  stop(): void {
    if (this.process.connected) this.process.disconnect();
  }

  private reply(): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  private settle(reply: Reply): void {
    const { waiting } = this;
    this.waiting = null;
    if (reply.kind === "failed") waiting?.reject(new Error(reply.message));
    else waiting?.resolve(reply);
  }
}
