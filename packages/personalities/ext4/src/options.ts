/** Mount options of ext4's own. `data`, `unwritten`, `ro` and the atime options are the core's. */
import { OptionError, type OptionTable, type OptionValues } from "@xiplab/core";
import type { Ext4Options } from "./volume.ts";

export const mountOptions: OptionTable = {
  alloc: {
    values: ["mballoc", "first-fit"],
    default: "mballoc",
    help: "who chooses blocks: the buddy allocator, or the first that fit",
  },
  commit: {
    values: "number",
    default: "5",
    help: "seconds until a transaction commits by itself, if nobody syncs before",
  },
  journal: {
    values: ["ordered", "writeback"],
    default: "ordered",
    help: "data of the page cache is on the medium before what leads to it, or whenever",
  },
  noload: { values: "flag", default: "0", help: "do not look at the journal; needs ro" },
  norecovery: { values: "flag", default: "0", help: "the same as noload" },
};

/** What `mount` itself must know, beside what the modules are told. */
export interface ParsedOptions extends Ext4Options {
  readonly noload: boolean;
}

const COMMIT_MAX_SEC = 2 ** 31;

/** @throws OptionError */
export function parseMountOptions(values: OptionValues, readOnly: boolean): ParsedOptions {
  const seconds = Number(values["commit"] ?? "5");
  if (seconds > COMMIT_MAX_SEC) {
    throw new OptionError(`ext4: commit=${seconds} is too long; at most ${COMMIT_MAX_SEC} seconds`);
  }
  const noload = values["noload"] === "1" || values["norecovery"] === "1";
  if (noload && !readOnly) {
    throw new OptionError("ext4: noload and norecovery need ro: what is in the journal is missing");
  }
  return {
    alloc: values["alloc"] === "first-fit" ? "first-fit" : "mballoc",
    ordered: values["journal"] !== "writeback",
    // As in the kernel, 0 means the default.
    commitIntervalSec: seconds === 0 ? 5 : seconds,
    noload,
  };
}
