/** The platform of Node: Buffer, util.inspect, fileURLToPath. */
import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import type { Platform } from "./platform.ts";

export const nodePlatform: Platform = {
  allocate: (size) => Buffer.allocUnsafe(size),
  wrap: (view) => Buffer.from(view.buffer, view.byteOffset, view.byteLength),
  isEncoding: (name) => Buffer.isEncoding(name),
  encode: (text, encoding) => {
    return Buffer.from(text, Buffer.isEncoding(encoding) ? encoding : "utf8");
  },
  decode(bytes, encoding) {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return view.toString(Buffer.isEncoding(encoding) ? encoding : "utf8");
  },
  // Paths here are POSIX paths on every system.
  fileUrlToPath: (url) => fileURLToPath(url, { windows: false }),
  inspect: (value) => inspect(value),
  now: () => Date.now(),
  emitWarning: (message, name, code) => process.emitWarning(message, name, code),
};
