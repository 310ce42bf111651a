/** Options that nobody takes, told when it is known which design the image is. */
import { mountOptionTable, OptionError, type OptionValues, type Personality } from "@xiplab/core";
import { FACE_OPTIONS, KERNEL_FLAGS } from "./options.ts";

/** @throws OptionError which lists everything that `xip mount -o` takes for this design */
export function refuseUnknown(design: Personality, options: OptionValues): void {
  const table = mountOptionTable(design);
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(table, name)) continue;
    const valid = [...Object.keys(table), ...Object.keys(FACE_OPTIONS), ...KERNEL_FLAGS];
    throw new OptionError(
      `${design.name} has no mount option '${name}'; valid options: ${valid.join(", ")}`,
    );
  }
}
