/**
 * Writes down what happens to a device: the input of crash exploration. Loads are not recorded.
 *
 * It begins stopped, so that `mkfs` and `mount` before the run leave no trace unless wanted.
 */
import type { Purpose } from "../spec/device.ts";
import {
  EVENT_FENCE,
  EVENT_FLUSH,
  EVENT_MARK,
  EVENT_STORE,
  type PmemEvent,
  type PmemObserver,
} from "./observer.ts";
import { ZEROS } from "./pmem.ts";

/** Bytes are copied into chunks of this size: one allocation per chunk, not per event. */
const CHUNK_SIZE = 1024 * 1024;

export class Recorder implements PmemObserver {
  private recorded: PmemEvent[] = [];
  private recording = false;
  private chunk: Uint8Array = new Uint8Array(0);
  private chunkUsed = 0;

  /** What was recorded since `clear`, in order. */
  get events(): readonly PmemEvent[] {
    return this.recorded;
  }

  start(): void {
    this.recording = true;
  }

  stop(): void {
    this.recording = false;
  }

  /** Forget all events. Arrays that were read from `events` before stay as they are. */
  clear(): void {
    this.recorded = [];
    this.chunk = new Uint8Array(0);
    this.chunkUsed = 0;
  }

  /** A note in the recording ("operation 12 begins"). Nothing while stopped. */
  mark(mark: number): void {
    if (this.recording) this.recorded.push({ kind: EVENT_MARK, mark });
  }

  onStore(offset: number, bytes: Uint8Array, nonTemporal: boolean, purpose: Purpose): void {
    if (!this.recording) return;
    const copy = this.keep(bytes);
    this.recorded.push({ kind: EVENT_STORE, offset, bytes: copy, nonTemporal, purpose });
  }

  onFlush(offset: number, length: number): void {
    if (this.recording) this.recorded.push({ kind: EVENT_FLUSH, offset, length });
  }

  onFence(): void {
    if (this.recording) this.recorded.push({ kind: EVENT_FENCE });
  }

  private keep(bytes: Uint8Array): Uint8Array {
    // Zeros over memory that was never touched: one constant serves every such event.
    if (bytes.buffer === ZEROS.buffer) return ZEROS.subarray(0, bytes.length);
    if (bytes.length > CHUNK_SIZE / 16) return bytes.slice();
    if (this.chunkUsed + bytes.length > this.chunk.length) {
      this.chunk = new Uint8Array(new ArrayBuffer(CHUNK_SIZE));
      this.chunkUsed = 0;
    }
    const copy = this.chunk.subarray(this.chunkUsed, this.chunkUsed + bytes.length);
    copy.set(bytes);
    this.chunkUsed += bytes.length;
    return copy;
  }
}
