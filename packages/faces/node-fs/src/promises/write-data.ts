/** Data that comes in pieces: what promises.writeFile takes beyond bytes and text. */
import { throwIfAborted } from "../callback/abort.ts";
import type { HandleContext } from "./handle-state.ts";

export type Pieces = AsyncIterable<unknown> | Iterable<unknown>;

/** Neither bytes nor text, but something that gives them. */
export function isPieces(data: unknown): data is Pieces {
  if (typeof data !== "object" || data === null || ArrayBuffer.isView(data)) return false;
  return Symbol.asyncIterator in data || Symbol.iterator in data;
}

/** Write piece after piece at the position of the file. @throws AbortError, and what writing throws */
export async function writePieces(
  { sync, schedule }: HandleContext,
  fd: () => number,
  pieces: Pieces,
  options: { encoding?: string | null | undefined; signal?: AbortSignal | undefined },
): Promise<void> {
  throwIfAborted(options.signal);
  // What is there at once would be written before anybody could abort it.
  if (options.signal) await schedule.turn();
  throwIfAborted(options.signal);
  for await (const piece of pieces) {
    throwIfAborted(options.signal);
    const encoding = options.encoding ?? "utf8";
    const bytes = ArrayBuffer.isView(piece)
      ? (piece as Uint8Array)
      : schedule.platform.encode(piece as string, encoding);
    for (let at = 0; at < bytes.byteLength;) {
      at += sync.writeSync(fd(), bytes, at, bytes.byteLength - at);
    }
    throwIfAborted(options.signal);
  }
}
