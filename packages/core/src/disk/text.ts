/** Labels and uuids: text as superblocks hold it. */
import { OptionError } from "../spec/errors.ts";
import { nameFromBytes, nameFromUtf8, nameToBytes, nameToUtf8 } from "../spec/names.ts";

/** The UTF-8 of a field that zeros fill up. */
export function textFromField(field: Uint8Array): string {
  const end = field.indexOf(0);
  return nameToUtf8(nameFromBytes(field, 0, end < 0 ? field.length : end));
}

/** The UTF-8 of `text`. @throws OptionError where it has more than `size` bytes, or a NUL. */
export function textToBytes(text: string, size: number): Uint8Array {
  const bytes = nameToBytes(nameFromUtf8(text));
  if (bytes.length <= size && !bytes.includes(0)) return bytes;
  throw new OptionError(`'${text}' is too long: ${size} bytes of text is the most`);
}

/** 16 bytes from "01234567-89ab-cdef-0123-456789abcdef"; "" is all zero. @throws OptionError */
export function parseUuid(text: string): Uint8Array {
  const digits = text === "" ? "0".repeat(32) : text.replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/i.test(digits)) throw new OptionError(`'${text}' is not a UUID`);
  return Uint8Array.from({ length: 16 }, (_, at) => parseInt(digits.slice(2 * at, 2 * at + 2), 16));
}

export function formatUuid(uuid: Uint8Array): string {
  const digits = Array.from(uuid, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
