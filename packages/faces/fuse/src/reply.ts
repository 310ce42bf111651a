/**
 * The reply to the request that is handled: a buffer of its own, reused. A handler writes its body
 * into `view` from OUT_HEADER_SIZE on and says how long it is; or it sends views of the device; or it
 * says nothing, and the reply is empty; or it keeps the request and answers later (`defer`).
 */
import { assert, copyName, type Name } from "@xiplab/core";
import type { Channel } from "./channel.ts";
import { OUT_HEADER, OUT_HEADER_SIZE } from "./protocol/structs.ts";
import type { Request } from "./request.ts";

/** Longest body that is put together here; data of READ goes out as views. */
export const BODY_MAX = 1024 * 1024;

/** What a request is answered by, once it is kept for later. */
export interface Ticket {
  readonly uniqueLow: number;
  readonly uniqueHigh: number;
}

export class Reply {
  readonly bytes = new Uint8Array(OUT_HEADER_SIZE + BODY_MAX);
  readonly view = new DataView(this.bytes.buffer);
  private readonly channel: Channel;
  private readonly header = this.bytes.subarray(0, OUT_HEADER_SIZE);
  private bodyLength = 0;
  private isDone = false;

  constructor(channel: Channel) {
    this.channel = channel;
  }

  /** Before a request is handled. */
  begin(request: Request): void {
    this.bodyLength = 0;
    this.isDone = false;
    OUT_HEADER.uniqueLow.set(this.view, 0, request.uniqueLow);
    OUT_HEADER.uniqueHigh.set(this.view, 0, request.uniqueHigh);
  }

  /** A structure of `size` zero bytes is added to the body: returns where it stands in `view`. */
  add(size: number): number {
    const at = OUT_HEADER_SIZE + this.bodyLength;
    assert(at + size <= this.bytes.length, "a body fits the reply buffer");
    this.bytes.fill(0, at, at + size);
    this.bodyLength += size;
    return at;
  }

  /** As `add`, but whatever stands there: the caller fills it, or cuts it back (`truncate`). HOT. */
  reserve(size: number): number {
    const at = OUT_HEADER_SIZE + this.bodyLength;
    assert(at + size <= this.bytes.length, "a body fits the reply buffer");
    this.bodyLength += size;
    return at;
  }

  /** Raw bytes are added to the body. */
  addBytes(source: Uint8Array): void {
    const at = OUT_HEADER_SIZE + this.bodyLength;
    assert(at + source.length <= this.bytes.length, "a body fits the reply buffer");
    this.bytes.set(source, at);
    this.bodyLength += source.length;
  }

  /** The bytes of a name are added to the body, without a NUL. */
  addName(name: Name): void {
    const at = OUT_HEADER_SIZE + this.bodyLength;
    assert(at + name.length <= this.bytes.length, "a body fits the reply buffer");
    copyName(name, this.bytes, at);
    this.bodyLength += name.length;
  }

  /** Bytes of the body so far. */
  get length(): number {
    return this.bodyLength;
  }

  /** Cut the body back to `length` bytes: an entry that did not fit. */
  truncate(length: number): void {
    assert(length <= this.bodyLength, "a body is cut, not grown");
    this.bodyLength = length;
  }

  /** Answer with `length` bytes of data that stand in `views`: the only copy is the kernel's. */
  sendViews(views: Uint8Array[], length: number): void {
    this.stamp(OUT_HEADER_SIZE + length, 0);
    this.isDone = true;
    this.channel.send([this.header, ...views]);
  }

  /** No answer, ever: FORGET. */
  drop(): void {
    this.isDone = true;
  }

  /** No answer now: the ticket is for `sendLater`. */
  defer(): Ticket {
    this.isDone = true;
    const { view } = this;
    return {
      uniqueLow: OUT_HEADER.uniqueLow.get(view, 0),
      uniqueHigh: OUT_HEADER.uniqueHigh.get(view, 0),
    };
  }

  /** Answer a request that was deferred, without a body. `errno` 0: success. */
  sendLater(ticket: Ticket, errno: number): void {
    const bytes = new Uint8Array(OUT_HEADER_SIZE);
    const view = new DataView(bytes.buffer);
    OUT_HEADER.length.set(view, 0, OUT_HEADER_SIZE);
    OUT_HEADER.error.set(view, 0, -errno >>> 0);
    OUT_HEADER.uniqueLow.set(view, 0, ticket.uniqueLow);
    OUT_HEADER.uniqueHigh.set(view, 0, ticket.uniqueHigh);
    this.channel.send([bytes]);
  }

  /** After the handler: send the body, unless the answer went out already or comes later. */
  finish(): void {
    if (this.isDone) return;
    const length = OUT_HEADER_SIZE + this.bodyLength;
    this.stamp(length, 0);
    this.isDone = true;
    this.channel.send([this.bytes.subarray(0, length)]);
  }

  /** The handler failed: send the error alone. `errno` is positive. */
  fail(errno: number): void {
    assert(errno > 0, "an error has a number");
    if (this.isDone) return;
    this.stamp(OUT_HEADER_SIZE, -errno);
    this.isDone = true;
    this.channel.send([this.header]);
  }

  private stamp(length: number, error: number): void {
    OUT_HEADER.length.set(this.view, 0, length);
    OUT_HEADER.error.set(this.view, 0, error >>> 0);
  }
}
