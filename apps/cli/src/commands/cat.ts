/** `xip cat`: contents of files to stdout. */
import { once } from "node:events";
import { isDirectory, type Name, O_RDONLY, FsError, nameToUtf8 } from "@xiplab/core";
import type { Cli } from "../cli.ts";
import { examples, imagePathArgument, mountOptions } from "../command.ts";
import type { Context } from "../context.ts";
import { EXIT_OK } from "../exit-codes.ts";
import { type Mounted, type ReadOptions, withMount } from "../image.ts";

/** Bytes per read. */
const CHUNK_BYTES = 1024 * 1024;

export function addCat(cli: Cli): void {
  const command = cli.program
    .command("cat")
    .summary("print files")
    .description("Write the contents of files to stdout, one after the other, byte for byte.")
    .argument("<image>", "image file")
    .argument("<path...>", "paths inside the image")
    .action((image: string, paths: string[], options: ReadOptions) =>
      cli.run(cat(cli.context, image, paths.map(imagePathArgument), options)),
    );
  mountOptions(command);
  examples(command, ["xip cat disk.img /docs/README.md", "xip cat disk.img /a /b > both"]);
}

async function cat(
  context: Context,
  image: string,
  paths: readonly Name[],
  options: ReadOptions,
): Promise<number> {
  return withMount(context, image, { ...options, write: false }, async (mounted) => {
    for (const path of paths) await catOne(context, mounted, path);
    return EXIT_OK;
  });
}

async function catOne(context: Context, { task }: Mounted, path: Name): Promise<void> {
  if (isDirectory(task.stat(path).mode)) {
    throw new FsError("EISDIR").at("read", nameToUtf8(path));
  }
  const file = task.open(path, O_RDONLY, 0);
  try {
    for (;;) {
      // A buffer per chunk: the stream keeps it until it is written.
      const chunk = new Uint8Array(CHUNK_BYTES);
      const length = task.read(file, chunk, 0, CHUNK_BYTES);
      if (length === 0) return;
      if (!context.out.write(chunk.subarray(0, length))) await once(context.out, "drain");
    }
  } finally {
    task.close(file);
  }
}
