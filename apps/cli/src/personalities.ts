/** The designs that this program knows: the one place that joins them to the rest. */
import type { Personality, PmemDevice } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { usage } from "./problem.ts";

export const personalities: readonly Personality[] = [plain, ext4];

/** The names of all, for people. */
export const known = (): string => personalities.map((one) => one.name).join(", ");

/** @throws Problem, a usage error that lists what there is. */
export function personalityNamed(name: string): Personality {
  const found = personalities.find((one) => one.name === name);
  if (found === undefined) throw usage(`no file system is called '${name}'; there is: ${known()}`);
  return found;
}

/** The design whose image this is, or null. */
export const probe = (device: PmemDevice): Personality | null =>
  personalities.find((one) => one.probe(device)) ?? null;
