/** Small pieces of text: sizes, times, modes, names. Pure. */
import {
  type Name,
  nameFromBytes,
  nameToBytes,
  nameToUtf8,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFSOCK,
  S_ISGID,
  S_ISUID,
  S_ISVTX,
} from "@xiplab/core/spec";
import { argumentBytes } from "./raw-arguments.ts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes with a binary unit: "512 B", "1.5 MiB". */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || Number.isInteger(value) || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** "1 file", "3 files". */
export const count = (n: number, word: string): string =>
  `${n.toLocaleString("en")} ${n === 1 ? word : word.endsWith("y") ? `${word.slice(0, -1)}ies` : `${word}s`}`;

const TYPE_LETTERS: Readonly<Record<number, string>> = {
  [S_IFDIR]: "d",
  [S_IFLNK]: "l",
  [S_IFCHR]: "c",
  [S_IFBLK]: "b",
  [S_IFIFO]: "p",
  [S_IFSOCK]: "s",
};
const TYPE_WORDS: Readonly<Record<string, string>> = {
  "-": "regular file",
  d: "directory",
  l: "symbolic link",
  c: "character device",
  b: "block device",
  p: "fifo",
  s: "socket",
};

export const typeLetter = (mode: number): string => TYPE_LETTERS[mode & S_IFMT] ?? "-";
export const typeWord = (mode: number): string => TYPE_WORDS[typeLetter(mode)]!;

/** Mode as ls(1) prints it: "drwxr-xr-t". */
export function formatMode(mode: number): string {
  const bit = (mask: number, letter: string): string => (mode & mask ? letter : "-");
  const run = (shift: number, special: number, set: string): string => {
    const x = mode & (1 << shift);
    const last = mode & special ? (x ? set : set.toUpperCase()) : x ? "x" : "-";
    return bit(4 << shift, "r") + bit(2 << shift, "w") + last;
  };
  return typeLetter(mode) + run(6, S_ISUID, "s") + run(3, S_ISGID, "s") + run(0, S_ISVTX, "t");
}

export const formatOctal = (mode: number): string => (mode & ~S_IFMT).toString(8).padStart(4, "0");

const two = (value: number): string => String(value).padStart(2, "0");

/** Local time to the minute, as ls -l with a long ISO style. */
export function formatMinute(sec: number): string {
  const at = new Date(sec * 1000);
  if (Number.isNaN(at.getTime())) return String(sec);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** UTC with nanoseconds: "2026-01-02T03:04:05.000000006Z". */
export function formatInstant(sec: number, nsec: number): string {
  const at = new Date(sec * 1000);
  if (Number.isNaN(at.getTime())) return `${sec}.${String(nsec).padStart(9, "0")}`;
  return `${at.toISOString().slice(0, -5)}.${String(nsec).padStart(9, "0")}Z`;
}

// Bytes that would move the cursor or change colours.
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** A name for a terminal: control characters and bytes that are not UTF-8 show as escapes. */
export function showName(name: Name): string {
  const text = nameToUtf8(name);
  if (text.includes("\ufffd")) {
    return name.replaceAll(/[^\u0020-\u007e]/g, (c) => `\\x${hex(c.charCodeAt(0))}`);
  }
  return text.replaceAll(CONTROL, (c) => `\\x${hex(c.charCodeAt(0))}`);
}

/** Fields of a name for programs: the text, and the bytes in hex where the text is not exact. */
export function nameFields(name: Name): { name: string; nameHex?: string } {
  const text = nameToUtf8(name);
  if (!text.includes("\ufffd")) return { name: text };
  return { name: text, nameHex: Buffer.from(nameToBytes(name)).toString("hex") };
}

const hex = (value: number): string => value.toString(16).padStart(2, "0");

/** A path inside an image, from the command line: absolute whether it says so or not. */
export function imagePathFromText(text: string): Name {
  const name = nameFromBytes(argumentBytes(text));
  return (name.startsWith("/") ? name : `/${name}`) as Name;
}

/** `directory` and a name in it. */
export const joinPath = (directory: Name, name: Name): Name =>
  (directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`) as Name;

/** The last part of a path; "" of the root. */
export function baseName(path: Name): Name {
  const parts = path.split("/").filter((part) => part !== "");
  return (parts.at(-1) ?? "") as Name;
}
