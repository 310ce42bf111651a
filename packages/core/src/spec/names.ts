/** Names between text and bytes: see `Name` in units.ts. */
import type { Name } from "./units.ts";

// Matches strings that are the same in UTF-8 and in one-byte characters, which most names are.
// eslint-disable-next-line no-control-regex
const ASCII = /^[\x00-\x7f]*$/;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Text to the bytes of its UTF-8. */
export function nameFromUtf8(text: string): Name {
  return ASCII.test(text) ? (text as Name) : nameFromBytes(encoder.encode(text));
}

/** Bytes as text; what is not UTF-8 becomes U+FFFD, as in Node. */
export function nameToUtf8(name: Name): string {
  return ASCII.test(name) ? name : decoder.decode(nameToBytes(name));
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
