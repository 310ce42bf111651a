/** A platform without Node: plain Uint8Arrays, and the encodings that the web has or are short. */
import { nameFromBytes, nameToBytes } from "@xiplab/core";
import type { Name } from "@xiplab/core";
import type { Platform } from "./platform.ts";

interface Encoding {
  encode(text: string): Uint8Array;
  decode(bytes: Uint8Array): string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const utf8: Encoding = {
  encode: (text) => encoder.encode(text),
  decode: (bytes) => decoder.decode(bytes),
};
const latin1: Encoding = {
  encode: (text) => Uint8Array.from(text, (char) => char.charCodeAt(0)),
  decode: (bytes) => nameFromBytes(bytes),
};
const ascii: Encoding = {
  encode: (text) => latin1.encode(text),
  decode: (bytes) => nameFromBytes(bytes.map((byte) => byte & 0x7f)),
};
const utf16le: Encoding = {
  encode(text) {
    const view = new DataView(new ArrayBuffer(text.length * 2));
    for (let at = 0; at < text.length; at++) view.setUint16(at * 2, text.charCodeAt(at), true);
    return new Uint8Array(view.buffer);
  },
  decode: (bytes) => new TextDecoder("utf-16le").decode(bytes),
};
const hex: Encoding = {
  encode(text) {
    const digits = /^([0-9a-f]{2})*/i.exec(text)![0];
    const pairs = digits.match(/../g) ?? [];
    return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
  },
  decode: (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""),
};
const base64: Encoding = {
  encode: (text) => nameToBytes(atob(standard(text)) as Name),
  decode: (bytes) => btoa(nameFromBytes(bytes)),
};
const base64url: Encoding = {
  encode: (text) => base64.encode(text),
  decode: (bytes) =>
    base64.decode(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""),
};

/** Both alphabets, without what stands between and at the end. */
const standard = (text: string): string =>
  text
    .replaceAll("-", "+")
    .replaceAll("_", "/")
    .replace(/[^\w+/]/g, "");

const ENCODINGS: ReadonlyMap<string, Encoding> = new Map([
  ["utf8", utf8],
  ["utf-8", utf8],
  ["latin1", latin1],
  ["binary", latin1],
  ["ascii", ascii],
  ["utf16le", utf16le],
  ["utf-16le", utf16le],
  ["ucs2", utf16le],
  ["ucs-2", utf16le],
  ["hex", hex],
  ["base64", base64],
  ["base64url", base64url],
]);

const encodingOf = (name: string): Encoding => ENCODINGS.get(name.toLowerCase()) ?? utf8;

/** An error as Node's fileURLToPath throws it. */
const urlError = (code: string, message: string): TypeError =>
  Object.assign(new TypeError(message), { code });

function fileUrlToPath(url: URL): string {
  if (url.protocol !== "file:") {
    throw urlError("ERR_INVALID_URL_SCHEME", "The URL must be of scheme file");
  }
  if (url.hostname !== "") {
    const message = 'File URL host must be "localhost" or empty on linux';
    throw urlError("ERR_INVALID_FILE_URL_HOST", message);
  }
  if (/%2f/i.test(url.pathname)) {
    const message = "File URL path must not include encoded / characters";
    throw urlError("ERR_INVALID_FILE_URL_PATH", message);
  }
  return decodeURIComponent(url.pathname);
}

function inspect(value: unknown): string {
  if (typeof value === "string") return `'${value}'`;
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Uint8Array) return `Uint8Array(${value.length})`;
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

export const browserPlatform: Platform = {
  allocate: (size) => new Uint8Array(size),
  wrap: (view) => view,
  isEncoding: (name) => typeof name === "string" && ENCODINGS.has(name.toLowerCase()),
  encode: (text, encoding) => encodingOf(encoding).encode(text),
  decode: (bytes, encoding) => encodingOf(encoding).decode(bytes),
  fileUrlToPath,
  inspect,
  now: () => Date.now(),
  emitWarning: (message, name, code) => console.warn(`[${code}] ${name}: ${message}`),
};
