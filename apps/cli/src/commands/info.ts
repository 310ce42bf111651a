/** `xip info`: what an image is and holds. */
import type { Capabilities } from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imageOptions, jsonOption } from "../command.ts";
import { type Context, print, printJson, styleFor } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { withDevice } from "../image.ts";
import { formatSize } from "../text.ts";

type Fact = readonly [label: string, value: string];

interface InfoOptions {
  readonly all?: boolean;
  readonly type?: string;
  readonly json?: boolean;
}

export function addInfo(cli: Cli): void {
  const command = cli.program
    .command("info")
    .summary("what an image is: format, sizes, counts, what it can do")
    .description("Print what an image is: its format, sizes, counts, and what the format lacks.")
    .argument("<image>", "image file")
    .option("-a, --all", "every field of the superblock as well")
    .action((image: string, options: InfoOptions) => cli.run(info(cli.context, image, options)));
  jsonOption(imageOptions(command));
  examples(command, ["xip info disk.img", "xip info --all disk.img", "xip info disk.img --json"]);
}

async function info(context: Context, image: string, options: InfoOptions): Promise<number> {
  return withDevice(context, image, { write: false, type: options.type }, (opened) => {
    const { personality, device } = opened;
    const facts = personality.describe(device);
    if (options.json === true) {
      const described = Object.fromEntries(facts);
      const { name, capabilities } = personality;
      printJson(context, { image, personality: name, size: device.size, described, capabilities });
      return EXIT_OK;
    }
    const rows: Fact[] = [
      ["personality", personality.name],
      ["device size", `${device.size} bytes, ${formatSize(device.size)}`],
    ];
    printFacts(context, [...rows, ...(options.all === true ? facts : headFacts(facts))]);
    printLacks(context, personality.capabilities);
    return EXIT_OK;
  });
}

/** Facts for everybody: not the fields of structures, which have a dot in their labels, and not
 * what is empty. */
export const headFacts = (facts: readonly Fact[]): Fact[] =>
  facts.filter(([label, value]) => !label.includes(".") && value !== "");

/** One a line, in columns. */
export function printFacts(context: Context, facts: readonly Fact[], indent = ""): void {
  if (facts.length === 0) return;
  const style = styleFor(context.out);
  const widest = Math.max(...facts.map(([label]) => label.length));
  for (const [label, value] of facts) {
    print(context, `${indent}${style("dim", label.padEnd(widest))}  ${value}`);
  }
}

/** What the format cannot do, with its reasons. */
function printLacks(context: Context, capabilities: Capabilities): void {
  const lacks = Object.entries(capabilities).filter(([, reason]) => reason !== true);
  if (lacks.length === 0) return;
  print(context, "\nThis format lacks");
  const widest = Math.max(...lacks.map(([name]) => name.length));
  for (const [name, reason] of lacks) print(context, `  ${name.padEnd(widest)}  ${reason}`);
}
