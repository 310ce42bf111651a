/** Programs of the machine, run to their end. */
import { spawnSync } from "node:child_process";
import { findProgram } from "./require.ts";

/** Long enough for any image that a test makes; a hang ends here. */
const TIMEOUT_MS = 300_000;
const OUTPUT_MAX = 256 * 1024 * 1024;

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  /** What it printed on both streams, stdout first. */
  readonly output: string;
}

export interface RunOptions {
  readonly input?: string;
  /** On top of the environment of this process. Messages are in English always. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Run a program by its name, with arguments; bytes that are no UTF-8 in its output come as latin1.
 * @throws Error where it is not installed, was killed, or did not end in time.
 */
export function run(name: string, args: readonly string[], options: RunOptions = {}): Finished {
  const program = findProgram(name);
  if (program === null) throw new Error(`${name} is not installed`);
  const finished = spawnSync(program, [...args], {
    encoding: "latin1",
    env: { ...process.env, LC_ALL: "C", ...options.env },
    maxBuffer: OUTPUT_MAX,
    timeout: TIMEOUT_MS,
    ...(options.input === undefined ? {} : { input: options.input }),
  });
  if (finished.error !== undefined) throw finished.error;
  const { status, signal, stdout, stderr } = finished;
  if (status === null) throw new Error(`${name} was killed by ${signal}\n${stdout}${stderr}`);
  return { status, stdout, output: stdout + stderr };
}

/** As `run`. @throws Error with what it printed where it exits with anything but 0. */
export function runOrThrow(
  name: string,
  args: readonly string[],
  options: RunOptions = {},
): Finished {
  const finished = run(name, args, options);
  if (finished.status === 0) return finished;
  throw new Error(`${name} ${args.join(" ")}: exit ${finished.status}\n${finished.output}`);
}
