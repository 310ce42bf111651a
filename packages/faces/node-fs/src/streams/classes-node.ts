/** Node's own stream classes, for the entry for Node. */
import * as nodeFs from "node:fs";
import { createInterface } from "node:readline";
import type { StreamClasses } from "./streams.ts";

export const nodeStreamClasses: StreamClasses = {
  ReadStream: nodeFs.ReadStream,
  WriteStream: nodeFs.WriteStream,
  Utf8Stream: nodeFs.Utf8Stream,
  createInterface,
};
