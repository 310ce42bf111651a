/** `xip compare`: its command line. What it does is in ../compare/run.ts, loaded when it is asked for. */
import { Option } from "commander";
import { availableParallelism } from "node:os";
import { DataPathNames, type MediaName, MediaNames, WriteProtocolNames } from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, listArgument, numberArgument, wordsArgument } from "../command.ts";
import type { CompareOptions } from "../compare/run.ts";

const SEED = 2013;
const DEFAULT_MEDIA: MediaName[] = ["dram", "optane"];

export function addCompare(cli: Cli): void {
  const command = cli.program
    .command("compare")
    .summary("designs side by side: what each costs, and what it loses in a power cut")
    .description(
      "Run file-system designs over the same emulated persistent memory on the same work, and " +
        "print what each costs and what a power cut lets it lose. Exit status 4 where a sound design " +
        "is convicted, or a negative control is not.",
    )
    .argument("[personality...]", "file systems (default: all)")
    .option("--quick", "fewer operations and crash states: a first look in seconds")
    .option("--tree <dir>", "directory that the tree workload copies (default: this repository)")
    .option(
      "--workload <names>",
      "tree, log, mmap, append-64, append-4k (default: all)",
      wordsArgument,
    )
    .option(
      "--unwritten <names>",
      `write protocols under xip: ${WriteProtocolNames.join(", ")} (default: all)`,
      listArgument(WriteProtocolNames),
    )
    .addOption(
      new Option("--data <names>", "data paths")
        .argParser(listArgument(DataPathNames))
        .default([...DataPathNames], DataPathNames.join(",")),
    )
    .addOption(
      new Option("--media <names>", MediaNames.join(", "))
        .argParser(listArgument(MediaNames))
        .default(DEFAULT_MEDIA, DEFAULT_MEDIA.join(",")),
    )
    .option("--no-crash", "leave the power cuts out")
    .option("--seed <number>", "what the work is drawn from", numberArgument(0), SEED)
    .option("--jobs <number>", "threads", numberArgument(1), availableParallelism())
    .option("--json <file>", "write everything to a file, for programs; - for stdout")
    .option("--replay <id>", "run one crash state again, by its id, and explain it")
    .action((names: string[], options: CompareOptions) =>
      cli.run(import("../compare/run.ts").then(({ run }) => run(cli.context, names, options))),
    );
  examples(command, [
    "xip compare",
    "xip compare --quick --json result.json",
    "xip compare plain --unwritten zero,own --workload append-64,append-4k --media dram,cxl",
    "xip compare --tree ~/src/project --workload tree",
    "xip compare --replay plain/xip/none/log:op2.end.none",
  ]);
}
