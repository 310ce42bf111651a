/** Starts the daemon of a mount, and waits until the mount answers. */
import { type ChildProcess, fork } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { type Context, note } from "../context.ts";
import { Problem } from "../problem.ts";
import { threadEnvironment } from "../threads.ts";
import { openFailureLog, takeWord } from "./failure-log.ts";
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
  const output = log === null ? openFailureLog(plan.directory) : openSync(log, "a", 0o600);
  try {
    // The words behind it are for people who look at the list of processes.
    const child = fork(new URL(DAEMON, import.meta.url), [plan.image, plan.mountPoint], {
      detached: true,
      env: threadEnvironment(),
      stdio: ["ignore", output, output, "ipc"],
    });
    const facts = await untilReady(context, child, plan);
    child.disconnect();
    child.unref();
    return { pid: child.pid!, facts };
  } finally {
    closeSync(output);
  }
}

function untilReady(context: Context, child: ChildProcess, plan: MountPlan): Promise<OpenedFacts> {
  return new Promise((resolve, reject) => {
    child.on("message", (message: DaemonMessage) => {
      if (message.kind === "note") note(context, `xip: ${message.line}`);
      else if (message.kind === "ready") resolve(message.facts);
      else {
        // It is told in full here.
        if (!plan.hasLog) takeWord(plan.directory);
        reject(heardProblem(message.problem));
      }
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const how = signal === null ? `with status ${code}` : `by ${signal}`;
      const said = plan.hasLog ? null : takeWord(plan.directory);
      const hint = said === null || said === "" ? undefined : said;
      reject(new Problem(`${plan.image}: the server ended ${how} before it was ready`, hint));
    });
    child.send(plan);
  });
}
