/** `xip info`: what an image is and holds. */
import type { Capabilities } from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imageOptions, jsonOption } from "../command.ts";
import { type Context, print, printJson, styleFor } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { withDevice } from "../image.ts";

interface InfoOptions {
  readonly type?: string;
  readonly json?: boolean;
}

export function addInfo(cli: Cli): void {
  const command = cli.program
    .command("info")
    .summary("what an image is: format, sizes, counts, what it can do")
    .description("Print what an image is: its format, sizes, counts, and what the format can do.")
    .argument("<image>", "image file")
    .action((image: string, options: InfoOptions) => cli.run(info(cli.context, image, options)));
  jsonOption(imageOptions(command));
  examples(command, ["xip info disk.img", "xip info disk.img --json"]);
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
    const rows = [
      ["personality", personality.name],
      ["device size", `${device.size} bytes`],
    ];
    printFacts(context, [...rows, ...facts] as Array<[string, string]>);
    printLacks(context, personality.capabilities);
    return EXIT_OK;
  });
}

function printFacts(context: Context, facts: ReadonlyArray<readonly [string, string]>): void {
  const style = styleFor(context.out);
  const widest = Math.max(...facts.map(([label]) => label.length));
  for (const [label, value] of facts) {
    print(context, `${style("dim", label.padEnd(widest))}  ${value}`);
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
