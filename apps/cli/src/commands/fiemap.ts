/** `xip fiemap`: where the bytes of a file stand on the device. */
import {
  FIEMAP_EXTENT_DELALLOC,
  FIEMAP_EXTENT_LAST,
  FIEMAP_EXTENT_UNWRITTEN,
  type FiemapExtent,
  type Name,
  O_RDONLY,
} from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imagePathArgument, jsonOption, mountOptions } from "../command.ts";
import { type Context, print, printJson, styleFor } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { type ReadOptions, withMount } from "../image.ts";
import { count, showName } from "../text.ts";

interface FiemapOptions extends ReadOptions {
  readonly json?: boolean;
}

export function addFiemap(cli: Cli): void {
  const command = cli.program
    .command("fiemap")
    .summary("where the bytes of a file stand on the device")
    .description("Print the extents of a file: position in the file and on the device, in bytes.")
    .argument("<image>", "image file")
    .argument("<path>", "path inside the image", imagePathArgument)
    .action((image: string, path: Name, options: FiemapOptions) =>
      cli.run(fiemap(cli.context, image, path, options)),
    );
  jsonOption(mountOptions(command));
  examples(command, ["xip fiemap disk.img /docs/x", "xip fiemap disk.img /docs/x --json"]);
}

async function fiemap(
  context: Context,
  image: string,
  path: Name,
  options: FiemapOptions,
): Promise<number> {
  return withMount(context, image, { ...options, write: false }, async ({ task }) => {
    const file = task.open(path, O_RDONLY, 0);
    const size = task.fstat(file).size;
    const extents = task.fiemap(file, 0, Number.MAX_SAFE_INTEGER);
    task.close(file);
    if (options.json === true) {
      const list = extents.map((extent) => ({ ...extent, flagNames: flagNames(extent) }));
      printJson(context, { path: showName(path), size, extents: list });
      return EXIT_OK;
    }
    print(context, `${showName(path)}: ${size} bytes in ${count(extents.length, "extent")}`);
    if (extents.length > 0) print(context, `\n${await extentTable(context, extents)}`);
    return EXIT_OK;
  });
}

async function extentTable(context: Context, extents: readonly FiemapExtent[]): Promise<string> {
  // Loaded for those who want a table.
  const { renderTable } = await import("@xiplab/report");
  const style = styleFor(context.out);
  const right = (title: string) => ({ title: [title], align: "right" as const });
  return renderTable(
    {
      columns: [
        right("logical"),
        right("physical"),
        right("length"),
        { title: ["flags"], align: "left" },
      ],
      rows: extents.map((extent) => [
        String(extent.logical),
        extent.flags & FIEMAP_EXTENT_DELALLOC ? "-" : String(extent.physical),
        String(extent.length),
        flagNames(extent).join(" "),
      ]),
    },
    context.out.columns ?? 100,
    style,
  );
}

function flagNames({ flags }: FiemapExtent): string[] {
  const names: string[] = [];
  if (flags & FIEMAP_EXTENT_UNWRITTEN) names.push("unwritten");
  if (flags & FIEMAP_EXTENT_DELALLOC) names.push("delalloc");
  if (flags & FIEMAP_EXTENT_LAST) names.push("last");
  return names;
}
