/**
 * Programs as children of the test: never waited for synchronously, always with a time limit, each in
 * a process group of its own, so that what it started ends with it. What they print is kept and comes
 * with the error.
 */
import { type ChildProcess, spawn } from "node:child_process";
import os from "node:os";
import path from "node:path";
import { findProgram } from "@xiplab/oracles";

/** Long enough for everything here on a slow machine; a hang ends here. */
const TIMEOUT_MS = 240_000;
/** Of the output, as an error tells it. */
const TAIL_LENGTH = 6000;
/** So long output may trickle in after the program is gone: from what it left in the background. */
const DRAIN_MS = 2000;

export interface RunOptions {
  readonly cwd?: string;
  /** On top of the environment of this process. Messages are in English always. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string | Buffer;
  readonly timeoutMs?: number;
  readonly user?: User;
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

export interface Ended {
  /** Null where a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** Both streams, as they came. */
  readonly output: string;
}

/** A program that runs, or ran. */
export class Running {
  readonly line: string;
  readonly ended: Promise<Ended>;
  stdout = "";
  output = "";
  private readonly child: ChildProcess;
  private isTimedOut = false;

  /** @throws Error where it is not installed. */
  constructor(program: string, args: readonly string[], options: RunOptions = {}) {
    const file = path.isAbsolute(program) ? program : findProgram(program);
    if (file === null) throw new Error(`${program} is not installed`);
    this.line = [program, ...args].join(" ");
    this.child = spawn(file, [...args], {
      detached: true,
      env: { ...cleanEnvironment(), ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...options.user,
    });
    this.child.stdout!.on("data", (data: Buffer) => {
      this.stdout += data.toString("latin1");
      this.output += data.toString("latin1");
    });
    this.child.stderr!.on("data", (data: Buffer) => (this.output += data.toString("latin1")));
    // Whoever is killed does not read its input any more.
    this.child.stdin!.on("error", () => {});
    this.child.stdin!.end(options.input ?? "");
    this.ended = this.waitForEnd(options.timeoutMs ?? TIMEOUT_MS);
  }

  get pid(): number {
    return this.child.pid!;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Send a signal to the program alone. */
  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.child.kill(signal);
  }

  /** End it and whatever it started. */
  killGroup(): void {
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch (error) {
      // Nobody is left.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** @throws Error with what it printed where it did not exit with 0. */
  async succeed(): Promise<string> {
    const { status, stdout } = await this.ended;
    if (status === 0) return stdout;
    throw new Error(await this.describe());
  }

  /** How it ended, and what it printed last. */
  async describe(): Promise<string> {
    const { status, signal } = await this.ended;
    const end = this.isTimedOut ? "took too long" : `exit ${status ?? signal}`;
    return `${this.line}: ${end}\n${this.output.slice(-TAIL_LENGTH)}`;
  }

  /**
   * Wait until what it printed, on both streams, satisfies `isEnough`.
   * @throws Error where it ended before that.
   */
  async until(isEnough: (output: string) => boolean): Promise<void> {
    const isEnoughNow = (): boolean => isEnough(this.output);
    if (isEnoughNow()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const listener = (): void => {
      if (isEnoughNow()) resolve();
    };
    const streams = [this.child.stdout!, this.child.stderr!];
    for (const stream of streams) stream.on("data", listener);
    await Promise.race([promise, this.ended]);
    for (const stream of streams) stream.off("data", listener);
    if (!isEnoughNow()) throw new Error(`ended too early: ${await this.describe()}`);
  }

  private waitForEnd(timeoutMs: number): Promise<Ended> {
    const { promise, resolve, reject } = Promise.withResolvers<Ended>();
    let drain: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      this.isTimedOut = true;
      this.killGroup();
    }, timeoutMs);
    const finish = (status: number | null, signal: NodeJS.Signals | null): void => {
      clearTimeout(timer);
      clearTimeout(drain);
      resolve({ status, signal, stdout: this.stdout, output: this.output });
    };
    this.child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    this.child.once("close", finish);
    // A daemon that it left behind may hold the streams open.
    this.child.once("exit", (status, signal) => {
      drain = setTimeout(finish, DRAIN_MS, status, signal);
    });
    return promise;
  }
}

/** Run to the end; stdout. @throws Error with what it printed where it does not exit with 0. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  return new Running(program, args, options).succeed();
}

/** What package managers, Vitest and developers' habits set; not what leads to the network. */
const OF_THE_RUNNER = new RegExp(
  "^(npm_(lifecycle|package|execpath|node|command|config_user_agent)|INIT_CWD|NODE_(OPTIONS|ENV)|" +
    "NODE_CHANNEL|NO_COLOR|FORCE_COLOR|VITEST|XIP_|GIT_|PG|CI$)",
);

/** Programs of ours start in half the time: their code has its types stripped already. */
const NODE_COMPILE_CACHE = path.join(os.tmpdir(), "node-compile-cache");

/** Whatever runs the tests must not reach the programs under test. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = { ...process.env };
  for (const name of Object.keys(kept)) if (OF_THE_RUNNER.test(name)) delete kept[name];
  return { ...kept, LC_ALL: "C", TZ: "UTC", NODE_COMPILE_CACHE };
}
