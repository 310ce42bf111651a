/** For the tests: runs `xip` as a user does, as a process of its own in a directory of its own. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
/** Nothing here takes long; a hang has to show as one. */
const TIMEOUT_MS = 60_000;

const isRoot = process.geteuid?.() === 0;
const NOBODY = { uid: 65_534, gid: 65_534 };

/** False where the tests run as root from a place that nobody else may read. */
export function canDropRights(): boolean {
  if (!isRoot) return true;
  const probe = spawnSync(process.execPath, [MAIN, "--version"], { ...NOBODY, cwd: "/" });
  return probe.status === 0;
}

export interface Ran {
  /** Exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  /** stdout, byte for byte. */
  readonly bytes: Buffer;
}

/** A temporary directory, and `xip` run from inside it. */
export class Sandbox {
  readonly directory = realpathSync(mkdtempSync(join(tmpdir(), "xip-cli-")));

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  /** Run with colours off unless `env` says otherwise. */
  xip(args: readonly string[], env: Record<string, string> = {}): Ran {
    return this.xipIn(this.directory, args, env);
  }

  /** Run a line of shell in which `xip` is the program under test. */
  shell(line: string): Ran {
    const define = `xip() { "${process.execPath}" "${MAIN}" "$@"; }`;
    const result = spawnSync("sh", ["-c", `${define}\n${line}`], {
      cwd: this.directory,
      env: withoutSetting(process.env),
      timeout: TIMEOUT_MS,
    });
    const { status, stdout, stderr } = result;
    return { code: status, out: stdout.toString(), err: stderr.toString(), bytes: stdout };
  }

  /** Run without the rights of root. */
  xipUnprivileged(args: readonly string[]): Ran {
    if (!isRoot) return this.xip(args);
    chmodSync(this.directory, 0o777);
    return this.xipIn(this.directory, args, {}, NOBODY);
  }

  xipIn(
    cwd: string,
    args: readonly string[],
    env: Record<string, string> = {},
    user: { uid?: number; gid?: number } = {},
  ): Ran {
    const result = spawnSync(process.execPath, [MAIN, ...args], {
      cwd,
      ...user,
      env: { ...withoutSetting(process.env), ...env },
      timeout: TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    if (result.error !== undefined) throw result.error;
    const err = result.stderr.toString();
    // Whatever the input: never a bug of ours, and a stack for those alone who ask.
    if (env["XIP_DEBUG"] === undefined && /internal error|\n {4}at /.test(err)) {
      throw new Error(`xip ${args.join(" ")} told of a bug:\n${err}`);
    }
    return { code: result.status, out: result.stdout.toString(), err, bytes: result.stdout };
  }

  /** Run what must succeed; returns stdout. */
  ok(...args: string[]): string {
    const ran = this.xip(args);
    if (ran.code !== 0) throw new Error(`xip ${args.join(" ")}: ${ran.code}\n${ran.err}`);
    return ran.out;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Whatever runs the tests must not reach the program under test. */
function withoutSetting(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = { ...env };
  for (const name of Object.keys(kept)) {
    if (/^(npm_|INIT_CWD|NO_COLOR|FORCE_COLOR|XIP_|VITEST|NODE_OPTIONS)/.test(name)) {
      delete kept[name];
    }
  }
  return { ...kept, TZ: "UTC" };
}
