/**
 * The process of a mount that is not in the foreground. It is told the plan by who started it, and
 * answers when the mount does, or why it does not. From then on nobody listens: what it says goes to
 * its log, where one was asked for; else to a file that stays where the end is bad (failure-log.ts).
 */
import { processContext } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { asProblem, report } from "../problem.ts";
import { removeFailureLog } from "./failure-log.ts";
import { recoveryLine, serveToTheEnd } from "./foreground.ts";
import type { DaemonMessage, MountPlan } from "./protocol.ts";
import { toldProblem } from "./told-problem.ts";

const context = processContext();

/** Who started us listens until the mount is ready. */
const tell = (message: DaemonMessage): void => {
  process.send?.(message);
};
let isReady = false;

process.once("message", (plan: MountPlan) => void run(plan));
// Interrupted while waiting for us: the user does not want the mount any more.
process.once("disconnect", () => {
  if (!isReady) process.kill(process.pid, "SIGTERM");
});

async function run(plan: MountPlan): Promise<void> {
  // Not to keep busy the directory in which the user stands.
  process.chdir("/");
  try {
    process.exitCode = await serveToTheEnd(context, plan, (facts) => {
      isReady = true;
      const line = recoveryLine(plan, facts);
      if (line !== null) tell({ kind: "note", line });
      tell({ kind: "ready", facts });
    });
    if (process.exitCode === EXIT_OK && !plan.hasLog) removeFailureLog(plan.directory);
  } catch (error) {
    const problem = asProblem(error, plan.image);
    process.exitCode = report(context, problem);
    if (!isReady) tell({ kind: "failed", problem: toldProblem(problem) });
  } finally {
    if (process.connected) process.disconnect?.();
  }
}
