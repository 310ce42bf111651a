/** The asynchronous half of Node's platform. */
import { EventEmitter } from "node:events";
import process from "node:process";
import { nodePlatform } from "../platform-node.ts";
import type { AsyncPlatform, KeepAlive } from "./platform.ts";

export const nodeAsyncPlatform: AsyncPlatform = {
  ...nodePlatform,
  EventEmitter,
  defer: (callback) => {
    setImmediate(callback);
  },
  nextTick: (callback) => process.nextTick(callback),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  every(ms, callback): KeepAlive {
    const timer = setInterval(callback, ms);
    return {
      ref: () => void timer.ref(),
      unref: () => void timer.unref(),
      close: () => clearInterval(timer),
    };
  },
};
