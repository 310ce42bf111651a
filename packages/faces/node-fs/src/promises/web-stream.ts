/** FileHandle.readableWebStream: the rest of a file as a byte stream of the web. */
import type { EventEmitter } from "node:events";
import type { FileHandle } from "node:fs/promises";
import { requireBoolean, requireObject } from "../sync/arguments.ts";
import { invalidState } from "../callback/coded-error.ts";
import type { AsyncPlatform } from "../callback/platform.ts";
import { requireHandle } from "./handle-state.ts";

/** Bytes that are read at once where the reader brings no buffer. */
const CHUNK_SIZE = 16384;

/** @throws Error ERR_INVALID_STATE where the handle is closed, closing, or read by another one */
export function webStream(
  platform: AsyncPlatform,
  handle: FileHandle,
  options: { type?: string; autoClose?: boolean },
): ReadableStream {
  const state = requireHandle(handle);
  if (state.fd === -1) throw invalidState("The FileHandle is closed");
  if (state.isClosing) throw invalidState("The FileHandle is closing");
  if (state.locked) throw invalidState("The FileHandle is locked");
  state.locked = true;
  requireObject(platform, options, "options");
  const { type = "bytes", autoClose = false } = options;
  requireBoolean(platform, autoClose, "options.autoClose");
  if (type !== "bytes") {
    const message =
      'A non-"bytes" options.type has no effect. A byte-oriented steam is always created.';
    platform.emitWarning(message, "ExperimentalWarning");
  }

  let ended = false;
  const end = async (): Promise<void> => {
    ended = true;
    state.release();
    if (autoClose) await handle.close();
  };
  let controller: ReadableByteStreamController | null = null;
  const stream = new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: CHUNK_SIZE,
    start: (own) => void (controller = own),
    async pull(own) {
      const request = own.byobRequest;
      const view = request!.view!;
      const { bytesRead } = await handle.read(view as Uint8Array, 0, view.byteLength);
      if (ended) return;
      if (bytesRead === 0) {
        own.close();
        await end();
      }
      request!.respond(bytesRead);
    },
    cancel: end,
  });
  state.retain();
  // Whoever closes the handle ends the stream, and whoever waits for its next piece.
  (handle as unknown as EventEmitter).once("close", () => {
    if (ended) return;
    controller!.close();
    controller!.byobRequest?.respond(0);
    void end();
  });
  return stream;
}
