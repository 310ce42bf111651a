/** `xip getfattr`: extended attributes and access control lists. */
import { Option } from "commander";
import { type Name, nameFromBytes } from "@xiplab/core";
import {
  aclText,
  type Encoding,
  Encodings,
  formatValue,
  valueFields,
} from "../attribute-values.ts";
import type { Cli } from "../cli.ts";
import { examples, imagePathArgument, jsonOption, mountOptions } from "../command.ts";
import { type Context, print, printJson } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { type Mounted, type ReadOptions, withMount } from "../image.ts";
import { argumentBytes } from "../raw-arguments.ts";
import { nameFields, showName } from "../text.ts";

interface GetfattrOptions extends ReadOptions {
  readonly name?: Name;
  readonly encoding?: Encoding;
  readonly onlyValues?: boolean;
  readonly json?: boolean;
}

/** Parser of an attribute's name. */
export const attributeName = (text: string): Name => nameFromBytes(argumentBytes(text));

export function addGetfattr(cli: Cli): void {
  const command = cli.program
    .command("getfattr")
    .summary("extended attributes and access control lists of files")
    .description(
      "Print the extended attributes of files, all or one, with their values. Access control " +
        "lists are shown in words. Symbolic links are not followed.",
    )
    .argument("<image>", "image file")
    .argument("<path...>", "paths inside the image")
    .option("-n, --name <name>", "this attribute alone: user.x", attributeName)
    .addOption(
      new Option("-e, --encoding <how>", "how values are written (default: text if it is)").choices(
        Encodings,
      ),
    )
    .option("--only-values", "the bytes of the values, and nothing else")
    .action((image: string, paths: string[], options: GetfattrOptions) =>
      cli.run(getfattr(cli.context, image, paths.map(imagePathArgument), options)),
    );
  jsonOption(mountOptions(command));
  examples(command, [
    "xip getfattr disk.img /docs",
    "xip getfattr -n user.origin --only-values disk.img /docs/x",
    "xip getfattr -e hex disk.img /docs/x /docs/y",
  ]);
}

interface Attribute {
  readonly name: Name;
  readonly value: Uint8Array;
}

async function getfattr(
  context: Context,
  image: string,
  paths: readonly Name[],
  options: GetfattrOptions,
): Promise<number> {
  return withMount(context, image, { ...options, write: false }, (mounted) => {
    const files = paths.map((path) => ({ path, list: read(mounted, path, options.name) }));
    if (options.json === true) {
      const fields = ({ name, value }: Attribute) => valueFields(name, value);
      const json = files.map(({ path, list }) => ({
        ...nameFields(path),
        attributes: list.map(fields),
      }));
      printJson(context, json);
    } else if (options.onlyValues === true) {
      for (const { value } of files.flatMap(({ list }) => list)) context.out.write(value);
    } else {
      for (const { path, list } of files) {
        if (list.length === 0) continue;
        print(context, `# file: ${showName(path)}`);
        for (const one of list) print(context, lineOf(one, options.encoding));
        print(context, "");
      }
    }
    return EXIT_OK;
  });
}

function read({ task }: Mounted, path: Name, only: Name | undefined): Attribute[] {
  const names = only === undefined ? task.listxattr(path, false).sort() : [only];
  return names.map((name) => ({ name, value: task.getxattr(path, name, false) }));
}

function lineOf({ name, value }: Attribute, encoding: Encoding | undefined): string {
  const acl = encoding === undefined ? aclText(name, value) : null;
  return `${showName(name)}=${acl ?? formatValue(value, encoding)}`;
}
