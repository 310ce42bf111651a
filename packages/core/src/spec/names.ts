/** Names between text and bytes: see `Name` in units.ts. */
import type { Name } from "./units.ts";

// Not in strings that are the same in UTF-8 and in one-byte characters, as most names are. To search
// for what must not be there takes two thirds of the time of matching what may.
// eslint-disable-next-line no-control-regex
const BEYOND_ASCII = /[^\x00-\x7f]/;
/** Up to this length a loop is faster than starting the regular expression. */
const LOOP_MAX = 12;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Text to the bytes of its UTF-8. */
export function nameFromUtf8(text: string): Name {
  return isAscii(text) ? (text as Name) : nameFromBytes(encoder.encode(text));
}

/** Bytes as text; what is not UTF-8 becomes U+FFFD, as in Node. */
export function nameToUtf8(name: Name): string {
  return isAscii(name) ? name : decoder.decode(nameToBytes(name));
}

/**
 * `nameToUtf8` of all. Where nothing changes, which is most often, the array itself comes back: it
 * takes half the time of making another one.
 */
export function namesToUtf8(names: Name[]): string[] {
  for (let index = 0; index < names.length; index++) {
    if (!isAscii(names[index]!)) return names.map(nameToUtf8);
  }
  return names;
}

function isAscii(text: string): boolean {
  if (text.length > LOOP_MAX) return !BEYOND_ASCII.test(text);
  let bits = 0;
  for (let index = 0; index < text.length; index++) bits |= text.charCodeAt(index);
  return bits < 0x80;
}

export function nameFromBytes(bytes: Uint8Array, start = 0, end = bytes.length): Name {
  let name = "";
  for (let index = start; index < end; index++) name += String.fromCharCode(bytes[index]!);
  return name as Name;
}

export function nameToBytes(name: Name): Uint8Array {
  const bytes = new Uint8Array(name.length);
  copyName(name, bytes, 0);
  return bytes;
}

/** Write the bytes of `name` into `target` at `at`. */
export function copyName(name: Name, target: Uint8Array, at: number): void {
  for (let index = 0; index < name.length; index++) target[at + index] = name.charCodeAt(index);
}
