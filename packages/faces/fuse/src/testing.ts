/**
 * For tests: the kernel's side of a connection, in memory. Requests are put together byte by byte,
 * and every answer is looked at before a test sees it.
 */
import {
  assert,
  createPmem,
  ERRNO,
  layoutOf,
  mkfs,
  type MountEnvironment,
  mount,
  type Name,
  nameFromBytes,
  nameToBytes,
  type OptionValues,
  type Personality,
  sizeOf,
  type Struct,
  type Vfs,
} from "@xiplab/core";
import type { Channel } from "./channel.ts";
import { Connection, type ServeOptions } from "./connection.ts";
import * as init from "./protocol/init.ts";
import { ENTRY_HEAD } from "./protocol/attributes.ts";
import { FUSE_INIT } from "./protocol/opcodes.ts";
import { IN_HEADER, IN_HEADER_SIZE, OUT_HEADER, OUT_HEADER_SIZE } from "./protocol/structs.ts";

/** What the kernel of the machine that this was written on offers (6.18). */
export const OFFERED = 0x73fffffb;
export const OFFERED2 = 0x5fd;

export interface Answer {
  /** "ok", or the name of an errno. */
  readonly status: string;
  readonly view: DataView;
  readonly bytes: Uint8Array;
}

export interface Who {
  readonly uid?: number;
  readonly gid?: number;
  /** Behind the body, a multiple of 8 bytes. */
  readonly extensions?: Uint8Array;
}

const ErrnoNames = new Map<number, string>(Object.entries(ERRNO).map(([name, no]) => [no, name]));

/** A structure with some fields set. */
export function record(structure: Struct<object>, values: Readonly<Record<string, number>>) {
  const bytes = new Uint8Array(sizeOf(structure));
  const view = new DataView(bytes.buffer);
  const known = new Map(layoutOf(structure).fields);
  for (const [name, value] of Object.entries(values)) {
    const field = known.get(name);
    assert(field !== undefined, "a record is made of the structure's own fields");
    field.set(view, 0, value);
  }
  return bytes;
}

/** A name with its NUL. */
export const named = (name: string): Uint8Array => Uint8Array.of(...nameToBytes(name as Name), 0);

export const nodeidOf = ({ view }: Answer): number => ENTRY_HEAD.nodeid.get(view, 0);

export const textOf = ({ bytes }: Answer): string => nameFromBytes(bytes);

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A mount of an empty file system of 16 MiB. */
export function freshMount(
  personality: Personality,
  options: OptionValues = {},
  environment: MountEnvironment = {},
): Vfs {
  const device = createPmem({ size: 16 * 2 ** 20 });
  mkfs(personality, device);
  return mount(personality, device, options, environment);
}

/** One message as it is sent. */
function message(
  unique: number,
  opcode: number,
  nodeid: number,
  body: Uint8Array,
  who: Who,
): Uint8Array {
  const extensions = who.extensions ?? new Uint8Array();
  const header = record(IN_HEADER, {
    length: IN_HEADER_SIZE + body.length + extensions.length,
    opcode,
    uniqueLow: unique,
    nodeidLow: nodeid >>> 0,
    nodeidHigh: Math.floor(nodeid / 2 ** 32),
    uid: who.uid ?? 0,
    gid: who.gid ?? 0,
    pid: 1234,
    extensionWords: extensions.length / 8,
  });
  return concat([header, body, extensions]);
}

export class TestKernel implements Channel {
  readonly connection: Connection;
  /** Answers that were sent and not looked at yet. */
  readonly sent: Uint8Array[] = [];
  /** What was told without being asked. */
  readonly notifications: DataView[] = [];
  private readonly queue: Uint8Array[] = [];
  private unique = 2;

  constructor(vfs: Vfs, options: ServeOptions = {}) {
    this.connection = new Connection(vfs, this, options);
  }

  receive(target: Uint8Array): number {
    const next = this.queue.shift();
    if (next === undefined) return 0;
    target.set(next);
    return next.length;
  }

  send(parts: readonly Uint8Array[]): boolean {
    const whole = concat(parts);
    const view = new DataView(whole.buffer);
    if (OUT_HEADER.uniqueLow.get(view, 0) === 0) this.notifications.push(view);
    else this.sent.push(whole);
    return true;
  }

  /** Agree on what the kernel offers. */
  start(flags = OFFERED, flags2 = OFFERED2): Answer {
    const head = { major: 7, minor: 45, maxReadahead: 131072, flags };
    const rest = record(init.INIT_IN_EXT, { flags2 });
    return this.call(FUSE_INIT, 0, [record(init.INIT_IN, head), rest]);
  }

  /** Send bytes as they are, and have them handled. Answers go to `sent`. */
  raw(bytes: Uint8Array): void {
    this.queue.push(bytes);
    this.connection.step();
  }

  /** Ask, and expect nothing. */
  tell(opcode: number, nodeid: number, parts: readonly Uint8Array[] = [], who: Who = {}): number {
    const { unique } = this;
    this.unique += 2;
    this.raw(message(unique, opcode, nodeid, concat(parts), who));
    return unique;
  }

  /** Ask, and expect one answer. */
  call(opcode: number, nodeid: number, parts: readonly Uint8Array[] = [], who: Who = {}): Answer {
    assert(this.sent.length === 0, "every answer was looked at");
    const unique = this.tell(opcode, nodeid, parts, who);
    const [answer, more] = this.sent.splice(0);
    assert(answer !== undefined, "a request has an answer");
    assert(more === undefined, "a request has one answer");
    return checkAnswer(answer, unique);
  }
}

/** The answer to request `unique`, whose form is what the kernel insists on (fuse_dev_do_write). */
export function checkAnswer(answer: Uint8Array, unique: number): Answer {
  const view = new DataView(answer.buffer);
  assert(answer.length >= OUT_HEADER_SIZE, "an answer has a header");
  assert(OUT_HEADER.length.get(view, 0) === answer.length, "an answer says how long it is");
  assert(OUT_HEADER.uniqueLow.get(view, 0) === unique, "an answer says what it answers");
  const error = OUT_HEADER.error.get(view, 0) | 0;
  assert(error <= 0, "errors are negative");
  assert(error > -512, "errors are those of programs");
  assert(error === 0 || answer.length === OUT_HEADER_SIZE, "an error has no body");
  const status = error === 0 ? "ok" : (ErrnoNames.get(-error) ?? `errno ${-error}`);
  const bytes = answer.subarray(OUT_HEADER_SIZE);
  return { status, bytes, view: new DataView(answer.buffer, OUT_HEADER_SIZE) };
}
