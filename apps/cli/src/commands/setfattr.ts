/** `xip setfattr`: set and remove extended attributes. */
import type { Name } from "@xiplab/core";
import { parseValue } from "../attribute-values.ts";
import type { Cli } from "../cli.ts";
import { examples, imagePathArgument, mountOptions } from "../command.ts";
import type { Context } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { type ReadOptions, withMount } from "../image.ts";
import { usage } from "../problem.ts";
import { attributeName } from "./getfattr.ts";

interface SetfattrOptions extends ReadOptions {
  readonly name?: Name;
  readonly value?: string;
  readonly remove?: Name;
}

export function addSetfattr(cli: Cli): void {
  const command = cli.program
    .command("setfattr")
    .summary("set and remove extended attributes of files")
    .description(
      "Set an extended attribute of files, or remove it. Names begin with user., trusted. or " +
        "security.; a value is text, or bytes as 0x and hexadecimal digits or 0s and base64. " +
        "Symbolic links are not followed.",
    )
    .argument("<image>", "image file")
    .argument("<path...>", "paths inside the image")
    .option("-n, --name <name>", "the attribute to set", attributeName)
    .option("-v, --value <value>", "its value (default: empty)")
    .option("-x, --remove <name>", "the attribute to remove", attributeName)
    .action((image: string, paths: string[], options: SetfattrOptions) =>
      cli.run(setfattr(cli.context, image, paths.map(imagePathArgument), options)),
    );
  mountOptions(command);
  examples(command, [
    "xip setfattr -n user.origin -v 'made by hand' disk.img /docs/x",
    "xip setfattr -n user.key -v 0x00ff disk.img /docs/x /docs/y",
    "xip setfattr -x user.origin disk.img /docs/x",
  ]);
}

async function setfattr(
  context: Context,
  image: string,
  paths: readonly Name[],
  options: SetfattrOptions,
): Promise<number> {
  const { name, remove } = options;
  if ((name === undefined) === (remove === undefined)) {
    throw usage("give one of -n NAME (with -v VALUE) and -x NAME", "xip setfattr --help");
  }
  if (remove !== undefined && options.value !== undefined) {
    throw usage("-v goes with -n: an attribute that is removed has no value");
  }
  const value = parseValue(options.value ?? "");
  return withMount(context, image, { ...options, write: true }, ({ task }) => {
    // A wrong path is found out before the first file is changed.
    for (const path of paths) task.lstat(path);
    for (const path of paths) {
      if (name !== undefined) task.setxattr(path, name, value, 0, false);
      else task.removexattr(path, remove!, false);
    }
    return EXIT_OK;
  });
}
