/**
 * The main thread of a mount: starts the thread that serves, mounts the directory, and sees to the end
 * of it. It keeps signals and child processes, and never touches the mount but asynchronously, since
 * the thread that answers is in the same process.
 *
 * Ends of a mount:
 * - somebody unmounts it: the device says so, the thread closes the image;
 * - SIGINT, SIGTERM, SIGHUP: umount(8). Where it is busy, its users are told of, cut off (their files
 *   fail with ECONNABORTED) and the mount is detached: what they had written is in the image. A second
 *   signal ends the process at once, as a power cut would: the next mount recovers;
 * - a bug: the thread ends, the image stays as it is, and the mount is detached.
 */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync, writeSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { assert } from "@xiplab/core/spec";
import {
  ACTIVITY_CHANGED,
  ACTIVITY_SYNC,
  closeFuse,
  MountError,
  mountFuse,
  openFuse,
  unmountFuse,
} from "@xiplab/fuse/mount";
import { Problem } from "../problem.ts";
import { mountAt, MOUNT_TYPE } from "./mount-table.ts";
import { threadEnvironment } from "../threads.ts";
import { holdersInWords, usersBelow } from "./processes.ts";
import {
  type MountPlan,
  type MountStats,
  type OpenedFacts,
  type WorkerCommand,
  type WorkerData,
  type WorkerMessage,
} from "./protocol.ts";
import { mountRefusal, openFuseRefusal } from "./refusals.ts";
import { heardProblem } from "./told-problem.ts";

/** What a mount tells while it lives. */
export interface ServerEvents {
  /** The mount answers. */
  ready(facts: OpenedFacts): void;
  /** Something for people. */
  note(line: string): void;
}

export interface MountEnd {
  /** null where it never served. */
  readonly stats: MountStats | null;
  /** Processes that used it when it was taken away; empty where it went in order. */
  readonly cutOff: string;
}

// The source runs as it is; the published package holds JavaScript.
const WORKER = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
/** A mount that is idle keeps no changes in memory for longer, unless commit= says otherwise. */
const IDLE_FLUSH_SEC = 5;

/** What the kernel says for a connection that failed or is over. */
const REFUSED: ReadonlySet<string> = new Set(["ENOTCONN", "ECONNREFUSED", "ECONNABORTED"]);

/** Mount, serve, and return when the image is closed. @throws Problem */
export async function serveMount(plan: MountPlan, events: ServerEvents): Promise<MountEnd> {
  const server = new Server(plan, events);
  const off = onSignals(() => server.stop());
  process.on("uncaughtException", endAtOnce);
  try {
    return await server.run();
  } finally {
    process.off("uncaughtException", endAtOnce);
    off();
  }
}

/**
 * A bug in this thread. To exit, Node would wait for the thread that serves, which waits for the
 * kernel: until the next request, which would get no answer. So it ends as by a power cut.
 */
function endAtOnce(error: unknown): void {
  const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
  try {
    writeSync(process.stderr.fd, `xip: internal error: ${told}\n`);
  } finally {
    process.kill(process.pid, "SIGKILL");
  }
}

