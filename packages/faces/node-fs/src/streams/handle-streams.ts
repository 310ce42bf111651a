/** Streams that are made from a FileHandle; streams.ts makes them where the host has Node's. */
import type * as NodeFs from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { Interface } from "node:readline";

export interface HandleStreams {
  createReadStream(handle: FileHandle, options?: object): NodeFs.ReadStream;
  createWriteStream(handle: FileHandle, options?: object): NodeFs.WriteStream;
  readLines(handle: FileHandle, options?: object): Interface;
}
