/** What a design promises, from what it declares. */
import type { Personality } from "@xiplab/core";
import type { CrashCase, Promises } from "./types.ts";

/**
 * The promises of a case: capabilities of the personality, and `unwritten=own` under `data=xip`,
 * whose point is that a write swaps in whole. A case may override each.
 *
 * What is promised to everybody, whatever the design: what was synced is there, a file shows only
 * bytes that it held, names are those of one moment.
 */
export function promisesOf(crashCase: CrashCase): Promises {
  const { capabilities }: Personality = crashCase.personality;
  const { data = "xip", unwritten } = crashCase.mountOptions;
  return {
    synchronousMetadata: capabilities.synchronousMetadata === true,
    atomicRename: capabilities.atomicRename === true,
    atomicWrite: data === "xip" && unwritten === "own",
    ...crashCase.promises,
  };
}