/** How one ends a mount from outside. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The first signal is heard; the second finds nobody who would catch it. */
function onSignals(stop: () => void): () => void {
  const off = (): void => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  const onSignal = (): void => {
    off();
    stop();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return off;
}

class Server {
  private readonly plan: MountPlan;
  private readonly events: ServerEvents;
  private readonly activity = new Int32Array(new SharedArrayBuffer(8));
  private readonly thread: ServingThread;
  private fd = -1;
  private isMounted = false;
  private isStopping = false;
  private cutOff = "";

  constructor(plan: MountPlan, events: ServerEvents) {
    this.plan = plan;
    this.events = events;
    this.thread = new ServingThread({ plan, activity: this.activity });
  }

  async run(): Promise<MountEnd> {
    const { thread } = this;
    try {
      this.fd = openDevice();
      const facts = await thread.opened;
      if (this.isStopping) return await this.cancel();
      await this.mount();
      thread.tell({ kind: "serve", fd: this.fd });
      await this.answers();
      this.events.ready(facts);
      return await this.untilClosed();
    } catch (error) {
      await this.giveUp();
      throw error;
    } finally {
      if (this.fd >= 0) closeFuse(this.fd);
    }
  }

  /** A signal. Before it is mounted, the thread is told when it listens. */
  stop(): void {
    this.isStopping = true;
    if (this.isMounted) void this.takeDown();
  }

  private async mount(): Promise<void> {
    const { directory, source, allowOther, kernel } = this.plan;
    const isRoot = process.getuid?.() === 0;
    try {
      await mountFuse({
        fd: this.fd,
        directory,
        source,
        options: kernel,
        allowOther: allowOther || isRoot,
      });
    } catch (error) {
      if (error instanceof MountError) throw mountRefusal(this.plan, error);
      throw error;
    }
    this.isMounted = true;
  }

  /** Returns when the mount has answered a request: no matter what. */
  private async answers(): Promise<void> {
    const { directory, mountPoint } = this.plan;
    const answer = await statfs(directory).catch((error: NodeJS.ErrnoException) => error);
    const code = answer instanceof Error ? (answer.code ?? "") : "";
    if (this.isStopping) return void this.takeDown();
    if (!REFUSED.has(code)) return;
    await this.thread.closed;
    throw new Problem(`${mountPoint}: the kernel and the server did not agree (${code})`);
  }

  private async untilClosed(): Promise<MountEnd> {
    // As ext4 has it, 0 is the default too.
    const flushSec = Number(this.plan.design["commit"] ?? 0) || IDLE_FLUSH_SEC;
    const timer = setInterval(() => this.flushIfIdle(), flushSec * 1000);
    try {
      const stats = await this.thread.closed;
      this.isMounted = false;
      return { stats, cutOff: this.cutOff };
    } finally {
      clearInterval(timer);
    }
  }

  /** Changes that nobody asked to be durable become so, after a while. */
  private flushIfIdle(): void {
    if (!this.isMounted || Atomics.exchange(this.activity, ACTIVITY_CHANGED, 0) === 0) return;
    Atomics.store(this.activity, ACTIVITY_SYNC, 1);
    // An answer that fails tells of the end, which is heard of in another way.
    statfs(this.plan.directory).catch(() => {});
  }

  private async cancel(): Promise<MountEnd> {
    this.thread.tell({ kind: "cancel" });
    return { stats: await this.thread.closed, cutOff: "" };
  }

  /** Unmount; where it is busy, all the same. */
  private async takeDown(): Promise<void> {
    const { directory, mountPoint, cache } = this.plan;
    try {
      await unmountFuse(directory);
      return;
    } catch (error) {
      assert(error instanceof MountError, "umount fails with what umount(8) said");
      if (!this.isMounted) return;
    }
    if (mountAt(directory)?.type !== MOUNT_TYPE) return this.endDetached();
    const users = usersBelow(directory);
    this.cutOff = users.length === 0 ? "another mount" : holdersInWords(users);
    this.events.note(`${mountPoint}: in use by ${this.cutOff}; detached all the same`);
    // What the kernel keeps of writes would go with the connection.
    if (cache === "writeback") await run("sync", ["-f", directory]);
    await this.detach();
  }

  /** Somebody unmounted it lazily: no path leads there any more, but it has users yet. */
  private endDetached(): void {
    const { mountPoint } = this.plan;
    this.cutOff = "processes that had it open when it was detached";
    const isOver = abortConnection(this.fd);
    const rest = isOver ? "cut off" : "it ends when they do, or at once by another signal";
    this.events.note(`${mountPoint}: in use by ${this.cutOff}: ${rest}`);
  }

  /** The kernel lets go of the connection, and of the directory. */
  private async detach(): Promise<void> {
    try {
      await unmountFuse(this.plan.directory, { lazy: true, force: true });
    } catch (error) {
      assert(error instanceof MountError, "umount fails with what umount(8) said");
      this.events.note(`${this.plan.mountPoint}: ${error.message}`);
    }
  }

  /** After a failure: nothing stays mounted, and the thread ends. */
  private async giveUp(): Promise<void> {
    const { thread } = this;
    if (!this.isMounted) thread.tell({ kind: "cancel" });
    // umount(8) asks the mount for something: somebody has to answer, be it with the end of all.
    else if (thread.isServing) await this.detach();
    await thread.ended;
    if (this.fd >= 0) closeFuse(this.fd);
    this.fd = -1;
    if (this.isMounted && mountAt(this.plan.directory)?.type === MOUNT_TYPE) await this.detach();
  }
}

/** The thread, and what it says as promises. */
class ServingThread {
  readonly opened: Promise<OpenedFacts>;
  /** Fails where anything failed. */
  readonly closed: Promise<MountStats | null>;
  /** Never fails. */
  readonly ended: Promise<void>;
  /** Are requests of the kernel answered? */
  isServing = false;
  private readonly worker: Worker;

  constructor(workerData: WorkerData) {
    this.worker = new Worker(new URL(WORKER, import.meta.url), {
      workerData,
      env: threadEnvironment(),
    });
    const opened = Promise.withResolvers<OpenedFacts>();
    const closed = Promise.withResolvers<MountStats | null>();
    const ended = Promise.withResolvers<void>();
    const fail = (error: unknown): void => {
      this.isServing = false;
      opened.reject(error);
      closed.reject(error);
    };
    this.worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "opened") opened.resolve(message.facts);
      else if (message.kind === "served") this.isServing = false;
      else if (message.kind === "closed") closed.resolve(message.stats);
      else if (message.kind === "failed") fail(heardProblem(message.problem));
    });
    this.worker.on("error", fail);
    this.worker.on("exit", (status) => {
      // After a message that told of the end, this changes nothing.
      const how = `with status ${status} and without a word`;
      fail(new Problem(`the thread that serves the mount ended ${how}`));
      ended.resolve();
    });
    this.opened = opened.promise;
    this.closed = closed.promise;
    this.ended = ended.promise;
    // Whoever waits hears of it; where nobody does yet, it is no unhandled rejection.
    for (const promise of [this.opened, this.closed]) promise.catch(() => {});
  }

  tell(command: WorkerCommand): void {
    if (command.kind === "serve") this.isServing = true;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.worker.postMessage(command);
  }
}

/** End the connection that is served by `fd`. Returns false where the kernel shows none (fusectl). */
function abortConnection(fd: number): boolean {
  try {
    const told = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
    const number = /^fuse_connection:\s*(\d+)$/m.exec(told)?.[1] ?? "unknown";
    writeFileSync(`/sys/fs/fuse/connections/${number}/abort`, "1");
    return true;
  } catch {
    // No fusectl is mounted, as in most containers; or an older kernel does not tell the number.
    return false;
  }
}

function openDevice(): number {
  try {
    return openFuse();
  } catch (error) {
    throw openFuseRefusal(error);
  }
}

function run(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: "ignore" });
    child.on("error", () => resolve());
    child.on("close", () => resolve());
  });
}
