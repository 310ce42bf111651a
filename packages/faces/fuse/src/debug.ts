/**
 * A channel that tells of every request and answer in one line each, for --debug. It stands between
 * the connection and the real channel, so that without it nothing is paid:
 *
 *     #12 LOOKUP node=1 uid=0 pid=4711 name="etc"
 *     #12 = nodeid=14 ... mode=040755 ...
 *     #14 = ENOENT
 */
import {
  describe,
  ERRNO,
  type Name,
  nameFromBytes,
  nameToUtf8,
  sizeOf,
  type Struct,
} from "@xiplab/core";
import type { Channel } from "./channel.ts";
import { type Part, ReplyParts, RequestParts } from "./debug-tables.ts";
import { ENTRY_OUT_SIZE } from "./protocol/attributes.ts";
import { DIRENT, DIRENT_SIZE } from "./protocol/directories.ts";
import { InitFlagNames } from "./protocol/init.ts";
import { FUSE_BATCH_FORGET, FUSE_FORGET, FUSE_INTERRUPT, OpcodeNames } from "./protocol/opcodes.ts";
import { IN_HEADER, IN_HEADER_SIZE, OUT_HEADER, OUT_HEADER_SIZE } from "./protocol/structs.ts";

const TWO_32 = 2 ** 32;
/** Names told of one list, and characters of one name. */
const ENTRIES_MAX = 8;
const NAME_TEXT_MAX = 80;

/** Requests that nothing answers. */
const UNANSWERED: ReadonlySet<number> = new Set([FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_INTERRUPT]);
const ErrnoNames = new Map<number, string>(Object.entries(ERRNO).map(([name, no]) => [no, name]));

export class TracedChannel implements Channel {
  private readonly channel: Channel;
  private readonly tell: (line: string) => void;
  /** Opcodes of the requests that wait for an answer, by their numbers. */
  private readonly waiting = new Map<number, number>();

  constructor(channel: Channel, tell: (line: string) => void) {
    this.channel = channel;
    this.tell = tell;
  }

  receive(target: Uint8Array): number {
    const length = this.channel.receive(target);
    if (length === 0) this.tell("the connection has ended");
    else this.tellRequest(target.subarray(0, length));
    return length;
  }

  send(parts: readonly Uint8Array[]): boolean {
    const isWanted = this.channel.send(parts);
    this.tellReply(parts, isWanted);
    return isWanted;
  }

