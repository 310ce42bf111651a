/** Starts the daemon of a mount, and waits until the mount answers. */
import { type ChildProcess, fork } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Context, note } from "../context.ts";
import { Problem } from "../problem.ts";
import { threadEnvironment } from "../threads.ts";
import type { DaemonMessage, MountPlan, OpenedFacts } from "./protocol.ts";
import { heardProblem } from "./told-problem.ts";

// The source runs as it is; the published package holds JavaScript.
const DAEMON = import.meta.url.endsWith(".ts") ? "./daemon.ts" : "./daemon.js";

export interface Started {
  readonly pid: number;
  readonly facts: OpenedFacts;
}

/** Returns when the mount answers. `log`: the host path to which the daemon appends, or null.
 * @throws Problem of the daemon's start */
export async function startDaemon(
  context: Context,
  plan: MountPlan,
  log: string | null,
): Promise<Started> {
  const output = log === null ? anonymousFile() : { fd: openSync(log, "a", 0o600), text: () => "" };
  try {
    // The words behind it are for people who look at the list of processes.
    const child = fork(new URL(DAEMON, import.meta.url), [plan.image, plan.mountPoint], {
      detached: true,
      env: threadEnvironment(),
      stdio: ["ignore", output.fd, output.fd, "ipc"],
    });
    const facts = await untilReady(context, child, plan, output.text);
    child.disconnect();
    child.unref();
    return { pid: child.pid!, facts };
  } finally {
    closeSync(output.fd);
  }
}

function untilReady(
  context: Context,
  child: ChildProcess,
  plan: MountPlan,
  output: () => string,
): Promise<OpenedFacts> {
  return new Promise((resolve, reject) => {
    child.on("message", (message: DaemonMessage) => {
      if (message.kind === "note") note(context, `xip: ${message.line}`);
      else if (message.kind === "ready") resolve(message.facts);
      else reject(heardProblem(message.problem));
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const how = signal === null ? `with status ${code}` : `by ${signal}`;
      const said = output().trim();
      const hint = said === "" ? undefined : said;
      reject(new Problem(`${plan.image}: the server ended ${how} before it was ready`, hint));
    });
    child.send(plan);
  });
}

/** A file without a name: what the daemon says before it can say it to us, and nobody afterwards. */
function anonymousFile(): { fd: number; text: () => string } {
  const directory = mkdtempSync(join(tmpdir(), "xip-mount-"));
  try {
    const path = join(directory, "output");
    const fd = openSync(path, "a", 0o600);
    const reader = openSync(path, "r");
    return { fd, text: () => readFileSync(reader, "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
