/** A mount in this process, to its end: of `xip mount -f`, and of the daemon. */
import type { Writable } from "node:stream";
import { type Context, note, print, printJson } from "../context.ts";
import { EXIT_FAILED, EXIT_OK } from "../exit-codes.ts";
import type { MountPlan, OpenedFacts } from "./protocol.ts";
import { serveMount } from "./server.ts";
import { leaksInWords, printStats } from "./stats.ts";

/** Returns the exit code. `ready` is called when the mount answers. @throws Problem */
export async function serveToTheEnd(
  context: Context,
  plan: MountPlan,
  ready: (facts: OpenedFacts) => void,
): Promise<number> {
  for (const stream of [context.out, context.err]) outlive(stream);
  const end = await serveMount(plan, { ready, note: (line) => note(context, `xip: ${line}`) });
  const { stats } = end;
  if (stats === null) return EXIT_OK;
  if (plan.stats === "json") printJson(context, { image: plan.image, ...stats });
  if (plan.stats === "text") printStats(context, plan.image, stats);
  const leaks = leaksInWords(stats.atEnd);
  if (leaks !== null) note(context, `xip: ${plan.image}: not given back at the end: ${leaks}`);
  return leaks !== null || end.cutOff !== "" ? EXIT_FAILED : EXIT_OK;
}

/** Whoever reads what we print may stop (`xip mount -f ... | head -1`): the mount goes on. */
function outlive(stream: Writable): void {
  // Among them what ends other commands where nobody reads on.
  stream.removeAllListeners("error");
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

/** For people: what was mounted where. */
export function readyLine(plan: MountPlan, { personality }: OpenedFacts): string {
  const readOnly = plan.readOnly ? ", read-only" : "";
  return `${plan.image}: ${personality}, mounted on ${plan.mountPoint}${readOnly}`;
}

/** What people should know of the image's state, or null. */
export const recoveryLine = (plan: MountPlan, { recovered }: OpenedFacts): string | null =>
  recovered ? `${plan.image}: recovered: the image was not unmounted cleanly` : null;

/** Print both; with `json` stdout is for the statistics alone. */
export function tellReady(
  context: Context,
  plan: MountPlan,
  facts: OpenedFacts,
  json: boolean,
): void {
  const recovery = recoveryLine(plan, facts);
  if (recovery !== null) note(context, `xip: ${recovery}`);
  if (json) note(context, readyLine(plan, facts));
  else print(context, readyLine(plan, facts));
}