  private tellRequest(bytes: Uint8Array): void {
    if (bytes.length < IN_HEADER_SIZE) return this.tell(`a request of ${bytes.length} bytes`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const opcode = IN_HEADER.opcode.get(view, 0);
    const unique = IN_HEADER.uniqueLow.get(view, 0) + IN_HEADER.uniqueHigh.get(view, 0) * TWO_32;
    if (!UNANSWERED.has(opcode)) this.waiting.set(unique, opcode);
    const node = IN_HEADER.nodeidLow.get(view, 0) + IN_HEADER.nodeidHigh.get(view, 0) * TWO_32;
    const who = `uid=${IN_HEADER.uid.get(view, 0)} pid=${IN_HEADER.pid.get(view, 0)}`;
    const name = OpcodeNames[opcode] ?? `opcode ${opcode}`;
    const parts = RequestParts[opcode] ?? ["data"];
    const end = Math.max(IN_HEADER_SIZE, bytes.length - IN_HEADER.extensionWords.get(view, 0) * 8);
    const body = decode(parts, bytes.subarray(0, end), view, IN_HEADER_SIZE);
    this.tell([`#${unique} ${name} node=${node} ${who}`, ...body].join(" "));
  }

  private tellReply(parts: readonly Uint8Array[], isWanted: boolean): void {
    const bytes = parts[0]!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const unique = OUT_HEADER.uniqueLow.get(view, 0) + OUT_HEADER.uniqueHigh.get(view, 0) * TWO_32;
    const error = OUT_HEADER.error.get(view, 0) | 0;
    const notWanted = isWanted ? [] : ["(nobody waits for it)"];
    if (unique === 0) return this.tell(["notification", error, ...notWanted].join(" "));
    const opcode = this.waiting.get(unique) ?? 0;
    this.waiting.delete(unique);
    if (error !== 0) {
      const name = ErrnoNames.get(-error) ?? `errno ${-error}`;
      return this.tell([`#${unique} =`, name, ...notWanted].join(" "));
    }
    const more = parts.slice(1).reduce((sum, part) => sum + part.length, 0);
    const body =
      more > 0
        ? [`${more} bytes`]
        : decode(ReplyParts[opcode] ?? ["data"], bytes, view, OUT_HEADER_SIZE);
    this.tell([`#${unique} =`, ...(body.length === 0 ? ["ok"] : body), ...notWanted].join(" "));
  }
}

/** Words for what stands in `bytes` from `start` on. Whatever is cut short is told as bytes. */
function decode(
  parts: readonly Part[],
  bytes: Uint8Array,
  view: DataView,
  start: number,
): string[] {
  const words: string[] = [];
  let at = start;
  for (const part of parts) {
    const left = bytes.length - at;
    if (typeof part === "object") {
      if (left < sizeOf(part)) break;
      words.push(...fields(part, view, at));
      at += sizeOf(part);
    } else if (part === "name") {
      const nul = bytes.indexOf(0, at);
      if (nul < 0) break;
      words.push(`name=${quote(bytes, at, nul)}`);
      at = nul + 1;
    } else {
      words.push(...rest(part, bytes, view, at));
      at = bytes.length;
    }
  }
  if (at < bytes.length) words.push(`${bytes.length - at} bytes`);
  return words;
}

function rest(
  part: Exclude<Part, Struct<object> | "name">,
  bytes: Uint8Array,
  view: DataView,
  at: number,
): string[] {
  if (part === "text") return [quote(bytes, at, bytes.length)];
  if (part === "data") return at < bytes.length ? [`${bytes.length - at} bytes`] : [];
  return entries(bytes, view, at, part === "entriesPlus" ? ENTRY_OUT_SIZE : 0);
}

/** The first names of a list, and how many there are. */
function entries(bytes: Uint8Array, view: DataView, start: number, plusSize: number): string[] {
  const names: string[] = [];
  let count = 0;
  let at = start + plusSize;
  for (; at + DIRENT_SIZE <= bytes.length; count++) {
    const from = at + DIRENT_SIZE;
    const length = DIRENT.nameLength.get(view, at);
    if (count < ENTRIES_MAX) names.push(quote(bytes, from, from + length));
    at += Math.ceil((DIRENT_SIZE + length) / 8) * 8 + plusSize;
  }
  return [`${count} entries`, ...names, ...(count > ENTRIES_MAX ? ["…"] : [])];
}

/** Fields as name=value, without those that are zero: most are. */
function fields(structure: Struct<object>, view: DataView, at: number): string[] {
  const words: string[] = [];
  for (const [name, value] of describe(structure, view, at)) {
    if (value === "0") continue;
    words.push(`${name}=${readable(name, value)}`);
  }
  return words;
}

/** Modes in octal; flags as bits; those of INIT by name. */
function readable(name: string, value: string): string {
  const number = Number(value);
  if (name === "mode" || name === "umask") return `0${number.toString(8)}`;
  if (name === "flags" && number >= TWO_32 / 8) return initFlags(number);
  if (/flags|valid$|mask/i.test(name)) return `0x${number.toString(16)}`;
  return value;
}

function initFlags(bits: number): string {
  const names = InitFlagNames.filter(
    (_name, bit) => bit < 32 && Math.floor(bits / 2 ** bit) % 2 === 1,
  );
  return names.join("|");
}

function quote(bytes: Uint8Array, start: number, end: number): string {
  const name: Name = nameFromBytes(bytes, start, Math.min(end, start + NAME_TEXT_MAX));
  return JSON.stringify(nameToUtf8(name)) + (end - start > NAME_TEXT_MAX ? "…" : "");
}
